"""CSV imports by GraphQL: every bad row told, all or nothing, nothing new the second time."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest

from hub import sample
from hub.db import Database
from tests.api.reference_desk import Desk, open_desk

pytestmark = pytest.mark.anyio
SAMPLE = Path(sample.__file__).parent / "assam-budget-heads.csv"
IMPORT = """mutation($input: ImportReferenceDataInput!) { importReferenceData(input: $input) {
    errors { code path message } rows created changed unchanged written badRows { row column code } } }"""


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await open_desk(database)


async def load(desk: Desk, registry: str, text: str, **more: Any) -> Any:
    found = (await desk.run(IMPORT, input={"registry": registry, "csv": text, **more}))["importReferenceData"]
    assert found["errors"] == []
    return found


def bad(report: Any) -> list[tuple[int, str | None, str]]:
    return [(one["row"], one["column"], one["code"]) for one in report["badRows"]]


def figures(report: Any) -> tuple[int, int, int, bool]:
    return report["created"], report["changed"], report["unchanged"], report["written"]


PLACES = """code,name,parentCode,type,name:pa
majher,Majher,anandpur-sahib,GRAM_PANCHAYAT,ਮਝੇਰ
anandpur-sahib,Anandpur Sahib,rupnagar,BLOCK,
pb,Punjab,,STATE,
rupnagar,Rupnagar,pb,DISTRICT,
"""


async def test_rows_come_in_any_order_and_a_second_import_changes_nothing(desk: Desk) -> None:
    assert figures(await load(desk, "LOCATION", PLACES)) == (4, 0, 0, True)
    found = await desk.find("locations", {"codes": ["majher"]}, "path names")
    assert found == [{"path": "pb/rupnagar/anandpur-sahib/majher", "names": {"pa": "ਮਝੇਰ"}}]
    before = await desk.counts()
    assert figures(await load(desk, "LOCATION", PLACES)) == (0, 0, 4, True)
    assert await desk.counts() == before
    assert figures(await load(desk, "LOCATION", PLACES.replace("Punjab", "Panjab"))) == (0, 1, 3, True)


async def test_a_dry_run_tells_and_writes_nothing(desk: Desk) -> None:
    before = await desk.counts()
    assert figures(await load(desk, "LOCATION", PLACES, dryRun=True)) == (4, 0, 0, False)
    assert await desk.counts() == before


BAD_PLACES = """code,name,parentCode,type,validFrom
pb,Punjab,,STATE,
a/b,Slash,pb,DISTRICT,
nameless,,pb,DISTRICT,
orphan,Orphan,nowhere,DISTRICT,
grandchild,Grandchild,orphan,BLOCK,
dated,Dated,pb,DISTRICT,tomorrow
good,Good,pb,DISTRICT,2020-04-01
good2,Good,pb
pb,Other,,STATE,

good,Good,pb,DISTRICT,2020-04-01
"""
BAD_ALONE = [
    (3, "code", "CODE"),
    (4, "name", "NAME"),
    (5, "parentCode", "INVALID_PARENT_ID"),
    (7, "validFrom", "INPUT"),
    (9, None, "CSV_UNREADABLE"),
    (10, "code", "CODE_EXISTS"),
]


async def test_every_bad_row_is_told_and_nothing_written(desk: Desk) -> None:
    before = await desk.counts()
    report = await load(desk, "LOCATION", BAD_PLACES)
    assert [one for one in bad(report) if one[0] != 6] == BAD_ALONE
    assert figures(report) == (0, 0, 0, False)
    assert await desk.counts() == before


async def test_bad_rows_and_what_hangs_on_them_can_be_skipped(desk: Desk) -> None:
    report = await load(desk, "LOCATION", BAD_PLACES, skipBadRows=True)
    assert bad(report) == sorted([*BAD_ALONE, (6, "parentCode", "INVALID_PARENT_ID")])
    assert figures(report) == (2, 0, 1, True)
    assert await desk.find_codes("locations", {}) == ["good", "pb"]


@pytest.mark.parametrize(
    "text",
    ["", "code\n", "code,name,colour\n", "code,name,code\n", 'code,name\n"open', "code,name\na,\x00b"],
    ids=["empty", "name-missing", "unknown", "repeated", "unclosed", "nul"],
)
async def test_what_is_not_the_registrys_csv_is_refused(desk: Desk, text: str) -> None:
    found = (await desk.run(IMPORT, input={"registry": "LOCATION", "csv": text}))["importReferenceData"]
    if found["errors"]:
        assert [(e["code"], e["path"]) for e in found["errors"]] == [("CSV_UNREADABLE", ["input", "csv"])]
    else:
        assert bad(found) == [(2, "name", "NAME")]
    assert await desk.find_codes("locations", {}) == []


async def test_the_same_key_gives_the_same_report(desk: Desk) -> None:
    reports = await asyncio.gather(
        *(load(desk, "LOCATION", PLACES, idempotencyKey="places") for _ in range(3))
    )
    assert [figures(report) for report in reports] == [(4, 0, 0, True)] * 3
    other = (
        await desk.run(
            IMPORT, input={"registry": "LOCATION", "csv": PLACES + "\n", "idempotencyKey": "places"}
        )
    )["importReferenceData"]
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_CONFLICT"]


async def test_a_departments_tree_is_imported_whole(desk: Desk) -> None:
    await load(desk, "DEPARTMENT", "code,name,is_nodal\nDWSS,Water Supply,true\n")
    levels = "department,label,parentCode\nDWSS,Zone,Department\nDWSS,Department,\n"
    assert figures(await load(desk, "LEVEL", levels)) == (2, 0, 0, True)
    nodes = "department,code,name,level,parentCode\nDWSS,Z1,Zone 1,1,DWSS\nDWSS,DWSS,Water,0,\nDWSS,Z2,Zone 2,0,DWSS\n"
    report = await load(desk, "ADMIN", nodes)
    assert {(row, code) for row, _, code in bad(report)} >= {(4, "LEVEL_MISMATCH")}
    assert figures(await load(desk, "ADMIN", nodes.replace("Zone 2,0", "Zone 2,1"))) == (3, 0, 0, True)
    assert await desk.find("departments", {"isNodal": True}, "code isNodal") == [
        {"code": "DWSS", "isNodal": True}
    ]


async def test_programs_and_projects_are_imported_with_their_links(desk: Desk) -> None:
    await load(desk, "LOCATION", PLACES)
    await load(desk, "PROGRAM", "code,name,type\nJJM,Jal Jeevan Mission,Scheme\n")
    projects = (
        "code,name,lifecycle,programs,locations\nP1,First,ACTIVE,JJM,majher; rupnagar\nP2,Second,DONE,X,\n"
    )
    report = await load(desk, "PROJECT", projects, skipBadRows=True)
    assert bad(report) == [(3, "lifecycle", "INPUT")]
    select = "code lifecycle locations { code }"
    assert await desk.find("projects", {"program": "JJM"}, select) == [
        {"code": "P1", "lifecycle": "ACTIVE", "locations": [{"code": "majher"}, {"code": "rupnagar"}]}
    ]


async def test_the_real_file_gives_its_heads_with_all_their_ancestors(desk: Desk) -> None:
    titles: dict[str, str] = {}
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            titles[row["head_codes"]] = row["head_title"].rsplit(" -> ", 1)[-1]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["code", "name"])
    writer.writerows(titles.items())
    expected = {"-".join(code.split("-")[:n]) for code in titles for n in range(1, len(code.split("-")) + 1)}
    started = time.monotonic()
    report = await load(desk, "COA", out.getvalue(), profile="OPEN")
    assert time.monotonic() - started < 3
    assert figures(report) == (len(expected), 0, 0, True)
    ancestors = ["2056", "2056-0", "2056-0-1", "2056-0-1-172", "2056-0-1-172-0", "2056-0-1-172-0-1"]
    found = await desk.run(
        '{ lookupChartOfAccount(code: "2056-0-1-172-0-1") { name path ancestors { code } } }'
    )
    assert found["lookupChartOfAccount"] == {
        "name": "Salaries",
        "path": "/".join(ancestors),
        "ancestors": [{"code": code} for code in ancestors],
    }
    before = await desk.counts()
    assert figures(await load(desk, "COA", out.getvalue(), profile="OPEN")) == (0, 0, len(titles), True)
    assert await desk.counts() == before


@pytest.mark.long
async def test_fifty_thousand_rows_are_imported_in_one_go(desk: Desk) -> None:
    lines = ["code,name,parentCode", *(f"n{n},Place {n},{f'n{n // 10}' if n else ''}" for n in range(50_000))]
    started = time.monotonic()
    assert figures(await load(desk, "LOCATION", "\n".join(lines))) == (50_000, 0, 0, True)
    assert time.monotonic() - started < 60
    assert figures(await load(desk, "LOCATION", "\n".join(lines))) == (0, 0, 50_000, True)
    refused = await desk.run(IMPORT, input={"registry": "LOCATION", "csv": "\n".join([*lines, "x,X,"])})
    assert [error["code"] for error in refused["importReferenceData"]["errors"]] == ["ROW_LIMIT"]
