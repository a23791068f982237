"""The log: numbered leaves, tiles, checkpoints, keys, and triggers that note every fact for it; see decision 0014."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import grants
from migrations.logged import logged, no_longer_logged

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BYTES, INSTANT, UUID = postgresql.BYTEA(), postgresql.TIMESTAMP(timezone=True), postgresql.UUID()
KINDS = "'EVENT','MESSAGE','SIGNATURE','READ','REGISTRY','KEY','REFERENCE','DECISION','LOG_KEY'"
FACTS = ("log_leaf", "log_tile", "log_checkpoint", "log_cosignature", "log_key")
LOGGED = (
    ("registry_event", "CASE subject WHEN 'SIGNING_KEY' THEN 'KEY' ELSE 'REGISTRY' END", "id", "true"),
    ("reference_version", "'REFERENCE'", "id", "true"),
    ("reference_decision", "'DECISION'", "proposal_id", "true"),
    ("posting", "kind", "id", "true"),
    # The sender's own signature is part of the posting's leaf.
    ("posting_signature", "'SIGNATURE'", "id", "purpose <> 'ORIGIN'"),
    ("inbox_history", "'READ'", "id", "change IN ('READ', 'UNREAD')"),
)


def upgrade() -> None:
    """Facts that are there already wait for their numbers as well, in the order of their ids."""
    _create_leaves()
    _create_tree()
    grants.facts(*FACTS)
    grants.state("log_edge", "log_pending", deletable=True)
    # Emptied all the time: dead rows in front of the living ones would slow the sequencer down.
    op.execute(
        "ALTER TABLE log_pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"
    )
    # The sequencer reads an added signature by its own id.
    op.create_index(
        "uq_posting_signature_added",
        "posting_signature",
        ["tenant_id", "id"],
        unique=True,
        postgresql_where=sa.text("purpose <> 'ORIGIN'"),
    )
    for table, kind, fact_id, where in LOGGED:
        logged(table, kind=kind, fact_id=fact_id, where=where)


def _create_leaves() -> None:
    op.create_table(
        "log_pending",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant_id", UUID, nullable=False),
        sa.Column("fact_id", UUID, nullable=False),
        sa.Column("noted_at", INSTANT, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log_pending")),
        comment="Committed facts without a number yet; triggers on the fact tables write it, the sequencer empties it",
    )
    op.create_table(
        "log_leaf",
        sa.Column("log_index", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant_id", UUID, nullable=True),
        sa.Column("fact_id", UUID, nullable=False),
        sa.Column("nonce", BYTES, nullable=False),
        sa.Column("commitment", BYTES, nullable=False),
        sa.Column("statement", BYTES, nullable=True),
        sa.Column("sequenced_at", INSTANT, nullable=False),
        sa.CheckConstraint("log_index >= 0", name=op.f("ck_log_leaf_log_index")),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_log_leaf_kind")),
        sa.CheckConstraint(
            "octet_length(nonce) = 32 AND octet_length(commitment) = 32", name=op.f("ck_log_leaf_sizes")
        ),
        sa.CheckConstraint(
            "(kind = 'LOG_KEY') = (statement IS NOT NULL)", name=op.f("ck_log_leaf_statement")
        ),
        sa.CheckConstraint("(kind = 'LOG_KEY') = (tenant_id IS NULL)", name=op.f("ck_log_leaf_tenant")),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_log_leaf")),
        sa.UniqueConstraint("fact_id", name=op.f("uq_log_leaf_fact_id")),
    )
    op.create_index("ix_log_leaf_tenant", "log_leaf", ["tenant_id", "log_index"])


def _create_tree() -> None:
    op.create_table(
        "log_tile",
        sa.Column("level", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("hashes", BYTES, nullable=False),
        sa.CheckConstraint("octet_length(hashes) = 8192", name=op.f("ck_log_tile_full")),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_tile")),
        comment="Full tiles (C2SP tlog-tiles): 256 hashes of one level",
    )
    op.create_table(
        "log_edge",
        sa.Column("level", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hashes", BYTES, nullable=False),
        sa.CheckConstraint(
            "octet_length(hashes) % 32 = 0 AND octet_length(hashes) < 8192", name=op.f("ck_log_edge_part")
        ),
        sa.PrimaryKeyConstraint("level", name=op.f("pk_log_edge")),
        comment="The partial tile of each level, where the tree grows; derivable from leaves and tiles",
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", INSTANT, nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("ck_log_checkpoint_root")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoint")),
        comment="Every signed note ever published (C2SP tlog-checkpoint)",
    )
    op.create_table(
        "log_cosignature",
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["size"], ["log_checkpoint.size"], name=op.f("fk_log_cosignature_size")),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_log_cosignature")),
        comment="Witnesses' signatures on checkpoints (C2SP tlog-witness, cosignature/v1)",
    )
    op.create_table(
        "log_key",
        sa.Column("public_key", BYTES, nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", INSTANT, nullable=False),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_log_key_public_key")),
        sa.PrimaryKeyConstraint("public_key", name=op.f("pk_log_key")),
        comment="Keys that have signed checkpoints, from the leaf that announces each",
    )


def downgrade() -> None:
    """Refused by the data: a log that was shown to anybody cannot be taken back without saying so."""
    for table, *_ in reversed(LOGGED):
        no_longer_logged(table)
    op.drop_index("uq_posting_signature_added", table_name="posting_signature")
    for name in (
        "log_cosignature",
        "log_key",
        "log_checkpoint",
        "log_edge",
        "log_tile",
        "log_leaf",
        "log_pending",
    ):
        op.drop_table(name)
