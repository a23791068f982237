"""Shapes of what stands beside a posting: lines, signatures, receipts, attachments, links, deliveries."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

import strawberry

from hub.codes import Code
from hub.domain import fiscal_events
from hub.domain.fiscal_events import model
from hub.domain.fiscal_events.inbox import Delivery as DeliveryRow
from hub.kit.ids import public_id
from hub.schema import posting_lists
from hub.schema.posting_enums import AttachmentKind, Purpose, Relation, ReversalMode, ReversalReason
from hub.schema.scalars import Amount, Attributes, Bytes, Instant
from hub.signing import HASH_BYTES, BatchStatement


@strawberry.enum(description="How much of a posting was taken back.")
class ReversalState(StrEnum):
    NONE = "NONE"
    PARTIALLY_REVERSED = "PARTIALLY_REVERSED"
    REVERSED = "REVERSED"
    IS_REVERSAL = "IS_REVERSAL"


@strawberry.enum(
    description="Derived from the signatures: a rejection outweighs an approval, that an acknowledgement."
)
class ApprovalState(StrEnum):
    NONE = "NONE"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


@strawberry.enum(description="Whether the linked posting is on record (and visible to the caller).")
class LinkState(StrEnum):
    RESOLVED = "RESOLVED"
    PENDING = "PENDING"


@strawberry.type(description="A posting was accepted all the same; this is worth a look.")
class Warning:
    code: Code
    path: list[str]
    message: str


@strawberry.type(description="A line's share in a cross-cutting budget, such as the gender budget.")
class Tag:
    scheme: str
    share: str = strawberry.field(description="Above 0, at most 1, up to four decimals.")
    beneficiary_registry: str | None
    target_segment: str | None


@strawberry.type(description="One amount on one head of account.")
class LineItem:
    line_no: int
    amount: Amount
    currency: str
    coa_code: str | None = strawberry.field(description="Chart-of-accounts code in its normal spelling.")
    location_code: str | None
    location_path: str | None = strawberry.field(description="From the root, as of the event's day.")
    program_code: str | None
    project_code: str | None
    administrative_hierarchy_code: str | None
    administrative_hierarchy_path: str | None = strawberry.field(
        description="From the root, as of the event's day."
    )
    department_code: str | None
    department_path: str | None
    period_start: date
    period_end: date = strawberry.field(description="Inclusive.")
    tags: list[Tag]
    attributes: Attributes
    reverses_line_no: int | None

    @classmethod
    def of(cls, line: model.Line, *, is_masked: bool = False) -> Self:
        return cls(
            line_no=line.line_no,
            amount=Amount(format(line.amount, "f")),
            currency=line.currency,
            coa_code=line.coa_code,
            location_code=line.location_code,
            location_path=line.location_path,
            program_code=line.program_code,
            project_code=line.project_code,
            administrative_hierarchy_code=line.administrative_hierarchy_code,
            administrative_hierarchy_path=line.administrative_hierarchy_path,
            department_code=line.department_code,
            department_path=line.department_path,
            period_start=line.period_start,
            period_end=line.period_end,
            tags=[
                Tag(
                    scheme=tag["scheme"],
                    share=tag["share"],
                    beneficiary_registry=tag.get("beneficiaryRegistry"),
                    target_segment=tag.get("targetSegment"),
                )
                for tag in line.tags
            ],
            attributes=posting_lists.attributes(line.attributes, is_masked=is_masked),
            reverses_line_no=line.reverses_line_no,
        )


@strawberry.type(
    description="How a posting is proven to be in the batch its sender signed once: RFC 6962 inclusion of its "
    "`contentDigest` (the 32 bytes) under the root that `statement` names."
)
class BatchProof:
    index: int = strawberry.field(description="The posting's place in the batch, from 0.")
    size: int = strawberry.field(description="How many items were signed together.")
    path: list[Bytes] = strawberry.field(
        description="Hashes of 32 bytes, from the leaf's side up.", metadata={"list_size": 1}
    )
    root: str = strawberry.field(description="As sha256:<hex>, and so in `statement`.")

    @classmethod
    def of(cls, signature: model.Signature) -> Self | None:
        if signature.batch_index is None or signature.batch_size is None or signature.batch_path is None:
            return None
        path = signature.batch_path
        return cls(
            index=signature.batch_index,
            size=signature.batch_size,
            path=[Bytes(path[at : at + HASH_BYTES]) for at in range(0, len(path), HASH_BYTES)],
            root=BatchStatement.read(signature.statement).root.text,
        )


@strawberry.type(description="A signature over a posting; `statement` are the exact bytes that were signed.")
class Signature:
    id: strawberry.ID
    system: str
    key_id: strawberry.ID
    purpose: Purpose
    comments: str
    signed_at: Instant = strawberry.field(description="As the signer states it.")
    received_at: Instant = strawberry.field(description="As the hub saw it.")
    e_sign: Bytes = strawberry.field(description="Ed25519, 64 bytes.")
    statement: Bytes
    batch: BatchProof | None = strawberry.field(
        description="Where the sender signed a whole batch once; null where the statement is about this posting."
    )

    @classmethod
    def of(cls, signature: model.Signature) -> Self:
        return cls(
            id=strawberry.ID(public_id("sig", signature.id)),
            system=signature.system,
            key_id=strawberry.ID(public_id("sgk", signature.key_id)),
            purpose=signature.purpose,
            comments=signature.comments,
            signed_at=Instant(signature.signed_at),
            received_at=Instant(signature.received_at),
            e_sign=Bytes(signature.e_sign),
            statement=Bytes(signature.statement),
            batch=BatchProof.of(signature),
        )


@strawberry.type(description="The hub's signed word that it took these bytes in, when, and under which id.")
class Receipt:
    issued_at: Instant
    key_id: str = strawberry.field(description="Names the hub's key; see `hub { signingPublicKey }`.")
    statement: Bytes = strawberry.field(description="The exact bytes that were signed.")
    signature: Bytes = strawberry.field(description="Ed25519, 64 bytes.")

    @classmethod
    def of(cls, receipt: model.StoredReceipt) -> Self:
        return cls(
            issued_at=Instant(receipt.issued_at),
            key_id=receipt.key_id,
            statement=Bytes(receipt.statement),
            signature=Bytes(receipt.signature),
        )


@strawberry.type(description="A key-value pair, or a document by its digest.")
class Attachment:
    kind: AttachmentKind
    key: str | None
    value: str | None
    name: str | None
    role: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None

    @classmethod
    def of(cls, stored: model.StoredAttachment, *, is_masked: bool = False) -> Self:
        attachment = stored.attachment
        return cls(
            kind=attachment.kind,
            key=attachment.key,
            value=fiscal_events.masked_value(stored) if is_masked else attachment.value,
            name=attachment.name,
            role=attachment.role,
            media_type=attachment.media_type,
            size_bytes=attachment.size_bytes,
            sha256=attachment.sha256,
        )


@strawberry.type(description="A link to an earlier posting.")
class Link:
    relation: Relation
    state: LinkState
    id: strawberry.ID | None = strawberry.field(description="Of the linked posting, once it is on record.")
    system: str | None
    reference_id: str | None

    @classmethod
    def of(cls, link: model.StoredLink) -> Self:
        target = None
        if link.parent_id is not None and link.parent_kind is not None:
            target = strawberry.ID(public_id(model.PREFIXES[link.parent_kind], link.parent_id))
        return cls(
            relation=link.relation,
            state=LinkState.PENDING if target is None else LinkState.RESOLVED,
            id=target,
            system=link.parent_system,
            reference_id=link.parent_reference,
        )


@strawberry.type(description="What a reversal takes back, and why.")
class Reversal:
    reverses: strawberry.ID
    mode: ReversalMode
    reason: ReversalReason
    comment: str | None


@strawberry.type(description="How far a message got with one receiver.")
class Delivery:
    system: str
    delivered_at: Instant
    read_at: Instant | None

    @classmethod
    def of(cls, row: DeliveryRow) -> Self:
        return cls(
            system=row.system,
            delivered_at=Instant(row.delivered_at),
            read_at=Instant(row.read_at) if row.read_at else None,
        )
