"""Resolving the codes of postings: every line's codes to the versions in force on a day, in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from hub.db import Read
from hub.domain.reference import coa
from hub.domain.reference.model import PATH_SEPARATOR, Registry, Resolved, ResolvedEntry, Status

RESOLVE = text(
    """
    SELECT w.day, e.registry, e.id, e.scope, e.code, s.path, s.depth, v.id AS version_id, v.version_no, v.name, v.level,
           v.status, v.attributes, d.path AS department_path,
           (SELECT t.code FROM tenant t WHERE t.id = :tenant) AS tenant_code
    FROM unnest(CAST(:registries AS text[]), CAST(:codes AS text[]), CAST(:days AS date[])) AS w(registry, code, day)
    JOIN reference_entry e ON e.tenant_id = :tenant AND e.registry = w.registry AND e.code = w.code
    JOIN reference_slice s ON s.tenant_id = :tenant AND s.entry_id = e.id AND s.superseded_at IS NULL
         AND s.valid_from <= w.day AND (s.valid_to IS NULL OR s.valid_to > w.day)
    JOIN reference_version v ON v.tenant_id = :tenant AND v.id = s.version_id
    LEFT JOIN LATERAL (
        SELECT ds.path FROM reference_entry de
        JOIN reference_slice ds ON ds.tenant_id = :tenant AND ds.entry_id = de.id AND ds.superseded_at IS NULL
             AND ds.valid_from <= w.day AND (ds.valid_to IS NULL OR ds.valid_to > w.day)
        WHERE de.tenant_id = :tenant AND de.registry = 'DEPARTMENT' AND de.scope = '' AND de.code = e.scope
    ) d ON e.scope <> ''
    """
).columns(attributes=JSONB)


def candidates(registry: Registry, spelling: str) -> list[str]:
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
        found = await read.rows(
            RESOLVE,
            {
                "tenant": tenant_id,
                "registries": [registry.value for registry, _, _ in asked],
                "codes": [code for _, code, _ in asked],
                "days": [day for _, _, day in asked],
            },
        )
        for row in found.mappings():
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
        attributes=row["attributes"],
        department_code=row["scope"] or None,
        department_path=row["department_path"],
    )
