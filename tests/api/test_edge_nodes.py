"""``node`` and ``nodes`` on the real schema: what is no id, or nobody's, is null; what is too much is refused."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from hub.resolvers import nodes
from hub.settings import Settings
from tests.api.registry_hub import Hub, running
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio
NODE = "query($id: ID!) {node(id: $id) {__typename id}}"
NODES = "query($ids: [ID!]!) {nodes(ids: $ids) {__typename id}}"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


async def test_a_system_finds_itself_and_nobody_elses_key(hub: Hub) -> None:
    own = await make_system(hub.database, hub.means)
    other = await make_system(hub.database, hub.means)
    caller = hub.client.acting(own.api_key)
    assert (await caller.run(NODE, id=own.public_id))["node"] == {"__typename": "System", "id": own.public_id}
    ids = [own.public_id, "nonsense", own.public_id, f"sys_{uuid.uuid4()}", f"agy_{other.agency_id}"]
    found = (await caller.run(NODES, ids=ids))["nodes"]
    assert [one and one["id"] for one in found] == [own.public_id, None, own.public_id, None, None]


async def test_what_is_absent_is_null_for_every_kind_and_everybody(hub: Hub) -> None:
    caller = hub.client.acting((await make_system(hub.database, hub.means)).api_key)
    value = uuid.uuid4()
    prefixes = [prefix for room in nodes.ROOMS for prefix in room]
    assert {"sys", "agy", "evt", "msg", "loc", "coa"} <= set(prefixes)
    for text in (
        *(f"{prefix}_{value}" for prefix in prefixes),
        "",
        "_",
        "sys_",
        f"sys_{value}".upper(),
        str(value),
    ):
        assert (await caller.run(NODE, id=text))["node"] is None


async def test_100_ids_pass_and_101_are_refused(hub: Hub) -> None:
    caller = hub.client.acting((await make_system(hub.database, hub.means)).api_key)
    assert (await caller.run(NODES, ids=["x"] * 100))["nodes"] == [None] * 100
    assert await caller.codes(NODES, ids=["x"] * 101) == ["PAGE_SIZE"]
