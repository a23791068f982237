"""Webhooks by real worker processes: they follow the log by themselves, and one killed in the middle loses nothing."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest

from hub.db import Database
from hub.means import Means
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system
from tests.factories.webhooks import LOCAL, Desk, active, deliveries
from tests.jobs.processes import until, worker
from tests.jobs.receiver import receiving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A hub that may call this very machine."""
    async with serve(settings.model_copy(update={"outbound_private": LOCAL})) as served:
        yield served


@pytest.fixture
def means(settings: Settings) -> Means:
    return make_means(settings)


@pytest.fixture
async def system(database: Database, means: Means) -> TestSystem:
    made = await make_system(database, means)
    await make_reference(database, made.tenant_id)
    return made


async def test_a_worker_sends_what_the_log_brings(
    settings: Settings, client: Client, system: TestSystem, database: Database, means: Means
) -> None:
    desk = Desk(database, means)
    async with receiving() as receiver:
        webhook, secret = await active(client, desk, system, receiver.url)
        events = {(await postings.post_ok(client, system))["id"] for _ in range(5)}
        await desk.number()
        async with worker(settings, module="hub.worker", HUB_OUTBOUND_PRIVATE=LOCAL) as running:
            await until(lambda: len(receiver.facts) >= 5, 15, what="five deliveries")

            async def recorded() -> bool:
                told = await deliveries(client, system, webhook)
                return [each["state"] for each in told] == ["SUCCEEDED"] * 5

            await until(recorded, 5, what="five records")
            assert await running.end(signal.SIGTERM) == 0
            assert secret is not None
            assert secret.encode() not in running.output
            assert b"webhook_tried" in running.output
        assert {got.id for got in receiver.facts} == events
        assert len(receiver.facts) == 5


@pytest.mark.long
async def test_what_a_killed_worker_was_sending_is_sent_again_under_the_same_id(
    settings: Settings, client: Client, system: TestSystem, database: Database, means: Means
) -> None:
    desk = Desk(database, means)
    async with receiving() as receiver:
        webhook, _ = await active(client, desk, system, receiver.url, ordered=True)
        wanted = [(await postings.post_ok(client, system))["id"] for _ in range(2)]
        await desk.number()
        receiver.slow_seconds = 30.0
        async with worker(settings, module="hub.worker", HUB_OUTBOUND_PRIVATE=LOCAL) as running:
            await until(lambda: len(receiver.facts) == 1, 15, what="a request in flight")
            await running.end(signal.SIGKILL)
        receiver.slow_seconds = 0.0
        async with worker(settings, module="hub.worker", HUB_OUTBOUND_PRIVATE=LOCAL):
            await until(lambda: len(receiver.facts) == 3, 25, what="the deliveries of the dead worker")

            async def recorded() -> bool:
                told = await deliveries(client, system, webhook)
                return [each["state"] for each in told] == ["SUCCEEDED"] * 2

            await until(recorded, 5, what="two records")
        assert [got.id for got in receiver.facts] == [wanted[0], *wanted]
        assert receiver.facts[0].body == receiver.facts[1].body
        first = (await deliveries(client, system, webhook))[1]
        assert [(each["status"], each["error"]) for each in first["attempts"]] == [
            (None, "LOST"),
            (200, None),
        ]
