"""Checking the log against the rows: every leaf is derived again, and each row that does not fit is named.

1. Leaves are read in order: a missing number is a gap.
2. Each fact's parts are read from its rows as they are now; nonce and record must give the leaf's commitment.
3. The tree is grown from the leaves again; full tiles, the edge, and the root at every published checkpoint must be
   the stored ones, and every note must bear a signature by the trusted key, or one that announcements connect with it.
4. Facts that are neither in the log nor waiting for it were put in past the triggers.
5. Rows that contradict themselves (bytes that do not have their digest) are named by their room.

Hashes are made here, not in the database: it is the one being checked. What was rewritten together with the log and
signed with its key is consistent in itself; only a checkpoint kept outside can show that (``kept``).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hub.db import Database
from hub.domain.transparency import store
from hub.domain.transparency.model import FactSource, Leaf, LeafKind, LogCheckpoint, Sources
from hub.domain.transparency.sequencing import entry_of
from hub.signing import (
    Checkpoint,
    Edge,
    NoteKey,
    NoteRefused,
    PublicKey,
    Tile,
    grow,
    open_note,
)
from hub.signing.announcements import trusted_keys
from hub.signing.leaves import NONCE_BYTES, commitment
from hub.signing.merkle import leaf_hash

CHUNK = 2_000
UNLOGGED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit: a word for its kind, which row, and why."""

    what: str
    subject: str
    fact_id: uuid.UUID | None
    log_index: int | None
    reason: str

    def __str__(self) -> str:
        at = "" if self.log_index is None else f" (leaf {self.log_index})"
        named = "" if self.fact_id is None else f" {self.fact_id}"
        return f"{self.what}: {self.subject}{named}{at}: {self.reason}"


@dataclass
class Audit:
    """One pass over the log. ``trusted`` is one of the log's keys, known from outside; ``kept`` a note kept outside."""

    db: Database
    sources: Sources
    origin: str
    trusted: PublicKey
    kept: str | None = None
    leaves: int = 0
    _edge: Edge = field(default_factory=Edge)
    _tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _keys: list[NoteKey] = field(default_factory=list)
    _roots: dict[int, bytes] = field(default_factory=dict)

    async def findings(self) -> AsyncIterator[Finding]:
        """Everything that does not fit, in the order it is met; nothing when all is well."""
        for finding in await self._trust():
            yield finding
        async with self.db.read() as read:
            rows = await read.fetch("SELECT size FROM log_checkpoint ORDER BY size")
            tail = await read.fetch("SELECT coalesce(max(log_index) + 1, 0) FROM log_leaf")
        sizes, end = [row[0] for row in rows], tail[0][0]
        last = sizes[-1] if sizes else 0
        if end < last:
            yield Finding("TRUNCATED", "log_leaf", None, end, f"{last} leaves were signed, {end} are there")
        for start in range(0, last, CHUNK):
            upto = [size for size in sizes if start < size <= start + CHUNK]
            for finding in await self._chunk(start, min(start + CHUNK, last), upto):
                yield finding
        if end > last:
            yield Finding("UNSIGNED_LEAF", "log_leaf", None, last, "no checkpoint covers it")
        for finding in [*await self._edge_findings(), *await self._unlogged(), *await self._contradictions()]:
            yield finding
        for finding in self._kept_findings():
            yield finding

    async def _chunk(self, start: int, end: int, sizes: Sequence[int]) -> list[Finding]:
        """The leaves from start to end: their facts, and the tree with them at each published size."""
        async with self.db.read() as read:
            leaves = await store.list_leaves(read, start, end)
            rows: dict[uuid.UUID, Any] = {}
            for source in {id(self.sources[k]): self.sources[k] for k in self._kinds(leaves)}.values():
                facts = [(leaf.tenant_id, leaf.fact_id) for leaf in leaves if leaf.kind in source.kinds]
                rows.update({row["fact_id"]: row for row in await store.parts_of(read, source, facts)})
            checkpoints = [await store.find_checkpoint(read, size) for size in sizes]
            stored = await read.fetch(
                "SELECT level, number, hashes FROM log_tile WHERE level = 0 AND number BETWEEN $1 AND $2",
                start // 256,
                end // 256,
            )
        self.leaves += len(leaves)
        tiles = {(row[0], row[1]): row[2] for row in stored}
        return await asyncio.to_thread(self._judge, start, end, leaves, rows, checkpoints, tiles)

    @staticmethod
    def _kinds(leaves: Sequence[Leaf]) -> set[LeafKind]:
        return {leaf.kind for leaf in leaves} - {LeafKind.LOG_KEY}

    def _judge(
        self,
        start: int,
        end: int,
        leaves: Sequence[Leaf],
        rows: Mapping[uuid.UUID, Any],
        checkpoints: Sequence[LogCheckpoint | None],
        tiles: Mapping[tuple[int, int], bytes],
    ) -> list[Finding]:
        found = [
            Finding("GAP", "log_leaf", None, index, "the leaf is not there")
            for index in sorted(set(range(start, end)) - {leaf.log_index for leaf in leaves})
        ]
        for leaf in leaves:
            found += self._leaf_findings(leaf, rows.get(leaf.fact_id))
        hashes = {leaf.log_index: leaf_hash(entry_of(leaf)) for leaf in leaves}
        at = start
        for checkpoint in [*(c for c in checkpoints if c is not None), None]:
            upto = end if checkpoint is None else checkpoint.size
            growth = grow(self._edge, [hashes.get(index, bytes(32)) for index in range(at, upto)])
            self._edge, at = growth.edge, upto
            found += self._tile_findings(growth.full_tiles, tiles)
            if checkpoint is not None:
                found += self._checkpoint_findings(checkpoint, growth.root)
        return found

    def _leaf_findings(self, leaf: Leaf, row: Any) -> list[Finding]:
        subject, at = leaf.kind.value, leaf.log_index
        if leaf.kind is LeafKind.LOG_KEY:
            return self._announcement_findings(leaf)
        if row is None:
            return [Finding("ROW_MISSING", subject, leaf.fact_id, at, "its leaf is there, its rows are not")]
        record = self.sources[leaf.kind].record(leaf.kind, row)
        if row["tenant_id"] != leaf.tenant_id or commitment(leaf.nonce, record.bytes()) != leaf.commitment:
            return [
                Finding("ROW_CHANGED", subject, leaf.fact_id, at, "its rows are not what the leaf stands for")
            ]
        return []

    def _announcement_findings(self, leaf: Leaf) -> list[Finding]:
        if leaf.nonce == bytes(NONCE_BYTES) and leaf.commitment == sha256(leaf.statement or b"").digest():
            return []
        return [
            Finding(
                "ROW_CHANGED", "LOG_KEY", leaf.fact_id, leaf.log_index, "not as an announcement is stored"
            )
        ]

    async def _trust(self) -> list[Finding]:
        """Extend the trust along the log's own announcements."""
        async with self.db.read() as read:
            rows = await read.fetch(
                "SELECT statement FROM log_leaf WHERE kind = 'LOG_KEY' ORDER BY log_index"
            )
        try:
            keys = trusted_keys([row[0] for row in rows], self.origin, [self.trusted])
        except NoteRefused as refused:
            self._keys = [NoteKey(self.origin, self.trusted)]
            return [Finding("LOG_KEY", "LOG_KEY", None, None, str(refused))]
        self._keys = [NoteKey(self.origin, key) for key in keys]
        return []

    def _tile_findings(self, grown: Sequence[Tile], stored: Mapping[tuple[int, int], bytes]) -> list[Finding]:
        found = []
        for tile in grown:
            if tile.level > 0:
                self._tiles[(tile.level, tile.n)] = tile.hashes
            elif stored.get((0, tile.n)) != tile.hashes:
                found.append(_tile_finding(0, tile.n))
        return found

    def _checkpoint_findings(self, checkpoint: LogCheckpoint, root: bytes) -> list[Finding]:
        found = []
        at = checkpoint.size - 1
        self._roots[checkpoint.size] = root
        if checkpoint.root != root:
            found.append(Finding("ROOT", "log_checkpoint", None, at, "the leaves lead to another root"))
        try:
            text, _ = open_note(checkpoint.note, self._keys)
            said = Checkpoint.parse(text)
        except NoteRefused as refused:
            return [*found, Finding("NOTE", "log_checkpoint", None, at, str(refused))]
        if said != Checkpoint(self.origin, checkpoint.size, checkpoint.root):
            found.append(
                Finding("NOTE", "log_checkpoint", None, at, "the note says something else than its row")
            )
        return found

    async def _edge_findings(self) -> list[Finding]:
        async with self.db.read() as read:
            edge = await read.fetch("SELECT level, hashes FROM log_edge ORDER BY level")
            tiles = await read.fetch("SELECT level, number, hashes FROM log_tile WHERE level > 0")
            count = await read.fetch("SELECT count(*) FROM log_tile WHERE level = 0")
            last = await store.find_checkpoint(read)
        found = []
        # Where the log has grown since this audit began, its edge is another one by now.
        if (last.size if last else 0) == self._edge.size:
            if tuple(row["hashes"] for row in edge) != self._edge.partials:
                found.append(Finding("TILE", "log_edge", None, None, "the edge is not that of the leaves"))
            if count[0][0] != self._edge.size // 256:
                found.append(
                    Finding("TILE", "log_tile", None, None, "more or fewer tiles than leaves ask for")
                )
        stored = {(row[0], row[1]): row[2] for row in tiles}
        found += [
            _tile_finding(*place) for place, hashes in self._tiles.items() if stored.get(place) != hashes
        ]
        return found

    async def _unlogged(self) -> list[Finding]:
        found: list[Finding] = []
        for source in {id(source): source for source in self.sources.values()}.values():
            async with self.db.read() as read:
                rows = await read.fetch(
                    f"SELECT f.fact_id, f.kind FROM ({source.facts}) f "  # noqa: S608 - our own statements
                    "WHERE NOT EXISTS (SELECT FROM log_leaf l WHERE l.fact_id = f.fact_id AND l.kind = f.kind) "
                    "AND NOT EXISTS (SELECT FROM log_pending p WHERE p.fact_id = f.fact_id) LIMIT $1",
                    UNLOGGED_MAX,
                )
            found += [
                Finding("NOT_LOGGED", row["kind"], row["fact_id"], None, "it came in past the log")
                for row in rows
            ]
        return found

    async def _contradictions(self) -> list[Finding]:
        found: list[Finding] = []
        for source in {id(source): source for source in self.sources.values()}.values():
            found += await self._contradicting(source)
        return found

    async def _contradicting(self, source: FactSource) -> list[Finding]:
        if source.contradictions is None:
            return []
        async with self.db.read() as read:
            rows = await read.fetch(source.contradictions)
        return [Finding("CONTRADICTION", row["kind"], row["fact_id"], None, row["reason"]) for row in rows]

    def _kept_findings(self) -> list[Finding]:
        """A note kept outside must be one of the checkpoints, over the very same leaves."""
        if self.kept is None:
            return []
        try:
            text, _ = open_note(self.kept, self._keys)
            said = Checkpoint.parse(text)
        except NoteRefused as refused:
            return [Finding("KEPT", "checkpoint kept outside", None, None, str(refused))]
        if self._roots.get(said.size) == said.root:
            return []
        what = "over other leaves" if said.size in self._roots else "and is not among the checkpoints"
        return [
            Finding("KEPT", "log_checkpoint", None, said.size - 1, f"{said.size} leaves were signed, {what}")
        ]


def _tile_finding(level: int, number: int) -> Finding:
    return Finding("TILE", f"log_tile {level}/{number}", None, None, "its hashes are not those of the leaves")
