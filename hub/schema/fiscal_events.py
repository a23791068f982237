"""Shapes of fiscal events and messages: what is read, with the lists beside a posting loaded in batches."""

from __future__ import annotations

from typing import Self

import strawberry

from hub.context import Info
from hub.domain.fiscal_events import model, vocabulary
from hub.domain.fiscal_events.aggregates import GroupBy, Total
from hub.domain.fiscal_events.chains import Lineage as LineageValue
from hub.domain.fiscal_events.inbox import InboxItem
from hub.kit.ids import public_id
from hub.schema import posting_lists
from hub.schema.nodes import Node
from hub.schema.posting_enums import (
    Classification,
    Dimension,
    MajorType,
    Qualifier,
    Relation,
    SubType,
    Type,
)
from hub.schema.posting_parts import (
    ApprovalState,
    Attachment,
    Delivery,
    LineItem,
    Link,
    Receipt,
    Reversal,
    ReversalState,
    Signature,
    Warning,
)
from hub.schema.scalars import Amount, Attributes, BigInt, Bytes, Instant


@strawberry.interface(description="What fiscal events and fiscal messages have in common.")
class Posting(Node):
    row: strawberry.Private[model.Posting]
    id: strawberry.ID
    from_: str = strawberry.field(name="from", description="Unique id of the system that posted.")
    government: str
    posted_at: Instant
    reference_id: str = strawberry.field(description="The sender's own number, unique per sender.")
    event_time: Instant
    type: Type
    major_type: MajorType
    sub_type: SubType
    qualifier: Qualifier | None
    process: str | None
    attribute_group: str | None
    classification: Classification
    schema_version: str
    currency: str
    total_amount: Amount = strawberry.field(description="Exact sum of the lines.")
    fiscal_year: int = strawberry.field(
        description="The calendar year the fiscal year of the event begins in."
    )
    content_digest: str = strawberry.field(description="SHA-256 of `content`, as sha256:<hex>.")

    @strawberry.field(description="Systems this posting is addressed to; empty: every consumer.")
    async def to(self, info: Info) -> list[str]:
        return [r.system for r in await posting_lists.receivers(info, self.row)]

    @strawberry.field(
        description="The exact bytes that were signed: a domain line and canonical JSON. Null where they hold "
        "personal values and the caller is neither sender nor receiver: verify by `contentDigest` then."
    )
    async def content(self, info: Info) -> Bytes | None:
        is_withheld = await posting_lists.is_withheld(info, self.row)
        return None if is_withheld else Bytes(self.row.content)

    @strawberry.field(description="Personal values are masked, but for sender and receivers.")
    async def attributes(self, info: Info) -> Attributes:
        is_masked = await posting_lists.is_masked(info, self.row, self.row.attributes)
        return posting_lists.attributes(self.row.attributes, is_masked=is_masked)

    @strawberry.field
    async def warnings(self) -> list[Warning]:
        return [
            Warning(code=w["code"], path=[str(part) for part in w["path"]], message=w["message"])
            for w in self.row.warnings
        ]

    @strawberry.field
    async def line_items(self, info: Info) -> list[LineItem]:
        lines = await posting_lists.lines(info, self.row)
        is_masked = await posting_lists.is_masked(info, self.row, *(line.attributes for line in lines))
        return [LineItem.of(line, is_masked=is_masked) for line in lines]

    @strawberry.field
    async def signatures(self, info: Info) -> list[Signature]:
        return [Signature.of(s) for s in await posting_lists.signatures(info, self.row)]

    @strawberry.field
    async def approval_state(self, info: Info) -> ApprovalState:
        purposes = {s.purpose for s in await posting_lists.signatures(info, self.row)}
        for purpose, state in (
            (vocabulary.Purpose.REJECTION, ApprovalState.REJECTED),
            (vocabulary.Purpose.APPROVAL, ApprovalState.APPROVED),
            (vocabulary.Purpose.ACKNOWLEDGEMENT, ApprovalState.ACKNOWLEDGED),
        ):
            if purpose in purposes:
                return state
        return ApprovalState.NONE

    @strawberry.field
    async def receipt(self, info: Info) -> Receipt:
        return Receipt.of(await posting_lists.receipt(info, self.row))

    @strawberry.field
    async def attachments(self, info: Info) -> list[Attachment]:
        stored = await posting_lists.attachments(info, self.row)
        is_masked = await posting_lists.is_masked(
            info, self.row, *({a.attachment.key or "": ""} for a in stored)
        )
        return [Attachment.of(attachment, is_masked=is_masked) for attachment in stored]

    @strawberry.field(description="Links to earlier postings, resolved to what the caller can see.")
    async def links(self, info: Info) -> list[Link]:
        return [Link.of(link) for link in await posting_lists.links(info, self.row)]

    @strawberry.field(description="Set on reversals only.")
    async def reversal(self) -> Reversal | None:
        row = self.row
        if row.reverses_id is None or row.reversal_mode is None or row.reversal_reason is None:
            return None
        return Reversal(
            reverses=strawberry.ID(public_id(model.PREFIXES[row.kind], row.reverses_id)),
            mode=row.reversal_mode,
            reason=row.reversal_reason,
            comment=row.reversal_comment,
        )

    @strawberry.field(description="How much was taken back so far, in the posting's own sign.")
    async def reversed_amount(self, info: Info) -> Amount:
        return Amount(format(await posting_lists.reversed_total(info, self.row), "f"))

    @strawberry.field(description="Total less what was taken back.")
    async def net_amount(self, info: Info) -> Amount:
        left = self.row.total_amount - await posting_lists.reversed_total(info, self.row)
        return Amount(format(left, "f"))

    @strawberry.field
    async def reversal_state(self, info: Info) -> ReversalState:
        if self.row.reverses_id is not None:
            return ReversalState.IS_REVERSAL
        back = await posting_lists.taken_back(info, self.row)
        if back is None or not back.is_begun:
            return ReversalState.NONE
        return ReversalState.REVERSED if back.is_whole else ReversalState.PARTIALLY_REVERSED


def header(row: model.Posting) -> dict[str, object]:
    """The members that every posting's shape takes from its row."""
    return {
        "row": row,
        "id": strawberry.ID(row.public_id),
        "from_": row.sender,
        "government": row.government,
        "posted_at": row.posted_at,
        "reference_id": row.reference_id,
        "event_time": row.event_time,
        "type": row.type,
        "major_type": row.major_type,
        "sub_type": row.sub_type,
        "qualifier": row.qualifier,
        "process": row.process,
        "attribute_group": row.attribute_group,
        "classification": row.classification,
        "schema_version": row.schema_version,
        "currency": row.currency,
        "total_amount": format(row.total_amount, "f"),
        "fiscal_year": row.fiscal_year,
        "content_digest": f"sha256:{row.content_digest.hex()}",
    }


@strawberry.type(description="A fact about public money, for every entitled consumer.")
class FiscalEvent(Posting):
    @classmethod
    def of(cls, row: model.Posting) -> Self:
        return cls(**header(row))  # type: ignore[arg-type]

    @strawberry.field(description="Reversals of this event, oldest first.")
    async def reversals(self, info: Info) -> list[FiscalEvent]:
        return [FiscalEvent.of(row) for row in await posting_lists.reversals(info, self.row)]


@strawberry.type(
    description="The same shape, addressed to named systems and readable by them and its sender alone."
)
class FiscalMessage(Posting):
    topic: str | None
    correlation_id: str | None

    @classmethod
    def of(cls, row: model.Posting) -> Self:
        return cls(topic=row.topic, correlation_id=row.correlation_id, **header(row))  # type: ignore[arg-type]

    @strawberry.field(
        description="For the sender: how far it got with each receiver. Receivers see their own entry."
    )
    async def deliveries(self, info: Info) -> list[Delivery]:
        return [Delivery.of(row) for row in await posting_lists.deliveries(info, self.row)]


def posting_of(row: model.Posting) -> FiscalEvent | FiscalMessage:
    """The shape of a posting's kind."""
    return FiscalEvent.of(row) if row.kind is vocabulary.PostingKind.EVENT else FiscalMessage.of(row)


@strawberry.type(description="A message in the caller's inbox.")
class InboxEntry:
    message: FiscalMessage
    delivered_at: Instant
    read_at: Instant | None

    @classmethod
    def of(cls, item: InboxItem) -> Self:
        return cls(
            message=FiscalMessage.of(item.posting),
            delivered_at=Instant(item.delivered_at),
            read_at=Instant(item.read_at) if item.read_at else None,
        )


@strawberry.type(description="A posting in a lineage; depth 0 is the start, negative towards plans.")
class LineageNode:
    depth: int
    posting: Posting


@strawberry.type(description="A link in a lineage.")
class LineageEdge:
    child: strawberry.ID
    relation: Relation
    parent: strawberry.ID | None = strawberry.field(description="None while the reference is not on record.")
    parent_system: str | None
    parent_reference_id: str | None


@strawberry.type(description="The chain of custody around a posting, as far as the caller can see it.")
class Lineage:
    nodes: list[LineageNode]
    edges: list[LineageEdge]
    truncated: bool = strawberry.field(description="More than 500 postings are linked.")

    @classmethod
    def of(cls, value: LineageValue) -> Self:
        ids = {posting.id: strawberry.ID(posting.public_id) for posting, _ in value.nodes}
        return cls(
            nodes=[LineageNode(depth=depth, posting=posting_of(row)) for row, depth in value.nodes],
            edges=[
                LineageEdge(
                    child=ids[edge.child_id],
                    relation=edge.relation,
                    parent=ids[edge.parent_id] if edge.parent_id else None,
                    parent_system=edge.parent_system,
                    parent_reference_id=edge.parent_reference,
                )
                for edge in value.edges
            ],
            truncated=value.truncated,
        )


@strawberry.type(description="One dimension's value of a group.")
class GroupKey:
    dimension: Dimension
    level: int | None
    value: str = strawberry.field(description="Empty where the lines carry no such code.")

    @strawberry.field(description="As people write it: the fiscal year 2021 is 2021-22; else the value.")
    def label(self) -> str:
        if self.dimension is not Dimension.FISCAL_YEAR:
            return self.value
        return f"{self.value}-{(int(self.value) + 1) % 100:02d}"


@strawberry.type(description="Exact figures of one group and currency.")
class EventTotal:
    keys: list[GroupKey]
    currency: str
    gross: Amount = strawberry.field(description="Sum of what was posted.")
    reversed: Amount = strawberry.field(description="Sum of reversals, negative.")
    net: Amount = strawberry.field(description="Gross and reversed together.")
    events: BigInt
    lines: BigInt

    @classmethod
    def of(cls, total: Total, by: list[GroupBy]) -> Self:
        return cls(
            keys=[
                GroupKey(dimension=group.dimension, level=group.level, value=value)
                for group, value in zip(by, total.keys, strict=True)
            ],
            currency=total.currency,
            gross=Amount(format(total.gross, "f")),
            reversed=Amount(format(total.reversed, "f")),
            net=Amount(format(total.net, "f")),
            events=BigInt(total.events),
            lines=BigInt(total.lines),
        )


@strawberry.type(description="What to sign: the hub does the canonicalising, the client signs `statement`.")
class BytesToSign:
    content: Bytes | None = strawberry.field(
        description="The bytes the digest is of; null where they hold personal values of others' postings, "
        "and for a batch."
    )
    content_digest: str = strawberry.field(
        description="What the statement is about. For a batch: the Merkle root over its items' content digests."
    )
    statement: Bytes = strawberry.field(description="Sign exactly these bytes with Ed25519.")

    @classmethod
    def of(cls, value: model.BytesToSign) -> Self:
        return cls(
            content=Bytes(value.content) if value.content is not None else None,
            content_digest=value.content_digest,
            statement=Bytes(value.statement),
        )
