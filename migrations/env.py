"""Alembic's entry: one connection as the owner role, with lock and statement timeouts."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from hub.domain import tables

LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "10min"


def run(connection: Connection) -> None:
    """Migrate on an open connection; one migrating process at a time, by advisory lock."""
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.execute(text("SELECT pg_advisory_lock(hashtext('fiscal-hub migrations'))"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text("SELECT pg_advisory_unlock(hashtext('fiscal-hub migrations'))"))
    connection.commit()


async def connect_and_run(url: str) -> None:
    """Open the one connection and migrate on it."""
    engine = create_async_engine(url, connect_args={"server_settings": {"timezone": "UTC"}})
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(connect_and_run(str(context.config.attributes["owner_url"])))
