"""The sequencer's verb: committed facts get gap-free numbers, the tree grows, a checkpoint is signed.

One leader at a time calls it, on the database session that holds the leader's lock: when the session ends, its
transaction ends with it, so two leaders cannot both write. Nothing here runs in the posting path.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.db import Read, Transaction
from hub.domain.transparency import store
from hub.domain.transparency.model import (
    Leaf,
    LeafKind,
    LogCheckpoint,
    LogForked,
    LogKeyUnknown,
    Pending,
    Sources,
)
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import Checkpoint, Edge, Growth, HubKey, TileRefused, grow, sign_note
from hub.signing.announcements import announcement
from hub.signing.leaves import NONCE_BYTES, Record, commitment, entry, new_nonce
from hub.signing.merkle import leaf_hash

BATCH_MAX = 4_000
# One advisory lock for the one log of a database; any number serves that nothing else in the hub uses.
LEADER_LOCK = 0x66786C6F67


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What a batch did: how many leaves it made, the tree's edge for the next one, whether the log names our key."""

    count: int
    edge: Edge
    is_announced: bool


async def begin_leading(read: Read) -> bool:
    """Whether this session is the log's one leader now, until it ends.

    A leader whose machine vanishes without a word is given up by the database within five seconds.
    """
    await read.fetch(
        "SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false), "
        "set_config('tcp_keepalives_count', '2', false)"
    )
    rows = await read.fetch("SELECT pg_try_advisory_lock($1)", LEADER_LOCK)
    return bool(rows[0][0])


async def take_up(read: Read) -> Sequenced:
    """Where the log stands, as a new leader finds it. Raises LogForked when the edge is not the last checkpoint's."""
    try:
        edge = await store.find_edge(read)
    except TileRefused as refused:
        raise LogForked(str(refused)) from refused
    last = await store.find_checkpoint(read)
    if last is not None and grow(edge, ()).root != last.root:
        raise LogForked("the edge leads to another root than the last checkpoint's")
    return Sequenced(0, edge, is_announced=False)


async def sequence(tx: Transaction, means: Means, sources: Sources, state: Sequenced) -> Sequenced | None:
    """Number what waits, at most BATCH_MAX facts; None when nothing does. The caller commits, or forgets the answer.

    Raises LogKeyUnknown when the configured key is new and the one that signed so far cannot vouch for it.
    """
    announced, keys = await _announce(tx, means, state.edge.size)
    taken = await store.take_pending(tx, BATCH_MAX)
    if not taken and not announced:
        return None if state.is_announced else Sequenced(0, state.edge, is_announced=True)
    first = state.edge.size + len(announced)
    records = await _records(tx, sources, taken)
    # Hashing a few thousand records takes tens of milliseconds, which a web process beside us may need.
    leaves, growth = await asyncio.to_thread(_grow, state.edge, announced, taken, records, first, tx.now)
    await store.insert_leaves(tx, leaves)
    await store.insert_tree(tx, growth.full_tiles, growth.edge)
    for leaf in announced:
        await store.insert_key(tx, means.log_key.public.raw, leaf.log_index)
    await store.insert_checkpoint(tx, _checkpoint(means.log_origin, growth, keys, tx.now))
    return Sequenced(len(leaves), growth.edge, is_announced=True)


async def _records(tx: Transaction, sources: Sources, taken: Sequence[Pending]) -> dict[uuid.UUID, Record]:
    """The record of each fact, as its room reads it."""
    found: dict[uuid.UUID, Record] = {}
    for source in {id(sources[fact.kind]): sources[fact.kind] for fact in taken}.values():
        facts = {fact.fact_id: fact for fact in taken if fact.kind in source.kinds}
        rows = await store.parts_of(tx, source, [(fact.tenant_id, fact.fact_id) for fact in facts.values()])
        for row in rows:
            fact = facts[row["fact_id"]]
            found[fact.fact_id] = source.record(fact.kind, row)
    return found


def _grow(
    edge: Edge,
    announced: Sequence[Leaf],
    taken: Sequence[Pending],
    records: dict[uuid.UUID, Record],
    first: int,
    now: datetime,
) -> tuple[list[Leaf], Growth]:
    """The leaves of a batch and the tree with them. A fact whose rows have vanished is a leaf without parts."""
    leaves = list(announced)
    for log_index, fact in enumerate(taken, first):
        record = records.get(fact.fact_id) or Record(fact.kind.value, fact.tenant_id, fact.fact_id, {})
        nonce = new_nonce()
        committed = commitment(nonce, record.bytes())
        leaves.append(Leaf(log_index, fact.kind, fact.tenant_id, fact.fact_id, nonce, committed, None, now))
    return leaves, grow(edge, [leaf_hash(entry_of(leaf)) for leaf in leaves])


def entry_of(leaf: Leaf) -> bytes:
    """The bytes a leaf's hash is over, as everybody may read them in the entry bundles."""
    return leaf.statement if leaf.statement is not None else entry(leaf.commitment)


async def _announce(tx: Transaction, means: Means, size: int) -> tuple[list[Leaf], tuple[HubKey, ...]]:
    """The leaf that announces the configured key if none did, and the keys to sign with.

    1. The first key of a log vouches for itself: whoever follows the log learns it from outside.
    2. A later one is vouched for by the key that signed before, which signs the covering checkpoint as well.
    """
    known = await store.list_keys(tx)
    current = means.log_key
    if known and known[-1][0] == current.public.raw:
        return [], (current,)
    if any(raw == current.public.raw for raw, _ in known):
        raise LogKeyUnknown("a log key that was replaced may not come back")
    previous = means.log_key_previous
    if known and (previous is None or previous.public.raw != known[-1][0]):
        raise LogKeyUnknown("the log key is new, and HUB_LOG_KEY_PREVIOUS is not the one that signed so far")
    voucher = previous if known and previous is not None else current
    statement = announcement(means.log_origin, current, voucher, at=tx.now)
    leaf = Leaf(
        size,
        LeafKind.LOG_KEY,
        None,
        new_id(),
        bytes(NONCE_BYTES),
        hashlib.sha256(statement).digest(),
        statement,
        tx.now,
    )
    return [leaf], (voucher, current) if known else (current,)


def _checkpoint(origin: str, growth: Growth, keys: Sequence[HubKey], now: datetime) -> LogCheckpoint:
    body = Checkpoint(origin, growth.size, growth.root)
    return LogCheckpoint(growth.size, growth.root, sign_note(body.text, origin, keys), now)
