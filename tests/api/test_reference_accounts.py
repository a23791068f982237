"""The chart of accounts by GraphQL: the spec's cases C-01 to C-26."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.db import Database
from tests.api.reference_desk import Anonymous, Desk, open_desk, operator, tenant_of

pytestmark = pytest.mark.anyio

HEADS = {
    "majorHead": "8983",
    "subMajorHead": "12",
    "minorHead": "347",
    "subHead": "56",
    "groupHead": "78",
    "objectHead": "90",
}
EXPENDITURE = {**HEADS, "majorHead": "4215", "subMajorHead": "01", "minorHead": "102", "subHead": "08"} | {
    "groupHead": "00",
    "objectHead": "53",
}
RECEIPT = {"majorHead": "0215", "subMajorHead": "01", "minorHead": "102", "subHead": "00", "objectHead": "01"}


def without(heads: dict[str, str], *names: str) -> dict[str, str]:
    return {name: head for name, head in heads.items() if name not in names}


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await open_desk(database)


async def test_c01_six_heads_make_the_code_and_a_row_per_tier(desk: Desk) -> None:
    saved = await desk.save("chartOfAccount", **HEADS, majorHeadName="Fund", objectHeadName="Deposits")
    assert (saved["code"], saved["name"], saved["depth"]) == ("8983-12-347-56-78-90", "Deposits", 5)
    assert saved["path"] == ("8983/8983-12/8983-12-347/8983-12-347-56/8983-12-347-56-78/8983-12-347-56-78-90")
    tiers = await desk.find("chartOfAccounts", {"majorHead": "8983"}, "code name")
    assert [tier["code"] for tier in tiers] == saved["path"].split("/")
    assert (tiers[0]["name"], tiers[1]["name"]) == ("Fund", "8983-12")


async def test_c03_a_request_without_its_object_is_refused_by_the_schema(desk: Desk) -> None:
    body = await desk.send("mutation { saveChartOfAccount { errors { code } } }")
    assert [error["extensions"]["code"] for error in body["errors"]] == ["DOCUMENT_INVALID"]


@pytest.mark.parametrize("tenant", ["", "p", "p" * 65, "zz"], ids=["empty", "short", "long", "unknown"])
async def test_c05_a_government_that_is_missing_malformed_or_unknown_is_refused(
    desk: Desk, tenant: str
) -> None:
    assert await desk.codes("chartOfAccount", tenant=tenant, **HEADS) == [("TENANT_ID", "tenant")]


async def test_c05_nobody_can_tell_which_government_is_meant_when_there_are_several(
    database: Database,
) -> None:
    one, other = await open_desk(database), await open_desk(database, "hr")
    both = one.acting(operator(tenant_of(one), tenant_of(other)))
    assert await both.codes("chartOfAccount", **HEADS) == [("TENANT_ID", "tenant")]
    assert (await both.save("chartOfAccount", tenant="hr", **HEADS))["code"] == "8983-12-347-56-78-90"


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        pytest.param(without(EXPENDITURE, "groupHead"), [("GROUP_HEAD", "groupHead")], id="C-06"),
        pytest.param(HEADS | {"majorHead": "major"}, [("MAJOR_HEAD_CODE_LENGTH", "majorHead")], id="C-08"),
        pytest.param(HEADS | {"minorHead": "Mn"}, [("MINOR_HEAD_CODE_LENGTH", "minorHead")], id="C-09"),
        pytest.param(without(HEADS, "subMajorHead"), [("SUB_MAJOR_HEAD", "subMajorHead")], id="C-10"),
        pytest.param(HEADS | {"objectHead": "901"}, [("OBJECT_HEAD_CODE_LENGTH", "objectHead")], id="C-11"),
        pytest.param(HEADS | {"majorHead": "AB12"}, [("COA_DIGITS", "majorHead")], id="C-12"),
        pytest.param(HEADS | {"majorHead": "٨٩٨٣"}, [("COA_DIGITS", "majorHead")], id="C-12-other-digits"),
        pytest.param(HEADS | {"majorHeadName": "x"}, [("MAJOR_HEAD_NAME", "majorHeadName")], id="C-13-short"),
        pytest.param(
            HEADS | {"minorHeadName": "x" * 65}, [("MINOR_HEAD_NAME", "minorHeadName")], id="C-13-long"
        ),
        pytest.param(HEADS | {"objectHeadName": "x"}, [("OBJECT_HEAD_NAME", "name")], id="C-13-object"),
        pytest.param(HEADS | {"majorHeadType": "x" * 33}, [("MAJOR_HEAD_TYPE", "majorHeadType")], id="C-14"),
        pytest.param(
            {"majorHead": "1", "minorHead": "x", "majorHeadType": "x"},
            [
                ("MAJOR_HEAD_CODE_LENGTH", "majorHead"),
                ("SUB_MAJOR_HEAD", "subMajorHead"),
                ("MINOR_HEAD_CODE_LENGTH", "minorHead"),
                ("SUB_HEAD", "subHead"),
                ("GROUP_HEAD", "groupHead"),
                ("OBJECT_HEAD", "objectHead"),
                ("MAJOR_HEAD_TYPE", "majorHeadType"),
            ],
            id="everything-at-once",
        ),
        pytest.param(
            HEADS | {"createMissingAncestors": False},
            [("COA_PARENT_MISSING", "parentCode")],
            id="parent-missing",
        ),
        pytest.param(
            {"code": "2056-0-1-172-0-1"}, [("SUB_MAJOR_HEAD_CODE_LENGTH", "code")] * 1, id="open-code"
        ),
    ],
)
async def test_malformed_heads_are_refused(desk: Desk, heads: dict[str, Any], expected: list[Any]) -> None:
    found = await desk.codes("chartOfAccount", **heads)
    assert found[: len(expected)] == expected if "code" in heads else found == expected


async def test_c07_a_receipt_without_group_head_is_stored_with_00(desk: Desk) -> None:
    saved = await desk.save("chartOfAccount", **RECEIPT)
    assert (saved["code"], saved["groupHead"], saved["side"]) == ("0215-01-102-00-00-01", "00", "RECEIPT")


async def test_c15_the_major_heads_type_is_found_again(desk: Desk) -> None:
    await desk.save("chartOfAccount", **HEADS, majorHeadType="Revenue")
    found = await desk.find("chartOfAccounts", {"codes": ["898312347567890"]}, "code majorHeadType")
    assert found == [{"code": "8983-12-347-56-78-90", "majorHeadType": "Revenue"}]


async def test_c16_the_same_code_twice_is_refused(desk: Desk) -> None:
    await desk.save("chartOfAccount", **HEADS)
    assert await desk.codes("chartOfAccount", **HEADS) == [("DUPLICATE_COA_CODE", "code")]
    assert await desk.codes("chartOfAccount", code="898312347567890") == [("DUPLICATE_COA_CODE", "code")]


async def test_c17_two_governments_may_hold_the_same_head(database: Database) -> None:
    for code in ("pb", "hr"):
        desk = await open_desk(database, code)
        await desk.save("chartOfAccount", **HEADS)
        assert await desk.find_codes("chartOfAccounts", {"objectHead": "90"}) == ["8983-12-347-56-78-90"]


async def test_c18_of_parallel_creates_one_wins(desk: Desk) -> None:
    payloads = await asyncio.gather(*(desk.try_save("chartOfAccount", **HEADS) for _ in range(6)))
    outcomes = sorted(p["errors"][0]["code"] if p["errors"] else "saved" for p in payloads)
    assert outcomes == ["DUPLICATE_COA_CODE"] * 5 + ["saved"]
    assert len(await desk.find_codes("chartOfAccounts", {})) == 6


async def test_c19_a_search_names_a_government_of_2_to_64_characters(desk: Desk) -> None:
    query = "query($t: String) { chartOfAccounts(filter: {}, at: {tenant: $t}) { edges { cursor } } }"
    assert await desk.refused(query, t="p") == [("TENANT_ID_LENGTH", "tenant")]
    assert await desk.refused(query, t="zz") == [("TENANT_ID", "tenant")]
    assert await desk.acting(Anonymous()).refused(query, t="pb") == [("UNAUTHENTICATED", "")]


async def test_c20_a_search_without_criteria_is_refused(desk: Desk) -> None:
    query = "{ chartOfAccounts { edges { cursor } } }"
    assert await desk.refused(query) == [("INVALID_SEARCH_CRITERIA", "filter")]


async def test_c21_criteria_are_joined_with_and(desk: Desk) -> None:
    one = await desk.save("chartOfAccount", **HEADS)
    other = await desk.save("chartOfAccount", **EXPENDITURE)
    third = await desk.save("chartOfAccount", **HEADS | {"objectHead": "91"})
    ids = [one["id"], other["id"]]
    assert await desk.find_codes("chartOfAccounts", {"subHead": "56", "ids": ids}) == [one["code"]]
    assert await desk.find_codes("chartOfAccounts", {"minorHead": "102", "objectHead": "53"}) == [
        other["code"]
    ]
    assert await desk.find_codes("chartOfAccounts", {"objectHead": "91"}) == [third["code"]]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        pytest.param({"codes": ["4" * 70]}, [("COA_CODE_LENGTH", "filter.codes.0")], id="C-22"),
        pytest.param({"groupHead": "0" * 10}, [("GROUP_HEAD_CODE_LENGTH", "filter.groupHead")], id="C-23"),
        pytest.param({"codes": ["4215"] * 51}, [("CRITERIA_LIMIT", "filter.codes")], id="codes"),
        pytest.param({"ids": ["coa_x"] * 51}, [("CRITERIA_LIMIT", "filter.ids")], id="ids"),
    ],
)
async def test_malformed_criteria_are_refused(desk: Desk, criteria: Any, expected: list[Any]) -> None:
    query = "query($f: ChartOfAccountFilter) { chartOfAccounts(filter: $f) { edges { cursor } } }"
    assert await desk.refused(query, f=criteria) == expected


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        pytest.param("421501102080053", "4215-01-102-08-00-53", id="C-24"),
        pytest.param("4215-01-102-08-00-53", "4215-01-102-08-00-53", id="C-24-as-stored"),
        pytest.param("0215011020001", "0215-01-102-00-00-01", id="C-25"),
        pytest.param("0215-01-102-00-01", "0215-01-102-00-00-01", id="C-25-with-hyphens"),
        pytest.param("4215-01", "4215-01", id="a-tier"),
        pytest.param("9999", None, id="C-26-unknown"),
    ],
)
async def test_a_head_is_looked_up_by_any_spelling(desk: Desk, spelling: str, code: str | None) -> None:
    await desk.save("chartOfAccount", **EXPENDITURE)
    await desk.save("chartOfAccount", **RECEIPT)
    found = await desk.run("query($c: String!) { lookupChartOfAccount(code: $c) { code } }", c=spelling)
    assert found["lookupChartOfAccount"] == ({"code": code} if code else None)


async def test_c26_nothing_found_is_an_empty_list(desk: Desk) -> None:
    assert await desk.find_codes("chartOfAccounts", {"majorHead": "1234"}) == []


async def test_heads_as_published_are_stored_as_they_are(desk: Desk) -> None:
    for code in ("2056-0-1-172-0-1", "2070-EAP.2", "2055-a-b-c-d-e-f-g-h-i-j-k"):
        saved = await desk.save("chartOfAccount", code=code, profile="OPEN", name="N" * 106)
        assert (saved["code"], saved["profile"], saved["depth"]) == (code, "OPEN", code.count("-"))
    assert await desk.codes("chartOfAccount", code="2056--1", profile="OPEN") == [("CODE", "code")]
    criteria = {"profile": "OPEN", "subMajorHead": "0", "subHead": "172"}
    assert "2056-0-1-172-0-1" in await desk.find_codes("chartOfAccounts", criteria)
