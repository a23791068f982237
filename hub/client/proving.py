"""Checking a posting's own signature without the hub: stored bytes, a public key, SHA-256 and Ed25519 are enough.

What it takes: ``content`` of the posting, and of its signature with the purpose ORIGIN ``statement``, ``eSign`` and
``batch { index size path }``, as the hub answers them; and the public key registered for the signer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

CONTENT_LINES = (b"FXH-EVENT-V1\n", b"FXH-MESSAGE-V1\n")
STATEMENT_LINE = b"FXH-BODY-SIGNATURE-V1\n"
BATCH_LINE = b"FXH-BATCH-SIGNATURE-V1\n"


class NotProven(Exception):
    """The signature does not hold for this content; the message says at which step."""


def prove(content: bytes, signature: Mapping[str, Any], public_key: bytes) -> dict[str, Any]:
    """
    The members of the statement that the key signed about exactly this content; raises NotProven.

    1. The content begins with the domain line of an event or a message.
    2. Its SHA-256 is what the statement is about: its ``bodyDigest``, or, where a whole batch was signed once, from
       there the path leads to its ``root``, in a batch of as many ``items``.
    3. Ed25519 holds over the statement's bytes.

    What remains the caller's: the key is the one registered under the statement's ``keyId`` for its ``system``, that
    is the sender inside the content, and the key was valid when the hub received it.
    """
    if not content.startswith(CONTENT_LINES):
        raise NotProven("these bytes are not the content of a posting")
    digest = hashlib.sha256(content).digest()
    statement, batch = base64.b64decode(signature["statement"]), signature.get("batch")
    line = STATEMENT_LINE if batch is None else BATCH_LINE
    if not statement.startswith(line):
        raise NotProven("the statement is of another kind")
    members: dict[str, Any] = json.loads(statement[len(line) :])
    if batch is None:
        if members.get("bodyDigest") != _text(digest):
            raise NotProven("the statement is about another content")
    else:
        path = [base64.b64decode(part) for part in batch["path"]]
        if members.get("items") != batch["size"]:
            raise NotProven("the statement is about a batch of another size")
        if members.get("root") != _text(root_of(digest, batch["index"], batch["size"], path)):
            raise NotProven("the content is not at this place of the batch that was signed")
    try:
        VerifyKey(public_key).verify(statement, base64.b64decode(signature["eSign"]))
    except (BadSignatureError, ValueError) as error:
        raise NotProven("the signature is not this key's over the statement") from error
    return members


def _text(digest: bytes) -> str:
    return f"sha256:{digest.hex()}"


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the Merkle tree of ``size`` leaves with this leaf at ``index`` (RFC 6962); raises NotProven."""
    if not 0 <= index < size:
        raise NotProven("no such place in the batch")
    if size == 1:
        if path:
            raise NotProven("the path is too long")
        return hashlib.sha256(b"\0" + leaf).digest()
    if not path:
        raise NotProven("the path is too short")
    *below, beside = path
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return hashlib.sha256(b"\1" + root_of(leaf, index, half, below) + beside).digest()
    return hashlib.sha256(b"\1" + beside + root_of(leaf, index - half, size - half, below)).digest()
