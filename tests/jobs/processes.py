"""Real worker processes, a real SMTP server and a Redis that may be killed, for the tests of the jobs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import Message
from typing import Any

import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from redis.asyncio import Redis

from hub.db import Database
from hub.domain import jobs
from hub.domain.jobs.tables import job
from hub.settings import Settings
from hub.wakeups import JOB_QUEUE, Wakeups

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 30


@dataclass
class WorkerProcess:
    """A worker process and what it has written so far."""

    process: Process
    output: bytearray = field(default_factory=bytearray)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def read(self) -> None:
        assert self.process.stdout is not None
        while chunk := await self.process.stdout.read(4096):
            self.output += chunk

    async def end(self, number: signal.Signals) -> int:
        """Send the signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            raise AssertionError(f"still running: {self.output.decode()[-3000:]}") from None


@asynccontextmanager
async def worker(
    settings: Settings, *arguments: float, module: str = "tests.jobs.worker_process", **environment: str
) -> AsyncIterator[WorkerProcess]:
    """Start a worker process on these settings, hand it over once it works, and kill it at the end."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    values = {
        "HUB_DATABASE_URL": settings.database_url.get_secret_value(),
        "HUB_REDIS_URL": settings.redis_url.get_secret_value(),
        "HUB_DATA_DIR": str(settings.data_dir),
        **environment,
    }
    command = (sys.executable, "-m", module, *(str(number) for number in arguments))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=STDOUT, env={"PATH": os.environ["PATH"], **values}
    )
    started = WorkerProcess(process)
    reading = asyncio.create_task(started.read())
    try:
        await until(lambda: b"worker_started" in started.output, START_SECONDS_MAX, what="a worker")
        yield started
    finally:
        await started.end(signal.SIGKILL)
        await reading


async def until(holds: Callable[[], Any], timeout_seconds: float, *, what: str) -> float:
    """Wait until it holds (it may be a coroutine function); the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_seconds:
        found = holds()
        if await found if isinstance(found, Awaitable) else found:
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what}: not within {timeout_seconds} s")


class PostOffice:
    """An SMTP server's handler that keeps what it accepted, and can be slow at one step for one customer."""

    def __init__(self) -> None:
        self.accepted: list[Message] = []
        self.slow_at: str | None = None
        self.reached: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _: SMTP, session: Session, __: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        await self._step("EHLO")
        return responses

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._step("DATA")
        assert isinstance(envelope.content, bytes)
        self.accepted.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 Accepted"

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 No such mailbox"
        if address.startswith("later@"):
            return "451 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def _step(self, step: str) -> None:
        self.reached.append(step)
        if self.slow_at == step:
            self.slow_at = None
            await asyncio.sleep(60)


@contextmanager
def post_office() -> Iterator[tuple[PostOffice, dict[str, str]]]:
    """A running SMTP server, and the environment that points a hub at it."""
    office = PostOffice()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(office, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield (
            office,
            {
                "HUB_SMTP_HOST": "127.0.0.1",
                "HUB_SMTP_PORT": str(port),
                "HUB_SMTP_STARTTLS": "false",
            },
        )
    finally:
        controller.stop()


@asynccontextmanager
async def hub_side(settings: Settings) -> AsyncIterator[Database]:
    """The database as the web process has it: its commits send wake-up calls."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    wakeups = Wakeups(settings.redis_url.get_secret_value())
    db = Database.connect(settings.database_url.get_secret_value(), nudge=wakeups.nudge)
    try:
        yield db
    finally:
        await wakeups.close()
        await db.close()


async def put(db: Database, name: str, **arguments: jobs.Argument) -> None:
    """Enqueue one job in a transaction of its own."""
    async with db.transaction() as tx:
        await jobs.enqueue(tx, name, arguments)


async def all_jobs(db: Database) -> list[Any]:
    """All rows of the job table."""
    async with db.read() as read:
        return list((await read.rows(sa.select(job).order_by(job.c.id))).all())


async def states(db: Database) -> set[str]:
    """The states there are."""
    return {row.state for row in await all_jobs(db)}


async def done(db: Database, timeout_seconds: float) -> float:
    """Wait until every job is done; the seconds that took."""

    async def all_done() -> bool:
        return await states(db) == {"DONE"}

    return await until(all_done, timeout_seconds, what="all jobs done")


async def arq_listens(redis_url: str) -> None:
    """Wait until an arq worker has signed in at this Redis."""
    redis = Redis.from_url(redis_url)
    try:
        await until(
            lambda: redis.exists(f"{JOB_QUEUE}:health-check"),
            START_SECONDS_MAX,
            what="an arq worker listening",
        )
    finally:
        await redis.aclose()
