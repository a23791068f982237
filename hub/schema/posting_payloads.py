"""What the mutations of postings answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import strawberry

from hub.domain.fiscal_events import model
from hub.domain.fiscal_events.documents import Document as DocumentValue
from hub.schema.fiscal_events import (
    FiscalEvent,
    FiscalMessage,
    InboxEntry,
    Posting,
    posting_of,
)
from hub.schema.posting_enums import PostOutcome
from hub.schema.posting_parts import Receipt, Signature, Warning
from hub.schema.problems import Payload, Problem
from hub.schema.scalars import Instant


def _warnings(verdict: model.Verdict) -> list[Warning]:
    return [
        Warning(code=w.code, path=[str(part) for part in w.path], message=w.message) for w in verdict.warnings
    ]


def _receipt(verdict: model.Verdict) -> Receipt | None:
    return Receipt.of(verdict.receipt) if verdict.receipt is not None else None


@strawberry.type
class PostFiscalEventPayload(Payload):
    outcome: PostOutcome = PostOutcome.REFUSED
    event: FiscalEvent | None = None
    receipt: Receipt | None = None
    warnings: list[Warning] = strawberry.field(default_factory=list, metadata={"list_size": 1})

    @classmethod
    def of(cls, verdict: model.Verdict, *prefix: str | int) -> Self:
        return cls(
            outcome=verdict.outcome,
            event=FiscalEvent.of(verdict.posting) if verdict.posting is not None else None,
            receipt=_receipt(verdict),
            warnings=_warnings(verdict),
            errors=Problem.all(verdict.errors, *prefix),
        )


@strawberry.type(description="One result per item, in order; `errors` concern the request as a whole.")
class PostFiscalEventsPayload(Payload):
    results: list[PostFiscalEventPayload] = strawberry.field(default_factory=list)

    @classmethod
    def of(cls, verdicts: Sequence[model.Verdict]) -> Self:
        return cls(
            results=[
                PostFiscalEventPayload.of(verdict, "input", "items", i) for i, verdict in enumerate(verdicts)
            ]
        )


@strawberry.type
class PostFiscalMessagePayload(Payload):
    outcome: PostOutcome = PostOutcome.REFUSED
    message: FiscalMessage | None = None
    receipt: Receipt | None = None
    warnings: list[Warning] = strawberry.field(default_factory=list, metadata={"list_size": 1})

    @classmethod
    def of(cls, verdict: model.Verdict, *prefix: str | int) -> Self:
        return cls(
            outcome=verdict.outcome,
            message=FiscalMessage.of(verdict.posting) if verdict.posting is not None else None,
            receipt=_receipt(verdict),
            warnings=_warnings(verdict),
            errors=Problem.all(verdict.errors, *prefix),
        )


@strawberry.type
class ReversePayload(Payload):
    outcome: PostOutcome = PostOutcome.REFUSED
    reversal: Posting | None = None
    receipt: Receipt | None = None
    warnings: list[Warning] = strawberry.field(default_factory=list, metadata={"list_size": 1})

    @classmethod
    def of(cls, verdict: model.Verdict, *prefix: str | int) -> Self:
        return cls(
            outcome=verdict.outcome,
            reversal=posting_of(verdict.posting) if verdict.posting is not None else None,
            receipt=_receipt(verdict),
            warnings=_warnings(verdict),
            errors=Problem.all(verdict.errors, *prefix),
        )


@strawberry.type
class CorrectPayload(Payload):
    reversal: PostFiscalEventPayload | None = None
    replacement: PostFiscalEventPayload | None = None

    @classmethod
    def of(cls, verdicts: Sequence[model.Verdict]) -> Self:
        reversal, replacement = verdicts
        return cls(
            reversal=PostFiscalEventPayload.of(reversal),
            replacement=PostFiscalEventPayload.of(replacement),
        )


@strawberry.type
class AddSignaturePayload(Payload):
    signature: Signature | None = None

    @classmethod
    def of(cls, signature: model.Signature) -> Self:
        return cls(signature=Signature.of(signature))


@strawberry.type(description="A stored document, ready to be attached.")
class Document:
    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: Instant


@strawberry.type
class UploadDocumentPayload(Payload):
    document: Document | None = None

    @classmethod
    def of(cls, document: DocumentValue) -> Self:
        return cls(
            document=Document(
                sha256=document.sha256,
                media_type=document.media_type,
                size_bytes=document.size_bytes,
                uploaded_at=Instant(document.uploaded_at),
            )
        )


@strawberry.type
class MessagesPayload(Payload):
    messages: list[InboxEntry] = strawberry.field(default_factory=list)
