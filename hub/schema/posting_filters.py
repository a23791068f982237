"""Inputs of searches and totals, each turning itself into the domain's own criteria."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import TypeVar

import strawberry

from hub.codes import Code
from hub.domain.fiscal_events import filters
from hub.domain.fiscal_events.aggregates import GroupBy
from hub.domain.fiscal_events.content import read_amount
from hub.errors import InvalidInput
from hub.schema.posting_enums import Dimension, MajorType, Qualifier, Relation, ReversalView, SubType, Type
from hub.schema.posting_inputs import posting_id
from hub.schema.scalars import Amount, Instant

T = TypeVar("T")


@strawberry.input(description="Half-open interval [from, to); either end may be open.")
class InstantRangeInput:
    from_: Instant | None = strawberry.field(default=None, name="from")
    to: Instant | None = None

    def to_between(self) -> filters.Between:
        return filters.Between(self.from_, self.to)


@strawberry.input(description="Half-open interval of days [from, to); either end may be open.")
class DateRangeInput:
    from_: date | None = strawberry.field(default=None, name="from")
    to: date | None = None

    def to_days(self) -> filters.Days:
        return filters.Days(self.from_, self.to)


@strawberry.input
class KeyValueInput:
    key: str
    value: str | None = None

    def to_pair(self) -> filters.KeyValue:
        return filters.KeyValue(self.key, self.value)


@strawberry.input(
    description="Lists mean OR, different criteria mean AND. Criteria of lines speak of one and the same line."
)
class FiscalEventFilter:
    ids: list[strawberry.ID] | None = None
    reference_ids: list[str] | None = None
    senders: list[str] | None = None
    types: list[Type] | None = None
    major_types: list[MajorType] | None = None
    sub_types: list[SubType] | None = None
    qualifiers: list[Qualifier] | None = None
    processes: list[str] | None = None
    attribute_groups: list[str] | None = None
    fiscal_years: list[int] | None = None
    event_time: InstantRangeInput | None = None
    posted_at: InstantRangeInput | None = None
    period: DateRangeInput | None = strawberry.field(default=None, description="Any overlap counts.")
    coa_prefix: str | None = strawberry.field(default=None, description="A head and all below it.")
    location: str | None = strawberry.field(
        default=None, description="A location (code or path) and all below it."
    )
    administrative_node: str | None = None
    department: str | None = None
    program_codes: list[str] | None = None
    project_codes: list[str] | None = None
    tag: str | None = strawberry.field(default=None, description="A tag's scheme, such as gender-budget.")
    attribute: KeyValueInput | None = None
    attachment: KeyValueInput | None = strawberry.field(default=None, description="A key-value attachment.")
    amount_min: Amount | None = strawberry.field(default=None, description="Of the event's total.")
    amount_max: Amount | None = None
    currency: str | None = None
    children_of: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Events linked to one of these."
    )
    relations: list[Relation] | None = strawberry.field(default=None, description="Events with such a link.")
    reversal: ReversalView = ReversalView.ALL

    def to_filter(self) -> filters.Filter:
        return filters.Filter(
            ids=_ids(self.ids, "ids"),
            reference_ids=_tuple(self.reference_ids),
            senders=_tuple(self.senders),
            types=_tuple(self.types),
            major_types=_tuple(self.major_types),
            sub_types=_tuple(self.sub_types),
            qualifiers=_tuple(self.qualifiers),
            processes=_tuple(self.processes),
            attribute_groups=_tuple(self.attribute_groups),
            fiscal_years=_tuple(self.fiscal_years),
            event_time=self.event_time.to_between() if self.event_time else None,
            posted_at=self.posted_at.to_between() if self.posted_at else None,
            period=self.period.to_days() if self.period else None,
            coa_prefix=self.coa_prefix,
            location=self.location,
            administrative_node=self.administrative_node,
            department=self.department,
            program_codes=_tuple(self.program_codes),
            project_codes=_tuple(self.project_codes),
            tag=self.tag,
            attribute=self.attribute.to_pair() if self.attribute else None,
            attachment=self.attachment.to_pair() if self.attachment else None,
            amount_min=_amount(self.amount_min, "amountMin"),
            amount_max=_amount(self.amount_max, "amountMax"),
            currency=self.currency,
            parents=_ids(self.children_of, "childrenOf"),
            relations=_tuple(self.relations),
            reversal=self.reversal,
        )


def _tuple(values: list[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)


def _ids(values: list[strawberry.ID] | None, name: str) -> tuple[uuid.UUID, ...] | None:
    if values is None:
        return None
    return tuple(
        posting_id(value, Code.SEARCH_CRITERIA, "filter", name, i)[1] for i, value in enumerate(values)
    )


def _amount(value: str | None, name: str) -> Decimal | None:
    if value is None:
        return None
    amount = read_amount(value)
    if amount is None:
        raise InvalidInput.because(Code.AMOUNT, Code.AMOUNT.summary, "filter", name)
    return amount


@strawberry.input(description="A dimension; tiers and levels count from 1 at the root.")
class GroupByInput:
    dimension: Dimension
    level: int | None = None

    def to_group(self) -> GroupBy:
        return GroupBy(self.dimension, self.level)
