"""What a client signs, in few lines that can be carried over to any language: canonical bytes, statements, Ed25519.

An event is signed in three steps; docs/decisions/0002-signed-bytes.md has the fine print, `hub/signing/vectors.json`
known answers.

1. The content is written as canonical JSON (RFC 8785 without floating-point numbers; members that say nothing are
   left out, free attributes stay as they are), behind the line ``FXH-EVENT-V1``.
2. SHA-256 over these bytes goes into a statement: who signs, with which key, when. It is canonical JSON as well,
   behind the line ``FXH-BODY-SIGNATURE-V1``.
3. Ed25519 signs the statement's bytes.

A batch may be signed once instead (docs/decisions/0008-batch-signatures.md): the digests of its events, in order, are
the leaves of a Merkle tree, and one statement, behind the line ``FXH-BATCH-SIGNATURE-V1``, is about its root.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import Any

from nacl.signing import SigningKey

SCHEMA_VERSION = "3.0"
HEADER = ("from", "to", "schemaVersion", "classification", "topic", "correlationId")
EXACT = Context(prec=60, traps=[Inexact])


def canonical(value: Any) -> bytes:
    """Canonical JSON: names sorted by UTF-16 code units, no white space, no floating-point numbers."""
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _sorted(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_sorted(member) for member in value]
    if isinstance(value, float | Decimal):
        raise TypeError("numbers with a fraction are written as text")
    return value


def compact(members: Mapping[str, Any]) -> dict[str, Any]:
    """Without the members that say nothing: null, empty lists and empty objects."""
    return {
        name: member for name, member in members.items() if member is not None and member not in ([], {}, ())
    }


def amount(value: Decimal, decimals: int = 2) -> str:
    """An amount as the hub writes it: all decimal places of its currency, none more; never rounded."""
    try:
        written = value.quantize(Decimal(1).scaleb(-decimals), context=EXACT)
    except Inexact:
        raise ValueError(f"{value} has more than {decimals} decimal places") from None
    return format(written or abs(written), "f")


def instant(value: datetime) -> str:
    """An instant as the hub writes it: UTC, a fraction only where there is one."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def event_bytes(content: Mapping[str, Any]) -> bytes:
    """
    The bytes of an event's content, given as in the API's input.

    ``from``, ``government`` and each line's ``currency`` have to be there, and amounts, instants and dates written as
    `amount` and `instant` write them: the hub fills in and rewrites what is missing or spelt otherwise, and the
    signature would not hold over that.
    """
    header = {name: content.get(name) for name in HEADER}
    header["schemaVersion"] = content.get("schemaVersion", SCHEMA_VERSION)
    header["to"] = sorted(set(content.get("to", [])))
    lists: dict[str, Any] = {
        "links": [compact(link) for link in content.get("links", [])],
        "lines": [_line(line) for line in content.get("lines", [])],
        "attachments": [compact(attachment) for attachment in content.get("attachments", [])],
        "reversal": compact(content.get("reversal") or {}),
    }
    body = {name: member for name, member in content.items() if name not in HEADER} | lists
    return b"FXH-EVENT-V1\n" + canonical(compact({"kind": "EVENT", **header, "body": compact(body)}))


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return compact({**line, "tags": [compact(tag) for tag in line.get("tags", [])]})


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves (RFC 6962): a leaf behind a zero byte, two subtrees behind a one."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


@dataclass(frozen=True)
class Signer:
    """A system's signing key: the private half, and the name the hub knows the public half by (``sgk_...``)."""

    system: str
    key_id: str
    key: SigningKey = field(repr=False)

    def statement(self, framed: bytes, signed_at: str) -> bytes:
        """What is signed about these content bytes."""
        members = {
            "bodyDigest": "sha256:" + hashlib.sha256(framed).hexdigest(),
            "comments": "",
            "keyId": self.key_id,
            "purpose": "ORIGIN",
            "signedAt": signed_at,
            "system": self.system,
            "v": "1",
        }
        return b"FXH-BODY-SIGNATURE-V1\n" + canonical(members)

    def sign(self, content: Mapping[str, Any], signed_at: datetime | None = None) -> dict[str, str]:
        """The ``signature`` that goes with this content; good for five minutes."""
        at = instant(signed_at or datetime.now(UTC))
        signature = self.key.sign(self.statement(event_bytes(content), at)).signature
        return {"keyId": self.key_id, "signedAt": at, "eSign": base64.b64encode(signature).decode()}

    def batch_statement(self, framed: Sequence[bytes], signed_at: str) -> bytes:
        """What is signed about these contents as a whole, in this order."""
        members = {
            "items": len(framed),
            "keyId": self.key_id,
            "purpose": "ORIGIN",
            "root": "sha256:" + merkle_root([hashlib.sha256(content).digest() for content in framed]).hex(),
            "signedAt": signed_at,
            "system": self.system,
            "v": "1",
        }
        return b"FXH-BATCH-SIGNATURE-V1\n" + canonical(members)

    def sign_batch(
        self, contents: Sequence[Mapping[str, Any]], signed_at: datetime | None = None
    ) -> dict[str, str]:
        """The ``signature`` that goes with a batch of these contents, in this order; good for five minutes."""
        at = instant(signed_at or datetime.now(UTC))
        statement = self.batch_statement([event_bytes(content) for content in contents], at)
        signature = self.key.sign(statement).signature
        return {"keyId": self.key_id, "signedAt": at, "eSign": base64.b64encode(signature).decode()}
