"""From typed content to its one byte string (design.md, idea 4; RFC 8785): the mapping that is signed."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from hub.codes import Code
from hub.domain.fiscal_events.model import Attachment, Content, LineDraft, Link, Reversal, Tag
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.errors import InvalidInput, Problem
from hub.kit.ids import public_id
from hub.kit.money import minor_units
from hub.signing import Domain, NotCanonical, SigningError, amount_text, compact, frame, instant_text

AMOUNT_LENGTH_MAX = 40
NORMAL_SCALE = 2
_NORMAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2}")
DOMAINS = {PostingKind.EVENT: Domain.EVENT, PostingKind.MESSAGE: Domain.MESSAGE}
SIGNING_CODES = {
    "NOT_NFC": Code.TEXT_NOT_NFC,
    "NFC": Code.TEXT_NOT_NFC,
    "FLOAT": Code.NUMBER_NOT_ALLOWED,
    "INTEGER": Code.NUMBER_NOT_ALLOWED,
    "DEPTH": Code.NESTING,
    "SIZE": Code.CONTENT_SIZE,
}


def content_bytes(content: Content) -> bytes:
    """The framed canonical bytes of complete content; refused with every text or number that has none.

    Amounts are written at their currency's scale, instants in UTC, dates as ISO 8601; members that say
    nothing (null, empty list, empty object) are left out, so one typed input has one byte string.
    """
    try:
        return frame(DOMAINS[content.kind], members(content))
    except NotCanonical as refused:
        raise InvalidInput([_problem(v.code, v.path, v.message) for v in refused.violations]) from refused


def _problem(code: str, path: tuple[str | int, ...], message: str) -> Problem:
    for part, known in SIGNING_CODES.items():
        if part in code:
            return Problem(known, message, wire_path(path))
    return Problem(Code.TEXT, message, wire_path(path))


def wire_path(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path inside the signed mapping as a path inside the API's input."""
    return path[1:] if path and path[0] == "body" else path


def members(content: Content) -> dict[str, Any]:
    """The mapping that is canonicalised: header members and the body."""
    return compact(
        {
            "kind": content.kind.value,
            "from": content.sender,
            "to": sorted(set(content.receivers)),
            "schemaVersion": content.schema_version,
            "classification": content.classification.value if content.classification else None,
            "topic": content.topic,
            "correlationId": content.correlation_id,
            "body": _body(content),
        }
    )


def _body(content: Content) -> dict[str, Any]:
    return compact(
        {
            "government": content.government,
            "type": content.type.value,
            "majorType": content.major_type.value,
            "subType": content.sub_type.value,
            "qualifier": content.qualifier.value if content.qualifier else None,
            "process": content.process,
            "attributeGroup": content.attribute_group,
            "referenceId": content.reference_id,
            "eventTime": instant_text(content.event_time),
            "links": [_link(link) for link in content.links],
            "reversal": _reversal(content.reversal) if content.reversal else None,
            "lines": [_line(line) for line in content.lines],
            "attributes": dict(content.attributes),
            "attachments": [_attachment(attachment) for attachment in content.attachments],
        }
    )


def _link(link: Link) -> dict[str, Any]:
    target = public_id(link.posting_prefix or "evt", link.posting_id) if link.posting_id is not None else None
    return compact(
        {
            "id": target,
            "system": link.system,
            "referenceId": link.reference_id,
            "relation": link.relation.value,
        }
    )


def _reversal(reversal: Reversal) -> dict[str, Any]:
    return compact(
        {
            "reverses": public_id(reversal.posting_prefix, reversal.posting_id),
            "mode": reversal.mode.value,
            "reason": reversal.reason.value,
            "comment": reversal.comment,
        }
    )


def _line(line: LineDraft) -> dict[str, Any]:
    stated = {
        "lineNo": line.line_no,
        "amount": normal_amount(line.amount, line.currency),
        "currency": line.currency,
        "coaCode": line.coa_code,
        "locationCode": line.location_code,
        "programCode": line.program_code,
        "projectCode": line.project_code,
        "administrativeHierarchyCode": line.administrative_hierarchy_code,
        "departmentCode": line.department_code,
        "reversesLineNo": line.reverses_line_no,
    }
    made: dict[str, Any] = {name: member for name, member in stated.items() if member is not None}
    if line.period_start:
        made["periodStart"] = line.period_start.isoformat()
    if line.period_end:
        made["periodEnd"] = line.period_end.isoformat()
    if line.tags:
        made["tags"] = [tag_members(tag) for tag in line.tags]
    if line.attributes:
        made["attributes"] = dict(line.attributes)
    return made


def tag_members(tag: Tag) -> dict[str, Any]:
    """A tag as it is signed and stored."""
    return compact(
        {
            "scheme": tag.scheme,
            "share": tag.share,
            "beneficiaryRegistry": tag.beneficiary_registry,
            "targetSegment": tag.target_segment,
        }
    )


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return compact(
        {
            "kind": attachment.kind.value,
            "key": attachment.key,
            "value": attachment.value,
            "name": attachment.name,
            "role": attachment.role,
            "mediaType": attachment.media_type,
            "sizeBytes": attachment.size_bytes,
            "sha256": attachment.sha256,
        }
    )


def read_amount(text: str | None) -> Decimal | None:
    """The exact decimal a text writes in plain notation (``-12.50``), or None."""
    if text is None or len(text) > AMOUNT_LENGTH_MAX:
        return None
    return _read_amount(text)


def is_normal(text: str | None) -> bool:
    """Whether an amount is written as almost all are: not negative, below 10^15, with two decimal places."""
    return text is not None and _NORMAL.fullmatch(text) is not None


@lru_cache(maxsize=8192)  # the rules, the catalogue and the packing each ask for every amount of a batch
def _read_amount(text: str) -> Decimal | None:
    if _NORMAL.fullmatch(text):
        return Decimal(text)
    digits = text.removeprefix("-")
    if not digits.replace(".", "", 1).isdecimal() or not text.isascii():
        return None
    if digits.startswith(".") or text.endswith("."):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def normal_amount(text: str | None, currency: str | None) -> str | None:
    """The amount at its currency's scale; as sent where it cannot be normalised (the rules refuse it)."""
    scale = minor_units(currency) if currency else None
    if scale == NORMAL_SCALE and is_normal(text):
        return text
    amount = read_amount(text)
    if amount is None or scale is None:
        return text
    try:
        return amount_text(amount, scale)
    except SigningError:
        return text
