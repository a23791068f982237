"""Tables of programs: the ledger, allocations and the history are facts; balances and counters are state."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP, UUID

from hub.db import metadata
from hub.domain.programs.model import (
    WAYS,
    AllocationType,
    Change,
    ProgramStatus,
    SanctionStatus,
    Subject,
)

INSTANT = TIMESTAMP(timezone=True)
BUCKETS = ("unallocated", "available", "reserved", "retry_hold", "spent")
NONE_NEGATIVE = " AND ".join(f"{name} >= 0" for name in BUCKETS)
LISTED_WAYS = ", ".join(f"('{m.value}', '{a.value}', '{b.value}')" for m, (a, b) in WAYS.items())


def one_of(column: str, values: object) -> sa.CheckConstraint:
    """A CHECK that closes a text column over an enum."""
    listed = ", ".join(f"'{value.value}'" for value in values)  # type: ignore[attr-defined]
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def owned(table: str) -> sa.ForeignKeyConstraint:
    """Every row belongs to a row of another table of the same government."""
    return sa.ForeignKeyConstraint(["tenant_id", f"{table}_id"], [f"{table}.tenant_id", f"{table}.id"])


def amounts(*names: str) -> list[sa.Column[object]]:
    """Exact numbers, at their currency's scale."""
    return [sa.Column(name, sa.Numeric, nullable=False) for name in names]


program = sa.Table(
    "program",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("agency_id", UUID, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("fiscal_year", sa.SmallInteger, nullable=False),
    sa.Column("location_code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("parent_id", UUID),
    sa.Column("start_date", sa.Date, nullable=False),
    sa.Column("end_date", sa.Date),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("codes", JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("updated_at", INSTANT, nullable=False),
    sa.ForeignKeyConstraint(["tenant_id", "agency_id"], ["agency.tenant_id", "agency.id"]),
    sa.ForeignKeyConstraint(["tenant_id", "parent_id"], ["program.tenant_id", "program.id"]),
    sa.UniqueConstraint("tenant_id", "environment", "location_code", "code", name="uq_program_code"),
    sa.Index("ix_program_id", "id", unique=True),
    sa.Index("ix_program_agency", "tenant_id", "agency_id", "id"),
    sa.Index("ix_program_parent", "tenant_id", "parent_id", "id"),
    sa.CheckConstraint("end_date >= start_date", name="dates"),
    one_of("status", ProgramStatus),
    comment="What money is sanctioned for at one place",
)

program_number = sa.Table(
    "program_number",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("location_code", sa.Text, primary_key=True),
    sa.Column("fiscal_year", sa.SmallInteger, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
    sa.CheckConstraint("last > 0", name="last"),
    comment="The last number given to a program of a place in a year; without gaps, as a rollback takes it back",
)

sanction = sa.Table(
    "sanction",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("agency_id", UUID, nullable=False),
    sa.Column("program_id", UUID, nullable=False),
    sa.Column("location_code", sa.Text, nullable=False),
    sa.Column("system_id", UUID, nullable=False),
    sa.Column("reference_id", sa.Text, nullable=False),
    sa.Column("fingerprint", BYTEA, nullable=False),
    sa.Column("batch_id", UUID, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    *amounts("net_amount", "gross", *BUCKETS),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("moved_at", INSTANT, nullable=False),
    sa.Column("codes", JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("updated_at", INSTANT, nullable=False),
    owned("program"),
    sa.UniqueConstraint("tenant_id", "system_id", "reference_id", name="uq_sanction_reference"),
    sa.Index("ix_sanction_id", "id", unique=True),
    sa.Index("ix_sanction_program", "tenant_id", "program_id", "id"),
    sa.Index("ix_sanction_agency", "tenant_id", "agency_id", "id"),
    sa.Index("ix_sanction_batch", "tenant_id", "batch_id"),
    sa.CheckConstraint(NONE_NEGATIVE, name="no_bucket_below_zero"),
    sa.CheckConstraint(f"gross = {' + '.join(BUCKETS)}", name="gross_is_the_sum"),
    sa.CheckConstraint("gross > 0 AND net_amount > 0 AND net_amount <= gross", name="amounts"),
    sa.CheckConstraint("entries > 0", name="entries"),
    one_of("status", SanctionStatus),
    comment="Leave to spend, and where its money stands now; every change of a bucket is an entry of the ledger",
)

allocation = sa.Table(
    "allocation",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("agency_id", UUID, nullable=False),
    sa.Column("sanction_id", UUID, nullable=False),
    sa.Column("system_id", UUID, nullable=False),
    sa.Column("reference_id", sa.Text, nullable=False),
    sa.Column("batch_id", UUID, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    owned("sanction"),
    sa.UniqueConstraint("tenant_id", "system_id", "reference_id", name="uq_allocation_reference"),
    sa.Index("ix_allocation_id", "id", unique=True),
    sa.Index("ix_allocation_sanction", "tenant_id", "sanction_id", "id"),
    sa.Index("ix_allocation_batch", "tenant_id", "batch_id"),
    sa.CheckConstraint("amount > 0", name="amount"),
    one_of("type", AllocationType),
    comment="Sanctioned money made available, or taken back; every row is a leaf of the log",
)

ledger_entry = sa.Table(
    "ledger_entry",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("sanction_id", UUID, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("movement", sa.Text, nullable=False),
    sa.Column("from_bucket", sa.Text, nullable=False),
    sa.Column("to_bucket", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric, nullable=False),
    sa.Column("cause_id", UUID, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("actor_id", UUID),
    sa.Column("at", INSTANT, nullable=False),
    # What stood in each bucket afterwards.
    *amounts(*BUCKETS),
    owned("sanction"),
    sa.UniqueConstraint("tenant_id", "sanction_id", "number", name="uq_ledger_entry_number"),
    # Nothing moves money twice: whatever is the cause, it moves it once in each way.
    sa.UniqueConstraint("tenant_id", "cause_id", "sanction_id", "movement", name="uq_ledger_entry_cause"),
    sa.Index("ix_ledger_entry_at", "tenant_id", "sanction_id", "at", "number"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint(NONE_NEGATIVE, name="no_bucket_below_zero"),
    sa.CheckConstraint(f"(movement, from_bucket, to_bucket) IN ({LISTED_WAYS})", name="way"),
    comment="Double entry: each amount leaves one bucket and enters another; every row is a leaf of the log",
)

program_history = sa.Table(
    "program_history",
    metadata,
    sa.Column("tenant_id", UUID, primary_key=True),
    sa.Column("id", UUID, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("subject_id", UUID, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("actor_id", UUID),
    sa.Column("at", INSTANT, nullable=False),
    sa.Index("ix_program_history_subject", "tenant_id", "subject_id", "id"),
    one_of("subject", Subject),
    one_of("change", Change),
    comment="Every change of a program or a sanction but its balances; every row is a leaf of the log",
)

FACTS = ("allocation", "ledger_entry", "program_history")
STATE = ("program", "program_number", "sanction")
