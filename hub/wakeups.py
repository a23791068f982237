"""Wake-up calls over Redis after a commit; they never carry data, and losing one only delays work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

JOB_QUEUE = "hub:jobs"
JOB_FUNCTION = "run_job"
JOB_TOPIC = "jobs:"

REDIS_SECONDS_MAX = 0.5
WAITING_MAX = 10_000
CLOSED_SECONDS_FIRST = 0.5
CLOSED_SECONDS_MAX = 5.0
DRAIN_SECONDS_MAX = 1.0
CANCELS_MAX = 4

UNREACHABLE = (RedisError, OSError, TimeoutError)


def serialize(value: dict[str, Any]) -> bytes:
    """What arq stores, as JSON; of an error it keeps the class name alone."""
    return orjson.dumps(value, default=lambda odd: type(odd).__name__)


def arq_redis(redis_url: str) -> ArqRedis:
    """A client for arq's queue: JSON, never pickle; short timeouts, as nobody may wait for Redis."""
    pool: ConnectionPool = ConnectionPool.from_url(
        redis_url, socket_connect_timeout=REDIS_SECONDS_MAX, socket_timeout=REDIS_SECONDS_MAX
    )
    return ArqRedis(
        pool, job_serializer=serialize, job_deserializer=orjson.loads, default_queue_name=JOB_QUEUE
    )


class Breaker:
    """Stops asking a Redis that does not answer, for a pause that grows until it answers again."""

    def __init__(self) -> None:
        self._pause_seconds = 0.0
        self._closed_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether to leave it alone just now."""
        return time.monotonic() < self._closed_until

    def failed(self) -> None:
        """It did not answer."""
        self._pause_seconds = min(CLOSED_SECONDS_MAX, self._pause_seconds * 2 or CLOSED_SECONDS_FIRST)
        self._closed_until = time.monotonic() + self._pause_seconds

    def answered(self) -> None:
        """It answered."""
        self._pause_seconds = 0.0


class Ear:
    """Listens on one topic over one connection, which is made anew when Redis comes back."""

    def __init__(self, redis: ArqRedis, topic: str) -> None:
        self._redis = redis
        self._topic = topic
        self._channel: PubSub | None = None

    async def open(self) -> None:
        """Listen from now on; raises what Redis raises."""
        if self._channel is None:
            channel: PubSub = self._redis.pubsub()
            try:
                await channel.subscribe(f"hub:{self._topic}")
                # What says that Redis listens: without it a nudge sent next might come before.
                await channel.get_message(timeout=REDIS_SECONDS_MAX)
            except BaseException:
                await channel.aclose()  # type: ignore[no-untyped-call]
                raise
            self._channel = channel

    async def wait(self, timeout_seconds: float) -> bool:
        """Whether a nudge came in time; without Redis the time is waited out."""
        deadline = time.monotonic() + timeout_seconds
        try:
            await self.open()
            assert self._channel is not None
            while (left := deadline - time.monotonic()) > 0:
                if await self._channel.get_message(ignore_subscribe_messages=True, timeout=left) is not None:
                    return True
        except UNREACHABLE as error:
            log.info("wakeups_deaf", topic=self._topic, reason=type(error).__name__)
            await self.close()
            await asyncio.sleep(max(0.0, deadline - time.monotonic()))
        return False

    async def close(self) -> None:
        """Give the connection back."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(*UNREACHABLE):
                await channel.aclose()  # type: ignore[no-untyped-call]


class Wakeups:
    """Sends "something changed" from a task of its own, so that no caller ever waits for Redis.

    A nudge on ``jobs:<id>`` becomes an arq job, any other topic a published signal. Nudges are dropped while
    Redis does not answer, and beyond ``WAITING_MAX``: a sweeper covers for every one of them.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = arq_redis(redis_url)
        self._breaker = Breaker()
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING_MAX)
        self._sender: asyncio.Task[None] | None = None

    async def nudge(self, topic: str) -> None:
        """Tell whoever listens on ``topic`` to look now; returns at once."""
        if self._breaker.is_closed:
            return
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(topic)

    async def wait(self, topic: str, timeout_seconds: float) -> bool:
        """Whether a nudge on ``topic`` came in time. Without Redis it waits the time out, so that loops stay slow.

        A nudge between two waits is not seen: whoever waits looks for work after every wait, woken or not.
        """
        async with self.listening(topic) as ear:
            return await ear.wait(timeout_seconds)

    @contextlib.asynccontextmanager
    async def listening(self, topic: str) -> AsyncIterator[Ear]:
        """Listen on ``topic`` from wait to wait: a nudge between two of them ends the next one at once."""
        ear = Ear(self._redis, topic)
        try:
            yield ear
        finally:
            await ear.close()

    async def close(self) -> None:
        """Send what is waiting, for a moment, and give the connections back."""
        if self._sender is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), DRAIN_SECONDS_MAX)
            for _ in range(CANCELS_MAX):  # redis-py swallows a cancellation now and then
                self._sender.cancel()
                _, pending = await asyncio.wait((self._sender,), timeout=REDIS_SECONDS_MAX)
                if not pending:
                    break
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _send_all(self) -> None:
        while True:
            topic = await self._waiting.get()
            try:
                if not self._breaker.is_closed:
                    await self._send(topic)
            finally:
                self._waiting.task_done()

    async def _send(self, topic: str) -> None:
        try:
            if topic.startswith(JOB_TOPIC):
                job_id = topic.removeprefix(JOB_TOPIC)
                await self._redis.enqueue_job(JOB_FUNCTION, job_id, _job_id=job_id)
            else:
                await self._redis.publish(f"hub:{topic}", b"1")
        except UNREACHABLE as error:
            self._breaker.failed()
            log.info("wakeup_lost", topic=topic, reason=type(error).__name__)
        else:
            self._breaker.answered()
