"""Values nobody's client sends: NUL, half characters, cursors made by hand. None of them is a fault of the hub's."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.db import Database
from hub.means import Means
from hub.settings import Settings
from tests.api.registry_hub import Hub, running
from tests.client import Client
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

NUL = "a\x00b"
UUID = "0199f1c0-0000-7000-8000-000000000001"
IDS = "edges { node { __typename } }"
# Every list of the API with what it needs beside `after`, and the names its cursors may bear.
LISTS = {
    "tenants": ("", "tenants"),
    "agencies": ("", "agencies"),
    "people": ("", "people"),
    "operators": ('government: "pb", ', "operators"),
    "systems": ("", "systems"),
    "directory": ("", "directory"),
    "apiKeys": ("systemId: $system, ", "apiKeys"),
    "signingKeys": ("system: $name, ", "signingKeys"),
    "fiscalEvents": ("", "events:NEWEST_FIRST"),
    "inbox": ("", "inbox"),
    "sentMessages": ("", "sent"),
    "fiscalEventTotals": ("groupBy: [{dimension: TYPE}], ", "totals:TYPE"),
    "locations": ("filter: {}, ", "LOCATION"),
    "programs": ("filter: {}, ", "PROGRAM"),
}


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def hostile(name: str) -> list[str]:
    keys: list[tuple[Any, ...]] = [
        ("x",),
        (NUL,),
        ("\ud800",),
        (10**30,),
        (None,),
        (1.5,),
        ([],),
        (),
        (UUID, UUID),
        ("x", "\ud800"),
        (NUL, UUID),
        ("\ud800", UUID),
        (UUID.replace("-", ""), UUID, UUID),
    ]
    deep = base64.urlsafe_b64encode(b"[" * 10_000).decode()
    return [
        "",
        "é",
        "=",
        "\x00",
        deep,
        cursor(),
        cursor("other", UUID),
        *(cursor(name, *key) for key in keys),
    ]


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings.model_copy(update={"anonymous_requests_per_minute": 100_000})) as hub:
        yield hub


@pytest.fixture
async def system(hub: Hub, database: Database, means: Means) -> TestSystem:
    made = await make_system(database, means)
    await make_reference(database, made.tenant_id)
    return made


@pytest.fixture
async def callers(hub: Hub, system: TestSystem) -> list[Client]:
    owner, _ = await hub.owner()
    operator = await hub.add_operator("op@punjab.gov.in")
    return [hub.client.acting(system.api_key), owner, operator, hub.browser()]


def assert_no_fault(answer: str) -> None:
    assert "INTERNAL" not in answer, answer
    assert "asyncpg" not in answer
    assert "traceId" not in answer


async def test_a_cursor_made_by_hand_is_refused_or_harmless(
    callers: list[Client], system: TestSystem
) -> None:
    variables = {"system": system.public_id, "name": system.unique_id}
    for name, (needs, cursor_name) in LISTS.items():
        given = (("system", "ID!"), ("name", "String!"))
        used = "".join(f", ${key}: {kind}" for key, kind in given if f"${key}" in needs)
        document = f"query ($after: String{used}) {{ {name}({needs}after: $after) {{ {IDS} }} }}"
        refused = 0
        for caller in callers:
            for after in hostile(cursor_name):
                answer = await caller.send(document, after=after, **variables)
                assert_no_fault(answer.text)
                refused += '"CURSOR"' in answer.text
        assert refused >= len(hostile(cursor_name)) // 2


DOCUMENTS = (
    "query ($x: String!) { tenant(code: $x) { name } }",
    f"query ($x: String!) {{ operators(government: $x) {{ {IDS} }} }}",
    f"query ($x: String!) {{ signingKeys(system: $x) {{ {IDS} }} }}",
    f"query ($x: String!) {{ locations(filter: {{type: $x}}) {{ {IDS} }} }}",
    f"query ($x: String!) {{ hierarchyLevels(filter: {{department: $x}}) {{ {IDS} }} }}",
    f"query ($x: String!) {{ administrativeNodes(filter: {{department: $x}}) {{ {IDS} }} }}",
    f"query ($x: String!) {{ programs(filter: {{type: $x, sponsorship: $x}}) {{ {IDS} }} }}",
    f"query ($x: String!) {{ fiscalEvents(filter: {{attribute: {{key: $x, value: $x}}}}) {{ {IDS} }} }}",
    "query ($x: ID!) { node(id: $x) { id } }",
    "mutation ($x: String!) { addOperator(input: {government: $x, email: $x}) { errors { code } } }",
    "mutation ($x: String!) { updateTenant(input: {code: $x, version: 1}) { errors { code } } }",
    'mutation ($x: String!) { createTenant(input: {code: "a", slug: "b", name: "c", parent: $x}) { errors { code } } }',
    "mutation ($x: String!) { requestSignInCode(input: {email: $x}) { errors { code } } }",
    "mutation ($x: String!) { signIn(input: {email: $x, code: $x}) { errors { code } } }",
    """mutation ($x: String!) {
          registerAgency(input: {government: $x, name: $x, contact: {name: $x, phone: $x, email: $x}}) { errors { code } }
    }""",
)


@pytest.mark.parametrize("value", [NUL, "\u202e\ufffe'--%", "x" * 100_000], ids=["nul", "odd", "long"])
async def test_a_text_the_database_cannot_hold_is_the_callers_fault(
    callers: list[Client], value: str
) -> None:
    for document in DOCUMENTS:
        for caller in callers:
            assert_no_fault((await caller.send(document, x=value)).text)
