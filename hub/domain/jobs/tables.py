"""Rows of the jobs: the job as it stands, and each ended attempt."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hub.db import metadata

job = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.Uuid(), nullable=False),
    sa.Column("tenant_id", sa.Uuid(), nullable=True),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("arguments", JSONB(), nullable=False),
    sa.Column("dedupe_key", sa.Text(), nullable=True),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("attempts_max", sa.Integer(), nullable=False),
    sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("leased_by", sa.Text(), nullable=True),
    sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("last_error", sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint("id"),
    sa.CheckConstraint("state IN ('READY', 'RUNNING', 'DONE', 'FAILED')", name="state"),
    sa.CheckConstraint("attempt BETWEEN 0 AND attempts_max", name="attempt"),
    sa.CheckConstraint(
        "(state = 'RUNNING') = (leased_by IS NOT NULL) AND (leased_by IS NULL) = (lease_until IS NULL)",
        name="lease",
    ),
    sa.CheckConstraint("(attempt = 0) = (started_at IS NULL)", name="started"),
    sa.CheckConstraint("(state IN ('DONE', 'FAILED')) = (finished_at IS NOT NULL)", name="finished"),
)

sa.Index("ix_job_next_run_at", job.c.next_run_at, postgresql_where=sa.text("state = 'READY'"))
sa.Index("ix_job_lease_until", job.c.lease_until, postgresql_where=sa.text("state = 'RUNNING'"))
sa.Index("ix_job_failed", job.c.name, postgresql_where=sa.text("state = 'FAILED'"))
sa.Index(
    "uq_job_name_dedupe_key",
    job.c.name,
    job.c.dedupe_key,
    unique=True,
    postgresql_where=sa.text("state IN ('READY', 'RUNNING')"),
)

job_attempt = sa.Table(
    "job_attempt",
    metadata,
    sa.Column("job_id", sa.Uuid(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("worker", sa.Text(), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint("job_id", "attempt"),
    sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
    sa.CheckConstraint("outcome IN ('DONE', 'RETRY', 'FAILED', 'LOST', 'RELEASED')", name="outcome"),
)
