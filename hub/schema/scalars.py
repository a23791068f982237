"""Scalars of the wire: exact amounts, instants in UTC, free attributes, bytes in base64."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode, value_from_ast_untyped

from hub.codes import Code

INSTANT_CHARACTERS_MAX = 40
BIG_INT_DIGITS_MAX = 18


def refuse(code: Code, message: str) -> GraphQLError:
    """A coercion error that keeps its code through graphql-core."""
    return GraphQLError(message, extensions={"code": code.value})


def _amount_in(value: Any) -> str:
    if not isinstance(value, str):
        raise refuse(Code.AMOUNT, 'an amount is a decimal string such as "1250.00", never a number')
    return value


def _amount_literal(node: ValueNode, _: dict[str, Any] | None = None) -> str:
    if not isinstance(node, StringValueNode):
        raise refuse(Code.AMOUNT, 'an amount is a decimal string such as "1250.00", never a number')
    return node.value


def _amount_out(value: Decimal | str) -> str:
    if isinstance(value, float):
        raise TypeError("money is never a float")
    return value if isinstance(value, str) else format(value, "f")


Amount = NewType("Amount", str)
AMOUNT = strawberry.scalar(
    name="Amount",
    description='Exact decimal as a string, in units of its currency ("1250.00"). Int and Float are refused.',
    serialize=_amount_out,
    parse_value=_amount_in,
    parse_literal=_amount_literal,
)


def instant_text(value: datetime) -> str:
    """RFC 3339 in UTC with a ``Z``; microseconds only when there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _instant_in(value: Any) -> datetime:
    if isinstance(value, str) and len(value) <= INSTANT_CHARACTERS_MAX and "T" in value.upper():
        try:
            parsed = datetime.fromisoformat(value)
            if parsed.tzinfo is not None:
                return parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise refuse(Code.INPUT, "an instant is RFC 3339 with an offset, such as 2026-10-13T18:20:00+05:30")


Instant = NewType("Instant", datetime)
INSTANT = strawberry.scalar(
    name="Instant",
    description="RFC 3339 instant; any offset is read, UTC is answered.",
    serialize=instant_text,
    parse_value=_instant_in,
)


def _json_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    return value_from_ast_untyped(node, variables)


Attributes = NewType("Attributes", object)
ATTRIBUTES = strawberry.scalar(
    name="Attributes",
    description="Named values: strings, whole numbers, booleans, lists and objects of these. Decimals are strings.",
    serialize=lambda value: value,
    parse_value=lambda value: value,
    parse_literal=_json_literal,
)


def _bytes_in(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            pass
    raise refuse(Code.INPUT, "bytes are base64 text in the standard alphabet with padding")


Bytes = NewType("Bytes", bytes)
BYTES = strawberry.scalar(
    name="Bytes",
    description="Bytes as base64, standard alphabet with padding (RFC 4648 section 4).",
    serialize=lambda value: base64.b64encode(value).decode(),
    parse_value=_bytes_in,
)


def _big_in(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= BIG_INT_DIGITS_MAX:
        return int(value)
    raise refuse(Code.INPUT, "a big integer is a string of digits")


def _big_literal(node: ValueNode, _: dict[str, Any] | None = None) -> int:
    if isinstance(node, StringValueNode | IntValueNode):
        return _big_in(node.value)
    raise refuse(Code.INPUT, "a big integer is a string of digits")


BigInt = NewType("BigInt", int)
BIG_INT = strawberry.scalar(
    name="BigInt",
    description="A whole number of up to 18 digits as a string; exact counts do not fit GraphQL's Int.",
    serialize=str,
    parse_value=_big_in,
    parse_literal=_big_literal,
)

SCALARS: dict[object, Any] = {
    Amount: AMOUNT,
    Instant: INSTANT,
    Attributes: ATTRIBUTES,
    Bytes: BYTES,
    BigInt: BIG_INT,
}
