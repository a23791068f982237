"""Inputs of postings and searches, each turning itself into the domain's command."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TypeVar

import strawberry

from hub.codes import Code
from hub.domain.fiscal_events import model
from hub.domain.fiscal_events.service import BATCH_MAX
from hub.domain.fiscal_events.vocabulary import PostingKind as Kind
from hub.errors import InvalidInput, Problem
from hub.kit.ids import parse_public_id, uuid_of
from hub.schema.paging import PAGE_DEFAULT
from hub.schema.posting_enums import (
    AttachmentKind,
    BatchMode,
    Classification,
    MajorType,
    Purpose,
    Qualifier,
    ReadMode,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.schema.scalars import Amount, Attributes, Bytes, Instant

T = TypeVar("T")


def _id(prefix: str, text: str, code: Code, *path: str | int) -> uuid.UUID:
    """The UUID of an id of one kind; anything else is refused with ``code``."""
    value = uuid_of(prefix, text)
    if value is None:
        raise InvalidInput.because(code, f"{text[:60]!r} is not an id of this kind", *path)
    return value


def posting_id(text: str, code: Code, *path: str | int) -> tuple[str, uuid.UUID]:
    """Prefix and UUID of an event's or a message's id."""
    parsed = parse_public_id(text)
    if parsed is None or parsed[0] not in model.PREFIXES.values():
        raise InvalidInput.because(code, f"{text[:60]!r} is not the id of an event or message", *path)
    return parsed


def _attributes(value: object, *path: str | int) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput.because(Code.ATTRIBUTE_KEY, "attributes are an object", *path)
    return value


@strawberry.input(description="A line's share in a cross-cutting budget.")
class TagInput:
    scheme: str
    share: str
    beneficiary_registry: str | None = None
    target_segment: str | None = None

    def to_tag(self) -> model.Tag:
        return model.Tag(self.scheme, self.share, self.beneficiary_registry, self.target_segment)


@strawberry.input(description="One amount on one head of account.")
class LineItemInput:
    line_no: int
    amount: Amount
    currency: str | None = strawberry.field(default=None, description="ISO 4217; default: the government's.")
    coa_code: str | None = None
    location_code: str | None = None
    program_code: str | None = None
    project_code: str | None = None
    administrative_hierarchy_code: str | None = None
    department_code: str | None = None
    period_start: date | None = None
    period_end: date | None = strawberry.field(default=None, description="Inclusive.")
    tags: list[TagInput] = strawberry.field(default_factory=list)
    attributes: Attributes | None = None
    reverses_line_no: int | None = None

    def to_draft(self, i: int) -> model.LineDraft:
        return model.LineDraft(
            line_no=self.line_no,
            amount=self.amount,
            currency=self.currency,
            coa_code=self.coa_code,
            location_code=self.location_code,
            program_code=self.program_code,
            project_code=self.project_code,
            administrative_hierarchy_code=self.administrative_hierarchy_code,
            department_code=self.department_code,
            period_start=self.period_start,
            period_end=self.period_end,
            tags=tuple(tag.to_tag() for tag in self.tags),
            attributes=_attributes(self.attributes, "content", "lines", i, "attributes"),
            reverses_line_no=self.reverses_line_no,
        )


@strawberry.input(description="A link to an earlier posting: by `id`, or by `system` and its `referenceId`.")
class LinkInput:
    relation: Relation
    id: strawberry.ID | None = None
    system: str | None = None
    reference_id: str | None = None

    def to_link(self, i: int) -> model.Link:
        if self.id is None:
            return model.Link(self.relation, system=self.system, reference_id=self.reference_id)
        prefix, value = posting_id(self.id, Code.LINKED_EVENT_ID, "content", "links", i, "id")
        return model.Link(self.relation, value, prefix, self.system, self.reference_id)


@strawberry.input(
    description="A key-value pair (key, value), or an uploaded document (name, mediaType, sizeBytes, sha256)."
)
class AttachmentInput:
    kind: AttachmentKind
    key: str | None = None
    value: str | None = None
    name: str | None = None
    role: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None

    def to_attachment(self) -> model.Attachment:
        return model.Attachment(
            self.kind,
            self.key,
            self.value,
            self.name,
            self.role,
            self.media_type,
            self.size_bytes,
            self.sha256,
        )


@strawberry.input(description="For who writes the reversal's lines himself; `reverse` writes them for you.")
class ReversalBlockInput:
    reverses: strawberry.ID
    mode: ReversalMode
    reason: ReversalReason
    comment: str | None = None

    def to_reversal(self) -> model.Reversal:
        at = ("content", "reversal", "reverses")
        prefix, value = posting_id(self.reverses, Code.REVERSAL_NOT_FOUND, *at)
        return model.Reversal(value, prefix, self.mode, self.reason, self.comment)


@strawberry.input(description="Everything of an event that is signed.")
class FiscalEventContentInput:
    type: Type
    major_type: MajorType
    sub_type: SubType
    reference_id: str
    event_time: Instant
    lines: list[LineItemInput]
    from_: str | None = strawberry.field(
        default=None, name="from", description="Default: the calling system."
    )
    to: list[str] | None = strawberry.field(
        default=None, description="Narrows the event to these systems; empty: every consumer."
    )
    government: str | None = strawberry.field(default=None, description="Default: the calling system's.")
    schema_version: str = model.SCHEMA_VERSION
    classification: Classification | None = None
    qualifier: Qualifier | None = strawberry.field(default=None, description="Required for estimates.")
    process: str | None = None
    attribute_group: str | None = None
    links: list[LinkInput] = strawberry.field(default_factory=list)
    reversal: ReversalBlockInput | None = None
    attributes: Attributes | None = None
    attachments: list[AttachmentInput] = strawberry.field(default_factory=list)

    def to_content(self) -> model.Content:
        return _content(self, Kind.EVENT, None, None)


@strawberry.input(description="Everything of a message that is signed.")
class FiscalMessageContentInput:
    type: Type
    major_type: MajorType
    sub_type: SubType
    reference_id: str
    event_time: Instant
    to: list[str] = strawberry.field(description="1 to 100 consumers; nobody else can read it.")
    lines: list[LineItemInput] = strawberry.field(default_factory=list)
    from_: str | None = strawberry.field(
        default=None, name="from", description="Default: the calling system."
    )
    government: str | None = None
    schema_version: str = model.SCHEMA_VERSION
    classification: Classification | None = None
    topic: str | None = None
    correlation_id: str | None = None
    qualifier: Qualifier | None = None
    process: str | None = None
    attribute_group: str | None = None
    links: list[LinkInput] = strawberry.field(default_factory=list)
    reversal: ReversalBlockInput | None = None
    attributes: Attributes | None = None
    attachments: list[AttachmentInput] = strawberry.field(default_factory=list)

    def to_content(self) -> model.Content:
        return _content(self, Kind.MESSAGE, self.topic, self.correlation_id)


def _content(
    source: FiscalEventContentInput | FiscalMessageContentInput,
    kind: Kind,
    topic: str | None,
    correlation_id: str | None,
) -> model.Content:
    return model.Content(
        kind=kind,
        type=source.type,
        major_type=source.major_type,
        sub_type=source.sub_type,
        reference_id=source.reference_id,
        event_time=source.event_time,
        sender=source.from_,
        receivers=tuple(source.to or ()),
        government=source.government,
        schema_version=source.schema_version,
        classification=source.classification,
        topic=topic,
        correlation_id=correlation_id,
        qualifier=source.qualifier,
        process=source.process,
        attribute_group=source.attribute_group,
        links=tuple(link.to_link(i) for i, link in enumerate(source.links)),
        reversal=source.reversal.to_reversal() if source.reversal else None,
        lines=tuple(line.to_draft(i) for i, line in enumerate(source.lines)),
        attributes=_attributes(source.attributes, "content", "attributes"),
        attachments=tuple(attachment.to_attachment() for attachment in source.attachments),
    )


@strawberry.input(description="The sender's signature over the statement that `bytesToSign` shows.")
class OriginSignatureInput:
    key_id: strawberry.ID
    signed_at: Instant = strawberry.field(description="Within five minutes of arrival.")
    e_sign: Bytes = strawberry.field(description="Ed25519, 64 bytes.")

    def to_signature(self) -> model.OriginSignature:
        key_id = _id("sgk", self.key_id, Code.SIGNATURE_KEY, "signature", "keyId")
        return model.OriginSignature(key_id, self.signed_at, self.e_sign)


@strawberry.input(
    description="One signature over all items of a batch, over the statement that `bytesToSign` shows for `events`."
)
class BatchSignatureInput:
    key_id: strawberry.ID
    signed_at: Instant = strawberry.field(description="Within five minutes of arrival.")
    e_sign: Bytes = strawberry.field(description="Ed25519, 64 bytes.")

    def to_signature(self) -> model.OriginSignature:
        key_id = _id("sgk", self.key_id, Code.SIGNATURE_KEY, "signature", "keyId")
        return model.OriginSignature(key_id, self.signed_at, self.e_sign)


@strawberry.input
class PostFiscalEventInput:
    idempotency_key: str = strawberry.field(description="1 to 255 characters, unique per system for ever.")
    content: FiscalEventContentInput
    signature: OriginSignatureInput | None = strawberry.field(
        default=None, description="Left out only for items of a batch that is signed as a whole."
    )
    validate_only: bool = strawberry.field(default=False, description="Run everything but the storing.")

    def to_command(self) -> model.Post:
        if self.signature is None:
            raise InvalidInput.because(Code.SIGNATURE_REQUIRED, Code.SIGNATURE_REQUIRED.summary, "signature")
        return model.Post(
            self.idempotency_key,
            self.content.to_content(),
            self.signature.to_signature(),
            self.validate_only,
        )

    def to_batched(self, signature: model.OriginSignature) -> model.Post:
        content = self.content.to_content()
        return model.Post(self.idempotency_key, content, signature, self.validate_only, signed_in_batch=True)


def _under(prefix: tuple[str | int, ...], convert: Callable[[], model.Post]) -> model.Post:
    """Convert a part of an input; what is refused says which one."""
    try:
        return convert()
    except InvalidInput as refused:
        raise InvalidInput([problem.under(*prefix) for problem in refused.problems]) from refused


@strawberry.input
class PostFiscalEventsInput:
    items: list[PostFiscalEventInput] = strawberry.field(description="1 to 500.")
    mode: BatchMode = strawberry.field(
        default=BatchMode.PER_ITEM, description="All or none, or each on its own."
    )
    signature: BatchSignatureInput | None = strawberry.field(
        default=None, description="Instead of a signature in every item: one over all of them."
    )

    def to_commands(self) -> list[model.Post]:
        """The items as commands; refuses too many of them, and a batch signed neither way or both ways."""
        if len(self.items) > BATCH_MAX:
            raise InvalidInput.because(Code.BATCH_SIZE, Code.BATCH_SIZE.summary, "items")
        if self.signature is None:
            if self.items and all(item.signature is None for item in self.items):
                message = "sign the batch as a whole, or every item of it"
                raise InvalidInput.because(Code.SIGNATURE_REQUIRED, message, "signature")
            return [_under(("items", i), item.to_command) for i, item in enumerate(self.items)]
        twice = [i for i, item in enumerate(self.items) if item.signature is not None]
        if twice:
            code = Code.SIGNATURE_TWICE
            raise InvalidInput([Problem(code, code.summary, ("items", i, "signature")) for i in twice])
        shared = self.signature.to_signature()
        return [_under(("items", i), partial(item.to_batched, shared)) for i, item in enumerate(self.items)]


@strawberry.input(description="A document to attach later; at most 10 MiB.")
class UploadDocumentInput:
    sha256: str = strawberry.field(description="Of `content`, as 64 lower-case hex digits.")
    media_type: str
    content: Bytes


@strawberry.input
class ReadMessagesInput:
    first: int = PAGE_DEFAULT
    mode: ReadMode = ReadMode.CONSUME


@strawberry.input
class MarkMessagesInput:
    ids: list[strawberry.ID] = strawberry.field(description="1 to 100 of the caller's own messages.")


@strawberry.input
class PostFiscalMessageInput:
    idempotency_key: str = strawberry.field(description="1 to 255 characters, unique per system for ever.")
    content: FiscalMessageContentInput
    signature: OriginSignatureInput
    validate_only: bool = False

    def to_command(self) -> model.Post:
        return model.Post(
            self.idempotency_key,
            self.content.to_content(),
            self.signature.to_signature(),
            self.validate_only,
        )


@strawberry.input
class ReversedLineInput:
    line_no: int = strawberry.field(description="Of the original.")
    amount: Amount = strawberry.field(description="How much to take back, in the original's sign.")


@strawberry.input(description="Which posting to take back, how far and why; the hub writes the lines.")
class ReversalRequestInput:
    id: strawberry.ID
    mode: ReversalMode
    reason: ReversalReason
    reference_id: str = strawberry.field(description="Of the reversal itself.")
    event_time: Instant
    comment: str | None = None
    lines: list[ReversedLineInput] = strawberry.field(
        default_factory=list, description="PARTIAL only: the lines to take back."
    )
    attributes: Attributes | None = None

    def to_request(self) -> model.ReversalRequest:
        prefix, value = posting_id(self.id, Code.REVERSAL_NOT_FOUND, "reversal", "id")
        return model.ReversalRequest(
            posting_id=value,
            posting_prefix=prefix,
            mode=self.mode,
            reason=self.reason,
            reference_id=self.reference_id,
            event_time=self.event_time,
            comment=self.comment,
            lines=tuple(model.ReversedLine(line.line_no, line.amount) for line in self.lines),
            attributes=_attributes(self.attributes, "reversal", "attributes"),
        )


@strawberry.input
class ReverseInput:
    idempotency_key: str
    reversal: ReversalRequestInput
    signature: OriginSignatureInput
    validate_only: bool = False

    def to_command(self) -> model.Reverse:
        return model.Reverse(
            self.idempotency_key,
            self.reversal.to_request(),
            self.signature.to_signature(),
            self.validate_only,
        )


@strawberry.input(description="A full reversal and its replacement, stored together or not at all.")
class CorrectInput:
    reversal: ReverseInput
    replacement: PostFiscalEventInput = strawberry.field(
        description="Its link REPLACES to the original is added by the hub when it is left out."
    )

    def to_command(self) -> model.Correct:
        return model.Correct(
            self.reversal.to_command(), _under(("replacement",), self.replacement.to_command)
        )


@strawberry.input
class AddSignatureInput:
    id: strawberry.ID = strawberry.field(description="Of the posting to sign.")
    purpose: Purpose
    key_id: strawberry.ID
    signed_at: Instant
    e_sign: Bytes
    comments: str = strawberry.field(default="", description="Required for a rejection.")

    def to_command(self) -> model.AddSignature:
        prefix, value = posting_id(self.id, Code.NOT_FOUND, "id")
        key_id = _id("sgk", self.key_id, Code.SIGNATURE_KEY, "keyId")
        return model.AddSignature(
            value, prefix, self.purpose, key_id, self.signed_at, self.e_sign, self.comments
        )


@strawberry.input(description="Who signs, when and for what; `purpose` other than ORIGIN goes with `id`.")
class StatementInput:
    key_id: strawberry.ID
    signed_at: Instant
    purpose: Purpose | None = None
    comments: str = ""

    def to_origin(self) -> model.OriginSignature:
        key_id = _id("sgk", self.key_id, Code.SIGNATURE_KEY, "statement", "keyId")
        return model.OriginSignature(key_id, self.signed_at, b"")

    def to_signature(self, posting: strawberry.ID) -> model.AddSignature:
        if self.purpose is None:
            message = "say what the signature is for"
            raise InvalidInput.because(Code.SIGNATURE_PURPOSE, message, "statement", "purpose")
        origin = self.to_origin()
        prefix, value = posting_id(posting, Code.NOT_FOUND, "subject", "posting")
        return model.AddSignature(
            value, prefix, self.purpose, origin.key_id, self.signed_at, b"", self.comments
        )


@strawberry.input(one_of=True, description="Exactly one: what is going to be posted or signed.")
class SigningSubjectInput:
    event: FiscalEventContentInput | None = strawberry.UNSET
    message: FiscalMessageContentInput | None = strawberry.UNSET
    reversal: ReversalRequestInput | None = strawberry.UNSET
    replacement: ReplacementInput | None = strawberry.UNSET
    posting: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Add a signature to this posting."
    )
    events: list[FiscalEventContentInput] | None = strawberry.field(
        default=strawberry.UNSET, description="A batch to sign once, in the order in which it will be posted."
    )


@strawberry.input(description="The replacement of a correction, with the reversal it goes with.")
class ReplacementInput:
    content: FiscalEventContentInput
    reversal: ReversalRequestInput
