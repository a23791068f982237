"""The small standard set of reference data: the spec's government ``pb`` with its water department."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hub.db import Database
from hub.domain import reference
from hub.domain.reference import KEEP, Registry, SaveEntry
from hub.domain.registry.callers import HubCaller

FACTORY = HubCaller("factory")
HEADS = (
    (
        "0215-01-102-00-00-01",
        ("Water supply", "Rural", "Water charges", "No sub-head", "No group", "Household taps"),
    ),
    (
        "4215-01-102-08-00-53",
        ("Capital, water", "Urban", "Rural supply", "Tap connections", "No group", "Major works"),
    ),
    (
        "2215-01-102-08-00-13",
        ("Water supply", "Water", "Rural supply", "Upkeep", "No group", "Office expenses"),
    ),
)
LEVELS = ("Department", "Zone", "Circle", "Division", "Sub-Division", "Section", "GP")
NODES = (
    ("DWSS", "Water Supply and Sanitation"),
    ("Z02", "Zone North"),
    ("C05", "Circle Ropar"),
    ("DIV23", "Division Sri Anandpur Sahib"),
    ("DIV23SD02", "Sub-Division 2"),
    ("S557", "Section 557"),
    ("7378", "Majher"),
)
NODE_PATH = "pb/" + "/".join(code for code, _ in NODES)
LOCATIONS = (
    ("pb", "STATE"),
    ("rupnagar", "DISTRICT"),
    ("anandpur-sahib", "BLOCK"),
    ("majher", "GRAM_PANCHAYAT"),
)
LOCATION_PATH = "/".join(code for code, _ in LOCATIONS)


async def make_reference(database: Database, tenant_id: uuid.UUID) -> None:
    """Everything the worked example of the spec refers to, by the hub's own verbs."""
    for commands in standard_set():
        async with database.transaction() as tx:
            await reference.save(tx, FACTORY, tenant_id, commands)


def standard_set() -> list[Sequence[SaveEntry]]:
    """The standard set in the order in which it can be saved."""
    return [
        [SaveEntry(Registry.DEPARTMENT, "DWSS", name="Water Supply and Sanitation")],
        chain(Registry.LEVEL, [(label, label) for label in LEVELS], scope="DWSS"),
        chain(Registry.ADMIN, NODES, scope="DWSS", is_levelled=True),
        chain(Registry.LOCATION, LOCATIONS, is_typed=True),
        [
            SaveEntry(Registry.COA, code, name=names[-1], ancestor_names=names[:-1], create_ancestors=True)
            for code, names in HEADS
        ],
        [
            SaveEntry(
                Registry.PROGRAM,
                "JJM",
                name="Jal Jeevan Mission",
                attributes={"kind": "SCHEME"},
                links={Registry.DEPARTMENT: ("DWSS",)},
            )
        ],
        [
            SaveEntry(
                Registry.PROJECT,
                "PWS-7378",
                name="Piped water supply, GP Majher",
                attributes={"lifecycle": "ACTIVE"},
                links={
                    Registry.PROGRAM: ("JJM",),
                    Registry.ADMIN: ("7378",),
                    Registry.LOCATION: ("majher",),
                },
            )
        ],
    ]


def chain(
    registry: Registry,
    members: Sequence[tuple[str, str]],
    *,
    scope: str = "",
    is_levelled: bool = False,
    is_typed: bool = False,
) -> list[SaveEntry]:
    """Entries each below the one before, root first."""
    return [
        SaveEntry(
            registry,
            code,
            scope=scope,
            name=code.replace("-", " ").title() if is_typed else text,
            parent=members[depth - 1][0] if depth else None,
            level=depth if is_levelled else KEEP,
            attributes={"type": text} if is_typed else {},
        )
        for depth, (code, text) in enumerate(members)
    ]
