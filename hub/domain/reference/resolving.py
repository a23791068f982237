"""Resolving the codes of postings: every line's codes to the versions in force on a day, in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from hub.db import Read
from hub.domain.reference import coa
from hub.domain.reference.model import PATH_SEPARATOR, Registry, Resolved, ResolvedEntry, Status

# Laterals with OFFSET 0 keep the order: from each code to its entry, its slice and its version, by their indexes. The
# planner would otherwise begin with all slices of a government it has no statistics of.
RESOLVE = """
    SELECT w.day, e.registry, e.id, e.scope, e.code, s.path, s.depth, v.id AS version_id, v.version_no, v.name, v.level,
           v.status, v.attributes::text AS attributes, d.path AS department_path,
           (SELECT t.code FROM tenant t WHERE t.id = $1) AS tenant_code
    FROM unnest($2::text[], $3::text[], $4::date[]) AS w(registry, code, day)
    CROSS JOIN LATERAL (
        SELECT x.registry, x.id, x.scope, x.code FROM reference_entry x
        WHERE x.tenant_id = $1 AND x.registry = w.registry AND x.code = w.code OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT x.path, x.depth, x.version_id FROM reference_slice x
        WHERE x.tenant_id = $1 AND x.entry_id = e.id AND x.superseded_at IS NULL
            AND x.valid_from <= w.day AND (x.valid_to IS NULL OR x.valid_to > w.day) OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT x.id, x.version_no, x.name, x.level, x.status, x.attributes FROM reference_version x
        WHERE x.tenant_id = $1 AND x.entry_id = e.id AND x.id = s.version_id OFFSET 0
    ) v
    LEFT JOIN LATERAL (
        SELECT ds.path FROM (
            SELECT x.id FROM reference_entry x
            WHERE x.tenant_id = $1 AND x.registry = 'DEPARTMENT' AND x.scope = '' AND x.code = e.scope OFFSET 0
        ) de
        CROSS JOIN LATERAL (
            SELECT x.path FROM reference_slice x
            WHERE x.tenant_id = $1 AND x.entry_id = de.id AND x.superseded_at IS NULL
                AND x.valid_from <= w.day AND (x.valid_to IS NULL OR x.valid_to > w.day) OFFSET 0
        ) ds
    ) d ON e.scope <> ''
"""


def candidates(registry: Registry, spelling: str) -> Sequence[str]:
    """The codes an entry may be stored under when somebody writes ``spelling``, best first."""
    if registry is Registry.COA:
        return coa.spellings(spelling)
    return [spelling.rpartition(PATH_SEPARATOR)[2]]


async def resolve(
    read: Read, tenant_id: uuid.UUID, wanted: Mapping[Registry, Collection[str]], on: date
) -> Resolved:
    """The entries under these spellings as they stand on a day, in one statement.

    A location or node may be named by its code or by its path (whose first element may be the government's
    code); a head of account in any accepted spelling. An entry that is absent on that day, a path it does not
    have on that day, and a node's code that two departments use are all left out. Retired entries are
    answered with their status; whether they may be used is the caller's rule.
    """
    return (await resolve_days(read, tenant_id, {on: wanted}))[on]


async def resolve_days(
    read: Read, tenant_id: uuid.UUID, wanted: Mapping[date, Mapping[Registry, Collection[str]]]
) -> dict[date, Resolved]:
    """``resolve`` for several days at once, still in one statement; every day asked for is answered."""
    asked = {
        (registry, code, day)
        for day, registries in wanted.items()
        for registry, spellings in registries.items()
        for spelling in spellings
        if storable(spelling)
        for code in candidates(registry, spelling)
    }
    rows: dict[date, dict[tuple[Registry, str], list[Any]]] = {day: {} for day in wanted}
    if asked:
        for row in await read.fetch(
            RESOLVE,
            tenant_id,
            [registry.value for registry, _, _ in asked],
            [code for _, code, _ in asked],
            [day for _, _, day in asked],
        ):
            rows[row["day"]].setdefault((Registry(row["registry"]), row["code"]), []).append(row)
    return {day: _resolved(registries, rows[day]) for day, registries in wanted.items()}


def _resolved(
    wanted: Mapping[Registry, Collection[str]], rows: Mapping[tuple[Registry, str], list[Any]]
) -> Resolved:
    picked = {
        (registry, spelling): _pick(registry, spelling, rows)
        for registry, spellings in wanted.items()
        for spelling in spellings
    }
    return Resolved({key: _entry(row) for key, row in picked.items() if row is not None})


def storable(text_: str) -> bool:
    """Whether PostgreSQL can hold this text at all; what it cannot hold is nobody's code."""
    return "\x00" not in text_ and text_.isprintable()


def _pick(registry: Registry, spelling: str, rows: Mapping[tuple[Registry, str], list[Any]]) -> Any:
    """The one row a spelling means; None when there is none, or more than one."""
    for code in candidates(registry, spelling):
        fitting = rows.get((registry, code), [])
        if PATH_SEPARATOR in spelling:
            fitting = [row for row in fitting if _stands_at(row, spelling)]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _stands_at(row: Any, spelling: str) -> bool:
    return bool(row["path"] == spelling or f"{row['tenant_code']}{PATH_SEPARATOR}{row['path']}" == spelling)


def _entry(row: Any) -> ResolvedEntry:
    return ResolvedEntry(
        registry=Registry(row["registry"]),
        entry_id=row["id"],
        version_id=row["version_id"],
        version_no=row["version_no"],
        code=row["code"],
        name=row["name"],
        path=row["path"],
        depth=row["depth"],
        level=row["level"],
        status=Status(row["status"]),
        attributes=orjson.loads(row["attributes"]),
        department_code=row["scope"] or None,
        department_path=row["department_path"],
    )
