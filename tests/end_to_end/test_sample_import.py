"""The real file, whole: imported over HTTP by a provider, counted and added up by a consumer, to the paisa."""

from __future__ import annotations

import asyncio
import csv
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub import sample
from hub.client import Hub
from hub.commands import demo
from hub.db import Database
from hub.embedded import Endpoints
from hub.settings import Settings
from hub.wiring import make_means
from tests.conftest import empty
from tests.end_to_end.served import web_process

FILE = sample.sample_path()
# What the file says, said once more without the code under test: heading, years from the budget year, keys.
STAGES = {
    "actuals_two_years_before_crore": (-2, "DEBIT", ""),
    "budget_estimate_previous_year_crore": (-1, "ESTIMATE", "VOTED"),
    "revised_estimate_previous_year_crore": (-1, "ESTIMATE", "REVISED"),
    "budget_estimate_budget_year_crore": (0, "ESTIMATE", "PROPOSED"),
}
ROWS = 2_415
EVENTS = 9_011
ZERO_ACTUALS = 649
TOTALS = """
query Totals($by: [GroupByInput!]!, $after: String) {
  fiscalEventTotals(groupBy: $by, first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node { keys { value } net gross reversed currency events lines } }
  }
}"""
HEAD: list[dict[str, Any]] = [
    {"dimension": "COA_CODE"},
    {"dimension": "SUB_TYPE"},
    {"dimension": "QUALIFIER"},
    {"dimension": "FISCAL_YEAR"},
]
MAJOR_HEAD: list[dict[str, Any]] = [
    {"dimension": "COA_TIER", "level": 1},
    {"dimension": "SUB_TYPE"},
    {"dimension": "QUALIFIER"},
]

Key = tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """A served hub with the file in it, imported twice."""

    url: str
    demo: demo.Demo
    first: sample.ImportResult
    second: sample.ImportResult


@pytest.fixture(scope="module")
def imported(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """The demonstration's government, the whole file imported, and imported again."""
    asyncio.run(empty(servers.owner_url))
    folder = tmp_path_factory.mktemp("hub")
    with web_process(folder, servers) as url:
        found = asyncio.run(_prepare(folder, servers))
        first = _import(url, found)
        second = _import(url, found)
        yield Imported(url, found, first, second)


async def _prepare(folder: Path, servers: Endpoints) -> demo.Demo:
    db = Database.connect(servers.database_url)
    try:
        made = await demo.create(db, make_means(Settings(data_dir=folder)))
        await demo.import_chart(db, made.government, FILE)
    finally:
        await db.close()
    return made


def _import(url: str, found: demo.Demo) -> sample.ImportResult:
    _, result = demo.import_sample(
        url, found, FILE, begin=lambda _: None, progress=lambda _: None, stop=threading.Event()
    )
    return result


def _from_the_file() -> tuple[dict[Key, Decimal], Counter[Key]]:
    """Sums and counts in rupees by head, sub-type, qualifier and fiscal year, straight from the CSV."""
    sums: dict[Key, Decimal] = defaultdict(Decimal)
    counts: Counter[Key] = Counter()
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS
    for row in rows:
        for heading, (offset, sub_type, qualifier) in STAGES.items():
            rupees = Decimal(row[heading]) * 10_000_000
            if sub_type == "DEBIT" and rupees == 0:
                continue
            key = (row["head_codes"], sub_type, qualifier, str(int(row["budget_year"][:4]) + offset))
            sums[key] += rupees
            counts[key] += 1
    return sums, counts


def _totals(imported: Imported, by: list[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Every page of the totals, as the consumer sees them."""
    found: dict[Key, dict[str, Any]] = {}
    after = None
    with Hub(imported.url, imported.demo.consumer_key) as hub:
        while True:
            page = hub.run(TOTALS, by=by, after=after)["fiscalEventTotals"]
            for edge in page["edges"]:
                key = tuple(each["value"] for each in edge["node"]["keys"])
                assert key not in found
                found[key] = edge["node"]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]


def test_every_published_amount_but_zero_actuals_becomes_one_event(imported: Imported) -> None:
    found, skipped = sample.figures(sample.read_rows(FILE))
    assert (len(found), len(skipped)) == (EVENTS, ZERO_ACTUALS)
    assert imported.first == sample.ImportResult(events=EVENTS, new=EVENTS, is_complete=True)
    assert len(found) + len(skipped) == 4 * ROWS


def test_a_second_import_posts_nothing_new(imported: Imported) -> None:
    assert imported.second == sample.ImportResult(events=EVENTS, new=0, is_complete=True)


def test_totals_by_head_agree_with_the_file_to_the_paisa(imported: Imported) -> None:
    sums, counts = _from_the_file()
    totals = _totals(imported, HEAD)
    assert {key: Decimal(total["net"]) for key, total in totals.items()} == sums
    assert {key: int(total["events"]) for key, total in totals.items()} == counts
    assert {total["currency"] for total in totals.values()} == {"INR"}
    assert all(total["reversed"] == "0.00" or Decimal(total["reversed"]) == 0 for total in totals.values())


def test_totals_by_major_head_agree_with_the_file_to_the_paisa(imported: Imported) -> None:
    expected: dict[Key, Decimal] = defaultdict(Decimal)
    for (head, sub_type, qualifier, _), rupees in _from_the_file()[0].items():
        expected[(head.split("-")[0], sub_type, qualifier)] += rupees
    totals = _totals(imported, MAJOR_HEAD)
    assert {key: Decimal(total["net"]) for key, total in totals.items()} == expected
    assert sum(int(total["lines"]) for total in totals.values()) == EVENTS


def test_a_figure_can_be_followed_from_the_proposal_to_the_debit(imported: Imported) -> None:
    reference = "AS/police/2020-21/2055-0-1-172-0-1/ACT"
    with Hub(imported.url, imported.demo.consumer_key) as hub:
        start = hub.run(demo.EXAMPLE, references=[reference])["fiscalEvents"]["edges"][0]["node"]["id"]
        found = hub.run(demo.LINEAGE, id=start)["lineage"]["nodes"]
    chain = sorted(
        (node["depth"], node["posting"]["subType"], node["posting"]["qualifier"]) for node in found
    )
    assert chain == [
        (-3, "ESTIMATE", "PROPOSED"),
        (-2, "ESTIMATE", "VOTED"),
        (-1, "ESTIMATE", "REVISED"),
        (0, "DEBIT", None),
    ]
