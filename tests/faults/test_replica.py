"""Reads from a standby: a system sees what it posted, a standby that lags or dies is not noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hub import migrate
from hub.db import Database
from hub.embedded import EmbeddedServers, Endpoints
from hub.replica import WAITING_MAX, Replica
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system
from tests.faults.standby import Standby
from tests.servers import make_data_dir

pytestmark = pytest.mark.anyio

BY_ID = "query($id: ID!) { node(id: $id) { ... on FiscalEvent { id referenceId } } }"
SEARCH = "{ fiscalEvents(first: 100) { edges { node { referenceId } } } }"


@dataclass
class Place:
    """A hub on a primary and a standby."""

    settings: Settings
    endpoints: Endpoints
    standby: Standby
    provider: TestSystem
    consumer: TestSystem


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    folder = make_data_dir()
    async with EmbeddedServers(folder, durable=False).running() as endpoints:
        await asyncio.to_thread(migrate.upgrade, endpoints.owner_url, endpoints.database_url)
        settings = Settings(
            data_dir=tmp_path,
            database_url=endpoints.database_url,
            database_owner_url=endpoints.owner_url,
            redis_url=endpoints.redis_url,
            requests_per_minute=1_000_000,
        )
        database = Database.connect(endpoints.database_url)
        provider = await make_system(database, make_means(settings))
        consumer = await make_system(database, make_means(settings), name="Dashboard")
        await make_reference(database, provider.tenant_id)
        await database.close()
        standby = Standby(folder, endpoints)
        await standby.copy()
        await standby.start()
        try:
            with_standby = settings.model_copy(update={"database_read_url": SecretStr(standby.url)})
            yield Place(with_standby, endpoints, standby, provider, consumer)
        finally:
            await standby.kill()


async def reads(hub: Client) -> dict[str, float]:
    """What the metrics say about where reads went."""
    page = (await hub.http.get("/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith("hub_replica")]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {
        name.removeprefix('hub_replica_reads{outcome="').removesuffix('"}'): found[name] for name in found
    }


@asynccontextmanager
async def served(place: Place) -> AsyncIterator[Client]:
    """A hub that has found its standby usable."""
    async with serve(place.settings) as hub:
        await until(hub, up=1)
        yield hub


async def until(hub: Client, *, up: int) -> None:
    """Wait until the hub uses the standby, or has left it."""
    async with asyncio.timeout(20):
        while (await reads(hub))["hub_replica_up"] != up:
            await asyncio.sleep(0.1)


async def references(hub: Client, system: TestSystem) -> set[str]:
    found = (await hub.acting(system.api_key).run(SEARCH))["fiscalEvents"]["edges"]
    return {edge["node"]["referenceId"] for edge in found}


async def send(
    hub: Client, system: TestSystem, query: str, after: str | None = None, **variables: Any
) -> Any:
    """One request with or without a position; the response."""
    headers = {"authorization": f"Bearer {system.api_key}"} | ({"hub-after-position": after} if after else {})
    return await hub.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


async def test_a_system_sees_what_it_posted_while_the_standby_stands_still(place: Place) -> None:
    async with served(place) as hub, serve(place.settings) as other:
        await until(other, up=1)
        assert await references(hub, place.consumer) == set()
        assert (await reads(hub))["replica"] > 0
        await place.standby.tell("SELECT pg_wal_replay_pause()")
        made = await postings.event_input(hub, place.provider, postings.content())
        answer = await send(hub, place.provider, postings.POST_EVENT, input=made)
        event = answer.json()["data"]["postFiscalEvent"]["event"]
        position = answer.headers["hub-position"]

        # The same process: nothing to be done by the caller.
        assert (await hub.acting(place.provider.api_key).run(BY_ID, id=event["id"]))["node"]["id"] == event[
            "id"
        ]
        assert await references(hub, place.provider) == {event["referenceId"]}
        assert (await reads(hub))["behind"] >= 2
        # Another system has no such claim; it reads what the standby has, which shows that the pause holds.
        assert await references(hub, place.consumer) == set()
        # Another process: with the position that came with the answer, and without it not yet.
        found = await send(other, place.provider, BY_ID, position, id=event["id"])
        assert found.json()["data"]["node"] == {"id": event["id"], "referenceId": event["referenceId"]}
        assert (await send(other, place.provider, BY_ID, id=event["id"])).json()["data"]["node"] is None

        await place.standby.tell("SELECT pg_wal_replay_resume()")
        behind = (await reads(other))["behind"]
        async with asyncio.timeout(10):
            while await references(other, place.consumer) != {event["referenceId"]}:
                await asyncio.sleep(0.05)
        assert (await send(other, place.provider, BY_ID, position, id=event["id"])).json()["data"]["node"]
        assert (await reads(other))["behind"] == behind


@pytest.mark.long
async def test_a_standby_that_lags_for_seconds_is_left_and_taken_back(place: Place) -> None:
    async with served(place) as hub:
        await place.standby.tell("SELECT pg_wal_replay_pause()")
        event = await postings.post_ok(hub, place.provider)
        await until(hub, up=0)
        assert await references(hub, place.consumer) == {event["referenceId"]}
        await place.standby.tell("SELECT pg_wal_replay_resume()")
        await until(hub, up=1)
        before = (await reads(hub))["replica"]
        assert await references(hub, place.consumer) == {event["referenceId"]}
        assert (await reads(hub))["replica"] > before


@pytest.mark.long
async def test_reads_go_on_when_the_standby_dies_and_when_it_comes_back(place: Place) -> None:
    async with served(place) as hub:
        event = await postings.post_ok(hub, place.provider)
        reader = hub.acting(place.consumer.api_key)
        await place.standby.kill()
        for _ in range(20):
            assert (await reader.run(BY_ID, id=event["id"]))["node"]["id"] == event["id"]
            assert await references(hub, place.consumer) == {event["referenceId"]}
        assert (await reads(hub))["hub_replica_up"] == 0
        assert (await reads(hub))["away"] >= 40
        await place.standby.start()
        await until(hub, up=1)
        before = (await reads(hub))["replica"]
        assert (await reader.run(BY_ID, id=event["id"]))["node"]["id"] == event["id"]
        assert (await reads(hub))["replica"] > before


@pytest.mark.long
async def test_a_position_that_is_none_is_refused(place: Place) -> None:
    async with served(place) as hub:
        answer = await send(hub, place.consumer, SEARCH, "tomorrow")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        # One that no log has reached costs a moment and comes from the primary.
        assert (await send(hub, place.consumer, SEARCH, "FFFFFFFF/0")).json()["data"] == {
            "fiscalEvents": {"edges": []}
        }
        assert (await reads(hub))["behind"] == 1


async def test_few_wait_for_the_standby_and_the_others_do_not() -> None:
    nothing: Any = None
    replica = Replica(nothing, nothing, nothing)
    asked = [0] * 20

    async def has_caught_up(number: int) -> bool:
        async def ask() -> str:
            asked[number] += 1
            return "0/1"

        return await replica._caught_up(2, ask)

    for _ in range(2):
        asked[:] = [0] * 20
        assert await asyncio.gather(*map(has_caught_up, range(20))) == [False] * 20
        assert sorted(asked)[:-WAITING_MAX] == [1] * (20 - WAITING_MAX)
        assert min(sorted(asked)[-WAITING_MAX:]) > 1
