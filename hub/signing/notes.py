"""Signed notes and checkpoints as the C2SP writes them (signed-note, tlog-checkpoint): text lines and Ed25519; pure.

A note is lines of text, an empty line, and signature lines: an em dash, the key's name, and the base64 of the key's
four-byte hash followed by the signature over the text. A checkpoint's text is the log's origin, the tree's size and its
root, a line each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hub.signing.errors import KeyRefused, NoteRefused, TextRefused
from hub.signing.keys import HubKey, PublicKey
from hub.signing.merkle import HASH_BYTES
from hub.signing.texts import base64_of, base64_text
from hub.signing.tiles import TREE_SIZE_MAX

NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 100

_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,255}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINE = "\u2014 "


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that verifies notes, under its name. Raises NoteRefused NOTE_NAME for a name with spaces or plus signs."""

    name: str
    public: PublicKey

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise NoteRefused.of("NOTE_NAME", "a key's name has no spaces and no plus sign")

    @property
    def hash(self) -> bytes:
        """The four bytes that tell which key a signature line is by."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public.raw).digest()[
            :_KEY_HASH_BYTES
        ]

    @property
    def text(self) -> str:
        """The key as it is published: "name+hash+base64"."""
        return f"{self.name}+{self.hash.hex()}+{base64_text(_ED25519 + self.public.raw)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key this text writes; raises NoteRefused NOTE_KEY for any other form, or a hash that is not the key's."""
        parts = text.split("+", 2)
        try:
            name, written, encoded = parts
            raw = base64_of(encoded)
            key = cls(name, PublicKey(raw[1:]))
        except (ValueError, TextRefused, KeyRefused):
            raise NoteRefused.of("NOTE_KEY", "not name+hash+base64 of an Ed25519 key") from None
        if raw[:1] != _ED25519 or written != key.hash.hex():
            raise NoteRefused.of("NOTE_KEY", "the hash is not that of the name and key")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's head: the log's origin, how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64_text(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint these lines write; lines after the third are extensions. Raises NoteRefused CHECKPOINT."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):  # noqa: PLR2004 - three lines, each with its end
            raise NoteRefused.of("CHECKPOINT", "not three lines: origin, size, root")
        origin, size, encoded = lines[:3]
        try:
            root = base64_of(encoded)
        except TextRefused:
            root = b""
        if _SIZE.fullmatch(size) is None or int(size) > TREE_SIZE_MAX or len(root) != HASH_BYTES:
            raise NoteRefused.of(
                "CHECKPOINT", "the size is no number in its only spelling, or the root no hash"
            )
        return cls(origin, int(size), root)


def sign_note(text: str, name: str, keys: Sequence[HubKey]) -> str:
    """The signed note of these lines, with a signature line by each key under this name. Raises NoteRefused."""
    if not text.endswith("\n") or "\n\n" in text:
        raise NoteRefused.of("NOTE_TEXT", "a note's text is whole lines, none of them empty")
    lines = [
        f"{_LINE}{name} {base64_text(NoteKey(name, key.public).hash + key.sign(text.encode()))}\n"
        for key in keys
    ]
    return f"{text}\n{''.join(lines)}"


def open_note(note: str, keys: Sequence[NoteKey]) -> tuple[str, tuple[NoteKey, ...]]:
    """The text of a note and which of these keys have signed it, at least one; others' lines are passed over.

    Raises NoteRefused: NOTE_SHAPE (not a note, too long, too many lines), NOTE_SIGNATURE (a line by one of these keys
    does not verify), NOTE_UNSIGNED (none of these keys has signed).
    """
    text, gap, tail = note.rpartition("\n\n")
    text += "\n"
    lines = tail.split("\n")
    if not gap or len(note) > NOTE_BYTES_MAX or lines.pop() or not 1 <= len(lines) <= SIGNATURES_MAX:
        raise NoteRefused.of("NOTE_SHAPE", "not the lines, an empty one, and signature lines")
    signed = []
    for line in lines:
        name, raw = signature_line(line)
        for key in keys:
            if key.name == name and raw[:_KEY_HASH_BYTES] == key.hash:
                _verify(key, text, raw[_KEY_HASH_BYTES:])
                signed.append(key)
    if not signed:
        raise NoteRefused.of("NOTE_UNSIGNED", "no signature by a key that was asked for")
    return text, tuple(signed)


def signature_line(line: str) -> tuple[str, bytes]:
    """The name and the bytes, key's hash first, of a signature line; raises NoteRefused NOTE_SHAPE."""
    name, space, encoded = line.removeprefix(_LINE).partition(" ")
    try:
        raw = base64_of(encoded)
    except TextRefused:
        raw = b""
    if not line.startswith(_LINE) or not space or not _NAME.fullmatch(name) or len(raw) <= _KEY_HASH_BYTES:
        raise NoteRefused.of("NOTE_SHAPE", "a signature line is a dash, a name, and base64")
    return name, raw


def _verify(key: NoteKey, text: str, signature: bytes) -> None:
    try:
        VerifyKey(key.public.raw).verify(text.encode(), signature)
    except (BadSignatureError, ValueError):
        raise NoteRefused.of("NOTE_SIGNATURE", "the signature is not by this key over these lines") from None
