"""Vectors of batches signed once: roots, paths, statements and signatures; and what must not pass for one."""

from __future__ import annotations

import hashlib

from tests.signing.book import (
    OTHER_SEED,
    SPEC_SEED,
    Json,
    add,
    b64,
    framed,
    invalid,
    own_canonical,
    own_path,
    own_root,
    public,
    refused,
    sha256,
    sign,
)

DOMAIN = "FXH-BATCH-SIGNATURE-V1"
SAID = {"keyId": "mgs-1", "signedAt": "2026-10-13T12:50:05Z", "system": "mgramseva@punjab.ifix.org"}
PLACES = {1: (0,), 2: (0, 1), 3: (0, 1, 2), 5: (0, 3, 4), 8: (0, 5, 7), 500: (0, 255, 256, 499)}


def content(n: int) -> str:
    return framed("FXH-EVENT-V1", {"n": n})


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(content(n).encode()).digest() for n in range(count)]


def members(count: int, **changes: Json) -> Json:
    root = f"sha256:{own_root(leaves(count)).hex()}"
    return {**SAID, "items": count, "purpose": "ORIGIN", "root": root, **changes}


def signed(said: Json, seed: bytes = SPEC_SEED) -> str:
    return b64(sign(seed, framed(DOMAIN, {**said, "v": "1"}).encode()))


def batch_vectors() -> None:
    for count, places in PLACES.items():
        text = framed(DOMAIN, {**members(count), "v": "1"})
        for place in places:
            add(
                "batch",
                f"{count}-{place}",
                f"{count} events, and the path of the one at {place}",
                {
                    **SAID,
                    "count": count,
                    "index": place,
                    "seed": b64(SPEC_SEED),
                    "publicKey": b64(public(SPEC_SEED)),
                },
                {
                    "root": members(count)["root"],
                    "path": [b64(part) for part in own_path(place, leaves(count))],
                    "bytes": text,
                    "digest": sha256(text),
                    "signature": signed(members(count)),
                },
            )


def proof_vectors() -> None:
    count, place = 5, 3
    path = [b64(part) for part in own_path(place, leaves(count))]
    plain = {
        "statement": members(count),
        "signature": signed(members(count)),
        "publicKey": b64(public(SPEC_SEED)),
        "content": content(place),
        "index": place,
        "size": count,
        "path": path,
    }
    add("batch-proof", "held", "the fourth of five events, proven alone", plain, {})
    alone = {**plain, "statement": members(1), "signature": signed(members(1)), "content": content(0)}
    add(
        "batch-proof", "alone", "a batch of one has no path", {**alone, "index": 0, "size": 1, "path": []}, {}
    )

    def forged(name: str, description: str, expect: Json, **changes: Json) -> None:
        add("batch-proof", name, description, {**plain, **changes}, expect, "held")

    def proof(name: str, description: str, **changes: Json) -> None:
        forged(name, description, invalid("PROOF"), **changes)

    flipped = [path[1], path[0], *path[2:]]
    proof("content-changed", "another content of the same sender", content=content(7))
    proof("neighbour", "the content beside it", content=content(2))
    proof("index-wrong", "another place", index=2)
    proof("index-negative", "before the first place", index=-1)
    proof("index-beyond", "behind the last place", index=5)
    proof("size-wrong", "another size than was signed", size=6)
    proof("path-short", "the last hash left out", path=path[:-1])
    proof("path-long", "a hash too many", path=[*path, path[0]])
    proof("path-order", "two hashes swapped", path=flipped)
    proof("path-hash-short", "a hash of 31 bytes", path=[b64(bytes(31)), *path[1:]])
    proof("root-other", "the root of other events", statement=members(5, root=sha256("x")))
    mismatch = invalid("MISMATCH")
    # The same path leads from the same place of six to the same root: that it were five is what the signature says.
    six = {"statement": members(5, items=6), "size": 6}
    forged("items-changed", "the statement says six, and so does the proof", mismatch, **six)
    forged("key-wrong", "another key", mismatch, publicKey=b64(public(OTHER_SEED)))
    forged(
        "instant-changed", "a second later", mismatch, statement=members(5, signedAt="2026-10-13T12:50:06Z")
    )
    forged("system-changed", "another system", mismatch, statement=members(5, system="ifms@punjab.ifix.org"))
    bare = own_canonical({**members(count), "v": "1"})
    forged(
        "domain-left-out",
        "signed without the domain line",
        mismatch,
        signature=b64(sign(SPEC_SEED, bare.encode())),
    )
    root = own_root(leaves(count))
    forged(
        "root-signed",
        "the root signed instead of the statement",
        mismatch,
        signature=b64(sign(SPEC_SEED, root)),
    )
    forged(
        "not-content", "bytes of another kind", refused("FRAME_NOT_CONTENT"), content=framed(DOMAIN, {"n": 3})
    )
    for name, member, value in (
        ("member-items-zero", "items", 0),
        ("member-items-text", "items", "5"),
        ("member-items-boolean", "items", True),
        ("member-purpose", "purpose", "APPROVAL"),
        ("member-root", "root", "sha256:" + "A" * 64),
        ("member-key-empty", "keyId", ""),
        ("member-system-number", "system", 1),
        ("member-instant", "signedAt", "2026-10-13 12:50:05Z"),
    ):
        expect = refused("STATEMENT_MEMBER", member)
        forged(name, f"a malformed {member}", expect, statement=members(count, **{member: value}))
    added = {**members(count), "comments": ""}
    forged("members-more", "a member too many", refused("STATEMENT_MEMBERS"), statement=added)
