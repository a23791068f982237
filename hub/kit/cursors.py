"""Opaque keyset cursors: a list's name and the sort key of a row, in base64url."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hub.codes import Code
from hub.errors import InvalidInput

LENGTH_MAX = 16_384
INTEGER_MAX = 2**63 - 1
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def encode(name: str, *key: str | int) -> str:
    """The cursor of a row in the list called ``name``."""
    text = json.dumps([name, *key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def encoder(name: str) -> Callable[[str], str]:
    """``encode`` for a list whose key is one text that JSON writes as it is, such as a UUID: many of them quickly."""
    before = json.dumps([name], ensure_ascii=False)[:-1] + ',"'

    def encode_one(key: str) -> str:
        return base64.urlsafe_b64encode(f'{before}{key}"]'.encode()).decode().rstrip("=")

    return encode_one


def decode(name: str, cursor: str, *types: type) -> tuple[str | int, ...]:
    """The sort key inside a cursor of the list called ``name``; anything else is refused with CURSOR."""
    value: Any = None
    if len(cursor) <= LENGTH_MAX:
        with suppress(ValueError, RecursionError):
            value = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if (
        not isinstance(value, list)
        or len(value) != len(types) + 1
        or value[0] != name
        or not all(_is_part(part, kind) for part, kind in zip(value[1:], types, strict=True))
    ):
        raise InvalidInput.because(Code.CURSOR, Code.CURSOR.summary, "after")
    return tuple(value[1:])


def decode_id(name: str, cursor: str) -> uuid.UUID:
    """The UUID inside a cursor of a list that is sorted by id; anything else is refused with CURSOR."""
    (text,) = decode(name, cursor, str)
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise InvalidInput.because(Code.CURSOR, Code.CURSOR.summary, "after") from None


def _is_part(part: object, kind: type) -> bool:
    """Of the type expected, and something the database can compare with."""
    if type(part) is not kind:
        return False
    if isinstance(part, int):
        return abs(part) <= INTEGER_MAX
    return isinstance(part, str) and _UNSTORABLE.search(part) is None
