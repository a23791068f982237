"""From empty to head and back: the migrations make exactly the tables the code speaks of."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub import migrate
from hub.embedded import Endpoints


async def _run(url: str, *statements: str) -> list[str]:
    """Run statements outside a transaction; the first column of the last one."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
        found = [str(row[0]) for row in result] if result.returns_rows else []
    await engine.dispose()
    return found


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


@pytest.mark.filterwarnings("ignore:.*autogenerate skipping.*:UserWarning")
def test_code_and_database_agree(servers: Endpoints) -> None:
    migrate.check(servers.owner_url, servers.database_url)


def test_down_to_nothing_and_up_again(servers: Endpoints) -> None:
    before = asyncio.run(_run(servers.owner_url, TABLES))
    configuration = migrate.configuration(servers.owner_url, servers.database_url)
    command.downgrade(configuration, "base")
    assert asyncio.run(_run(servers.owner_url, TABLES)) == ["alembic_version"]
    migrate.upgrade(servers.owner_url, servers.database_url)
    assert asyncio.run(_run(servers.owner_url, TABLES)) == before
