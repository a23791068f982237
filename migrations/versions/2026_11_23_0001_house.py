"""The house: the function behind append-only tables, and the schema's rights."""

from __future__ import annotations

from alembic import op

from migrations import grants

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"GRANT USAGE ON SCHEMA public TO {grants.application_role()}")
    # The web process compares it with its own code's revision before it says that it is ready.
    op.execute(f"GRANT SELECT ON alembic_version TO {grants.application_role()}")
    grants.create_refuse_change()


def downgrade() -> None:
    op.execute("DROP FUNCTION refuse_change()")
    op.execute(f"REVOKE SELECT ON alembic_version FROM {grants.application_role()}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {grants.application_role()}")
