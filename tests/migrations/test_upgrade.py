"""From empty to head and back: the migrations make exactly the tables the code speaks of."""

from __future__ import annotations

import asyncio
import hashlib
import uuid

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from hub import migrate
from hub.domain import retention
from hub.embedded import Endpoints
from hub.means import Means
from hub.signing import HubKey


async def _run(url: str, *statements: str) -> list[str]:
    """Run statements outside a transaction; the first column of the last one."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
            return [str(row[0]) for row in result] if result.returns_rows else []
    finally:
        await engine.dispose()


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


@pytest.mark.filterwarnings("ignore:.*autogenerate skipping.*:UserWarning")
def test_code_and_database_agree(servers: Endpoints) -> None:
    migrate.check(servers.owner_url, servers.database_url)


def test_down_to_nothing_and_up_again(empty_database: Endpoints) -> None:
    servers = empty_database
    before = asyncio.run(_run(servers.owner_url, TABLES))
    configuration = migrate.configuration(servers.owner_url, servers.database_url)
    command.downgrade(configuration, "base")
    assert asyncio.run(_run(servers.owner_url, TABLES)) == ["alembic_version"]
    migrate.upgrade(servers.owner_url, servers.database_url)
    assert asyncio.run(_run(servers.owner_url, TABLES)) == before


def test_documents_in_the_clear_are_sealed_on_the_way(empty_database: Endpoints) -> None:
    """A document of a hub from before lies sealed afterwards, opens, and its table refuses changes as before."""
    owner_url, clear = empty_database.owner_url, b"%PDF-1.7 from before"
    tenant, system = uuid.uuid4(), uuid.uuid4()
    configuration = migrate.configuration(owner_url, empty_database.database_url)
    foreign = "SELECT conname FROM pg_constraint WHERE conrelid = 'document'::regclass AND contype = 'f'"
    definition = f"SELECT pg_get_constraintdef(oid) FROM ({foreign.replace('conname', 'oid')}) f"
    (name,), (made,) = asyncio.run(_run(owner_url, foreign)), asyncio.run(_run(owner_url, definition))
    means = Means("ifix.org", HubKey.from_seed(bytes(32)), bytes(32))
    command.downgrade(configuration, "0011")
    try:
        asyncio.run(
            _run(
                owner_url,
                f"ALTER TABLE document DROP CONSTRAINT {name}",
                f"INSERT INTO document SELECT '{tenant}', '{system}', sha256(b), 'application/pdf', length(b), b, now() "
                f"FROM (SELECT decode('{clear.hex()}', 'hex') AS b) c",
            )
        )
        with pytest.raises(RuntimeError, match="fiscal-hub migrate"):
            migrate.upgrade(owner_url, empty_database.database_url)
        migrate.upgrade(owner_url, empty_database.database_url, seal=migrate.sealing(means))
        both = (
            "SELECT encode(bytes, 'hex') FROM document UNION ALL SELECT encode(wrapped, 'hex') FROM data_key"
        )
        envelope, wrapped = map(bytes.fromhex, asyncio.run(_run(owner_url, both)))
        assert clear not in envelope
        at = retention.Place(tenant, system, hashlib.sha256(clear).hexdigest())
        assert retention.open_value(means, at, envelope, wrapped) == clear
        with pytest.raises(DBAPIError, match="facts never change"):
            asyncio.run(_run(owner_url, "DELETE FROM document"))
        with pytest.raises(RuntimeError, match="cannot be taken back"):
            command.downgrade(configuration, "0011")
    finally:
        asyncio.run(
            _run(
                owner_url,
                "ALTER TABLE document DISABLE TRIGGER facts_never_change",
                "DELETE FROM document",
                "ALTER TABLE document ENABLE TRIGGER facts_never_change",
                f"ALTER TABLE document ADD CONSTRAINT {name} {made}",
            )
        )
        migrate.upgrade(owner_url, empty_database.database_url)
