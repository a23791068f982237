"""Time-based one-time passwords (RFC 6238): six digits of HMAC-SHA-1 over the number of half-minutes since 1970.

Short enough to be read against the standard, and the standard's own vectors are its tests; every authenticator
app takes these defaults, few take others.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
# A code also counts one step before and after its own, for clocks that differ and people who type (RFC 6238, 5.2).
STEPS_AROUND = 1


def new_secret() -> bytes:
    """160 bits, the length of the hash (RFC 4226, 4)."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(instant: datetime) -> int:
    """The number of the half-minute an instant lies in."""
    return int(instant.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of one step (RFC 4226, 5.3: dynamic truncation)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), algorithm)
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def matching_step(secret: bytes, code: str, now: datetime, *, after: int | None) -> int | None:
    """The step this code belongs to, near now and later than ``after``; None for a wrong or an old code.

    Every candidate is compared in constant time; digits of other scripts are no digits.
    """
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    here = step_of(now)
    found = None
    for step in range(here - STEPS_AROUND, here + STEPS_AROUND + 1):
        is_right = hmac.compare_digest(code_at(secret, step), code)
        if is_right and (after is None or step > after):
            found = step
    return found


def secret_text(secret: bytes) -> str:
    """The secret as people type it into an app: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """What an app reads from a QR code (the Key URI format of authenticator apps)."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    values = {
        "secret": secret_text(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"
