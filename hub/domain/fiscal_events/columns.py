"""Many rows in one statement: values column by column, unnested by PostgreSQL; all tables of a posting at once.

The text of a statement is constant, so that each connection prepares it once, whatever the number of rows.
"""

# ruff: noqa: S608 - the statements below are put together from names of our own tables, values are parameters

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP, UUID

from hub.domain.fiscal_events import tables
from hub.domain.fiscal_events.model import Line, Package, Posting, Signature, StoredReceipt

Column = list[Any]
# A receipt, and the tenant it belongs to.
Issued = tuple[uuid.UUID, StoredReceipt]
# How a column travels: the array's element type, and what its values are cast to where that is another one.
_TRAVELS: Sequence[tuple[type[Any], str, str]] = (
    (UUID, "uuid", ""),
    (JSONB, "text", "::jsonb"),
    (BYTEA, "bytea", ""),
    (TIMESTAMP, "timestamptz", ""),
    (sa.Boolean, "bool", ""),
    (sa.SmallInteger, "int2", ""),
    (sa.Integer, "int4", ""),
    (sa.Date, "date", ""),
    (sa.Numeric, "text", "::numeric"),
    (sa.Text, "text", ""),
)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _number(value: Decimal) -> str:
    return format(value, "f")


def _writer(column: sa.Column[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, JSONB):
        return _json
    return _number if isinstance(column.type, sa.Numeric) else None


class Rows:
    """The rows of one table out of values of one class, whose fields are named as the columns are."""

    def __init__(self, table: sa.Table, kind: type[Struct] | None = None) -> None:
        names = list(kind.__struct_fields__) if kind is not None else list(table.c.keys())
        self.table = table
        # Of its own the value does not know whose it is, unless it is the posting: the package says so.
        self.is_owned = "tenant_id" not in names
        self.names = ["tenant_id", *names] if self.is_owned else names
        self._get = attrgetter(*names)
        self._written = [(i, write) for i, name in enumerate(names) if (write := _writer(table.c[name]))]

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, values: Sequence[Any], owners: Sequence[Any]) -> list[Column]:
        """The values as columns; ``owners`` holds the tenant of each, where the values do not name it."""
        if not values:
            return [[] for _ in self.names]
        found = [list(column) for column in zip(*map(self._get, values), strict=True)]
        for i, write in self._written:
            found[i] = list(map(write, found[i]))
        return [list(owners), *found] if self.is_owned else found

    def insert(self, first: int, *, where: str = "", unless_there: bool = False) -> str:
        """INSERT of columns that are the parameters from ``first`` on."""
        travels = [_travel(self.table.c[name]) for name in self.names]
        arrays = ", ".join(f"${first + i}::{array}[]" for i, (array, _) in enumerate(travels))
        listed = ", ".join(self.names)
        taken = ", ".join(f"r.{name}{cast}" for name, (_, cast) in zip(self.names, travels, strict=True))
        return (
            f"INSERT INTO {self.table.name} ({listed}) SELECT {taken} FROM unnest({arrays}) AS r({listed})"
            + (f" WHERE {where}" if where else "")
            + (" ON CONFLICT DO NOTHING RETURNING 1" if unless_there else "")
        )


def _travel(column: sa.Column[Any]) -> tuple[str, str]:
    return next((array, cast) for kind, array, cast in _TRAVELS if isinstance(column.type, kind))


POSTINGS = Rows(tables.posting, Posting)
LINES = Rows(tables.posting_line, Line)
SIGNATURES = Rows(tables.posting_signature, Signature)
RECEIPTS = Rows(tables.receipt, StoredReceipt)
KEYS = Rows(tables.posting_key)
KEY_NAMES = tuple(KEYS.names)


def _whole() -> str:
    """Postings, then keys, then, when none of both was there before, their lists: in this order, in one statement.

    The foreign keys are looked at when the statement ends. What it inserted although something was there is for the
    caller to undo.
    """
    keys = 1 + len(POSTINGS)
    lines = keys + len(KEYS)
    signatures = lines + len(LINES)
    receipts = signatures + len(SIGNATURES)
    last = receipts + len(RECEIPTS)
    all_new = f"(SELECT count(*) FROM p) = ${last}"
    both_new = f"{all_new} AND (SELECT count(*) FROM k) = ${last + 1}"
    return (
        f"WITH p AS ({POSTINGS.insert(1, unless_there=True)}), "
        f"k AS ({KEYS.insert(keys, where=all_new, unless_there=True)}), "
        f"l AS ({LINES.insert(lines, where=both_new)}), "
        f"s AS ({SIGNATURES.insert(signatures, where=both_new)}), "
        f"r AS ({RECEIPTS.insert(receipts, where=both_new)}) "
        "SELECT (SELECT count(*) FROM p) AS postings, (SELECT count(*) FROM k) AS keys"
    )


INSERT_WHOLE = _whole()
INSERT_KEYS = f"WITH k AS ({KEYS.insert(1, unless_there=True)}) SELECT count(*) AS keys FROM k"


def key_columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Rows of ``posting_key`` as columns."""
    return [[row[name] for row in rows] for name in KEY_NAMES]


def whole_columns(
    packages: Sequence[Package], keys: Sequence[Mapping[str, Any]], issued: Sequence[Issued]
) -> list[Any]:
    """The parameters of ``INSERT_WHOLE``."""
    tenants = [package.posting.tenant_id for package in packages]
    lines = [line for package in packages for line in package.lines]
    owners = [package.posting.tenant_id for package in packages for _ in package.lines]
    return [
        *POSTINGS.columns([package.posting for package in packages], ()),
        *key_columns(keys),
        *LINES.columns(lines, owners),
        *SIGNATURES.columns([package.origin for package in packages], tenants),
        *RECEIPTS.columns([receipt for _, receipt in issued], [tenant_id for tenant_id, _ in issued]),
        len(packages),
        len(keys),
    ]
