"""Reading the log: checkpoints, leaves, tiles, and the proofs that lead from one to the other. Public but for nonces."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hub.codes import Code
from hub.db import Read
from hub.domain.transparency import store
from hub.domain.transparency.model import Inclusion, Leaf, LogCheckpoint, NotInLog
from hub.domain.transparency.sequencing import entry_of
from hub.errors import Corrupted, InvalidInput
from hub.signing import (
    TILE_WIDTH,
    BundleRef,
    TileRef,
    consistency_proof,
    entry_bundle,
    inclusion_proof,
    needed_tiles_for_consistency,
    needed_tiles_for_inclusion,
)


async def find_checkpoint(read: Read, size: int | None = None) -> LogCheckpoint | None:
    """The last checkpoint, or the one of this size; None where there is none."""
    return await store.find_checkpoint(read, size)


async def find_published(read: Read) -> str | None:
    """The last checkpoint as the log publishes it: its note, and the witnesses' lines under it."""
    last = await store.find_checkpoint(read)
    if last is None:
        return None
    return last.note + "".join(await store.list_cosignatures(read, last.size))


async def find_leaf(read: Read, fact_id: uuid.UUID) -> Leaf | None:
    """The leaf of a fact the caller has been let see; None while it waits for its number."""
    return await store.find_leaf(read, fact_id)


async def get_inclusion(read: Read, fact_id: uuid.UUID) -> Inclusion:
    """The proof that this fact is in the tree of the last checkpoint; raises NotInLog while it has no number.

    The caller has been let see the fact: the leaf's nonce opens what it commits to.
    """
    (found,) = await list_inclusions(read, [fact_id])
    return found


async def list_inclusions(read: Read, fact_ids: Sequence[uuid.UUID]) -> list[Inclusion]:
    """The proofs of several facts, all to the same checkpoint; raises NotInLog while one of them has no number."""
    last = await store.find_checkpoint(read)
    by_fact = await store.list_leaves_of(read, fact_ids)
    leaves = [by_fact.get(fact_id) for fact_id in fact_ids]
    found = [leaf for leaf in leaves if leaf is not None and last is not None and leaf.log_index < last.size]
    if last is None or len(found) < len(fact_ids):
        raise NotInLog.because(Code.NOT_IN_LOG, Code.NOT_IN_LOG.summary)
    refs = {ref for leaf in found for ref in needed_tiles_for_inclusion(leaf.log_index, last.size)}
    tiles = await store.list_tiles(read, list(refs))
    return [Inclusion(leaf, last, inclusion_proof(leaf.log_index, last.size, tiles)) for leaf in found]


async def list_cosignatures(read: Read, size: int) -> list[str]:
    """The witnesses' signature lines under the checkpoint of this size."""
    return await store.list_cosignatures(read, size)


async def get_consistency(read: Read, old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the tree of ``old`` leaves is the beginning of that of ``new``; empty for the empty tree.

    Raises InvalidInput LOG_SIZE unless 0 <= old <= new <= the last checkpoint's size.
    """
    last = await store.find_checkpoint(read)
    if not 0 <= old <= new <= (last.size if last else 0):
        raise InvalidInput.because(Code.LOG_SIZE, Code.LOG_SIZE.summary)
    if old in (0, new):
        return ()
    return consistency_proof(old, new, await store.list_tiles(read, needed_tiles_for_consistency(old, new)))


async def find_tile(read: Read, ref: TileRef) -> bytes | None:
    """The hashes of a tile, exactly as wide as asked for; None where the tree has not grown so far."""
    found = (await store.list_tiles(read, [ref])).get(ref.place, b"")[: ref.width * 32]
    return found if len(found) == ref.width * 32 else None


async def find_bundle(read: Read, ref: BundleRef) -> bytes | None:
    """The entries of a bundle, exactly as many as asked for; None where the log is not so long."""
    first = ref.n * TILE_WIDTH
    leaves = await store.list_leaves(read, first, first + ref.width)
    return entry_bundle(map(entry_of, leaves)) if len(leaves) == ref.width else None


async def list_leaves(read: Read, after: int, limit: int) -> list[Leaf]:
    """At most ``limit`` leaves behind index ``after`` (-1: from the beginning), in order and without a gap."""
    leaves = await store.list_leaves(read, after + 1, after + 1 + limit)
    if any(leaf.log_index != index for index, leaf in enumerate(leaves, after + 1)):
        raise Corrupted("the log has a gap")
    return leaves


async def lag(read: Read) -> tuple[int, float]:
    """How many facts wait for their number, and for how many seconds the first of them has: for metrics and alarms."""
    return await store.lag(read)
