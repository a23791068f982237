"""The database: engine, table base with constraint names, short reads and the one kind of transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import MetaData
from sqlalchemy.engine import CursorResult, Result
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.base import Executable

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

TRIES_MAX = 4
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
        """For a store that needs the driver itself (COPY)."""
        return self._connection


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


async def _no_nudge(_: str) -> None:
    return None


def utc_now() -> datetime:
    """The clock, in one place."""
    return datetime.now(UTC)


class Database:
    """Hands out reads and transactions; holds the pool."""

    def __init__(self, engine: AsyncEngine, nudge: Callable[[str], Awaitable[None]] = _no_nudge) -> None:
        self.engine = engine
        self._nudge = nudge

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        nudge: Callable[[str], Awaitable[None]] = _no_nudge,
        pool_size: int = 16,
        statement_timeout_ms: int = 10_000,
        lock_timeout_ms: int = 4_000,
    ) -> Database:
        """A lazily filled pool on ``postgresql+asyncpg://…`` with the hub's session settings."""
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": "fiscal-hub",
                    "statement_timeout": str(statement_timeout_ms),
                    "lock_timeout": str(lock_timeout_ms),
                    "idle_in_transaction_session_timeout": "30000",
                    "synchronous_commit": "on",
                    "timezone": "UTC",
                    "jit": "off",
                },
            },
        )
        return cls(engine, nudge)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Read]:
        """A short read-only look; each statement sees what is committed when it starts."""
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

    async def run(self, work: Callable[[Transaction], Awaitable[Answer]]) -> Answer:
        """One transaction around ``work``, begun anew when a deadlock or a serialization failure undid it.

        At most four times, then the failure stands. ``work`` must change nothing outside its transaction.
        """
        for last in (*(False,) * (TRIES_MAX - 1), True):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if last or state not in RUN_AGAIN_STATES:
                    raise
                log.warning("transaction_run_again", sqlstate=state)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
