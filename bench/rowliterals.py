"""The bare inserts of a post as one SQL statement: what PostgreSQL alone takes for the same rows."""

from __future__ import annotations

from typing import Any

import asyncpg

from bench.data import Stage

TABLES = ("posting", "posting_key", "posting_line", "posting_signature", "receipt")
# Ids are time-ordered as the hub's are.
NEW_ID = """(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid"""


async def insert_script(stage: Stage, count: int) -> str:
    """Insert ``count`` copies of one stored event under new ids, references and keys; one statement, one commit."""
    db = await stage.administrator()
    try:
        template = await db.fetchval(
            "SELECT id FROM posting WHERE kind = 'EVENT' AND reference_id LIKE 'TEMPLATE/%' ORDER BY id LIMIT 1"
        )
        parts = [await _insert(db, table, template) for table in TABLES]
    finally:
        await db.close()
    new = f"SELECT i, {NEW_ID} AS id, md5(random()::text) AS name FROM generate_series(1, {count}) i"
    steps = [f"new AS MATERIALIZED ({new})", *(f"step_{n} AS ({part})" for n, part in enumerate(parts))]
    return f"WITH {', '.join(steps)} SELECT count(*) FROM new;\n"


async def _insert(db: asyncpg.Connection, table: str, template: Any) -> str:
    key = "id" if table == "posting" else "posting_id"
    order = " ORDER BY line_no" if table == "posting_line" else ""
    names = [
        row["column_name"]
        for row in await db.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
            table,
        )
    ]
    # PostgreSQL writes the literals itself, each with its column's type.
    literals = ", ".join(f'quote_nullable("{name}"::text) AS "{name}"' for name in names)
    types = {
        row["attname"]: row["type"]
        for row in await db.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attnum > 0",
            table,
        )
    }
    rows = await db.fetch(f"SELECT {literals} FROM {table} WHERE {key} = $1{order}", template)
    selects = []
    for row in rows:
        values = [_value(table, name, f"{row[name]}::{types[name]}") for name in names]
        selects.append(f"SELECT {', '.join(values)} FROM new")
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({columns}) {' UNION ALL '.join(selects)}"


def _value(table: str, name: str, literal: str) -> str:
    if name == "posting_id" or (table == "posting" and name == "id"):
        return "new.id"
    if name == "id":
        return NEW_ID
    if name in ("reference_id", "idempotency_key"):
        return "'LIMIT/' || new.name"
    return literal
