"""Verbs of the job table: write a job, hold it for a while, end it. The fence is worker and attempt together."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from hub.db import Read, Transaction
from hub.domain.jobs import store
from hub.domain.jobs.model import (
    ATTEMPTS_MAX,
    Argument,
    Job,
    JobCount,
    Outcome,
    Worker,
    check_job,
    retry_delay_seconds,
)
from hub.kit.ids import new_id

LEASE_LOST = "LeaseLost"
ERROR_CHARACTERS_MAX = 100


async def enqueue(
    tx: Transaction,
    name: str,
    arguments: Mapping[str, Argument],
    *,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
    tenant_id: uuid.UUID | None = None,
) -> None:
    """Write a job in the verb's own transaction; it runs once the rows are real, or never if it rolls back.

    While a job of the same name and dedupe key is unfinished, a second one is not written. Arguments are
    ids and small values; secrets and personal data do not belong here. Raises ValueError or TypeError for
    a malformed job, which is a fault of the calling code.
    """
    check_job(name, arguments, dedupe_key)
    job_id = new_id()
    new = store.NewJob(job_id, tenant_id, name, arguments, dedupe_key, run_at, ATTEMPTS_MAX)
    if await store.insert(tx, new) and (run_at is None or run_at <= tx.now):
        tx.after_commit(f"jobs:{job_id}")


async def begin(tx: Transaction, worker: Worker, job_id: uuid.UUID) -> Job | None:
    """Claim this job for the worker, or None when it is not due, not known, or somebody else's."""
    return await store.claim(tx, worker, job_id)


async def begin_next(tx: Transaction, worker: Worker) -> Job | None:
    """Claim the job that has been due longest, or None when nothing is due."""
    return await store.claim(tx, worker, None)


async def renew(tx: Transaction, worker: Worker, held: Mapping[uuid.UUID, int]) -> frozenset[uuid.UUID]:
    """Lengthen the leases on these jobs (id to attempt); returns those that are still the worker's."""
    return await store.extend(tx, worker, held) if held else frozenset()


async def complete(tx: Transaction, worker: Worker, job: Job) -> bool:
    """Record that the job is done; False, and nothing written, when the lease was lost in between."""
    return await store.end(tx, worker, job, Outcome.DONE, store.done())


async def fail(
    tx: Transaction, worker: Worker, job: Job, error: str, *, is_final: bool = False
) -> Outcome | None:
    """Record a failed attempt by its error's class name: tried again later, or FAILED after the last attempt.

    Returns RETRY or FAILED; None, and nothing written, when the lease was lost in between.
    """
    error = error[:ERROR_CHARACTERS_MAX]
    if is_final or job.is_last_attempt:
        outcome, changes = Outcome.FAILED, store.failed(error)
    else:
        chance = secrets.randbelow(1_000) / 1_000
        outcome, changes = Outcome.RETRY, store.again(retry_delay_seconds(job.attempt, chance), error)
    return outcome if await store.end(tx, worker, job, outcome, changes) else None


async def release(tx: Transaction, worker: Worker, job: Job) -> bool:
    """Give an unfinished job back, due at once, without counting the attempt; False when it was lost before."""
    return await store.end(tx, worker, job, Outcome.RELEASED, store.given_back())


async def recover(tx: Transaction) -> Sequence[Job]:
    """End attempts whose lease ran out (their worker is dead or cut off); returns the jobs they were of.

    They are due at once again; after their last attempt they are FAILED, so that a job which kills its
    workers does not go on for ever.
    """
    return await store.take_lost(tx, LEASE_LOST)


async def counts(read: Read) -> tuple[JobCount, ...]:
    """How many jobs are READY, RUNNING and FAILED, by name, and how late the ready ones are: for metrics."""
    return await store.count(read)
