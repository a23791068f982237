"""Resolving the codes of postings: every line's codes to the versions in force on a day, in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import orjson

from hub.db import Read
from hub.domain.reference import coa
from hub.domain.reference.model import PATH_SEPARATOR, Registry, Resolved, ResolvedEntry, Status

# Laterals with OFFSET 0 keep the order: from each code to its entry, its slice and its version, by their indexes. The
# planner would otherwise begin with all slices of a government it has no statistics of.
RESOLVE = """
    SELECT e.registry, e.id, e.scope, e.code, s.path, s.depth, s.valid_from, s.valid_to,
           v.id AS version_id, v.version_no, v.name, v.level, v.status, v.attributes::text AS attributes,
           d.path AS department_path, d.valid_from AS department_from, d.valid_to AS department_to,
           (SELECT t.code FROM tenant t WHERE t.id = $1) AS tenant_code
    FROM unnest($2::text[], $3::text[]) AS w(registry, code)
    CROSS JOIN LATERAL (
        SELECT x.registry, x.id, x.scope, x.code FROM reference_entry x
        WHERE x.tenant_id = $1 AND x.registry = w.registry AND x.code = w.code OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT x.path, x.depth, x.version_id, x.valid_from, x.valid_to FROM reference_slice x
        WHERE x.tenant_id = $1 AND x.entry_id = e.id AND x.superseded_at IS NULL
            AND x.valid_from <= $5 AND (x.valid_to IS NULL OR x.valid_to > $4) OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT x.id, x.version_no, x.name, x.level, x.status, x.attributes FROM reference_version x
        WHERE x.tenant_id = $1 AND x.entry_id = e.id AND x.id = s.version_id OFFSET 0
    ) v
    LEFT JOIN LATERAL (
        SELECT ds.path, ds.valid_from, ds.valid_to FROM (
            SELECT x.id FROM reference_entry x
            WHERE x.tenant_id = $1 AND x.registry = 'DEPARTMENT' AND x.scope = '' AND x.code = e.scope OFFSET 0
        ) de
        CROSS JOIN LATERAL (
            SELECT x.path, x.valid_from, x.valid_to FROM reference_slice x
            WHERE x.tenant_id = $1 AND x.entry_id = de.id AND x.superseded_at IS NULL
                AND x.valid_from <= $5 AND (x.valid_to IS NULL OR x.valid_to > $4) OFFSET 0
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
    spans = await resolve_span(read, tenant_id, wanted, on, on)
    found = {
        (registry, spelling): spans.get(registry, spelling, on)
        for registry, spellings in wanted.items()
        for spelling in spellings
    }
    return Resolved({key: entry for key, entry in found.items() if entry is not None})


async def resolve_span(
    read: Read, tenant_id: uuid.UUID, wanted: Mapping[Registry, Collection[str]], first: date, last: date
) -> Spans:
    """``resolve`` for every day from the first to the last, still in one statement and with one look at each code."""
    asked = {
        (registry, code)
        for registry, spellings in wanted.items()
        for spelling in spellings
        if storable(spelling)
        for code in candidates(registry, spelling)
    }
    rows: dict[tuple[Registry, str], list[Any]] = {}
    if asked:
        for row in await read.fetch(
            RESOLVE,
            tenant_id,
            [registry.value for registry, _ in asked],
            [code for _, code in asked],
            first,
            last,
        ):
            rows.setdefault((Registry(row["registry"]), row["code"]), []).append(row)
    return Spans(rows)


class Span(NamedTuple):
    """What a spelling means from a day on until before another one, in which nothing of it changes."""

    since: date
    until: date
    entry: ResolvedEntry | None


class Spans:
    """What spellings mean day by day, within the days that were asked for; worked out once for each span."""

    def __init__(self, rows: Mapping[tuple[Registry, str], Sequence[Any]]) -> None:
        self._rows = rows
        self._found: dict[tuple[Registry, str], list[Span]] = {}

    def get(self, registry: Registry, spelling: str, day: date) -> ResolvedEntry | None:
        """The entry under this spelling on a day, or None."""
        return self.span(registry, spelling, day).entry

    def span(self, registry: Registry, spelling: str, day: date) -> Span:
        """The same, with the days around it on which it is the same."""
        known = self._found.setdefault((registry, spelling), [])
        for span in known:
            if span.since <= day and (day < span.until or span.until == date.max):
                return span
        codes = candidates(registry, spelling)
        rows = [row for code in codes for row in self._rows.get((registry, code), ())]
        changes = [
            edge
            for row in rows
            for edge in (row["valid_from"], row["valid_to"], row["department_from"], row["department_to"])
            if edge is not None
        ]
        since = max((edge for edge in changes if edge <= day), default=date.min)
        until = min((edge for edge in changes if edge > day), default=date.max)
        row = _pick(codes, spelling, {code: self._in_force(registry, code, day) for code in codes})
        span = Span(since, until, None if row is None else _entry(row, day))
        known.append(span)
        return span

    def _in_force(self, registry: Registry, code: str, day: date) -> list[Any]:
        """One row for each entry of this code that is there on the day, with its department's path of that day, if any."""
        rows = self._rows.get((registry, code), ())
        if len(rows) == 1:
            return [row for row in rows if _covers(row["valid_from"], row["valid_to"], day)]
        found: dict[uuid.UUID, Any] = {}
        for row in rows:
            if _covers(row["valid_from"], row["valid_to"], day) and (
                row["id"] not in found or _in_department(row, day)
            ):
                found[row["id"]] = row
        return list(found.values())


def _covers(since: date | None, until: date | None, day: date) -> bool:
    return since is not None and since <= day and (until is None or day < until)


def _in_department(row: Any, day: date) -> bool:
    return _covers(row["department_from"], row["department_to"], day)


def storable(text_: str) -> bool:
    """Whether PostgreSQL can hold this text at all; what it cannot hold is nobody's code."""
    return "\x00" not in text_ and text_.isprintable()


def _pick(codes: Sequence[str], spelling: str, rows: Mapping[str, Sequence[Any]]) -> Any:
    """The one row a spelling means; None when there is none, or more than one."""
    for code in codes:
        fitting = rows[code]
        if PATH_SEPARATOR in spelling:
            fitting = [row for row in fitting if _stands_at(row, spelling)]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _stands_at(row: Any, spelling: str) -> bool:
    return bool(row["path"] == spelling or f"{row['tenant_code']}{PATH_SEPARATOR}{row['path']}" == spelling)


def _entry(row: Any, day: date) -> ResolvedEntry:
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
        department_path=row["department_path"] if _in_department(row, day) else None,
    )
