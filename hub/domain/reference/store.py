"""Rows of the reference registries: load what a change can touch, write what it decided."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Result, text
from sqlalchemy.dialects.postgresql import JSONB

from hub.db import Read, Transaction
from hub.domain.reference.forest import Content, Forest, NewVersion, Node, Outcome
from hub.domain.reference.model import PATH_SEPARATOR, Policy, Registry, Status
from hub.domain.reference.timeline import Place, Span
from hub.kit.ids import new_id

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('reference:' || :tenant, 0))")

WHOLE_FROM = 1_000
RELATED = """
    WITH RECURSIVE below AS (
        SELECT id FROM reference_entry
        WHERE tenant_id = :tenant AND registry = :registry
          AND (code = ANY(CAST(:codes AS text[])) OR id = ANY(CAST(:ids AS uuid[])))
        UNION
        SELECT s.entry_id FROM reference_slice s JOIN below b ON s.parent_id = b.id
        WHERE s.tenant_id = :tenant AND s.superseded_at IS NULL
    ), wanted AS (
        (SELECT id FROM below
         UNION
         SELECT id FROM reference_entry
         WHERE tenant_id = :tenant AND registry = :registry
           AND (code = ANY(CAST(:parents AS text[])) OR id = ANY(CAST(:parent_ids AS uuid[]))
                OR scope = ANY(CAST(:scopes AS text[]))))
        UNION
        SELECT s.parent_id FROM reference_slice s JOIN wanted a ON s.entry_id = a.id
        WHERE s.tenant_id = :tenant AND s.superseded_at IS NULL AND s.parent_id IS NOT NULL
    )
"""
WHOLE = "WITH wanted AS (SELECT id FROM reference_entry WHERE tenant_id = :tenant AND registry = :registry)"
ROWS = """
    SELECT e.id, e.number, e.scope, e.code, s.id AS slice_id, s.valid_from, s.valid_to, s.version_id, s.parent_id,
           s.path, s.depth, v.name, v.names, v.level, v.status, v.attributes, h.version_no, h.recorded_at,
           (SELECT array_agg(l.kind || ':' || l.target_id) FROM reference_link l
            WHERE l.tenant_id = :tenant AND l.version_id = s.version_id) AS links
    FROM wanted
    JOIN reference_entry e ON e.tenant_id = :tenant AND e.id = wanted.id
    JOIN reference_slice s ON s.tenant_id = :tenant AND s.entry_id = e.id AND s.superseded_at IS NULL
    JOIN reference_version v ON v.tenant_id = :tenant AND v.id = s.version_id
    CROSS JOIN LATERAL (
        SELECT max(x.version_no) AS version_no, max(x.recorded_at) AS recorded_at FROM reference_version x
        WHERE x.tenant_id = :tenant AND x.entry_id = e.id
    ) h
    ORDER BY e.id, s.valid_from
"""
LOAD_RELATED = text(RELATED + ROWS).columns(names=JSONB, attributes=JSONB)
LOAD_WHOLE = text(WHOLE + ROWS).columns(names=JSONB, attributes=JSONB)


async def lock(tx: Transaction, tenant_id: uuid.UUID) -> None:
    """One change of a government's registries at a time: rules over trees need the whole picture."""
    await tx.execute(LOCK, {"tenant": str(tenant_id)})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to load: entries by code or id with all below them, parents by code or id, and whole scopes."""

    codes: Collection[str]
    ids: Collection[uuid.UUID] = ()
    parents: Collection[str] = ()
    parent_ids: Collection[uuid.UUID] = ()
    scopes: Collection[str] = ()


async def load(tx: Read, tenant_id: uuid.UUID, registry: Registry, wanted: Wanted) -> Forest:
    """What is wanted, and everything above all of it.

    Who names very many gets the whole registry: walking up and down from each would cost more.
    """
    subject = {"tenant": tenant_id, "registry": registry.value}
    if len(wanted.codes) >= WHOLE_FROM:
        return _forest(registry, await tx.rows(LOAD_WHOLE, subject))
    named = {field.name: list(getattr(wanted, field.name)) for field in fields(wanted)}
    # Right after a large import the planner still takes these tables for small and would scan them at each step.
    await tx.execute(text("SET LOCAL enable_seqscan = off"))
    return _forest(registry, await tx.rows(LOAD_RELATED, subject | named))


def _forest(registry: Registry, found: Result[Any]) -> Forest:
    forest = Forest(registry)
    for _, rows in groupby(found.mappings(), key=lambda row: row["id"]):
        forest.add(_node(list(rows)))
    return forest


def _node(rows: Sequence[Any]) -> Node:
    first = rows[0]
    node = Node(first["id"], first["scope"], first["code"])
    node.number, node.version_no, node.recorded_at = (
        first["number"],
        first["version_no"],
        first["recorded_at"],
    )
    node.contents = {row["version_id"]: _content(row) for row in rows}
    node.rows = tuple(
        (
            row["slice_id"],
            Place(
                row["valid_from"],
                row["valid_to"],
                row["version_id"],
                row["parent_id"],
                row["path"],
                row["depth"],
            ),
        )
        for row in rows
    )
    node.spans = _spans(rows)
    return node


def _content(row: Any) -> Content:
    links = (link.partition(":") for link in row["links"] or ())
    return Content(
        row["name"],
        row["names"],
        row["parent_id"],
        row["level"],
        Status(row["status"]),
        row["attributes"],
        frozenset((Registry(kind), uuid.UUID(target)) for kind, _, target in links),
    )


def _spans(rows: Sequence[Any]) -> tuple[Span, ...]:
    """An entry's own versions: slices that only differ because an ancestor moved are one span."""
    spans: list[Span] = []
    for row in rows:
        span = Span(
            row["valid_from"],
            row["valid_to"],
            row["version_id"],
            row["parent_id"],
            row["level"],
            row["status"] == Status.ACTIVE.value,
        )
        if spans and spans[-1].end == span.start and spans[-1].version_id == span.version_id:
            span = Span(spans[-1].start, span.end, span.version_id, span.parent_id, span.level, span.active)
            spans.pop()
        spans.append(span)
    return tuple(spans)


async def save(
    tx: Transaction, tenant_id: uuid.UUID, registry: Registry, outcome: Outcome, *, at: datetime, by: str
) -> None:
    """Write a plan's rows, in a handful of statements however many they are."""
    await _insert_entries(tx, tenant_id, registry, outcome.entries, at)
    await _insert_versions(tx, tenant_id, outcome.versions, at, by)
    if outcome.superseded:
        await tx.execute(
            text(
                "UPDATE reference_slice SET superseded_at = :at "
                "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
            ),
            {"tenant": tenant_id, "at": at, "ids": outcome.superseded},
        )
    await _insert_slices(tx, tenant_id, outcome.placed, at)


async def _insert_entries(
    tx: Transaction, tenant_id: uuid.UUID, registry: Registry, nodes: Sequence[Node], at: datetime
) -> None:
    if not nodes:
        return
    numbers = await tx.rows(
        text(
            """
            INSERT INTO reference_entry (tenant_id, id, registry, scope, code, created_at)
            SELECT :tenant, n.id, :registry, n.scope, n.code, :at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:scopes AS text[]), CAST(:codes AS text[])) AS n(id, scope, code)
            RETURNING id, number
            """
        ),
        {
            "tenant": tenant_id,
            "registry": registry.value,
            "at": at,
            "ids": [node.entry_id for node in nodes],
            "scopes": [node.scope for node in nodes],
            "codes": [node.code for node in nodes],
        },
    )
    by_id = {row.id: row.number for row in numbers}
    for node in nodes:
        node.number = by_id[node.entry_id]


async def _insert_versions(
    tx: Transaction, tenant_id: uuid.UUID, versions: Sequence[NewVersion], at: datetime, by: str
) -> None:
    if not versions:
        return
    await tx.execute(
        text(
            """
            INSERT INTO reference_version (tenant_id, id, entry_id, version_no, name, names, parent_id, level, status,
                                           attributes, valid_from, valid_to, recorded_at, recorded_by)
            SELECT :tenant, n.id, n.entry_id, n.version_no, n.name, CAST(n.names AS jsonb), n.parent_id, n.level,
                   n.status, CAST(n.attributes AS jsonb), n.valid_from, n.valid_to, :at, :by
            FROM unnest(CAST(:ids AS uuid[]), CAST(:entry_ids AS uuid[]), CAST(:numbers AS int[]),
                        CAST(:labels AS text[]), CAST(:names AS text[]), CAST(:parents AS uuid[]),
                        CAST(:levels AS smallint[]), CAST(:statuses AS text[]), CAST(:attributes AS text[]),
                        CAST(:starts AS date[]), CAST(:ends AS date[]))
                 AS n(id, entry_id, version_no, name, names, parent_id, level, status, attributes, valid_from, valid_to)
            """
        ),
        {
            "tenant": tenant_id,
            "at": at,
            "by": by,
            "ids": [v.version_id for v in versions],
            "entry_ids": [v.entry_id for v in versions],
            "numbers": [v.version_no for v in versions],
            "labels": [v.content.name for v in versions],
            "names": [orjson.dumps(v.content.names).decode() for v in versions],
            "parents": [v.content.parent_id for v in versions],
            "levels": [v.content.level for v in versions],
            "statuses": [v.content.status.value for v in versions],
            "attributes": [orjson.dumps(v.content.attributes).decode() for v in versions],
            "starts": [v.valid_from for v in versions],
            "ends": [v.valid_to for v in versions],
        },
    )
    await _insert_links(tx, tenant_id, versions)


async def _insert_links(tx: Transaction, tenant_id: uuid.UUID, versions: Iterable[NewVersion]) -> None:
    links = [(v.version_id, kind.value, target) for v in versions for kind, target in v.content.links]
    if links:
        await tx.execute(
            text(
                "INSERT INTO reference_link (tenant_id, version_id, kind, target_id) SELECT :tenant, n.a, n.b, n.c "
                "FROM unnest(CAST(:a AS uuid[]), CAST(:b AS text[]), CAST(:c AS uuid[])) AS n(a, b, c)"
            ),
            {
                "tenant": tenant_id,
                "a": [link[0] for link in links],
                "b": [link[1] for link in links],
                "c": [link[2] for link in links],
            },
        )


async def _insert_slices(
    tx: Transaction, tenant_id: uuid.UUID, placed: Sequence[tuple[Node, Place]], at: datetime
) -> None:
    if not placed:
        return
    await tx.execute(
        text(
            """
            INSERT INTO reference_slice (tenant_id, id, entry_id, entry_number, version_id, parent_id, path, depth,
                                         valid_from, valid_to, recorded_at)
            SELECT :tenant, n.id, n.entry_id, n.number, n.version_id, n.parent_id, n.path, n.depth,
                   n.valid_from, n.valid_to, :at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:entry_ids AS uuid[]), CAST(:numbers AS bigint[]),
                        CAST(:version_ids AS uuid[]), CAST(:parents AS uuid[]), CAST(:paths AS text[]),
                        CAST(:depths AS smallint[]), CAST(:starts AS date[]), CAST(:ends AS date[]))
                 AS n(id, entry_id, number, version_id, parent_id, path, depth, valid_from, valid_to)
            """
        ),
        {
            "tenant": tenant_id,
            "at": at,
            "ids": [new_id() for _ in placed],
            "entry_ids": [node.entry_id for node, _ in placed],
            "numbers": [node.number for node, _ in placed],
            "version_ids": [place.version_id for _, place in placed],
            "parents": [place.parent_id for _, place in placed],
            "paths": [place.path for _, place in placed],
            "depths": [place.depth for _, place in placed],
            "starts": [place.start for _, place in placed],
            "ends": [place.end for _, place in placed],
        },
    )


async def identify(
    read: Read,
    tenant_id: uuid.UUID,
    registry: Registry,
    *,
    ids: Collection[uuid.UUID] = (),
    keys: Collection[tuple[str, str]] = (),
) -> dict[uuid.UUID, tuple[str, str]]:
    """Scope and code of entries, by id or by scope and code."""
    found = await read.rows(
        text(
            """
            SELECT id, scope, code FROM reference_entry WHERE tenant_id = :tenant AND registry = :registry
            AND (id = ANY(CAST(:ids AS uuid[])) OR (scope, code) IN (
                 SELECT * FROM unnest(CAST(:scopes AS text[]), CAST(:codes AS text[]))))
            """
        ),
        {
            "tenant": tenant_id,
            "registry": registry.value,
            "ids": list(ids),
            "scopes": [scope for scope, _ in keys],
            "codes": [code for _, code in keys],
        },
    )
    return {row.id: (row.scope, row.code) for row in found}


async def load_policy(read: Read, tenant_id: uuid.UUID) -> Policy:
    """The rules in force; the defaults when nobody ever set any."""
    found = await read.rows(
        text(
            "SELECT version_no, approval_required, hierarchy_depth_max FROM reference_policy "
            "WHERE tenant_id = :tenant ORDER BY version_no DESC LIMIT 1"
        ),
        {"tenant": tenant_id},
    )
    row = found.one_or_none()
    return Policy(row.version_no, row.approval_required, row.hierarchy_depth_max) if row else Policy()


async def save_policy(tx: Transaction, tenant_id: uuid.UUID, policy: Policy, by: str) -> None:
    """Write the next version of the rules."""
    await tx.execute(
        text(
            "INSERT INTO reference_policy VALUES (:tenant, :version_no, :approval_required, :depth_max, :at, :by)"
        ),
        {
            "tenant": tenant_id,
            "version_no": policy.version_no,
            "approval_required": policy.approval_required,
            "depth_max": policy.hierarchy_depth_max,
            "at": tx.now,
            "by": by,
        },
    )


async def existing_departments(read: Read, tenant_id: uuid.UUID, codes: Collection[str]) -> frozenset[str]:
    """Those of the codes that are departments of the government."""
    found = await read.rows(
        text(
            "SELECT code FROM reference_entry WHERE tenant_id = :tenant AND registry = 'DEPARTMENT' "
            "AND code = ANY(CAST(:codes AS text[]))"
        ),
        {"tenant": tenant_id, "codes": list(codes)},
    )
    return frozenset(row.code for row in found)


async def level_places(
    read: Read, tenant_id: uuid.UUID, departments: Collection[str]
) -> dict[str, tuple[Place, ...]]:
    """Where the active levels of departments stand (a level's number is its depth)."""
    found = await read.rows(
        text(
            """
            SELECT e.scope, s.valid_from, s.valid_to, s.version_id, s.parent_id, s.path, s.depth
            FROM reference_entry e
            JOIN reference_slice s ON s.tenant_id = e.tenant_id AND s.entry_id = e.id AND s.superseded_at IS NULL
            JOIN reference_version v ON v.tenant_id = s.tenant_id AND v.id = s.version_id AND v.status = 'ACTIVE'
            WHERE e.tenant_id = :tenant AND e.registry = 'LEVEL' AND e.scope = ANY(CAST(:scopes AS text[]))
            ORDER BY e.scope
            """
        ),
        {"tenant": tenant_id, "scopes": list(departments)},
    )
    return {
        scope: tuple(Place(*tuple(row)[1:]) for row in rows)
        for scope, rows in groupby(found, key=lambda row: row.scope)
    }


async def admin_roots(
    read: Read, tenant_id: uuid.UUID, departments: Collection[str]
) -> dict[str, tuple[tuple[uuid.UUID, Span], ...]]:
    """The level-0 nodes of departments with the days they stand there."""
    found = await read.rows(
        text(
            """
            SELECT e.scope, e.id, s.valid_from, s.valid_to, s.version_id
            FROM reference_entry e
            JOIN reference_slice s ON s.tenant_id = e.tenant_id AND s.entry_id = e.id AND s.superseded_at IS NULL
                 AND s.parent_id IS NULL
            JOIN reference_version v ON v.tenant_id = s.tenant_id AND v.id = s.version_id
                 AND v.status = 'ACTIVE' AND v.level = 0
            WHERE e.tenant_id = :tenant AND e.registry = 'ADMIN' AND e.scope = ANY(CAST(:scopes AS text[]))
            ORDER BY e.scope
            """
        ),
        {"tenant": tenant_id, "scopes": list(departments)},
    )
    return {
        scope: tuple((row.id, Span(row.valid_from, row.valid_to, row.version_id, None, 0)) for row in rows)
        for scope, rows in groupby(found, key=lambda row: row.scope)
    }


async def find_targets(
    read: Read, tenant_id: uuid.UUID, wanted: Collection[tuple[Registry, str]], ids: Collection[uuid.UUID]
) -> dict[tuple[Registry, str], set[uuid.UUID]]:
    """Entries of any registry by code (whatever their department), by path, and by id (under the id's text)."""
    statement = text(
        """
        SELECT e.registry, w.spelling, e.id FROM reference_entry e
        JOIN unnest(CAST(:registries AS text[]), CAST(:codes AS text[]), CAST(:spellings AS text[]))
             AS w(registry, code, spelling) ON e.registry = w.registry AND e.code = w.code
        WHERE e.tenant_id = :tenant
          AND (w.spelling = w.code OR EXISTS (
               SELECT FROM reference_slice s WHERE s.tenant_id = :tenant AND s.entry_id = e.id
               AND s.superseded_at IS NULL AND s.path = w.spelling))
        UNION ALL
        SELECT e.registry, CAST(e.id AS text), e.id FROM reference_entry e
        WHERE e.tenant_id = :tenant AND e.id = ANY(CAST(:ids AS uuid[]))
        """
    )
    found = await read.rows(
        statement,
        {
            "tenant": tenant_id,
            "registries": [registry.value for registry, _ in wanted],
            "codes": [spelling.rpartition(PATH_SEPARATOR)[2] for _, spelling in wanted],
            "spellings": [spelling for _, spelling in wanted],
            "ids": list(ids),
        },
    )
    targets: dict[tuple[Registry, str], set[uuid.UUID]] = {}
    for row in found:
        targets.setdefault((Registry(row.registry), row.spelling), set()).add(row.id)
    return targets
