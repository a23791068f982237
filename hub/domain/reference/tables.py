"""Tables of the reference registries: entries, their versions, where versions stand in time, and proposals."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from hub.db import metadata

REGISTRIES = "'LOCATION','DEPARTMENT','LEVEL','ADMIN','COA','PROGRAM','PROJECT'"
LINKS = "'DEPARTMENT','LOCATION','ADMIN','PROGRAM','COA'"

# Two slices of one entry that are both believed now may not share a day. Plain PostgreSQL has no GiST operator
# for uuid, so an entry's days are laid side by side on one line of numbers: 2^22 days per entry number.
OCCUPIED_DAYS = (
    "int8range(entry_number * 4194304 + (valid_from - DATE '1900-01-01'), "
    "entry_number * 4194304 + coalesce(valid_to - DATE '1900-01-01', 4194303))"
)

entry = Table(
    "reference_entry",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("registry", Text, nullable=False),
    Column("scope", Text(collation="C"), nullable=False, server_default=text("''")),
    Column("code", Text(collation="C"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "registry", "code", "scope"),
    CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
    CheckConstraint("length(code) BETWEEN 1 AND 256 AND position('/' in code) = 0", name="code"),
    CheckConstraint("(registry IN ('LEVEL','ADMIN')) = (scope <> '')", name="scope"),
)

version = Table(
    "reference_version",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("entry_id", Uuid, nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("names", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("parent_id", Uuid, nullable=True),
    Column("level", SmallInteger, nullable=True),
    Column("status", Text, nullable=False),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "entry_id", "version_no"),
    ForeignKeyConstraint(["tenant_id", "entry_id"], ["reference_entry.tenant_id", "reference_entry.id"]),
    ForeignKeyConstraint(["tenant_id", "parent_id"], ["reference_entry.tenant_id", "reference_entry.id"]),
    CheckConstraint("status IN ('ACTIVE','RETIRED')", name="status"),
    CheckConstraint("version_no >= 1", name="version_no"),
    CheckConstraint("valid_to > valid_from", name="validity"),
    CheckConstraint("parent_id <> entry_id", name="parent"),
)

link = Table(
    "reference_link",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("version_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target_id", Uuid, nullable=False),
    PrimaryKeyConstraint("tenant_id", "version_id", "kind", "target_id"),
    ForeignKeyConstraint(
        ["tenant_id", "version_id"], ["reference_version.tenant_id", "reference_version.id"]
    ),
    ForeignKeyConstraint(["tenant_id", "target_id"], ["reference_entry.tenant_id", "reference_entry.id"]),
    CheckConstraint(f"kind IN ({LINKS})", name="kind"),
    Index(None, "tenant_id", "target_id", "kind"),
)

slice_ = Table(
    "reference_slice",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("entry_id", Uuid, nullable=False),
    Column("entry_number", BigInteger, nullable=False),
    Column("version_id", Uuid, nullable=False),
    Column("parent_id", Uuid, nullable=True),
    Column("path", Text(collation="C"), nullable=False),
    Column("depth", SmallInteger, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("superseded_at", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "entry_id"], ["reference_entry.tenant_id", "reference_entry.id"]),
    ForeignKeyConstraint(
        ["tenant_id", "version_id"], ["reference_version.tenant_id", "reference_version.id"]
    ),
    CheckConstraint("valid_to > valid_from", name="validity"),
    CheckConstraint("superseded_at >= recorded_at", name="superseded_at"),
    CheckConstraint("valid_from >= DATE '1900-01-01' AND valid_from < DATE '9999-12-31'", name="years"),
    Index(None, "tenant_id", "entry_id", "valid_from"),
    Index(None, "tenant_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    ExcludeConstraint(
        (literal_column(OCCUPIED_DAYS), "&&"),
        where=text("superseded_at IS NULL"),
        using="gist",
        name="ex_reference_slice_days",
    ),
)

policy = Table(
    "reference_policy",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("approval_required", Boolean, nullable=False),
    Column("hierarchy_depth_max", SmallInteger, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "version_no"),
    CheckConstraint("hierarchy_depth_max BETWEEN 1 AND 32", name="hierarchy_depth_max"),
)

proposal = Table(
    "reference_proposal",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("registry", Text, nullable=False),
    Column("commands", JSONB, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
)

decision = Table(
    "reference_decision",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("comment", Text, nullable=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "proposal_id"),
    ForeignKeyConstraint(
        ["tenant_id", "proposal_id"], ["reference_proposal.tenant_id", "reference_proposal.id"]
    ),
)

import_ = Table(
    "reference_import",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("registry", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("report", JSONB, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    CheckConstraint(f"registry IN ({REGISTRIES})", name="registry"),
)
