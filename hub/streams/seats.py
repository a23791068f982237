"""How many subscriptions a key or session has: counted in Redis for all processes, in this one alone while Redis is away.

A seat in Redis is a lease of a few seconds, so the seats of a process that died are free again soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.codes import Code
from hub.errors import Problem, TooMany
from hub.wakeups import Breaker

log = structlog.get_logger(__name__)

SEATS_MAX = 10
LEASE_MS = 6_000
RENEW_SECONDS = 2.0
REDIS_SECONDS_MAX = 0.5
TURNS = 8
RETRY_AFTER_SECONDS = 10
UNREACHABLE = (RedisError, OSError, TimeoutError)

# KEYS[1] holds seats by the millisecond their lease ends; ARGV: the most there may be (0: any), the lease, the seats.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local most = tonumber(ARGV[1])
if most > 0 and redis.call('ZCARD', KEYS[1]) >= most then return 0 end
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
return 1
"""


class Seats:
    """Hands out seats; whoever has one leaves it by leaving the block."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_connect_timeout=REDIS_SECONDS_MAX, socket_timeout=REDIS_SECONDS_MAX
        )
        self._take = self._redis.register_script(TAKE)
        self._breaker = Breaker()
        # Many come at once after a restart; a connection for each of them would keep Redis busy with greetings.
        self._turns = asyncio.Semaphore(TURNS)
        self._taken: defaultdict[uuid.UUID, set[str]] = defaultdict(set)
        self._renewing: asyncio.Task[None] | None = None

    @property
    def taken(self) -> int:
        """How many subscriptions this process serves."""
        return sum(map(len, self._taken.values()))

    @asynccontextmanager
    async def seat(self, credential: uuid.UUID) -> AsyncIterator[None]:
        """A seat for one more subscription; raises TooMany SUBSCRIPTION_LIMIT when all are taken."""
        name, mine = secrets.token_hex(8), self._taken[credential]
        if len(mine) >= SEATS_MAX:
            raise _full()
        mine.add(name)
        try:
            if not await self._take_there(credential, SEATS_MAX, name):
                raise _full()
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew(), name="seats")
            yield
        finally:
            mine.discard(name)
            if not mine:
                self._taken.pop(credential, None)
            await self._leave_there(credential, name)

    async def close(self) -> None:
        """End the renewing and give the connections back."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait((self._renewing,), timeout=RENEW_SECONDS)
        await self._redis.aclose()

    async def _take_there(self, credential: uuid.UUID, most: int, *names: str) -> bool:
        """Whether Redis lets them in; while it is away the count of this process has to do."""
        async with self._turns:
            if self._breaker.is_closed:
                return True
            try:
                async with asyncio.timeout(REDIS_SECONDS_MAX):
                    let_in = bool(await self._take(keys=[_key(credential)], args=[most, LEASE_MS, *names]))
            except UNREACHABLE as error:
                self._breaker.failed()
                log.info("seats_counted_here", reason=type(error).__name__)
                return True
        self._breaker.answered()
        return let_in

    async def _leave_there(self, credential: uuid.UUID, name: str) -> None:
        """Give the seat back at once; one that is not lasts as long as its lease."""
        if self._breaker.is_closed:
            return
        with contextlib.suppress(*UNREACHABLE):
            async with asyncio.timeout(REDIS_SECONDS_MAX):
                await self._redis.zrem(_key(credential), name)

    async def _renew(self) -> None:
        while self._taken:
            await asyncio.sleep(RENEW_SECONDS)
            for credential, names in list(self._taken.items()):
                if names:
                    await self._take_there(credential, 0, *names)


def _key(credential: uuid.UUID) -> str:
    return f"hub:seats:{credential}"


def _full() -> TooMany:
    problem = Problem(Code.SUBSCRIPTION_LIMIT, Code.SUBSCRIPTION_LIMIT.summary)
    return TooMany(problem, retry_after_seconds=RETRY_AFTER_SECONDS)
