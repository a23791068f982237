"""Indexes along which people and providers find what is theirs; see docs/decisions/0006-reading.md."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_posting_sender_agency", "posting", ["tenant_id", "sender_agency_id", "id"])
    op.create_index(
        "ix_posting_narrowed",
        "posting",
        ["tenant_id", "id"],
        postgresql_where=sa.text("narrowed AND kind = 'EVENT'"),
    )


def downgrade() -> None:
    op.drop_index("ix_posting_narrowed", table_name="posting")
    op.drop_index("ix_posting_sender_agency", table_name="posting")
