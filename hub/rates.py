"""How often somebody may call: token buckets in Redis, in this process alone while Redis is away."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.codes import Code
from hub.errors import Problem, TooMany

log = structlog.get_logger(__name__)

REDIS_TIMEOUT_SECONDS = 0.1
PROBE_EVERY_SECONDS = 1.0
IDENTITIES_MAX = 10_000
# How many tokens a process takes from Redis at once: a hundredth of the bucket, so that a busy caller costs
# one Redis call in many requests and a small bucket is counted exactly.
LEASE_SHARE = 100

# Takes up to ARGV[3] tokens of a bucket that holds ARGV[1] and refills ARGV[2] a second, by Redis's clock.
# Answers the tokens granted and, when none was left, the milliseconds until there is one.
TAKE = """
local held = redis.call('HMGET', KEYS[1], 't', 'at')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local capacity, refill, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens = tonumber(held[1]) or capacity
tokens = math.min(capacity, tokens + math.max(0, now - (tonumber(held[2]) or now)) * refill / 1000)
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 't', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(capacity / refill * 1000) + 1000)
if granted > 0 then return {granted, 0} end
return {0, math.ceil((1 - tokens) / refill * 1000)}
"""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rates:
    """Counts requests per identity; an identity is a key, a session or an address, never in the clear."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
        )
        self._take = self._redis.register_script(TAKE)
        self._leases: OrderedDict[str, int] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._probe: asyncio.Task[None] | None = None

    @property
    def degraded(self) -> bool:
        """Whether Redis is away, so that each process counts for itself."""
        return self._probe is not None

    async def spend(self, identity: str, per_minute: int) -> None:
        """Take one token of the identity's bucket; TooMany with the seconds to wait when it is empty."""
        leased = self._leases.pop(identity, 0)
        if leased:
            self._lease(identity, leased - 1)
            return
        wait_ms = self._spend_here(identity, per_minute) if self.degraded else None
        if wait_ms is None:
            wait_ms = await self._spend_there(identity, per_minute)
        if wait_ms > 0:
            raise TooMany(
                Problem(Code.RATE_LIMIT, f"more than {per_minute} requests a minute"),
                retry_after_seconds=max(1, -(-wait_ms // 1000)),
            )

    async def _spend_there(self, identity: str, per_minute: int) -> int:
        wanted = max(1, per_minute // LEASE_SHARE)
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                granted, wait_ms = await self._take(
                    keys=[f"hub:rate:{identity}"], args=[per_minute, per_minute / 60, wanted]
                )
        except (RedisError, OSError) as error:
            self._lost(type(error).__name__)
            return self._spend_here(identity, per_minute)
        self._lease(identity, granted - 1)
        return int(wait_ms)

    def _lease(self, identity: str, tokens: int) -> None:
        if tokens > 0:
            self._leases[identity] = tokens
            if len(self._leases) > IDENTITIES_MAX:
                self._leases.popitem(last=False)

    def _spend_here(self, identity: str, per_minute: int) -> int:
        """The same bucket in this process; the milliseconds to wait, or 0."""
        now = time.monotonic()
        bucket = self._buckets.pop(identity, None) or _Bucket(per_minute, now)
        refill = per_minute / 60
        bucket.tokens = min(per_minute, bucket.tokens + (now - bucket.at) * refill)
        bucket.at = now
        self._buckets[identity] = bucket
        if len(self._buckets) > IDENTITIES_MAX:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return max(1, int((1 - bucket.tokens) / refill * 1000))
        bucket.tokens -= 1
        return 0

    def _lost(self, reason: str) -> None:
        """Stop asking Redis until a probe beside the requests finds it again: no request waits for it."""
        if self._probe is None:
            log.warning("rates_degraded", reason=reason)
            self._probe = asyncio.create_task(self._wait_for_redis())

    async def _wait_for_redis(self) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY_SECONDS)
            with suppress(RedisError, OSError):
                async with asyncio.timeout(1):
                    await self._redis.ping()
                break
        self._buckets.clear()
        self._probe = None
        log.info("rates_restored")

    async def ping(self) -> bool:
        """Whether Redis answers now."""
        if self.degraded:
            return False
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await self._redis.ping()
        except (RedisError, OSError) as error:
            self._lost(type(error).__name__)
            return False
        return True

    async def close(self) -> None:
        """End the probe and give the connection back."""
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe
        await self._redis.aclose()
