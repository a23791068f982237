"""The list the vectors are written into, and what computes expected values without the code under test."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Json: TypeAlias = Any
VECTORS: list[dict[str, Json]] = []


def add(
    kind: str,
    name: str,
    description: str,
    given: Json,
    expect: Json,
    neighbour: str = "",
) -> None:
    vector = {
        "id": f"{kind}/{name}",
        "kind": kind,
        "description": description,
        "input": given,
        "expect": expect,
    }
    if "refused" in expect:
        vector["neighbour"] = f"{kind}/{neighbour}"
    VECTORS.append(copy.deepcopy(vector))


def invalid(reason: str) -> Json:
    return {"refused": "SIGNATURE_INVALID", "reason": reason}


def own_canonical(value: Json) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return (
            "{"
            + ",".join(f"{json.dumps(n, ensure_ascii=False)}:{own_canonical(value[n])}" for n in names)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(own_canonical(member) for member in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def framed(domain: str, value: Json) -> str:
    return f"{domain}\n{own_canonical(value)}"


def own_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash as RFC 6962 section 2.1 defines it, word for word."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = _split(len(leaves))
    return hashlib.sha256(b"\x01" + own_root(leaves[:k]) + own_root(leaves[k:])).digest()


def own_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if m < k:
        return [*own_path(m, leaves[:k]), own_root(leaves[k:])]
    return [*own_path(m - k, leaves[k:]), own_root(leaves[:k])]


def own_proof(m: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [own_root(leaves)]
    k = _split(n)
    if m <= k:
        return [*own_proof(m, leaves[:k], whole=whole), own_root(leaves[k:])]
    return [*own_proof(m - k, leaves[k:], whole=False), own_root(leaves[:k])]


def own_climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that a path of the right length leads to."""
    if size == 1:
        assert path == []
        return hashlib.sha256(b"\x00" + leaf).digest()
    k = _split(size)
    if index < k:
        return hashlib.sha256(b"\x01" + own_climb(leaf, index, k, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\x01" + path[-1] + own_climb(leaf, index - k, size - k, path[:-1])).digest()


def _split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


SPEC_SEED = bytes(range(32))
OTHER_SEED = bytes(range(32, 64))
HUB_SEED = bytes(range(64, 96))


def sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def public(seed: bytes) -> bytes:
    return (
        Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    )


def refused(code: str, *path: str | int) -> Json:
    return {"refused": code, "path": list(path)}
