"""Resolving the codes of postings to versions in force on a day."""

from __future__ import annotations

import uuid
from datetime import date

import pytest

from hub.db import Database
from hub.domain import reference
from hub.domain.reference import Registry, SaveEntry
from tests.factories.reference import FACTORY, LOCATION_PATH, NODE_PATH, make_reference

pytestmark = pytest.mark.anyio
TENANT = uuid.UUID("0199f1c0-0000-7000-8000-000000000001")


async def test_every_spelling_of_the_worked_example_resolves(database: Database) -> None:
    await make_reference(database, TENANT)
    wanted = {
        Registry.COA: [
            "4215-01-102-08-00-53",
            "421501102080053",
            "0215011020001",
            "0215-01-102-00-01",
            "9999",
        ],
        Registry.LOCATION: [LOCATION_PATH, "majher", "hr/majher"],
        Registry.ADMIN: ["7378", NODE_PATH.removeprefix("pb/"), "hr/7378"],
        Registry.PROGRAM: ["JJM"],
        Registry.PROJECT: ["PWS-7378", "x' OR '1'='1", "\x00"],
    }
    async with database.read() as read:
        resolved = await reference.resolve(read, TENANT, wanted, date(2026, 5, 12))
    found = {(registry, spelling): entry.code for (registry, spelling), entry in resolved.entries.items()}
    assert found == {
        (Registry.COA, "4215-01-102-08-00-53"): "4215-01-102-08-00-53",
        (Registry.COA, "421501102080053"): "4215-01-102-08-00-53",
        (Registry.COA, "0215011020001"): "0215-01-102-00-00-01",
        (Registry.COA, "0215-01-102-00-01"): "0215-01-102-00-00-01",
        (Registry.LOCATION, LOCATION_PATH): "majher",
        (Registry.LOCATION, "majher"): "majher",
        (Registry.ADMIN, "7378"): "7378",
        (Registry.ADMIN, NODE_PATH.removeprefix("pb/")): "7378",
        (Registry.PROGRAM, "JJM"): "JJM",
        (Registry.PROJECT, "PWS-7378"): "PWS-7378",
    }
    node = resolved.get(Registry.ADMIN, "7378")
    assert node is not None
    assert (node.path, node.depth, node.department_code, node.department_path) == (
        "DWSS/Z02/C05/DIV23/DIV23SD02/S557/7378",
        6,
        "DWSS",
        "DWSS",
    )


async def test_e22_a_node_moved_on_1_july_still_has_its_june_path_in_june(database: Database) -> None:
    await make_reference(database, TENANT)
    async with database.transaction() as tx:
        sibling = SaveEntry(Registry.ADMIN, "DIV24", scope="DWSS", name="Division 24", parent="C05", level=3)
        await reference.save(tx, FACTORY, TENANT, [sibling])
    async with database.transaction() as tx:
        move = SaveEntry(
            Registry.ADMIN,
            "DIV23SD02",
            scope="DWSS",
            expected_version=1,
            parent="DIV24",
            valid_from=date(2026, 7, 1),
        )
        await reference.save(tx, FACTORY, TENANT, [move])
    async with database.read() as read:
        paths = []
        for day in (date(2026, 6, 30), date(2026, 7, 1)):
            node = (await reference.resolve(read, TENANT, {Registry.ADMIN: ["7378"]}, day)).get(
                Registry.ADMIN, "7378"
            )
            assert node is not None
            paths.append((node.path, node.version_no))
    assert paths == [
        ("DWSS/Z02/C05/DIV23/DIV23SD02/S557/7378", 1),
        ("DWSS/Z02/C05/DIV24/DIV23SD02/S557/7378", 1),
    ]
    async with database.read() as read:
        wanted = {Registry.ADMIN: ["7378", "DWSS/Z02/C05/DIV24/DIV23SD02/S557/7378"]}
        spans = await reference.resolve_span(read, TENANT, wanted, date(2026, 6, 1), date(2026, 7, 31))
        for day in (date(2026, 7, 31), date(2026, 6, 1), date(2026, 6, 30), date(2026, 7, 1)):
            alone = await reference.resolve(read, TENANT, wanted, day)
            for spelling in wanted[Registry.ADMIN]:
                assert spans.get(Registry.ADMIN, spelling, day) == alone.get(Registry.ADMIN, spelling)
    (june, july) = (spans.span(Registry.ADMIN, "7378", day) for day in (date(2026, 6, 9), date(2026, 7, 9)))
    assert june.until == july.since == date(2026, 7, 1)
    assert spans.get(Registry.ADMIN, wanted[Registry.ADMIN][1], date(2026, 6, 30)) is None
