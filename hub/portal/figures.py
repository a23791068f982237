"""Figures: exact totals along every dimension of the API, budget against actual, and the way down into each number."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from hub.portal import charts, downloads, filters
from hub.portal.languages import Writing, gettext, marked
from hub.portal.visits import Visit
from hub.portal.words import word

PATH = "/portal/figures"
ROWS = 100
PICTURE_ROWS = 20
LEVEL_MAX = 12
# What totals can be grouped by, in the order of the menu; those with levels are gone down step by step.
DIMENSIONS = {
    "SUB_TYPE": marked("Stage"),
    "MAJOR_TYPE": marked("Kind of amount"),
    "TYPE": marked("Side of the budget"),
    "QUALIFIER": marked("Qualifier"),
    "FISCAL_YEAR": marked("Financial year"),
    "MONTH": marked("Month"),
    "COA_TIER": marked("Head of account"),
    "DEPARTMENT": marked("Department"),
    "ADMINISTRATIVE_LEVEL": marked("Administrative hierarchy"),
    "LOCATION_LEVEL": marked("Location"),
    "PROGRAM": marked("Program"),
    "PROJECT": marked("Project"),
    "SENDER": marked("Sender"),
}
LEVELLED = ("COA_TIER", "ADMINISTRATIVE_LEVEL", "LOCATION_LEVEL")
WORDED = ("SUB_TYPE", "MAJOR_TYPE", "TYPE", "QUALIFIER")
# Which field of the search finds the lines behind a total.
FIELDS = {
    "SUB_TYPE": "subTypes",
    "MAJOR_TYPE": "majorTypes",
    "TYPE": "types",
    "QUALIFIER": "qualifiers",
    "FISCAL_YEAR": "fiscalYears",
    "COA_TIER": "coaPrefix",
    "DEPARTMENT": "department",
    "ADMINISTRATIVE_LEVEL": "administrativeNode",
    "LOCATION_LEVEL": "location",
    "PROGRAM": "programCodes",
    "PROJECT": "projectCodes",
    "SENDER": "senders",
}
CSV_HEAD = ("key", "label", "currency", "gross", "reversed", "net", "events", "lines")
BUDGETS = ["VOTED", "REVISED", "PROPOSED", "APPROVED"]


async def show(visit: Visit) -> Response:
    """Totals by one dimension: a picture, a table with the same numbers, and links into each."""
    visit.must_be_known()
    search = filters.Search.of(visit.request.query_params)
    by, level = _by(visit), _level(visit)
    outcome = await visit.ask("Totals", **_wanted(visit, search, by, level))
    visit.must_be_answered(outcome)
    totals = None if outcome.problems else outcome.data["fiscalEventTotals"]
    rows = [_row(edge["node"], search, by, level) for edge in (totals or {"edges": []})["edges"]]
    shown = rows if by in {"MONTH", "FISCAL_YEAR"} else sorted(rows, key=lambda row: -abs(row["net"]))
    return visit.page(
        "figures.html",
        problems=outcome.problems,
        search=search,
        by=by,
        level=level,
        dimensions=DIMENSIONS,
        levelled=LEVELLED,
        rows=rows,
        totals=totals,
        filters=filters,
        picture=_picture(shown[:PICTURE_ROWS], gettext(DIMENSIONS[by])),
    )


async def table(visit: Visit) -> Response:
    """The totals on the screen, as CSV."""
    visit.must_be_known()
    search = filters.Search.of(visit.request.query_params)
    by, level = _by(visit), _level(visit)
    totals = (await visit.data("Totals", **_wanted(visit, search, by, level)))["fiscalEventTotals"]
    rows = [
        (node["keys"][0]["value"], node["keys"][0]["label"], *(node[name] for name in CSV_HEAD[2:]))
        for node in (edge["node"] for edge in totals["edges"])
    ]
    return downloads.table(CSV_HEAD, rows, f"totals-{by.lower()}.csv")


async def budget(visit: Visit) -> Response:
    """Budget against actual by head: what was estimated, what was debited, and how much of it."""
    visit.must_be_known()
    search, level = filters.Search.of(visit.request.query_params), _level(visit)
    asked = visit.asked("budget")
    qualifier = asked if asked in BUDGETS else BUDGETS[0]
    sides: dict[str, dict[str, Decimal]] = {}
    for side, narrowed in {
        "budget": {"subTypes": ["ESTIMATE"], "qualifiers": [qualifier]},
        "actual": {"subTypes": ["DEBIT"]},
    }.items():
        wanted = _wanted(visit, search, "COA_TIER", level)
        wanted["filter"] = {**search.filter, "qualifiers": None, **narrowed}
        found = (await visit.data("Totals", **wanted))["fiscalEventTotals"]
        for node in (edge["node"] for edge in found["edges"]):
            sides.setdefault(node["keys"][0]["value"], {})[side] = Decimal(node["net"])
    rows = [_compared(head, both, search, level) for head, both in sorted(sides.items())]
    return visit.page(
        "budget.html",
        search=search,
        level=level,
        qualifier=qualifier,
        budgets=BUDGETS,
        rows=rows,
        picture=charts.pairs(
            [row["bar"] for row in sorted(rows, key=lambda row: -row["budget"])[:PICTURE_ROWS]],
            title=gettext("Budget and actual"),
        ),
    )


async def log(visit: Visit) -> Response:
    """The log's head and the hub's keys, to be compared with what one noted elsewhere."""
    visit.must_be_known()
    data = await visit.data("LogHead")
    return visit.page("log.html", head=data["logCheckpoint"], hub=data["hub"], hub_url=visit.hub_url())


def _by(visit: Visit) -> str:
    asked = visit.asked("by")
    return asked if asked in DIMENSIONS else "SUB_TYPE"


def _level(visit: Visit) -> int:
    asked = visit.asked("level") or ""
    return min(LEVEL_MAX, max(1, int(asked))) if asked.isdigit() and len(asked) <= 2 else 1  # noqa: PLR2004


def _wanted(visit: Visit, search: filters.Search, by: str, level: int) -> dict[str, Any]:
    group = {"dimension": by, "level": level if by in LEVELLED else None}
    return {"groupBy": [group], "filter": search.filter, "first": ROWS, "after": visit.asked("after")}


def _row(node: dict[str, Any], search: filters.Search, by: str, level: int) -> dict[str, Any]:
    value = node["keys"][0]["value"]
    narrowed = _narrowed(by, value)
    deeper = None if narrowed is None else {**search.values, **narrowed, "by": by, "level": level + 1}
    return {
        **node,
        "net": Decimal(node["net"]),
        "label": (word(value) if by in WORDED else node["keys"][0]["label"]) if value else gettext("none"),
        "events_of": None if narrowed is None else {**search.values, **narrowed},
        "deeper": deeper if by in LEVELLED and level < LEVEL_MAX else None,
    }


def _narrowed(by: str, value: str) -> dict[str, Any] | None:
    """The search behind a total; None where the API cannot search for what is not there."""
    if not value:
        return None
    if by == "MONTH":
        year, month = int(value[:4]), int(value[5:7])
        last = calendar.monthrange(year, month)[1]
        return {"eventFrom": f"{value}-01", "eventTo": f"{value}-{last:02}"}
    return {FIELDS[by]: value}


def _picture(rows: list[dict[str, Any]], title: str) -> Any:
    writing = Writing()
    return charts.bars(
        [
            charts.Bar(row["label"], row["net"], writing.short_money(row["net"], row["currency"]))
            for row in rows
        ],
        title=title,
    )


def _compared(head: str, both: Mapping[str, Decimal], search: filters.Search, level: int) -> dict[str, Any]:
    estimate, actual = both.get("budget", Decimal(0)), both.get("actual", Decimal(0))
    writing = Writing()
    label = head or gettext("none")
    return {
        "label": label,
        "budget": estimate,
        "actual": actual,
        "left": estimate - actual,
        "share": round(actual * 100 / estimate, 1) if estimate > 0 else None,
        "deeper": {**search.values, "coaPrefix": head, "level": level + 1}
        if head and level < LEVEL_MAX
        else None,
        "bar": charts.Pair(
            label, estimate, actual, f"{writing.short_money(actual)} / {writing.short_money(estimate)}"
        ),
    }


PAGES = [
    ("/figures", show, ["GET"]),
    ("/figures.csv", table, ["GET"]),
    ("/budget", budget, ["GET"]),
    ("/log", log, ["GET"]),
]
