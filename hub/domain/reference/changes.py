"""Versions of the reference registries' entries as readers of the log see them: who reads a registry sees its changes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, false, literal, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from hub.domain.reference import access
from hub.domain.reference.model import Registry, Status
from hub.domain.reference.tables import entry, version
from hub.domain.registry import Caller
from hub.domain.transparency import Family, Found, LeafKind, Look


@dataclass(frozen=True, slots=True)
class EntryChange:
    """A version of an entry."""

    registry: Registry
    entry_id: uuid.UUID
    scope: str
    code: str
    name: str
    version_no: int
    status: Status
    valid_from: date
    valid_to: date | None
    recorded_at: datetime


_COLUMNS = (
    entry.c.registry,
    version.c.entry_id,
    entry.c.scope,
    entry.c.code,
    version.c.name,
    version.c.version_no,
    version.c.status,
    version.c.valid_from,
    version.c.valid_to,
    version.c.recorded_at,
)


async def _find(look: Look) -> list[Found]:
    leaves = look.leaves(LeafKind.REFERENCE)
    joined = and_(entry.c.tenant_id == version.c.tenant_id, entry.c.id == version.c.entry_id)
    seen = (
        select(*_COLUMNS)
        .select_from(version.join(entry, joined))
        .where(
            version.c.tenant_id == leaves.c.tenant_id,
            version.c.id == leaves.c.fact_id,
            _readable(look.caller),
        )
        .correlate(leaves)
        .offset(literal_column("0"))
        .lateral("seen")
    )
    rows = await look.read.rows(
        select(leaves.c.log_index, leaves.c.sequenced_at, *seen.c)
        .join_from(leaves, seen, true())
        .order_by(leaves.c.log_index)
        .limit(look.first)
    )
    return [
        Found(row.log_index, LeafKind.REFERENCE, row.sequenced_at, _change(dict(row)))
        for row in rows.mappings()
    ]


def _change(row: dict[str, Any]) -> EntryChange:
    del row["log_index"], row["sequenced_at"]
    return EntryChange(**{**row, "registry": Registry(row["registry"]), "status": Status(row["status"])})


def _readable(caller: Caller) -> ColumnElement[bool]:
    tenants = access.readable_tenants(caller)
    if tenants is None:
        return true()
    if not tenants:
        return false()
    return version.c.tenant_id == any_(literal(list(tenants), ARRAY(UUID)))


FEED = (Family(frozenset({LeafKind.REFERENCE}), (EntryChange,), _find),)
