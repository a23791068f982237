"""Where the values of postings are stored, for the reads compiler: one entry for each field of each type.

Types and descriptions live in ``fiscal_events`` and ``posting_parts`` alone; here stands only which column (or which
expression of the room) a field's value is, and how it is written. A field without an entry is answered by ordinary
execution, as is everything in the same operation.
"""

from __future__ import annotations

from hub.domain.fiscal_events import shapes
from hub.reads import Each, Leaf, Many, One, Shape, Wire, Within
from hub.reads.mapping import Field

_WORD, _NUMBER, _DAY, _INSTANT, _BYTES = Wire.WORD, Wire.NUMBER, Wire.DAY, Wire.INSTANT, Wire.BYTES


def _posting(prefix: str) -> dict[str, Field]:
    """What events and messages have in common; their ids differ by the prefix."""
    return {
        "id": Leaf("id", _WORD, prefix=prefix),
        "from": Leaf("sender"),
        "government": Leaf("government"),
        "postedAt": Leaf("posted_at", _INSTANT),
        "referenceId": Leaf("reference_id"),
        "eventTime": Leaf("event_time", _INSTANT),
        "type": Leaf("type", _WORD),
        "majorType": Leaf("major_type", _WORD),
        "subType": Leaf("sub_type", _WORD),
        "qualifier": Leaf("qualifier", _WORD),
        "process": Leaf("process"),
        "attributeGroup": Leaf("attribute_group"),
        "classification": Leaf("classification", _WORD),
        "schemaVersion": Leaf("schema_version"),
        "currency": Leaf("currency"),
        "totalAmount": Leaf("total_amount", _WORD),
        "fiscalYear": Leaf("fiscal_year", _NUMBER),
        "contentDigest": Leaf(shapes.digest, _WORD),
        "to": Many(shapes.receivers, Leaf("system")),
        "content": Leaf("content", _BYTES, masked=shapes.is_withheld),
        "attributes": Leaf("attributes", Wire.ATTRIBUTES, masked=shapes.is_masked),
        "warnings": Many(shapes.warnings, "Warning"),
        "lineItems": Many(shapes.lines, "LineItem"),
        "signatures": Many(shapes.signatures, "Signature"),
        "approvalState": Leaf(shapes.approval_state, _WORD),
        "receipt": One(shapes.receipt, "Receipt"),
        "attachments": Many(shapes.attachments, "Attachment"),
        "links": Many(shapes.links, "Link"),
        "reversal": Within("Reversal", present=shapes.is_reversal),
        "reversedAmount": Leaf(shapes.reversed_amount, _WORD),
        "netAmount": Leaf(shapes.net_amount, _WORD),
        "reversalState": Leaf(shapes.reversal_state, _WORD),
    }


SHAPES: tuple[Shape, ...] = (
    Shape(
        "FiscalEvent", {**_posting("evt_"), "reversals": Many(shapes.reversals, "FiscalEvent")}, guarded=True
    ),
    Shape(
        "FiscalMessage",
        {
            **_posting("msg_"),
            "topic": Leaf("topic"),
            "correlationId": Leaf("correlation_id"),
            "deliveries": Many(shapes.deliveries, "Delivery"),
        },
        guarded=True,
    ),
    Shape(
        "InboxEntry",
        {
            "message": Within("FiscalMessage", row="message"),
            "deliveredAt": Leaf("delivered_at", _INSTANT),
            "readAt": Leaf("read_at", _INSTANT),
        },
        guarded=True,
    ),
    Shape(
        "LineItem",
        {
            "lineNo": Leaf("line_no", _NUMBER),
            "amount": Leaf("amount", _WORD),
            "currency": Leaf("currency"),
            "coaCode": Leaf("coa_code"),
            "locationCode": Leaf("location_code"),
            "locationPath": Leaf("location_path"),
            "programCode": Leaf("program_code"),
            "projectCode": Leaf("project_code"),
            "administrativeHierarchyCode": Leaf("administrative_hierarchy_code"),
            "administrativeHierarchyPath": Leaf("administrative_hierarchy_path"),
            "departmentCode": Leaf("department_code"),
            "departmentPath": Leaf("department_path"),
            "periodStart": Leaf("period_start", _DAY),
            "periodEnd": Leaf("period_end", _DAY),
            "tags": Many(shapes.tags, "Tag"),
            "attributes": Leaf("attributes", Wire.ATTRIBUTES, masked=shapes.is_line_masked),
            "reversesLineNo": Leaf("reverses_line_no", _NUMBER),
        },
    ),
    Shape(
        "Tag",
        {
            "scheme": Leaf(shapes.member("scheme")),
            "share": Leaf(shapes.member("share")),
            "beneficiaryRegistry": Leaf(shapes.member("beneficiaryRegistry")),
            "targetSegment": Leaf(shapes.member("targetSegment")),
        },
    ),
    Shape(
        "Warning",
        {
            "code": Leaf(shapes.member("code"), _WORD),
            "path": Many(shapes.path_parts, Leaf(shapes.element)),
            "message": Leaf(shapes.member("message")),
        },
    ),
    Shape(
        "Signature",
        {
            "id": Leaf("id", _WORD, prefix="sig_"),
            "system": Leaf("system"),
            "keyId": Leaf("key_id", _WORD, prefix="sgk_"),
            "purpose": Leaf("purpose", _WORD),
            "comments": Leaf("comments"),
            "signedAt": Leaf("signed_at", _INSTANT),
            "receivedAt": Leaf("received_at", _INSTANT),
            "eSign": Leaf("e_sign", _BYTES),
            "statement": Leaf("statement", _BYTES),
            "batch": Within("BatchProof", present=shapes.is_batch),
        },
    ),
    Shape(
        "BatchProof",
        {
            "index": Leaf("batch_index", _NUMBER),
            "size": Leaf("batch_size", _NUMBER),
            "path": Many(shapes.batch_path, Leaf(shapes.element, _BYTES)),
            "root": Leaf(shapes.batch_root, _WORD),
        },
    ),
    Shape(
        "Receipt",
        {
            "issuedAt": Leaf("issued_at", _INSTANT),
            "keyId": Leaf("key_id"),
            "statement": Leaf("statement", _BYTES),
            "signature": Leaf("signature", _BYTES),
        },
    ),
    Shape(
        "Attachment",
        {
            "kind": Leaf("kind", _WORD),
            "key": Leaf("key"),
            "value": Leaf("value", Wire.PERSONAL, masked=shapes.is_attachment_masked, key="key"),
            "name": Leaf("name"),
            "role": Leaf("role"),
            "mediaType": Leaf("media_type"),
            "sizeBytes": Leaf("size_bytes", _NUMBER),
            "sha256": Leaf(shapes.sha256, _WORD),
        },
    ),
    Shape(
        "Link",
        {
            "relation": Leaf("relation", _WORD),
            "state": Leaf("state", _WORD),
            "id": Leaf("parent", _WORD),
            "system": Leaf("parent_system"),
            "referenceId": Leaf("parent_reference"),
        },
    ),
    Shape(
        "Reversal",
        {
            "reverses": Leaf(shapes.reverses, _WORD),
            "mode": Leaf("reversal_mode", _WORD),
            "reason": Leaf("reversal_reason", _WORD),
            "comment": Leaf("reversal_comment"),
        },
    ),
    Shape(
        "Delivery",
        {
            "system": Leaf("system"),
            "deliveredAt": Leaf("delivered_at", _INSTANT),
            "readAt": Leaf("read_at", _INSTANT),
        },
    ),
    Shape(
        "EventTotal",
        {
            "keys": Each("GroupKey", "keys"),
            "currency": Leaf("currency"),
            "gross": Leaf("gross", _WORD),
            "reversed": Leaf("reversed", _WORD),
            "net": Leaf("net", _WORD),
            "events": Leaf("events", _WORD),
            "lines": Leaf("lines", _WORD),
        },
        guarded=True,
    ),
    Shape(
        "GroupKey",
        {
            "dimension": Leaf("dimension", _WORD),
            "level": Leaf("level", _NUMBER),
            "value": Leaf("value"),
            "label": Leaf("label"),
        },
    ),
)
