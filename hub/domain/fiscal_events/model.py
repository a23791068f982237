"""The nouns of postings: what a provider sends (commands) and what the hub keeps (facts). Pure values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from hub.domain.fiscal_events.vocabulary import (
    Classification,
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.errors import Problem
from hub.kit.ids import public_id
from hub.signing import Purpose

PREFIXES = {PostingKind.EVENT: "evt", PostingKind.MESSAGE: "msg"}
SCHEMA_VERSION = "3.0"


class AttachmentKind(StrEnum):
    """A named value, or a document by its digest."""

    KEY_VALUE = "KEY_VALUE"
    DOCUMENT = "DOCUMENT"


class PostOutcome(StrEnum):
    """What became of one posted item."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    VALIDATED = "VALIDATED"
    REFUSED = "REFUSED"


class BatchMode(StrEnum):
    """All or none, or each on its own."""

    ATOMIC = "ATOMIC"
    PER_ITEM = "PER_ITEM"


class Tag(Struct, frozen=True, gc=False):
    """A line's share in a cross-cutting budget (spec 15.1); ``share`` is text with up to four decimals."""

    scheme: str
    share: str
    beneficiary_registry: str | None = None
    target_segment: str | None = None


class LineDraft(Struct, frozen=True, gc=False):
    """One amount on one head of account, as sent. ``amount`` is the client's text; None where it was left out."""

    line_no: int
    amount: str | None
    currency: str | None = None
    coa_code: str | None = None
    location_code: str | None = None
    program_code: str | None = None
    project_code: str | None = None
    administrative_hierarchy_code: str | None = None
    department_code: str | None = None
    period_start: date | None = None
    period_end: date | None = None
    tags: tuple[Tag, ...] = ()
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    reverses_line_no: int | None = None


class Link(Struct, frozen=True, gc=False):
    """A link to an earlier posting: by id, or by its sender and the sender's own reference."""

    relation: Relation
    posting_id: uuid.UUID | None = None
    posting_prefix: str | None = None
    system: str | None = None
    reference_id: str | None = None


class Attachment(Struct, frozen=True, gc=False):
    """A key-value pair, or a document named by digest and media type."""

    kind: AttachmentKind
    key: str | None = None
    value: str | None = None
    name: str | None = None
    role: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


class Reversal(Struct, frozen=True, gc=False):
    """Which posting is taken back, how far and why (spec 8)."""

    posting_id: uuid.UUID
    posting_prefix: str
    mode: ReversalMode
    reason: ReversalReason
    comment: str | None = None


class Content(Struct, frozen=True, gc=False):
    """Everything that is digested and signed, typed (spec 3.2 to 3.5)."""

    kind: PostingKind
    type: Type
    major_type: MajorType
    sub_type: SubType
    reference_id: str
    event_time: datetime
    sender: str | None = None
    receivers: tuple[str, ...] = ()
    government: str | None = None
    schema_version: str = SCHEMA_VERSION
    classification: Classification | None = None
    topic: str | None = None
    correlation_id: str | None = None
    qualifier: Qualifier | None = None
    process: str | None = None
    attribute_group: str | None = None
    links: tuple[Link, ...] = ()
    reversal: Reversal | None = None
    lines: tuple[LineDraft, ...] = ()
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


class OriginSignature(Struct, frozen=True, gc=False):
    """The sender's own seal over the content: which key, when, and the 64 bytes."""

    key_id: uuid.UUID
    signed_at: datetime
    e_sign: bytes


class Post(Struct, frozen=True, gc=False):
    """Post one event or message. ``validate_only`` runs everything but the storing.

    ``signed_in_batch``: the signature is over the root of the batch this item comes in; all its items share it then.
    """

    idempotency_key: str
    content: Content
    signature: OriginSignature
    validate_only: bool = False
    signed_in_batch: bool = False


@dataclass(frozen=True, slots=True)
class ReversedLine:
    """How much of one line of the original is taken back, in the original's sign (positive text)."""

    line_no: int
    amount: str


@dataclass(frozen=True, slots=True)
class ReversalRequest:
    """Reverse a posting without building its content oneself; the hub repeats codes and negates amounts."""

    posting_id: uuid.UUID
    posting_prefix: str
    mode: ReversalMode
    reason: ReversalReason
    reference_id: str
    event_time: datetime
    comment: str | None = None
    lines: tuple[ReversedLine, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reverse:
    """A reversal request, signed."""

    idempotency_key: str
    request: ReversalRequest
    signature: OriginSignature
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class Correct:
    """A full reversal and its replacement, in one transaction."""

    reversal: Reverse
    replacement: Post


@dataclass(frozen=True, slots=True)
class AddSignature:
    """Acknowledge, approve or reject a posting one can see."""

    posting_id: uuid.UUID
    posting_prefix: str
    purpose: Purpose
    key_id: uuid.UUID
    signed_at: datetime
    e_sign: bytes
    comments: str = ""


# What the hub keeps.


class Line(Struct, frozen=True, gc=False):
    """A stored line: exact amount, normalised codes, and the registry versions they were checked against."""

    posting_id: uuid.UUID
    line_no: int
    amount: Decimal
    currency: str
    period_start: date
    period_end: date
    tags: tuple[Mapping[str, Any], ...]
    attributes: Mapping[str, Any]
    reverses_line_no: int | None
    coa_code: str | None
    coa_version_id: uuid.UUID | None
    location_code: str | None
    location_path: str | None
    location_version_id: uuid.UUID | None
    program_code: str | None
    program_version_id: uuid.UUID | None
    project_code: str | None
    project_version_id: uuid.UUID | None
    administrative_hierarchy_code: str | None
    administrative_hierarchy_path: str | None
    administrative_version_id: uuid.UUID | None
    department_code: str | None
    department_path: str | None
    department_version_id: uuid.UUID | None


class Posting(Struct, frozen=True, gc=False):
    """A stored posting's header and body, without its lists (these are read beside it)."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    kind: PostingKind
    environment: str
    government: str
    sender_id: uuid.UUID
    sender_agency_id: uuid.UUID
    sender: str
    narrowed: bool
    schema_version: str
    classification: Classification
    topic: str | None
    correlation_id: str | None
    type: Type
    major_type: MajorType
    sub_type: SubType
    qualifier: Qualifier | None
    process: str | None
    attribute_group: str | None
    reference_id: str
    event_time: datetime
    posted_at: datetime
    fiscal_year: int
    month: date
    currency: str
    total_amount: Decimal
    line_count: int
    period_start: date | None
    period_end: date | None
    attributes: Mapping[str, Any]
    warnings: tuple[Mapping[str, Any], ...]
    reverses_id: uuid.UUID | None
    reversal_mode: ReversalMode | None
    reversal_reason: ReversalReason | None
    reversal_comment: str | None
    content: bytes
    content_digest: bytes

    @property
    def public_id(self) -> str:
        """The id on the wire: ``evt_…`` or ``msg_…``."""
        return public_id(PREFIXES[self.kind], self.id)


class Receiver(Struct, frozen=True, gc=False):
    """One system a posting is addressed to."""

    posting_id: uuid.UUID
    ordinal: int
    system_id: uuid.UUID
    agency_id: uuid.UUID
    system: str


class Signature(Struct, frozen=True, gc=False):
    """A stored signature with the statement's bytes as signed.

    Where the sender signed a whole batch once, the statement is about the batch's root; the posting stood at
    ``batch_index`` of ``batch_size``, and ``batch_path`` (hashes of 32 bytes, one behind the other) leads there.
    """

    posting_id: uuid.UUID
    id: uuid.UUID
    system_id: uuid.UUID
    system: str
    key_id: uuid.UUID
    purpose: Purpose
    comments: str
    signed_at: datetime
    received_at: datetime
    statement: bytes
    e_sign: bytes
    batch_index: int | None = None
    batch_size: int | None = None
    batch_path: bytes | None = None


class StoredReceipt(Struct, frozen=True, gc=False):
    """What the hub signed when it took the posting in."""

    posting_id: uuid.UUID
    issued_at: datetime
    key_id: str
    statement: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A stored link and what it resolves to at the time of reading; pending while ``parent_id`` is None."""

    posting_id: uuid.UUID
    ordinal: int
    relation: Relation
    parent_id: uuid.UUID | None
    parent_kind: PostingKind | None
    parent_system: str | None
    parent_reference: str | None


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A stored attachment."""

    posting_id: uuid.UUID
    ordinal: int
    attachment: Attachment


class Package(Struct, frozen=True, gc=False):
    """Everything one accepted posting stores, ready to insert; ``receipt`` is what the hub has still to sign."""

    posting: Posting
    lines: tuple[Line, ...]
    receivers: tuple[Receiver, ...]
    links: tuple[tuple[Link, uuid.UUID | None], ...]
    attachments: tuple[Attachment, ...]
    origin: Signature
    receipt: bytes
    idempotency_key: str


class Verdict(Struct, frozen=True, gc=False):
    """What became of one item: the posting (stored now, or before), or the problems found."""

    outcome: PostOutcome
    posting: Posting | None = None
    receipt: StoredReceipt | None = None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class BytesToSign:
    """What a client signs for a posting, made by the hub so that no client needs a canonicaliser.

    ``content`` is None where the posting holds personal values that the signer does not see in clear, and for a
    batch, whose ``content_digest`` is the root over its items' digests.
    """

    content: bytes | None
    content_digest: str
    statement: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left of a posting's line after reversals; exact, in the line's currency."""

    posting_id: uuid.UUID
    line_no: int
    amount: Decimal
    reversed: Decimal

    @property
    def left(self) -> Decimal:
        """Amount minus what was taken back."""
        return self.amount - self.reversed
