"""Versions of the reference registries' entries as readers of the log see them: who reads a registry sees its changes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Subquery, and_, any_, false, literal, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from hub.db import Read
from hub.domain.reference import access
from hub.domain.reference.model import Registry, Status
from hub.domain.reference.tables import entry, version
from hub.domain.registry import Caller


@dataclass(frozen=True, slots=True)
class EntryChange:
    """A version of an entry with its number in the log."""

    log_index: int
    sequenced_at: datetime
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


async def list_changes(read: Read, caller: Caller, leaves: Subquery, limit: int) -> list[EntryChange]:
    """At most ``limit`` versions among these leaves of the log that the caller may read, in the log's order."""
    joined = and_(entry.c.tenant_id == version.c.tenant_id, entry.c.id == version.c.entry_id)
    seen = (
        select(*_COLUMNS)
        .select_from(version.join(entry, joined))
        .where(version.c.tenant_id == leaves.c.tenant_id, version.c.id == leaves.c.fact_id, _readable(caller))
        .correlate(leaves)
        .offset(literal_column("0"))
        .lateral("seen")
    )
    rows = await read.rows(
        select(leaves.c.log_index, leaves.c.sequenced_at, *seen.c)
        .join_from(leaves, seen, true())
        .order_by(leaves.c.log_index)
        .limit(limit)
    )
    return [
        EntryChange(**{**row, "registry": Registry(row["registry"]), "status": Status(row["status"])})
        for row in rows.mappings()
    ]


def _readable(caller: Caller) -> ColumnElement[bool]:
    tenants = access.readable_tenants(caller)
    if tenants is None:
        return true()
    if not tenants:
        return false()
    return version.c.tenant_id == any_(literal(list(tenants), ARRAY(UUID)))
