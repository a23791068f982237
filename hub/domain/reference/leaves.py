"""What of the reference registries the log commits to: each version of an entry, and each decision on a proposal."""

from __future__ import annotations

from hub.domain.transparency import FactSource, LeafKind

LEAVES = (
    FactSource(
        kinds=frozenset({LeafKind.REFERENCE}),
        parts=("entry", "row", "links"),
        facts="SELECT id AS fact_id, 'REFERENCE' AS kind FROM reference_version",
        sql="""
            SELECT v.tenant_id, v.id AS fact_id,
                ROW(e.id, e.registry, e.scope, e.code, e.created_at)::text AS entry,
                ROW(v.version_no, v.name, v.names, v.parent_id, v.level, v.status, v.attributes, v.valid_from,
                    v.valid_to, v.recorded_at, v.recorded_by)::text AS row,
                (SELECT string_agg(ROW(l.kind, l.target_id)::text, E'\\n' ORDER BY l.kind, l.target_id)
                    FROM reference_link l
                    WHERE l.tenant_id = v.tenant_id AND l.version_id = v.id) AS links
            FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
            JOIN reference_version v ON v.tenant_id = f.tenant_id AND v.id = f.id
            JOIN reference_entry e ON e.tenant_id = v.tenant_id AND e.id = v.entry_id
        """,
    ),
    FactSource(
        kinds=frozenset({LeafKind.DECISION}),
        parts=("proposal", "row"),
        facts="SELECT proposal_id AS fact_id, 'DECISION' AS kind FROM reference_decision",
        sql="""
            SELECT d.tenant_id, d.proposal_id AS fact_id,
                ROW(p.registry, p.commands, p.recorded_at, p.recorded_by)::text AS proposal,
                ROW(d.approved, d.comment, d.recorded_at, d.recorded_by)::text AS row
            FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
            JOIN reference_decision d ON d.tenant_id = f.tenant_id AND d.proposal_id = f.id
            JOIN reference_proposal p ON p.tenant_id = d.tenant_id AND p.id = d.proposal_id
        """,
    ),
)
