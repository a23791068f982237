"""Webhooks: endpoints, their secrets and history; deliveries, their state and tries; see decision 0018."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

BYTES, INSTANT, UUID = postgresql.BYTEA(), postgresql.TIMESTAMP(timezone=True), sa.UUID()
JSON, TEXTS = postgresql.JSONB(), postgresql.ARRAY(sa.Text())
FACTS = ("webhook_history", "webhook_delivery", "webhook_attempt")
STATE = ("webhook", "webhook_secret", "webhook_delivery_state")


def upgrade() -> None:
    """Nothing is there yet: endpoints are registered by their systems."""
    _create_webhook()
    _create_webhook_secret()
    _create_webhook_history()
    _create_webhook_delivery()
    _create_webhook_delivery_state()
    _create_webhook_attempt()
    grants.facts(*FACTS)
    grants.state(*STATE)


def _create_webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("system_id", UUID, nullable=False),
        sa.Column("agency_id", UUID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("kinds", TEXTS, nullable=False),
        sa.Column("filter", JSON, nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("is_ordered", sa.Boolean(), nullable=False),
        sa.Column("schemes", TEXTS, nullable=False),
        sa.Column("dispatched_to", sa.BigInteger(), nullable=False),
        sa.Column("positions", sa.BigInteger(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.Column("failing_since", INSTANT, nullable=True),
        sa.Column("warned_at", INSTANT, nullable=True),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "(state = 'DISABLED') = (disabled_reason IS NOT NULL)", name=op.f("ck_webhook_disabled_reason")
        ),
        sa.CheckConstraint(
            "kinds <@ ARRAY['EVENT','MESSAGE','SIGNATURE'] AND cardinality(kinds) > 0",
            name=op.f("ck_webhook_kinds"),
        ),
        sa.CheckConstraint("payload IN ('THIN','FULL')", name=op.f("ck_webhook_payload")),
        sa.CheckConstraint(
            "schemes <@ ARRAY['HMAC','ED25519'] AND cardinality(schemes) > 0", name=op.f("ck_webhook_schemes")
        ),
        sa.CheckConstraint(
            "state <> 'ACTIVE' OR confirmed_at IS NOT NULL", name=op.f("ck_webhook_confirmed")
        ),
        sa.CheckConstraint(
            "state IN ('PENDING','ACTIVE','DISABLED','REMOVED')", name=op.f("ck_webhook_state")
        ),
        sa.CheckConstraint("dispatched_to >= 0 AND positions >= 0", name=op.f("ck_webhook_counts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "system_id"],
            ["system.tenant_id", "system.id"],
            name=op.f("fk_webhook_tenant_id_system_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook")),
    )
    op.create_index(
        "ix_webhook_active",
        "webhook",
        ["dispatched_to"],
        unique=False,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index("ix_webhook_agency", "webhook", ["tenant_id", "agency_id", "id"], unique=False)
    op.create_index("ix_webhook_id", "webhook", ["id"], unique=True)
    op.create_index("ix_webhook_system", "webhook", ["tenant_id", "system_id", "id"], unique=False)


def _create_webhook_secret() -> None:
    op.create_table(
        "webhook_secret",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("sealed", BYTES, nullable=False),
        sa.Column("public_key", BYTES, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(scheme = 'ED25519') = (public_key IS NOT NULL)", name=op.f("ck_webhook_secret_public_key")
        ),
        sa.CheckConstraint("scheme IN ('HMAC','ED25519')", name=op.f("ck_webhook_secret_scheme")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "webhook_id"],
            ["webhook.tenant_id", "webhook.id"],
            name=op.f("fk_webhook_secret_tenant_id_webhook_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_secret")),
        comment="What an endpoint's deliveries are signed with, sealed",
    )
    op.create_index("ix_webhook_secret_webhook", "webhook_secret", ["tenant_id", "webhook_id"], unique=False)
    op.create_index(
        "uq_webhook_secret_present",
        "webhook_secret",
        ["webhook_id", "scheme"],
        unique=True,
        postgresql_where=sa.text("expires_at IS NULL"),
    )


def _create_webhook_history() -> None:
    op.create_table(
        "webhook_history",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_id", UUID, nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "webhook_id"],
            ["webhook.tenant_id", "webhook.id"],
            name=op.f("fk_webhook_history_tenant_id_webhook_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_history")),
        comment="Every change of an endpoint: who, what, when",
    )
    op.create_index(
        "ix_webhook_history_webhook", "webhook_history", ["tenant_id", "webhook_id", "id"], unique=False
    )


def _create_webhook_delivery() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", UUID, nullable=True),
        sa.Column("payload", BYTES, nullable=False),
        sa.Column("payload_sha256", BYTES, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "(kind = 'FACT') = (log_index IS NOT NULL)", name=op.f("ck_webhook_delivery_log_index")
        ),
        sa.CheckConstraint("kind IN ('FACT','TEST','CHALLENGE')", name=op.f("ck_webhook_delivery_kind")),
        sa.CheckConstraint("octet_length(payload_sha256) = 32", name=op.f("ck_webhook_delivery_digest")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "webhook_id"],
            ["webhook.tenant_id", "webhook.id"],
            name=op.f("fk_webhook_delivery_tenant_id_webhook_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_delivery")),
        comment="What is to be delivered, byte for byte, sealed under a key that lies with its state",
    )
    op.create_index(
        "ix_webhook_delivery_batch",
        "webhook_delivery",
        ["batch_id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index(
        "uq_webhook_delivery_leaf",
        "webhook_delivery",
        ["webhook_id", "log_index"],
        unique=True,
        postgresql_where=sa.text("batch_id IS NULL AND log_index IS NOT NULL"),
    )
    op.create_index(
        "uq_webhook_delivery_position", "webhook_delivery", ["webhook_id", "position"], unique=True
    )


def _create_webhook_delivery_state() -> None:
    op.create_table(
        "webhook_delivery_state",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("delivery_id", UUID, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tries_max", sa.Integer(), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("sending_since", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("payload_key", BYTES, nullable=True),
        sa.CheckConstraint(
            "(state = 'SENDING') = (sending_since IS NOT NULL)",
            name=op.f("ck_webhook_delivery_state_sending"),
        ),
        sa.CheckConstraint(
            "(state IN ('WAITING', 'SENDING')) = (finished_at IS NULL)",
            name=op.f("ck_webhook_delivery_state_finished"),
        ),
        sa.CheckConstraint(
            "state IN ('WAITING','SENDING','SUCCEEDED','FAILED','CANCELLED')",
            name=op.f("ck_webhook_delivery_state_state"),
        ),
        sa.CheckConstraint(
            "finished_at IS NOT NULL OR payload_key IS NOT NULL",
            name=op.f("ck_webhook_delivery_state_payload_key"),
        ),
        sa.CheckConstraint("tries BETWEEN 0 AND tries_max", name=op.f("ck_webhook_delivery_state_tries")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["webhook_delivery.tenant_id", "webhook_delivery.id"],
            name=op.f("fk_webhook_delivery_state_tenant_id_delivery_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", name=op.f("pk_webhook_delivery_state")),
        comment="Where each delivery stands",
    )
    op.create_index(
        "ix_webhook_delivery_state_due",
        "webhook_delivery_state",
        ["next_try_at", "webhook_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('WAITING', 'SENDING')"),
    )
    op.create_index(
        "ix_webhook_delivery_state_forget",
        "webhook_delivery_state",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("payload_key IS NOT NULL AND finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_webhook_delivery_state_list",
        "webhook_delivery_state",
        ["webhook_id", "state", "position"],
        unique=False,
    )
    op.create_index(
        "ix_webhook_delivery_state_next",
        "webhook_delivery_state",
        ["webhook_id", "next_try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('WAITING', 'SENDING')"),
    )
    op.create_index(
        "ix_webhook_delivery_state_order",
        "webhook_delivery_state",
        ["webhook_id", "position"],
        unique=False,
        postgresql_where=sa.text("state IN ('WAITING', 'SENDING')"),
    )


def _create_webhook_attempt() -> None:
    op.create_table(
        "webhook_attempt",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("delivery_id", UUID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("request_headers", JSON, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("response_headers", JSON, nullable=False),
        sa.Column("response_body", BYTES, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_webhook_attempt_attempt")),
        sa.CheckConstraint("num_nonnulls(status, error) >= 1", name=op.f("ck_webhook_attempt_outcome")),
        sa.CheckConstraint(
            "octet_length(response_body) <= 2048", name=op.f("ck_webhook_attempt_response_body")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["webhook_delivery.tenant_id", "webhook_delivery.id"],
            name=op.f("fk_webhook_attempt_tenant_id_delivery_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "attempt", name=op.f("pk_webhook_attempt")),
        comment="Each try of a delivery: what was sent where, and what came back",
    )


def downgrade() -> None:
    """Endpoints, secrets and the log of deliveries go."""
    for name in (
        "webhook_attempt",
        "webhook_delivery_state",
        "webhook_delivery",
        "webhook_history",
        "webhook_secret",
        "webhook",
    ):
        op.drop_table(name)
