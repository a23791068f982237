"""Retention: documents are sealed under keys of their own; keys, and facts about erasures and holds; see decision 0022."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from migrations import grants
from migrations.logged import logged, no_longer_logged

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BYTES, INSTANT, UUID = postgresql.BYTEA(), postgresql.TIMESTAMP(timezone=True), sa.UUID()
KINDS = "'EVENT','MESSAGE','SIGNATURE','READ','REGISTRY','KEY','REFERENCE','DECISION','LOG_KEY'"
KINDS_NOW = (
    "'EVENT','MESSAGE','SIGNATURE','READ','REGISTRY','KEY','REFERENCE','DECISION','RETENTION','LOG_KEY'"
)


def upgrade() -> None:
    """Documents that are there are sealed one by one, in this transaction; afterwards none lies in the clear."""
    _create_data_key()
    _create_retention_fact()
    op.drop_constraint(op.f("ck_log_leaf_kind"), "log_leaf", type_="check")
    op.create_check_constraint(op.f("ck_log_leaf_kind"), "log_leaf", f"kind IN ({KINDS_NOW})")
    grants.facts("retention_fact")
    grants.state("data_key", deletable=True)
    logged("retention_fact", kind="'RETENTION'")
    op.drop_constraint(op.f("ck_document_digest"), "document", type_="check")
    op.drop_constraint(op.f("ck_document_size"), "document", type_="check")
    _seal_documents()
    op.create_check_constraint(
        op.f("ck_document_size"),
        "document",
        "size_bytes BETWEEN 1 AND 10485760 AND octet_length(bytes) > size_bytes",
    )
    op.create_check_constraint(op.f("ck_document_sealed"), "document", "get_byte(bytes, 0) = 1")


def _create_data_key() -> None:
    op.create_table(
        "data_key",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("owner_id", UUID, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("wrapped", BYTES, nullable=False),
        sa.Column("wrapped_by", BYTES, nullable=False),
        sa.CheckConstraint("octet_length(wrapped_by) = 8", name=op.f("ck_data_key_wrapped_by")),
        sa.PrimaryKeyConstraint("tenant_id", "owner_id", "place", name=op.f("pk_data_key")),
        comment="The key of each sealed value, wrapped by the vault's; without its row the value is gone",
    )
    op.create_index("ix_data_key_wrapped_by", "data_key", ["wrapped_by"])


def _create_retention_fact() -> None:
    op.create_table(
        "retention_fact",
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("owner_id", UUID, nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("of_id", UUID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_id", UUID, nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "change IN ('REQUESTED','APPROVED','REFUSED','ERASED','HELD','RELEASED')",
            name=op.f("ck_retention_fact_change"),
        ),
        sa.CheckConstraint("subject IN ('DOCUMENT','POSTING')", name=op.f("ck_retention_fact_subject")),
        sa.CheckConstraint("(change = 'ERASED') = (place IS NOT NULL)", name=op.f("ck_retention_fact_place")),
        sa.CheckConstraint(
            "(change IN ('REQUESTED','HELD')) = (of_id IS NULL)", name=op.f("ck_retention_fact_of_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_retention_fact")),
        comment="Who asked for an erasure, who allowed it, what was destroyed, what is held; every row is a leaf of the log",
    )
    op.create_index("ix_retention_fact_change", "retention_fact", ["tenant_id", "change", "id"])
    op.create_index("ix_retention_fact_owner", "retention_fact", ["tenant_id", "owner_id", "change"])
    op.create_index(
        "uq_retention_fact_erased",
        "retention_fact",
        ["tenant_id", "owner_id", "place"],
        unique=True,
        postgresql_where=sa.text("change = 'ERASED'"),
    )
    op.create_index(
        "uq_retention_fact_end",
        "retention_fact",
        ["of_id"],
        unique=True,
        postgresql_where=sa.text("change IN ('APPROVED', 'REFUSED', 'RELEASED')"),
    )


def _seal_documents() -> None:
    """One at a time: a document has up to 10 MiB. The digest each has in its row is checked before and after."""
    connection = op.get_bind()
    found = connection.execute(
        sa.text("SELECT tenant_id, system_id, sha256 FROM document ORDER BY 1, 2, 3")
    ).all()
    if not found:
        return
    seal = context.config.attributes.get("seal")
    if seal is None:
        raise RuntimeError(
            "documents are to be sealed: migrate with `fiscal-hub migrate`, which knows the vault's key"
        )
    op.execute("ALTER TABLE document DISABLE TRIGGER facts_never_change")
    for tenant_id, system_id, sha256 in found:
        where = {"tenant": tenant_id, "system": system_id, "sha256": sha256}
        of_row = "WHERE tenant_id = :tenant AND system_id = :system AND sha256 = :sha256"
        clear = connection.execute(
            sa.text(f"SELECT bytes FROM document {of_row} AND sha256(bytes) = sha256"), where
        )
        envelope, wrapped, name = seal(
            uuid.UUID(str(tenant_id)), uuid.UUID(str(system_id)), sha256.hex(), clear.scalar_one()
        )
        connection.execute(
            sa.text(f"UPDATE document SET bytes = :bytes {of_row}"), {**where, "bytes": envelope}
        )
        connection.execute(
            sa.text("INSERT INTO data_key VALUES (:tenant, :system, :place, :wrapped, :name)"),
            {
                "tenant": tenant_id,
                "system": system_id,
                "place": sha256.hex(),
                "wrapped": wrapped,
                "name": name,
            },
        )
    op.execute("ALTER TABLE document ENABLE TRIGGER facts_never_change")


def downgrade() -> None:
    """Refused by the data: sealed documents stay sealed, and what was erased cannot come back."""
    sealed = op.get_bind().execute(
        sa.text("SELECT EXISTS (SELECT FROM document) OR EXISTS (SELECT FROM retention_fact)")
    )
    if sealed.scalar_one():
        raise RuntimeError("there are sealed documents or erasures; this step cannot be taken back")
    op.drop_constraint(op.f("ck_document_sealed"), "document", type_="check")
    op.drop_constraint(op.f("ck_document_size"), "document", type_="check")
    op.create_check_constraint(op.f("ck_document_digest"), "document", "sha256 = sha256(bytes)")
    op.create_check_constraint(
        op.f("ck_document_size"), "document", "size_bytes = octet_length(bytes) AND size_bytes <= 10485760"
    )
    no_longer_logged("retention_fact")
    op.drop_constraint(op.f("ck_log_leaf_kind"), "log_leaf", type_="check")
    op.create_check_constraint(op.f("ck_log_leaf_kind"), "log_leaf", f"kind IN ({KINDS})")
    op.drop_table("retention_fact")
    op.drop_table("data_key")
