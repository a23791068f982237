"""Exact sums and counts over the lines of events: gross, reversed and net, grouped by any dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Subquery,
    Text,
    and_,
    case,
    cast,
    distinct,
    func,
    literal_column,
    select,
    tuple_,
)
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
VALUES = ("gross", "reversed", "net", "events", "lines")

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


@dataclass(frozen=True, slots=True)
class Figures:
    """Every group's figures as one subquery: the columns, each key as it is written, and the order of the keys.

    ``values`` are gross, reversed, net, events and lines, by name.
    """

    source: Subquery
    keys: tuple[ColumnElement[str], ...]
    currency: ColumnElement[str]
    values: Mapping[str, ColumnElement[Any]]
    order: tuple[ColumnElement[Any], ...]

    def behind(self, after: Sequence[ColumnElement[str]]) -> ColumnElement[bool]:
        """Only the groups that come after this one: its keys and its currency."""
        return tuple_(*self.keys, self.currency) > tuple_(*after)


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
    found = figures(caller, conditions(caller, wanted), by)
    values = [found.values[name] for name in VALUES]
    statement = select(*found.keys, found.currency, *values).order_by(*found.order).limit(first + 1)
    if after is not None:
        check_after(after)
        statement = statement.where(found.behind([cast(part, Text) for part in after]))
    return [total_of(row) for row in await read.rows(statement)]


def check_after(after: Sequence[str]) -> None:
    """A key that no text of the database can be is refused as a cursor that is none of ours."""
    if any("\x00" in part for part in after):
        raise InvalidInput.because(Code.CURSOR, Code.CURSOR.summary, "after")


def conditions(caller: Caller, wanted: Filter) -> list[ColumnElement[bool]]:
    """The criteria over postings joined with their lines."""
    return [*beside_lines(caller, wanted), *on_lines(wanted)]


def figures(caller: Caller, criteria: Sequence[ColumnElement[bool]], by: Sequence[GroupBy]) -> Figures:
    """The sums behind ``totals``, over events the caller can see; whether it may ask is checked by who runs it.

    Keys of text are grouped in the order in which they are answered ("C", so that the cursor does not depend on the
    database's locale): one sort serves both, and sums that no page shows are not formed. Months and years, which
    sort alike as text, are written out once for each group instead of once for each line.
    """
    _check(by)
    keys = [_key(group).label(f"key_{i}") for i, group in enumerate(by)]
    currency = _line.c.currency.collate("C").label("currency")
    is_reversal = _posting.c.reverses_id.is_not(None)
    net = func.sum(_line.c.amount)
    # The difference of a sum and itself: nothing, with the decimal places of the currency.
    nothing = net - net
    source = (
        select(
            *keys,
            currency,
            func.coalesce(net.filter(~is_reversal), nothing).label("gross"),
            func.coalesce(net.filter(is_reversal), nothing).label("reversed"),
            net.label("net"),
            func.count(distinct(_posting.c.id)).label("events"),
            func.count().label("lines"),
        )
        .select_from(
            _posting.join(
                _line, and_(_line.c.tenant_id == _posting.c.tenant_id, _line.c.posting_id == _posting.c.id)
            )
        )
        .where(access.visible(caller), _posting.c.kind == PostingKind.EVENT.value, *criteria)
        .group_by(*keys, currency)
        .subquery("figures")
    )
    found = [source.c[key.name] for key in keys]
    return Figures(
        source=source,
        keys=tuple(_text(group, key) for group, key in zip(by, found, strict=True)),
        currency=source.c.currency,
        values={name: source.c[name] for name in VALUES},
        order=(*found, source.c.currency),
    )


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
    """A group's key as it is written."""
    if group.dimension is Dimension.MONTH:
        return func.to_char(key, literal_column("'YYYY-MM'", Text)).collate("C")
    if group.dimension is Dimension.FISCAL_YEAR:
        return cast(key, Text).collate("C")
    return key


def _key(group: GroupBy) -> ColumnElement[Any]:
    """What is grouped by: months and years as stored, all else as text, empty where the lines carry no such code."""
    dated: dict[Dimension, ColumnElement[Any]] = {
        Dimension.FISCAL_YEAR: _posting.c.fiscal_year,
        Dimension.MONTH: _posting.c.month,
    }
    if group.dimension in dated:
        return dated[group.dimension]
    return func.coalesce(_code(group), literal_column("''", Text)).collate("C")


def _code(group: GroupBy) -> ColumnElement[Any]:
    plain: dict[Dimension, ColumnElement[Any]] = {
        Dimension.TYPE: _posting.c.type,
        Dimension.MAJOR_TYPE: _posting.c.major_type,
        Dimension.SUB_TYPE: _posting.c.sub_type,
        Dimension.QUALIFIER: _posting.c.qualifier,
        Dimension.PROGRAM: _line.c.program_code,
        Dimension.PROJECT: _line.c.project_code,
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
