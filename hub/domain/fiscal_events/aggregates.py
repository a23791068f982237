"""Exact sums and counts over the lines of events: gross, reversed and net, grouped by any dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, distinct, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from hub.codes import Code
from hub.db import Read
from hub.domain.fiscal_events import access, reading, rules, tables
from hub.domain.fiscal_events.filters import Filter, beside_lines, on_lines
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.domain.registry import Caller
from hub.errors import InvalidInput

GROUPS_MAX = 6
TIER_MAX = 12

_posting, _line = tables.posting, tables.posting_line


class Dimension(StrEnum):
    """What totals can be grouped by; the last three take a tier or level counted from 1 at the root."""

    TYPE = "TYPE"
    MAJOR_TYPE = "MAJOR_TYPE"
    SUB_TYPE = "SUB_TYPE"
    QUALIFIER = "QUALIFIER"
    PROGRAM = "PROGRAM"
    PROJECT = "PROJECT"
    FISCAL_YEAR = "FISCAL_YEAR"
    MONTH = "MONTH"
    SENDER = "SENDER"
    COA_CODE = "COA_CODE"
    DEPARTMENT = "DEPARTMENT"
    COA_TIER = "COA_TIER"
    LOCATION_LEVEL = "LOCATION_LEVEL"
    ADMINISTRATIVE_LEVEL = "ADMINISTRATIVE_LEVEL"


LEVELLED = frozenset({Dimension.COA_TIER, Dimension.LOCATION_LEVEL, Dimension.ADMINISTRATIVE_LEVEL})


@dataclass(frozen=True, slots=True)
class GroupBy:
    """A dimension and, for tiers and levels, how deep."""

    dimension: Dimension
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """One group's figures. ``keys`` stand in the order asked for; "" where a line has no such code."""

    keys: tuple[str, ...]
    currency: str
    gross: Decimal
    reversed: Decimal
    net: Decimal
    events: int
    lines: int


async def totals(
    read: Read,
    caller: Caller,
    wanted: Filter,
    by: Sequence[GroupBy],
    *,
    first: int,
    after: Sequence[str] | None = None,
) -> list[Total]:
    """Up to ``first`` + 1 groups in the order of their keys, over what the caller can see.

    Messages never enter totals. Gross sums what was posted, reversed what was taken back (negative), net both.
    """
    reading.require_reader(caller, wanted)
    rows = await read.rows(totals_statement(caller, wanted, by, after=after).limit(first + 1))
    return [total_of(row) for row in rows]


def totals_statement(
    caller: Caller,
    wanted: Filter,
    by: Sequence[GroupBy],
    *,
    after: Sequence[str] | None = None,
) -> Select[Any]:
    """The statement behind ``totals``, without its limit; whether the caller may ask is checked by who runs it."""
    _check(by)
    # Grouped as stored, and written out once for each group instead of once for each line.
    columns = [_key(group).label(f"key_{i}") for i, group in enumerate(by)]
    columns.append(_line.c.currency.label("currency"))
    is_reversal = _posting.c.reverses_id.is_not(None)
    figures = (
        select(
            *columns,
            func.coalesce(func.sum(_line.c.amount).filter(~is_reversal), 0).label("gross"),
            func.coalesce(func.sum(_line.c.amount).filter(is_reversal), 0).label("reversed"),
            func.sum(_line.c.amount).label("net"),
            func.count(distinct(_posting.c.id)).label("events"),
            func.count().label("lines"),
        )
        .select_from(
            _posting.join(
                _line, and_(_line.c.tenant_id == _posting.c.tenant_id, _line.c.posting_id == _posting.c.id)
            )
        )
        .where(
            access.visible(caller),
            _posting.c.kind == PostingKind.EVENT.value,
            *beside_lines(caller, wanted),
            *on_lines(wanted),
        )
        .group_by(*columns)
        .subquery("figures")
    )
    # "C" makes the order of keys, and so the cursor, independent of the database's locale.
    keys = [_text(group, figures.c[f"key_{i}"]).collate("C") for i, group in enumerate(by)]
    order: list[ColumnElement[Any]] = [*keys, figures.c.currency.collate("C")]
    values = ("gross", "reversed", "net", "events", "lines")
    statement: Select[Any] = select(*order, *(figures.c[name] for name in values)).order_by(*order)
    if after is not None:
        if any("\x00" in part for part in after):
            raise InvalidInput.because(Code.CURSOR, Code.CURSOR.summary, "after")
        statement = statement.where(tuple_(*order) > tuple_(*[cast(part, Text) for part in after]))
    return statement


def total_of(row: Sequence[Any]) -> Total:
    """One group of the statement's rows: its keys, the currency, then the figures."""
    *keys, currency, gross, reversed_, net, events, lines = row
    return Total(
        keys=tuple(keys),
        currency=currency,
        gross=rules.at_scale(gross, currency),
        reversed=rules.at_scale(reversed_, currency),
        net=rules.at_scale(net, currency),
        events=events,
        lines=lines,
    )


def _check(by: Sequence[GroupBy]) -> None:
    if len(by) > GROUPS_MAX:
        raise InvalidInput.because(Code.INPUT, f"at most {GROUPS_MAX} dimensions", "groupBy")
    for i, group in enumerate(by):
        if group.dimension in LEVELLED and not 1 <= (group.level or 0) <= TIER_MAX:
            raise InvalidInput.because(
                Code.INPUT, f"a level of 1 to {TIER_MAX} is needed", "groupBy", i, "level"
            )
        if group.dimension not in LEVELLED and group.level is not None:
            raise InvalidInput.because(Code.INPUT, "this dimension has no levels", "groupBy", i, "level")


def _text(group: GroupBy, key: ColumnElement[Any]) -> ColumnElement[str]:
    """A group's key as it is written; nothing where the lines carry no such code."""
    if group.dimension is Dimension.MONTH:
        key = func.to_char(key, "YYYY-MM")
    elif group.dimension is Dimension.FISCAL_YEAR:
        key = cast(key, Text)
    return func.coalesce(key, "")


def _key(group: GroupBy) -> ColumnElement[Any]:
    plain: dict[Dimension, ColumnElement[Any]] = {
        Dimension.TYPE: _posting.c.type,
        Dimension.MAJOR_TYPE: _posting.c.major_type,
        Dimension.SUB_TYPE: _posting.c.sub_type,
        Dimension.QUALIFIER: _posting.c.qualifier,
        Dimension.PROGRAM: _line.c.program_code,
        Dimension.PROJECT: _line.c.project_code,
        Dimension.FISCAL_YEAR: _posting.c.fiscal_year,
        Dimension.MONTH: _posting.c.month,
        Dimension.SENDER: _posting.c.sender,
        Dimension.COA_CODE: _line.c.coa_code,
        Dimension.DEPARTMENT: _line.c.department_code,
    }
    if group.dimension in plain:
        return plain[group.dimension]
    path, separator = {
        Dimension.COA_TIER: (_line.c.coa_code, "-"),
        Dimension.LOCATION_LEVEL: (_line.c.location_path, "/"),
        Dimension.ADMINISTRATIVE_LEVEL: (_line.c.administrative_hierarchy_path, "/"),
    }[group.dimension]
    return _cut(path, separator, group.level or 1)


def _cut(path: ColumnElement[str], separator: str, level: int) -> ColumnElement[str]:
    """The first ``level`` elements of a path; a shorter path as it is."""
    parts = func.string_to_array(path, separator, type_=ARRAY(Text))
    cut = func.array_to_string(parts[1:level], separator)
    return case((path.is_(None), None), else_=cut)
