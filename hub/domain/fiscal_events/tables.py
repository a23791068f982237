"""Tables of postings. Facts are append-only; read marks and balances lie in tables of their own."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP, UUID

from hub.db import metadata
from hub.domain.fiscal_events.model import AttachmentKind
from hub.domain.fiscal_events.vocabulary import (
    Classification,
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.signing import Purpose

INSTANT = TIMESTAMP(timezone=True)


def one_of(column: str, values: type[StrEnum], name: str) -> sa.CheckConstraint:
    """A CHECK that closes a text column over an enum."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=name)


def belongs(*columns: str) -> sa.ForeignKeyConstraint:
    """Every row of a posting's lists belongs to a posting of the same tenant."""
    return sa.ForeignKeyConstraint(["tenant_id", *columns], ["posting.tenant_id", "posting.id"])


posting = sa.Table(
    "posting",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("government", sa.Text, nullable=False),
    sa.Column("sender_id", UUID, nullable=False),
    sa.Column("sender_agency_id", UUID, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("narrowed", sa.Boolean, nullable=False),
    sa.Column("schema_version", sa.Text, nullable=False),
    sa.Column("classification", sa.Text, nullable=False),
    sa.Column("topic", sa.Text),
    sa.Column("correlation_id", sa.Text),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("major_type", sa.Text, nullable=False),
    sa.Column("sub_type", sa.Text, nullable=False),
    sa.Column("qualifier", sa.Text),
    sa.Column("process", sa.Text),
    sa.Column("attribute_group", sa.Text),
    sa.Column("reference_id", sa.Text, nullable=False),
    sa.Column("event_time", INSTANT, nullable=False),
    sa.Column("posted_at", INSTANT, nullable=False),
    sa.Column("fiscal_year", sa.SmallInteger, nullable=False),
    sa.Column("month", sa.Date, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("total_amount", sa.Numeric, nullable=False),
    sa.Column("line_count", sa.SmallInteger, nullable=False),
    sa.Column("period_start", sa.Date),
    sa.Column("period_end", sa.Date),
    sa.Column("attributes", JSONB, nullable=False),
    sa.Column("warnings", JSONB, nullable=False),
    sa.Column("reverses_id", UUID),
    sa.Column("reversal_mode", sa.Text),
    sa.Column("reversal_reason", sa.Text),
    sa.Column("reversal_comment", sa.Text),
    sa.Column("content", BYTEA, nullable=False),
    sa.Column("content_digest", BYTEA, nullable=False),
    sa.UniqueConstraint("tenant_id", "sender_id", "reference_id", name="uq_posting_reference"),
    sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "sender_id"], ["system.tenant_id", "system.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "reverses_id"], ["posting.tenant_id", "posting.id"]),
    one_of("kind", PostingKind, "kind"),
    one_of("type", Type, "type"),
    one_of("major_type", MajorType, "major_type"),
    one_of("sub_type", SubType, "sub_type"),
    one_of("qualifier", Qualifier, "qualifier"),
    one_of("classification", Classification, "classification"),
    one_of("reversal_mode", ReversalMode, "reversal_mode"),
    one_of("reversal_reason", ReversalReason, "reversal_reason"),
    sa.CheckConstraint("octet_length(content_digest) = 32", name="digest"),
    sa.CheckConstraint("kind = 'EVENT' OR narrowed", name="message_is_narrowed"),
    sa.CheckConstraint("reverses_id IS NULL OR reverses_id <> id", name="not_itself"),
    sa.Index("ix_posting_type", "tenant_id", "type", "sub_type", "id"),
    sa.Index("ix_posting_sender", "tenant_id", "sender_id", "id"),
    sa.Index("ix_posting_sender_name", "tenant_id", "sender", "id"),
    sa.Index("ix_posting_sender_agency", "tenant_id", "sender_agency_id", "id"),
    sa.Index(
        "ix_posting_narrowed",
        "tenant_id",
        "id",
        postgresql_where=sa.text("narrowed AND kind = 'EVENT'"),
    ),
    # Totals of a year are answered from the index alone: what the policy asks, the month, and whether it takes back.
    sa.Index(
        "ix_posting_year",
        "tenant_id",
        "fiscal_year",
        "id",
        postgresql_include=[
            "month",
            "kind",
            "environment",
            "narrowed",
            "classification",
            "sender_id",
            "sender_agency_id",
            "reverses_id",
        ],
    ),
    sa.Index("ix_posting_event_time", "tenant_id", "event_time"),
    sa.Index("ix_posting_attributes", "attributes", postgresql_using="gin"),
    sa.Index("ix_posting_posted_at", "tenant_id", "posted_at"),
    sa.Index("ix_posting_reference", "tenant_id", "reference_id"),
    sa.Index(
        "ix_posting_reverses",
        "tenant_id",
        "reverses_id",
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    ),
    sa.Index(
        "uq_posting_full_reversal",
        "tenant_id",
        "reverses_id",
        unique=True,
        postgresql_where=sa.text("reversal_mode = 'FULL'"),
    ),
)

posting_line = sa.Table(
    "posting_line",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("coa_code", sa.Text),
    sa.Column("coa_version_id", UUID),
    sa.Column("location_code", sa.Text),
    sa.Column("location_path", sa.Text),
    sa.Column("location_version_id", UUID),
    sa.Column("program_code", sa.Text),
    sa.Column("program_version_id", UUID),
    sa.Column("project_code", sa.Text),
    sa.Column("project_version_id", UUID),
    sa.Column("administrative_hierarchy_code", sa.Text),
    sa.Column("administrative_hierarchy_path", sa.Text),
    sa.Column("administrative_version_id", UUID),
    sa.Column("department_code", sa.Text),
    sa.Column("department_path", sa.Text),
    sa.Column("department_version_id", UUID),
    sa.Column("period_start", sa.Date, nullable=False),
    sa.Column("period_end", sa.Date, nullable=False),
    sa.Column("tags", JSONB, nullable=False),
    sa.Column("attributes", JSONB, nullable=False),
    sa.Column("reverses_line_no", sa.Integer),
    belongs("posting_id"),
    sa.CheckConstraint("line_no >= 1", name="line_no"),
    sa.CheckConstraint("abs(amount) < 1e15", name="amount"),
    sa.CheckConstraint("period_start <= period_end", name="period"),
    sa.Index(
        "ix_posting_line_coa",
        "tenant_id",
        "coa_code",
        "posting_id",
        postgresql_ops={"coa_code": "text_pattern_ops"},
        postgresql_include=["amount", "currency"],
    ),
    *(
        sa.Index(
            f"ix_posting_line_{name}",
            "tenant_id",
            column,
            "posting_id",
            postgresql_ops={column: "text_pattern_ops"} if column.endswith("_path") else {},
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
        for name, column in (
            ("location", "location_path"),
            ("department", "department_path"),
            ("administrative", "administrative_hierarchy_path"),
            ("project", "project_code"),
            ("program", "program_code"),
        )
    ),
    # A code without its path is looked for among the parts of the paths.
    *(
        sa.Index(
            f"ix_posting_line_{name}_parts",
            sa.text(f"string_to_array({column}, '/'::text)"),
            postgresql_using="gin",
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
        for name, column in (
            ("location", "location_path"),
            ("department", "department_path"),
            ("administrative", "administrative_hierarchy_path"),
        )
    ),
    sa.Index(
        "ix_posting_line_tags",
        "tags",
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
        postgresql_where=sa.text("tags <> '[]'::jsonb"),
    ),
)

posting_receiver = sa.Table(
    "posting_receiver",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("system_id", UUID, primary_key=True),
    sa.Column("ordinal", sa.SmallInteger, nullable=False),
    sa.Column("agency_id", UUID, nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    belongs("posting_id"),
    sa.ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    sa.Index("ix_posting_receiver_system", "tenant_id", "system_id", "posting_id"),
)

posting_link = sa.Table(
    "posting_link",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("ordinal", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("relation", sa.Text, nullable=False),
    sa.Column("parent_id", UUID),
    sa.Column("parent_system_id", UUID),
    sa.Column("parent_system", sa.Text),
    sa.Column("parent_reference", sa.Text),
    belongs("posting_id"),
    sa.ForeignKeyConstraint(["tenant_id", "parent_id"], ["posting.tenant_id", "posting.id"]),
    one_of("relation", Relation, "relation"),
    sa.CheckConstraint(
        "(parent_id IS NOT NULL) <> (parent_reference IS NOT NULL AND parent_system_id IS NOT NULL)",
        name="one_target",
    ),
    sa.CheckConstraint("parent_id IS NULL OR parent_id <> posting_id", name="not_itself"),
    sa.Index(
        "ix_posting_link_parent", "tenant_id", "parent_id", postgresql_where=sa.text("parent_id IS NOT NULL")
    ),
    sa.Index(
        "ix_posting_link_reference",
        "tenant_id",
        "parent_system_id",
        "parent_reference",
        postgresql_where=sa.text("parent_reference IS NOT NULL"),
    ),
)

posting_attachment = sa.Table(
    "posting_attachment",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("ordinal", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("value", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("media_type", sa.Text),
    sa.Column("size_bytes", sa.Integer),
    sa.Column("sha256", BYTEA),
    belongs("posting_id"),
    one_of("kind", AttachmentKind, "kind"),
    sa.Index(
        "ix_posting_attachment_key",
        "tenant_id",
        "key",
        # A value of 1,024 characters would not fit a B-tree's page.
        sa.text("left(value, 200)"),
        postgresql_where=sa.text("key IS NOT NULL"),
    ),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("system_id", UUID, primary_key=True),
    sa.Column("sha256", BYTEA, primary_key=True),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("bytes", BYTEA, nullable=False),
    sa.Column("uploaded_at", INSTANT, nullable=False),
    sa.ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    # An envelope (hub/domain/retention): its digest is not the document's, and it is larger.
    sa.CheckConstraint("get_byte(bytes, 0) = 1", name="sealed"),
    sa.CheckConstraint("size_bytes BETWEEN 1 AND 10485760 AND octet_length(bytes) > size_bytes", name="size"),
)

posting_signature = sa.Table(
    "posting_signature",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("system_id", UUID, nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("key_id", UUID, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("comments", sa.Text, nullable=False),
    sa.Column("signed_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("statement", BYTEA, nullable=False),
    sa.Column("e_sign", BYTEA, nullable=False),
    sa.Column("batch_index", sa.Integer),
    sa.Column("batch_size", sa.Integer),
    # The hashes one behind the other: one value a row, which unnest and COPY take as they take all others.
    sa.Column("batch_path", BYTEA),
    sa.UniqueConstraint(
        "tenant_id", "posting_id", "system_id", "purpose", name="uq_posting_signature_purpose"
    ),
    belongs("posting_id"),
    sa.ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "key_id"], ["signing_key.tenant_id", "signing_key.id"]),
    one_of("purpose", Purpose, "purpose"),
    sa.Index(
        "uq_posting_signature_added",
        "tenant_id",
        "id",
        unique=True,
        postgresql_where=sa.text("purpose <> 'ORIGIN'"),
    ),
    sa.CheckConstraint("octet_length(e_sign) = 64", name="e_sign"),
    sa.CheckConstraint(
        "num_nonnulls(batch_index, batch_size, batch_path) = 0 OR "
        "(num_nonnulls(batch_index, batch_size, batch_path) = 3 AND purpose = 'ORIGIN' "
        "AND batch_index >= 0 AND batch_index < batch_size AND octet_length(batch_path) % 32 = 0)",
        name="batch",
    ),
)

receipt = sa.Table(
    "receipt",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("issued_at", INSTANT, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("statement", BYTEA, nullable=False),
    sa.Column("signature", BYTEA, nullable=False),
    belongs("posting_id"),
    sa.CheckConstraint("octet_length(signature) = 64", name="signature"),
)

posting_key = sa.Table(
    "posting_key",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("system_id", UUID, primary_key=True),
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("posting_id", UUID, nullable=False),
    sa.Column("content_digest", BYTEA, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    belongs("posting_id"),
    sa.CheckConstraint("length(idempotency_key) BETWEEN 1 AND 255", name="length"),
    sa.CheckConstraint("outcome IN ('ACCEPTED', 'DUPLICATE')", name="outcome"),
    comment="Which posting an idempotency key answered with, for ever",
)

line_balance = sa.Table(
    "line_balance",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("reversed", sa.Numeric, nullable=False),
    sa.ForeignKeyConstraint(
        ["tenant_id", "posting_id", "line_no"],
        ["posting_line.tenant_id", "posting_line.posting_id", "posting_line.line_no"],
    ),
    sa.CheckConstraint(
        "reversed = 0 OR (sign(reversed) = sign(amount) AND abs(reversed) <= abs(amount))",
        name="never_beyond_the_original",
    ),
    comment="What was taken back of each line; a row comes with the first reversal, each posting of one is the history",
)

inbox_entry = sa.Table(
    "inbox_entry",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("system_id", UUID, primary_key=True),
    sa.Column("posting_id", UUID, primary_key=True),
    sa.Column("delivered_at", INSTANT, nullable=False),
    sa.Column("read_at", INSTANT),
    sa.Column("read_by_key", UUID),
    sa.Column("leased_until", INSTANT),
    belongs("posting_id"),
    sa.Index(
        "ix_inbox_entry_unread",
        "tenant_id",
        "system_id",
        "posting_id",
        postgresql_where=sa.text("read_at IS NULL"),
    ),
    sa.ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    comment="One row per message and receiver; unread while read_at is null",
)

inbox_history = sa.Table(
    "inbox_history",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("system_id", UUID, nullable=False),
    sa.Column("posting_id", UUID, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("key_id", UUID),
    sa.Column("at", INSTANT, nullable=False),
    belongs("posting_id"),
    sa.CheckConstraint("change IN ('DELIVERED', 'LEASED', 'READ', 'UNREAD')", name="change"),
    sa.Index("ix_inbox_history_posting", "tenant_id", "posting_id"),
)

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
