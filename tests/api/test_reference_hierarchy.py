"""Hierarchy levels and administrative nodes by GraphQL: the spec's cases H-01 to H-12 and E-01 to E-22."""

from __future__ import annotations

from typing import Any

import pytest

from hub.db import Database
from tests.api.reference_desk import Anonymous, Desk, open_desk, tenant_of
from tests.factories.reference import LEVELS, NODES, make_reference

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A government with a department and no levels."""
    desk = await open_desk(database)
    await desk.save("department", code="DWSS", name="Water Supply and Sanitation")
    await desk.save("department", code="PWD", name="Public Works")
    return desk


@pytest.fixture
async def full(database: Database) -> Desk:
    """The water department with seven levels and the chain down to Majher."""
    desk = await open_desk(database)
    await make_reference(database, tenant_of(desk))
    return desk


async def level(desk: Desk, label: str, parent: str | None = None, **more: Any) -> Any:
    return await desk.save("hierarchyLevel", department="DWSS", label=label, parentCode=parent, **more)


async def node(desk: Desk, code: str, depth: int, parent: str | None = None, **more: Any) -> Any:
    fields = {"name": code, "hierarchyLevel": depth, "parentCode": parent, "children": []} | more
    return await desk.save("administrativeNode", department="DWSS", code=code, **fields)


async def node_codes(desk: Desk, code: str, depth: int | None, parent: str | None = None, **more: Any) -> Any:
    fields = {"name": code, "hierarchyLevel": depth, "parentCode": parent, "children": []} | more
    return await desk.codes("administrativeNode", department="DWSS", code=code, **fields)


async def ancestry(desk: Desk, code: str, **at: Any) -> list[str]:
    found = await desk.find("administrativeNodes", {"codes": [code]}, "ancestors { code }", **at)
    return [above["code"] for above in found[0]["ancestors"]]


# Levels


async def test_h01_h03_the_first_level_is_0_and_the_next_one_1(desk: Desk) -> None:
    root = await level(desk, "Department")
    assert (root["level"], root["parentCode"]) == (0, None)
    zone = await level(desk, "Zone", "Department")
    assert (zone["level"], zone["parentCode"]) == (1, "Department")


async def test_h02_a_second_root_is_refused(desk: Desk) -> None:
    await level(desk, "Department")
    found = await desk.codes("hierarchyLevel", department="DWSS", label="Office")
    assert found == [("HIERARCHY_ROOT_EXISTS", "parentCode")]
    other = await desk.save("hierarchyLevel", department="PWD", label="Department")
    assert (other["level"], other["departmentCode"]) == (0, "PWD")


async def test_h04_the_caller_cannot_state_the_number(desk: Desk) -> None:
    document = 'mutation { saveHierarchyLevel(input: {department: "DWSS", label: "Zone", level: 7}) { errors { code } } }'
    body = await desk.send(document)
    assert [error["extensions"]["code"] for error in body["errors"]] == ["DOCUMENT_INVALID"]


async def test_h05_a_level_has_one_child(desk: Desk) -> None:
    await level(desk, "Department")
    await level(desk, "Zone", "Department")
    found = await desk.codes("hierarchyLevel", department="DWSS", label="Region", parentCode="Department")
    assert found == [("HIERARCHY_LEVEL_TAKEN", "parentCode")]


async def test_h06_h07_the_parent_is_of_the_same_department_and_government(
    desk: Desk, database: Database
) -> None:
    await level(desk, "Department")
    other = await desk.save("hierarchyLevel", department="PWD", label="Head office")
    haryana = await open_desk(database, "hr")
    await haryana.save("department", code="DWSS", name="Haryana water")
    foreign = await level(haryana, "Directorate")
    for parent in (
        "Nowhere",
        "lvl_0199f1c0-0000-7000-8000-000000000001",
        foreign["id"],
        other["id"],
        "Head office",
    ):
        found = await desk.codes("hierarchyLevel", department="DWSS", label="Zone", parentCode=parent)
        assert found == [("INVALID_PARENT_ID", "parentCode")], parent


async def test_h09_blank_government_department_and_label_are_told_together(desk: Desk) -> None:
    found = await desk.codes("hierarchyLevel", tenant="", department="", label="")
    assert found == [("TENANT_ID", "tenant"), ("DEPARTMENT_LABEL", "label"), ("DEPARTMENT_ID", "department")]


async def test_h10_an_unknown_department_is_refused(desk: Desk) -> None:
    found = await desk.codes("hierarchyLevel", department="NONE", label="Zone")
    assert found == [("INVALID_DEPARTMENT_ID", "department")]


async def test_h11_the_root_level_is_found_by_its_number(full: Desk) -> None:
    assert await full.find_codes("hierarchyLevels", {"level": 0}) == ["Department"]
    assert await full.find_codes("hierarchyLevels", {"department": "DWSS", "label": "GP"}) == ["GP"]
    chain = await full.find("hierarchyLevels", {"label": "GP"}, "path level")
    assert chain == [{"path": "/".join(LEVELS), "level": 6}]


async def test_h12_a_search_by_nobody_is_refused(full: Desk) -> None:
    query = "{ hierarchyLevels(filter: {}) { edges { cursor } } }"
    assert await full.acting(Anonymous()).refused(query) == [("UNAUTHENTICATED", "")]


async def test_a_label_is_unique_in_its_department(desk: Desk) -> None:
    await level(desk, "Department")
    found = await desk.codes("hierarchyLevel", department="DWSS", label="Department", parentCode="Department")
    assert found == [("DEPARTMENT_LABEL", "label")]


async def test_e14_e15_ten_ancestors_are_fine_and_eleven_only_where_the_government_allows(desk: Desk) -> None:
    for depth in range(11):
        await level(desk, f"L{depth}", f"L{depth - 1}" if depth else None)
    found = await desk.codes("hierarchyLevel", department="DWSS", label="L11", parentCode="L10")
    assert found == [("HIERARCHY_TOO_DEEP", "parentCode")]
    for depth in range(11):
        await node(desk, f"N{depth}", depth, f"N{depth - 1}" if depth else None)
    assert await ancestry(desk, "N10") == [f"N{depth}" for depth in range(11)]
    assert await node_codes(desk, "N11", 11, "N10") == [("INVALID_HIERARCHY_LEVEL", "hierarchyLevel")]
    policy = "mutation { setReferencePolicy(input: {hierarchyDepthMax: 11}) { errors { code } policy { hierarchyDepthMax } } }"
    assert (await desk.run(policy))["setReferencePolicy"] == {
        "errors": [],
        "policy": {"hierarchyDepthMax": 11},
    }
    await level(desk, "L11", "L10")
    await node(desk, "N11", 11, "N10")
    assert len(await ancestry(desk, "N11")) == 12


# Nodes


async def test_e01_a_new_node_names_its_children(full: Desk) -> None:
    found = await full.codes("administrativeNode", department="DWSS", code="X", name="X", hierarchyLevel=6)
    assert found == [("DEPARTMENT_CHILDREN", "children")]


async def test_e02_e03_children_may_be_none_or_stand_one_level_below(full: Desk) -> None:
    await node(full, "GP1", 6)
    section = await node(full, "S1", 5, children=[{"code": "GP1"}])
    assert (section["level"], section["parentCode"]) == (5, None)
    assert await ancestry(full, "GP1") == ["S1", "GP1"]


async def test_e04_a_child_two_levels_below_is_refused(full: Desk) -> None:
    await node(full, "GP1", 6)
    assert await node_codes(full, "SD1", 4, children=[{"code": "GP1"}]) == [
        ("DEPARTMENT_CHILDREN", "children.0")
    ]


async def test_e05_an_unknown_child_is_refused(full: Desk) -> None:
    await node(full, "GP1", 6)
    children = [{"code": "GP1"}, {"code": "GP2"}]
    assert await node_codes(full, "S1", 5, children=children) == [("DEPARTMENT_CHILDREN", "children.1")]
    twice = [{"code": "GP1"}, {"code": "GP1"}]
    assert ("DEPARTMENT_CHILDREN", "children.1") in await node_codes(full, "S1", 5, children=twice)


async def test_e06_an_undefined_level_is_refused(full: Desk) -> None:
    assert await node_codes(full, "X", 7, "7378") == [("INVALID_HIERARCHY_LEVEL", "hierarchyLevel")]
    assert await node_codes(full, "X", None) == [("DEPARTMENT_HIERARCHY_ID", "hierarchyLevel")]


async def test_e07_a_government_of_one_letter_is_refused(full: Desk) -> None:
    assert await node_codes(full, "X", 6, tenant="p") == [("TENANT_ID", "tenant")]


async def test_e08_code_and_name_are_both_told(full: Desk) -> None:
    found = await node_codes(full, "", 6, name="")
    assert found == [("DEPARTMENT_ENTITY_CODE", "code"), ("DEPARTMENT_ENTITY_NAME", "name")]


async def test_e09_a_code_of_200_characters_is_kept(full: Desk) -> None:
    code = "x" * 200
    await node(full, code, 6, "S557")
    assert await full.find_codes("administrativeNodes", {"codes": [code]}) == [code]
    assert await node_codes(full, "x" * 257, 6, name="Long") == [("DEPARTMENT_ENTITY_CODE", "code")]


async def test_e10_a_second_parent_at_the_same_time_is_refused(full: Desk) -> None:
    assert await node_codes(full, "S1", 5, children=[{"code": "7378"}]) == [("PARENT_EXISTS", "children.0")]


async def test_e11_a_child_taken_away_is_a_root_of_its_own(full: Desk) -> None:
    taken = [{"code": "7378", "active": False}]
    await node(full, "S557", 5, "DIV23SD02", children=taken, expectedVersion=1, validFrom="2026-10-01")
    found = await full.find(
        "administrativeNodes", {"codes": ["S557"]}, "children { edges { node { code } } }"
    )
    assert found == [{"children": {"edges": []}}]
    assert await ancestry(full, "7378") == ["7378"]
    assert await ancestry(full, "7378", asOf="2026-09-30") == [code for code, _ in NODES]


async def test_e12_e13_the_chain_of_majher_is_seven_long_root_first_itself_last(full: Desk) -> None:
    select = "ancestors { code name ... on AdministrativeNode { level } } parent { code }"
    found = (await full.find("administrativeNodes", {"name": "majher"}, select))[0]
    assert [(above["code"], above["name"]) for above in found["ancestors"]] == list(NODES)
    assert [above["level"] for above in found["ancestors"]] == [0, 1, 2, 3, 4, 5, 6]
    assert found["parent"] == {"code": "S557"}


async def test_e16_e17_a_change_names_an_existing_node(full: Desk) -> None:
    found = await full.codes("administrativeNode", department="DWSS", name="New name", expectedVersion=1)
    assert found == [("ID", "id")]
    for unknown in ("adm_0199f1c0-0000-7000-8000-000000000001", "loc_x", "x"):
        found = await full.codes("administrativeNode", id=unknown, name="New name", expectedVersion=1)
        assert found == [("INVALID_DEPARTMENT_ENTITY_ID", "id")]


async def test_e18_a_change_of_children_states_the_level(full: Desk) -> None:
    await node(full, "GP1", 6)
    found = await full.codes(
        "administrativeNode", department="DWSS", code="S557", expectedVersion=1, children=[{"code": "GP1"}]
    )
    assert found == [("DEPARTMENT_HIERARCHY_ID", "hierarchyLevel")]


async def test_e19_a_change_of_the_name_leaves_the_rest(full: Desk) -> None:
    before = (await full.find("administrativeNodes", {"codes": ["S557"]}, "id path level attributes"))[0]
    after = await full.save("administrativeNode", id=before["id"], name="Section Majher", expectedVersion=1)
    assert (after["name"], after["version"]) == ("Section Majher", 2)
    assert {key: after[key] for key in before} == before
    assert await ancestry(full, "7378") == [code for code, _ in NODES]
    history = await full.find(
        "administrativeNodes", {"codes": ["S557"]}, "history { version name recordedAt }"
    )
    assert [(v["version"], v["name"]) for v in history[0]["history"]] == [
        (2, "Section Majher"),
        (1, "Section 557"),
    ]


async def test_e20_a_level_cannot_change_under_children(full: Desk) -> None:
    found = await full.codes(
        "administrativeNode",
        department="DWSS",
        code="S557",
        hierarchyLevel=4,
        parentCode="DIV23",
        expectedVersion=1,
    )
    assert found == [("LEVEL_MISMATCH", "hierarchyLevel")]


@pytest.mark.parametrize(
    "value", ["x' OR '1'='1", "%", "_", "\\", '"; DROP TABLE reference_entry; --', "a\x00b"]
)
async def test_e21_a_search_value_is_only_ever_a_value(full: Desk, value: str) -> None:
    for criterion in ("name", "namePrefix", "text", "parent", "under", "department", "location"):
        assert await full.find_codes("administrativeNodes", {criterion: value}) == [], criterion
    assert await full.find_codes("administrativeNodes", {"codes": [value]}) == []
    assert len(await full.find_codes("administrativeNodes", {})) == 7


async def test_e22_a_move_on_1_july_leaves_june_as_it_was(full: Desk) -> None:
    await node(full, "DIV24", 3, "C05")
    moved = await full.save(
        "administrativeNode",
        department="DWSS",
        code="DIV23SD02",
        parentCode="DIV24",
        validFrom="2026-07-01",
        expectedVersion=1,
    )
    assert moved["path"] == "DWSS/Z02/C05/DIV24/DIV23SD02"
    june = ["DWSS", "Z02", "C05", "DIV23", "DIV23SD02", "S557", "7378"]
    assert await ancestry(full, "7378", asOf="2026-06-30") == june
    assert await ancestry(full, "7378", asOf="2026-07-01") == [*june[:3], "DIV24", *june[4:]]
    under = {"under": "DIV23", "department": "DWSS"}
    assert await full.find_codes("administrativeNodes", under) == []
    assert await full.find_codes("administrativeNodes", under, asOf="2026-06-30") == [
        "7378",
        "DIV23SD02",
        "S557",
    ]


async def test_what_was_known_before_a_correction_stays_readable(full: Desk) -> None:
    select = "recordedAt name"
    first = (await full.find("administrativeNodes", {"codes": ["7378"]}, select))[0]
    await full.save(
        "administrativeNode",
        department="DWSS",
        code="7378",
        name="Mahjer",
        validFrom="1950-01-01",
        expectedVersion=1,
    )
    now = (await full.find("administrativeNodes", {"codes": ["7378"]}, select, asOf="2020-01-01"))[0]
    assert now["name"] == "Mahjer"
    then = await full.find(
        "administrativeNodes", {"codes": ["7378"]}, select, asOf="2020-01-01", asKnownAt=first["recordedAt"]
    )
    assert then == [first]


async def test_one_node_at_level_0_per_department(full: Desk) -> None:
    assert await node_codes(full, "DWSS2", 0) == [("HIERARCHY_ROOT_EXISTS", "hierarchyLevel")]


async def test_descendants_come_by_levels_and_pages(full: Desk) -> None:
    query = """query($id: ID!, $levels: Int!, $after: String) { node(id: $id) { ... on ReferenceEntry {
        descendants(levels: $levels, first: 2, after: $after) {
            edges { node { code depth } } pageInfo { hasNextPage endCursor } } } } }"""
    root = (await full.find("administrativeNodes", {"roots": True, "department": "DWSS"}, "id"))[0]["id"]
    seen, after = [], None
    while True:
        page = (await full.run(query, id=root, levels=5, after=after))["node"]["descendants"]
        seen += [edge["node"]["code"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [code for code, _ in NODES[1:6]]
