"""Postings as somebody without our code makes them: bytes by json and hashlib alone, checked by what they left behind."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from hub.db import Database
from hub.domain import registry
from hub.domain.registry import UpdateTenant
from tests.factories import postings
from tests.factories.registry import HUB, TestSystem

TABLES = (
    "posting",
    "posting_line",
    "posting_receiver",
    "posting_link",
    "posting_attachment",
    "posting_signature",
    "receipt",
    "posting_key",
    "line_balance",
    "inbox_entry",
    "inbox_history",
)


def content_bytes(system: TestSystem, body: Mapping[str, Any]) -> bytes:
    """The signed bytes of an event in its plainest spelling: amounts at scale, instants in UTC, ASCII names."""
    inner = {
        "government": "pb",
        **body,
        "lines": [{"currency": "INR", **line} for line in body["lines"]],
    }
    to = inner.pop("to", [])
    header = {"kind": "EVENT", "from": system.unique_id, "schemaVersion": "3.0", "body": inner}
    return b"FXH-EVENT-V1\n" + _json(header | ({"to": to} if to else {}))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(system: TestSystem, content: bytes, *, at: str | None = None) -> dict[str, Any]:
    """The origin signature over content bytes."""
    signed_at = at or postings.now_text()
    statement = {
        "bodyDigest": "sha256:" + hashlib.sha256(content).hexdigest(),
        "comments": "",
        "keyId": system.signing_key_public_id,
        "purpose": "ORIGIN",
        "signedAt": _trimmed(signed_at),
        "system": system.unique_id,
        "v": "1",
    }
    seal = system.signing.sign(b"FXH-BODY-SIGNATURE-V1\n" + _json(statement)).signature
    return {
        "keyId": system.signing_key_public_id,
        "signedAt": signed_at,
        "eSign": base64.b64encode(seal).decode(),
    }


def _trimmed(instant: str) -> str:
    """A fraction without trailing zeros."""
    whole, dot, fraction = instant.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if dot and fraction else f"{whole}Z"


def bill(**over: Any) -> dict[str, Any]:
    """A valid bill in its plainest spelling."""
    return postings.content(**{"eventTime": "2026-09-28T09:40:00Z", **over})


def signed(system: TestSystem, body: dict[str, Any], **over: Any) -> dict[str, Any]:
    """The whole input of ``postFiscalEvent``, signed without asking the hub."""
    made = {
        "idempotencyKey": uuid.uuid4().hex,
        "content": body,
        "signature": sign(system, content_bytes(system, body)),
    }
    return made | over


async def counts(database: Database) -> dict[str, int]:
    """How many rows each table of postings has."""
    async with database.read() as read:
        return {name: await read.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}


async def set_policy(database: Database, **policies: Any) -> None:
    """Change how strictly the government ``pb`` has its rules applied."""
    async with database.transaction() as tx:
        tenant = await registry.find_tenant_by_code(tx, "pb")
        assert tenant is not None
        await registry.update_tenant(tx, HUB, UpdateTenant(code="pb", version=tenant.version, **policies))


async def balance(database: Database, event_id: str, line_no: int = 1) -> str | None:
    """What was taken back of a line, as stored."""
    async with database.read() as read:
        found = await read.scalar(
            text("SELECT reversed FROM line_balance WHERE posting_id = :id AND line_no = :n"),
            {"id": uuid.UUID(event_id.removeprefix("evt_")), "n": line_no},
        )
    return None if found is None else format(found, "f")
