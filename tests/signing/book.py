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
