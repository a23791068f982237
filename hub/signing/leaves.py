"""From a fact to its leaf in the log: the record of its parts, the commitment that hides it, the entry the log hashes.

A record says what a fact is made of, by digests; the commitment is SHA-256 over a domain line, a random nonce and the
record; the entry is what the tree's leaf is the hash of. Who holds the entry learns nothing; who is given nonce and
record can check all of it offline. Pure.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from hub.signing.framing import Domain

NONCE_BYTES = 32
_VERSION = "1"
_COMMITMENT_LINE = b"FXH-COMMITMENT-V1\n"
_ENTRY_HEAD = Domain.LEAF.line + b'{"commitment":"sha256:'
_ENTRY_TAIL = b'"}'
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Record:
    """What a leaf commits to: kind, government and id of the fact, and a SHA-256 (32 bytes) for each of its parts.

    A part that a fact does not have (no links, say) is not named. Names are lower-case ASCII words.
    """

    kind: str
    tenant_id: UUID | None
    fact_id: UUID
    parts: Mapping[str, bytes]

    def bytes(self) -> bytes:
        """`FXH-FACT-V1`, line feed, canonical JSON (RFC 8785): written directly, as nothing in it needs escaping."""
        parts = ",".join([f'"{name}":"{self.parts[name].hex()}"' for name in sorted(self.parts)])
        tenant = "" if self.tenant_id is None else str(self.tenant_id)
        text = (
            f'{{"id":"{self.fact_id}","kind":"{self.kind}","parts":{{{parts}}},'
            f'"tenant":"{tenant}","v":"{_VERSION}"}}'
        )
        return Domain.FACT.line + text.encode("ascii")


def new_nonce() -> bytes:
    """32 random bytes, which keep a commitment to a guessable fact from being guessed."""
    return secrets.token_bytes(NONCE_BYTES)


def part_digest(value: str | bytes) -> bytes:
    """The SHA-256 of one part's bytes (text as UTF-8)."""
    return _sha256(value.encode() if isinstance(value, str) else value).digest()


def commitment(nonce: bytes, record: bytes) -> bytes:
    """The 32 bytes that bind the hub to a record without showing it."""
    return _sha256(_COMMITMENT_LINE + nonce + record).digest()


def entry(committed: bytes) -> bytes:
    """A leaf's data as the tree hashes it and the entry bundles publish it: `FXH-LEAF-V1` and the commitment."""
    return _ENTRY_HEAD + committed.hex().encode("ascii") + _ENTRY_TAIL
