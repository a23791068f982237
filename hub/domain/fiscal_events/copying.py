"""Many rows by COPY in PostgreSQL's binary form: written here, so that neither side reads or writes text of values.

Columns follow from the tables. What repeats from row to row (the sender, the codes of a line) is written once a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat
from operator import attrgetter, itemgetter
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP, UUID as UUID_COLUMN

from hub.domain.fiscal_events import tables
from hub.domain.fiscal_events.model import Package, StoredReceipt

Write = Callable[[Any], bytes]

# PostgreSQL: "COPY", binary format; send and receive functions of the types.
BEGINNING = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
JSONB_VERSION = b"\x01"
DAY_ZERO = date(2000, 1, 1).toordinal()
INSTANT_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NEGATIVE = 0x4000
GROUP_DIGITS = 4
GROUP = 10**GROUP_DIGITS

_length = Struct(">i").pack
_count = Struct(">h").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack
_numeric = Struct(">ihhHh").pack


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _uuid(value: UUID) -> bytes:
    return b"\x00\x00\x00\x10" + value.bytes


def _bool(value: bool) -> bytes:
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


def _small(value: int) -> bytes:
    return _int2(2, value)


def _integer(value: int) -> bytes:
    return _int4(4, value)


def _date(value: date) -> bytes:
    return _int4(4, value.toordinal() - DAY_ZERO)


def _instant(value: datetime) -> bytes:
    return _int8(8, (value - INSTANT_ZERO) // MICROSECOND)


def _json(value: Any) -> bytes:
    if not value and type(value) in _EMPTY:
        return _EMPTY[type(value)]
    data = orjson.dumps(value)
    return _length(len(data) + 1) + JSONB_VERSION + data


_EMPTY = {
    kind: _length(3) + JSONB_VERSION + text for kind, text in ((dict, b"{}"), (list, b"[]"), (tuple, b"[]"))
}


def number(value: Decimal) -> bytes:
    """A finite decimal as ``numeric`` travels: digits to the base of 10,000, the decimal places it was written with."""
    whole, _, fraction = format(value, "f").partition(".")
    places = len(fraction)
    behind = -(-places // GROUP_DIGITS)
    left = int(whole + fraction) * _FILL[-places % GROUP_DIGITS]
    sign = 0
    if whole[0] == "-":
        sign, left = NEGATIVE, -left
    groups: list[int] = []
    while left:
        left, group = divmod(left, GROUP)
        groups.append(group)
    weight = len(groups) - behind - 1
    groups.reverse()
    while groups and not groups[-1]:
        groups.pop()
    if not groups:
        return _numeric(8, 0, 0, 0, places)
    count = len(groups)
    return _numeric(8 + 2 * count, count, weight, sign, places) + _digits(count)(*groups)


_FILL = (1, 10, 100, 1000)
_DIGITS = tuple(Struct(f">{count}h").pack for count in range(40))


def _digits(count: int) -> Callable[..., bytes]:
    return _DIGITS[count] if count < len(_DIGITS) else Struct(f">{count}h").pack


_WRITERS: Sequence[tuple[type[Any], Write]] = (
    (UUID_COLUMN, _uuid),
    (JSONB, _json),
    (BYTEA, _bytes),
    (TIMESTAMP, _instant),
    (sa.Boolean, _bool),
    (sa.SmallInteger, _small),
    (sa.Integer, _integer),
    (sa.Date, _date),
    (sa.Numeric, number),
    (sa.Text, _text),
)


def _writer(column: sa.Column[Any]) -> Write:
    return next(write for kind, write in _WRITERS if isinstance(column.type, kind))


class _Shared(dict[Any, bytes]):
    """Several columns whose values repeat together: written once, then found."""

    def __init__(self, writers: Sequence[Write]) -> None:
        super().__init__()
        self._writers = writers

    def __missing__(self, values: tuple[Any, ...]) -> bytes:
        written = b"".join(
            NULL if value is None else write(value)
            for write, value in zip(self._writers, values, strict=True)
        )
        self[values] = written
        return written


class Copy(NamedTuple):
    """One COPY: into which columns of which table, and the rows."""

    table: str
    columns: Sequence[str]
    data: bytes


class CopiedRows:
    """How rows of one table are written out of objects (or mappings) that name its columns.

    ``first``: columns written before, which come beside each object. ``repeated``: groups of columns whose values repeat
    together in a batch; all others are written for each row.
    """

    def __init__(
        self,
        table: sa.Table,
        *repeated: Sequence[str],
        first: Sequence[str] = (),
        getter: Callable[..., Any] = attrgetter,
    ) -> None:
        known = {*first, *(name for names in repeated for name in names)}
        own = [column.name for column in table.c if column.name not in known]
        self._table = table.name
        self._columns = [*first, *(name for names in repeated for name in names), *own]
        self._count = _count(len(self._columns))
        self._repeated = [(getter(*names), [_writer(table.c[name]) for name in names]) for names in repeated]
        self._own = getter(*own)
        self._writers = [_writer(table.c[name]) for name in own]

    def copy(self, rows: Sequence[Any], beside: Sequence[bytes] = ()) -> Copy:
        """The rows, in order; ``beside`` are their first columns, written."""
        columns: list[Iterable[bytes]] = [repeat(self._count)]
        if beside:
            columns.append(beside)
        for get, writers in self._repeated:
            columns.append(map(_Shared(writers).__getitem__, map(get, rows)))
        for write, values in zip(self._writers, zip(*map(self._own, rows), strict=True), strict=True):
            is_whole = None not in values
            columns.append(
                map(write, values) if is_whole else [NULL if v is None else write(v) for v in values]
            )
        written = chain.from_iterable(zip(*columns))  # noqa: B905 - the count has no end
        return Copy(self._table, self._columns, b"".join((BEGINNING, *written, END)))


# What belongs to a posting names it.
OWNER = ("tenant_id", "posting_id")
POSTINGS = CopiedRows(
    tables.posting,
    (
        *("tenant_id", "kind", "environment", "government", "sender_id", "sender_agency_id", "sender"),
        *("narrowed", "schema_version", "classification", "topic", "type", "major_type", "sub_type"),
        *("qualifier", "process", "attribute_group", "posted_at", "currency", "line_count"),
        *("reversal_mode", "reversal_reason"),
    ),
    ("fiscal_year", "month"),
    ("period_start", "period_end"),
)
KEYS = CopiedRows(tables.posting_key, ("tenant_id", "system_id", "outcome"), getter=itemgetter)
LINES = CopiedRows(
    tables.posting_line,
    (
        *("currency", "coa_code", "coa_version_id", "location_code", "location_path", "location_version_id"),
        *("program_code", "program_version_id", "project_code", "project_version_id"),
        *("administrative_hierarchy_code", "administrative_hierarchy_path", "administrative_version_id"),
        *("department_code", "department_path", "department_version_id"),
    ),
    ("period_start", "period_end"),
    first=OWNER,
)
SIGNATURES = CopiedRows(
    tables.posting_signature,
    ("system_id", "system", "key_id", "purpose", "comments", "signed_at", "received_at", "batch_size"),
    first=OWNER,
)
RECEIPTS = CopiedRows(tables.receipt, ("issued_at", "key_id"), first=OWNER)


def postings_and_keys(packages: Sequence[Package], keys: Sequence[Mapping[str, Any]]) -> Iterator[Copy]:
    """What others may have taken in between: first postings, then keys."""
    yield POSTINGS.copy([package.posting for package in packages])
    yield KEYS.copy(keys)


class Lists:
    """What belongs to postings: lines, origin signatures, and the hub's receipts."""

    def __init__(self, packages: Sequence[Package]) -> None:
        self._packages = packages
        self._owners = {
            package.posting.id: _uuid(package.posting.tenant_id) + _uuid(package.posting.id)
            for package in packages
        }

    def lines(self) -> Copy:
        """All lines, posting by posting."""
        owners = self._owners
        lines = [line for package in self._packages for line in package.lines]
        return LINES.copy(lines, [owners[line.posting_id] for line in lines])

    def signatures(self) -> Copy:
        """The senders' own."""
        return SIGNATURES.copy([package.origin for package in self._packages], list(self._owners.values()))

    def receipts(self, receipts: Sequence[StoredReceipt]) -> Copy:
        """Those of the same postings, in whatever order."""
        owners = self._owners
        return RECEIPTS.copy(receipts, [owners[receipt.posting_id] for receipt in receipts])
