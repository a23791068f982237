"""Indexes chosen by measuring a million events, and upkeep that follows insertions; see docs/scale.md."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Lines mostly carry some of the codes only: an index need not hold the others' nulls.
LINE_CODES = {
    "ix_posting_line_location": ("location_path", "text_pattern_ops"),
    "ix_posting_line_department": ("department_path", "text_pattern_ops"),
    "ix_posting_line_project": ("project_code", None),
    "ix_posting_line_program": ("program_code", None),
}
PATHS = {
    "ix_posting_line_location_parts": "location_path",
    "ix_posting_line_department_parts": "department_path",
    "ix_posting_line_administrative_parts": "administrative_hierarchy_path",
}
# Facts only grow: the planner's figures and the visibility map follow every 2 percent instead of every 20.
GROWING = (
    "posting",
    "posting_line",
    "posting_signature",
    "receipt",
    "posting_key",
    "posting_receiver",
    "inbox_entry",
)
UPKEEP = {
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_analyze_threshold": "2000",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_vacuum_insert_threshold": "10000",
}
# Rows that change in place leave room for their next version on their own page (HOT updates).
CHANGING = {"inbox_entry": "80", "line_balance": "80"}


def upgrade() -> None:
    for name, (column, operators) in LINE_CODES.items():
        op.drop_index(name, table_name="posting_line")
        op.create_index(
            name,
            "posting_line",
            ["tenant_id", column, "posting_id"],
            postgresql_ops={column: operators} if operators else {},
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(
        "ix_posting_line_administrative",
        "posting_line",
        ["tenant_id", "administrative_hierarchy_path", "posting_id"],
        postgresql_ops={"administrative_hierarchy_path": "text_pattern_ops"},
        postgresql_where=sa.text("administrative_hierarchy_path IS NOT NULL"),
    )
    for name, column in PATHS.items():
        op.create_index(
            name,
            "posting_line",
            [sa.text(f"string_to_array({column}, '/'::text)")],
            postgresql_using="gin",
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index(
        "ix_posting_line_tags",
        "posting_line",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
        postgresql_where=sa.text("tags <> '[]'::jsonb"),
    )
    op.create_index("ix_posting_attributes", "posting", ["attributes"], postgresql_using="gin")
    op.create_index("ix_posting_event_time", "posting", ["tenant_id", "event_time"])
    op.create_index("ix_posting_sender_name", "posting", ["tenant_id", "sender", "id"])
    for table in GROWING:
        told = ", ".join(f"{name} = {value}" for name, value in UPKEEP.items())
        op.execute(f"ALTER TABLE {table} SET ({told})")
    for table, filled in CHANGING.items():
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {filled})")
    op.execute("ALTER TABLE posting_line ALTER COLUMN coa_code SET STATISTICS 1000")


def downgrade() -> None:
    op.execute("ALTER TABLE posting_line ALTER COLUMN coa_code SET STATISTICS -1")
    for table in CHANGING:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    for table in GROWING:
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(UPKEEP)})")
    op.drop_index("ix_posting_sender_name", table_name="posting")
    op.drop_index("ix_posting_event_time", table_name="posting")
    op.drop_index("ix_posting_attributes", table_name="posting")
    op.drop_index("ix_posting_line_tags", table_name="posting_line")
    for name in PATHS:
        op.drop_index(name, table_name="posting_line")
    op.drop_index("ix_posting_line_administrative", table_name="posting_line")
    for name, (column, operators) in LINE_CODES.items():
        op.drop_index(name, table_name="posting_line")
        op.create_index(
            name,
            "posting_line",
            ["tenant_id", column, "posting_id"],
            postgresql_ops={column: operators} if operators else {},
        )
