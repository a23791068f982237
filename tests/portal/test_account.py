"""One's own account, as people keep it without scripts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine

from hub.db import utc_now
from hub.means import Means
from tests.factories.registry import Post, make_agency
from tests.portal.browsing import Visitor
from tests.portal.conftest import enter

pytestmark = pytest.mark.anyio

OWNER = "asha@punjab.gov.in"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
END = re.compile(r'action="(/portal/account/sessions/ses_[^"]+/end)"')


@pytest.fixture
async def owner(visitor: Visitor, post: Post, means: Means) -> Visitor:
    """An agency's owner, signed in a moment ago."""
    await make_agency(post.database, means, name="Water Board", email=OWNER)
    visitor.headers["user-agent"] = FIREFOX
    await enter(visitor, post, OWNER)
    return visitor


async def test_other_sessions_are_seen_and_ended(owner: Visitor, post: Post) -> None:
    other = Visitor(owner.http)
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        await enter(other, post, OWNER)
    page = await owner.get("/portal/account")
    assert "Firefox, Linux this one 127.0.0.0/24" in page.text
    ends = END.findall(page.html)
    assert len(ends) == 2
    page = await owner.post(ends[0])
    assert "Done." in page.text
    assert len(END.findall(page.html)) == 1
    assert "Register an agency" in (await other.get("/portal")).text
    assert "it is not for you" in (await owner.post(ends[0])).text


async def test_ending_this_session_signs_out(owner: Visitor) -> None:
    (end,) = END.findall((await owner.get("/portal/account")).html)
    page = await owner.post(end)
    assert "You are signed out." in page.text
    assert (await owner.get("/portal/account")).path.startswith("/portal/sign-in")


async def test_all_others_end_with_one_button(owner: Visitor, post: Post) -> None:
    assert "End all others" not in (await owner.get("/portal/account")).text
    other = Visitor(owner.http)
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        await enter(other, post, OWNER)
    page = await owner.post("/portal/account/sessions/end-others")
    assert len(END.findall(page.html)) == 1
    assert "Register an agency" in (await other.get("/portal")).text
