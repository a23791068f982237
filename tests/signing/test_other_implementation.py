"""An auditor's check of a posting with json, hashlib and OpenSSL's Ed25519 alone: no nacl, no rfc8785, no hub code."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub import signing

MARK = b"\n"


@dataclass(frozen=True)
class Exported:
    """What the hub hands out for a posting: bytes as signed, signatures as base64, public keys as base64."""

    content: bytes
    statement: bytes
    statement_signature: str
    system_key: str
    receipt: bytes
    receipt_signature: str
    hub_key: str


def exported() -> Exported:
    """A posting as the hub makes it."""
    system, hub = signing.HubKey.from_seed(bytes(range(32))), signing.HubKey.from_seed(bytes(range(32, 64)))
    line = signing.compact(
        {"amount": signing.amount_text(Decimal(-1202500), 2), "currency": "INR", "tags": []}
    )
    content = signing.frame(
        signing.Domain.EVENT,
        {"kind": "EVENT", "from": "mgramseva@punjab.ifix.org", "note": "ਪਾਣੀ", "lines": [line]},
    )
    posted_at = datetime(2026, 10, 13, 12, 50, 5, tzinfo=UTC)
    statement = signing.Statement(
        body_digest=signing.content_digest(content),
        comments='ਠੀਕ "ok"',
        key_id="mgs-1",
        purpose=signing.Purpose.ORIGIN,
        signed_at=signing.instant_text(posted_at),
        system="mgramseva@punjab.ifix.org",
    )
    receipt = signing.Receipt(
        posting_id=UUID("0199f1c0-0009-7000-8000-000000000009"),
        content_digest=signing.content_digest(content),
        posted_at=posted_at,
        tenant="punjab",
        system=statement.system,
        key_id=hub.key_id,
    )
    return Exported(
        content,
        statement.bytes(),
        signing.signature_text(signing.seal(system, statement)),
        system.public.base64,
        receipt.bytes(),
        signing.signature_text(signing.seal(hub, receipt)),
        hub.public.base64,
    )


def audit(found: Exported) -> None:
    """The whole offline verification, as the documentation tells it to an auditor."""
    digest = "sha256:" + hashlib.sha256(found.content).hexdigest()
    for data, signature, key, domain, member in (
        (
            found.statement,
            found.statement_signature,
            found.system_key,
            b"FXH-BODY-SIGNATURE-V1",
            "bodyDigest",
        ),
        (found.receipt, found.receipt_signature, found.hub_key, b"FXH-RECEIPT-V1", "contentDigest"),
    ):
        line, _, members = data.partition(MARK)
        assert line == domain
        assert json.loads(members)[member] == digest
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
        verifier.verify(base64.b64decode(signature), data)
    kind, _, body = found.content.partition(MARK)
    assert kind == b"FXH-EVENT-V1"
    assert json.loads(body)["lines"] == [{"amount": "-1202500.00", "currency": "INR"}]


def test_openssl_accepts_posting_statement_and_receipt() -> None:
    audit(exported())


@pytest.mark.parametrize("part", ["statement", "receipt"])
def test_openssl_refuses_a_changed_byte(part: str) -> None:
    whole = exported()
    data: bytes = getattr(whole, part)
    with pytest.raises(InvalidSignature):
        audit(replace(whole, **{part: data.replace(b"mgramseva", b"mgramsevb")}))  # type: ignore[arg-type]


def test_openssl_refuses_the_wrong_key() -> None:
    whole = exported()
    with pytest.raises(InvalidSignature):
        audit(replace(whole, hub_key=whole.system_key))


def test_changed_content_is_noticed() -> None:
    whole = exported()
    with pytest.raises(AssertionError):
        audit(replace(whole, content=whole.content.replace(b"-1202500.00", b"-1202500.01")))


def test_statement_signed_by_openssl_is_accepted_by_the_hub() -> None:
    whole = exported()
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signature = base64.b64encode(private.sign(whole.statement)).decode()
    statement = signing.Statement.read(whole.statement)
    signing.verify_statement(
        signing.public_key(whole.system_key), statement, signature, content=whole.content
    )
    assert signature == whole.statement_signature  # Ed25519 is deterministic


def climb(digest: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """From a leaf to the root, as docs/decisions/0008-batch-signatures.md tells it to an auditor."""
    found, last = hashlib.sha256(b"\x00" + digest).digest(), size - 1
    for beside in path:
        while index == last and index % 2 == 0:
            index, last = index // 2, last // 2
        pair = beside + found if index % 2 else found + beside
        found = hashlib.sha256(b"\x01" + pair).digest()
        index, last = index // 2, last // 2
    return found


def test_openssl_proves_each_event_of_a_batch_that_the_hub_signed() -> None:
    key = signing.HubKey.from_seed(bytes(range(32)))
    for size in (1, 2, 3, 6, 7, 19, 64, 65):
        contents = [b'FXH-EVENT-V1\n{"n":%d}' % n for n in range(size)]
        tree = signing.batch_tree(signing.content_digest(content) for content in contents)
        made = signing.BatchStatement(
            items=size,
            key_id="mgs-1",
            root=signing.Digest(tree.root),
            signed_at="2026-10-13T12:50:05Z",
            system="mgramseva@punjab.ifix.org",
        )
        signature, statement = signing.seal(key, made), made.bytes()
        Ed25519PublicKey.from_public_bytes(key.public.raw).verify(signature, statement)
        line, _, members = statement.partition(MARK)
        assert line == b"FXH-BATCH-SIGNATURE-V1"
        said = json.loads(members)
        assert (said["items"], said["purpose"]) == (size, "ORIGIN")
        for index, content in enumerate(contents):
            root = climb(hashlib.sha256(content).digest(), index, size, list(tree.inclusion(index)))
            assert said["root"] == f"sha256:{root.hex()}"


def test_batch_signed_by_openssl_is_accepted_by_the_hub() -> None:
    digests = [hashlib.sha256(b'FXH-EVENT-V1\n{"n":%d}' % n).digest() for n in range(2)]
    left, right = (hashlib.sha256(b"\x00" + digest).digest() for digest in digests)
    root = hashlib.sha256(b"\x01" + left + right).hexdigest()
    statement = (
        b'FXH-BATCH-SIGNATURE-V1\n{"items":2,"keyId":"mgs-1","purpose":"ORIGIN","root":"sha256:%s",'
        b'"signedAt":"2026-10-13T12:50:05Z","system":"mgramseva@punjab.ifix.org","v":"1"}' % root.encode()
    )
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signing.verify_batch(
        signing.public_key(private.public_key().public_bytes_raw()),
        signing.BatchStatement.read(statement),
        private.sign(statement),
        content=b'FXH-EVENT-V1\n{"n":1}',
        proof=signing.BatchProof(1, 2, (left,)),
    )
