"""Strict JSON: bytes with one meaning only, read at the speed of a lax reader.

The reader keeps the last of two members of one name and says nothing. A dropped member had a name, so the value
written again holds fewer texts than the bytes did: counting quotation marks on both sides shows it.
"""

from __future__ import annotations

from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class NotStrict(ValueError):
    """Not JSON, not UTF-8, or JSON with more than one meaning; the message is fit for the sender."""


def load(text: bytes) -> Any:
    """The value; refuses duplicate members, lone surrogates, NaN, and numbers that no float or int can hold."""
    try:
        value = _decode(text)
        again = _encode(value)
    except msgspec.ValidationError:
        raise NotStrict("holds a number out of range") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotStrict("is not valid JSON in UTF-8") from None
    if _quotes(text) != _quotes(again):
        raise NotStrict("names a member of an object twice")
    return value


def _quotes(text: bytes) -> int:
    """The quotation marks that begin or end a text: all but the escaped ones."""
    if b"\\" not in text:
        return text.count(b'"')
    # Escaped backslashes go first, so that the one left before a quotation mark escapes that mark.
    unambiguous = text.replace(b"\\\\", b"")
    return unambiguous.count(b'"') - unambiguous.count(b'\\"')


WINDOW_BYTES = 64 * 1024
# Reading a whole number takes the square of its digits: this many are read at once, wherever they stand.
DIGITS_MAX = 400
_ZEROS = b"0" * DIGITS_MAX
_DIGITS = bytes.maketrans(b"123456789", b"000000000")


def is_modest(text: bytes, values_max: int) -> bool:
    """Whether reading the text is bounded work: at most so many members and entries, and no endless number.

    Cheap whatever is sent, valid or not; it never counts fewer values than a reader would find.
    """
    if _separators(text) <= values_max and _ZEROS not in text.translate(_DIGITS):
        return True
    marks = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if marks.count(b'"') > MARKS_PER_VALUE * values_max:
        return False
    found, quoted = 0, 0
    for start in range(0, len(marks), WINDOW_BYTES):
        parts = marks[start : start + WINDOW_BYTES].split(b'"')
        outside = b" ".join(parts[quoted::2])
        found += _separators(outside)
        if found > values_max or _ZEROS in outside.translate(_DIGITS):
            return False
        quoted ^= (len(parts) - 1) & 1
    return True


# A member may have a name and a text, with two marks each.
MARKS_PER_VALUE = 4


def _separators(text: bytes) -> int:
    """Every value in a container stands behind its opening bracket or a comma."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")
