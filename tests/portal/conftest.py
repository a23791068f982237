"""What the portal's tests share: a visitor, the mail, and somebody signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.db import Database
from hub.means import Means
from hub.settings import Settings
from hub.wiring import make_means
from tests.factories.registry import Post
from tests.portal.browsing import Visitor, browse


@pytest.fixture
def means(settings: Settings) -> Means:
    """The hub's own keys, the same as the served app's."""
    return make_means(settings)


@pytest.fixture
async def visitor(settings: Settings) -> AsyncIterator[Visitor]:
    """A browser nobody is signed in with."""
    async with browse(settings) as visitor:
        yield visitor


@pytest.fixture
async def post(database: Database, means: Means) -> AsyncIterator[Post]:
    """The hub's outgoing mail."""
    yield Post(database, means)
    await database.close()


async def enter(visitor: Visitor, post: Post, email: str) -> None:
    """Sign in with a code from the mail."""
    page = await visitor.post("/portal/sign-in", email=email)
    assert "One-time code" in page.text
    page = await visitor.post("/portal/sign-in/code", email=email, code=await post.code())
    assert (page.status, page.path) == (200, "/portal")
