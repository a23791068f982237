"""Inputs as providers write them, one for each mutation of postings."""

from __future__ import annotations

import base64
from typing import Any

from tests.factories.postings import BILL, line

EVENT_ID = "evt_0199f1c0-0002-7000-8000-000000000002"
KEY_ID = "sgk_0199f1c0-0002-7000-8000-000000000002"
SIGNATURE = {
    "keyId": KEY_ID,
    "signedAt": "2026-09-28T15:10:01.25Z",
    "eSign": base64.b64encode(bytes(range(64))).decode(),
}
CONTENT: dict[str, Any] = {
    **BILL,
    "referenceId": "BILL/1",
    "eventTime": "2026-09-28T15:10:00+05:30",
    "from": "mgramseva@punjab.ifix.org",
    "to": None,
    "lines": [
        line(),
        line(
            2,
            "-12.50",
            tags=[{"scheme": "gender-budget", "share": "0.25"}],
            attributes={"note": ["é", 1, None]},
        ),
    ],
    "links": [
        {"relation": "SETTLES", "id": EVENT_ID},
        {"relation": "FUNDED_BY", "system": "x", "referenceId": "y"},
    ],
    "attachments": [{"kind": "KEY_VALUE", "key": "a", "value": "b"}],
    "attributes": {"big": 2**60, "text": '"quoted"'},
}
REVERSAL = {
    "id": EVENT_ID,
    "mode": "FULL",
    "reason": "ERROR",
    "referenceId": "R/1",
    "eventTime": "2026-09-28T15:10:00Z",
}
_EVENT = {"idempotencyKey": "k1", "content": CONTENT, "signature": SIGNATURE}
_REVERSE = {"idempotencyKey": "k3", "reversal": REVERSAL, "signature": SIGNATURE, "validateOnly": True}
PROVIDER_INPUTS: dict[str, dict[str, Any]] = {
    "PostFiscalEventInput": _EVENT,
    "PostFiscalMessageInput": {
        "idempotencyKey": "k2",
        "content": {**CONTENT, "to": ["dashboard@punjab.ifix.org"], "topic": "t", "correlationId": "c"},
        "signature": SIGNATURE,
    },
    "ReverseInput": _REVERSE,
    "CorrectInput": {"reversal": _REVERSE, "replacement": _EVENT},
}
