"""What postings can be searched by, and how each criterion becomes SQL: lists mean OR, criteria mean AND."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, any_, exists, func, literal, literal_column, or_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.codes import Code
from hub.domain.fiscal_events import access
from hub.domain.fiscal_events.catalogue import masked_keys
from hub.domain.fiscal_events.tables import (
    line_balance,
    posting,
    posting_attachment,
    posting_line,
    posting_link,
)
from hub.domain.fiscal_events.vocabulary import MajorType, Qualifier, Relation, SubType, Type
from hub.domain.registry import Caller
from hub.errors import InvalidInput

VALUES_MAX = 100
TEXT_MAX = 1024
YEARS = range(1900, 10_000)
DIGITS_MAX = 16


class ReversalView(StrEnum):
    """Which side of reversals to show; EFFECTIVE: originals of which something is left."""

    ALL = "ALL"
    ORIGINALS = "ORIGINALS"
    REVERSALS = "REVERSALS"
    EFFECTIVE = "EFFECTIVE"


@dataclass(frozen=True, slots=True)
class Between:
    """A half-open interval of instants, [from, to); open ends allowed."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Days:
    """A half-open interval of days, [from, to); open ends allowed."""

    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key and, if given, its value."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Criteria of a search; None means no restriction."""

    ids: tuple[uuid.UUID, ...] | None = None
    reference_ids: tuple[str, ...] | None = None
    senders: tuple[str, ...] | None = None
    types: tuple[Type, ...] | None = None
    major_types: tuple[MajorType, ...] | None = None
    sub_types: tuple[SubType, ...] | None = None
    qualifiers: tuple[Qualifier, ...] | None = None
    processes: tuple[str, ...] | None = None
    attribute_groups: tuple[str, ...] | None = None
    fiscal_years: tuple[int, ...] | None = None
    event_time: Between | None = None
    posted_at: Between | None = None
    period: Days | None = None
    coa_prefix: str | None = None
    location: str | None = None
    administrative_node: str | None = None
    department: str | None = None
    program_codes: tuple[str, ...] | None = None
    project_codes: tuple[str, ...] | None = None
    tag: str | None = None
    attribute: KeyValue | None = None
    attachment: KeyValue | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    currency: str | None = None
    parents: tuple[uuid.UUID, ...] | None = None
    relations: tuple[Relation, ...] | None = None
    reversal: ReversalView = ReversalView.ALL


def on_postings(caller: Caller, wanted: Filter) -> list[ColumnElement[bool]]:
    """Conditions over the posting table; what concerns lines is one EXISTS over one and the same line."""
    conditions = beside_lines(caller, wanted)
    line = posting_line.alias()
    lines = on_lines(wanted, line)
    if lines:
        conditions.append(
            exists().where(line.c.tenant_id == posting.c.tenant_id, line.c.posting_id == posting.c.id, *lines)
        )
    return conditions


def beside_lines(caller: Caller, wanted: Filter) -> list[ColumnElement[bool]]:
    """Conditions over the posting table but for those about lines (``on_lines``), for who joins the lines.

    Criteria never tell what the caller cannot read: parents count when visible, personal values when in clear.
    """
    _check(wanted)
    return [
        *_header(wanted),
        *_pairs(caller, wanted),
        *_times(wanted),
        *_amounts(wanted),
        *_links(caller, wanted),
        *_reversal(wanted),
    ]


def _check(wanted: Filter) -> None:
    """Bounds of every criterion, and no text that the database could not even compare."""
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if isinstance(value, tuple) and len(value) > VALUES_MAX:
            raise _refused(f"{field.name}: at most {VALUES_MAX} values")
        if any("\x00" in text or not 1 <= len(text) <= TEXT_MAX for text in _texts(value)):
            raise _refused(f"{field.name}: texts have 1 to {TEXT_MAX} characters, none of them NUL")
    if any(year not in YEARS for year in wanted.fiscal_years or ()):
        raise _refused(f"fiscal_years: {YEARS.start} to {YEARS.stop - 1}")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (text for text in value if isinstance(text, str))
    elif isinstance(value, KeyValue):
        yield value.key
        yield from () if value.value in (None, "") else (str(value.value),)


def _refused(message: str) -> InvalidInput:
    return InvalidInput.because(Code.SEARCH_CRITERIA, message, "filter")


def _header(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, values in (
        (posting.c.id, wanted.ids),
        (posting.c.reference_id, wanted.reference_ids),
        (posting.c.sender, wanted.senders),
        (posting.c.type, wanted.types),
        (posting.c.major_type, wanted.major_types),
        (posting.c.sub_type, wanted.sub_types),
        (posting.c.qualifier, wanted.qualifiers),
        (posting.c.process, wanted.processes),
        (posting.c.attribute_group, wanted.attribute_groups),
        (posting.c.fiscal_year, wanted.fiscal_years),
    ):
        if values is not None:
            conditions.append(_among(column, [getattr(value, "value", value) for value in values]))
    if wanted.currency is not None:
        conditions.append(posting.c.currency == wanted.currency)
    return conditions


def _among(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """One parameter whatever the number of values: the text of the SQL does not depend on it."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def _pairs(caller: Caller, wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.attribute is not None:
        conditions.append(_attribute(wanted.attribute))
    if wanted.attachment is not None:
        conditions.append(_attachment(wanted.attachment))
    keys = {pair.key for pair in (wanted.attribute, wanted.attachment) if pair is not None}
    if keys & masked_keys():
        conditions.append(access.is_party(caller))
    return conditions


def _attribute(wanted: KeyValue) -> ColumnElement[bool]:
    if wanted.value is None:
        has_key: ColumnElement[bool] = posting.c.attributes.has_key(wanted.key)
        return has_key
    # Containment alone is what an index carries; the text comparison keeps "5" and 5 the same.
    as_text = posting.c.attributes[wanted.key].astext == wanted.value
    return and_(
        or_(*(posting.c.attributes.contains({wanted.key: each}) for each in _readings(wanted.value))), as_text
    )


def _readings(text: str) -> tuple[str | int | bool, ...]:
    """The JSON values that are written as this text."""
    if text in ("true", "false"):
        return text, text == "true"
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdecimal() and (digits == "0" or digits[0] != "0")
    return (text, int(text)) if is_number and text != "-0" and len(digits) <= DIGITS_MAX else (text,)


def _attachment(wanted: KeyValue) -> ColumnElement[bool]:
    found = [
        posting_attachment.c.tenant_id == posting.c.tenant_id,
        posting_attachment.c.posting_id == posting.c.id,
        posting_attachment.c.key == wanted.key,
    ]
    if wanted.value is not None:
        value = posting_attachment.c.value
        # The index holds the first characters alone; see the table.
        found += [func.left(value, 200) == wanted.value[:200], value == wanted.value]
    return exists().where(*found)


def _times(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, between in (
        (posting.c.event_time, wanted.event_time),
        (posting.c.posted_at, wanted.posted_at),
    ):
        if between is not None and between.since is not None:
            conditions.append(column >= between.since)
        if between is not None and between.until is not None:
            conditions.append(column < between.until)
    return conditions


def _amounts(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.amount_min is not None:
        conditions.append(posting.c.total_amount >= wanted.amount_min)
    if wanted.amount_max is not None:
        conditions.append(posting.c.total_amount <= wanted.amount_max)
    return conditions


def _links(caller: Caller, wanted: Filter) -> list[ColumnElement[bool]]:
    if wanted.parents is None and wanted.relations is None:
        return []
    link, parent = posting_link.alias(), posting.alias()
    conditions = [link.c.tenant_id == posting.c.tenant_id, link.c.posting_id == posting.c.id]
    if wanted.relations is not None:
        conditions.append(_among(link.c.relation, [relation.value for relation in wanted.relations]))
    if wanted.parents is not None:
        named = and_(
            parent.c.sender_id == link.c.parent_system_id, parent.c.reference_id == link.c.parent_reference
        )
        conditions.append(
            exists().where(
                parent.c.tenant_id == link.c.tenant_id,
                _among(parent.c.id, wanted.parents),
                or_(parent.c.id == link.c.parent_id, named),
                access.visible(caller, parent),
            )
        )
    return [exists().where(*conditions)]


def _reversal(wanted: Filter) -> list[ColumnElement[bool]]:
    match wanted.reversal:
        case ReversalView.ORIGINALS:
            return [posting.c.reverses_id.is_(None)]
        case ReversalView.REVERSALS:
            return [posting.c.reverses_id.is_not(None)]
        case ReversalView.EFFECTIVE:
            return [posting.c.reverses_id.is_(None), ~_taken_back()]
        case ReversalView.ALL:
            return []


def _taken_back() -> ColumnElement[bool]:
    """Every line was taken back whole. Judged line by line: lines of both signs may sum to nothing."""
    of_posting = and_(
        line_balance.c.tenant_id == posting.c.tenant_id, line_balance.c.posting_id == posting.c.id
    )
    is_left = line_balance.c.reversed != line_balance.c.amount
    return and_(exists().where(of_posting), ~exists().where(of_posting, is_left))


def on_lines(wanted: Filter, of: FromClause = posting_line) -> list[ColumnElement[bool]]:
    """Conditions over the line table, or an alias of it."""
    line = of.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.coa_prefix is not None:
        conditions.append(_below(line.coa_code, wanted.coa_prefix, "-"))
    if wanted.location is not None:
        conditions.append(_under(line.location_path, wanted.location))
    if wanted.administrative_node is not None:
        conditions.append(_under_node(line.administrative_hierarchy_path, wanted.administrative_node))
    if wanted.department is not None:
        conditions.append(_under(line.department_path, wanted.department))
    for column, values in (
        (line.program_code, wanted.program_codes),
        (line.project_code, wanted.project_codes),
    ):
        if values is not None:
            conditions.append(_among(column, values))
    if wanted.period is not None and wanted.period.since is not None:
        conditions.append(line.period_end >= wanted.period.since)
    if wanted.period is not None and wanted.period.until is not None:
        conditions.append(line.period_start < wanted.period.until)
    if wanted.tag is not None:
        # Said twice: the index leaves out lines without tags.
        is_tagged = line.tags != literal_column("'[]'::jsonb", JSONB)
        conditions += [is_tagged, line.tags.contains([{"scheme": wanted.tag}])]
    return conditions


def _under_node(path: ColumnElement[str], node: str) -> ColumnElement[bool]:
    """Administrative paths are written with the government in front as well (``pb/DWSS/Z02``)."""
    government, _, rest = node.partition("/")
    with_government = and_(posting.c.government == government, _below(path, rest, "/"))
    return or_(_under(path, node), with_government) if rest else _under(path, node)


def _below(column: ColumnElement[str], prefix: str, separator: str) -> ColumnElement[bool]:
    """The code itself or anything below it, as a range of bytes: nothing in a prefix has a special meaning.

    The pattern operators are the ones the indexes hold; unlike LIKE they serve prepared statements as well.
    """
    behind = prefix + chr(ord(separator) + 1)
    return and_(
        # One range for the index; what else lies in it (a sign that sorts before the separator) is sifted out.
        column.bool_op("~>=~")(prefix),
        column.bool_op("~<~")(behind),
        or_(column == prefix, column.bool_op("~>=~")(prefix + separator)),
    )


def _under(path: ColumnElement[str], node: str) -> ColumnElement[bool]:
    """Paths through a node: given as a path from the root, or as the node's own code."""
    if "/" in node:
        return _below(path, node, "/")
    parts: ColumnElement[Any] = func.string_to_array(path, "/", type_=ARRAY(Text))
    return parts.contains(literal([node], ARRAY(Text)))
