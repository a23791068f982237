"""A hub on a port of the loopback interface, in this process, with the spec's cast and a sequencer that runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from hub.db import Database
from hub.jobs.transparency import Rhythm, sequence
from hub.means import Means
from hub.settings import Settings
from hub.wiring import connect
from tests.api.conftest import Cast, cast, client, means
from tests.streams.listening import Served, served

__all__ = ["Cast", "cast", "client", "means"]


@pytest.fixture
async def web(settings: Settings) -> AsyncIterator[Served]:
    """The hub as a server."""
    async with served(settings) as running:
        yield running


@pytest.fixture
async def sequencing(settings: Settings, database: Database, means: Means) -> AsyncIterator[None]:
    """A sequencer beside the test, which calls those who wait as the worker's does."""
    db, wakeups = connect(settings)
    task = asyncio.create_task(sequence(db, means, Rhythm(0.02, 0.02, 0.05)))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await wakeups.close()
    await db.close()
