"""Queries of the log. Writing happens in the sequencer's transaction alone; what is read here is committed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from hub.db import Read, Transaction
from hub.domain.transparency.model import FactSource, Leaf, LeafKind, LogCheckpoint, Pending
from hub.signing import TILE_WIDTH, Edge, Tile, TileRef

_LEAF = "log_index, kind, tenant_id, fact_id, nonce, commitment, statement, sequenced_at"
_LEAF_COLUMNS = tuple(_LEAF.split(", "))


async def has_pending(read: Read) -> bool:
    """Whether anything waits for a number."""
    rows = await read.fetch("SELECT 1 FROM log_pending LIMIT 1")
    return bool(rows)


async def take_pending(tx: Transaction, limit: int) -> list[Pending]:
    """Take the longest-waiting facts out of the waiting room, in the order they were noted."""
    rows = await tx.fetch(
        "WITH taken AS (DELETE FROM log_pending WHERE seq IN "
        "(SELECT seq FROM log_pending ORDER BY seq LIMIT $1) RETURNING seq, kind, tenant_id, fact_id) "
        "SELECT kind, tenant_id, fact_id FROM taken ORDER BY seq",
        limit,
    )
    return [Pending(LeafKind(row[0]), row[1], row[2]) for row in rows]


async def parts_of(
    read: Read, source: FactSource, facts: Sequence[tuple[uuid.UUID | None, uuid.UUID]]
) -> list[asyncpg.Record]:
    """The rows of these facts (tenant id, fact id) as their room gives them; one that is not there is left out."""
    return await read.fetch(source.sql, [tenant for tenant, _ in facts], [fact for _, fact in facts])


async def insert_leaves(tx: Transaction, leaves: Sequence[Leaf]) -> None:
    """Store numbered leaves; a number or fact that is there already is a unique violation."""
    driver = await tx.driver()
    records = [
        (
            leaf.log_index,
            leaf.kind.value,
            leaf.tenant_id,
            leaf.fact_id,
            leaf.nonce,
            leaf.commitment,
            leaf.statement,
            leaf.sequenced_at,
        )
        for leaf in leaves
    ]
    await driver.copy_records_to_table("log_leaf", records=records, columns=_LEAF_COLUMNS)


async def insert_tree(tx: Transaction, tiles: Iterable[Tile], edge: Edge) -> None:
    """Store tiles that became full, and the edge as it is now."""
    for full in tiles:
        await tx.fetch(
            "INSERT INTO log_tile (level, number, hashes) VALUES ($1, $2, $3)",
            full.level,
            full.n,
            full.hashes,
        )
    levels = range(len(edge.partials))
    await tx.fetch(
        "INSERT INTO log_edge (level, number, hashes) "
        "SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) "
        "ON CONFLICT (level) DO UPDATE SET number = excluded.number, hashes = excluded.hashes",
        list(levels),
        [edge.size >> 8 * (level + 1) for level in levels],
        list(edge.partials),
    )


async def insert_checkpoint(tx: Transaction, checkpoint: LogCheckpoint) -> None:
    """Store a signed note, for ever."""
    await tx.fetch(
        "INSERT INTO log_checkpoint (size, root, note, signed_at) VALUES ($1, $2, $3, $4)",
        checkpoint.size,
        checkpoint.root,
        checkpoint.note,
        checkpoint.signed_at,
    )


async def insert_key(tx: Transaction, public_key: bytes, log_index: int) -> None:
    """Store that a log key was announced at this leaf."""
    await tx.fetch(
        "INSERT INTO log_key (public_key, log_index, announced_at) VALUES ($1, $2, $3)",
        public_key,
        log_index,
        tx.now,
    )


async def find_edge(read: Read) -> Edge:
    """The tree's right edge as stored; raises TileRefused when it is not that of the last checkpoint's tree."""
    rows = await read.fetch("SELECT level, hashes FROM log_edge ORDER BY level")
    last = await find_checkpoint(read)
    return Edge(last.size if last else 0, tuple(row["hashes"] for row in rows))


async def list_keys(read: Read) -> list[tuple[bytes, int]]:
    """The announced log keys with the leaf that announces each, in that order."""
    rows = await read.fetch("SELECT public_key, log_index FROM log_key ORDER BY log_index")
    return [(row[0], row[1]) for row in rows]


async def find_checkpoint(read: Read, size: int | None = None) -> LogCheckpoint | None:
    """The checkpoint of this size, or the last one."""
    if size is None:
        rows = await read.fetch(
            "SELECT size, root, note, signed_at FROM log_checkpoint ORDER BY size DESC LIMIT 1"
        )
    else:
        rows = await read.fetch(
            "SELECT size, root, note, signed_at FROM log_checkpoint WHERE size = $1", size
        )
    return LogCheckpoint(*rows[0]) if rows else None


async def find_checkpoint_over(read: Read, log_index: int) -> LogCheckpoint | None:
    """The first checkpoint whose tree holds this leaf."""
    rows = await read.fetch(
        "SELECT size, root, note, signed_at FROM log_checkpoint WHERE size > $1 ORDER BY size LIMIT 1",
        log_index,
    )
    return LogCheckpoint(*rows[0]) if rows else None


async def list_cosignatures(read: Read, size: int) -> list[str]:
    """The lines witnesses added to the checkpoint of this size."""
    rows = await read.fetch("SELECT line FROM log_cosignature WHERE size = $1 ORDER BY witness", size)
    return [row[0] for row in rows]


async def insert_cosignature(tx: Transaction, size: int, witness: str, line: str) -> None:
    """Store a witness's line; the first one it gave for this size stands."""
    await tx.fetch(
        "INSERT INTO log_cosignature (size, witness, line, received_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING",
        size,
        witness,
        line,
        tx.now,
    )


async def cosigned_size(read: Read, witness: str) -> int:
    """The largest checkpoint this witness has signed; 0 for none."""
    rows = await read.fetch("SELECT coalesce(max(size), 0) FROM log_cosignature WHERE witness = $1", witness)
    size: int = rows[0][0]
    return size


async def last_cosigned(read: Read, witnesses: int) -> int | None:
    """The size of the last checkpoint that so many witnesses have signed; their names are told apart."""
    rows = await read.fetch(
        "SELECT size FROM log_cosignature GROUP BY size HAVING count(*) >= $1 ORDER BY size DESC LIMIT 1",
        witnesses,
    )
    return rows[0][0] if rows else None


async def find_leaf(read: Read, fact_id: uuid.UUID) -> Leaf | None:
    """The leaf of this fact."""
    return (await list_leaves_of(read, [fact_id])).get(fact_id)


async def list_leaves_of(read: Read, fact_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Leaf]:
    """The leaves of these facts by fact; those that wait for their number are left out."""
    rows = await read.fetch(
        f"SELECT {_LEAF} FROM log_leaf WHERE fact_id = ANY($1::uuid[])",  # noqa: S608 - own names
        list(fact_ids),
    )
    return {leaf.fact_id: leaf for leaf in map(_leaf, rows)}


async def list_leaves(read: Read, first: int, end: int) -> list[Leaf]:
    """The leaves from ``first`` up to, not including, ``end``."""
    rows = await read.fetch(
        f"SELECT {_LEAF} FROM log_leaf WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index",  # noqa: S608
        first,
        end,
    )
    return [_leaf(row) for row in rows]


async def list_tiles(read: Read, refs: Sequence[TileRef]) -> dict[tuple[int, int], bytes]:
    """The hashes of these tiles by place, full ones and those of the edge; one that is not there is left out."""
    rows = await read.fetch(
        "SELECT level, number, hashes FROM log_tile JOIN unnest($1::smallint[], $2::bigint[]) AS a(level, number) "
        "USING (level, number) UNION ALL "
        "SELECT level, number, hashes FROM log_edge JOIN unnest($1::smallint[], $2::bigint[]) AS a(level, number) "
        "USING (level, number)",
        [ref.level for ref in refs],
        [ref.n for ref in refs],
    )
    return {(row[0], row[1]): row[2] for row in rows if row[2]}


async def lag(read: Read) -> tuple[int, float]:
    """How many facts wait for a number, and for how many seconds the oldest has."""
    rows = await read.fetch(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(noted_at)), 0)::float8 "
        "FROM (SELECT noted_at FROM log_pending ORDER BY seq LIMIT 100000) p"
    )
    return rows[0][0], rows[0][1]


def _leaf(row: Any) -> Leaf:
    at: datetime = row["sequenced_at"]
    return Leaf(
        row["log_index"],
        LeafKind(row["kind"]),
        row["tenant_id"],
        row["fact_id"],
        row["nonce"],
        row["commitment"],
        row["statement"],
        at,
    )


BUNDLE_WIDTH = TILE_WIDTH
