"""Reads from a standby of the database, as far as their callers cannot tell (decision 0012)."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.connections import LOST, Connections

log = structlog.get_logger(__name__)

WATCH_SECONDS = 1.0
ANSWER_SECONDS_MAX = 2.0
LAG_SECONDS_MAX = 5.0
# For so long a look at the standby counts; after that it is not used until the next one.
LOOK_SECONDS = 3.0
CATCH_UP_SECONDS_MAX = 0.3
CATCH_UP_PAUSE_SECONDS = 0.005
# So many may wait for the standby at once, each holding a connection; the others go to the primary.
WAITING_MAX = 4
# Older positions are reached anyway, as a standby that lags further than LAG_SECONDS_MAX is not used.
REMEMBERED_SECONDS = 30.0
REMEMBERED_MAX = 50_000
# A commit whose position could not be asked for: only the primary has seen it for certain.
UNKNOWN_POSITION = 2**64 - 1

PRIMARY_POSITION = "SELECT pg_current_wal_flush_lsn()::text"
STANDBY_POSITION = "SELECT pg_last_wal_replay_lsn()::text WHERE pg_is_in_recovery()"
_POSITION = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")

# The position the reads of this request must have seen; None keeps them on the primary.
reads_after: ContextVar[int | None] = ContextVar("reads_after", default=None)


def read_position(text: str) -> int | None:
    """A position in PostgreSQL's log as a number; None when the text is none."""
    found = _POSITION.fullmatch(text)
    return None if found is None else int(found[1], 16) << 32 | int(found[2], 16)


def write_position(position: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


class Positions:
    """What this process committed for whom, for as long as a standby in use might not have it; bounded."""

    def __init__(self) -> None:
        self._last: OrderedDict[UUID, tuple[int, float]] = OrderedDict()

    def note(self, who: UUID, position: int) -> None:
        """From now on this caller's reads are to see what was committed up to here."""
        before = self._last.pop(who, (0, 0.0))[0]
        self._last[who] = max(before, position), time.monotonic() + REMEMBERED_SECONDS
        if len(self._last) > REMEMBERED_MAX:
            self._last.popitem(last=False)

    def of(self, who: UUID) -> int:
        """The position this caller's reads must have seen; 0 when any will do."""
        found = self._last.get(who)
        if found is None:
            return 0
        if found[1] < time.monotonic():
            del self._last[who]
            return 0
        return found[0]


class Replica:
    """A standby, used only while a look at it not long ago showed that it keeps up."""

    def __init__(
        self, connections: Connections, engine: AsyncEngine, primary: Callable[[], Awaitable[int]]
    ) -> None:
        self._connections = connections
        self._engine = engine
        self._primary = primary
        self._usable_until = 0.0
        self._was_usable: bool | None = None
        self._samples: deque[tuple[float, int]] = deque()
        self._waiting = 0
        self._watching: asyncio.Task[None] | None = None
        self.reads = {"replica": 0, "behind": 0, "away": 0}

    @property
    def counts(self) -> dict[str, int]:
        """The connections of its pool."""
        return self._connections.counts

    @property
    def is_usable(self) -> bool:
        """Whether it kept up when it was last looked at; the first question begins the looking."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return time.monotonic() < self._usable_until

    async def fetch(self, after: int, sql: str, *args: Any) -> list[asyncpg.Record] | None:
        """One statement that has seen ``after``; None when the primary has to answer it."""
        if not self.is_usable:
            self.reads["away"] += 1
            return None
        try:
            if not after:
                rows = await self._connections.fetch(sql, *args)
            else:
                found = await self._fetch_after(after, sql, *args)
                if found is None:
                    self.reads["behind"] += 1
                    return None
                rows = found
        except (*LOST, PoolTimeout, asyncpg.SerializationError, asyncpg.CannotConnectNowError) as error:
            self._gave_up(error)
            return None
        self.reads["replica"] += 1
        return rows

    async def _fetch_after(self, after: int, sql: str, *args: Any) -> list[asyncpg.Record] | None:
        held = await self._connections.take()
        connection = held[0]
        is_whole = False
        try:
            rows: list[asyncpg.Record] | None = None
            if await self._caught_up(after, lambda: connection.fetchval(STANDBY_POSITION)):
                rows = await connection.fetch(sql, *args)
            is_whole = True
        except asyncpg.PostgresError:
            is_whole = True
            raise
        finally:
            if is_whole:
                self._connections.give(held)
            else:
                self._connections.drop(held)
        return rows

    async def connect(self, after: int) -> AsyncConnection | None:
        """A connection whose statements have seen ``after``, for the taker to close; None: take the primary's."""
        if not self.is_usable:
            self.reads["away"] += 1
            return None
        try:
            connection = await self._engine.connect()
        except (DBAPIError, OSError, PoolTimeout, TimeoutError) as error:
            self._gave_up(error)
            return None
        if after:

            async def position() -> str | None:
                found: str | None = (await connection.exec_driver_sql(STANDBY_POSITION)).scalar()
                return found

            try:
                is_there = await self._caught_up(after, position)
            except DBAPIError as error:
                await connection.close()
                self._gave_up(error)
                return None
            except BaseException:
                await connection.close()
                raise
            if not is_there:
                await connection.close()
                self.reads["behind"] += 1
                return None
        self.reads["replica"] += 1
        return connection

    async def _caught_up(self, after: int, ask: Callable[[], Awaitable[str | None]]) -> bool:
        """Whether the standby behind a connection has replayed ``after``, now or, while few wait, a moment later."""
        if await _has_replayed(after, ask):
            return True
        if self._waiting >= WAITING_MAX or after == UNKNOWN_POSITION:
            return False
        self._waiting += 1
        try:
            deadline, pause = time.monotonic() + CATCH_UP_SECONDS_MAX, CATCH_UP_PAUSE_SECONDS
            while time.monotonic() + pause <= deadline:
                await asyncio.sleep(pause)
                if await _has_replayed(after, ask):
                    return True
                pause *= 2
        finally:
            self._waiting -= 1
        return False

    def _gave_up(self, error: BaseException) -> None:
        """The primary answers from here on, until the next look."""
        self.reads["away"] += 1
        self._say(usable=False, reason=type(error).__name__)

    def _say(self, *, usable: bool, reason: str = "") -> None:
        self._usable_until = time.monotonic() + LOOK_SECONDS if usable else 0.0
        if usable != self._was_usable:
            if usable:
                log.info("replica_used")
            else:
                log.warning("replica_left", reason=reason)
        self._was_usable = usable

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the primary answers meanwhile
                self._say(usable=False, reason=type(error).__name__)
            await asyncio.sleep(WATCH_SECONDS)

    async def _look(self) -> None:
        """Usable is a standby that has replayed what the primary had LAG_SECONDS_MAX ago."""
        began = time.monotonic()
        self._samples.append((began, await self._primary()))
        while len(self._samples) > 1 and self._samples[1][0] <= began - LAG_SECONDS_MAX:
            self._samples.popleft()
        rows = await self._connections.fetch(STANDBY_POSITION)
        replayed = read_position(rows[0][0] or "") if rows else None
        if replayed is None:
            self._say(usable=False, reason="not a standby")
        else:
            self._say(usable=replayed >= self._samples[0][1], reason="lags")

    async def close(self) -> None:
        """Stop looking and give all connections back."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._connections.close()
        await self._engine.dispose()


async def _has_replayed(after: int, ask: Callable[[], Awaitable[str | None]]) -> bool:
    if after == UNKNOWN_POSITION:
        return False
    replayed = read_position(await ask() or "")
    return replayed is not None and replayed >= after
