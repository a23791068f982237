"""The runner in this process: leases lost or no longer vouched for stop the handler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.adapters.mail import FolderMailer
from hub.db import Database, Transaction
from hub.domain import jobs
from hub.domain.jobs.tables import job, job_attempt
from hub.jobs.doors import Handler, JobContext, merge
from hub.jobs.runner import Pace, Runner, Tools
from hub.means import Means
from hub.signing import HubKey
from tests.jobs.processes import all_jobs, put, until

pytestmark = pytest.mark.anyio

NAME = "tests.wait"
PACE = Pace(lease_seconds=2.0, heartbeat_seconds=0.1, grace_seconds=0.1, handler_seconds_max=30.0)


class CutOff(Database):
    """A database whose network can be pulled."""

    is_away = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.is_away:
            raise ConnectionError
        async with super().transaction() as tx:
            yield tx


class Waiting:
    """A handler that waits to be let go, and remembers being cancelled."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.started = asyncio.Event()
        self.cancelled_at = 0.0

    async def __call__(self, _: JobContext, __: Mapping[str, Any]) -> None:
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled_at = time.monotonic()
            raise


@asynccontextmanager
async def running(db: Database, handler: Handler, folder: Path, pace: Pace = PACE) -> AsyncIterator[Runner]:
    """A runner with its heartbeat."""
    means = Means("ifix.org", HubKey.from_seed(bytes(32)), bytes(32))
    runner = Runner("me", Tools(db, means, FolderMailer(folder, "hub@ifix.org")), {NAME: handler}, pace)
    heartbeat = asyncio.create_task(runner.heartbeat())
    try:
        yield runner
    finally:
        await runner.stop()
        heartbeat.cancel()
        with suppress(asyncio.CancelledError):
            await heartbeat


async def outcomes(db: Database) -> list[str]:
    async with db.read() as read:
        return list((await read.rows(sa.select(job_attempt.c.outcome))).scalars())


async def test_a_heartbeat_keeps_a_long_job_from_being_taken(database: Database, tmp_path: Path) -> None:
    handler = Waiting()
    async with running(database, handler, tmp_path) as runner:
        await put(database, NAME)
        assert await runner.start_next(1)
        await asyncio.sleep(3)  # longer than the lease
        await runner.recover()
        assert not await runner.start_next(1)
        handler.go.set()
        await until(lambda: outcomes(database), 3, what="the end")
        assert await outcomes(database) == ["DONE"]


async def test_a_handler_whose_lease_was_taken_is_cancelled_and_records_nothing(
    database: Database, tmp_path: Path
) -> None:
    handler = Waiting()
    async with running(database, handler, tmp_path) as runner:
        await put(database, NAME)
        await runner.start_next(1)
        await handler.started.wait()
        async with database.transaction() as tx:
            await tx.execute(sa.update(job).values(lease_until=sa.func.now() - timedelta(seconds=1)))
            await jobs.recover(tx)
        await until(lambda: handler.cancelled_at, 1, what="the handler cancelled")
    assert await outcomes(database) == ["LOST"]
    [row] = await all_jobs(database)
    assert (row.state, row.attempt) == ("READY", 1)


async def test_a_worker_cut_off_from_the_database_stops_before_its_lease_ends(
    database: Database, tmp_path: Path
) -> None:
    handler, cut_off = Waiting(), CutOff(database.engine)
    async with running(cut_off, handler, tmp_path) as runner:
        await put(database, NAME)
        await runner.start_next(1)
        await handler.started.wait()
        cut_off.is_away = True
        began = time.monotonic()
        await until(lambda: handler.cancelled_at, 3, what="the handler cancelled")
        assert handler.cancelled_at - began < PACE.lease_seconds
    [row] = await all_jobs(database)
    assert row.state == "RUNNING"


async def test_an_outcome_waits_for_the_database_within_the_lease(database: Database, tmp_path: Path) -> None:
    handler, cut_off = Waiting(), CutOff(database.engine)
    async with running(cut_off, handler, tmp_path) as runner:
        await put(database, NAME)
        await runner.start_next(1)
        await handler.started.wait()
        cut_off.is_away = True
        handler.go.set()
        await asyncio.sleep(0.4)
        cut_off.is_away = False
        await until(lambda: outcomes(database), 2, what="the end")
    assert await outcomes(database) == ["DONE"]


async def test_a_handler_that_takes_too_long_is_tried_again(database: Database, tmp_path: Path) -> None:
    pace = Pace(lease_seconds=2.0, heartbeat_seconds=0.1, handler_seconds_max=0.2)
    async with running(database, Waiting(), tmp_path, pace) as runner:
        await put(database, NAME)
        await runner.start_next(1)
        await until(lambda: outcomes(database), 2, what="the end")
    assert await outcomes(database) == ["RETRY"]
    [row] = await all_jobs(database)
    assert row.last_error == "TimeoutError"


async def test_no_more_than_the_allowed_number_run_at_once(database: Database, tmp_path: Path) -> None:
    handler = Waiting()
    pace = Pace(concurrent_max=2, lease_seconds=2.0, heartbeat_seconds=0.1)
    async with running(database, handler, tmp_path, pace) as runner:
        for _ in range(3):
            await put(database, NAME)
        assert [await runner.start_next(0.2) for _ in range(3)] == [True, True, False]
        assert sorted(row.state for row in await all_jobs(database)) == ["READY", "RUNNING", "RUNNING"]
        handler.go.set()
        assert await runner.start_next(2)
        await until(lambda: _all_done(database), 2, what="the end")


async def _all_done(db: Database) -> bool:
    return {row.state for row in await all_jobs(db)} == {"DONE"}


async def test_a_job_name_given_twice_is_refused() -> None:
    handler = Waiting()
    with pytest.raises(ValueError, match=r"a\.b"):
        merge({"a.b": handler}, {"a.c": handler}, {"a.b": handler})
