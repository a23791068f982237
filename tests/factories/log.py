"""The log from outside, checked with nothing of the hub's: hashlib, base64 and another Ed25519 implementation."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.signing.book import own_root


@dataclass(frozen=True)
class Head:
    """A checkpoint whose signature was verified."""

    origin: str
    size: int
    root: bytes
    note: str


def own_head(note: str, verifier_key: str) -> Head:
    """Read and verify a signed note as the C2SP describes it; AssertionError or InvalidSignature where it is wrong."""
    text, _, tail = note.partition("\n\n")
    origin, size, root = text.split("\n")
    name, written, encoded = verifier_key.split("+", 2)
    algorithm_and_key = base64.b64decode(encoded)
    assert algorithm_and_key[:1] == b"\x01"
    key_hash = hashlib.sha256(name.encode() + b"\n" + algorithm_and_key).digest()[:4]
    assert key_hash.hex() == written
    lines = [line.split(" ") for line in tail.splitlines()]
    assert all(line[0] == "\u2014" and len(line) == 3 for line in lines)
    signatures = [base64.b64decode(line[2]) for line in lines if line[1] == name]
    (signature,) = [raw[4:] for raw in signatures if raw[:4] == key_hash]
    Ed25519PublicKey.from_public_bytes(algorithm_and_key[1:]).verify(signature, (text + "\n").encode())
    return Head(origin, int(size), base64.b64decode(root), note)


async def own_entries(http: httpx.AsyncClient, size: int) -> list[bytes]:
    """All entries of the log from its bundles."""
    entries: list[bytes] = []
    while len(entries) < size:
        number, width = len(entries) // 256, min(256, size - len(entries))
        digits = f"{number:03d}" if number < 1000 else f"x{number // 1000:03d}/{number % 1000:03d}"
        path = f"/log/tile/entries/{digits}" + ("" if width == 256 else f".p/{width}")
        answer = await http.get(path)
        assert answer.status_code == 200, path
        data, found = answer.content, []
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
        assert len(found) == width
        entries += found
    return entries


def root_of_all(entries: list[bytes]) -> bytes:
    """The root over these entries, hashed as RFC 6962 says, without the hub."""
    return own_root(entries)
