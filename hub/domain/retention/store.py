"""Rows of retention: keys, and facts about erasures and holds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.db import Read, Transaction
from hub.domain.retention.model import Change, Erasure, ErasureState, Hold, Subject
from hub.domain.retention.tables import data_key, retention_fact

Row = tuple[uuid.UUID, uuid.UUID, str, bytes, bytes]
_COLUMNS = ("tenant_id", "owner_id", "place", "wrapped", "wrapped_by")
_END = "('APPROVED', 'REFUSED', 'RELEASED')"


async def insert_keys(tx: Transaction, rows: Sequence[Row]) -> None:
    """Keys of new values."""
    if rows:
        await tx.execute(upsert(data_key), [dict(zip(_COLUMNS, row, strict=True)) for row in rows])


async def find_keys(
    read: Read,
    tenant_id: uuid.UUID,
    owner_ids: Collection[uuid.UUID],
    places: Collection[str] | None = None,
) -> dict[tuple[uuid.UUID, str], bytes]:
    """Wrapped keys by owner and place."""
    rows = await read.fetch(
        "SELECT owner_id, place, wrapped FROM data_key WHERE tenant_id = $1 AND owner_id = ANY($2::uuid[]) "
        "AND ($3::text[] IS NULL OR place = ANY($3))",
        tenant_id,
        list(owner_ids),
        None if places is None else list(places),
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def find_key(read: Read, tenant_id: uuid.UUID, owner_id: uuid.UUID, place: str) -> bytes | None:
    """The wrapped key of one place."""
    found: bytes | None = await read.scalar(
        select(data_key.c.wrapped).where(
            data_key.c.tenant_id == tenant_id, data_key.c.owner_id == owner_id, data_key.c.place == place
        )
    )
    return found


async def delete_keys(
    tx: Transaction, tenant_id: uuid.UUID, owner_id: uuid.UUID, places: Sequence[str]
) -> None:
    """They are gone with the commit."""
    await tx.execute(
        delete(data_key).where(
            data_key.c.tenant_id == tenant_id, data_key.c.owner_id == owner_id, data_key.c.place.in_(places)
        )
    )


async def list_wrapped_otherwise(read: Read, name: bytes, limit: int) -> list[Row]:
    """Keys that the named vault key does not wrap."""
    rows = await read.fetch(
        "SELECT tenant_id, owner_id, place, wrapped, wrapped_by FROM data_key "
        "WHERE wrapped_by < $1 OR wrapped_by > $1 LIMIT $2",
        name,
        limit,
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def update_key(tx: Transaction, row: Row, before: bytes) -> None:
    """Another wrapping, unless the row has changed since."""
    await tx.fetch(
        "UPDATE data_key SET wrapped = $4, wrapped_by = $5 "
        "WHERE tenant_id = $1 AND owner_id = $2 AND place = $3 AND wrapped = $6",
        *row,
        before,
    )


async def is_erased(read: Read, tenant_id: uuid.UUID, owner_id: uuid.UUID, place: str) -> bool:
    """Whether there is a fact that says so."""
    t = retention_fact
    found = await read.scalar(
        select(t.c.id).where(
            t.c.tenant_id == tenant_id,
            t.c.owner_id == owner_id,
            t.c.place == place,
            t.c.change == Change.ERASED.value,
        )
    )
    return found is not None


async def lock(tx: Transaction, tenant_id: uuid.UUID) -> None:
    """Acts of one government come one after the other: a hold is never overtaken by an erasure."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"retention:{tenant_id}"}
    )


async def insert_facts(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Facts, in order."""
    await tx.execute(insert(retention_fact), list(rows))


_ERASURE = f"""
    SELECT r.*, e.change AS became, e.at AS decided_at FROM retention_fact r
    LEFT JOIN retention_fact e ON e.of_id = r.id AND e.tenant_id = r.tenant_id AND e.change IN {_END}
    WHERE r.tenant_id = :tenant AND r.change = :change
"""  # noqa: S608 - our own names


async def list_begun(
    read: Read,
    tenant_id: uuid.UUID,
    change: Change,
    *,
    where: str = "true",
    values: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Requests or holds with what ended them; ``where`` is SQL over both."""
    statement = text(f"{_ERASURE} AND {where}")
    found = await read.rows(statement, {"tenant": tenant_id, "change": change.value, **(values or {})})
    return list(found.mappings())


def erasure_of(row: Any) -> Erasure:
    """A request, by its row."""
    details = row["details"] if isinstance(row["details"], dict) else orjson.loads(row["details"])
    states = {None: ErasureState.REQUESTED, "APPROVED": ErasureState.ERASED, "REFUSED": ErasureState.REFUSED}
    return Erasure(
        row["id"],
        row["tenant_id"],
        Subject(row["subject"]),
        row["owner_id"],
        tuple(details["places"]),
        tuple(uuid.UUID(each) for each in details["postings"]),
        row["reason"],
        row["legal_basis"],
        states[row["became"]],
        row["actor_id"],
        row["at"],
        row["decided_at"],
    )


def hold_of(row: Any) -> Hold:
    """A hold, by its row."""
    return Hold(
        row["id"],
        row["tenant_id"],
        row["owner_id"],
        row["reason"],
        row["legal_basis"],
        row["at"],
        row["decided_at"],
    )
