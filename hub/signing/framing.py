"""Domain separation: the line in front of canonical bytes that says what they are, and the digest over both."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from hub.signing.canonical import Value, canonical, parse
from hub.signing.errors import FrameRefused, TextRefused

_DIGEST_TEXT = re.compile(r"sha256:[0-9a-f]{64}")


class Domain(StrEnum):
    """The kinds of byte strings the hub digests or signs, each named by the line it begins with."""

    EVENT = "FXH-EVENT-V1"
    MESSAGE = "FXH-MESSAGE-V1"
    BODY_SIGNATURE = "FXH-BODY-SIGNATURE-V1"
    BATCH_SIGNATURE = "FXH-BATCH-SIGNATURE-V1"
    RECEIPT = "FXH-RECEIPT-V1"
    PROMISING_RECEIPT = "FXH-RECEIPT-V2"
    KEY_POSSESSION = "FXH-KEY-POSSESSION-V1"
    FACT = "FXH-FACT-V1"
    LEAF = "FXH-LEAF-V1"
    LOG_KEY = "FXH-LOG-KEY-V1"
    EVIDENCE = "FXH-EVIDENCE-V1"

    @property
    def line(self) -> bytes:
        """The domain line with its line feed."""
        return self.value.encode("ascii") + b"\n"


CONTENT_DOMAINS = (Domain.EVENT, Domain.MESSAGE)
_LINES = {domain: domain.line for domain in Domain}
_CONTENT_LINES = tuple(domain.line for domain in CONTENT_DOMAINS)


@dataclass(frozen=True, slots=True)
class Digest:
    """A SHA-256 digest: 32 bytes, written sha256:<64 lower-case hex digits>."""

    raw: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.raw, bytes) or len(self.raw) != hashlib.sha256().digest_size:
            raise TextRefused.of("DIGEST", "a SHA-256 digest has 32 bytes")

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The digest of these bytes."""
        return cls(hashlib.sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that this text writes; raises TextRefused DIGEST for any other form."""
        if not _DIGEST_TEXT.fullmatch(text):
            raise TextRefused.of("DIGEST", "not sha256: and 64 lower-case hex digits")
        return cls(bytes.fromhex(text.removeprefix("sha256:")))

    @property
    def text(self) -> str:
        """The digest as it stands in statements and answers."""
        return f"sha256:{self.raw.hex()}"

    def __str__(self) -> str:
        return self.text


def frame(domain: Domain, value: object) -> bytes:
    """The bytes that are digested or signed: domain line, line feed, canonical JSON. Raises as `canonical` does."""
    return _LINES[domain] + canonical(value)


def unframe(data: bytes) -> tuple[Domain, Value]:
    """The domain and value of framed bytes; `frame(*unframe(data)) == data` always holds.

    Raises FrameRefused FRAME_DOMAIN when the bytes begin with no known line, and as `parse` does.
    """
    for domain in Domain:
        if data.startswith(domain.line):
            return domain, parse(data[len(domain.line) :])
    raise FrameRefused.of("FRAME_DOMAIN", "the bytes begin with no known domain line")


def content_digest(framed: bytes) -> Digest:
    """The digest of an event's or a message's framed content, over the domain line as well.

    Raises FrameRefused FRAME_NOT_CONTENT for the bytes of anything else, so that no statement can vouch for them.
    """
    if not framed.startswith(_CONTENT_LINES):
        raise FrameRefused.of("FRAME_NOT_CONTENT", "not the framed content of an event or a message")
    return Digest.of(framed)
