"""What of programs and their money the log commits to: every change, every allocation, every entry of the ledger."""

from __future__ import annotations

from hub.domain.programs.tables import BUCKETS
from hub.domain.transparency import FactSource, LeafKind

_SIGNED = ", ".join(
    f"coalesce(sum(CASE WHEN to_bucket = '{name.upper()}' THEN amount WHEN from_bucket = '{name.upper()}' "
    f"THEN -amount END), 0) AS {name}"
    for name in BUCKETS
)
_NOW = ", ".join(f"s.{name}" for name in BUCKETS)
_SUMS = ", ".join(f"l.{name}" for name in BUCKETS)


def _source(kind: LeafKind, table: str, columns: str, contradictions: str | None = None) -> FactSource:
    return FactSource(
        kinds=frozenset({kind}),
        parts=("row",),
        facts=f"SELECT id AS fact_id, '{kind.value}' AS kind FROM {table}",  # noqa: S608 - our own names
        contradictions=contradictions,
        sql=f"""
            SELECT e.tenant_id, e.id AS fact_id, ROW({columns})::text AS row
            FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
            JOIN {table} e ON e.tenant_id = f.tenant_id AND e.id = f.id
        """,  # noqa: S608 - our own names
    )


LEAVES = (
    _source(
        LeafKind.PROGRAM,
        "program_history",
        "e.subject, e.subject_id, e.change, e.details, e.actor, e.actor_id, e.at",
    ),
    _source(
        LeafKind.ALLOCATION,
        "allocation",
        "e.environment, e.agency_id, e.sanction_id, e.system_id, e.reference_id, e.batch_id, e.type, e.amount, "
        "e.currency, e.created_at",
    ),
    _source(
        LeafKind.FUNDS,
        "ledger_entry",
        "e.sanction_id, e.number, e.movement, e.from_bucket, e.to_bucket, e.amount, e.cause_id, e.actor, "
        "e.actor_id, e.at, e.unallocated, e.available, e.reserved, e.retry_hold, e.spent",
        # The books are closed over: what the ledger sums to is what stands in the sanction's buckets.
        contradictions=f"""
            SELECT s.id AS fact_id, 'FUNDS' AS kind, 'the balances are not what the ledger says' AS reason
            FROM sanction s CROSS JOIN LATERAL (
                SELECT count(*) AS entries, {_SIGNED} FROM ledger_entry
                WHERE tenant_id = s.tenant_id AND sanction_id = s.id
            ) l
            WHERE (s.entries, {_NOW}) IS DISTINCT FROM (l.entries, {_SUMS})
        """,  # noqa: S608 - our own names
    ),
)
