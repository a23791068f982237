"""Postings: events, messages, signatures, receipts, links, documents, balances and the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FACTS = (
    "posting",
    "posting_line",
    "posting_receiver",
    "posting_link",
    "posting_attachment",
    "document",
    "posting_signature",
    "receipt",
    "posting_key",
    "inbox_history",
)
STATE = ("line_balance", "inbox_entry")


def upgrade() -> None:
    op.create_table(
        "posting",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("government", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.UUID(), nullable=False),
        sa.Column("sender_agency_id", sa.UUID(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("narrowed", sa.Boolean(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("major_type", sa.Text(), nullable=False),
        sa.Column("sub_type", sa.Text(), nullable=False),
        sa.Column("qualifier", sa.Text(), nullable=True),
        sa.Column("process", sa.Text(), nullable=True),
        sa.Column("attribute_group", sa.Text(), nullable=True),
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("event_time", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("posted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_amount", sa.Numeric(), nullable=False),
        sa.Column("line_count", sa.SmallInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("period_end", sa.Date(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reverses_id", sa.UUID(), nullable=True),
        sa.Column("reversal_mode", sa.Text(), nullable=True),
        sa.Column("reversal_reason", sa.Text(), nullable=True),
        sa.Column("reversal_comment", sa.Text(), nullable=True),
        sa.Column("content", postgresql.BYTEA(), nullable=False),
        sa.Column("content_digest", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint(
            "classification IN ('OPEN', 'RESTRICTED')", name=op.f("ck_posting_classification")
        ),
        sa.CheckConstraint("kind = 'EVENT' OR narrowed", name=op.f("ck_posting_message_is_narrowed")),
        sa.CheckConstraint("kind IN ('EVENT', 'MESSAGE')", name=op.f("ck_posting_kind")),
        sa.CheckConstraint(
            "major_type IN ('REVENUE_RECEIPT', 'CAPITAL_RECEIPT', 'REVENUE_EXPENDITURE', 'CAPITAL_EXPENDITURE')",
            name=op.f("ck_posting_major_type"),
        ),
        sa.CheckConstraint(
            "qualifier IN ('PROPOSED', 'VOTED', 'APPROVED', 'REVISED', 'SUPPLEMENTARY', 'SURRENDER')",
            name=op.f("ck_posting_qualifier"),
        ),
        sa.CheckConstraint("reversal_mode IN ('FULL', 'PARTIAL')", name=op.f("ck_posting_reversal_mode")),
        sa.CheckConstraint(
            "reversal_reason IN ('ERROR', 'DUPLICATE', 'CANCELLED', 'PAYMENT_REJECTED_BY_BANK', 'PAYMENT_RETURNED', 'REFUND', 'SURRENDER', 'OTHER')",
            name=op.f("ck_posting_reversal_reason"),
        ),
        sa.CheckConstraint(
            "sub_type IN ('ESTIMATE', 'PLAN', 'DEMAND', 'BILL', 'RECEIPT', 'PAYMENT', 'DEBIT', 'CREDIT')",
            name=op.f("ck_posting_sub_type"),
        ),
        sa.CheckConstraint("type IN ('REVENUE', 'EXPENDITURE', 'DEBT')", name=op.f("ck_posting_type")),
        sa.CheckConstraint("octet_length(content_digest) = 32", name=op.f("ck_posting_digest")),
        sa.CheckConstraint("reverses_id IS NULL OR reverses_id <> id", name=op.f("ck_posting_not_itself")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reverses_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_tenant_id_reverses_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sender_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_posting_tenant_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_posting_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_posting")),
        sa.UniqueConstraint("tenant_id", "sender_id", "reference_id", name="uq_posting_reference"),
    )
    op.create_index("ix_posting_posted_at", "posting", ["tenant_id", "posted_at"], unique=False)
    op.create_index("ix_posting_reference", "posting", ["tenant_id", "reference_id"], unique=False)
    op.create_index(
        "ix_posting_reverses",
        "posting",
        ["tenant_id", "reverses_id"],
        unique=False,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_index(
        "uq_posting_full_reversal",
        "posting",
        ["tenant_id", "reverses_id"],
        unique=True,
        postgresql_where=sa.text("reversal_mode = 'FULL'"),
    )
    op.create_index("ix_posting_sender", "posting", ["tenant_id", "sender_id", "id"], unique=False)
    op.create_index("ix_posting_type", "posting", ["tenant_id", "type", "sub_type", "id"], unique=False)
    op.create_index("ix_posting_year", "posting", ["tenant_id", "fiscal_year", "id"], unique=False)
    op.create_table(
        "posting_line",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("coa_code", sa.Text(), nullable=True),
        sa.Column("coa_version_id", sa.UUID(), nullable=True),
        sa.Column("location_code", sa.Text(), nullable=True),
        sa.Column("location_path", sa.Text(), nullable=True),
        sa.Column("location_version_id", sa.UUID(), nullable=True),
        sa.Column("program_code", sa.Text(), nullable=True),
        sa.Column("program_version_id", sa.UUID(), nullable=True),
        sa.Column("project_code", sa.Text(), nullable=True),
        sa.Column("project_version_id", sa.UUID(), nullable=True),
        sa.Column("administrative_hierarchy_code", sa.Text(), nullable=True),
        sa.Column("administrative_hierarchy_path", sa.Text(), nullable=True),
        sa.Column("administrative_version_id", sa.UUID(), nullable=True),
        sa.Column("department_code", sa.Text(), nullable=True),
        sa.Column("department_path", sa.Text(), nullable=True),
        sa.Column("department_version_id", sa.UUID(), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reverses_line_no", sa.Integer(), nullable=True),
        sa.CheckConstraint("abs(amount) < 1e15", name=op.f("ck_posting_line_amount")),
        sa.CheckConstraint("line_no >= 1", name=op.f("ck_posting_line_line_no")),
        sa.CheckConstraint("period_start <= period_end", name=op.f("ck_posting_line_period")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_line_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "line_no", name=op.f("pk_posting_line")),
    )
    op.create_index(
        "ix_posting_line_coa",
        "posting_line",
        ["tenant_id", "coa_code", "posting_id"],
        unique=False,
        postgresql_ops={"coa_code": "text_pattern_ops"},
    )
    op.create_index(
        "ix_posting_line_department",
        "posting_line",
        ["tenant_id", "department_path", "posting_id"],
        unique=False,
        postgresql_ops={"department_path": "text_pattern_ops"},
    )
    op.create_index(
        "ix_posting_line_location",
        "posting_line",
        ["tenant_id", "location_path", "posting_id"],
        unique=False,
        postgresql_ops={"location_path": "text_pattern_ops"},
    )
    op.create_index(
        "ix_posting_line_program", "posting_line", ["tenant_id", "program_code", "posting_id"], unique=False
    )
    op.create_index(
        "ix_posting_line_project", "posting_line", ["tenant_id", "project_code", "posting_id"], unique=False
    )
    op.create_table(
        "posting_receiver",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("agency_id", sa.UUID(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_receiver_tenant_id_posting_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_posting_receiver_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "system_id", name=op.f("pk_posting_receiver")),
    )
    op.create_index(
        "ix_posting_receiver_system",
        "posting_receiver",
        ["tenant_id", "system_id", "posting_id"],
        unique=False,
    )
    op.create_table(
        "posting_link",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("parent_system_id", sa.UUID(), nullable=True),
        sa.Column("parent_system", sa.Text(), nullable=True),
        sa.Column("parent_reference", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "relation IN ('FOLLOWS', 'PART_OF', 'FUNDED_BY', 'IMPLEMENTS', 'DRAWS_ON', 'SETTLES', 'REPLACES', 'ACCOUNTED', 'CONCERNS')",
            name=op.f("ck_posting_link_relation"),
        ),
        sa.CheckConstraint(
            "(parent_id IS NOT NULL) <> (parent_reference IS NOT NULL AND parent_system_id IS NOT NULL)",
            name=op.f("ck_posting_link_one_target"),
        ),
        sa.CheckConstraint(
            "parent_id IS NULL OR parent_id <> posting_id", name=op.f("ck_posting_link_not_itself")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_link_tenant_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_link_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "ordinal", name=op.f("pk_posting_link")),
    )
    op.create_index(
        "ix_posting_link_parent",
        "posting_link",
        ["tenant_id", "parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_posting_link_reference",
        "posting_link",
        ["tenant_id", "parent_system_id", "parent_reference"],
        unique=False,
        postgresql_where=sa.text("parent_reference IS NOT NULL"),
    )
    op.create_table(
        "posting_attachment",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("sha256", postgresql.BYTEA(), nullable=True),
        sa.CheckConstraint("kind IN ('KEY_VALUE', 'DOCUMENT')", name=op.f("ck_posting_attachment_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_attachment_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "ordinal", name=op.f("pk_posting_attachment")),
    )
    op.create_index(
        "ix_posting_attachment_key",
        "posting_attachment",
        ["tenant_id", "key", sa.text("left(value, 200)")],
        unique=False,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_table(
        "document",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("sha256", postgresql.BYTEA(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("bytes", postgresql.BYTEA(), nullable=False),
        sa.Column("uploaded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("sha256 = sha256(bytes)", name=op.f("ck_document_digest")),
        sa.CheckConstraint(
            "size_bytes = octet_length(bytes) AND size_bytes <= 10485760", name=op.f("ck_document_size")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_document_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "system_id", "sha256", name=op.f("pk_document")),
    )
    op.create_table(
        "posting_signature",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("key_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("signed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("statement", postgresql.BYTEA(), nullable=False),
        sa.Column("e_sign", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('ORIGIN', 'ACKNOWLEDGEMENT', 'APPROVAL', 'REJECTION')",
            name=op.f("ck_posting_signature_purpose"),
        ),
        sa.CheckConstraint("octet_length(e_sign) = 64", name=op.f("ck_posting_signature_e_sign")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "key_id"],
            ["signing_key.tenant_id", "signing_key.id"],
            name=op.f("fk_posting_signature_tenant_id_key_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_signature_tenant_id_posting_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_posting_signature_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "id", name=op.f("pk_posting_signature")),
        sa.UniqueConstraint(
            "tenant_id", "posting_id", "system_id", "purpose", name="uq_posting_signature_purpose"
        ),
    )
    op.create_table(
        "receipt",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("issued_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("statement", postgresql.BYTEA(), nullable=False),
        sa.Column("signature", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint("octet_length(signature) = 64", name=op.f("ck_receipt_signature")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_receipt_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", name=op.f("pk_receipt")),
    )
    op.create_table(
        "posting_key",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("content_digest", postgresql.BYTEA(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.CheckConstraint("outcome IN ('ACCEPTED', 'DUPLICATE')", name=op.f("ck_posting_key_outcome")),
        sa.CheckConstraint("length(idempotency_key) BETWEEN 1 AND 255", name=op.f("ck_posting_key_length")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_posting_key_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "system_id", "idempotency_key", name=op.f("pk_posting_key")),
        comment="Which posting an idempotency key answered with, for ever",
    )
    op.create_table(
        "line_balance",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("reversed", sa.Numeric(), nullable=False),
        sa.CheckConstraint(
            "reversed = 0 OR (sign(reversed) = sign(amount) AND abs(reversed) <= abs(amount))",
            name=op.f("ck_line_balance_never_beyond_the_original"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id", "line_no"],
            ["posting_line.tenant_id", "posting_line.posting_id", "posting_line.line_no"],
            name=op.f("fk_line_balance_tenant_id_posting_id_line_no"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "posting_id", "line_no", name=op.f("pk_line_balance")),
        comment="What was taken back of each line; a row comes with the first reversal, each posting of one is the history",
    )
    op.create_table(
        "inbox_entry",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("delivered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("read_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("read_by_key", sa.UUID(), nullable=True),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_inbox_entry_tenant_id_posting_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_inbox_entry_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "system_id", "posting_id", name=op.f("pk_inbox_entry")),
        comment="One row per message and receiver; unread while read_at is null",
    )
    op.create_index(
        "ix_inbox_entry_unread",
        "inbox_entry",
        ["tenant_id", "system_id", "posting_id"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_table(
        "inbox_history",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("system_id", sa.UUID(), nullable=False),
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("key_id", sa.UUID(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "change IN ('DELIVERED', 'LEASED', 'READ', 'UNREAD')", name=op.f("ck_inbox_history_change")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "posting_id"],
            ["posting.tenant_id", "posting.id"],
            name=op.f("fk_inbox_history_tenant_id_posting_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_inbox_history")),
    )
    op.create_index("ix_inbox_history_posting", "inbox_history", ["tenant_id", "posting_id"], unique=False)
    grants.facts(*FACTS)
    grants.state(*STATE)


def downgrade() -> None:
    for table in reversed((*FACTS, *STATE)):
        op.execute(f'DROP TABLE "{table}" CASCADE')
