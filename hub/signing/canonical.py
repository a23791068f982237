"""Values to the one byte string that is digested and signed, and back: RFC 8785, restricted."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar, cast

import orjson
import rfc8785

from hub.signing.errors import NotCanonical, Violation

DEPTH_MAX = 32
SIZE_BYTES_MAX = 5 * 1024 * 1024
INTEGER_MAX = 2**53 - 1
VIOLATIONS_MAX = 1_000

Value: TypeAlias = "bool | int | str | list[Value] | dict[str, Value] | None"
Member = TypeVar("Member")

_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\n\r]*")
# A string (even one that never ends) or a bracket; possessive, so that hostile text costs one pass.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_PLAIN = frozenset({int, bool, type(None)})
_QUICK = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
_BEYOND_BMP = re.compile(b"[\xf0-\xf4]")
_INTEGER_TEXT_LENGTH_MAX = len(str(-INTEGER_MAX))


def canonical(value: object) -> bytes:
    """The canonical UTF-8 bytes of a value (RFC 8785 section 3.2, without floating-point numbers).

    Takes dict with str names, list or tuple, str in NFC without U+0000, bool, None, and int within +-(2**53 - 1);
    at most 32 containers deep and 5 MiB (5,242,880 bytes) long. Amounts, dates and bigger numbers are the caller's
    to write as text (`amount_text`, `instant_text`).

    Raises NotCanonical with every violation found: CANONICAL_TYPE, CANONICAL_FLOAT, CANONICAL_DECIMAL,
    CANONICAL_INTEGER, CANONICAL_NAME_TYPE, CANONICAL_SURROGATE, CANONICAL_NFC, CANONICAL_NUL, CANONICAL_DEPTH,
    CANONICAL_SIZE. The search ends at 1,000 violations, and where the size bound is passed.
    """
    data = _quick(value)
    return exact(value) if data is None else data


def exact(value: object) -> bytes:
    """`canonical` by one walk over every value that finds every violation, and an implementation of RFC 8785."""
    _check(value)
    data = rfc8785.dumps(cast(Value, value))
    if len(data) > SIZE_BYTES_MAX:  # escapes and UTF-8 lengths are only known now
        raise NotCanonical([_too_big()])
    return data


def _quick(value: object) -> bytes | None:
    """The same bytes by the quick writer, or None where only the exact walk can say what they are, or what is wrong.

    The quick writer differs in what it takes (hence ``_is_plain``), and in the order of names beyond the Basic
    Multilingual Plane: it sorts by code points, RFC 8785 by UTF-16 units. A written text in NFC has every string
    in it in NFC, as no part of a normalized text is anything else.
    """
    if not _is_plain(value):
        return None
    try:
        data = orjson.dumps(value, option=_QUICK)
    except TypeError:  # half a surrogate pair, an integer beyond 2**53 - 1, a name that is no text
        return None
    if len(data) > SIZE_BYTES_MAX or b"\\u0000" in data:
        return None
    if data.isascii():
        return data
    if _BEYOND_BMP.search(data) or not unicodedata.is_normalized("NFC", data.decode()):
        return None
    return data


def _is_plain(value: object) -> bool:
    """Whether the value is made of JSON's own types and no others, subclasses included, not too deep and not too big."""
    return _room_after([value], DEPTH_MAX, SIZE_BYTES_MAX) >= 0


def _room_after(members: Iterable[Any], levels: int, room: int) -> int:
    """How much of a size is left after these members, counted low; below zero: too big, too deep, or not plain.

    Counted wherever a member is met, so that the walk over any graph of references ends.
    """
    for member in members:
        kind = type(member)
        if kind is str:
            room -= len(member)
        elif kind in _PLAIN:
            room -= 1
        elif kind is dict and levels:
            try:
                room = _room_after(member.values(), levels - 1, room - len("".join(member)) - 2)
            except TypeError:
                return -1
        elif (kind is list or kind is tuple) and levels:
            room = _room_after(member, levels - 1, room - 2)
        else:
            return -1
        if room < 0:
            return -1
    return room


def parse(data: bytes) -> Value:
    """The value whose canonical bytes these are; `canonical(parse(data)) == data` always holds.

    Raises NotCanonical with the codes of `canonical`, or PARSE_BOM, PARSE_UTF8, PARSE_SYNTAX, PARSE_TRAILING,
    PARSE_NUMBER (fraction or exponent), PARSE_DUPLICATE_NAME, PARSE_NOT_CANONICAL (another spelling of an
    acceptable value: white space, order of names, escapes, -0). RFC 8785; RFC 8259 section 4 on duplicates.
    """
    if len(data) > SIZE_BYTES_MAX:
        raise NotCanonical([_too_big()])
    if data.startswith(b"\xef\xbb\xbf"):
        raise NotCanonical.of("PARSE_BOM", "the text begins with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotCanonical.of("PARSE_UTF8", f"not UTF-8 at byte {error.start}") from None
    _check_depth(text)
    value = _read(text)
    _check(value)
    if rfc8785.dumps(cast(Value, value)) != data:
        raise NotCanonical.of(
            "PARSE_NOT_CANONICAL", "the value is acceptable, its spelling is not the canonical one"
        )
    return cast(Value, value)


def compact(members: Mapping[str, Member]) -> dict[str, Member]:
    """The members that say something: None and empty lists, tuples and dicts are left out; "", 0 and False stay.

    One level only, for names that come from the schema. Free attributes are data: pass them on untouched.
    """
    return {name: member for name, member in members.items() if member or not _says_nothing(member)}


def _says_nothing(member: object) -> bool:
    return member is None or (isinstance(member, dict | list | tuple) and not member)


def _shown(name: object) -> str:
    """A step of the path for a name that is no text; never the repr of a stranger, which may fail or have no end."""
    if name is None or (isinstance(name, int) and abs(name) <= INTEGER_MAX):
        return str(name)
    return f"<{type(name).__name__}>"


def _too_big() -> Violation:
    return Violation("CANONICAL_SIZE", (), f"more than {SIZE_BYTES_MAX} bytes")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in a parsed value where the text held something no value can carry; the survey reports it."""

    code: str
    message: str


class _Enough(Exception):
    """Ends a survey early: too big, or too much is wrong."""


class _Survey:
    """One walk over a value that notes every violation with its path and a lower bound of the size."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._trail: list[str | int] = []
        self._size_bytes = 0

    def visit(self, value: object, depth: int = 1) -> None:
        if isinstance(value, str):
            self._text(value)
        elif value is None or isinstance(value, bool):
            self._grow(4)
        elif isinstance(value, int):
            self._grow(1)
            if abs(value) > INTEGER_MAX:
                self._refuse("CANONICAL_INTEGER", "an integer beyond 2**53 - 1; write it as text")
        elif isinstance(value, dict | list | tuple):
            self._container(value, depth)
        else:
            self._stranger(value)

    def _container(self, value: dict[object, object] | list[object] | tuple[object, ...], depth: int) -> None:
        # Counted even where empty or shared, so that the walk over any graph of references ends.
        self._grow(2)
        if depth > DEPTH_MAX:
            self._refuse("CANONICAL_DEPTH", f"more than {DEPTH_MAX} containers deep")
        elif isinstance(value, dict):
            for name, member in value.items():
                self._member(name, member, depth)
        else:
            for position, member in enumerate(value):
                self._trail.append(position)
                self.visit(member, depth + 1)
                self._trail.pop()

    def _member(self, name: object, member: object, depth: int) -> None:
        if isinstance(name, str):
            self._trail.append(name)
            self._text(name)
        else:
            self._trail.append(_shown(name))
            self._refuse("CANONICAL_NAME_TYPE", f"a name is of type {type(name).__name__}, not text")
        self.visit(member, depth + 1)
        self._trail.pop()

    def _text(self, text: str) -> None:
        self._grow(len(text) + 2)
        if "\x00" in text:
            self._refuse("CANONICAL_NUL", "text holds U+0000, which PostgreSQL cannot store")
        if text.isascii():
            return
        if _SURROGATE.search(text):
            self._refuse("CANONICAL_SURROGATE", "text holds half of a surrogate pair")
        elif not unicodedata.is_normalized("NFC", text):
            self._refuse("CANONICAL_NFC", "text is not in Unicode normalization form C")

    def _stranger(self, value: object) -> None:
        if isinstance(value, float):
            self._refuse("CANONICAL_FLOAT", "a floating-point number; write amounts as text")
        elif isinstance(value, Decimal):
            self._refuse("CANONICAL_DECIMAL", "a decimal; write it with amount_text")
        elif isinstance(value, _Refused):
            self._refuse(value.code, value.message)
        else:
            self._refuse("CANONICAL_TYPE", f"a value of type {type(value).__name__}")
        self._grow(1)

    def _grow(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        if self._size_bytes > SIZE_BYTES_MAX:
            self.violations.append(_too_big())
            raise _Enough

    def _refuse(self, code: str, message: str) -> None:
        self.violations.append(Violation(code, tuple(self._trail), message))
        if len(self.violations) >= VIOLATIONS_MAX:
            raise _Enough


def _check(value: object) -> None:
    survey = _Survey()
    with suppress(_Enough):
        survey.visit(value)
    if survey.violations:
        raise NotCanonical(survey.violations)


def _check_depth(text: str) -> None:
    """Refuses deep nesting before the JSON reader, whose own recursion must never be what ends it."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise NotCanonical.of("CANONICAL_DEPTH", f"more than {DEPTH_MAX} containers deep")
        elif mark in "]}":
            depth -= 1


def _read(text: str) -> object:
    start = cast(re.Match[str], _SPACE.match(text)).end()
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotCanonical.of("PARSE_SYNTAX", f"not JSON at character {error.pos}") from None
    if cast(re.Match[str], _SPACE.match(text, end)).end() != len(text):
        raise NotCanonical.of("PARSE_TRAILING", f"something follows the value at character {end}")
    return cast(object, value)


def _integer(text: str) -> int | _Refused:
    if len(text) > _INTEGER_TEXT_LENGTH_MAX:
        return _Refused("CANONICAL_INTEGER", "an integer beyond 2**53 - 1; write it as text")
    return int(text)


def _number(_text: str) -> _Refused:
    return _Refused("PARSE_NUMBER", "a number with a fraction or an exponent; write it as text")


def _constant(_text: str) -> _Refused:
    return _Refused("PARSE_SYNTAX", "NaN and Infinity are not JSON")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = _Refused("PARSE_DUPLICATE_NAME", "the same name more than once")
        members.update({name: twice for name, count in times.items() if count > 1})
    return members


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_number, parse_constant=_constant, object_pairs_hook=_members
)
