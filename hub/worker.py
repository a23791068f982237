"""The worker process: arq runs the jobs it is nudged to, a sweeper finds those nobody nudged, Redis or not."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import secrets
import signal
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import orjson
import structlog
from arq.worker import Worker as ArqWorker, func

from hub import observe
from hub.adapters.mail import FolderMailer, SmtpMailer
from hub.adapters.webhooks import HttpCourier
from hub.adapters.witness import HttpWitnessDesk
from hub.domain.jobs import Mailer
from hub.jobs import HANDLERS, retention, transparency, webhooks, witnesses
from hub.jobs.doors import Handler
from hub.jobs.runner import Pace, Runner, Tools
from hub.settings import Settings
from hub.wakeups import JOB_FUNCTION, JOB_QUEUE, Wakeups, arq_redis, serialize
from hub.wiring import connect, mailbox_folder, make_means, make_policy, make_witnesses

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = structlog.get_logger(__name__)

# Connections of the pool that claims, heartbeat, sweeper and sequencer need beside the handlers.
POOL_RESERVE = 5
CONCURRENT_MAX = 10
# Endpoints served at once: waiting for them costs next to nothing, and no connection of the pool.
ENDPOINTS_MAX = 64
ARQ_POLL_SECONDS = 0.1
ARQ_HEALTH_SECONDS = 15
PAUSE_SECONDS_FIRST = 0.5
PAUSE_SECONDS_MAX = 5.0
STEADY_SECONDS = 30
CANCELS_MAX = 5


def make_mailer(settings: Settings) -> Mailer:
    """SMTP where a server is configured; in development else a folder. Production without a server is refused."""
    if (folder := mailbox_folder(settings)) is not None:
        return FolderMailer(folder, settings.mail_from)
    if settings.smtp_host is None:
        raise ValueError("HUB_SMTP_HOST is required in production")
    password = settings.smtp_password
    return SmtpMailer(
        settings.smtp_host,
        settings.smtp_port,
        settings.mail_from,
        username=settings.smtp_username,
        password=password.get_secret_value() if password is not None else None,
        starttls=settings.smtp_starttls,
    )


async def run(
    settings: Settings, *, handlers: Mapping[str, Handler] = HANDLERS, pace: Pace | None = None
) -> None:
    """Work until SIGTERM or SIGINT; then claim nothing more, finish what runs, and give the rest back."""
    observe.configure(
        development=settings.mode == "development", level=logging.getLevelNamesMapping()[settings.log_level]
    )
    pace = pace or Pace(concurrent_max=max(1, min(CONCURRENT_MAX, settings.pool_size - POOL_RESERVE)))
    mailer, means = make_mailer(settings), make_means(settings)
    db, wakeups = connect(settings)
    tools = Tools(db, means, mailer, HttpCourier(make_policy(settings)))
    asked, desk = make_witnesses(settings), HttpWitnessDesk(make_policy(settings))
    runner = Runner(_worker_name(), tools, handlers, pace)
    # Slow endpoints fill slots of their own, never those of the other jobs.
    sender_pace = dataclasses.replace(pace, concurrent_max=ENDPOINTS_MAX)
    sender = Runner(_worker_name(), tools, webhooks.SENDING, sender_pace)
    told = _told_to_stop()
    log.info("worker_started", worker=runner.worker.name, jobs=sorted(handlers))
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url is not None else ""
    heartbeats = [
        asyncio.create_task(runner.heartbeat(), name="heartbeat"),
        asyncio.create_task(sender.heartbeat(), name="sender_heartbeat"),
    ]
    seekers = [
        asyncio.create_task(_keep_going("arq", lambda: _listen(runner, redis_url, pace)), name="arq"),
        asyncio.create_task(_keep_going("sweeper", lambda: _sweep(runner, pace)), name="sweeper"),
        asyncio.create_task(
            _keep_going("sequencer", lambda: transparency.sequence(db, means)), name="sequencer"
        ),
        asyncio.create_task(
            _keep_going("sender", lambda: _send(sender, wakeups, sender_pace)), name="sender"
        ),
        asyncio.create_task(
            _keep_going("follower", lambda: webhooks.follow(db, means, wakeups)), name="follower"
        ),
        asyncio.create_task(_keep_going("vault", lambda: retention.rewrap(db, means)), name="vault"),
        asyncio.create_task(
            _keep_going("witnesses", lambda: witnesses.follow(db, desk, asked)), name="witnesses"
        ),
    ]
    try:
        await told.wait()
    finally:
        log.info("worker_stopping", worker=runner.worker.name)
        await asyncio.gather(runner.stop(), sender.stop())
        await _end(*seekers, *heartbeats)
        await wakeups.close()
        await db.close()
    log.info("worker_stopped", worker=runner.worker.name)


async def run_sequencer(settings: Settings) -> None:
    """The sequencer alone, until SIGTERM or SIGINT: for whoever wants it apart from the jobs, or a second one ready."""
    observe.configure(
        development=settings.mode == "development", level=logging.getLevelNamesMapping()[settings.log_level]
    )
    means, (db, wakeups) = make_means(settings), connect(settings)
    told = _told_to_stop()
    task = asyncio.create_task(_keep_going("sequencer", lambda: transparency.sequence(db, means)))
    log.info("sequencer_started")
    try:
        await told.wait()
    finally:
        await _end(task)
        await wakeups.close()
        await db.close()


async def _keep_going(part: str, work: Callable[[], Awaitable[None]]) -> None:
    """Restart a part of the worker for ever: PostgreSQL and Redis may go away and come back."""
    pause = PAUSE_SECONDS_FIRST
    while True:
        started = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - an edge: a part that fails is tried again, and said so
            log.warning("worker_part_failed", part=part, reason=type(error).__name__)
        if time.monotonic() - started > STEADY_SECONDS:
            pause = PAUSE_SECONDS_FIRST
        await asyncio.sleep(pause)
        pause = min(PAUSE_SECONDS_MAX, pause * 2)


async def _sweep(runner: Runner, pace: Pace) -> None:
    """Take up what is due, whoever forgot it, and what dead workers held; a backlog does not delay the latter."""
    while True:
        await runner.recover()
        look_again = time.monotonic() + pace.sweep_seconds
        while (left := look_again - time.monotonic()) > 0 and await runner.start_next(left):
            pass
        await asyncio.sleep(max(0.0, look_again - time.monotonic()))


async def _send(sender: Runner, wakeups: Wakeups, pace: Pace) -> None:
    """Look after the endpoints that are due: on a wake-up call, and every sweep whatever happens."""
    while True:
        while await sender.start_next(pace.sweep_seconds):
            pass
        await wakeups.wait(webhooks.TOPIC, pace.sweep_seconds)


async def _listen(runner: Runner, redis_url: str, pace: Pace) -> None:
    """Run arq until Redis fails it. arq decides when, the job table decides whether."""

    async def run_job(_: dict[Any, Any], job_id: str) -> None:
        try:
            await runner.run_by_id(uuid.UUID(job_id))
        except Exception as error:  # noqa: BLE001 - the sweeper will find it; arq would log the error's text
            log.warning("job_not_begun", job_id=job_id, reason=type(error).__name__)

    redis = arq_redis(redis_url)
    worker = ArqWorker(
        functions=[func(cast("WorkerCoroutine", run_job), name=JOB_FUNCTION, keep_result=0, max_tries=1)],
        queue_name=JOB_QUEUE,
        redis_pool=redis,
        handle_signals=False,
        max_jobs=pace.concurrent_max,
        job_timeout=2 * pace.handler_seconds_max,
        keep_result=0,
        poll_delay=ARQ_POLL_SECONDS,
        health_check_interval=ARQ_HEALTH_SECONDS,
        job_serializer=serialize,
        job_deserializer=orjson.loads,
        log_results=False,
    )
    try:
        await worker.main()
    finally:
        for task in worker.tasks.values():
            task.cancel()  # arq's view of the job alone: the attempt itself goes on, shielded
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        with contextlib.suppress(Exception):  # an unreachable Redis cannot be taken leave of
            await redis.aclose()
            await redis.connection_pool.disconnect()


def _told_to_stop() -> asyncio.Event:
    """Set by SIGTERM or SIGINT. Later ones change nothing: the end is in sight, and every step of it is bounded."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel until they end: redis-py swallows a cancellation now and then (seen: 1 of 24 stops)."""
    for _ in range(CANCELS_MAX):
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=1)
        if not pending:
            return
        log.info("worker_part_slow_to_end", parts=[task.get_name() for task in pending])


def _worker_name() -> str:
    """Unlike any other worker's, also after a restart under the same pid."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


if __name__ == "__main__":
    asyncio.run(run(Settings()))
