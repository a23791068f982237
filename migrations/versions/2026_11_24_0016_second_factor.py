"""Second factors of persons, their recovery codes, and when a session showed one; see decision 0024."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BYTES, INSTANT, UUID = postgresql.BYTEA(), postgresql.TIMESTAMP(timezone=True), sa.UUID()


def upgrade() -> None:
    op.create_table(
        "second_factor",
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("sealed", BYTES, nullable=False),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("enrolled_at", INSTANT, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", INSTANT, nullable=True),
        sa.CheckConstraint(
            "enrolled_at IS NULL OR last_step IS NOT NULL", name=op.f("ck_second_factor_enrolled")
        ),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_second_factor_failures")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_second_factor_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_second_factor")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("code_hash", BYTES, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["second_factor.person_id"], name=op.f("fk_recovery_code_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "code_hash", name=op.f("pk_recovery_code")),
    )
    op.add_column("session", sa.Column("factor_at", INSTANT, nullable=True))
    grants.state("second_factor", "recovery_code", deletable=True)


def downgrade() -> None:
    op.drop_column("session", "factor_at")
    op.drop_table("recovery_code")
    op.drop_table("second_factor")
