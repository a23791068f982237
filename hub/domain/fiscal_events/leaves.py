"""What of postings, signatures and read marks the log commits to: every stored column, by parts.

The parts of facts that are in the log never change their text: a column that comes later gets a part of its own.
"""

from __future__ import annotations

from hub.domain.transparency import FactSource, LeafKind


def _rows(table: str, columns: str, order: str) -> str:
    """All of a posting's rows in a table as one text, a line each, in their order; null where there are none."""
    return (
        f"(SELECT string_agg(ROW({columns})::text, E'\\n' ORDER BY {order}) FROM {table} "  # noqa: S608 - our own names
        f"WHERE {table}.tenant_id = p.tenant_id AND {table}.posting_id = p.id)"
    )


_POSTING = (
    "p.kind, p.environment, p.government, p.sender_id, p.sender_agency_id, p.sender, p.narrowed, "
    "p.schema_version, p.classification, p.topic, p.correlation_id, p.type, p.major_type, p.sub_type, "
    "p.qualifier, p.process, p.attribute_group, p.reference_id, p.event_time, p.posted_at, p.fiscal_year, "
    "p.month, p.currency, p.total_amount, p.line_count, p.period_start, p.period_end, p.attributes, "
    "p.warnings, p.reverses_id, p.reversal_mode, p.reversal_reason, p.reversal_comment"
)
_LINE = (
    "line_no, amount, currency, coa_code, coa_version_id, location_code, location_path, location_version_id, "
    "program_code, program_version_id, project_code, project_version_id, administrative_hierarchy_code, "
    "administrative_hierarchy_path, administrative_version_id, department_code, department_path, "
    "department_version_id, period_start, period_end, tags, attributes, reverses_line_no"
)

POSTINGS = FactSource(
    kinds=frozenset({LeafKind.EVENT, LeafKind.MESSAGE}),
    parts=(
        "content",
        "row",
        "lines",
        "receivers",
        "links",
        "attachments",
        "origin",
        "place",
        "receipt",
        "issued",
    ),
    digests=frozenset({"content"}),
    facts="SELECT id AS fact_id, kind FROM posting",
    contradictions="""
        SELECT id AS fact_id, kind, 'the content does not have its digest' AS reason FROM posting
            WHERE sha256(content) <> content_digest
        UNION ALL
        SELECT p.id, p.kind, 'no idempotency key of the sender is bound to it' FROM posting p
            WHERE NOT EXISTS (SELECT FROM posting_key k WHERE k.tenant_id = p.tenant_id
                AND k.system_id = p.sender_id AND k.posting_id = p.id AND k.content_digest = p.content_digest)
        UNION ALL
        SELECT p.id, p.kind, 'a receiver has no inbox entry' FROM posting p
            JOIN posting_receiver r ON r.tenant_id = p.tenant_id AND r.posting_id = p.id
            WHERE p.kind = 'MESSAGE' AND NOT EXISTS (SELECT FROM inbox_entry i WHERE i.tenant_id = p.tenant_id
                AND i.system_id = r.system_id AND i.posting_id = p.id)
        UNION ALL
        SELECT p.id, p.kind, 'a document has lost its key, and no fact says that it was erased' FROM posting p
            JOIN posting_attachment a ON a.tenant_id = p.tenant_id AND a.posting_id = p.id AND a.sha256 IS NOT NULL
            WHERE NOT EXISTS (SELECT FROM data_key k WHERE k.tenant_id = p.tenant_id
                AND k.owner_id = p.sender_id AND k.place = encode(a.sha256, 'hex'))
            AND NOT EXISTS (SELECT FROM retention_fact e WHERE e.tenant_id = p.tenant_id
                AND e.owner_id = p.sender_id AND e.place = encode(a.sha256, 'hex') AND e.change = 'ERASED')
    """,
    # The content's digest stands for its bytes, which may be erased one day; `verify database` compares the two.
    sql=f"""
        SELECT p.tenant_id, p.id AS fact_id,
            p.content_digest AS content,
            ROW({_POSTING})::text AS row,
            {_rows("posting_line", _LINE, "line_no")} AS lines,
            {_rows("posting_receiver", "ordinal, system_id, agency_id, system", "ordinal")} AS receivers,
            {
        _rows(
            "posting_link",
            "ordinal, relation, parent_id, parent_system_id, parent_system, parent_reference",
            "ordinal",
        )
    } AS links,
            {
        _rows(
            "posting_attachment",
            "ordinal, kind, key, value, name, role, media_type, size_bytes, sha256",
            "ordinal",
        )
    } AS attachments,
            s.statement || s.e_sign AS origin,
            ROW(s.id, s.system_id, s.system, s.key_id, s.comments, s.signed_at, s.received_at, s.batch_index,
                s.batch_size, s.batch_path)::text AS place,
            r.statement || r.signature AS receipt,
            ROW(r.issued_at, r.key_id)::text AS issued
        FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
        JOIN posting p ON p.tenant_id = f.tenant_id AND p.id = f.id
        LEFT JOIN posting_signature s
            ON s.tenant_id = p.tenant_id AND s.posting_id = p.id AND s.purpose = 'ORIGIN'
        LEFT JOIN receipt r ON r.tenant_id = p.tenant_id AND r.posting_id = p.id
    """,  # noqa: S608 - our own names
)

SIGNATURES = FactSource(
    kinds=frozenset({LeafKind.SIGNATURE}),
    parts=("statement", "row"),
    facts="SELECT id AS fact_id, 'SIGNATURE' AS kind FROM posting_signature WHERE purpose <> 'ORIGIN'",
    sql="""
        SELECT s.tenant_id, s.id AS fact_id, s.statement || s.e_sign AS statement,
            ROW(s.posting_id, s.system_id, s.system, s.key_id, s.purpose, s.comments, s.signed_at,
                s.received_at)::text AS row
        FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
        JOIN posting_signature s ON s.tenant_id = f.tenant_id AND s.id = f.id AND s.purpose <> 'ORIGIN'
    """,
)

READ_MARKS = FactSource(
    kinds=frozenset({LeafKind.READ}),
    parts=("row",),
    facts="SELECT id AS fact_id, 'READ' AS kind FROM inbox_history WHERE change IN ('READ', 'UNREAD')",
    sql="""
        SELECT h.tenant_id, h.id AS fact_id,
            ROW(h.system_id, h.posting_id, h.change, h.key_id, h.at)::text AS row
        FROM unnest($1::uuid[], $2::uuid[]) AS f(tenant_id, id)
        JOIN inbox_history h ON h.tenant_id = f.tenant_id AND h.id = f.id
    """,
)

LEAVES = (POSTINGS, SIGNATURES, READ_MARKS)
