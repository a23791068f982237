"""Fixtures of the whole suite: one PostgreSQL and Redis per run, a migrated database, a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hub import migrate
from hub.db import Database
from hub.domain import tables
from hub.embedded import Endpoints
from hub.settings import Settings
from tests.servers import start_test_servers


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the hub does."""
    return "asyncio"


@pytest.fixture(scope="session")
def servers() -> Iterator[Endpoints]:
    """One embedded PostgreSQL and Redis for the whole run, migrated once."""
    with start_test_servers() as endpoints:
        migrate.upgrade(endpoints.owner_url, endpoints.database_url)
        yield endpoints


def _emptying() -> str:
    """One statement that empties every table, children first; much quicker than TRUNCATE on small tables."""
    names = [f'"{table.name}"' for table in reversed(tables.metadata.sorted_tables)]
    steps = [
        *(f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in names),
        *(f"DELETE FROM {name}" for name in names),
        *(f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in names),
    ]
    return f"DO $$ BEGIN {'; '.join(steps)}; END $$"


async def empty(owner_url: str) -> None:
    """Empty every table as the owner; the triggers that protect facts stand aside for this transaction."""
    engine = create_async_engine(owner_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(_emptying()))
    await engine.dispose()


@pytest.fixture
def empty_database(servers: Endpoints) -> Endpoints:
    """The migrated database with no rows in it."""
    asyncio.run(empty(servers.owner_url))
    return servers


@pytest.fixture
def settings(empty_database: Endpoints, tmp_path: Path) -> Settings:
    """Settings of a hub on the empty test database."""
    return Settings(
        data_dir=tmp_path,
        database_url=empty_database.database_url,
        database_owner_url=empty_database.owner_url,
        redis_url=empty_database.redis_url,
    )


@pytest.fixture
async def database(empty_database: Endpoints) -> AsyncIterator[Database]:
    """A pool of the application's role on the empty database, for async tests."""
    database = Database.connect(empty_database.database_url)
    yield database
    await database.close()
