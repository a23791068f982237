"""Proving a posting: what its leaf in the log commits to, opened for a caller who may see the posting."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from hub.db import Read
from hub.domain import transparency
from hub.domain.fiscal_events.leaves import POSTINGS
from hub.domain.fiscal_events.model import Posting
from hub.domain.transparency import Inclusion, LeafKind
from hub.errors import Corrupted
from hub.signing.leaves import commitment


@dataclass(frozen=True, slots=True)
class PostingProof:
    """A posting's record as the log commits to it, and the proof that its leaf is in the signed tree."""

    record: bytes
    inclusion: Inclusion


async def prove(read: Read, posting: Posting) -> PostingProof:
    """Open the leaf of a posting the caller was let see.

    Raises NotInLog while the posting waits for its number; Corrupted when its rows are not those the leaf stands for.
    """
    inclusion = await transparency.get_inclusion(read, posting.id)
    record = await _record(read, posting.tenant_id, posting.id, LeafKind(posting.kind.value))
    if commitment(inclusion.leaf.nonce, record) != inclusion.leaf.commitment:
        raise Corrupted("the rows of a posting are not those its leaf commits to")
    return PostingProof(record, inclusion)


async def _record(read: Read, tenant_id: uuid.UUID, posting_id: uuid.UUID, kind: LeafKind) -> bytes:
    (row,) = await read.fetch(POSTINGS.sql, [tenant_id], [posting_id])
    return POSTINGS.record(kind, row).bytes()
