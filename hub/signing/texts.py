"""Text forms of what JSON has no exact type for: amounts, instants and bytes, one text per value."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from decimal import Decimal

from hub.signing.errors import TextRefused

SCALE_MAX = 18
INTEGER_DIGITS_MAX = 30

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?P<fraction>\.[0-9]{0,5}[1-9])?"
    r"(?:Z|(?!.00:00)[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def amount_text(amount: Decimal, scale: int) -> str:
    """The amount with exactly `scale` digits after the point (none and no point at 0): "10.0" and "10.00" are one.

    Minus zero is zero. Nothing is ever rounded. `scale` is the currency's (ISO 4217 minor unit), 0 to 18; up to
    30 digits before the point. Spec 3.4 and 9.1.

    Raises TextRefused: AMOUNT_TYPE (not a Decimal), AMOUNT_NOT_FINITE, AMOUNT_SCALE (digits would be lost, or the
    scale itself is out of bounds), AMOUNT_SIZE.
    """
    if not isinstance(amount, Decimal):
        raise TextRefused.of("AMOUNT_TYPE", f"an amount of type {type(amount).__name__}; amounts are Decimal")
    if isinstance(scale, bool) or not isinstance(scale, int) or not 0 <= scale <= SCALE_MAX:
        raise TextRefused.of("AMOUNT_SCALE", f"the scale is not an integer from 0 to {SCALE_MAX}")
    if not amount.is_finite():
        raise TextRefused.of("AMOUNT_NOT_FINITE", "the amount is not a number")
    if amount and amount.adjusted() >= INTEGER_DIGITS_MAX:
        raise TextRefused.of("AMOUNT_SIZE", f"more than {INTEGER_DIGITS_MAX} digits before the point")
    # Digits by hand: Decimal's own quantize depends on the ambient context's precision.
    sign, digits, exponent = amount.as_tuple()
    unscaled = "".join(map(str, digits)).lstrip("0")
    shift = int(exponent) + scale if unscaled else 0
    if shift < 0:
        if unscaled[shift:].strip("0"):
            raise TextRefused.of("AMOUNT_SCALE", f"more than {scale} digits after the point")
        unscaled = unscaled[:shift]
    padded = (unscaled + "0" * max(shift, 0)).rjust(scale + 1, "0")
    whole, fraction = padded[: len(padded) - scale], padded[len(padded) - scale :]
    return ("-" if sign and unscaled else "") + whole + ("." + fraction if scale else "")


def require_aware(instant: datetime) -> datetime:
    """The instant itself if it knows its offset; raises TextRefused INSTANT_NAIVE if not."""
    if instant.utcoffset() is None:
        raise TextRefused.of("INSTANT_NAIVE", "an instant without an offset from UTC")
    return instant


def instant_text(instant: datetime) -> str:
    """The instant in UTC as YYYY-MM-DDTHH:MM:SS[.ffffff]Z; a fraction only if not zero, without trailing zeros.

    RFC 3339. Raises TextRefused: INSTANT_NAIVE, INSTANT_RANGE (outside the years 1 to 9999 in UTC).
    """
    try:
        utc = instant if instant.tzinfo is UTC else require_aware(instant).astimezone(UTC)
    except OverflowError:
        raise TextRefused.of("INSTANT_RANGE", "an instant outside the years 1 to 9999") from None
    text = utc.isoformat()[: -len("+00:00")]
    return (text.rstrip("0") if utc.microsecond else text) + "Z"


def instant_of(text: str) -> datetime:
    """The aware instant of a text in the form of `instant_text`, or the same with an offset other than zero.

    Zero offset is written Z and nothing else, so a time and its offset have one text. Raises TextRefused INSTANT_FORM.
    """
    if not _INSTANT.fullmatch(text):
        raise TextRefused.of("INSTANT_FORM", "not YYYY-MM-DDTHH:MM:SS[.ffffff] with Z or an offset")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise TextRefused.of("INSTANT_FORM", "no such day or time") from None


def base64_text(data: bytes) -> str:
    """Bytes in the standard alphabet with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def base64_of(text: str) -> bytes:
    """The bytes of a base64 text in its one form: standard alphabet, padded, unused bits zero, no white space.

    Raises TextRefused BASE64 for every other spelling (RFC 4648 section 3.5).
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TextRefused.of("BASE64", "not base64 in the standard alphabet with padding") from None
    if base64_text(data) != text:
        raise TextRefused.of("BASE64", "another spelling of base64 than the standard one")
    return data
