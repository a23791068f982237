"""The worked example of spec section 20 as data: the bodies as the providers post them, and as typed content."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hub.domain.fiscal_events.model import (
    Attachment,
    AttachmentKind,
    Content,
    LineDraft,
    Link,
    Reversal,
    Tag,
)
from hub.domain.fiscal_events.vocabulary import (
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)

_FILE = Path(__file__).parent.parent / "data" / "worked_example.json"


@cache
def example() -> Mapping[str, Any]:
    """The whole file: ``records`` in the order of posting, ``documents`` by name."""
    loaded: Mapping[str, Any] = json.loads(_FILE.read_text("utf-8"))
    return loaded


def record(name: str) -> Mapping[str, Any]:
    """One record by its name, as ``bill``."""
    found: Mapping[str, Any] = next(each for each in example()["records"] if each["name"] == name)
    return found


def content(posted: Mapping[str, Any]) -> Content:
    """A record's header and body as typed content."""
    header, body = posted["header"], posted["body"]
    return Content(
        kind=PostingKind(header["kind"]),
        type=Type(body["type"]),
        major_type=MajorType(body["majorType"]),
        sub_type=SubType(body["subType"]),
        reference_id=body["referenceId"],
        event_time=datetime.fromisoformat(body["eventTime"]),
        sender=header["from"],
        receivers=tuple(header["to"]),
        government=body["government"],
        topic=header.get("topic"),
        correlation_id=header.get("correlationId"),
        qualifier=Qualifier(body["qualifier"]) if "qualifier" in body else None,
        process=body["process"],
        attribute_group=body["attributeGroup"],
        links=tuple(_link(parent) for parent in body["parents"]),
        reversal=_reversal(body["reversal"]) if "reversal" in body else None,
        lines=tuple(_line(line) for line in body["lines"]),
        attributes=body["attributes"],
        attachments=tuple(_attachment(attachment) for attachment in body.get("attachments", ())),
    )


def _link(parent: Mapping[str, Any]) -> Link:
    posting_id = uuid.UUID(parent["eventId"]) if "eventId" in parent else None
    return Link(
        relation=Relation(parent["relation"]),
        posting_id=posting_id,
        posting_prefix="evt" if posting_id else None,
        system=parent.get("system"),
        reference_id=parent.get("referenceId"),
    )


def _reversal(reversal: Mapping[str, Any]) -> Reversal:
    return Reversal(
        posting_id=uuid.UUID(reversal["reversesEventId"]),
        posting_prefix="evt",
        mode=ReversalMode(reversal["mode"]),
        reason=ReversalReason(reversal["reason"]),
        comment=reversal.get("comment"),
    )


def _line(line: Mapping[str, Any]) -> LineDraft:
    return LineDraft(
        line_no=line["lineNo"],
        amount=line["amount"],
        currency=line["currency"],
        coa_code=line.get("coaCode"),
        location_code=line["locationCode"],
        program_code=line["programCode"],
        project_code=line["projectCode"],
        administrative_hierarchy_code=line["administrativeHierarchyCode"],
        period_start=date.fromisoformat(line["periodStart"]),
        period_end=date.fromisoformat(line["periodEnd"]),
        tags=tuple(_tag(tag) for tag in line.get("tags", ())),
        attributes=line.get("attributes", {}),
        reverses_line_no=line.get("reversesLineNo"),
    )


def _tag(tag: Mapping[str, Any]) -> Tag:
    return Tag(tag["scheme"], tag["share"], tag["beneficiaryRegistry"], tag["targetSegment"])


def _attachment(attachment: Mapping[str, Any]) -> Attachment:
    return Attachment(
        kind=AttachmentKind(attachment["kind"]),
        key=attachment.get("key"),
        value=attachment.get("value"),
        name=attachment.get("name"),
        role=attachment.get("role"),
        media_type=attachment.get("mediaType"),
        size_bytes=attachment.get("sizeBytes"),
        sha256=attachment.get("sha256"),
    )
