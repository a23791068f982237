"""Facts never change: tried as the application's role and as the owner, on every table there is."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from hub.db import Database
from hub.domain import tables
from hub.domain.fiscal_events.tables import FACTS
from hub.embedded import Endpoints

pytestmark = pytest.mark.anyio

STATE = {
    "agency",
    "api_key",
    "code_allowance",
    "data_key",
    "inbox_entry",
    "job",
    "line_balance",
    "log_edge",
    "log_pending",
    "membership",
    "one_time_code",
    "person",
    "program",
    "program_number",
    "recovery_code",
    "reference_slice",
    "sanction",
    "second_factor",
    "session",
    "signing_key",
    "signing_key_challenge",
    "system",
    "tenant",
    "tenant_operator",
    "webhook",
    "webhook_delivery_state",
    "webhook_secret",
}
CHANGES = ("UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE")


async def refusals(url: str, table: str) -> list[str]:
    """What the database says to each kind of change of this table; empty where it lets it pass."""
    column = next(iter(tables.metadata.tables[table].columns)).name
    engine = create_async_engine(url)
    said: list[str] = []
    for change in CHANGES:
        async with engine.connect() as connection:
            try:
                await connection.execute(text(change.format(table=f'"{table}"', column=f'"{column}"')))
                said.append("")
            except DBAPIError as refused:
                said.append(str(refused.orig))
            await connection.rollback()
    await engine.dispose()
    return said


FACT_TABLES = sorted(set(tables.metadata.tables) - STATE)


def test_every_posting_fact_is_among_the_tables_tried() -> None:
    assert set(FACTS) <= set(FACT_TABLES)


@pytest.mark.parametrize("table", FACT_TABLES)
async def test_the_application_cannot_change_a_fact(servers: Endpoints, table: str) -> None:
    for said in await refusals(servers.database_url, table):
        assert "permission denied" in said


@pytest.mark.parametrize("table", FACT_TABLES)
async def test_not_even_the_owner_changes_a_fact_by_mistake(servers: Endpoints, table: str) -> None:
    for said in await refusals(servers.owner_url, table):
        assert "facts never change" in said


@pytest.mark.parametrize("table", sorted(STATE))
async def test_state_is_never_truncated_by_the_application(servers: Endpoints, table: str) -> None:
    assert "permission denied" in (await refusals(servers.database_url, table))[2]


async def test_the_application_creates_no_tables(servers: Endpoints) -> None:
    engine = create_async_engine(servers.database_url)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text("CREATE TABLE mine (id int)"))
    await engine.dispose()


async def test_sessions_carry_timeouts(servers: Endpoints) -> None:
    database = Database.connect(servers.database_url)
    async with database.read() as read:
        assert await read.scalar(text("SHOW statement_timeout")) == "10s"
        assert await read.scalar(text("SHOW lock_timeout")) == "4s"
        assert await read.scalar(text("SHOW synchronous_commit")) == "on"
    await database.close()
