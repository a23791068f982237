"""Shapes of retention: requests for erasures and what became of them, and legal holds."""

from __future__ import annotations

from typing import Self

import strawberry

from hub.domain.retention import Erasure as ErasureValue, ErasureState, Hold, Subject
from hub.kit.ids import public_id
from hub.schema.problems import Payload
from hub.schema.scalars import Instant

strawberry.enum(Subject, name="ErasureSubject", description="What is erased: a document.")
strawberry.enum(
    ErasureState, description="VALIDATED: a dry run. REQUESTED: waits for an operator. ERASED: for good."
)


@strawberry.type(description="A request to erase something for good, and what became of it.")
class Erasure:
    id: strawberry.ID | None = strawberry.field(description="None after a dry run.")
    subject: Subject
    places: list[str] = strawberry.field(description="What is erased: a document's SHA-256.")
    posting_count: int = strawberry.field(description="How many postings show it.")
    reason: str
    legal_basis: str
    state: ErasureState
    requested_at: Instant
    decided_at: Instant | None

    @classmethod
    def of(cls, value: ErasureValue) -> Self:
        return cls(
            id=strawberry.ID(public_id("ers", value.id)) if value.id is not None else None,
            subject=value.subject,
            places=list(value.places),
            posting_count=len(value.posting_ids),
            reason=value.reason,
            legal_basis=value.legal_basis,
            state=value.state,
            requested_at=Instant(value.requested_at),
            decided_at=Instant(value.decided_at) if value.decided_at is not None else None,
        )


@strawberry.type(description="Keeps a posting, and the documents attached to it, from being erased.")
class LegalHold:
    id: strawberry.ID
    reason: str
    legal_basis: str
    placed_at: Instant
    released_at: Instant | None

    @classmethod
    def of(cls, value: Hold) -> Self:
        return cls(
            id=strawberry.ID(public_id("hld", value.id)),
            reason=value.reason,
            legal_basis=value.legal_basis,
            placed_at=Instant(value.placed_at),
            released_at=Instant(value.released_at) if value.released_at is not None else None,
        )


@strawberry.type
class ErasurePayload(Payload):
    erasure: Erasure | None = None


@strawberry.type
class LegalHoldPayload(Payload):
    hold: LegalHold | None = None


@strawberry.input
class RequestErasureInput:
    posting: strawberry.ID = strawberry.field(description="A posting that shows what is to be erased.")
    sha256: str = strawberry.field(description="The document; it is erased wherever its sender attached it.")
    reason: str
    legal_basis: str
    validate_only: bool = strawberry.field(
        default=False, description="Say what would be erased; nothing is written."
    )


@strawberry.input
class DecideErasureInput:
    government: str
    id: strawberry.ID
    approve: bool
    comment: str


@strawberry.input
class PlaceLegalHoldInput:
    posting: strawberry.ID
    reason: str
    legal_basis: str


@strawberry.input
class ReleaseLegalHoldInput:
    government: str
    id: strawberry.ID
    reason: str
