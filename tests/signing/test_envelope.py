"""Statements, receipts and proofs: their members, their reading back, and what a signature must not be."""

from __future__ import annotations

import base64
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast
from uuid import UUID

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hub.signing import (
    Digest,
    Domain,
    FrameRefused,
    HubKey,
    KeyRefused,
    NotCanonical,
    Possession,
    Purpose,
    Receipt,
    SignatureInvalid,
    SigningError,
    Statement,
    StatementRefused,
    content_digest,
    frame,
    seal,
    signature_text,
    unframe,
    verify,
    verify_possession,
    verify_receipt,
    verify_statement,
)
from tests.signing.test_vectors import VECTORS

KEY = HubKey.from_seed(bytes(range(32)))
OTHER = HubKey.from_seed(bytes(range(32, 64)))
CONTENT = frame(Domain.EVENT, {"kind": "EVENT", "referenceId": "DMD-1"})
STATEMENT = Statement(
    body_digest=content_digest(CONTENT),
    comments="",
    key_id="mgs-1",
    purpose=Purpose.ORIGIN,
    signed_at="2026-10-13T12:50:05Z",
    system="mgramseva@punjab.ifix.org",
)
RECEIPT = Receipt(
    posting_id=UUID("0199f1c0-0009-7000-8000-000000000009"),
    content_digest=content_digest(CONTENT),
    posted_at=datetime(2026, 10, 13, 12, 50, 6, 1, tzinfo=UTC),
    tenant="punjab",
    system="mgramseva@punjab.ifix.org",
    key_id=KEY.key_id,
)
POSSESSION = Possession("mgramseva@punjab.ifix.org", "mgs-1", KEY.public, challenge="c-1")


def test_sealed_statement_and_receipt_verify_with_their_content() -> None:
    verify_statement(KEY.public, STATEMENT, seal(KEY, STATEMENT), content=CONTENT)
    verify_receipt(KEY.public, RECEIPT, signature_text(seal(KEY, RECEIPT)), content=CONTENT)
    verify_possession(POSSESSION, seal(KEY, POSSESSION))


def test_signature_of_one_kind_is_none_of_another() -> None:
    for signed, claimed in ((STATEMENT, RECEIPT), (RECEIPT, STATEMENT), (STATEMENT, POSSESSION)):
        with pytest.raises(SignatureInvalid) as caught:
            verify(KEY.public, claimed.bytes(), seal(KEY, signed))
        assert (caught.value.code, caught.value.reason) == ("SIGNATURE_INVALID", "MISMATCH")


def test_other_content_is_refused_before_the_signature_is_looked_at() -> None:
    other = frame(Domain.EVENT, {"kind": "EVENT", "referenceId": "DMD-2"})
    with pytest.raises(SignatureInvalid) as of_statement:
        verify_statement(KEY.public, STATEMENT, bytes(64), content=other)
    with pytest.raises(SignatureInvalid) as of_receipt:
        verify_receipt(KEY.public, RECEIPT, bytes(64), content=other)
    assert (of_statement.value.reason, of_receipt.value.reason) == ("DIGEST", "DIGEST")


def test_statement_about_anything_but_content_is_refused() -> None:
    for framed in (STATEMENT.bytes(), RECEIPT.bytes(), b"{}", b"", b"FXH-EVENT-V1", b"FXH-EVENT-V2\n{}"):
        about = replace(STATEMENT, body_digest=Digest.of(framed))
        with pytest.raises(FrameRefused) as caught:
            verify_statement(KEY.public, about, seal(KEY, about), content=framed)
        assert caught.value.code == "FRAME_NOT_CONTENT"


def test_proof_under_another_key_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_possession(POSSESSION, seal(OTHER, POSSESSION))


@pytest.mark.parametrize(
    "sealable", [STATEMENT, RECEIPT, POSSESSION], ids=["statement", "receipt", "possession"]
)
def test_bytes_are_read_back(sealable: Statement | Receipt | Possession) -> None:
    assert type(sealable).read(sealable.bytes()) == sealable


@pytest.mark.parametrize(
    "sealable", [STATEMENT, RECEIPT, POSSESSION], ids=["statement", "receipt", "possession"]
)
def test_members_are_exactly_those_named(sealable: Statement | Receipt | Possession) -> None:
    domain, value = unframe(sealable.bytes())
    members = cast(dict[str, Any], value)
    for name in members:
        less = {key: member for key, member in members.items() if key != name}
        for changed in (less, {**less, name.upper(): members[name]}):
            with pytest.raises(StatementRefused) as caught:
                type(sealable).read(frame(domain, changed))
            assert caught.value.code == "STATEMENT_MEMBERS"
    for changed in ({**members, "more": "x"}, {**members, "v": "2"}, {**members, "v": 1}):
        with pytest.raises(StatementRefused, match="STATEMENT_MEMBERS"):
            type(sealable).read(frame(domain, changed))
    with pytest.raises(StatementRefused, match="STATEMENT_MEMBERS"):
        type(sealable).read(frame(domain, [members]))


@pytest.mark.parametrize(
    "sealable", [STATEMENT, RECEIPT, POSSESSION], ids=["statement", "receipt", "possession"]
)
def test_every_member_is_text(sealable: Statement | Receipt | Possession) -> None:
    domain, value = unframe(sealable.bytes())
    members = cast(dict[str, Any], value)
    names = set(members) - {"v"}
    with pytest.raises(StatementRefused) as caught:
        type(sealable).read(frame(domain, {**dict.fromkeys(names, 1), "v": "1"}))
    assert {found.path for found in caught.value.violations} == {(name,) for name in names}
    assert {found.code for found in caught.value.violations} == {"STATEMENT_MEMBER"}


@pytest.mark.parametrize("kind", [Statement, Receipt, Possession])
def test_bytes_of_another_domain_are_not_read(kind: type[Statement | Receipt | Possession]) -> None:
    for framed in (
        CONTENT,
        *(s.bytes() for s in (STATEMENT, RECEIPT, POSSESSION) if not isinstance(s, kind)),
    ):
        with pytest.raises(FrameRefused) as caught:
            kind.read(framed)
        assert caught.value.code == "FRAME_DOMAIN"


def test_respelled_bytes_are_not_read() -> None:
    with pytest.raises(NotCanonical, match="PARSE_NOT_CANONICAL"):
        Statement.read(STATEMENT.bytes().replace(b'":"', b'": "', 1))


def test_receipt_of_a_respelled_instant_is_not_read() -> None:
    respelled = RECEIPT.bytes().replace(b"12:50:06.000001Z", b"18:20:06.000001+05:30")
    with pytest.raises(StatementRefused) as caught:
        Receipt.read(respelled)
    assert caught.value.path == ("postedAt",)


def test_unsound_key_in_a_proof_is_not_read() -> None:
    with pytest.raises(KeyRefused, match="KEY_SMALL_ORDER"):
        Possession.read(POSSESSION.bytes().replace(KEY.public.base64.encode(), b"A" * 43 + b"="))


def test_every_bad_member_of_a_statement_is_named() -> None:
    with pytest.raises(StatementRefused) as caught:
        Statement(
            body_digest=cast(Digest, "sha256:00"),
            comments="x" * 2001,
            key_id="",
            purpose=cast(Purpose, "ORIGIN"),
            signed_at="today",
            system="s" * 256,
        )
    named = [found.path for found in caught.value.violations]
    assert named == [("bodyDigest",), ("purpose",), ("comments",), ("keyId",), ("system",), ("signedAt",)]


def test_every_bad_member_of_a_receipt_is_named() -> None:
    with pytest.raises(StatementRefused) as caught:
        Receipt(
            posting_id=cast(UUID, "0199f1c0-0009-7000-8000-000000000009"),
            content_digest=cast(Digest, b""),
            posted_at=datetime(2026, 1, 1),  # noqa: DTZ001 - the point
            tenant="",
            system=cast(str, None),
            key_id="k" * 129,
        )
    named = [found.path for found in caught.value.violations]
    assert named == [("postingId",), ("contentDigest",), ("tenant",), ("system",), ("keyId",), ("postedAt",)]


def test_every_bad_member_of_a_proof_is_named() -> None:
    with pytest.raises(StatementRefused) as caught:
        Possession("", "", cast(Any, KEY.public.raw), challenge="c" * 256)
    named = [found.path for found in caught.value.violations]
    assert named == [("system",), ("keyId",), ("publicKey",), ("challenge",)]


def test_longest_members_are_accepted() -> None:
    longest = replace(STATEMENT, comments="x" * 2000, key_id="k" * 128, system="s" * 255)
    assert Statement.read(longest.bytes()) == longest
    assert replace(RECEIPT, tenant="t" * 255).tenant == "t" * 255
    assert replace(POSSESSION, challenge="c" * 255).challenge == "c" * 255


def test_text_that_is_not_nfc_makes_no_statement() -> None:
    for change in ({"comments": "e\u0301"}, {"key_id": "e\u0301"}, {"system": "\ud800"}):
        with pytest.raises(NotCanonical):
            replace(STATEMENT, **cast(Any, change))
    assert replace(STATEMENT, comments="\u00e9").comments == "\u00e9"


def test_receipt_writes_its_instant_in_utc() -> None:
    here = RECEIPT.posted_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert replace(RECEIPT, posted_at=here).bytes() == RECEIPT.bytes()


def test_statements_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        STATEMENT.comments = "x"  # type: ignore[misc]


def test_every_refusal_is_a_value_error_with_a_code() -> None:
    with pytest.raises(ValueError, match="SIGNATURE_INVALID") as caught:
        verify(KEY.public, b"", bytes(63))
    assert isinstance(caught.value, SigningError)
    assert caught.value.path == ()


def test_frames_of_unknown_domains_are_not_taken_apart() -> None:
    for data in (b"", b"\n{}", b"FXH-EVENT-V1 \n{}", b"XFXH-EVENT-V1\n{}", b"FXH-EVENT-V10\n{}"):
        with pytest.raises(FrameRefused, match="FRAME_DOMAIN"):
            unframe(data)
    assert unframe(b"FXH-EVENT-V1\n{}") == (Domain.EVENT, {})


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["kind"] == "signature"], ids=lambda vector: vector["id"]
)
def test_libsodium_alone_says_the_same_so_that_our_checks_only_name_the_reason(
    vector: dict[str, Any],
) -> None:
    given = vector["input"]
    key, message = VerifyKey(base64.b64decode(given["publicKey"])), base64.b64decode(given["message"])
    signature = base64.b64decode(given["signature"] + "==")
    spelled_otherwise = vector["expect"].get("reason") == "BASE64"
    try:
        accepted = key.verify(message, signature) == message
    except (BadSignatureError, ValueError):
        accepted = False
    assert accepted is ("valid" in vector["expect"]) or spelled_otherwise
