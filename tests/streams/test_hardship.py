"""Listeners while things break or stand still: nothing is lost, nothing grows, and who is slow harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from websockets.exceptions import WebSocketException

from hub.db import Database
from hub.embedded import Endpoints
from hub.means import Means
from hub.settings import Settings
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import make_system
from tests.faults.test_sigkill import Web
from tests.servers import start_test_servers
from tests.streams.listening import EVENTS, Served, listen, served, streamed

pytestmark = pytest.mark.anyio

SEED = 20261124
IDLE = 500
KILLS = 5


@asynccontextmanager
async def _web(settings: Settings, endpoints: Endpoints) -> AsyncIterator[Web]:
    """A hub whose web process is one of its own, to be killed."""
    web = Web(
        {
            **os.environ,
            "HUB_DATA_DIR": str(settings.data_dir),
            "HUB_DATABASE_URL": endpoints.database_url,
            "HUB_REDIS_URL": endpoints.redis_url,
        }
    )
    try:
        web.take(await web.start())
        yield web
    finally:
        web.kill()


async def test_without_redis_news_comes_later_but_comes(
    settings: Settings, client: Client, cast: Cast, sequencing: None, tmp_path: Path
) -> None:
    nowhere = SecretStr(f"unix://:pw@{tmp_path}/none.sock")
    async with (
        served(settings.model_copy(update={"redis_url": nowhere})) as web,
        listen(web.url, cast.consumer.api_key) as listener,
    ):
        name = await listener.subscribe(EVENTS)
        for _ in range(2):
            event = await postings.post_ok(client, cast.provider)
            started = time.monotonic()
            assert (await listener.data(name))["event"]["id"] == event["id"]
            assert time.monotonic() - started < 5


@pytest.mark.long
async def test_redis_may_stop_and_come_back_under_open_subscriptions(
    settings: Settings, client: Client, cast: Cast, sequencing: None
) -> None:
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(start_test_servers(postgres=False))
        changed = settings.model_copy(update={"redis_url": SecretStr(own.redis_url)})
        async with served(changed) as web, listen(web.url, cast.consumer.api_key) as listener:
            name = await listener.subscribe(EVENTS)
            for stops in (False, True, False):
                event = await postings.post_ok(client, cast.provider)
                assert (await listener.data(name))["event"]["id"] == event["id"]
                if stops:
                    await asyncio.to_thread(stack.close)


async def _by_socket(web: Web, cast: Cast, seen: list[str]) -> None:
    """Listen, and come back whenever the hub is gone, with nothing but the last number."""
    after: str | None = None
    while True:
        with contextlib.suppress(OSError, WebSocketException, TimeoutError):
            async with listen(web.url, cast.consumer.api_key) as listener:
                name = await listener.subscribe(EVENTS, after=after)
                while True:
                    told = await listener.data(name)
                    seen.append(told["event"]["id"])
                    after = told["logIndex"]
        await asyncio.sleep(0.2)


async def _by_stream(web: Web, cast: Cast, seen: list[str]) -> None:
    """The same over server-sent events, with the last event's id."""
    last: str | None = None
    while True:
        with contextlib.suppress(httpx.HTTPError):
            async with streamed(web.url, cast.both.api_key, EVENTS, last_event=last) as (_, stream):
                async for event in stream:
                    seen.append(event.data["data"]["fiscalEvents"]["event"]["id"])
                    last = event.id
        await asyncio.sleep(0.2)


@pytest.mark.long
async def test_readers_lose_nothing_when_the_web_process_is_killed(
    settings: Settings, servers: Endpoints, client: Client, cast: Cast, sequencing: None
) -> None:
    posted: list[str] = []
    heard: tuple[list[str], list[str]] = ([], [])
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            posted.append((await postings.post_ok(client, cast.provider))["id"])
            await asyncio.sleep(0.05)

    async with _web(settings, servers) as web:
        readers = [
            asyncio.create_task(_by_socket(web, cast, heard[0])),
            asyncio.create_task(_by_stream(web, cast, heard[1])),
        ]
        writer = asyncio.create_task(write())
        chance = random.Random(SEED)
        for _ in range(KILLS):
            spare = await web.start()
            await asyncio.sleep(chance.uniform(0.2, 1))
            web.kill()
            web.take(spare)
        done.set()
        await writer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not all(len(seen) >= len(posted) for seen in heard):
                    await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        for reader in readers:
            reader.cancel()
    assert len(posted) > 20
    assert sorted(heard[0]) == sorted(posted)
    assert heard[1] == heard[0]


@pytest.mark.long
async def test_500_idle_subscribers_cost_little(
    settings: Settings,
    servers: Endpoints,
    client: Client,
    cast: Cast,
    database: Database,
    means: Means,
    sequencing: None,
) -> None:
    systems = [await make_system(database, means) for _ in range(IDLE // 10)]
    async with _web(settings, servers) as web, contextlib.AsyncExitStack() as stack:
        assert web.current is not None
        pid = web.current[0].pid
        before = _memory_mb(pid)
        listeners = [
            await stack.enter_async_context(listen(web.url, system.api_key))
            for system in systems
            for _ in range(10)
        ]
        names = [await listener.subscribe(EVENTS) for listener in listeners]
        event = await postings.post_ok(client, cast.provider)
        told = await asyncio.gather(*(each.data(name) for each, name in zip(listeners, names, strict=True)))
        assert {each["event"]["id"] for each in told} == {event["id"]}
        grown, cpu = _memory_mb(pid) - before, _cpu_seconds(pid)
        await asyncio.sleep(10)
        idle_share = (_cpu_seconds(pid) - cpu) / 10
        assert grown < 150
        assert idle_share < 0.25
        async with httpx.AsyncClient(trust_env=False) as http:
            page = (await http.get(f"{web.url}/metrics")).text
        assert f"hub_subscriptions {IDLE}.0" in page


@pytest.mark.long
async def test_a_reader_that_takes_nothing_holds_little_and_harms_nobody(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    big = "subscription { fiscalEvents { logIndex event { id content lineItems { amount attributes } } } }"
    lines = [postings.line(n, attributes={"remark": "x" * 400}) for n in range(1, 41)]
    for _ in range(60):
        await postings.post_ok(client, cast.provider, postings.content(lines=lines))
    before = _memory_mb(os.getpid())
    async with listen(web.url, cast.consumer.api_key) as stalled, listen(web.url, cast.both.api_key) as quick:
        for _ in range(10):
            await stalled.subscribe(big)
        stalled.connection.transport.pause_reading()
        name = await quick.subscribe(EVENTS)
        for _ in range(60):
            await quick.data(name)
        event = await postings.post_ok(client, cast.provider)
        assert (await quick.data(name))["event"]["id"] == event["id"]
        assert _memory_mb(os.getpid()) - before < 100


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
