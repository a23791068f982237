"""Tables of retention: the keys that open sealed values, and the facts that say which of them were destroyed and why."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP, UUID

from hub.db import metadata

INSTANT = TIMESTAMP(timezone=True)

data_key = sa.Table(
    "data_key",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("owner_id", UUID, primary_key=True),
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("wrapped", BYTEA, nullable=False),
    sa.Column("wrapped_by", BYTEA, nullable=False),
    sa.Index("ix_data_key_wrapped_by", "wrapped_by"),
    sa.CheckConstraint("octet_length(wrapped_by) = 8", name="wrapped_by"),
    comment="The key of each sealed value, wrapped by the vault's; without its row the value is gone",
)

retention_fact = sa.Table(
    "retention_fact",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("owner_id", UUID, nullable=False),
    sa.Column("place", sa.Text),
    # The request that is decided, or the hold that is released.
    sa.Column("of_id", UUID),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("actor_id", UUID),
    sa.Column("at", INSTANT, nullable=False),
    sa.Index("ix_retention_fact_change", "tenant_id", "change", "id"),
    sa.Index("ix_retention_fact_owner", "tenant_id", "owner_id", "change"),
    sa.Index(
        "uq_retention_fact_erased",
        "tenant_id",
        "owner_id",
        "place",
        unique=True,
        postgresql_where=sa.text("change = 'ERASED'"),
    ),
    sa.Index(
        "uq_retention_fact_end",
        "of_id",
        unique=True,
        postgresql_where=sa.text("change IN ('APPROVED', 'REFUSED', 'RELEASED')"),
    ),
    sa.CheckConstraint(
        "change IN ('REQUESTED','APPROVED','REFUSED','ERASED','HELD','RELEASED')", name="change"
    ),
    sa.CheckConstraint("subject IN ('DOCUMENT','POSTING')", name="subject"),
    sa.CheckConstraint("(change = 'ERASED') = (place IS NOT NULL)", name="place"),
    sa.CheckConstraint("(change IN ('REQUESTED','HELD')) = (of_id IS NULL)", name="of_id"),
    comment="Who asked for an erasure, who allowed it, what was destroyed, what is held; every row is a leaf of the log",
)

FACTS = ("retention_fact",)
STATE = ("data_key",)
