"""Queries of the job table. Leases are compared across machines, so every time here is the database's own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from hub.db import Read, Transaction
from hub.domain.jobs.model import Argument, Job, JobCount, Outcome, State, Worker
from hub.domain.jobs.tables import job, job_attempt

RECOVER_MAX = 100

_NOT_LEASED: dict[str, Any] = {"leased_by": None, "lease_until": None}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job about to be written."""

    id: uuid.UUID
    tenant_id: uuid.UUID | None
    name: str
    arguments: Mapping[str, Argument]
    dedupe_key: str | None
    run_at: datetime | None
    attempts_max: int


async def insert(tx: Transaction, new: NewJob) -> bool:
    """Write it; False when an unfinished job of this name and dedupe key is there already."""
    statement = (
        insert_or_skip(job)
        .values(
            id=new.id,
            tenant_id=new.tenant_id,
            name=new.name,
            arguments=dict(new.arguments),
            dedupe_key=new.dedupe_key,
            state=State.READY,
            attempt=0,
            attempts_max=new.attempts_max,
            next_run_at=sa.func.now() if new.run_at is None else new.run_at,
            created_at=sa.func.now(),
        )
        .on_conflict_do_nothing(
            index_elements=["name", "dedupe_key"], index_where=sa.text("state IN ('READY', 'RUNNING')")
        )
        .returning(job.c.id)
    )
    return await tx.scalar(statement) is not None


async def claim(tx: Transaction, worker: Worker, job_id: uuid.UUID | None) -> Job | None:
    """Take the longest due job (or the named one, if it is due) that nobody else is taking just now."""
    due = (
        sa.select(job.c.id)
        .where(
            job.c.state == State.READY,
            job.c.next_run_at <= sa.func.now(),
            job.c.name.in_(sorted(worker.handles)),
        )
        .order_by(job.c.next_run_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job_id is not None:
        due = due.where(job.c.id == job_id)
    picked = due.cte("due")
    statement = (
        sa.update(job)
        .where(job.c.id == picked.c.id, job.c.state == State.READY)
        .values(
            state=State.RUNNING,
            attempt=job.c.attempt + 1,
            leased_by=worker.name,
            lease_until=_in(worker.lease_seconds),
            started_at=sa.func.now(),
        )
        .returning(job.c.id, job.c.tenant_id, job.c.name, job.c.arguments, job.c.attempt, job.c.attempts_max)
    )
    row = (await tx.rows(statement)).one_or_none()
    return None if row is None else _job(row)


async def extend(tx: Transaction, worker: Worker, held: Mapping[uuid.UUID, int]) -> frozenset[uuid.UUID]:
    """Lengthen the leases that are still this worker's in the attempt it knows; returns those."""
    statement = (
        sa.update(job)
        .where(
            sa.tuple_(job.c.id, job.c.attempt).in_(sorted(held.items())),
            job.c.state == State.RUNNING,
            job.c.leased_by == worker.name,
        )
        .values(lease_until=_in(worker.lease_seconds))
        .returning(job.c.id)
    )
    return frozenset((await tx.rows(statement)).scalars())


async def end(
    tx: Transaction, worker: Worker, mine: Job, outcome: Outcome, changes: Mapping[str, Any]
) -> bool:
    """End an attempt if, and only if, its lease is still held; the history row is written with it."""
    statement = (
        sa.update(job)
        .where(
            job.c.id == mine.id,
            job.c.state == State.RUNNING,
            job.c.leased_by == worker.name,
            job.c.attempt == mine.attempt,
        )
        .values(**_NOT_LEASED, **changes)
        .returning(job.c.started_at)
    )
    started_at = await tx.scalar(statement)
    if started_at is None:
        return False
    await tx.execute(
        sa.insert(job_attempt).values(
            job_id=mine.id,
            attempt=mine.attempt,
            worker=worker.name,
            started_at=started_at,
            ended_at=sa.func.clock_timestamp(),
            outcome=outcome,
            error=changes.get("last_error"),
        )
    )
    return True


def done() -> dict[str, Any]:
    """What a finished job changes to."""
    return {"state": State.DONE, "finished_at": sa.func.clock_timestamp()}


def failed(error: str) -> dict[str, Any]:
    """What a job changes to that is given up."""
    return {"state": State.FAILED, "finished_at": sa.func.clock_timestamp(), "last_error": error}


def again(delay_seconds: float, error: str) -> dict[str, Any]:
    """What a job changes to that is tried again later."""
    return {"state": State.READY, "next_run_at": _in(delay_seconds), "last_error": error}


def given_back() -> dict[str, Any]:
    """What a job changes to that its worker could not end: due at once, and the attempt does not count."""
    return {"state": State.READY, "next_run_at": sa.func.now(), "attempts_max": job.c.attempts_max + 1}


async def take_lost(tx: Transaction, error: str) -> Sequence[Job]:
    """End the attempts whose lease ran out: back to READY, or FAILED after the last; returns those jobs."""
    expired = (
        sa.select(job)
        .where(job.c.state == State.RUNNING, job.c.lease_until < sa.func.now())
        .order_by(job.c.lease_until)
        .limit(RECOVER_MAX)
        .with_for_update(skip_locked=True)
    )
    rows = (await tx.rows(expired)).all()
    if not rows:
        return ()
    is_last = job.c.attempt >= job.c.attempts_max
    await tx.execute(
        sa.update(job)
        .where(job.c.id.in_([row.id for row in rows]))
        .values(
            **_NOT_LEASED,
            state=sa.case((is_last, State.FAILED.value), else_=State.READY.value),
            finished_at=sa.case((is_last, sa.func.now())),
            next_run_at=sa.func.now(),
            last_error=error,
        )
    )
    await tx.execute(
        sa.insert(job_attempt).values(ended_at=sa.func.now()),
        [
            {
                "job_id": row.id,
                "attempt": row.attempt,
                "worker": row.leased_by,
                "started_at": row.started_at,
                "outcome": Outcome.LOST,
                "error": error,
            }
            for row in rows
        ],
    )
    return [_job(row) for row in rows]


async def count(read: Read) -> tuple[JobCount, ...]:
    """Everything but what is done, by name and state."""
    late = sa.case((job.c.state == State.READY, sa.func.now() - job.c.next_run_at))
    statement = (
        sa.select(
            job.c.name,
            job.c.state,
            sa.func.count().label("jobs"),
            sa.func.greatest(sa.func.extract("epoch", sa.func.max(late)), 0).label("late_seconds"),
        )
        # Spelled as the partial indexes are, so that finished jobs cost nothing here.
        .where(sa.text("(state = 'READY' OR state = 'RUNNING' OR state = 'FAILED')"))
        .group_by(job.c.name, job.c.state)
        .order_by(job.c.name, job.c.state)
    )
    rows = (await read.rows(statement)).all()
    return tuple(JobCount(row.name, State(row.state), row.jobs, float(row.late_seconds)) for row in rows)


def _job(row: Any) -> Job:
    return Job(row.id, row.tenant_id, row.name, row.arguments, row.attempt, row.attempts_max)


def _in(seconds: float) -> sa.ColumnElement[datetime]:
    return sa.func.now() + sa.literal(timedelta(seconds=seconds))
