"""Figures: exact totals along every dimension of the API, budget against actual, and the way down into each number."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from hub.portal import charts, downloads, filters
from hub.portal.languages import Writing, gettext, marked
from hub.portal.visits import Visit
from hub.portal.words import word

PATH = "/portal/figures"
ROWS = 100
# Heads that are shown with their names, and how many the API names at once.
NAMED_MAX, CODES_ASKED = 500, 50
PICTURE_ROWS = 20
HEAD_PAGES_MAX = 10
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
    if by == "COA_TIER":
        await _name(visit, rows)
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
        pictures=_pictures(shown, _bar, gettext(DIMENSIONS[by])),
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
    estimated, is_cut = await _by_head(
        visit, search, level, {"subTypes": ["ESTIMATE"], "qualifiers": [qualifier]}
    )
    debited, is_cut_too = await _by_head(visit, search, level, {"subTypes": ["DEBIT"], "qualifiers": None})
    rows = [
        _compared(head, (estimated.get(head, Decimal(0)), debited.get(head, Decimal(0))), search, level)
        for head in sorted(estimated.keys() | debited.keys())
    ]
    await _name(visit, rows)
    return visit.page(
        "budget.html",
        search=search,
        level=level,
        qualifier=qualifier,
        budgets=BUDGETS,
        rows=rows,
        is_cut=is_cut or is_cut_too,
        heads_max=ROWS * HEAD_PAGES_MAX,
        pictures=_pictures(
            sorted(rows, key=lambda row: -row["budget"]), _compared_bar, gettext("Budget and actual")
        ),
    )


async def _by_head(
    visit: Visit, search: filters.Search, level: int, narrowed: Mapping[str, Any]
) -> tuple[dict[tuple[str, str], Decimal], bool]:
    """What stands by head and currency, and whether there are more heads than were asked for."""
    wanted = _wanted(visit, search, "COA_TIER", level)
    wanted |= {"filter": {**search.filter, **narrowed}, "after": None}
    sums: dict[tuple[str, str], Decimal] = {}
    for _ in range(HEAD_PAGES_MAX):
        found = (await visit.data("Totals", **wanted))["fiscalEventTotals"]
        for node in (edge["node"] for edge in found["edges"]):
            sums[node["keys"][0]["value"], node["currency"]] = Decimal(node["net"])
        if not found["pageInfo"]["hasNextPage"]:
            return sums, False
        wanted["after"] = found["pageInfo"]["endCursor"]
    return sums, True


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


async def _name(visit: Visit, rows: list[dict[str, Any]]) -> None:
    """Give rows of heads the names the chart of accounts has for them; what it lacks stays a code."""
    codes = sorted({row["label"] for row in rows})[:NAMED_MAX]
    names: dict[str, str] = {}
    for start in range(0, len(codes), CODES_ASKED):
        found = await visit.data("HeadNames", codes=codes[start : start + CODES_ASKED])
        names |= {edge["node"]["code"]: edge["node"]["name"] for edge in found["chartOfAccounts"]["edges"]}
    for row in rows:
        row["name"] = names.get(row["label"])


def _row(node: dict[str, Any], search: filters.Search, by: str, level: int) -> dict[str, Any]:
    value = node["keys"][0]["value"]
    narrowed = _narrowed(by, value)
    deeper = None if narrowed is None else {**search.values, **narrowed, "by": by, "level": level + 1}
    return {
        **node,
        "name": None,
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


def _pictures(
    rows: list[dict[str, Any]], bar: Callable[[dict[str, Any]], charts.Bar], title: str
) -> list[Any]:
    """One picture for each currency, as amounts of two have no common scale."""
    return [
        charts.bars(
            [bar(row) for row in rows if row["currency"] == currency][:PICTURE_ROWS],
            title=f"{title}, {currency}",
        )
        for currency in sorted({row["currency"] for row in rows})
    ]


def _titled(row: dict[str, Any]) -> str:
    return f"{row['label']} {row.get('name') or ''}".rstrip()


def _bar(row: dict[str, Any]) -> charts.Bar:
    return charts.Bar(_titled(row), row["net"], Writing().short_money(row["net"], row["currency"]))


def _compared_bar(row: dict[str, Any]) -> charts.Bar:
    actual, budget = (Writing().short_money(row[side], row["currency"]) for side in ("actual", "budget"))
    return charts.Bar(_titled(row), row["actual"], f"{actual} / {budget}", behind=row["budget"])


def _compared(
    head: tuple[str, str], sides: tuple[Decimal, Decimal], search: filters.Search, level: int
) -> dict[str, Any]:
    (code, currency), (estimate, actual) = head, sides
    return {
        "label": code or gettext("none"),
        "currency": currency,
        "budget": estimate,
        "actual": actual,
        "left": estimate - actual,
        "share": round(actual * 100 / estimate, 1) if estimate > 0 else None,
        "deeper": {**search.values, "coaPrefix": code, "level": level + 1}
        if code and level < LEVEL_MAX
        else None,
    }


PAGES = [
    ("/figures", show, ["GET"]),
    ("/figures.csv", table, ["GET"]),
    ("/budget", budget, ["GET"]),
    ("/log", log, ["GET"]),
]
