"""Totals from outside: exact, grouped by anything, and never a message or a rounding in them (spec 12.2 and 18.11)."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.reference import LOCATION_PATH, NODE_PATH
from tests.factories.registry import TestSystem

pytestmark = pytest.mark.anyio

TOTALS = """
query ($groupBy: [GroupByInput!]!, $filter: FiscalEventFilter, $first: Int! = 100, $after: String) {
  fiscalEventTotals(groupBy: $groupBy, filter: $filter, first: $first, after: $after) {
    edges { node { keys { dimension level value label } currency gross reversed net events lines } }
    pageInfo { hasNextPage endCursor }
  }
}"""
KINDS: tuple[dict[str, Any], ...] = (
    {"type": "EXPENDITURE", "majorType": "REVENUE_EXPENDITURE", "subType": "ESTIMATE", "qualifier": "VOTED"},
    {"type": "EXPENDITURE", "majorType": "CAPITAL_EXPENDITURE", "subType": "BILL"},
    {"type": "EXPENDITURE", "majorType": "CAPITAL_EXPENDITURE", "subType": "DEBIT"},
    {"type": "REVENUE", "majorType": "REVENUE_RECEIPT", "subType": "RECEIPT"},
)
HEADS = (postings.CAPITAL_HEAD, "2215-01-102-08-00-13", postings.RECEIPT_HEAD)
# Instant, and the fiscal year and month it counts in by the government's own clock.
TIMES = (
    ("2026-03-31T18:00:00+05:30", "2025", "2026-03"),
    ("2026-03-31T23:59:59+05:30", "2025", "2026-03"),
    ("2026-04-01T02:00:00+05:30", "2026", "2026-04"),
    ("2026-08-15T10:00:00+05:30", "2026", "2026-08"),
)
PLACES: tuple[dict[str, str], ...] = (
    {},
    {"locationCode": "majher", "administrativeHierarchyCode": NODE_PATH},
    {"locationCode": "rupnagar", "departmentCode": "DWSS"},
    {"programCode": "JJM", "projectCode": "PWS-7378"},
)


def _cut(path: str | None, separator: str, level: int) -> str:
    return separator.join((path or "").split(separator)[:level])


def _key(dimension: str, level: int | None, event: dict[str, Any], line: dict[str, Any]) -> str:
    node = NODE_PATH.removeprefix("pb/")
    place = {"majher": LOCATION_PATH, "rupnagar": "pb/rupnagar"}.get(line.get("locationCode", ""))
    at_node = node if "administrativeHierarchyCode" in line else None
    plain: dict[str, str | None] = {
        "TYPE": event["type"],
        "MAJOR_TYPE": event["majorType"],
        "SUB_TYPE": event["subType"],
        "QUALIFIER": event.get("qualifier"),
        "PROGRAM": line.get("programCode"),
        "PROJECT": line.get("projectCode"),
        "FISCAL_YEAR": event["year"],
        "MONTH": event["month"],
        "SENDER": event["sender"],
        "COA_CODE": line["coaCode"],
        "DEPARTMENT": "DWSS" if at_node or "departmentCode" in line else None,
    }
    if dimension in plain:
        return plain[dimension] or ""
    path, separator = {
        "COA_TIER": (line["coaCode"], "-"),
        "LOCATION_LEVEL": (place, "/"),
        "ADMINISTRATIVE_LEVEL": (at_node, "/"),
    }[dimension]
    return _cut(path, separator, level or 1)


PLAIN = (
    *("TYPE", "MAJOR_TYPE", "SUB_TYPE", "QUALIFIER", "PROGRAM", "PROJECT"),
    *("FISCAL_YEAR", "MONTH", "SENDER", "COA_CODE", "DEPARTMENT"),
)
LEVELS = {"COA_TIER": (1, 2, 6, 12), "LOCATION_LEVEL": (1, 2, 4), "ADMINISTRATIVE_LEVEL": (1, 4, 7)}
Grouping = list[tuple[str, int | None]]
ALONE: list[Grouping] = [[(name, None)] for name in PLAIN]
LEVELLED: list[Grouping] = [[(name, level)] for name, levels in LEVELS.items() for level in levels]
GROUPINGS: list[Grouping] = [
    [],
    *ALONE,
    *LEVELLED,
    [
        ("TYPE", None),
        ("SUB_TYPE", None),
        ("FISCAL_YEAR", None),
        ("COA_TIER", 1),
        ("SENDER", None),
        ("PROJECT", None),
    ],
    [("MONTH", None), ("LOCATION_LEVEL", 2)],
]


async def _totals(
    client: Client, system: TestSystem, grouping: Grouping, *, first: int = 100, **over: Any
) -> list[dict[str, Any]]:
    by = [{"dimension": name, "level": level} for name, level in grouping]
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        variables = {"groupBy": by, "first": first, "after": after, **over}
        page = (await client.acting(system.api_key).run(TOTALS, **variables))["fiscalEventTotals"]
        rows += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows


async def _random_events(client: Client, cast: Cast, dice: random.Random) -> list[dict[str, Any]]:
    """Events with one to three lines each and reversals, whole and in part, as the model remembers them."""
    events: list[dict[str, Any]] = []
    for _ in range(40):
        system = dice.choice((cast.provider, cast.both))
        instant, year, month = dice.choice(TIMES)
        lines = [
            postings.line(
                number,
                str(Decimal(dice.randint(1, 10**10)) / 100),
                coaCode=dice.choice(HEADS),
                **dice.choice(PLACES),
            )
            for number in range(1, dice.randint(1, 3) + 1)
        ]
        told = {**dice.choice(KINDS), "eventTime": instant, "lines": lines}
        posted = await postings.post_ok(client, system, postings.content(**{"qualifier": None, **told}))
        event = {**told, "year": year, "month": month, "sender": system.unique_id, "back": False}
        events.append(event)
        if dice.random() < 0.3:
            whole = dice.random() < 0.5
            parts = [] if whole else [{"lineNo": 1, "amount": "0.01"}]
            over = {"lines": parts} if parts else {}
            when, year, month = dice.choice(TIMES)
            answer = await postings.reverse(
                client, system, posted["id"], mode="FULL" if whole else "PARTIAL", eventTime=when, **over
            )
            assert answer["errors"] == []
            taken = (
                [{**line, "amount": "-" + line["amount"]} for line in lines]
                if whole
                else [{**lines[0], "amount": "-0.01"}]
            )
            events.append({**event, "lines": taken, "year": year, "month": month, "back": True})
    return events


def _model(
    events: list[dict[str, Any]], grouping: Grouping
) -> dict[tuple[str, ...], tuple[Decimal, Decimal, Decimal, int, int]]:
    gross, back = (
        defaultdict[tuple[str, ...], Decimal](Decimal),
        defaultdict[tuple[str, ...], Decimal](Decimal),
    )
    counted: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, event in enumerate(events):
        for line in event["lines"]:
            key = tuple(_key(name, level, event, line) for name, level in grouping)
            (back if event["back"] else gross)[key] += Decimal(line["amount"])
            counted[key].append(number)
    return {
        key: (gross[key], back[key], gross[key] + back[key], len(set(numbers)), len(numbers))
        for key, numbers in counted.items()
    }


@pytest.mark.parametrize("seed", [1, 2])
async def test_a24_totals_equal_an_exact_model_under_every_grouping(
    client: Client, cast: Cast, seed: int
) -> None:
    dice = random.Random(seed)
    events = await _random_events(client, cast, dice)
    await postings.send(
        client, cast.provider, [cast.consumer.unique_id], lines=[postings.line(amount="999.99")]
    )
    for grouping in GROUPINGS:
        rows = await _totals(client, cast.consumer, grouping)
        figures = {
            tuple(key["value"] for key in row["keys"]): (
                *(Decimal(row[name]) for name in ("gross", "reversed", "net")),
                int(row["events"]),
                int(row["lines"]),
            )
            for row in rows
        }
        assert figures == _model(events, grouping), grouping
        assert len(figures) == len(rows)
        assert await _totals(client, cast.consumer, grouping, first=7) == rows
        assert all(
            "." in row[name] and len(row[name].split(".")[1]) == 2
            for row in rows
            for name in ("gross", "reversed", "net")
        )
    heads = {"coaPrefix": "4215"}
    expected = sum(
        (Decimal(x["amount"]) for e in events for x in e["lines"] if x["coaCode"] == HEADS[0]), Decimal(0)
    )
    (row,) = await _totals(client, cast.consumer, [], filter=heads)
    assert Decimal(row["net"]) == expected


async def test_a20_0_75_stays_0_75(client: Client, cast: Cast) -> None:
    await postings.post_ok(client, cast.provider, postings.content(lines=[postings.line(amount="0.75")]))
    (row,) = await _totals(client, cast.consumer, [])
    assert (row["gross"], row["reversed"], row["net"]) == ("0.75", "0.00", "0.75")


@pytest.mark.parametrize(
    ("instant", "year", "label"),
    [
        pytest.param("2022-03-31T18:00:00+05:30", "2021", "2021-22", id="A-14 A-17"),
        pytest.param("2022-04-01T02:00:00+05:30", "2022", "2022-23", id="A-15"),
        pytest.param("2000-03-31T12:00:00+05:30", "1999", "1999-00", id="turn of the century"),
    ],
)
async def test_fiscal_years_follow_the_governments_clock(
    client: Client, cast: Cast, instant: str, year: str, label: str
) -> None:
    head = {"lines": [postings.line(periodStart=instant[:10], periodEnd=instant[:10])]}
    answer = await postings.post(client, cast.provider, postings.content(eventTime=instant, **head))
    assert answer["errors"] == []
    (row,) = await _totals(client, cast.consumer, [("FISCAL_YEAR", None)])
    assert [(key["value"], key["label"]) for key in row["keys"]] == [(year, label)]


async def test_a19_one_place_two_projects_are_counted_apart(client: Client, cast: Cast) -> None:
    place = {"administrativeHierarchyCode": NODE_PATH}
    lines = [postings.line(1, "1.00", projectCode="PWS-7378", **place), postings.line(2, "2.00", **place)]
    await postings.post_ok(client, cast.provider, postings.content(lines=lines))
    rows = await _totals(client, cast.consumer, [("ADMINISTRATIVE_LEVEL", 7), ("PROJECT", None)])
    assert [(row["keys"][1]["value"], row["net"]) for row in rows] == [("", "2.00"), ("PWS-7378", "1.00")]


@pytest.mark.parametrize(
    "by",
    [
        pytest.param([{"dimension": "COA_TIER"}], id="tier without level"),
        pytest.param([{"dimension": "COA_TIER", "level": 0}], id="level 0"),
        pytest.param([{"dimension": "TYPE", "level": 1}], id="level where there is none"),
        pytest.param([{"dimension": "TYPE"}] * 7, id="seven dimensions"),
    ],
)
async def test_what_cannot_be_grouped_by_is_refused(
    client: Client, cast: Cast, by: list[dict[str, Any]]
) -> None:
    assert await client.acting(cast.consumer.api_key).codes(TOTALS, groupBy=by) == ["INPUT"]
