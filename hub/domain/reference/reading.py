"""Looking entries up: search by every criterion, the tree above and below, and the history of one entry."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, literal, or_, select, tuple_

from hub.db import Read
from hub.domain.reference import access, coa
from hub.domain.reference.model import DEPTH_MAX, Criteria, Entry, Moment, Registry, Status, Version
from hub.domain.reference.searching import check_criteria, conditions
from hub.domain.reference.tables import entry, link, slice_, version
from hub.domain.registry import Caller

HISTORY_MAX = 500
COLUMNS = (
    entry.c.registry,
    entry.c.tenant_id,
    entry.c.id.label("entry_id"),
    version.c.id.label("version_id"),
    version.c.version_no,
    entry.c.scope,
    entry.c.code,
    version.c.name,
    version.c.names,
    slice_.c.parent_id,
    slice_.c.path,
    slice_.c.depth,
    version.c.level,
    version.c.status,
    version.c.attributes,
    slice_.c.valid_from,
    slice_.c.valid_to,
    version.c.recorded_at,
)


def known(moment: Moment, slices: Any = slice_) -> ColumnElement[bool]:
    """Slices believed at the moment's time of knowledge."""
    if moment.known_at is None:
        return slices.c.superseded_at.is_(None)  # type: ignore[no-any-return]
    return and_(
        slices.c.recorded_at <= moment.known_at,
        or_(slices.c.superseded_at.is_(None), slices.c.superseded_at > moment.known_at),
    )


def holds(moment: Moment, slices: Any = slice_) -> ColumnElement[bool]:
    """Slices believed then that cover the moment's day."""
    return and_(
        known(moment, slices),
        slices.c.valid_from <= moment.on,
        or_(slices.c.valid_to.is_(None), slices.c.valid_to > moment.on),
    )


def _entries(*more: Any) -> Select[Any]:
    return (
        select(*COLUMNS, *more)
        .join_from(
            entry, slice_, and_(slice_.c.tenant_id == entry.c.tenant_id, slice_.c.entry_id == entry.c.id)
        )
        .join(version, and_(version.c.tenant_id == slice_.c.tenant_id, version.c.id == slice_.c.version_id))
    )


def _entry(row: RowMapping) -> Entry:
    fields = {column.name: row[column.name] for column in COLUMNS}
    fields |= {"registry": Registry(row["registry"]), "status": Status(row["status"])}
    return Entry(**fields)


async def search(
    read: Read,
    caller: Caller,
    tenant_id: uuid.UUID,
    registry: Registry,
    criteria: Criteria,
    *,
    moment: Moment,
    after: tuple[str, uuid.UUID] | None = None,
    limit: int,
) -> list[Entry]:
    """Entries for which everything in the criteria holds at the moment, by code.

    Refuses criteria that are too many, too long or malformed. Who may not read the government's registries
    is refused; nothing of another government is ever found.
    """
    access.require_read(caller, tenant_id)
    check_criteria(registry, criteria)
    above = slice_.alias("above")
    query = _entries().where(
        entry.c.tenant_id == tenant_id,
        entry.c.registry == registry.value,
        holds(moment),
        *conditions(tenant_id, registry, criteria, holds(moment, above), above),
    )
    if after is not None:
        query = query.where(tuple_(entry.c.code, entry.c.id) > tuple_(literal(after[0]), literal(after[1])))
    found = await read.rows(query.order_by(entry.c.code, entry.c.id).limit(limit))
    return [_entry(row) for row in found.mappings()]


async def find(
    read: Read, caller: Caller, registry: Registry, entry_id: uuid.UUID, moment: Moment | None = None
) -> Entry | None:
    """An entry as it stands at the moment (now); before its first day or after its last, as it next or last stood.

    None when there is none, or none the caller may see.
    """
    moment = moment or Moment(read.now.date())
    tenants = access.readable_tenants(caller)
    query = _entries().where(entry.c.id == entry_id, entry.c.registry == registry.value, known(moment))
    if tenants is not None:
        query = query.where(entry.c.tenant_id.in_(tenants))
    query = query.order_by(
        case((holds(moment), 0), (slice_.c.valid_from > moment.on, 1), else_=2),
        func.abs(slice_.c.valid_from - moment.on),
    )
    row = (await read.rows(query.limit(1))).mappings().one_or_none()
    return _entry(row) if row is not None else None


async def lookup_head(
    read: Read, caller: Caller, tenant_id: uuid.UUID, spelling: str, moment: Moment
) -> Entry | None:
    """The head of account that any accepted spelling means at the moment."""
    tries = coa.spellings(spelling)[:3]
    found = await search(
        read, caller, tenant_id, Registry.COA, Criteria(codes=(spelling,)), moment=moment, limit=len(tries)
    )
    by_code = {entry_.code: entry_ for entry_ in found}
    return next((by_code[code] for code in tries if code in by_code), None)


async def list_ancestors(
    read: Read, caller: Caller, tenant_id: uuid.UUID, ids: Collection[uuid.UUID], moment: Moment
) -> dict[uuid.UUID, list[Entry]]:
    """For each entry the chain from its root down to itself, as it stands at the moment."""
    access.require_read(caller, tenant_id)
    step, parent = slice_.alias("step"), slice_.alias("parent")
    up = (
        select(step.c.entry_id.label("origin"), step.c.id, step.c.parent_id)
        .where(step.c.tenant_id == tenant_id, step.c.entry_id.in_(ids), holds(moment, step))
        .cte("up", recursive=True)
    )
    up = up.union_all(
        select(up.c.origin, parent.c.id, parent.c.parent_id).where(
            parent.c.tenant_id == tenant_id, parent.c.entry_id == up.c.parent_id, holds(moment, parent)
        )
    )
    query = (
        _entries(up.c.origin)
        .join(up, up.c.id == slice_.c.id)
        .where(entry.c.tenant_id == tenant_id)
        .order_by(slice_.c.depth)
    )
    chains: dict[uuid.UUID, list[Entry]] = {entry_id: [] for entry_id in ids}
    for row in (await read.rows(query)).mappings():
        chains[row["origin"]].append(_entry(row))
    return chains


async def list_descendants(
    read: Read,
    caller: Caller,
    above: Entry,
    *,
    moment: Moment,
    levels: int = DEPTH_MAX,
    after: tuple[str, uuid.UUID] | None = None,
    limit: int,
) -> list[Entry]:
    """What stands below an entry at the moment, at most ``levels`` deep, by path (each after its parent)."""
    access.require_read(caller, above.tenant_id)
    child = slice_.alias("child")
    down = (
        select(child.c.id, child.c.entry_id, literal(1).label("step"))
        .where(
            child.c.tenant_id == above.tenant_id, child.c.parent_id == above.entry_id, holds(moment, child)
        )
        .cte("down", recursive=True)
    )
    down = down.union_all(
        select(child.c.id, child.c.entry_id, down.c.step + 1).where(
            child.c.tenant_id == above.tenant_id,
            child.c.parent_id == down.c.entry_id,
            holds(moment, child),
            down.c.step < levels,
        )
    )
    query = _entries().join(down, down.c.id == slice_.c.id).where(entry.c.tenant_id == above.tenant_id)
    if after is not None:
        query = query.where(tuple_(slice_.c.path, entry.c.id) > tuple_(literal(after[0]), literal(after[1])))
    found = await read.rows(query.order_by(slice_.c.path, entry.c.id).limit(limit))
    return [_entry(row) for row in found.mappings()]


async def list_links(
    read: Read, caller: Caller, tenant_id: uuid.UUID, versions: Collection[uuid.UUID], moment: Moment
) -> dict[uuid.UUID, list[Entry]]:
    """What versions are linked to, as it stands at the moment; by registry and code."""
    access.require_read(caller, tenant_id)
    query = (
        _entries(link.c.version_id.label("origin"))
        .join(link, and_(link.c.tenant_id == entry.c.tenant_id, link.c.target_id == entry.c.id))
        .where(entry.c.tenant_id == tenant_id, link.c.version_id.in_(versions), holds(moment))
        .order_by(entry.c.registry, entry.c.code)
    )
    links: dict[uuid.UUID, list[Entry]] = {version_id: [] for version_id in versions}
    for row in (await read.rows(query)).mappings():
        links[row["origin"]].append(_entry(row))
    return links


async def list_versions(read: Read, caller: Caller, subject: Entry) -> list[Version]:
    """Every version an entry ever had, newest first, as each was declared."""
    access.require_read(caller, subject.tenant_id)
    parent = entry.alias("parent")
    query = (
        select(version, parent.c.code.label("parent_code"))
        .join_from(
            version,
            parent,
            and_(parent.c.tenant_id == version.c.tenant_id, parent.c.id == version.c.parent_id),
            isouter=True,
        )
        .where(version.c.tenant_id == subject.tenant_id, version.c.entry_id == subject.entry_id)
        .order_by(version.c.version_no.desc())
        .limit(HISTORY_MAX)
    )
    return [_version(row) for row in (await read.rows(query)).mappings()]


def _version(row: RowMapping) -> Version:
    return Version(
        version_id=row["id"],
        version_no=row["version_no"],
        name=row["name"],
        names=row["names"],
        parent_code=row["parent_code"],
        level=row["level"],
        status=Status(row["status"]),
        attributes=row["attributes"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
    )
