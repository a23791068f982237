"""The database: engine, table base with constraint names, short reads and the one kind of transaction."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import structlog
from sqlalchemy import MetaData, event
from sqlalchemy.engine import CursorResult, Result
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.base import Executable

from hub.connections import Connections
from hub.replica import PRIMARY_POSITION, Replica, read_position, reads_after

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

TRIES_MAX = 4
# So long a connection may have been idle without being asked whether it lives.
RESTED_SECONDS = 15.0
# PostgreSQL undid the whole transaction because of others, not because of what it said: it may simply run again.
RUN_AGAIN_STATES = frozenset({"40P01", "40001"})

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Read:
    """A short look at committed rows; closes before anybody waits for anything else."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self.now = now

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement (parameters: a mapping, or a list of mappings for many rows)."""
        return await self._connection.execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.scalar(statement, parameters)

    async def rows(self, statement: Executable, parameters: Any = None) -> Result[Any]:
        """Run one statement and keep its rows."""
        return await self._connection.execute(statement, parameters)

    @property
    def connection(self) -> AsyncConnection:
        """SQLAlchemy's connection, for statements that need its options."""
        return self._connection

    async def driver(self) -> asyncpg.Connection:
        """Asyncpg's own connection inside this very transaction: for hot statements and COPY."""
        fairy = await self._connection.get_raw_connection()
        adapter: Any = fairy.dbapi_connection
        if adapter._transaction is None:  # noqa: SLF001 - the dialect begins with the first statement it sees
            await adapter._start_transaction()  # noqa: SLF001
        driver: asyncpg.Connection[asyncpg.Record] = fairy.driver_connection  # type: ignore[assignment]
        return driver

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Run one hot statement in PostgreSQL's own parameter style ($1, $2, ...), past SQLAlchemy."""
        rows: list[asyncpg.Record] = await (await self.driver()).fetch(sql, *args)
        return rows

    async def copy(self, table: str, columns: Sequence[str], data: bytes) -> None:
        """COPY rows that are in PostgreSQL's binary form already into a table."""
        driver = await self.driver()
        await driver.copy_to_table(table, source=_at_once(data), columns=columns, format="binary")


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


class Transaction(Read):
    """One verb's unit of work: one instant, all or nothing, nudges only after the commit."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        super().__init__(connection, now)
        self._after_commit: list[str] = []

    def after_commit(self, wake: str) -> None:
        """Ask for a wake-up call once the rows are real; losing it only delays the work."""
        if wake not in self._after_commit:
            self._after_commit.append(wake)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A savepoint: what raises inside is undone alone, the transaction goes on."""
        async with self._connection.begin_nested():
            yield

    @property
    def wakes(self) -> tuple[str, ...]:
        """The wake-up calls asked for so far."""
        return tuple(self._after_commit)


class Session:
    """One database session kept over several transactions: what it holds (locks, say) ends with it, however it ends."""

    def __init__(self, connection: AsyncConnection, nudge: Callable[[str], Awaitable[None]]) -> None:
        self._connection = connection
        self._nudge = nudge

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """As ``Database.transaction``, on this session."""
        async with self._connection.begin():
            tx = Transaction(self._connection, utc_now())
            yield tx
        for wake in tx.wakes:
            await self._nudge(wake)


async def _no_nudge(_: str) -> None:
    return None


def _engine(url: str, size: int, server_settings: dict[str, str]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={"timeout": 5, "server_settings": server_settings},
    )
    event.listen(engine.sync_engine, "checkin", _note_checkin)
    event.listen(engine.sync_engine, "checkout", _check_alive)
    return engine


def _note_checkin(_: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _check_alive(connection: Any, record: Any, _: Any) -> None:
    """Put a dead connection out of the pool before anything is sent; a ping each time would cost a round trip.

    A server that ends says so on its sockets. Only after a longer rest the server is asked, as a network may
    drop a connection without a word.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError
    if time.monotonic() - record.info.get("idle_since", math.inf) > RESTED_SECONDS:
        try:
            connection.ping()
        except Exception as error:
            raise DisconnectionError from error


def utc_now() -> datetime:
    """The clock, in one place."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reading:
    """Where single reads go: a standby, if there is one, and how many connections (0: as for transactions)."""

    url: str = ""
    pool_size: int = 0


class Database:
    """Hands out reads and transactions; holds the pool."""

    def __init__(
        self,
        engine: AsyncEngine,
        nudge: Callable[[str], Awaitable[None]] = _no_nudge,
        *,
        connections: Connections | None = None,
        searching: Connections | None = None,
    ) -> None:
        self.engine = engine
        self._nudge = nudge
        self._connections = connections
        self._searching = searching
        self.replica: Replica | None = None

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        nudge: Callable[[str], Awaitable[None]] = _no_nudge,
        reading: Reading = Reading(),
        pool_size: int = 16,
        statement_timeout_ms: int = 10_000,
        lock_timeout_ms: int = 4_000,
    ) -> Database:
        """Lazily filled pools on ``postgresql+asyncpg://…`` with the hub's session settings.

        ``reading`` names a standby of the same database, for reads that may go there.
        """
        server_settings = {
            "application_name": "fiscal-hub",
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(lock_timeout_ms),
            "idle_in_transaction_session_timeout": "30000",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "jit": "off",
        }

        read_size = reading.pool_size or pool_size
        connections = Connections(url, size=read_size, server_settings=server_settings)
        by_value = {**server_settings, "plan_cache_mode": "force_custom_plan"}
        searching = Connections(url, size=read_size, server_settings=by_value)
        engine = _engine(url, pool_size, server_settings)
        db = cls(engine, nudge, connections=connections, searching=searching)
        if reading.url:
            standby = Connections(reading.url, size=read_size, server_settings=server_settings)
            db.replica = Replica(standby, _engine(reading.url, read_size, server_settings), db.position)
        return db

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """One read-only statement on a connection of its own, past SQLAlchemy; parameters as $1, $2, ...

        Each statement sees what is committed when it starts. A connection that died idle is replaced once.
        Where a replica is configured it answers, if it has seen what this request's reads must see.
        """
        if self.replica is not None and (after := reads_after.get()) is not None:
            rows = await self.replica.fetch(after, sql, *args)
            if rows is not None:
                return rows
        return await self._hot.fetch(sql, *args)

    async def search(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """The same for a statement with criteria: planned for its very values each time.

        A plan for any value is good for frequent ones alone; for a rare one it reads on to the end of the list.
        """
        if self.replica is not None and reads_after.get() is not None:
            return await self.fetch(sql, *args)
        assert self._searching is not None  # what `connect` makes has them
        return await self._searching.fetch(sql, *args)

    async def position(self) -> int:
        """A position in the primary's log that lies behind every commit acknowledged before."""
        rows = await self._hot.fetch(PRIMARY_POSITION)
        found = read_position(rows[0][0])
        assert found is not None
        return found

    @property
    def reading_counts(self) -> dict[str, int]:
        """The connections that hot statements use."""
        return {} if self._connections is None else self._connections.counts

    @property
    def _hot(self) -> Connections:
        assert self._connections is not None  # what `connect` makes has them
        return self._connections

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Read]:
        """A short read-only look; each statement sees what is committed when it starts."""
        if self.replica is not None and (after := reads_after.get()) is not None:
            taken = await self.replica.connect(after)
            if taken is not None:
                async with contextlib.aclosing(taken) as connection:
                    yield Read(connection, utc_now())
                    await connection.rollback()
                return
        async with self.engine.connect() as connection:
            yield Read(connection, utc_now())
            await connection.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin, hand over, commit, then nudge; anything raised inside rolls all of it back."""
        async with self.engine.connect() as connection, connection.begin():
            tx = Transaction(connection, utc_now())
            yield tx
        for wake in tx.wakes:
            await self._nudge(wake)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A session of its own, which is ended, not given back, so that nothing it holds outlives it."""
        async with self.engine.connect() as connection:
            try:
                yield Session(connection, self._nudge)
            finally:
                await connection.invalidate()

    async def run(self, work: Callable[[Transaction], Awaitable[Answer]]) -> Answer:
        """One transaction around ``work``, begun anew when a deadlock or a serialization failure undid it.

        At most four times, then the failure stands. ``work`` must change nothing outside its transaction.
        """
        for last in (*(False,) * (TRIES_MAX - 1), True):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except (DBAPIError, asyncpg.PostgresError) as error:
                state = getattr(getattr(error, "orig", error), "sqlstate", None)
                if last or state not in RUN_AGAIN_STATES:
                    raise
                log.warning("transaction_run_again", sqlstate=state)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Give all connections back."""
        if self.replica is not None:
            await self.replica.close()
        if self._connections is not None:
            await self._connections.close()
        if self._searching is not None:
            await self._searching.close()
        await self.engine.dispose()
