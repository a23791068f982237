"""Departments, programs, projects and locations by GraphQL: cases M-01 to M-22, versions, access, approval."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from hub.db import Database
from hub.domain import reference
from hub.domain.reference import Registry
from tests.api.reference_desk import Anonymous, Desk, open_desk, operator, system, tenant_of
from tests.factories.reference import make_reference

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(database: Database) -> Desk:
    desk = await open_desk(database)
    await make_reference(database, tenant_of(desk))
    return desk


async def refused_search(desk: Desk, field: str, criteria: Any) -> list[tuple[str, str]]:
    shape = field[0].upper() + field[1:-1]
    query = f"query($f: {shape}Filter) {{ {field}(filter: $f) {{ edges {{ cursor }} }} }}"
    return await desk.refused(query, f=criteria)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        pytest.param("department", {"code": "D2"}, [("DEPARTMENT_NAME", "name")], id="M-02"),
        pytest.param("department", {"name": "Works"}, [("DEPARTMENT_CODE", "code")], id="M-03"),
        pytest.param(
            "department",
            {"code": "D2", "name": "Works", "parentCode": "0"},
            [("DEPARTMENT_PARENT", "parentCode")],
            id="M-04",
        ),
        pytest.param(
            "department", {"code": "DWSS", "name": "Again"}, [("CODE_EXISTS", "code")], id="code-exists"
        ),
        pytest.param(
            "program",
            {"code": "J", "name": "J", "type": "Scheme"},
            [("EXPENDITURE_CODE", "code"), ("EXPENDITURE_NAME", "name")],
            id="M-09",
        ),
        pytest.param(
            "program", {"code": "J2", "name": "J2", "type": "x"}, [("EXPENDITURE_TYPE", "type")], id="type"
        ),
        pytest.param(
            "program", {"code": "J2", "name": "J2"}, [("EXPENDITURE_TYPE", "type")], id="type-missing"
        ),
        pytest.param(
            "program",
            {"code": "J2", "name": "J2", "type": "Scheme", "department": "NONE"},
            [("DEPARTMENT_ID", "department.0")],
            id="M-10",
        ),
        pytest.param(
            "project",
            {"code": "P2", "name": "P2", "programs": ["0"]},
            [("EXPENDITURE_ID", "programs.0")],
            id="M-13",
        ),
        pytest.param(
            "project",
            {"code": "P2", "name": "P2", "administrativeNodes": ["7378", "nowhere"]},
            [("DEPARTMENT_ENTITY_ID", "administrativeNodes.1")],
            id="M-14",
        ),
        pytest.param(
            "project",
            {"code": "P2", "name": "P2", "locations": ["0"]},
            [("LOCATION_ID", "locations.0")],
            id="location",
        ),
        pytest.param(
            "project",
            {"name": "x", "expectedVersion": 1},
            [("ID", "id"), ("PROJECT_NAME", "name")],
            id="M-17-without",
        ),
        pytest.param(
            "project", {"id": "prj_x", "name": "xy", "expectedVersion": 1}, [("INVALID_ID", "id")], id="M-17"
        ),
        pytest.param("location", {"code": "a/b", "name": "x"}, [("CODE", "code")], id="slash"),
        pytest.param(
            "location",
            {"code": "a", "name": "x", "parentCode": "b"},
            [("INVALID_PARENT_ID", "parentCode")],
            id="parent",
        ),
        pytest.param(
            "location",
            {"code": "a", "name": "x", "validFrom": "2026-07-01", "validTo": "2026-07-01"},
            [("VALIDITY_ORDER", "validTo")],
            id="order",
        ),
        pytest.param(
            "location",
            {"code": "a", "name": "x", "validFrom": "1850-01-01"},
            [("VALIDITY_DATE", "validFrom")],
            id="year",
        ),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_written(
    desk: Desk, kind: str, fields: Any, expected: Any
) -> None:
    assert await desk.codes(kind, **fields) == expected


@pytest.mark.parametrize("text", ["a\x00b", "\u202e"], ids=["nul", "direction"])
async def test_text_that_cannot_be_stored_is_refused_and_never_a_fault(desk: Desk, text: str) -> None:
    for kind in ("location", "department", "program", "project", "chartOfAccount", "administrativeNode"):
        for field in ("code", "name", "parentCode"):
            fields: dict[str, Any] = {"code": "new", "name": "New", field: text}
            if kind == "program":
                fields["type"] = "Scheme"
            if kind == "administrativeNode":
                fields |= {"department": "DWSS", "hierarchyLevel": 6, "children": []}
            assert await desk.codes(kind, **fields) != [], (kind, field)
    wrong: list[dict[str, Any]] = [{"department": text}, {"department": "DWSS", "children": [{"code": text}]}]
    for one in wrong:
        more = {"code": "new", "name": "New", "hierarchyLevel": 6, "children": []} | one
        assert await desk.codes("administrativeNode", **more) != []
    assert await desk.find_codes("hierarchyLevels", {"level": 2**31 - 1}) == []


async def test_m05_m09_searches_have_lengths(desk: Desk) -> None:
    assert await refused_search(desk, "departments", {"name": "x"}) == [("DEPARTMENT_NAME", "filter.name")]
    assert await refused_search(desk, "programs", {"codes": ["x"]}) == [
        ("EXPENDITURE_CODE", "filter.codes.0")
    ]


@pytest.mark.parametrize("field", ["departments", "programs", "projects", "locations"])
async def test_m06_m11_a_search_without_criteria_is_a_clean_refusal(desk: Desk, field: str) -> None:
    assert await refused_search(desk, field, None) == [("INVALID_SEARCH_CRITERIA", "filter")]


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        pytest.param("Scheme", "SCHEME", id="M-07"),
        pytest.param("Non-Scheme", "NON_SCHEME", id="M-07-non"),
        pytest.param("SCHEME", "SCHEME", id="M-08"),
        pytest.param("NON_SCHEME", "NON_SCHEME", id="M-08-non"),
    ],
)
async def test_a_programs_type_is_read_in_every_spelling(desk: Desk, spelling: str, kind: str) -> None:
    saved = await desk.save("program", code="P2", name="Second", type=spelling, department="DWSS")
    assert (saved["type"], saved["department"]) == (kind, {"code": "DWSS"})
    assert "P2" in await desk.find_codes("programs", {"type": spelling, "department": "DWSS"})


async def test_m12_a_project_name_of_100_characters_is_fine(desk: Desk) -> None:
    assert (await desk.save("project", code="P2", name="x" * 100))["name"] == "x" * 100
    assert await desk.codes("project", code="P3", name="x" * 257) == [("PROJECT_NAME", "name")]


async def test_m15_m16_a_project_is_found_once_with_no_node_or_with_two(desk: Desk) -> None:
    await desk.save("project", code="P0", name="None")
    await desk.save("project", code="P2", name="Two", administrativeNodes=["7378", "S557"])
    assert await desk.find_codes("projects", {}) == ["P0", "P2", "PWS-7378"]
    assert await desk.find_codes("projects", {"department": "DWSS"}) == ["P2", "PWS-7378"]
    assert await desk.find_codes("projects", {"administrativeNode": "S557"}) == ["P2"]


async def test_m18_a_project_is_found_by_its_location_program_and_lifecycle(desk: Desk) -> None:
    await desk.save("project", code="P2", name="Elsewhere", locations=["rupnagar"], lifecycle="CLOSED")
    assert await desk.find_codes("projects", {"location": "majher"}) == ["PWS-7378"]
    assert await desk.find_codes("projects", {"location": "rupnagar"}) == ["P2"]
    assert await desk.find_codes("projects", {"program": "JJM"}) == ["PWS-7378"]
    assert await desk.find_codes("projects", {"lifecycle": "CLOSED"}) == ["P2"]
    select = "code locations { code } programs { code } administrativeNodes { code }"
    assert await desk.find("projects", {"codes": ["PWS-7378"]}, select) == [
        {
            "code": "PWS-7378",
            "locations": [{"code": "majher"}],
            "programs": [{"code": "JJM"}],
            "administrativeNodes": [{"code": "7378"}],
        }
    ]


async def test_m19_overlong_link_criteria_are_refused(desk: Desk) -> None:
    found = await refused_search(desk, "projects", {"location": "x" * 65, "administrativeNode": "x" * 65})
    assert sorted(found) == [
        ("DEPARTMENT_ENTITY_ID", "filter.administrativeNode"),
        ("LOCATION_ID", "filter.location"),
    ]


async def test_m20_a_closed_project_resolves_as_closed_from_its_day_on(desk: Desk) -> None:
    await desk.save("project", code="PWS-7378", lifecycle="CLOSED", validFrom="2026-08-01", expectedVersion=1)
    async with desk.database.read() as read:
        states = []
        for day in (date(2026, 7, 31), date(2026, 8, 1)):
            found = await reference.resolve(read, tenant_of(desk), {Registry.PROJECT: ["PWS-7378"]}, day)
            project = found.get(Registry.PROJECT, "PWS-7378")
            assert project is not None
            states.append(project.attributes["lifecycle"])
    assert states == ["ACTIVE", "CLOSED"]


async def test_m22_nobody_approves_the_own_change(desk: Desk) -> None:
    decide = """mutation($id: ID!, $approve: Boolean!) {
        decideReferenceProposal(input: {id: $id, approve: $approve}) { errors { code } entries { code } } }"""
    await desk.run("mutation { setReferencePolicy(input: {approvalRequired: true}) { errors { code } } }")
    payload = await desk.try_save("chartOfAccount", code="898312347567890")
    assert (payload["errors"], payload["chartOfAccount"]) == ([], None)
    assert await desk.find_codes("chartOfAccounts", {"majorHead": "8983"}) == []
    proposal = payload["proposal"]["id"]
    own = (await desk.run(decide, id=proposal, approve=True))["decideReferenceProposal"]
    assert own == {"errors": [{"code": "SELF_APPROVAL"}], "entries": None}
    checker = desk.acting(operator(tenant_of(desk)))
    done = (await checker.run(decide, id=proposal, approve=True))["decideReferenceProposal"]
    assert done == {"errors": [], "entries": [{"code": "8983-12-347-56-78-90"}]}
    again = (await checker.run(decide, id=proposal, approve=True))["decideReferenceProposal"]
    assert again["errors"] == [{"code": "PROPOSAL_DECIDED"}]
    off = await desk.run(
        "mutation { setReferencePolicy(input: {approvalRequired: false}) { errors { code } } }"
    )
    assert off["setReferencePolicy"]["errors"] == [{"code": "APPROVAL_REQUIRED"}]


# Versions


async def test_a_change_from_an_old_version_is_a_conflict(desk: Desk) -> None:
    await desk.save("location", code="majher", name="Majher GP", expectedVersion=1)
    found = await desk.codes("location", code="majher", name="Other", expectedVersion=1)
    assert found == [("VERSION_CONFLICT", "expectedVersion")]


async def test_of_parallel_changes_from_one_version_one_wins(desk: Desk) -> None:
    names = [f"Majher {number}" for number in range(5)]
    payloads = await asyncio.gather(
        *(desk.try_save("location", code="majher", name=name, expectedVersion=1) for name in names)
    )
    outcomes = sorted(p["errors"][0]["code"] if p["errors"] else "saved" for p in payloads)
    assert outcomes == ["VERSION_CONFLICT"] * 4 + ["saved"]


async def test_a_planned_version_is_not_overwritten(desk: Desk) -> None:
    await desk.save("location", code="majher", name="From 2030", validFrom="2030-01-01", expectedVersion=1)
    found = await desk.codes(
        "location", code="majher", name="X", validFrom="2029-01-01", validTo=None, expectedVersion=2
    )
    assert found == [("VALIDITY_OVERLAP", "validTo")]
    await desk.save("location", code="majher", name="2029 only", validFrom="2029-01-01", expectedVersion=2)
    names = [
        (await desk.find("locations", {"codes": ["majher"]}, "name", asOf=day))[0]["name"]
        for day in ("2028-12-31", "2029-12-31", "2030-01-01")
    ]
    assert names == ["Majher", "2029 only", "From 2030"]


async def test_the_same_idempotency_key_makes_one_entry(desk: Desk) -> None:
    fields = {"code": "new", "name": "New", "idempotencyKey": "k1"}
    payloads = await asyncio.gather(*(desk.try_save("location", **fields) for _ in range(5)))
    assert len({payload["location"]["id"] for payload in payloads}) == 1
    assert payloads[0]["location"]["version"] == 1
    assert await desk.codes("location", **{**fields, "name": "Other"}) == [
        ("IDEMPOTENCY_CONFLICT", "idempotencyKey")
    ]


async def test_retiring_waits_for_the_children(desk: Desk) -> None:
    document = """mutation($id: ID!, $v: Int!) { retireReferenceEntry(input: {id: $id, expectedVersion: $v}) {
        errors { code } entry { code status version } } }"""
    ids = {n["code"]: n["id"] for n in await desk.find("locations", {}, "code id")}
    refused = (await desk.run(document, id=ids["rupnagar"], v=1))["retireReferenceEntry"]
    assert refused == {"errors": [{"code": "HAS_CHILDREN"}], "entry": None}
    done = (await desk.run(document, id=ids["majher"], v=1))["retireReferenceEntry"]
    assert done == {"errors": [], "entry": {"code": "majher", "status": "RETIRED", "version": 2}}
    assert await desk.find_codes("locations", {"status": "ACTIVE"}) == ["anandpur-sahib", "pb", "rupnagar"]
    assert "majher" in await desk.find_codes("locations", {"status": "ACTIVE"}, asOf="2026-01-01")


async def test_a_circle_is_refused(desk: Desk) -> None:
    await desk.save("department", code="D2", name="Second", parentCode="DWSS")
    found = await desk.codes("department", code="DWSS", parentCode="D2", expectedVersion=1)
    assert ("DEPARTMENT_PARENT", "parentCode") in found


async def test_translations_and_texts_are_searched(desk: Desk) -> None:
    await desk.save(
        "location", code="new", name="Nangal", names={"pa": "ਨੰਗਲ"}, type="VILLAGE", parentCode="rupnagar"
    )
    assert await desk.find_codes("locations", {"text": "ਨੰਗ"}) == ["new"]
    assert await desk.find_codes("locations", {"namePrefix": "nan"}) == ["new"]
    assert await desk.find_codes("locations", {"type": "VILLAGE"}) == ["new"]
    assert await desk.find_codes("locations", {"parent": "rupnagar"}) == ["anandpur-sahib", "new"]
    assert await desk.find_codes("locations", {"under": "rupnagar"}) == ["anandpur-sahib", "majher", "new"]


async def test_pages_follow_each_other(desk: Desk) -> None:
    query = """query($after: String) { locations(filter: {}, first: 3, after: $after) {
        edges { node { code } } pageInfo { hasNextPage endCursor } } }"""
    page = (await desk.run(query))["locations"]
    assert [edge["node"]["code"] for edge in page["edges"]] == ["anandpur-sahib", "majher", "pb"]
    rest = (await desk.run(query, after=page["pageInfo"]["endCursor"]))["locations"]
    assert ([edge["node"]["code"] for edge in rest["edges"]], rest["pageInfo"]["hasNextPage"]) == (
        ["rupnagar"],
        False,
    )
    assert await desk.refused(query, after="bm9uc2Vuc2U") == [("CURSOR", "after")]


# Access


async def test_only_operators_write(desk: Desk) -> None:
    tenant = tenant_of(desk)
    for caller in (system(tenant), operator()):
        found = await desk.acting(caller).codes("location", tenant="pb", code="new", name="New")
        assert found in ([("ROLE_NOT_ALLOWED", "input")], [("TENANT_ID", "tenant")])
    body = await desk.acting(Anonymous()).send(
        'mutation { saveLocation(input: {code: "x", name: "x"}) { errors { code } } }'
    )
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_governments_data_is_not_there_for_others(desk: Desk, database: Database) -> None:
    haryana = await open_desk(database, "hr")
    query = "query($t: String) { locations(filter: {}, at: {tenant: $t}) { edges { node { code } } } }"
    node = "query($id: ID!) { node(id: $id) { id } }"
    entry_id = (await desk.find("locations", {"codes": ["majher"]}, "id"))[0]["id"]
    assert (await desk.run(node, id=entry_id))["node"] == {"id": entry_id}
    for caller in (haryana.caller, system(tenant_of(haryana))):
        other = desk.acting(caller)
        assert await other.refused(query, t="pb") == [("TENANT_ID", "tenant")]
        assert await other.find_codes("locations", {}) == []
        assert (await other.run(node, id=entry_id))["node"] is None
    reader = desk.acting(system(tenant_of(desk)))
    assert "majher" in await reader.find_codes("locations", {})
    assert (await desk.acting(Anonymous()).run(node, id=entry_id))["node"] is None
