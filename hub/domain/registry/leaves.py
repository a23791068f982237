"""What of the registry's history the log commits to: each change of a government, agency, person, system or key."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hub.db import Read
from hub.domain.transparency import FactSource, LeafKind

HISTORY = FactSource(
    kinds=frozenset({LeafKind.REGISTRY, LeafKind.KEY}),
    parts=("row",),
    facts=(
        "SELECT id AS fact_id, CASE subject WHEN 'SIGNING_KEY' THEN 'KEY' ELSE 'REGISTRY' END AS kind "
        "FROM registry_event"
    ),
    sql="""
        SELECT e.tenant_id, e.id AS fact_id,
            ROW(e.subject, e.subject_id, e.change, e.actor, e.actor_id, e.details, e.at)::text AS row
        FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
        JOIN registry_event e ON e.tenant_id = f.tenant_id AND e.id = f.id
    """,
)
LEAVES = (HISTORY,)


async def key_lines(read: Read, tenant_id: uuid.UUID, key_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """The facts that make up the history of these signing keys, oldest first."""
    rows = await read.fetch(
        "SELECT id FROM registry_event WHERE tenant_id = $1 AND subject = 'SIGNING_KEY' AND subject_id = ANY ($2) "
        "ORDER BY id",
        tenant_id,
        list(key_ids),
    )
    return [row[0] for row in rows]
