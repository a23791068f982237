"""Doors to retention: asking for erasures, deciding on them, legal holds."""

from __future__ import annotations

import uuid

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.db import Read
from hub.domain import fiscal_events, registry, retention
from hub.domain.fiscal_events import RequestErasure
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.errors import NotFound
from hub.kit import cursors
from hub.resolvers.doors import door
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.posting_inputs import posting_id
from hub.schema.registry_inputs import wanted
from hub.schema.retention import (
    DecideErasureInput,
    Erasure,
    ErasurePayload,
    LegalHold,
    LegalHoldPayload,
    PlaceLegalHoldInput,
    ReleaseLegalHoldInput,
    RequestErasureInput,
)


async def _government(read: Read, info: Info, code: str) -> uuid.UUID:
    """A government the caller knows of; raises NotFound."""
    registry.require_known(info.context.caller)
    found = await registry.find_tenant(read, info.context.caller, code)
    if found is None:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "government")
    return found.id


def _named(text: strawberry.ID) -> tuple[PostingKind, uuid.UUID]:
    prefix, value = posting_id(text, Code.NOT_FOUND, "posting")
    return (PostingKind.EVENT if prefix == "evt" else PostingKind.MESSAGE), value


@strawberry.type
class RetentionQuery:
    @strawberry.field(
        description="For operators: requests for erasures and what became of them, oldest first."
    )
    async def erasures(
        self, info: Info, government: str, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Erasure]:
        limit, since = page_size(first) + 1, None if after is None else cursors.decode_id("erasures", after)
        async with info.context.db.read() as read:
            tenant_id = await _government(read, info, government)
            rows = await retention.list_erasures(
                read, info.context.caller, tenant_id, after=since, limit=limit
            )
        return Connection[Erasure].of(
            rows, first, Erasure.of, lambda row: cursors.encode("erasures", str(row.id))
        )

    @strawberry.field(description="For operators: legal holds, oldest first, released ones too.")
    async def legal_holds(
        self, info: Info, government: str, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[LegalHold]:
        limit, since = page_size(first) + 1, None if after is None else cursors.decode_id("legalHolds", after)
        async with info.context.db.read() as read:
            tenant_id = await _government(read, info, government)
            rows = await retention.list_holds(read, info.context.caller, tenant_id, after=since, limit=limit)
        return Connection[LegalHold].of(
            rows, first, LegalHold.of, lambda row: cursors.encode("legalHolds", str(row.id))
        )


@strawberry.type
class RetentionMutation:
    @strawberry.mutation(
        description="Ask for something to be erased for good; an operator who is somebody else decides."
    )
    @door
    async def request_erasure(self, info: Info, input: RequestErasureInput) -> ErasurePayload:
        kind, value = _named(input.posting)
        command = RequestErasure(value, kind, input.sha256, input.reason, input.legal_basis)
        async with info.context.db.transaction() as tx:
            made = await fiscal_events.request_erasure(
                tx, info.context.caller, command, validate_only=input.validate_only
            )
        return ErasurePayload(erasure=Erasure.of(made))

    @strawberry.mutation(
        description="For operators: erase what was asked for, which nobody can undo, or refuse."
    )
    @door
    async def decide_erasure(self, info: Info, input: DecideErasureInput) -> ErasurePayload:
        erasure_id = wanted("ers", input.id, "id")
        async with info.context.db.transaction() as tx:
            tenant_id = await _government(tx, info, input.government)
            made = await retention.decide(
                tx, info.context.caller, tenant_id, erasure_id, approve=input.approve, comment=input.comment
            )
        return ErasurePayload(erasure=Erasure.of(made))

    @strawberry.mutation(description="For operators: keep a posting and its documents from being erased.")
    @door
    async def place_legal_hold(self, info: Info, input: PlaceLegalHoldInput) -> LegalHoldPayload:
        kind, value = _named(input.posting)
        async with info.context.db.transaction() as tx:
            made = await fiscal_events.hold(
                tx, info.context.caller, (kind, value), input.reason, input.legal_basis
            )
        return LegalHoldPayload(hold=LegalHold.of(made))

    @strawberry.mutation(description="For operators: end a legal hold.")
    @door
    async def release_legal_hold(self, info: Info, input: ReleaseLegalHoldInput) -> LegalHoldPayload:
        hold_id = wanted("hld", input.id, "id")
        async with info.context.db.transaction() as tx:
            tenant_id = await _government(tx, info, input.government)
            made = await retention.release_hold(tx, info.context.caller, tenant_id, hold_id, input.reason)
        return LegalHoldPayload(hold=LegalHold.of(made))
