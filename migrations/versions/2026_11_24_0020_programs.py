"""Programs: sanctions with their buckets, allocations, the ledger and the history; see decision 0030."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants
from migrations.logged import logged, no_longer_logged

revision = "0020"
down_revision = "0016"
branch_labels = None
depends_on = None

BYTES, INSTANT, UUID = postgresql.BYTEA(), postgresql.TIMESTAMP(timezone=True), sa.UUID()
JSON, NUMBER, TEXT = postgresql.JSONB(), sa.Numeric(), sa.Text()
KINDS = "'EVENT','MESSAGE','SIGNATURE','READ','REGISTRY','KEY','REFERENCE','DECISION','RETENTION','LOG_KEY'"
KINDS_NOW = f"{KINDS},'PROGRAM','ALLOCATION','FUNDS'"
BUCKETS = ("unallocated", "available", "reserved", "retry_hold", "spent")
NONE_NEGATIVE = " AND ".join(f"{name} >= 0" for name in BUCKETS)
WAYS = """
    ('SANCTION', 'OUTSIDE', 'UNALLOCATED'), ('INCREASE', 'OUTSIDE', 'UNALLOCATED'),
    ('ALLOCATION', 'UNALLOCATED', 'AVAILABLE'), ('DEDUCTION', 'AVAILABLE', 'UNALLOCATED'),
    ('RESERVATION', 'AVAILABLE', 'RESERVED'), ('RELEASE', 'RESERVED', 'AVAILABLE'),
    ('PAYMENT', 'RESERVED', 'SPENT'), ('FAILURE', 'RESERVED', 'RETRY_HOLD'), ('RETURN', 'SPENT', 'RETRY_HOLD'),
    ('RETRY', 'RETRY_HOLD', 'RESERVED'), ('LAPSE', 'RETRY_HOLD', 'AVAILABLE')
"""
FACTS = {"program_history": "PROGRAM", "allocation": "ALLOCATION", "ledger_entry": "FUNDS"}


def upgrade() -> None:
    """Nothing is there yet: programs are their agencies' to begin."""
    _create_program()
    _create_program_number()
    _create_sanction()
    _create_allocation()
    _create_ledger_entry()
    _create_program_history()
    op.drop_constraint(op.f("ck_log_leaf_kind"), "log_leaf", type_="check")
    op.create_check_constraint(op.f("ck_log_leaf_kind"), "log_leaf", f"kind IN ({KINDS_NOW})")
    grants.facts(*FACTS)
    grants.state("program", "program_number", "sanction")
    for table, kind in FACTS.items():
        logged(table, kind=f"'{kind}'")


def _column(name: str, kind: object, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=nullable)  # type: ignore[arg-type]


def _owned(table: str, by: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", f"{by}_id"],
        [f"{by}.tenant_id", f"{by}.id"],
        name=op.f(f"fk_{table}_tenant_id_{by}_id"),
    )


def _create_program() -> None:
    op.create_table(
        "program",
        _column("tenant_id", UUID),
        _column("id", UUID),
        _column("environment", TEXT),
        _column("agency_id", UUID),
        _column("code", TEXT),
        _column("fiscal_year", sa.SmallInteger()),
        _column("location_code", TEXT),
        _column("name", TEXT),
        _column("description", TEXT),
        _column("parent_id", UUID, nullable=True),
        _column("start_date", sa.Date()),
        _column("end_date", sa.Date(), nullable=True),
        _column("currency", TEXT),
        _column("codes", JSON),
        _column("status", TEXT),
        _column("version", sa.Integer()),
        _column("created_at", INSTANT),
        _column("updated_at", INSTANT),
        _owned("program", "agency"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"],
            ["program.tenant_id", "program.id"],
            name=op.f("fk_program_tenant_id_parent_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_program")),
        sa.UniqueConstraint("tenant_id", "environment", "location_code", "code", name="uq_program_code"),
        sa.CheckConstraint("end_date >= start_date", name=op.f("ck_program_dates")),
        sa.CheckConstraint("status IN ('ACTIVE', 'INACTIVE')", name=op.f("ck_program_status")),
        comment="What money is sanctioned for at one place",
    )
    op.create_index("ix_program_id", "program", ["id"], unique=True)
    op.create_index("ix_program_agency", "program", ["tenant_id", "agency_id", "id"])
    op.create_index("ix_program_parent", "program", ["tenant_id", "parent_id", "id"])


def _create_program_number() -> None:
    op.create_table(
        "program_number",
        _column("tenant_id", UUID),
        _column("environment", TEXT),
        _column("location_code", TEXT),
        _column("fiscal_year", sa.SmallInteger()),
        _column("last", sa.Integer()),
        sa.PrimaryKeyConstraint(
            "tenant_id", "environment", "location_code", "fiscal_year", name=op.f("pk_program_number")
        ),
        sa.CheckConstraint("last > 0", name=op.f("ck_program_number_last")),
        comment="The last number given to a program of a place in a year; without gaps, as a rollback takes it back",
    )


def _create_sanction() -> None:
    op.create_table(
        "sanction",
        _column("tenant_id", UUID),
        _column("id", UUID),
        _column("environment", TEXT),
        _column("agency_id", UUID),
        _column("program_id", UUID),
        _column("location_code", TEXT),
        _column("system_id", UUID),
        _column("reference_id", TEXT),
        _column("fingerprint", BYTES),
        _column("batch_id", UUID),
        _column("currency", TEXT),
        *[_column(name, NUMBER) for name in ("net_amount", "gross", *BUCKETS)],
        _column("entries", sa.BigInteger()),
        _column("moved_at", INSTANT),
        _column("codes", JSON),
        _column("status", TEXT),
        _column("version", sa.Integer()),
        _column("created_at", INSTANT),
        _column("updated_at", INSTANT),
        _owned("sanction", "program"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sanction")),
        sa.UniqueConstraint("tenant_id", "system_id", "reference_id", name="uq_sanction_reference"),
        sa.CheckConstraint(NONE_NEGATIVE, name=op.f("ck_sanction_no_bucket_below_zero")),
        sa.CheckConstraint(f"gross = {' + '.join(BUCKETS)}", name=op.f("ck_sanction_gross_is_the_sum")),
        sa.CheckConstraint(
            "gross > 0 AND net_amount > 0 AND net_amount <= gross", name=op.f("ck_sanction_amounts")
        ),
        sa.CheckConstraint("entries > 0", name=op.f("ck_sanction_entries")),
        sa.CheckConstraint("status IN ('ACTIVE', 'INACTIVE')", name=op.f("ck_sanction_status")),
        comment="Leave to spend, and where its money stands now; every change of a bucket is an entry of the ledger",
    )
    op.create_index("ix_sanction_id", "sanction", ["id"], unique=True)
    op.create_index("ix_sanction_program", "sanction", ["tenant_id", "program_id", "id"])
    op.create_index("ix_sanction_agency", "sanction", ["tenant_id", "agency_id", "id"])
    op.create_index("ix_sanction_batch", "sanction", ["tenant_id", "batch_id"])


def _create_allocation() -> None:
    op.create_table(
        "allocation",
        _column("tenant_id", UUID),
        _column("id", UUID),
        _column("environment", TEXT),
        _column("agency_id", UUID),
        _column("sanction_id", UUID),
        _column("system_id", UUID),
        _column("reference_id", TEXT),
        _column("batch_id", UUID),
        _column("type", TEXT),
        _column("amount", NUMBER),
        _column("currency", TEXT),
        _column("created_at", INSTANT),
        _owned("allocation", "sanction"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_allocation")),
        sa.UniqueConstraint("tenant_id", "system_id", "reference_id", name="uq_allocation_reference"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_allocation_amount")),
        sa.CheckConstraint("type IN ('ALLOCATION', 'DEDUCTION')", name=op.f("ck_allocation_type")),
        comment="Sanctioned money made available, or taken back; every row is a leaf of the log",
    )
    op.create_index("ix_allocation_id", "allocation", ["id"], unique=True)
    op.create_index("ix_allocation_sanction", "allocation", ["tenant_id", "sanction_id", "id"])
    op.create_index("ix_allocation_batch", "allocation", ["tenant_id", "batch_id"])


def _create_ledger_entry() -> None:
    op.create_table(
        "ledger_entry",
        _column("tenant_id", UUID),
        _column("id", UUID),
        _column("sanction_id", UUID),
        _column("number", sa.BigInteger()),
        _column("movement", TEXT),
        _column("from_bucket", TEXT),
        _column("to_bucket", TEXT),
        _column("amount", NUMBER),
        _column("cause_id", UUID),
        _column("actor", TEXT),
        _column("actor_id", UUID, nullable=True),
        _column("at", INSTANT),
        *[_column(name, NUMBER) for name in BUCKETS],
        _owned("ledger_entry", "sanction"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint("tenant_id", "sanction_id", "number", name="uq_ledger_entry_number"),
        sa.UniqueConstraint("tenant_id", "cause_id", "sanction_id", "movement", name="uq_ledger_entry_cause"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_entry_amount")),
        sa.CheckConstraint(NONE_NEGATIVE, name=op.f("ck_ledger_entry_no_bucket_below_zero")),
        sa.CheckConstraint(
            f"(movement, from_bucket, to_bucket) IN ({WAYS})", name=op.f("ck_ledger_entry_way")
        ),
        comment="Double entry: each amount leaves one bucket and enters another; every row is a leaf of the log",
    )
    op.create_index("ix_ledger_entry_at", "ledger_entry", ["tenant_id", "sanction_id", "at", "number"])


def _create_program_history() -> None:
    op.create_table(
        "program_history",
        _column("tenant_id", UUID),
        _column("id", UUID),
        _column("subject", TEXT),
        _column("subject_id", UUID),
        _column("change", TEXT),
        _column("details", JSON),
        _column("actor", TEXT),
        _column("actor_id", UUID, nullable=True),
        _column("at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_program_history")),
        sa.CheckConstraint("subject IN ('PROGRAM', 'SANCTION')", name=op.f("ck_program_history_subject")),
        sa.CheckConstraint(
            "change IN ('CREATED', 'UPDATED', 'INCREASED')", name=op.f("ck_program_history_change")
        ),
        comment="Every change of a program or a sanction but its balances; every row is a leaf of the log",
    )
    op.create_index("ix_program_history_subject", "program_history", ["tenant_id", "subject_id", "id"])


def downgrade() -> None:
    """Refused by the data: what is in the log stays provable."""
    there = op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM program_history)"))
    if there.scalar_one():
        raise RuntimeError("there are programs; this step cannot be taken back")
    for table in FACTS:
        no_longer_logged(table)
    op.drop_constraint(op.f("ck_log_leaf_kind"), "log_leaf", type_="check")
    op.create_check_constraint(op.f("ck_log_leaf_kind"), "log_leaf", f"kind IN ({KINDS})")
    for table in (*FACTS, "sanction", "program_number", "program"):
        op.drop_table(table)
