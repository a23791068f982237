"""The job table's promises on a real PostgreSQL: claims, fences, retries, dedupe, rights."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from hub.db import Database
from hub.domain import jobs
from hub.domain.jobs import Job, Outcome, State, Worker
from hub.domain.jobs.tables import job, job_attempt

pytestmark = pytest.mark.anyio

NAME = "tests.do_it"
ALICE = Worker("alice", 10.0, frozenset({NAME}))
BOB = Worker("bob", 10.0, frozenset({NAME}))


async def put(db: Database, **options: Any) -> None:
    async with db.transaction() as tx:
        await jobs.enqueue(tx, options.pop("name", NAME), {"n": 1}, **options)


async def take(db: Database, worker: Worker = ALICE) -> Job | None:
    async with db.transaction() as tx:
        return await jobs.begin_next(tx, worker)


async def taken(db: Database, worker: Worker = ALICE) -> Job:
    found = await take(db, worker)
    assert found is not None
    return found


async def change(db: Database, **values: Any) -> None:
    async with db.transaction() as tx:
        await tx.execute(sa.update(job).values(**values))


async def expire(db: Database) -> None:
    await change(db, lease_until=sa.func.now() - timedelta(seconds=1))


async def rows(db: Database, table: sa.Table = job) -> list[Any]:
    async with db.read() as read:
        return list((await read.rows(sa.select(table).order_by(*table.primary_key.columns))).all())


async def test_a_job_is_ready_claimed_and_done_and_its_attempt_is_kept(database: Database) -> None:
    await put(database)
    claimed = await taken(database)
    assert (claimed.name, claimed.arguments, claimed.attempt) == (NAME, {"n": 1}, 1)
    [running] = await rows(database)
    assert (running.state, running.leased_by) == (State.RUNNING, "alice")
    assert timedelta(seconds=5) < running.lease_until - datetime.now(UTC) <= timedelta(seconds=11)
    assert await rows(database, job_attempt) == []
    async with database.transaction() as tx:
        assert await jobs.complete(tx, ALICE, claimed)
    [done] = await rows(database)
    assert (done.state, done.leased_by, done.last_error) == (State.DONE, None, None)
    assert done.finished_at is not None
    [attempt] = await rows(database, job_attempt)
    assert (attempt.attempt, attempt.worker, attempt.outcome, attempt.error) == (1, "alice", "DONE", None)
    assert attempt.started_at <= attempt.ended_at
    assert await take(database) is None


async def test_a_job_of_a_transaction_that_rolls_back_does_not_exist(database: Database) -> None:
    nudged: list[str] = []

    async def nudge(topic: str) -> None:
        nudged.append(topic)

    db = Database(database.engine, nudge)
    with suppress(LookupError):
        async with db.transaction() as tx:
            await jobs.enqueue(tx, NAME, {})
            raise LookupError
    assert await rows(db) == []
    assert nudged == []
    await put(db)
    [written] = await rows(db)
    assert nudged == [f"jobs:{written.id}"]


async def test_one_unfinished_job_per_name_and_dedupe_key(database: Database) -> None:
    await put(database, dedupe_key="k")
    await put(database, dedupe_key="k")
    await put(database, dedupe_key="other")
    await put(database, dedupe_key="k", name="tests.do_other")
    assert len(await rows(database)) == 3
    first = await taken(database)
    await put(database, dedupe_key="k")
    assert len(await rows(database)) == 3, "also while it runs"
    async with database.transaction() as tx:
        assert await jobs.complete(tx, ALICE, first)
    await put(database, dedupe_key="k")
    assert len(await rows(database)) == 4, "but not once it is done"


async def test_dedupe_holds_against_concurrent_writers(database: Database) -> None:
    await asyncio.gather(*(put(database, dedupe_key="k") for _ in range(12)))
    assert len(await rows(database)) == 1


async def test_a_job_for_later_is_not_claimed_before_its_time_and_not_nudged(database: Database) -> None:
    nudged: list[str] = []

    async def nudge(topic: str) -> None:
        nudged.append(topic)

    await put(Database(database.engine, nudge), run_at=datetime.now(UTC) + timedelta(hours=1))
    assert await take(database) is None
    assert nudged == []
    await change(database, next_run_at=sa.func.now())
    assert await take(database) is not None


async def test_jobs_a_worker_does_not_know_are_left_to_others(database: Database) -> None:
    await put(database, name="tests.of_a_newer_release")
    assert await take(database) is None
    newer = Worker("newer", 10.0, frozenset({"tests.of_a_newer_release"}))
    assert await take(database, newer) is not None


async def test_concurrent_claims_give_each_job_to_one_worker(database: Database) -> None:
    for _ in range(20):
        await put(database)
    claimed = await asyncio.gather(*(take(database, (ALICE, BOB)[n % 2]) for n in range(40)))
    ids = [found.id for found in claimed if found is not None]
    while (more := await take(database)) is not None:  # who met only locked rows came back empty-handed
        ids.append(more.id)
    assert len(ids) == len(set(ids)) == 20


async def test_the_same_job_is_claimed_once_by_id(database: Database) -> None:
    await put(database)
    [row] = await rows(database)

    async def begin(worker: Worker) -> Job | None:
        async with database.transaction() as tx:
            return await jobs.begin(tx, worker, row.id)

    claimed = await asyncio.gather(*(begin((ALICE, BOB)[n % 2]) for n in range(10)))
    assert len([found for found in claimed if found is not None]) == 1
    async with database.transaction() as tx:
        assert await jobs.begin(tx, ALICE, uuid.uuid4()) is None


async def test_a_worker_that_lost_its_lease_cannot_end_the_job(database: Database) -> None:
    await put(database)
    lost = await taken(database, ALICE)
    await expire(database)
    async with database.transaction() as tx:
        [recovered] = await jobs.recover(tx)
    assert recovered.id == lost.id
    mine = await taken(database, BOB)
    assert mine.attempt == 2
    before = await rows(database)
    async with database.transaction() as tx:
        assert not await jobs.complete(tx, ALICE, lost)
        assert await jobs.fail(tx, ALICE, lost, "LookupError") is None
        assert not await jobs.release(tx, ALICE, lost)
        assert await jobs.renew(tx, ALICE, {lost.id: lost.attempt}) == frozenset()
    assert await rows(database) == before
    async with database.transaction() as tx:
        assert await jobs.complete(tx, BOB, mine)
    assert [(a.worker, a.outcome) for a in await rows(database, job_attempt)] == [
        ("alice", "LOST"),
        ("bob", "DONE"),
    ]


async def test_the_same_worker_in_an_older_attempt_is_fenced_too(database: Database) -> None:
    await put(database)
    older = await taken(database, ALICE)
    await expire(database)
    async with database.transaction() as tx:
        await jobs.recover(tx)
    newer = await taken(database, ALICE)
    async with database.transaction() as tx:
        assert not await jobs.complete(tx, ALICE, older)
        assert await jobs.renew(tx, ALICE, {older.id: older.attempt}) == frozenset()
        assert await jobs.renew(tx, ALICE, {newer.id: newer.attempt}) == {newer.id}
        assert await jobs.complete(tx, ALICE, newer)


async def test_a_renewed_lease_is_not_recovered(database: Database) -> None:
    await put(database)
    mine = await taken(database)
    await expire(database)
    async with database.transaction() as tx:
        assert await jobs.renew(tx, ALICE, {mine.id: mine.attempt}) == {mine.id}
        assert list(await jobs.recover(tx)) == []
    assert await take(database, BOB) is None


async def test_a_failed_attempt_is_tried_again_later_and_keeps_the_class_alone(database: Database) -> None:
    await put(database)
    first = await taken(database)
    async with database.transaction() as tx:
        assert await jobs.fail(tx, ALICE, first, "LookupError") is Outcome.RETRY
    [row] = await rows(database)
    assert (row.state, row.last_error, row.finished_at) == (State.READY, "LookupError", None)
    assert timedelta(0) < row.next_run_at - datetime.now(UTC) <= timedelta(seconds=2)
    assert await take(database) is None
    assert [(a.outcome, a.error) for a in await rows(database, job_attempt)] == [("RETRY", "LookupError")]


async def test_the_last_attempt_fails_for_good_and_shows(database: Database) -> None:
    await put(database, dedupe_key="k")
    await change(database, attempts_max=2)
    for expected in (Outcome.RETRY, Outcome.FAILED):
        await change(database, next_run_at=sa.func.now())
        mine = await taken(database)
        async with database.transaction() as tx:
            assert await jobs.fail(tx, ALICE, mine, "LookupError") is expected
    await change(database, next_run_at=sa.func.now())
    assert await take(database) is None
    async with database.read() as read:
        assert [(c.name, c.state, c.count) for c in await jobs.counts(read)] == [(NAME, State.FAILED, 1)]
    await put(database, dedupe_key="k")
    assert len(await rows(database)) == 2, "a failed job does not stand in the way of a new one"


async def test_a_job_that_kills_its_workers_does_not_go_on_for_ever(database: Database) -> None:
    await put(database)
    await change(database, attempts_max=2)
    for _ in range(2):
        await taken(database)
        await expire(database)
        async with database.transaction() as tx:
            assert len(await jobs.recover(tx)) == 1
    [row] = await rows(database)
    assert (row.state, row.last_error) == (State.FAILED, "LeaseLost")
    assert await take(database) is None


async def test_a_final_failure_is_not_tried_again(database: Database) -> None:
    await put(database)
    mine = await taken(database)
    async with database.transaction() as tx:
        assert await jobs.fail(tx, ALICE, mine, "MailRefused", is_final=True) is Outcome.FAILED
    [row] = await rows(database)
    assert (row.state, row.attempt) == (State.FAILED, 1)


async def test_a_released_job_is_due_at_once_and_keeps_its_tries(database: Database) -> None:
    await put(database)
    await change(database, attempts_max=1)
    first = await taken(database)
    async with database.transaction() as tx:
        assert await jobs.release(tx, ALICE, first)
    again = await taken(database, BOB)
    assert (again.attempt, again.is_last_attempt, again.attempts_max) == (2, True, 2)
    assert [a.outcome for a in await rows(database, job_attempt)] == ["RELEASED"]


async def test_counts_say_how_late_the_ready_ones_are(database: Database) -> None:
    await put(database)
    await put(database, run_at=datetime.now(UTC) + timedelta(hours=1))
    await change(database, next_run_at=sa.func.now() - timedelta(seconds=30))
    await put(database, name="tests.later", run_at=datetime.now(UTC) + timedelta(hours=1))
    async with database.read() as read:
        later, due = sorted(await jobs.counts(read), key=lambda counted: counted.late_seconds)
    assert (later.name, later.state, later.count, later.late_seconds) == ("tests.later", "READY", 1, 0)
    assert (due.name, due.state, due.count) == (NAME, "READY", 2)
    assert 29 < due.late_seconds < 40


async def test_the_history_of_attempts_cannot_be_changed(database: Database) -> None:
    await put(database)
    mine = await taken(database)
    async with database.transaction() as tx:
        await jobs.complete(tx, ALICE, mine)
    for statement in (
        "UPDATE job_attempt SET outcome = 'LOST'",
        "DELETE FROM job_attempt",
        "DELETE FROM job",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.transaction() as tx:
                await tx.execute(sa.text(statement))
    assert [a.outcome for a in await rows(database, job_attempt)] == ["DONE"]


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "ODD"},
        {"state": "RUNNING"},
        {"leased_by": "eve", "lease_until": sa.func.now()},
        {"state": "DONE"},
        {"attempt": 11},
        {"attempt": 1},
    ],
    ids=["state", "running without lease", "lease without running", "done without end", "attempts", "start"],
)
async def test_the_database_refuses_a_job_that_contradicts_itself(
    database: Database, broken: dict[str, Any]
) -> None:
    await put(database)
    before = await rows(database)
    with pytest.raises((IntegrityError, DBAPIError)):
        await change(database, **broken)
    assert await rows(database) == before
