"""Sessions say where they were opened and with what, shortened; see decision 0019."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = ("network", "agent")


def upgrade() -> None:
    """Of sessions opened before nothing is known, so nothing is said."""
    for name in COLUMNS:
        op.add_column("session", sa.Column(name, sa.Text(), nullable=False, server_default=""))
        op.alter_column("session", name, server_default=None)


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("session", name)
