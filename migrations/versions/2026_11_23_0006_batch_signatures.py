"""Batch signatures: where a posting stood in the batch its sender signed once, and its path to the signed root."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("batch_index", "batch_size", "batch_path")
PLACED = (
    "num_nonnulls(batch_index, batch_size, batch_path) = 0 OR "
    "(num_nonnulls(batch_index, batch_size, batch_path) = 3 AND purpose = 'ORIGIN' "
    "AND batch_index >= 0 AND batch_index < batch_size AND octet_length(batch_path) % 32 = 0)"
)


def upgrade() -> None:
    """Only adds what may be null: a release that does not know the columns goes on inserting."""
    op.add_column("posting_signature", sa.Column("batch_index", sa.Integer(), nullable=True))
    op.add_column("posting_signature", sa.Column("batch_size", sa.Integer(), nullable=True))
    op.add_column("posting_signature", sa.Column("batch_path", postgresql.BYTEA(), nullable=True))
    op.create_check_constraint(op.f("ck_posting_signature_batch"), "posting_signature", PLACED)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_posting_signature_batch"), "posting_signature", type_="check")
    for column in reversed(COLUMNS):
        op.drop_column("posting_signature", column)
