"""Postings for tests: valid content by default, signed as a provider in any language would sign."""

from __future__ import annotations

import base64
import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.client import Client
from tests.factories.registry import TestSystem

DEBIT = {"type": "EXPENDITURE", "majorType": "REVENUE_EXPENDITURE", "subType": "DEBIT"}
BILL = {"type": "EXPENDITURE", "majorType": "CAPITAL_EXPENDITURE", "subType": "BILL"}
PAYMENT = {"type": "EXPENDITURE", "majorType": "CAPITAL_EXPENDITURE", "subType": "PAYMENT"}
CAPITAL_HEAD = "4215-01-102-08-00-53"
RECEIPT_HEAD = "0215-01-102-00-00-01"

BYTES_TO_SIGN = """
query($subject: SigningSubjectInput!, $statement: StatementInput!) {
  bytesToSign(subject: $subject, statement: $statement) { content contentDigest statement }
}"""
POSTED = """
  outcome
  errors { code path message }
  warnings { code path message }
  event { id from to referenceId totalAmount netAmount reversalState contentDigest fiscalYear
          lineItems { lineNo amount coaCode locationPath administrativeHierarchyPath departmentCode } }
  receipt { issuedAt keyId statement signature }
"""
POST_EVENT = f"mutation($input: PostFiscalEventInput!) {{ postFiscalEvent(input: $input) {{ {POSTED} }} }}"
POST_EVENTS = f"""
mutation($items: [PostFiscalEventInput!]!, $mode: BatchMode!) {{
  postFiscalEvents(input: {{items: $items, mode: $mode}}) {{ errors {{ code path message }} results {{ {POSTED} }} }}
}}"""
POST_MESSAGE = """
mutation($input: PostFiscalMessageInput!) {
  postFiscalMessage(input: $input) {
    outcome errors { code path message } warnings { code } message { id to } receipt { issuedAt }
  }
}"""
REVERSE = """
mutation($input: ReverseInput!) {
  reverse(input: $input) {
    outcome errors { code path message }
    reversal { id totalAmount lineItems { lineNo amount reversesLineNo coaCode } }
  }
}"""
CORRECT = f"""
mutation($input: CorrectInput!) {{
  correct(input: $input) {{
    errors {{ code path message }} reversal {{ {POSTED} }} replacement {{ {POSTED} }}
  }}
}}"""
ADD_SIGNATURE = """
mutation($input: AddSignatureInput!) {
  addSignature(input: $input) { errors { code path message } signature { id purpose comments system } }
}"""


def now_text() -> str:
    """The present instant as a client writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def reference(prefix: str = "REF") -> str:
    """A reference of one's own, never used before."""
    return f"{prefix}/{uuid.uuid4().hex[:12]}"


def line(line_no: int = 1, amount: str = "1000.00", **over: Any) -> dict[str, Any]:
    """A valid line."""
    return {
        "lineNo": line_no,
        "amount": amount,
        "coaCode": CAPITAL_HEAD,
        "periodStart": "2026-08-01",
        "periodEnd": "2026-09-25",
        **over,
    }


def content(**over: Any) -> dict[str, Any]:
    """Valid content of an event: a bill over 1000.00."""
    return {
        **BILL,
        "referenceId": reference(),
        "eventTime": "2026-09-28T15:10:00+05:30",
        "lines": [line()],
        **over,
    }


async def sign(
    client: Client,
    system: TestSystem,
    subject: dict[str, Any],
    *,
    signed_at: str | None = None,
    **statement: Any,
) -> dict[str, Any]:
    """Ask the hub for the bytes, sign them with the system's key."""
    at = signed_at or now_text()
    key_id = statement.pop("keyId", system.signing_key_public_id)
    answer = await client.acting(system.api_key).run(
        BYTES_TO_SIGN, subject=subject, statement={"keyId": key_id, "signedAt": at, **statement}
    )
    signature = system.signing.sign(base64.b64decode(answer["bytesToSign"]["statement"])).signature
    return {"keyId": key_id, "signedAt": at, "eSign": base64.b64encode(signature).decode()}


async def event_input(
    client: Client, system: TestSystem, body: dict[str, Any], **over: Any
) -> dict[str, Any]:
    """The whole input of ``postFiscalEvent``, signed."""
    return {
        "idempotencyKey": uuid.uuid4().hex,
        "content": body,
        "signature": await sign(client, system, {"event": body}),
        **over,
    }


async def post(
    client: Client, system: TestSystem, body: dict[str, Any] | None = None, **over: Any
) -> dict[str, Any]:
    """Post one event; the whole payload."""
    made = await event_input(client, system, body or content(), **over)
    answer: dict[str, Any] = (await client.acting(system.api_key).run(POST_EVENT, input=made))[
        "postFiscalEvent"
    ]
    return answer


async def post_ok(client: Client, system: TestSystem, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Post one event that must be accepted; the event."""
    answer = await post(client, system, body)
    assert answer["errors"] == []
    assert answer["outcome"] == "ACCEPTED"
    event: dict[str, Any] = answer["event"]
    return event


async def message_input(client: Client, system: TestSystem, to: list[str], **over: Any) -> dict[str, Any]:
    """The whole input of ``postFiscalMessage``, signed."""
    body = {
        **BILL,
        "referenceId": reference("MSG"),
        "eventTime": "2026-09-29T11:00:00+05:30",
        "to": to,
        "topic": "BILL_RETURNED",
        **over,
    }
    return {
        "idempotencyKey": uuid.uuid4().hex,
        "content": body,
        "signature": await sign(client, system, {"message": body}),
    }


async def send(client: Client, system: TestSystem, to: list[str], **over: Any) -> dict[str, Any]:
    """Post one message; the whole payload."""
    made = await message_input(client, system, to, **over)
    answer: dict[str, Any] = (await client.acting(system.api_key).run(POST_MESSAGE, input=made))[
        "postFiscalMessage"
    ]
    return answer


async def reverse(
    client: Client, system: TestSystem, posting_id: str, *, mode: str = "FULL", **over: Any
) -> dict[str, Any]:
    """Reverse a posting; the whole payload."""
    request = {
        "id": posting_id,
        "mode": mode,
        "reason": "ERROR",
        "referenceId": reference("REV"),
        "eventTime": "2026-10-07T17:45:00+05:30",
        **over,
    }
    made = {
        "idempotencyKey": uuid.uuid4().hex,
        "reversal": request,
        "signature": await sign(client, system, {"reversal": request}),
    }
    answer: dict[str, Any] = (await client.acting(system.api_key).run(REVERSE, input=made))["reverse"]
    return answer


async def upload(client: Client, system: TestSystem, data: bytes, media_type: str = "application/pdf") -> str:
    """Upload a document; its digest."""
    digest = hashlib.sha256(data).hexdigest()
    answer = await client.acting(system.api_key).run(
        "mutation($s: String!, $m: String!, $c: Bytes!) { uploadDocument(input: {sha256: $s, mediaType: $m, content: $c})"
        " { errors { code } document { sha256 } } }",
        s=digest,
        m=media_type,
        c=base64.b64encode(data).decode(),
    )
    assert answer["uploadDocument"]["errors"] == []
    return digest


def codes(payload: dict[str, Any]) -> list[str]:
    """The codes of a payload's errors."""
    return [error["code"] for error in payload["errors"]]
