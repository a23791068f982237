"""The texts nobody may guess: API keys with their checksum, one-time codes, session and browser tokens."""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass

from hub.domain.registry.callers import Environment

PREFIXES = {Environment.LIVE: "fhub_live_", Environment.TEST: "fhub_test_"}
KEY_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
KEY_ID_LENGTH = 8
SECRET_BYTES = 32
CHECKSUM_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM_LENGTH = 6
CODE_DIGITS = 8
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY = re.compile(
    r"(?P<prefix>fhub_(?:live|test)_)(?P<id>[a-z0-9]{8})_(?P<secret>[A-Za-z0-9_-]{43})(?P<sum>[0-9A-Za-z]{6})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """An API key's text in parts; its repr shows the public part alone."""

    environment: Environment
    public_id: str
    text: str

    def __repr__(self) -> str:
        return f"KeyText({self.public_id})"


def checksum(text: str) -> str:
    """Six base-62 digits of the text's CRC-32: tells a typo from a key without asking the database."""
    number = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(CHECKSUM_ALPHABET))
        digits = CHECKSUM_ALPHABET[digit] + digits
    return digits


def new_api_key(environment: Environment) -> KeyText:
    """A fresh key with 256 bits of secret."""
    public_id = "".join(secrets.choice(KEY_ID_ALPHABET) for _ in range(KEY_ID_LENGTH))
    body = f"{PREFIXES[environment]}{public_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return KeyText(environment, public_id, body + checksum(body))


def read_api_key(text: str) -> KeyText | None:
    """The parts of an API key's text, or None when its form or its checksum is wrong."""
    found = _KEY.fullmatch(text)
    if found is None or checksum(text[:-CHECKSUM_LENGTH]) != found["sum"]:
        return None
    environment = next(each for each, prefix in PREFIXES.items() if prefix == found["prefix"])
    return KeyText(environment, found["id"], text)


def new_code() -> str:
    """Eight digits from the system's random source."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def new_token() -> str:
    """256 bits in base64url, for cookies and challenges."""
    return secrets.token_urlsafe(SECRET_BYTES)


def is_token(text: str) -> bool:
    """Whether a text has the form of :func:`new_token`."""
    return TOKEN.fullmatch(text) is not None
