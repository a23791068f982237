"""Witnesses' cosignatures on checkpoints (C2SP tlog-cosignature, cosignature/v1): Ed25519 over a time and the text; pure.

What is signed is "cosignature/v1", a line "time" with POSIX seconds, and the checkpoint's own lines. The signature line
carries the key's four-byte hash, the time in eight bytes, and the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hub.signing.errors import KeyRefused, NoteRefused, TextRefused
from hub.signing.keys import HubKey, PublicKey
from hub.signing.notes import NoteKey, signature_line
from hub.signing.texts import base64_of, base64_text

_COSIGNATURE = b"\x04"
_HASH_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 4, 8, 64


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A key that verifies cosignatures, under the witness's name. Raises NoteRefused NOTE_NAME as NoteKey does."""

    name: str
    public: PublicKey

    def __post_init__(self) -> None:
        NoteKey(self.name, self.public)

    @property
    def hash(self) -> bytes:
        """The four bytes that tell which key a line is by; never those of the same key signing notes."""
        return hashlib.sha256(self.name.encode() + b"\n" + _COSIGNATURE + self.public.raw).digest()[
            :_HASH_BYTES
        ]

    @property
    def text(self) -> str:
        """The key as it is published: "name+hash+base64"."""
        return f"{self.name}+{self.hash.hex()}+{base64_text(_COSIGNATURE + self.public.raw)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key this text writes; raises NoteRefused NOTE_KEY for any other form, a log's key among them."""
        try:
            name, written, encoded = text.split("+", 2)
            raw = base64_of(encoded)
            key = cls(name, PublicKey(raw[1:]))
        except (ValueError, TextRefused, KeyRefused):
            raise NoteRefused.of("NOTE_KEY", "not name+hash+base64 of a witness's key") from None
        if raw[:1] != _COSIGNATURE or written != key.hash.hex():
            raise NoteRefused.of("NOTE_KEY", "not a cosignature key, or the hash is not its own")
        return key


def cosign(text: str, name: str, key: HubKey, seconds: int) -> str:
    """The signature line of a witness that saw the log consistent up to this checkpoint, at this POSIX time."""
    signature = key.sign(_message(text, seconds))
    raw = WitnessKey(name, key.public).hash + seconds.to_bytes(_TIME_BYTES, "big") + signature
    return f"\u2014 {name} {base64_text(raw)}\n"


def cosigned_at(text: str, lines: Sequence[str], key: WitnessKey) -> tuple[int, str]:
    """When this witness cosigned these lines, and its line. Lines by others are passed over.

    Raises NoteRefused: NOTE_SHAPE (not signature lines), NOTE_SIGNATURE (a line by this key that does not verify),
    NOTE_UNSIGNED (no line by this key).
    """
    for line in lines:
        name, raw = signature_line(line.removesuffix("\n"))
        if name != key.name or raw[:_HASH_BYTES] != key.hash:
            continue
        if len(raw) != _HASH_BYTES + _TIME_BYTES + _SIGNATURE_BYTES:
            raise NoteRefused.of("NOTE_SIGNATURE", "a cosignature is a time and a signature")
        seconds = int.from_bytes(raw[_HASH_BYTES : _HASH_BYTES + _TIME_BYTES], "big")
        try:
            VerifyKey(key.public.raw).verify(_message(text, seconds), raw[_HASH_BYTES + _TIME_BYTES :])
        except (BadSignatureError, ValueError):
            raise NoteRefused.of(
                "NOTE_SIGNATURE", "the cosignature is not by this key over these lines"
            ) from None
        return seconds, line.removesuffix("\n") + "\n"
    raise NoteRefused.of("NOTE_UNSIGNED", "no cosignature by this witness")


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
