"""JSON text in SQL: literals and columns set side by side, every value written as ordinary execution writes it.

``concat`` reads NULL as nothing, so whatever may be NULL is written out here. Values that PostgreSQL does not write
as we do, or that have to be masked, go between control characters, which JSON text never holds, and ``finished``
writes them; a text that is not finished is not JSON, so nothing can go out unmasked by oversight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Text, case, cast, func, literal_column

from hub.reads.mapping import Leaf, NotCompilable, Wire

ARGUMENTS_MAX = 90
PLAIN, MASKED, PERSONAL, END, NEVER = "\x01", "\x02", "\x03", "\x04", "\x05"
_MARKED = re.compile(f"([{PLAIN}{MASKED}{PERSONAL}])([^{END}]*){END}")

Part = str | ColumnElement[Any]
Masked = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def literal(text: str) -> ColumnElement[str]:
    """A literal of our own making, never of a request's values."""
    escaped = text.replace("'", "''")
    return literal_column(f"'{escaped}'", Text)


def _mark(sign: str) -> ColumnElement[str]:
    return literal_column(f"chr({ord(sign)})", Text)


NULL = literal("null")


def joined(parts: Sequence[Part]) -> ColumnElement[Any]:
    """All parts as one text; ``concat`` takes a hundred arguments at most, hence the nesting."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    arguments = [literal(part) if isinstance(part, str) else part for part in merged]
    if len(arguments) == 1 and isinstance(merged[0], str):
        return arguments[0]
    while len(arguments) > ARGUMENTS_MAX:
        arguments = [
            func.concat(*arguments[i : i + ARGUMENTS_MAX]) for i in range(0, len(arguments), ARGUMENTS_MAX)
        ]
    return func.concat(*arguments)


def written(leaf: Leaf, reader: Any, row: Any, *, nullable: bool) -> list[Part]:
    """A leaf as parts of JSON text. What the API never shows as null stops the plan if it is NULL after all."""
    value = leaf.of(reader, row)
    if leaf.wire in (Wire.ATTRIBUTES, Wire.PERSONAL):
        return _marked(leaf, value, reader, row)
    is_quoted, text = _text(leaf, value)
    if leaf.masked is None and getattr(value, "nullable", None) is False:
        return ['"', text, '"'] if is_quoted else [text]
    text = literal('"').concat(text).concat(literal('"')) if is_quoted else cast(text, Text)
    if leaf.masked is not None:
        text = case((leaf.masked(reader, row), NULL), else_=text)
    return [func.coalesce(text, NULL if nullable else _mark(NEVER))]


def _text(leaf: Leaf, value: ColumnElement[Any]) -> tuple[bool, ColumnElement[Any]]:
    """The SQL of a value's text, and whether quotes belong around it."""
    match leaf.wire:
        case Wire.TEXT:
            return False, func.to_json(value)
        case Wire.NUMBER:
            return False, value
        case Wire.DAY:
            return False, func.to_json(value)  # unlike ::text it does not depend on the session's DateStyle
        case Wire.INSTANT:
            pattern = literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            text = func.to_char(func.timezone(literal("UTC"), value), pattern)
            return True, func.replace(text, literal(".000000"), literal(""))
        case Wire.BYTES:
            return True, func.replace(
                func.encode(value, literal("base64")), literal_column("chr(10)"), literal("")
            )
        case _:
            word = cast(value, Text)
            return True, literal(leaf.prefix).concat(word) if leaf.prefix else word


def _marked(leaf: Leaf, value: ColumnElement[Any], reader: Any, row: Any) -> list[Part]:
    assert leaf.masked is not None
    if leaf.wire is Wire.ATTRIBUTES:
        text = cast(value, Text)
        sign = case((leaf.masked(reader, row), _mark(MASKED)), else_=_mark(PLAIN))
        is_bare = value == literal_column("'{}'::jsonb", value.type)
        return [case((is_bare, literal("{}")), else_=sign.concat(text).concat(_mark(END)))]
    pair = cast(func.json_build_object(getattr(row, leaf.key), value), Text)
    hidden = _mark(PERSONAL).concat(pair).concat(_mark(END))
    clear = func.coalesce(cast(func.to_json(value), Text), NULL)
    return [case((leaf.masked(reader, row), hidden), else_=clear)]


def finished(text: str, masked: Masked) -> str:
    """The text as it goes out: what stands between marks is written, and masked where the mark says so."""
    if NEVER in text:
        raise NotCompilable
    if END not in text:
        return text

    def write(found: re.Match[str]) -> str:
        sign, inner = found.groups()
        value = orjson.loads(inner)
        if sign == PERSONAL:
            return orjson.dumps(str(next(iter(masked(value).values())))).decode()
        return orjson.dumps(masked(value) if sign == MASKED else value).decode()

    return _MARKED.sub(write, text)
