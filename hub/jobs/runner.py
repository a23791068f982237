"""Runs claimed jobs: a bounded number at once, each under a lease that a heartbeat keeps alive."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from hub.db import Database, Transaction
from hub.domain import jobs
from hub.domain.jobs import Job, Outcome, Worker
from hub.domain.registry.callers import HubCaller
from hub.domain.webhooks import Courier
from hub.jobs.doors import Handler, JobContext
from hub.means import Means

log = structlog.get_logger(__name__)

# A worker cut off from the database stops its handlers this long before others may take them over.
LEASE_MARGIN_SECONDS = 1.0
RECORD_PAUSE_SECONDS = 0.25


Claim = Callable[[Transaction], Awaitable[Job | None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a worker looks, how long it holds, and how many jobs it runs at once."""

    concurrent_max: int = 10
    sweep_seconds: float = 2.0
    lease_seconds: float = 10.0
    heartbeat_seconds: float = 2.5
    handler_seconds_max: float = 120.0
    grace_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What every handler gets."""

    db: Database
    means: Means
    mailer: jobs.Mailer
    courier: Courier | None = None


class Cut(Enum):
    """Why a handler was stopped in the middle."""

    LEASE_LOST = auto()
    STOPPING = auto()


@dataclass(slots=True)
class Running:
    """One attempt in this process; ``held_until`` is on this process's own clock, and early."""

    job: Job
    held_until: float
    handler: asyncio.Task[None] | None = None
    cut: Cut | None = None

    def stop(self, why: Cut) -> None:
        """Cancel the handler, again if need be; the first reason decides what is recorded."""
        if self.handler is not None and not self.handler.done():
            self.cut = self.cut or why
            self.handler.cancel()


class Runner:
    """Claims, runs and ends jobs for one worker process, whoever points at them: arq by id, the sweeper by time."""

    def __init__(self, name: str, tools: Tools, handlers: Mapping[str, Handler], pace: Pace) -> None:
        self.worker = Worker(name, pace.lease_seconds, frozenset(handlers))
        self._tools = tools
        self._handlers = handlers
        self._pace = pace
        self._slots = asyncio.Semaphore(pace.concurrent_max)
        self._running: dict[uuid.UUID, Running] = {}
        self._claims: set[asyncio.Task[asyncio.Task[None] | None]] = set()
        self._attempts: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def run_by_id(self, job_id: uuid.UUID) -> None:
        """Run this job to its end if it is due and nobody has it; else do nothing."""
        await self._slots.acquire()
        task = await self._start(lambda tx: jobs.begin(tx, self.worker, job_id))
        if task is not None:
            await asyncio.shield(task)

    async def start_next(self, timeout_seconds: float) -> bool:
        """Start the job that has been due longest; False when there is none, or no free slot in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            return False
        return await self._start(lambda tx: jobs.begin_next(tx, self.worker)) is not None

    async def recover(self) -> None:
        """Make the jobs of dead workers due again."""
        async with self._tools.db.transaction() as tx:
            lost = await jobs.recover(tx)
        for job in lost:
            log.warning("job_lost", job=job.name, job_id=str(job.id), attempt=job.attempt)

    async def heartbeat(self) -> None:
        """Renew all leases, for ever; stop handlers whose lease is gone or can no longer be vouched for."""
        while True:
            await asyncio.sleep(self._pace.heartbeat_seconds)
            await self._beat()
            for running in list(self._running.values()):
                if time.monotonic() > running.held_until:
                    running.stop(Cut.LEASE_LOST)

    async def stop(self) -> None:
        """Claim nothing more, let running jobs finish for a while, then cut them and give them back."""
        self._is_stopping = True
        if self._claims:
            await asyncio.wait(self._claims, timeout=self._pace.lease_seconds)
        if not self._attempts:
            return
        _, late = await asyncio.wait(self._attempts, timeout=self._pace.grace_seconds)
        for running in list(self._running.values()):
            running.stop(Cut.STOPPING)
        if late:
            await asyncio.wait(late, timeout=self._pace.lease_seconds)

    async def _start(self, claim: Claim) -> asyncio.Task[None] | None:
        """Claim with the slot just taken; shielded, as a claim cut in the middle would hold a job for nobody."""
        claiming = asyncio.create_task(self._claim(claim))
        self._claims.add(claiming)
        claiming.add_done_callback(self._claims.discard)
        return await asyncio.shield(claiming)

    async def _claim(self, claim: Claim) -> asyncio.Task[None] | None:
        attempt: asyncio.Task[None] | None = None
        try:
            if self._is_stopping:
                return None
            held_until = self._held_from_now()
            async with self._tools.db.transaction() as tx:
                job = await claim(tx)
            if job is not None:
                running = Running(job, held_until)
                self._running[job.id] = running
                attempt = asyncio.create_task(self._attempt(running))
                self._attempts.add(attempt)
                attempt.add_done_callback(self._ended)
            return attempt
        finally:
            if attempt is None:
                self._slots.release()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._slots.release()

    async def _attempt(self, running: Running) -> None:
        """One attempt: the handler in a task of its own, then the record of how it ended."""
        job, started = running.job, time.monotonic()
        running.handler = asyncio.create_task(self._handle(job))
        try:
            await asyncio.wait((running.handler,))
            ended = await self._record(running, running.handler)
        finally:
            if self._running.get(job.id) is running:
                del self._running[job.id]
        log.info(
            "job_ended" if ended is not None else "job_lease_lost",
            job=job.name,
            job_id=str(job.id),
            attempt=job.attempt,
            outcome=ended,
            seconds=round(time.monotonic() - started, 3),
        )

    async def _handle(self, job: Job) -> None:
        tools = self._tools
        context = JobContext(
            tools.db,
            tools.means,
            tools.mailer,
            HubCaller(f"job {job.name}"),
            job.id,
            job.attempt,
            tools.courier,
        )
        async with asyncio.timeout(self._pace.handler_seconds_max):
            await self._handlers[job.name](context, job.arguments)

    async def _record(self, running: Running, handler: asyncio.Task[None]) -> Outcome | None:
        """Write the outcome under the lease; the database may be away for a moment, the lease is the limit."""
        job, worker = running.job, self.worker
        error = None if handler.cancelled() else handler.exception()
        if error is not None:
            log.error("job_failed", job=job.name, job_id=str(job.id), attempt=job.attempt, **_where(error))

        async def write(tx: Transaction) -> Outcome | None:
            if handler.cancelled() and running.cut is Cut.STOPPING:
                return Outcome.RELEASED if await jobs.release(tx, worker, job) else None
            if handler.cancelled():
                return await jobs.fail(tx, worker, job, "Cancelled")
            if error is not None:
                is_final = isinstance(error, jobs.CannotSucceed)
                return await jobs.fail(tx, worker, job, type(error).__name__, is_final=is_final)
            return Outcome.DONE if await jobs.complete(tx, worker, job) else None

        while running.cut is not Cut.LEASE_LOST and time.monotonic() < running.held_until:
            with contextlib.suppress(Exception):  # whatever the database has; the lease ends the loop
                async with asyncio.timeout_at(self._loop_time(running.held_until)):
                    async with self._tools.db.transaction() as tx:
                        outcome = await write(tx)
                return outcome
            await asyncio.sleep(RECORD_PAUSE_SECONDS)
        return None

    async def _beat(self) -> None:
        held = {job_id: running.job.attempt for job_id, running in self._running.items()}
        if not held:
            return
        until = self._held_from_now()
        try:
            async with asyncio.timeout(self._pace.heartbeat_seconds), self._tools.db.transaction() as tx:
                still = await jobs.renew(tx, self.worker, held)
        except Exception as error:  # noqa: BLE001 - whatever it is, the deadline decides
            log.warning("job_heartbeat_failed", reason=type(error).__name__)
            return
        for job_id, attempt in held.items():
            running = self._running.get(job_id)
            if running is None or running.job.attempt != attempt:
                continue
            if job_id in still:
                running.held_until = until
            else:
                running.stop(Cut.LEASE_LOST)

    def _held_from_now(self) -> float:
        return time.monotonic() + self._pace.lease_seconds - LEASE_MARGIN_SECONDS

    @staticmethod
    def _loop_time(monotonic: float) -> float:
        loop = asyncio.get_running_loop()
        return loop.time() + (monotonic - time.monotonic())


def _where(error: BaseException) -> dict[str, str]:
    """An error's class and place; never its message, which may hold what nobody should read."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    return {"error": type(error).__name__, "at": place}
