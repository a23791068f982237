"""Tables of the log: what waits for its number, the numbered leaves, tiles of hashes, signed checkpoints, log keys."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, TIMESTAMP, UUID

from hub.db import metadata

INSTANT = TIMESTAMP(timezone=True)
TILE_BYTES = 256 * 32
KINDS = (
    "'EVENT','MESSAGE','SIGNATURE','READ','REGISTRY','KEY','REFERENCE','DECISION','RETENTION','PROGRAM',"
    "'ALLOCATION','FUNDS','LOG_KEY'"
)

pending = sa.Table(
    "log_pending",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("tenant_id", UUID, nullable=False),
    sa.Column("fact_id", UUID, nullable=False),
    sa.Column("noted_at", INSTANT, nullable=False, server_default=sa.text("clock_timestamp()")),
    comment="Committed facts without a number yet; triggers on the fact tables write it, the sequencer empties it",
)

leaf = sa.Table(
    "log_leaf",
    metadata,
    sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("tenant_id", UUID),
    sa.Column("fact_id", UUID, nullable=False),
    sa.Column("nonce", BYTEA, nullable=False),
    sa.Column("commitment", BYTEA, nullable=False),
    # What the leaf says to everybody; only the log's own announcements have it.
    sa.Column("statement", BYTEA),
    sa.Column("sequenced_at", INSTANT, nullable=False),
    sa.UniqueConstraint("fact_id"),
    sa.Index("ix_log_leaf_tenant", "tenant_id", "log_index"),
    sa.CheckConstraint("log_index >= 0", name="log_index"),
    sa.CheckConstraint(f"kind IN ({KINDS})", name="kind"),
    sa.CheckConstraint("octet_length(nonce) = 32 AND octet_length(commitment) = 32", name="sizes"),
    sa.CheckConstraint("(kind = 'LOG_KEY') = (statement IS NOT NULL)", name="statement"),
    sa.CheckConstraint("(kind = 'LOG_KEY') = (tenant_id IS NULL)", name="tenant"),
)

tile = sa.Table(
    "log_tile",
    metadata,
    sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", BYTEA, nullable=False),
    sa.CheckConstraint(f"octet_length(hashes) = {TILE_BYTES}", name="full"),
    comment="Full tiles (C2SP tlog-tiles): 256 hashes of one level",
)

edge = sa.Table(
    "log_edge",
    metadata,
    sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("hashes", BYTEA, nullable=False),
    sa.CheckConstraint(f"octet_length(hashes) % 32 = 0 AND octet_length(hashes) < {TILE_BYTES}", name="part"),
    comment="The partial tile of each level, where the tree grows; derivable from leaves and tiles",
)

checkpoint = sa.Table(
    "log_checkpoint",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("signed_at", INSTANT, nullable=False),
    sa.CheckConstraint("octet_length(root) = 32", name="root"),
    comment="Every signed note ever published (C2SP tlog-checkpoint)",
)

cosignature = sa.Table(
    "log_cosignature",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("witness", sa.Text, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.ForeignKeyConstraint(["size"], ["log_checkpoint.size"]),
    comment="Witnesses' signatures on checkpoints (C2SP tlog-witness, cosignature/v1)",
)

key = sa.Table(
    "log_key",
    metadata,
    sa.Column("public_key", BYTEA, primary_key=True),
    sa.Column("log_index", sa.BigInteger, nullable=False),
    sa.Column("announced_at", INSTANT, nullable=False),
    sa.CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    comment="Keys that have signed checkpoints, from the leaf that announces each",
)

FACTS = ("log_leaf", "log_tile", "log_checkpoint", "log_cosignature", "log_key")
