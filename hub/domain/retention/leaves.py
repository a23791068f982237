"""What of retention the log commits to: each request, decision, destroyed key and hold, by who, when and why."""

from __future__ import annotations

from hub.domain.transparency import FactSource, LeafKind

LEAVES = (
    FactSource(
        kinds=frozenset({LeafKind.RETENTION}),
        parts=("row",),
        facts="SELECT id AS fact_id, 'RETENTION' AS kind FROM retention_fact",
        # A key that was destroyed and is there again would open what the log says nobody can read.
        contradictions="""
            SELECT f.id AS fact_id, 'RETENTION' AS kind, 'the key of what was erased is there' AS reason
            FROM retention_fact f JOIN data_key k
                ON k.tenant_id = f.tenant_id AND k.owner_id = f.owner_id AND k.place = f.place
            WHERE f.change = 'ERASED'
        """,
        sql="""
            SELECT e.tenant_id, e.id AS fact_id,
                ROW(e.change, e.subject, e.owner_id, e.place, e.of_id, e.reason, e.legal_basis, e.details, e.actor,
                    e.actor_id, e.at)::text AS row
            FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
            JOIN retention_fact e ON e.tenant_id = f.tenant_id AND e.id = f.id
        """,
    ),
)
