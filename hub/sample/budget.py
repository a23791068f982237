"""From rows of a state's budget documents to figures, chart of accounts and the content of events; pure."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from hub.client import amount, instant

RUPEES_PER_CRORE = Decimal(10_000_000)
CURRENCY = "INR"
INDIA = timezone(timedelta(hours=5, minutes=30))
REFERENCE_LENGTH_MAX = 64
NAME_LENGTH_MAX = 256
CHART_COLUMNS = ("code", "name")
UNDIVIDED = "Not subdivided"


class Column(Enum):
    """A published column: which year it speaks of, counted from the budget year, and what it becomes."""

    ACTUALS = ("actuals_two_years_before_crore", "ACT", -2, None)
    VOTED = ("budget_estimate_previous_year_crore", "BEP", -1, "VOTED")
    REVISED = ("revised_estimate_previous_year_crore", "REV", -1, "REVISED")
    PROPOSED = ("budget_estimate_budget_year_crore", "BE", 0, "PROPOSED")

    def __init__(self, heading: str, tag: str, offset: int, qualifier: str | None) -> None:
        self.heading = heading
        self.tag = tag
        self.offset = offset
        self.qualifier = qualifier


# The life of a year's figure, first to last, over three consecutive budget documents.
LIFE = (Column.PROPOSED, Column.VOTED, Column.REVISED, Column.ACTUALS)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: a leaf head of account in one year's budget document."""

    grant: str
    budget_year: str
    head: str
    title: str
    published: tuple[tuple[Column, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One published amount: what it says (column), of which head and fiscal year, exactly in rupees."""

    grant: str
    budget_year: str
    head: str
    column: Column
    crore: str
    rupees: Decimal

    @property
    def fiscal_year(self) -> int:
        """The year in which the fiscal year the figure speaks of begins."""
        return int(self.budget_year[:4]) + self.column.offset

    @property
    def reference_id(self) -> str:
        """The provider's reference: the same figure always has the same, no two figures share one."""
        return reference_id(self.grant, self.budget_year, self.head, self.column)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A published amount that is no event: actuals of zero, as nothing was debited."""

    grant: str
    budget_year: str
    head: str
    column: Column


def sample_path() -> Path:
    """The file that comes with the hub."""
    return Path(__file__).with_name("assam-budget-heads.csv")


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, in its order; raises ValueError when two rows speak of the same head, grant and year."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_row(cells) for cells in csv.DictReader(file, strict=True)]
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        key = (row.grant, row.budget_year, row.head)
        if key in seen:
            raise ValueError(f"two rows for {' '.join(key)}")
        seen.add(key)
    return rows


def _row(cells: dict[str, str]) -> Row:
    published = tuple(
        (column, cells[column.heading].strip()) for column in Column if cells[column.heading].strip()
    )
    return Row(
        cells["grant"].strip(),
        cells["budget_year"].strip(),
        cells["head_codes"].strip(),
        cells["head_title"].strip(),
        published,
    )


def reference_id(grant: str, budget_year: str, head: str, column: Column) -> str:
    """``AS/<grant>/<budget year>/<head>/<column>``; what is too long for a reference keeps its start and a hash."""
    whole = f"AS/{grant}/{budget_year}/{head}/{column.tag}"
    if len(whole) <= REFERENCE_LENGTH_MAX:
        return whole
    tail = "~" + hashlib.sha256(whole.encode()).hexdigest()[:16]
    return whole[: REFERENCE_LENGTH_MAX - len(tail)] + tail


def figures(rows: Iterable[Row]) -> tuple[list[Figure], list[Skipped]]:
    """
    Every published amount as a figure, in the order of the years and stages they speak of, and what is left out.

    Raises ValueError for an amount that is no whole number of paise, or negative: neither has a meaning here, and
    nothing is rounded or guessed.
    """
    found: list[Figure] = []
    skipped: list[Skipped] = []
    for row in rows:
        for column, crore in row.published:
            rupees = Decimal(crore) * RUPEES_PER_CRORE
            if rupees != rupees.quantize(Decimal("0.01")) or rupees < 0:
                raise ValueError(f"{row.grant} {row.budget_year} {row.head}: {crore} crore cannot be posted")
            if column is Column.ACTUALS and rupees == 0:
                skipped.append(Skipped(row.grant, row.budget_year, row.head, column))
            else:
                found.append(Figure(row.grant, row.budget_year, row.head, column, crore, rupees))
    found.sort(key=lambda figure: (figure.fiscal_year, LIFE.index(figure.column)))
    return found, skipped


def major_type(head: str) -> str:
    """Revenue or capital expenditure, by the first digit of the major head (4 to 7: capital, loans included)."""
    return "CAPITAL_EXPENDITURE" if head[:1] in "4567" else "REVENUE_EXPENDITURE"


def event_time(figure: Figure) -> datetime:
    """
    When the figure holds: a budget from the year's first day, its revision from 1 February, actuals at its end.

    The documents give no day; these lie in the fiscal year the figure speaks of, so that the event's fiscal year is
    the figure's.
    """
    year = figure.fiscal_year
    days = {
        Column.PROPOSED: datetime.combine(date(year, 4, 1), time(0), INDIA),
        Column.VOTED: datetime.combine(date(year, 4, 1), time(0), INDIA),
        Column.REVISED: datetime.combine(date(year + 1, 2, 1), time(0), INDIA),
        Column.ACTUALS: datetime.combine(date(year + 1, 3, 31), time(23, 59, 59), INDIA),
    }
    return days[figure.column]


def content(figure: Figure, *, sender: str, government: str, earlier: str | None = None) -> dict[str, Any]:
    """The event a figure becomes, as the API takes it; ``earlier`` is the reference of the stage before."""
    year = figure.fiscal_year
    stage: dict[str, Any] = (
        {"subType": "DEBIT"}
        if figure.column.qualifier is None
        else {"subType": "ESTIMATE", "qualifier": figure.column.qualifier}
    )
    link = {"relation": "FOLLOWS", "system": sender, "referenceId": earlier}
    return {
        "from": sender,
        "government": government,
        "classification": "OPEN",
        "type": "EXPENDITURE",
        "majorType": major_type(figure.head),
        **stage,
        "referenceId": figure.reference_id,
        "eventTime": instant(event_time(figure)),
        "links": [link] if earlier else [],
        "lines": [
            {
                "lineNo": 1,
                "amount": amount(figure.rupees),
                "currency": CURRENCY,
                "coaCode": figure.head,
                "periodStart": f"{year}-04-01",
                "periodEnd": f"{year + 1}-03-31",
            }
        ],
        "attachments": [
            {"kind": "KEY_VALUE", "key": "grant", "value": figure.grant},
            {"kind": "KEY_VALUE", "key": "published_crore", "value": figure.crore},
        ],
    }


def contents(found: Sequence[Figure], *, sender: str, government: str) -> Iterator[dict[str, Any]]:
    """The events of these figures, each linked to the stage before it where the file has that stage."""
    before: dict[tuple[str, str, int], str] = {}
    for figure in found:
        key = (figure.grant, figure.head, figure.fiscal_year)
        yield content(figure, sender=sender, government=government, earlier=before.get(key))
        before[key] = figure.reference_id


def chart(rows: Sequence[Row]) -> list[dict[str, str]]:
    """
    The chart of accounts behind the rows: every head and every head above it, with the latest published names.

    A title names the segments that are not ``0``, root first; ``0`` means that a tier is not subdivided.
    """
    names: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.budget_year):
        titles = iter(part.strip() for part in row.title.split("->"))
        segments = row.head.split("-")
        for depth, segment in enumerate(segments, start=1):
            name = UNDIVIDED if segment == "0" else next(titles, segment)
            names["-".join(segments[:depth])] = name[:NAME_LENGTH_MAX]
    return [dict(zip(CHART_COLUMNS, entry, strict=True)) for entry in sorted(names.items())]
