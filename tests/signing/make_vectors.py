"""Writes hub/signing/vectors.json; knows nothing of the code under test, so that the two can disagree.

Expected texts are written by hand or taken from RFC 8785, RFC 8032 and the specification; what has to be computed
comes from `own_canonical`, hashlib, the `cryptography` package and the arithmetic in curve.py.

    python -m tests.signing.make_vectors            writes the file
    python -m tests.signing.make_vectors --check    exits with 1 if the file differs
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.signing.batch_vectors import batch_vectors, proof_vectors
from tests.signing.book import (
    HUB_SEED,
    OTHER_SEED,
    SPEC_SEED,
    VECTORS,
    Json,
    add,
    b64,
    framed,
    invalid,
    own_canonical,
    public,
    refused,
    sha256,
    sign,
)
from tests.signing.key_vectors import key_vectors, signature_vectors
from tests.signing.tables import (
    CANONICAL,
    CANONICAL_REFUSED,
    EVENT,
    MESSAGE,
    PARSE,
    PARSE_REFUSED,
    SPEC_BODY,
    SPEC_SIGNATURE,
    SPEC_STATEMENT,
)

FILE = Path(__file__).parents[2] / "hub" / "signing" / "vectors.json"

DESCRIPTION = {
    "what": "Known answers for the signed bytes of the fiscal data exchange hub; see docs/decisions/0002-signed-bytes.md",
    "encoding": "This file is ASCII; all text is in JSON escapes. Text given as {base64: ...} is bytes, {text: ...} UTF-8.",
    "fields": {
        "id": "unique; G- and D- ids are test cases of the specification",
        "kind": "which operation to try",
        "input": "what it gets, by kind",
        "expect": "what comes out, or `refused`: the code (with `path`, names and positions from the root; with `reason`"
        " for SIGNATURE_INVALID)",
        "neighbour": "on refusals: an accepted vector that differs from this one in the point refused",
    },
    "kinds": {
        "canonical": "input.value -> expect.bytes (canonical text), expect.digest (SHA-256 of the bytes, no domain line)",
        "parse": "input.text or input.base64, read strictly -> expect.value, whose canonical bytes are the input",
        "frame": "input.domain and input.value -> expect.bytes, expect.digest (the content digest); or input.base64"
        " to take apart",
        "statement": "input.statement -> expect.bytes, signed with input.seed -> expect.signature; or input.signature"
        " verified under input.publicKey, with input.content where given",
        "receipt": "as statement; with `log` and `inLogBy` it is FXH-RECEIPT-V2",
        "possession": "as statement; the public key is inside",
        "batch": 'input.count events, their framed contents FXH-EVENT-V1, line feed, {"n":0}, {"n":1} and so on,'
        " signed once -> expect.root, the path of the one at input.index (hashes in base64), the statement's bytes,"
        " its signature; see docs/decisions/0008-batch-signatures.md",
        "batch-proof": "input.content at input.index of input.size with input.path, under input.statement and"
        " input.signature of input.publicKey -> holds (an empty expect) or refused",
        "key": "input.key (base64) -> expect.fingerprint",
        "signature": "input.publicKey, input.message and input.signature (base64) -> valid or refused",
        "amount": "input.amount (decimal text) at input.scale digits -> expect.text",
        "instant": "input.instant (RFC 3339) -> expect.text in UTC",
    },
}


# --- canonical
def canonical_vectors() -> None:
    for name, description, value, text in CANONICAL:
        assert own_canonical(value) == text, name
        add("canonical", name, description, {"value": value}, {"bytes": text, "digest": sha256(text)})
    for name, description, value, expect, neighbour in CANONICAL_REFUSED:
        add("canonical", name, description, {"value": value}, expect, neighbour)


# --- parse
def parse_vectors() -> None:
    for name, description, text in PARSE:
        value = json.loads(text)
        assert own_canonical(value) == text, name
        add("parse", name, description, {"text": text}, {"value": value})
    for name, description, data, expect, neighbour in PARSE_REFUSED:
        given = {"text": data} if isinstance(data, str) else {"base64": b64(data)}
        add("parse", name, description, given, expect, neighbour)


# --- frames, statements, receipts, proofs of possession
def frame_vectors() -> None:
    for name, domain, value in [
        ("event", "FXH-EVENT-V1", EVENT),
        ("message", "FXH-MESSAGE-V1", MESSAGE),
        ("event-empty", "FXH-EVENT-V1", {}),
        ("message-empty", "FXH-MESSAGE-V1", {}),
    ]:
        text = framed(domain, value)
        expect = {"bytes": text, "digest": sha256(text)}
        add("frame", name, f"content under {domain}", {"domain": domain, "value": value}, expect)
    for name, description, data, expect in [
        ("domain-unknown", "a version that does not exist", b"FXH-EVENT-V2\n{}", refused("FRAME_DOMAIN")),
        ("domain-case", "small letters", b"fxh-event-v1\n{}", refused("FRAME_DOMAIN")),
        ("domain-missing", "no domain line", b"{}", refused("FRAME_DOMAIN")),
        (
            "domain-carriage-return",
            "a carriage return before the line feed",
            b"FXH-EVENT-V1\r\n{}",
            refused("FRAME_DOMAIN"),
        ),
        ("domain-two-line-feeds", "two line feeds", b"FXH-EVENT-V1\n\n{}", refused("PARSE_NOT_CANONICAL")),
        ("domain-alone", "nothing behind the line", b"FXH-EVENT-V1\n", refused("PARSE_SYNTAX")),
    ]:
        add("frame", name, description, {"base64": b64(data)}, expect, "event-empty")


def statement(**changes: str) -> dict[str, str]:
    plain = {
        "bodyDigest": sha256(framed("FXH-EVENT-V1", EVENT)),
        "comments": "",
        "keyId": "mgs-1",
        "purpose": "ORIGIN",
        "signedAt": "2026-10-13T12:50:05Z",
        "system": "mgramseva@punjab.ifix.org",
    }
    return {**plain, **changes}


def sealed(
    kind: str, name: str, description: str, members: dict[str, str], seed: bytes, extra: Json = None
) -> str:
    domain = {
        "statement": "FXH-BODY-SIGNATURE-V1",
        "receipt": "FXH-RECEIPT-V1",
        "possession": "FXH-KEY-POSSESSION-V1",
    }
    is_promise = "inLogBy" in members
    line = "FXH-RECEIPT-V2" if is_promise else domain[kind]
    text = framed(line, {**members, "v": "2" if is_promise else "1"})
    signature = b64(sign(seed, text.encode()))
    given = {"seed": b64(seed), "publicKey": b64(public(seed)), "statement": members, **(extra or {})}
    expect = {"bytes": text, "digest": sha256(text), "signature": signature}
    add(kind, name, description, given, expect)
    return signature


def statement_vectors() -> None:
    text = own_canonical(SPEC_BODY)
    assert sha256(text) == SPEC_STATEMENT["bodyDigest"]
    expect = {"bytes": text, "digest": sha256(text)}
    add(
        "canonical",
        "G-20-body",
        "the body of the specification's vector (20.12)",
        {"value": SPEC_BODY},
        expect,
    )
    shuffled = {name: SPEC_BODY[name] for name in reversed(SPEC_BODY)}
    add(
        "canonical",
        "G-19-body-reordered",
        "the same body, its names in another order",
        {"value": shuffled},
        expect,
    )
    added = sealed("statement", "G-20", "the specification's signature (20.12)", SPEC_STATEMENT, SPEC_SEED)
    assert added == SPEC_SIGNATURE
    assert public(SPEC_SEED).hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    content = {"content": framed("FXH-EVENT-V1", EVENT)}
    signature = sealed(
        "statement", "origin", "a sender's own seal, with its content", statement(), SPEC_SEED, content
    )
    for purpose in ("ACKNOWLEDGEMENT", "APPROVAL", "REJECTION"):
        changed = statement(purpose=purpose, comments='ਪ੍ਰਵਾਨ "ok"\n😀')
        sealed("statement", purpose.lower(), f"{purpose} with comments", changed, SPEC_SEED, content)
    note = {"bodyDigest": sha256(framed("FXH-MESSAGE-V1", MESSAGE))}
    sealed(
        "statement",
        "message",
        "over a message",
        statement(**note),
        SPEC_SEED,
        {"content": framed("FXH-MESSAGE-V1", MESSAGE)},
    )
    sealed(
        "statement",
        "fraction",
        "an instant with a fraction",
        statement(signedAt="2026-10-13T12:50:05.25Z"),
        SPEC_SEED,
    )
    sealed("statement", "comments-longest", "2,000 characters", statement(comments="é" * 2000), SPEC_SEED)

    def forged(name: str, description: str, reason: str, members: dict[str, str], **given: str) -> None:
        given = {"publicKey": b64(public(SPEC_SEED)), "signature": signature, **content, **given}
        add("statement", name, description, {"statement": members, **given}, invalid(reason), "origin")

    forged(
        "G-18-purpose-changed", "the purpose changed after signing", "MISMATCH", statement(purpose="APPROVAL")
    )
    comma = framed("FXH-EVENT-V1", {**EVENT, "note": "water sewer"})
    forged("G-17-comma-changed", "one comma of the content changed", "DIGEST", statement(), content=comma)
    forged(
        "G-17-comma-digest-too",
        "the digest adjusted to the changed comma",
        "MISMATCH",
        statement(bodyDigest=sha256(comma)),
        content=comma,
    )
    forged(
        "event-as-message",
        "the same members under the other domain line",
        "DIGEST",
        statement(),
        content=framed("FXH-MESSAGE-V1", EVENT),
    )
    forged("comments-changed", "a comment added", "MISMATCH", statement(comments="x"))
    forged("key-id-changed", "another key id", "MISMATCH", statement(keyId="mgs-2"))
    forged("instant-changed", "a second later", "MISMATCH", statement(signedAt="2026-10-13T12:50:06Z"))
    forged(
        "instant-respelled",
        "the same instant with an offset",
        "MISMATCH",
        statement(signedAt="2026-10-13T18:20:05+05:30"),
    )
    forged("system-changed", "another system", "MISMATCH", statement(system="ifms@punjab.ifix.org"))
    forged("key-wrong", "another key", "MISMATCH", statement(), publicKey=b64(public(OTHER_SEED)))
    bare = b64(sign(SPEC_SEED, own_canonical({**statement(), "v": "1"}).encode()))
    forged("domain-left-out", "signed without the domain line", "MISMATCH", statement(), signature=bare)
    body = b64(sign(SPEC_SEED, content["content"].encode()))
    forged(
        "body-signed", "the content signed instead of the statement", "MISMATCH", statement(), signature=body
    )
    for name, member, text, neighbour in [
        ("member-digest", "bodyDigest", "sha256:" + "A" * 64, "origin"),
        ("member-purpose", "purpose", "origin", "origin"),
        ("member-instant-space", "signedAt", "2026-10-13 12:50:05Z", "origin"),
        ("member-instant-zeros", "signedAt", "2026-10-13T12:50:05.250Z", "fraction"),
        ("member-instant-zero-offset", "signedAt", "2026-10-13T12:50:05+00:00", "G-20"),
        ("member-instant-no-day", "signedAt", "2026-02-30T12:50:05Z", "origin"),
        ("member-system-empty", "system", "", "origin"),
        ("member-key-empty", "keyId", "", "origin"),
        ("member-comments-long", "comments", "é" * 2001, "comments-longest"),
    ]:
        add(
            "statement",
            name,
            f"a malformed {member}",
            {"statement": statement(**{member: text})},
            refused("STATEMENT_MEMBER", member),
            neighbour,
        )
    add(
        "statement",
        "member-comments-nfd",
        "decomposed comments",
        {"statement": statement(comments="e\u0301")},
        refused("CANONICAL_NFC", "comments"),
        "comments-longest",
    )


def receipt_vectors() -> None:
    content = {"content": framed("FXH-EVENT-V1", EVENT)}
    plain = {
        "postingId": "0199f1c0-0009-7000-8000-000000000009",
        "contentDigest": sha256(content["content"]),
        "postedAt": "2026-10-13T12:50:06.000001Z",
        "tenant": "punjab",
        "system": "mgramseva@punjab.ifix.org",
        "keyId": "hub-1",
    }
    signature = sealed("receipt", "posted", "the hub's receipt of an event", plain, HUB_SEED, content)
    sealed(
        "receipt",
        "whole-second",
        "an instant without a fraction",
        {**plain, "postedAt": "2026-10-13T12:50:06Z"},
        HUB_SEED,
    )
    promise = {**plain, "inLogBy": "2026-10-13T12:51:06.000001Z", "log": "hub.example/log"}
    promised = sealed("receipt", "promising", "a receipt with a promise", promise, HUB_SEED, content)
    for member, text in [("inLogBy", "2026-10-13T12:51:07Z"), ("log", "other.example/log")]:
        given = {
            "publicKey": b64(public(HUB_SEED)),
            "signature": promised,
            "statement": {**promise, member: text},
            **content,
        }
        add("receipt", f"changed-{member}", f"another {member}", given, invalid("MISMATCH"), "promising")
    for member, text in [("inLogBy", "2026-10-13T12:51:06+05:30"), ("log", "")]:
        given = {"statement": {**promise, member: text}}
        add(
            "receipt",
            f"member-{member}",
            f"a malformed {member}",
            given,
            refused("STATEMENT_MEMBER", member if member == "log" else "postedAt"),
            "promising",
        )
    for member, text in [
        ("postingId", "0199f1c0-0009-7000-8000-00000000000a"),
        ("tenant", "kerala"),
        ("keyId", "hub-2"),
        ("postedAt", "2026-10-13T12:50:06.000002Z"),
        ("system", "x@punjab.ifix.org"),
    ]:
        given = {
            "publicKey": b64(public(HUB_SEED)),
            "signature": signature,
            "statement": {**plain, member: text},
            **content,
        }
        add("receipt", f"changed-{member}", f"another {member}", given, invalid("MISMATCH"), "posted")
    given = {
        "publicKey": b64(public(HUB_SEED)),
        "signature": signature,
        "statement": plain,
        "content": framed("FXH-EVENT-V1", {**EVENT, "referenceId": "DMD-2"}),
    }
    add("receipt", "other-content", "other content", given, invalid("DIGEST"), "posted")
    for member, text in [
        ("postingId", "0199F1C0-0009-7000-8000-000000000009"),
        ("postedAt", "2026-10-13T18:20:06+05:30"),
        ("tenant", ""),
        ("contentDigest", "sha256:00"),
    ]:
        add(
            "receipt",
            f"member-{member}",
            f"a malformed {member}",
            {"statement": {**plain, member: text}},
            refused("STATEMENT_MEMBER", member),
            "posted",
        )


def possession_vectors() -> None:
    plain = {
        "system": "mgramseva@punjab.ifix.org",
        "keyId": "mgs-1",
        "publicKey": b64(public(OTHER_SEED)),
        "challenge": "c-1",
    }
    signature = sealed("possession", "held", "the key inside signs for itself", plain, OTHER_SEED)
    given = {"statement": {**plain, "challenge": "c-2"}, "signature": signature}
    add("possession", "replayed", "an answer to another challenge", given, invalid("MISMATCH"), "held")
    given = {"statement": {**plain, "publicKey": b64(public(SPEC_SEED))}, "signature": signature}
    add("possession", "other-key", "another's key, signed with one's own", given, invalid("MISMATCH"), "held")


# --- amounts and instants
def text_vectors() -> None:
    for name, amount, scale, text in [
        ("D-05-one-digit", "10.0", 2, "10.00"),
        ("D-05-two-digits", "10.00", 2, "10.00"),
        ("whole", "10", 2, "10.00"),
        ("exponent", "1E+1", 2, "10.00"),
        ("exponent-negative", "1000E-2", 2, "10.00"),
        ("trailing-zeros", "10.00000", 2, "10.00"),
        ("leading-zeros", "0010.5", 2, "10.50"),
        ("negative", "-1202500", 2, "-1202500.00"),
        ("zero", "0", 2, "0.00"),
        ("minus-zero", "-0.00", 2, "0.00"),
        ("zero-exponent", "0E+99", 2, "0.00"),
        ("small", "0.01", 2, "0.01"),
        ("small-negative", "-0.05", 2, "-0.05"),
        ("scale-0", "1500.000", 0, "1500"),
        ("scale-3", "1.5", 3, "1.500"),
        ("greatest", "9" * 30 + ".99", 2, "9" * 30 + ".99"),
        ("beyond-28-digits", "1" * 29 + ".25", 2, "1" * 29 + ".25"),
    ]:
        add("amount", name, "one text per amount", {"amount": amount, "scale": scale}, {"text": text})
    for name, amount, scale, code, neighbour in [
        ("digits-lost", "10.001", 2, "AMOUNT_SCALE", "trailing-zeros"),
        ("digits-lost-0", "0.5", 0, "AMOUNT_SCALE", "scale-0"),
        ("digits-lost-tiny", "1E-400", 2, "AMOUNT_SCALE", "small"),
        ("nan", "NaN", 2, "AMOUNT_NOT_FINITE", "zero"),
        ("infinite", "-Infinity", 2, "AMOUNT_NOT_FINITE", "zero"),
        ("too-great", "1E+30", 2, "AMOUNT_SIZE", "greatest"),
        ("scale-negative", "10", -1, "AMOUNT_SCALE", "scale-0"),
        ("scale-too-great", "10", 19, "AMOUNT_SCALE", "scale-3"),
    ]:
        add("amount", name, "no text", {"amount": amount, "scale": scale}, refused(code), neighbour)
    for name, instant, text in [
        ("utc", "2026-10-13T12:50:05+00:00", "2026-10-13T12:50:05Z"),
        ("offset", "2026-10-13T18:20:05+05:30", "2026-10-13T12:50:05Z"),
        ("offset-day", "2026-10-13T01:00:00+05:30", "2026-10-12T19:30:00Z"),
        ("micro", "2026-10-13T12:50:05.000001+00:00", "2026-10-13T12:50:05.000001Z"),
        ("trimmed", "2026-10-13T12:50:05.250000+00:00", "2026-10-13T12:50:05.25Z"),
        ("zero-fraction", "2026-10-13T12:50:05.000000+00:00", "2026-10-13T12:50:05Z"),
        ("early", "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00Z"),
        ("leap-day", "2028-02-29T23:59:59.999999+00:00", "2028-02-29T23:59:59.999999Z"),
    ]:
        add("instant", name, "one text per instant", {"instant": instant}, {"text": text})
    add("instant", "naive", "no offset", {"instant": "2026-10-13T12:50:05"}, refused("INSTANT_NAIVE"), "utc")
    add(
        "instant",
        "too-early",
        "before year 1 in UTC",
        {"instant": "0001-01-01T00:00:00+05:30"},
        refused("INSTANT_RANGE"),
        "early",
    )


def document() -> str:
    VECTORS.clear()
    for section in (
        canonical_vectors,
        parse_vectors,
        frame_vectors,
        statement_vectors,
        receipt_vectors,
        possession_vectors,
        batch_vectors,
        proof_vectors,
        key_vectors,
        signature_vectors,
        text_vectors,
    ):
        section()
    return (
        json.dumps(
            {"description": DESCRIPTION, "version": 1, "vectors": VECTORS}, indent=1, ensure_ascii=True
        )
        + "\n"
    )


def main() -> int:
    text = document()
    if "--check" in sys.argv[1:]:
        return 0 if FILE.exists() and FILE.read_text(encoding="ascii") == text else 1
    FILE.write_text(text, encoding="ascii")
    sys.stdout.write(f"{len(VECTORS)} vectors\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
