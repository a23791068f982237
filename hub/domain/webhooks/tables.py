"""Tables of the webhooks: endpoints with their secrets and history, deliveries with their state and attempts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP, UUID

from hub.db import metadata

INSTANT = TIMESTAMP(timezone=True)
STATES = "'PENDING','ACTIVE','DISABLED','REMOVED'"
DELIVERY_KINDS = "'FACT','TEST','CHALLENGE'"
DELIVERY_STATES = "'WAITING','SENDING','SUCCEEDED','FAILED','CANCELLED'"
UNFINISHED = sa.text("state IN ('WAITING', 'SENDING')")

webhook = sa.Table(
    "webhook",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("system_id", UUID, nullable=False),
    sa.Column("agency_id", UUID, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("disabled_reason", sa.Text),
    sa.Column("kinds", ARRAY(sa.Text), nullable=False),
    sa.Column("filter", JSONB, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("is_ordered", sa.Boolean, nullable=False),
    sa.Column("schemes", ARRAY(sa.Text), nullable=False),
    # How many of the log's leaves were looked at for this endpoint: the index of the next one.
    sa.Column("dispatched_to", sa.BigInteger, nullable=False),
    # How many deliveries the endpoint ever had: each gets the next number, which is its place in the order.
    sa.Column("positions", sa.BigInteger, nullable=False),
    sa.Column("challenge", sa.Text, nullable=False),
    sa.Column("confirmed_at", INSTANT),
    sa.Column("failing_since", INSTANT),
    sa.Column("warned_at", INSTANT),
    sa.Column("paused_until", INSTANT),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("updated_at", INSTANT, nullable=False),
    sa.ForeignKeyConstraint(["tenant_id", "system_id"], ["system.tenant_id", "system.id"]),
    sa.CheckConstraint(f"state IN ({STATES})", name="state"),
    sa.CheckConstraint("(state = 'DISABLED') = (disabled_reason IS NOT NULL)", name="disabled_reason"),
    sa.CheckConstraint("state <> 'ACTIVE' OR confirmed_at IS NOT NULL", name="confirmed"),
    sa.CheckConstraint(
        "kinds <@ ARRAY['EVENT','MESSAGE','SIGNATURE'] AND cardinality(kinds) > 0", name="kinds"
    ),
    sa.CheckConstraint("payload IN ('THIN','FULL')", name="payload"),
    sa.CheckConstraint("schemes <@ ARRAY['HMAC','ED25519'] AND cardinality(schemes) > 0", name="schemes"),
    sa.CheckConstraint("dispatched_to >= 0 AND positions >= 0", name="counts"),
    sa.Index("ix_webhook_id", "id", unique=True),
    sa.Index("ix_webhook_system", "tenant_id", "system_id", "id"),
    sa.Index("ix_webhook_agency", "tenant_id", "agency_id", "id"),
    sa.Index("ix_webhook_active", "dispatched_to", postgresql_where=sa.text("state = 'ACTIVE'")),
)


def _of_webhook() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhook.tenant_id", "webhook.id"])


def _of_delivery() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "delivery_id"], ["webhook_delivery.tenant_id", "webhook_delivery.id"]
    )


secret = sa.Table(
    "webhook_secret",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("webhook_id", UUID, nullable=False),
    sa.Column("scheme", sa.Text, nullable=False),
    sa.Column("sealed", BYTEA, nullable=False),
    sa.Column("public_key", BYTEA),
    sa.Column("created_at", INSTANT, nullable=False),
    # Null: the present one. A replaced one signs beside it until then.
    sa.Column("expires_at", INSTANT),
    _of_webhook(),
    sa.CheckConstraint("scheme IN ('HMAC','ED25519')", name="scheme"),
    sa.CheckConstraint("(scheme = 'ED25519') = (public_key IS NOT NULL)", name="public_key"),
    sa.Index("ix_webhook_secret_webhook", "tenant_id", "webhook_id"),
    sa.Index(
        "uq_webhook_secret_present",
        "webhook_id",
        "scheme",
        unique=True,
        postgresql_where=sa.text("expires_at IS NULL"),
    ),
    comment="What an endpoint's deliveries are signed with, sealed",
)

history = sa.Table(
    "webhook_history",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("webhook_id", UUID, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("actor_id", UUID),
    sa.Column("details", JSONB, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    _of_webhook(),
    sa.Index("ix_webhook_history_webhook", "tenant_id", "webhook_id", "id"),
    comment="Every change of an endpoint: who, what, when",
)

delivery = sa.Table(
    "webhook_delivery",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("webhook_id", UUID, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    # The receiver's `webhook-id`: the same in every try and every redelivery of the same fact.
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("log_index", sa.BigInteger),
    # The call that asked for it again; null for what the log itself brought.
    sa.Column("batch_id", UUID),
    sa.Column("payload", BYTEA, nullable=False),
    sa.Column("payload_sha256", BYTEA, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    _of_webhook(),
    sa.CheckConstraint(f"kind IN ({DELIVERY_KINDS})", name="kind"),
    sa.CheckConstraint("(kind = 'FACT') = (log_index IS NOT NULL)", name="log_index"),
    sa.CheckConstraint("octet_length(payload_sha256) = 32", name="digest"),
    sa.Index("uq_webhook_delivery_position", "webhook_id", "position", unique=True),
    sa.Index(
        "uq_webhook_delivery_leaf",
        "webhook_id",
        "log_index",
        unique=True,
        postgresql_where=sa.text("batch_id IS NULL AND log_index IS NOT NULL"),
    ),
    sa.Index("ix_webhook_delivery_batch", "batch_id", postgresql_where=sa.text("batch_id IS NOT NULL")),
    comment="What is to be delivered, byte for byte, sealed under a key that lies with its state",
)

delivery_state = sa.Table(
    "webhook_delivery_state",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("delivery_id", UUID, primary_key=True),
    sa.Column("webhook_id", UUID, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("tries_max", sa.Integer, nullable=False),
    sa.Column("next_try_at", INSTANT, nullable=False),
    sa.Column("sending_since", INSTANT),
    sa.Column("finished_at", INSTANT),
    # What opens the payload, itself sealed; null once the payload was forgotten.
    sa.Column("payload_key", BYTEA),
    _of_delivery(),
    sa.CheckConstraint(f"state IN ({DELIVERY_STATES})", name="state"),
    sa.CheckConstraint("tries BETWEEN 0 AND tries_max", name="tries"),
    sa.CheckConstraint("(state = 'SENDING') = (sending_since IS NOT NULL)", name="sending"),
    sa.CheckConstraint("(state IN ('WAITING', 'SENDING')) = (finished_at IS NULL)", name="finished"),
    sa.CheckConstraint("finished_at IS NOT NULL OR payload_key IS NOT NULL", name="payload_key"),
    sa.Index("ix_webhook_delivery_state_order", "webhook_id", "position", postgresql_where=UNFINISHED),
    sa.Index("ix_webhook_delivery_state_due", "next_try_at", "webhook_id", postgresql_where=UNFINISHED),
    sa.Index("ix_webhook_delivery_state_next", "webhook_id", "next_try_at", postgresql_where=UNFINISHED),
    sa.Index("ix_webhook_delivery_state_list", "webhook_id", "state", "position"),
    sa.Index(
        "ix_webhook_delivery_state_forget",
        "finished_at",
        postgresql_where=sa.text("payload_key IS NOT NULL AND finished_at IS NOT NULL"),
    ),
    comment="Where each delivery stands",
)

attempt = sa.Table(
    "webhook_attempt",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("delivery_id", UUID, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("request_headers", JSONB, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("response_headers", JSONB, nullable=False),
    sa.Column("response_body", BYTEA, nullable=False),
    sa.Column("error", sa.Text),
    _of_delivery(),
    sa.CheckConstraint("attempt >= 1", name="attempt"),
    sa.CheckConstraint("octet_length(response_body) <= 2048", name="response_body"),
    sa.CheckConstraint("num_nonnulls(status, error) >= 1", name="outcome"),
    comment="Each try of a delivery: what was sent where, and what came back",
)

FACTS = ("webhook_history", "webhook_delivery", "webhook_attempt")
STATE = ("webhook", "webhook_secret", "webhook_delivery_state")
