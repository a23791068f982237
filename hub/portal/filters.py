"""The search form: what stands in an address, as the API's filter of events. The API judges the values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

TYPES = ["REVENUE", "EXPENDITURE", "DEBT"]
MAJOR_TYPES = ["REVENUE_RECEIPT", "CAPITAL_RECEIPT", "REVENUE_EXPENDITURE", "CAPITAL_EXPENDITURE"]
SUB_TYPES = ["ESTIMATE", "PLAN", "DEMAND", "BILL", "RECEIPT", "PAYMENT", "DEBIT", "CREDIT"]
QUALIFIERS = ["PROPOSED", "VOTED", "APPROVED", "REVISED", "SUPPLEMENTARY", "SURRENDER"]
RELATIONS = [
    *("FOLLOWS", "PART_OF", "FUNDED_BY", "IMPLEMENTS", "DRAWS_ON"),
    *("SETTLES", "REPLACES", "ACCOUNTED", "CONCERNS"),
]
REVERSALS = ["ALL", "ORIGINALS", "REVERSALS", "EFFECTIVE"]
# Boxes: several values of an enumeration.
BOXES = {
    "types": TYPES,
    "majorTypes": MAJOR_TYPES,
    "subTypes": SUB_TYPES,
    "qualifiers": QUALIFIERS,
    "relations": RELATIONS,
}
# Several values in one field, with commas between.
LISTS = (
    *("senders", "referenceIds", "ids", "processes", "attributeGroups"),
    *("programCodes", "projectCodes", "childrenOf"),
)
SINGLES = (
    *("coaPrefix", "department", "location", "administrativeNode"),
    *("tag", "amountMin", "amountMax", "currency"),
)
PAIRS = ("attribute", "attachment")
INSTANTS = {"eventTime": ("eventFrom", "eventTo"), "postedAt": ("postedFrom", "postedTo")}
DAYS = {"period": ("periodFrom", "periodTo")}
NAMES = (
    *BOXES,
    *LISTS,
    *SINGLES,
    *PAIRS,
    *("fiscalYears", "reversal"),
    *(name for names in (*INSTANTS.values(), *DAYS.values()) for name in names),
)


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched for: as the address has it, and as the API takes it."""

    values: dict[str, list[str]]
    filter: dict[str, Any]

    @classmethod
    def of(cls, asked: QueryParams) -> Search:
        """The search of an address; what is empty is not asked for, other names are left alone."""
        values: dict[str, list[str]] = {}
        for name in NAMES:
            given = [text.strip() for text in asked.getlist(name) if text.strip()]
            if given:
                values[name] = given
        return cls(values, dict(_filter(values)))

    def text(self, name: str) -> str:
        """The value of a field that has one."""
        return ", ".join(self.values.get(name, ()))

    def has(self, name: str, value: str) -> bool:
        """Whether a box is ticked."""
        return value in self.values.get(name, ())

    @property
    def is_narrow(self) -> bool:
        """Whether anything is searched for."""
        return bool(self.values)


def _filter(values: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    for name, given in values.items():
        if name in BOXES:
            yield name, given
        elif name in LISTS:
            yield name, _parts(given)
        elif name in SINGLES or name == "reversal":
            yield name, given[0]
        elif name in PAIRS:
            yield name, _pair(given[0])
    if "fiscalYears" in values:
        years = [part[:4] for part in _parts(values["fiscalYears"])]
        yield "fiscalYears", [int(year) if year.isdecimal() else year for year in years]
    for name, (first, last) in {**INSTANTS, **DAYS}.items():
        if first in values or last in values:
            read = _begins if name in INSTANTS else _only
            yield name, {"from": read(values.get(first), 0), "to": read(values.get(last), 1)}


def _parts(given: list[str]) -> list[str]:
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def _pair(text: str) -> dict[str, str | None]:
    """``key=value``, or a key alone for any value."""
    key, has_value, value = text.partition("=")
    return {"key": key.strip(), "value": value.strip() if has_value else None}


def _only(given: list[str] | None, _: int) -> str | None:
    return given[0] if given else None


def _begins(given: list[str] | None, days: int) -> str | None:
    """The first instant of a day in India, or of one so many days later; what is no day goes to the API as it is."""
    if not given:
        return None
    try:
        day = dt.date.fromisoformat(given[0]) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return given[0]
    return f"{day.isoformat()}T00:00:00+05:30"
