"""The job table with its leases, and the history of attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations import grants

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_job()
    _create_job_attempt()
    grants.state("job")
    grants.facts("job_attempt")


def _create_job() -> None:
    op.create_table(
        "job",
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.CheckConstraint("state IN ('READY', 'RUNNING', 'DONE', 'FAILED')", name=op.f("ck_job_state")),
        sa.CheckConstraint("attempt BETWEEN 0 AND attempts_max", name=op.f("ck_job_attempt")),
        sa.CheckConstraint(
            "(state = 'RUNNING') = (leased_by IS NOT NULL) AND (leased_by IS NULL) = (lease_until IS NULL)",
            name=op.f("ck_job_lease"),
        ),
        sa.CheckConstraint("(attempt = 0) = (started_at IS NULL)", name=op.f("ck_job_started")),
        sa.CheckConstraint(
            "(state IN ('DONE', 'FAILED')) = (finished_at IS NOT NULL)", name=op.f("ck_job_finished")
        ),
    )
    for name, column, state in (
        ("ix_job_next_run_at", "next_run_at", "READY"),
        ("ix_job_lease_until", "lease_until", "RUNNING"),
        ("ix_job_failed", "name", "FAILED"),
    ):
        op.create_index(name, "job", [column], postgresql_where=sa.text(f"state = '{state}'"))
    op.create_index(
        "uq_job_name_dedupe_key",
        "job",
        ["name", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state IN ('READY', 'RUNNING')"),
    )


def _create_job_attempt() -> None:
    op.create_table(
        "job_attempt",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_job_attempt")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_attempt_job_id")),
        sa.CheckConstraint(
            "outcome IN ('DONE', 'RETRY', 'FAILED', 'LOST', 'RELEASED')",
            name=op.f("ck_job_attempt_outcome"),
        ),
    )


def downgrade() -> None:
    op.drop_table("job_attempt")
    op.drop_table("job")
