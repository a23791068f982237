"""Indexes that answer totals by head, year and month without looking at a row; see docs/scale.md."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

YEAR, HEAD = ["tenant_id", "fiscal_year", "id"], ["tenant_id", "coa_code", "posting_id"]
HEAD_OPERATORS = {"coa_code": "text_pattern_ops"}
# What the access policy asks of a posting, and what totals tell of it.
OF_POSTINGS = [
    "month",
    "kind",
    "environment",
    "narrowed",
    "classification",
    "sender_id",
    "sender_agency_id",
    "reverses_id",
]
OF_LINES = ["amount", "currency"]


def upgrade() -> None:
    op.drop_index("ix_posting_year", table_name="posting")
    op.create_index("ix_posting_year", "posting", YEAR, postgresql_include=OF_POSTINGS)
    op.drop_index("ix_posting_line_coa", table_name="posting_line")
    op.create_index(
        "ix_posting_line_coa",
        "posting_line",
        HEAD,
        postgresql_ops=HEAD_OPERATORS,
        postgresql_include=OF_LINES,
    )


def downgrade() -> None:
    op.drop_index("ix_posting_line_coa", table_name="posting_line")
    op.create_index("ix_posting_line_coa", "posting_line", HEAD, postgresql_ops=HEAD_OPERATORS)
    op.drop_index("ix_posting_year", table_name="posting")
    op.create_index("ix_posting_year", "posting", YEAR)
