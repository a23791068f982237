"""Shapes of the feed: facts with their numbers in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Self

import strawberry

import hub.schema.reference
import hub.schema.transparency  # noqa: F401 - both turn the enums used here into GraphQL's
from hub.domain import reference, registry, transparency
from hub.domain.feed import FeedItem as Item, FeedPage
from hub.domain.fiscal_events import AddedSignature, ReadMark as Mark, model
from hub.domain.reference.model import PREFIXES, Registry, Status
from hub.domain.registry.changes import PREFIXES as SUBJECT_PREFIXES, Subject
from hub.domain.transparency import LeafKind
from hub.kit.ids import public_id
from hub.schema.fiscal_events import FiscalEvent, FiscalMessage, Posting, posting_of
from hub.schema.posting_parts import Signature
from hub.schema.registry import SigningKey
from hub.schema.scalars import BigInt, Bytes, Instant

strawberry.enum(Subject, name="RegistrySubject", description="What of the registry changed.")


@strawberry.type(description="Somebody acknowledged, approved or rejected a posting.")
class SignatureAdded:
    posting: Posting
    signature: Signature

    @classmethod
    def of(cls, fact: AddedSignature) -> Self:
        return cls(posting=posting_of(fact.posting), signature=Signature.of(fact.signature))


@strawberry.type(description="A receiver marked a message as read, or put it back among the unread.")
class MessageRead:
    message: FiscalMessage
    system: str = strawberry.field(description="The receiver's unique id.")
    is_read: bool
    at: Instant

    @classmethod
    def of(cls, fact: Mark) -> Self:
        return cls(
            message=FiscalMessage.of(fact.posting),
            system=fact.system,
            is_read=fact.is_read,
            at=Instant(fact.at),
        )


@strawberry.type(description="A signing key was registered or changed its state; `key` is as it is now.")
class KeyChange:
    change: str = strawberry.field(description="ADDED, ACTIVE, RETIRING, RETIRED or COMPROMISED.")
    at: Instant
    key: SigningKey

    @classmethod
    def of(cls, fact: registry.KeyChange) -> Self:
        return cls(change=fact.change.change, at=Instant(fact.change.at), key=SigningKey.of(fact.key))


@strawberry.type(
    description="A line of the registry's history: that something changed, to be read where it is kept."
)
class RegistryChange:
    subject: Subject
    subject_id: strawberry.ID
    change: str
    at: Instant

    @classmethod
    def of(cls, fact: registry.Change) -> Self:
        return cls(
            subject=fact.subject,
            subject_id=strawberry.ID(public_id(SUBJECT_PREFIXES[fact.subject], fact.subject_id)),
            change=fact.change,
            at=Instant(fact.at),
        )


@strawberry.type(description="A version of an entry in a reference registry.")
class ReferenceChange:
    registry: Registry
    entry_id: strawberry.ID
    scope: str = strawberry.field(
        description="Of levels and administrative units: the hierarchy; else empty."
    )
    code: str
    name: str
    version: int
    status: Status
    valid_from: date
    valid_to: date | None
    at: Instant

    @classmethod
    def of(cls, fact: reference.EntryChange) -> Self:
        return cls(
            registry=fact.registry,
            entry_id=strawberry.ID(public_id(PREFIXES[fact.registry], fact.entry_id)),
            scope=fact.scope,
            code=fact.code,
            name=fact.name,
            version=fact.version_no,
            status=fact.status,
            valid_from=fact.valid_from,
            valid_to=fact.valid_to,
            at=Instant(fact.recorded_at),
        )


@strawberry.type(description="The log's own word: which key signs its checkpoints from here on.")
class LogKeyAnnounced:
    statement: Bytes = strawberry.field(description="The public leaf, FXH-LOG-KEY-V1.")

    @classmethod
    def of(cls, fact: transparency.Announcement) -> Self:
        return cls(statement=Bytes(fact.statement))


Fact = Annotated[
    FiscalEvent
    | FiscalMessage
    | SignatureAdded
    | MessageRead
    | KeyChange
    | RegistryChange
    | ReferenceChange
    | LogKeyAnnounced,
    strawberry.union(
        name="Fact",
        description="What a leaf of the log stands for, as far as the feed tells of it.",
    ),
]


SHAPES: Mapping[type, Callable[[Any], Fact]] = {
    model.Posting: posting_of,
    AddedSignature: SignatureAdded.of,
    Mark: MessageRead.of,
    registry.KeyChange: KeyChange.of,
    registry.Change: RegistryChange.of,
    reference.EntryChange: ReferenceChange.of,
    transparency.Announcement: LogKeyAnnounced.of,
}


def fact_of(item: Item) -> Fact:
    """The shape of a fact."""
    return SHAPES[type(item.fact)](item.fact)


@strawberry.type(description="A fact with its number: gap-free over the whole log, in the log's order.")
class FeedItem:
    log_index: BigInt
    kind: LeafKind
    sequenced_at: Instant
    fact: Fact

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(
            log_index=BigInt(item.log_index),
            kind=item.kind,
            sequenced_at=Instant(item.sequenced_at),
            fact=fact_of(item),
        )


@strawberry.type(description="Facts in the log's order, each once. Read on from `scannedTo`.")
class Feed:
    items: list[FeedItem]
    scanned_to: BigInt | None = strawberry.field(
        description="Every leaf up to this one was looked at, also where the caller may see none: the next `after`. "
        "Null only while the log is empty."
    )
    has_more: bool = strawberry.field(description="Whether the log goes on behind `scannedTo`.")
    size: BigInt = strawberry.field(description="How many leaves the log has; the last one is size - 1.")

    @classmethod
    def of(cls, page: FeedPage) -> Self:
        return cls(
            items=[FeedItem.of(item) for item in page.items],
            scanned_to=BigInt(page.scanned_to) if page.scanned_to >= 0 else None,
            has_more=page.has_more,
            size=BigInt(page.size),
        )


@strawberry.type(description="An event with its number in the log.")
class SequencedEvent:
    log_index: BigInt
    sequenced_at: Instant
    event: FiscalEvent

    @classmethod
    def of(cls, item: Item) -> Self:
        assert isinstance(item.fact, model.Posting)
        return cls(
            log_index=BigInt(item.log_index),
            sequenced_at=Instant(item.sequenced_at),
            event=FiscalEvent.of(item.fact),
        )


@strawberry.type(description="A message to the caller with its number in the log.")
class SequencedMessage:
    log_index: BigInt
    sequenced_at: Instant
    message: FiscalMessage

    @classmethod
    def of(cls, item: Item) -> Self:
        assert isinstance(item.fact, model.Posting)
        return cls(
            log_index=BigInt(item.log_index),
            sequenced_at=Instant(item.sequenced_at),
            message=FiscalMessage.of(item.fact),
        )
