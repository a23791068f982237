"""The bytes of a delivery: Standard Webhooks' type, timestamp and data, thin (ids) or full (as the system may see it)."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hub.db import Read
from hub.domain import fiscal_events
from hub.domain.fiscal_events.model import (
    PREFIXES,
    AttachmentKind,
    Line,
    Posting,
    Receiver,
    Signature,
    StoredAttachment,
    StoredLink,
    StoredReceipt,
)
from hub.domain.registry import SystemCaller
from hub.domain.webhooks.matching import Page
from hub.domain.webhooks.model import (
    PAYLOAD_BYTES_MAX,
    DeliveryKind,
    FactKind,
    Leaf,
    Message,
    PayloadForm,
    Webhook,
)
from hub.kit.ids import public_id
from hub.signing import instant_text

TYPES = {
    FactKind.EVENT: "fiscal_event.posted",
    FactKind.MESSAGE: "fiscal_message.posted",
    FactKind.SIGNATURE: "signature.added",
}
ID_PREFIXES = {FactKind.EVENT: "evt", FactKind.MESSAGE: "msg", FactKind.SIGNATURE: "sig"}
CHALLENGE_TYPE = "webhook.challenge"
TEST_TYPE = "webhook.test"


@dataclass(frozen=True, slots=True)
class Beside:
    """The lists beside some postings, and those whose personal values the system does not see in clear."""

    lines: Mapping[uuid.UUID, list[Line]]
    receivers: Mapping[uuid.UUID, list[Receiver]]
    links: Mapping[uuid.UUID, list[StoredLink]]
    attachments: Mapping[uuid.UUID, list[StoredAttachment]]
    receipts: Mapping[uuid.UUID, StoredReceipt]
    withheld: Collection[uuid.UUID]


async def messages(read: Read, system: SystemCaller, of: Webhook, found: Page) -> list[Message]:
    """The message of each leaf. A full one beyond PAYLOAD_BYTES_MAX is sent thin, and says so."""
    is_full = of.payload is PayloadForm.FULL
    beside = await _beside(read, system, found) if is_full and found.leaves else None
    made: list[Message] = []
    for leaf in found.leaves:
        posting = found.postings[leaf.posting_id]
        body = _thin(leaf, posting)
        if beside is not None:
            full = encode(_envelope(leaf, {**_data(leaf, posting), **_full(leaf, posting, found, beside)}))
            is_small = len(full) <= PAYLOAD_BYTES_MAX
            body = full if is_small else _thin(leaf, posting, is_thin=True)
        made.append(
            Message(DeliveryKind.FACT, TYPES[leaf.kind], fact_name(leaf), body, log_index=leaf.log_index)
        )
    return made


def fact_name(leaf: Leaf) -> str:
    """The fact's public id, which is the receiver's ``webhook-id``: one fact, one id, however often it is sent."""
    return public_id(ID_PREFIXES[leaf.kind], leaf.fact_id)


def challenge_body(challenge: str) -> bytes:
    """What a receiver answers to prove that it wants to be called."""
    return encode({"type": CHALLENGE_TYPE, "challenge": challenge})


def test_body(of: Webhook, at: str) -> bytes:
    """A message that means nothing."""
    return encode({"type": TEST_TYPE, "timestamp": at, "data": {"webhook": of.public_id}})


def encode(value: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; amounts, dates and big numbers are strings in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _thin(leaf: Leaf, posting: Posting, *, is_thin: bool = False) -> bytes:
    data = _data(leaf, posting)
    return encode(_envelope(leaf, {**data, "tooLarge": True} if is_thin else data))


def _envelope(leaf: Leaf, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": TYPES[leaf.kind], "timestamp": instant_text(leaf.sequenced_at), "data": data}


def _data(leaf: Leaf, posting: Posting) -> dict[str, Any]:
    data = {"logIndex": str(leaf.log_index), "kind": leaf.kind.value, "id": fact_name(leaf)}
    return data if leaf.kind is not FactKind.SIGNATURE else {**data, "posting": posting.public_id}


async def _beside(read: Read, system: SystemCaller, found: Page) -> Beside:
    tenant_id, ids = system.tenant_id, list({leaf.posting_id for leaf in found.leaves})
    return Beside(
        lines=await fiscal_events.lines_of(read, tenant_id, ids),
        receivers=await fiscal_events.receivers_of(read, tenant_id, ids),
        links=await fiscal_events.links_of(read, system, tenant_id, ids),
        attachments=await fiscal_events.attachments_of(read, tenant_id, ids),
        receipts=await fiscal_events.receipts_of(read, tenant_id, ids),
        withheld=await fiscal_events.withheld(read, system, tenant_id, ids),
    )


def _full(leaf: Leaf, posting: Posting, found: Page, beside: Beside) -> dict[str, Any]:
    if leaf.kind is FactKind.SIGNATURE:
        return {"signature": _signature(found.signatures[leaf.fact_id])}
    return {"posting": _posting(posting, beside)}


def _posting(p: Posting, beside: Beside) -> dict[str, Any]:
    is_masked = p.id in beside.withheld
    receipt = beside.receipts.get(p.id)
    return {
        "id": p.public_id,
        "from": p.sender,
        "to": [each.system for each in beside.receivers.get(p.id, ())],
        "government": p.government,
        "environment": p.environment,
        "referenceId": p.reference_id,
        "eventTime": instant_text(p.event_time),
        "postedAt": instant_text(p.posted_at),
        "type": p.type.value,
        "majorType": p.major_type.value,
        "subType": p.sub_type.value,
        "qualifier": p.qualifier.value if p.qualifier else None,
        "process": p.process,
        "attributeGroup": p.attribute_group,
        "classification": p.classification.value,
        "schemaVersion": p.schema_version,
        "topic": p.topic,
        "correlationId": p.correlation_id,
        "currency": p.currency,
        "totalAmount": format(p.total_amount, "f"),
        "fiscalYear": p.fiscal_year,
        "attributes": _attributes(p.attributes, is_masked=is_masked),
        "lineItems": [_line(each, is_masked=is_masked) for each in beside.lines.get(p.id, ())],
        "links": [_link(each) for each in beside.links.get(p.id, ())],
        "attachments": [_attachment(each, is_masked=is_masked) for each in beside.attachments.get(p.id, ())],
        "reverses": public_id(PREFIXES[p.kind], p.reverses_id) if p.reverses_id else None,
        "contentDigest": f"sha256:{p.content_digest.hex()}",
        # The signed bytes hold personal values too: who does not see these in clear verifies by the digest.
        "content": None if is_masked else _base64(p.content),
        "receipt": None if receipt is None else _receipt(receipt),
    }


def _attributes(values: Mapping[str, Any], *, is_masked: bool) -> dict[str, Any]:
    return fiscal_events.masked_values(values) if is_masked else dict(values)


def _line(line: Line, *, is_masked: bool) -> dict[str, Any]:
    return {
        "lineNo": line.line_no,
        "amount": format(line.amount, "f"),
        "currency": line.currency,
        "coaCode": line.coa_code,
        "locationCode": line.location_code,
        "programCode": line.program_code,
        "projectCode": line.project_code,
        "administrativeHierarchyCode": line.administrative_hierarchy_code,
        "departmentCode": line.department_code,
        "periodStart": line.period_start.isoformat(),
        "periodEnd": line.period_end.isoformat(),
        "tags": [dict(tag) for tag in line.tags],
        "attributes": _attributes(line.attributes, is_masked=is_masked),
        "reversesLineNo": line.reverses_line_no,
    }


def _link(link: StoredLink) -> dict[str, Any]:

    parent = None
    if link.parent_id is not None and link.parent_kind is not None:
        parent = public_id(PREFIXES[link.parent_kind], link.parent_id)
    return {
        "relation": link.relation.value,
        "posting": parent,
        "system": link.parent_system,
        "referenceId": link.parent_reference,
    }


def _attachment(stored: StoredAttachment, *, is_masked: bool) -> dict[str, Any]:
    each = stored.attachment
    if each.kind is AttachmentKind.KEY_VALUE:
        value = fiscal_events.masked_value(stored) if is_masked else each.value
        return {"kind": each.kind.value, "key": each.key, "value": value}
    return {
        "kind": each.kind.value,
        "name": each.name,
        "role": each.role,
        "mediaType": each.media_type,
        "sizeBytes": each.size_bytes,
        "sha256": each.sha256,
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "system": signature.system,
        "keyId": public_id("sgk", signature.key_id),
        "purpose": signature.purpose.value,
        "comments": signature.comments,
        "signedAt": instant_text(signature.signed_at),
        "receivedAt": instant_text(signature.received_at),
        "statement": _base64(signature.statement),
        "eSign": _base64(signature.e_sign),
    }


def _receipt(receipt: StoredReceipt) -> dict[str, Any]:
    return {
        "issuedAt": instant_text(receipt.issued_at),
        "keyId": receipt.key_id,
        "statement": _base64(receipt.statement),
        "signature": _base64(receipt.signature),
    }


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
