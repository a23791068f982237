"""The ledger: the one way money moves, and what stood where at any time.

A movement is one statement. It takes the amount from its bucket only if that much is there, puts it into the other,
counts the sanction's entries on, and writes the entry with what stands in the buckets now. Whoever comes at the same
time waits for the row and is judged by what is left. Nothing here reads a balance to write it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.db import Read, Transaction
from hub.domain.programs.model import (
    NOTHING,
    OPENING,
    WAYS,
    Balances,
    Bucket,
    Entry,
    Movement,
    SanctionStatus,
)
from hub.domain.programs.tables import BUCKETS
from hub.domain.registry import Caller, actor_of
from hub.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Move:
    """An amount to be moved on a sanction, and what moves it: each cause moves money once in each way."""

    tenant_id: uuid.UUID
    sanction_id: uuid.UUID
    movement: Movement
    amount: Decimal
    cause_id: uuid.UUID


_AFTER = ", ".join(BUCKETS)
_ENTRY = (
    "(tenant_id, id, sanction_id, number, movement, from_bucket, to_bucket, amount, cause_id, actor, actor_id, at, "
    f"{_AFTER})"
)


def _statement(movement: Movement) -> str:
    source, target = WAYS[movement]
    changes = ["entries = s.entries + 1", "moved_at = greatest(s.moved_at, $9)"]
    wanted = ["s.tenant_id = $1", "s.id = $2"]
    if source is Bucket.OUTSIDE:
        changes += ["gross = s.gross + $3", "net_amount = s.net_amount + $3", "version = s.version + 1"]
        changes += ["updated_at = greatest(s.moved_at, $9)"]
    else:
        column = source.value.lower()
        changes.append(f"{column} = s.{column} - $3")
        wanted.append(f"s.{column} >= $3")
    column = target.value.lower()
    changes.append(f"{column} = s.{column} + $3")
    if movement in OPENING:
        wanted.append(f"s.status = '{SanctionStatus.ACTIVE.value}'")
    return f"""
        WITH moved AS (
            UPDATE sanction s SET {", ".join(changes)} WHERE {" AND ".join(wanted)}
            RETURNING s.entries, s.moved_at, {", ".join(f"s.{name}" for name in BUCKETS)}
        )
        INSERT INTO ledger_entry {_ENTRY}
        SELECT $1, $4, $2, entries, $5, '{source.value}', '{target.value}', $3, $6, $7, $8, moved_at, {_AFTER}
        FROM moved
        RETURNING {_AFTER}
    """  # noqa: S608 - our own names


STATEMENTS: Mapping[Movement, str] = {
    movement: _statement(movement) for movement in WAYS if movement != Movement.SANCTION
}
_CREATED = f"""
    INSERT INTO ledger_entry {_ENTRY}
    SELECT tenant_id, $3, id, 1, 'SANCTION', 'OUTSIDE', 'UNALLOCATED', gross, id, $4, $5, moved_at, {_AFTER}
    FROM sanction WHERE tenant_id = $1 AND id = $2 AND entries = 1
"""  # noqa: S608 - our own names


async def move(tx: Transaction, caller: Caller, wanted: Move) -> Balances | None:
    """Move the amount if it is there (and, to begin something new, the sanction is active); else None, and nothing."""
    rows = await tx.fetch(
        STATEMENTS[wanted.movement],
        wanted.tenant_id,
        wanted.sanction_id,
        wanted.amount,
        new_id(),
        wanted.movement.value,
        wanted.cause_id,
        *actor_of(caller),
        tx.now,
    )
    return _balances(rows[0]) if rows else None


async def enter_sanction(
    tx: Transaction, caller: Caller, tenant_id: uuid.UUID, sanction_id: uuid.UUID
) -> None:
    """The first entry of a sanction that was just inserted: all of it comes in and is unallocated."""
    await tx.fetch(_CREATED, tenant_id, sanction_id, new_id(), *actor_of(caller))


async def list_entries(
    read: Read, tenant_id: uuid.UUID, sanction_id: uuid.UUID, *, after: int, limit: int
) -> list[Entry]:
    """A sanction's entries behind a number, oldest first."""
    rows = await read.fetch(
        "SELECT * FROM ledger_entry WHERE tenant_id = $1 AND sanction_id = $2 AND number > $3 "
        "ORDER BY number LIMIT $4",
        tenant_id,
        sanction_id,
        after,
        limit,
    )
    return [_entry(row) for row in rows]


async def balances_at(read: Read, tenant_id: uuid.UUID, sanction_id: uuid.UUID, at: datetime) -> Balances:
    """What stood in the buckets at an instant, that instant's own entries included; nothing before the first."""
    rows = await read.fetch(
        f"SELECT {_AFTER} FROM ledger_entry WHERE tenant_id = $1 AND sanction_id = $2 AND at <= $3 "  # noqa: S608
        "ORDER BY at DESC, number DESC LIMIT 1",
        tenant_id,
        sanction_id,
        at,
    )
    return _balances(rows[0]) if rows else NOTHING


def _balances(row: Any) -> Balances:
    return Balances(*(row[name] for name in BUCKETS))


def _entry(row: Any) -> Entry:
    return Entry(
        row["sanction_id"],
        row["number"],
        Movement(row["movement"]),
        Bucket(row["from_bucket"]),
        Bucket(row["to_bucket"]),
        row["amount"],
        row["cause_id"],
        row["at"],
        _balances(row),
    )
