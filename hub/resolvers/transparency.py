"""Doors to the log: its checkpoints for everybody, the proof of a posting for who may see it."""

from __future__ import annotations

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.db import Read
from hub.domain import fiscal_events, transparency
from hub.domain.fiscal_events.model import Posting
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.errors import NotFound
from hub.kit.ids import uuid_of
from hub.schema.scalars import BigInt, Bytes
from hub.schema.transparency import Evidence, LogCheckpoint, LogProof

KINDS = {"evt": PostingKind.EVENT, "msg": PostingKind.MESSAGE}


@strawberry.type
class TransparencyQuery:
    @strawberry.field(description="The last checkpoint of the log, or the one of a size that was published.")
    async def log_checkpoint(self, info: Info, size: BigInt | None = None) -> LogCheckpoint | None:
        async with info.context.db.read() as read:
            found = await transparency.find_checkpoint(read, size)
        return None if found is None else LogCheckpoint.of(found)

    @strawberry.field(
        description="The proof that the log's tree of `old` leaves is the beginning of that of `new` leaves."
    )
    async def log_consistency(self, info: Info, old: BigInt, new: BigInt) -> list[Bytes]:
        async with info.context.db.read() as read:
            return [Bytes(part) for part in await transparency.get_consistency(read, old, new)]

    @strawberry.field(
        description="The proof that an event or message is in the log. NOT_IN_LOG in the second before it is."
    )
    async def log_proof(self, info: Info, id: strawberry.ID) -> LogProof:
        async with info.context.db.read() as read:
            return LogProof.of(await fiscal_events.prove(read, await _posting(read, info, id)))

    @strawberry.field(
        description="The evidence file of an event or message, for `fiscal-hub verify evidence`. NOT_IN_LOG before it is."
    )
    async def evidence(self, info: Info, id: strawberry.ID) -> Evidence:
        context = info.context
        async with context.db.read() as read:
            posting = await _posting(read, info, id)
            text = await fiscal_events.evidence(read, context.means, context.caller, posting)
        return Evidence(file_name=fiscal_events.evidence_file_name(posting.id), json=text)


async def _posting(read: Read, info: Info, id: str) -> Posting:
    """The posting, if the caller may see it; raises NotFound."""
    prefix = id.partition("_")[0]
    posting_id = uuid_of(prefix, id) if prefix in KINDS else None
    found = (
        await fiscal_events.find_posting(read, info.context.caller, posting_id, KINDS[prefix])
        if posting_id is not None
        else None
    )
    if found is None:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "id")
    return found
