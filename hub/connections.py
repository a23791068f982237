"""A bounded pool of asyncpg connections for single hot statements, past SQLAlchemy and without tasks of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

CONNECT_SECONDS_MAX = 5
WAIT_SECONDS_MAX = 10.0
# Nobody gets a turn in time behind so many, so the next is told at once that the hub is busy.
WAITING_MAX = 1_000
# A backend keeps what its statements ever took; after an hour it is given back.
AGE_SECONDS_MAX = 3_600.0
STATEMENTS_KEPT = 128
STATEMENT_BYTES_MAX = 256 * 1024
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)

Connection = asyncpg.Connection


class Connections:
    """Opens connections as they are needed, hands the one used last out first, and never more than ``size``.

    A connection is reset by nothing between two statements: only statements that leave nothing behind belong here.
    """

    def __init__(self, url: str, *, size: int, server_settings: Mapping[str, str]) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._size = size
        self._server_settings = dict(server_settings)
        self._idle: list[tuple[Connection, float]] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[tuple[Connection, float] | None]] = deque()
        self._closed = False

    @property
    def counts(self) -> dict[str, int]:
        """How many connections are in use and idle, and how many may be open."""
        return {"in_use": self._open - len(self._idle), "idle": len(self._idle), "size": self._size}

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """One read-only statement; on a connection that turns out to be dead it is sent once more on another.

        Raises what the database says, OSError when it cannot be reached, and SQLAlchemy's TimeoutError when no
        connection becomes free in time.
        """
        held = await self.take()
        try:
            rows: list[asyncpg.Record] = await held[0].fetch(sql, *args)
        except LOST:
            self.drop(held)
        except asyncpg.PostgresError:
            self.give(held)
            raise
        except BaseException:
            self.drop(held)  # cut off in the middle: what the server still sends belongs to nobody
            raise
        else:
            self.give(held)
            return rows
        for connection, _ in self._idle:
            connection.terminate()  # what killed one has killed its idle neighbours, most likely
        held = await self.take()
        try:
            rows = await held[0].fetch(sql, *args)
        except BaseException:
            self.drop(held)
            raise
        self.give(held)
        return rows

    async def take(self) -> tuple[Connection, float]:
        """A live connection and the time at which it is too old; whoever takes it gives or drops it."""
        while self._idle:
            held = self._idle.pop()
            if not held[0].is_closed():
                return held
            self._open -= 1
        if self._open < self._size:
            return await self._connect()
        return await self._wait()

    def give(self, held: tuple[Connection, float]) -> None:
        """Hand a connection on to whoever waits, or keep it for the next."""
        if self._closed or held[0].is_closed() or held[1] < asyncio.get_running_loop().time():
            self.drop(held)
            return
        if not self._wake(held):
            self._idle.append(held)

    def drop(self, held: tuple[Connection, float]) -> None:
        """End a connection; the next waiting may open another."""
        held[0].terminate()
        self._open -= 1
        self._wake(None)

    async def close(self) -> None:
        """End all idle connections; those in use end when they are given back."""
        self._closed = True
        while self._idle:
            connection, _ = self._idle.pop()
            self._open -= 1
            try:
                await connection.close(timeout=1)
            except (TimeoutError, *LOST):
                connection.terminate()

    async def _connect(self) -> tuple[Connection, float]:
        self._open += 1
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_SECONDS_MAX,
                statement_cache_size=STATEMENTS_KEPT,
                max_cacheable_statement_size=STATEMENT_BYTES_MAX,
                server_settings=self._server_settings,
            )
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise
        return connection, asyncio.get_running_loop().time() + AGE_SECONDS_MAX

    async def _wait(self) -> tuple[Connection, float]:
        if len(self._waiting) >= WAITING_MAX:
            raise PoolTimeout("too many statements wait for a connection")
        place: asyncio.Future[tuple[Connection, float] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                held = await place
        except BaseException as error:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place.done() and not place.cancelled() and (given := place.result()) is not None:
                self.give(given)  # it came at the very moment we gave up
            elif place.done() and not place.cancelled():
                self._wake(None)
            if isinstance(error, TimeoutError):
                raise PoolTimeout("no connection became free in time") from None
            raise
        return await self.take() if held is None else held

    def _wake(self, held: tuple[Connection, float] | None) -> bool:
        """Give the longest waiting its turn: with a connection, or (None) with the right to open one."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(held)
                return True
        return False
