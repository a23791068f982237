"""Listeners over several processes, a PostgreSQL that restarts, and readers that stop: counted, resumed, cut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from hub import cli, migrate
from hub.db import Database
from hub.embedded import EmbeddedServers, Endpoints
from hub.jobs.transparency import Rhythm, sequence
from hub.means import Means
from hub.settings import Settings
from hub.streams import events as event_streams, sockets
from hub.wiring import connect as connected, make_means
from tests.api.conftest import Cast
from tests.api.test_feed import write
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system
from tests.faults.test_sigkill import Web, settings_for
from tests.servers import make_data_dir
from tests.streams.listening import EVENTS, PROTOCOL, Served, listen, served, streamed

pytestmark = [pytest.mark.anyio, pytest.mark.long]

SEED = 20261124
SEATS_FREE_SECONDS = 10.0
POSTED = """
subscription ($after: BigInt) {
  feed(after: $after, kinds: [EVENT, MESSAGE]) { logIndex fact { ... on Posting { id } } }
}"""
BIG = "subscription { fiscalEvents { logIndex event { id content lineItems { amount attributes } } } }"


def _environment(settings: Settings, endpoints: Endpoints) -> dict[str, str]:
    return {
        **os.environ,
        "HUB_DATA_DIR": str(settings.data_dir),
        "HUB_DATABASE_URL": endpoints.database_url,
        "HUB_REDIS_URL": endpoints.redis_url,
    }


async def test_ten_subscriptions_of_a_key_are_counted_over_all_processes(
    settings: Settings, servers: Endpoints, cast: Cast
) -> None:
    first, second = Web(_environment(settings, servers)), Web(_environment(settings, servers))
    key = cast.consumer.api_key
    try:
        for web in (first, second):
            web.take(await web.start())
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(listen(first.url, key))
            two = await stack.enter_async_context(listen(second.url, key))
            for _ in range(6):
                await one.subscribe(EVENTS)
            await asyncio.sleep(0.5)
            for _ in range(3):
                await two.subscribe(EVENTS)
            response, _ = await stack.enter_async_context(streamed(second.url, key, EVENTS))
            assert response.status_code == 200
            # Longer than a lease: seats that are taken stay taken.
            await asyncio.sleep(8)
            for url, listener in ((first.url, one), (second.url, two)):
                (error,) = await listener.of(await listener.subscribe(EVENTS), "error")
                assert error["extensions"]["code"] == "SUBSCRIPTION_LIMIT"
                async with streamed(url, key, EVENTS) as (refused, _):
                    assert refused.status_code == 429
            first.kill()
            await _until_let_in(second.url, key)
    finally:
        first.kill()
        second.kill()


async def _until_let_in(url: str, key: str) -> None:
    """The seats of a process that was killed are free again when their leases end."""
    async with asyncio.timeout(SEATS_FREE_SECONDS):
        while True:
            async with streamed(url, key, EVENTS) as (response, _):
                if response.status_code == 200:
                    return
            await asyncio.sleep(0.2)


class Reader:
    """Listens, stops at random, and comes back with nothing but the number it remembers."""

    def __init__(self, url: Callable[[], str], system: TestSystem, chance: random.Random) -> None:
        self.url = url
        self.system = system
        self.chance = chance
        self.seen: list[tuple[int, str]] = []
        self.breaks = 0

    @property
    def _after(self) -> str | None:
        return str(self.seen[-1][0]) if self.seen else None

    async def by_socket(self) -> None:
        """Over a WebSocket, for a while."""
        async with listen(self.url(), self.system.api_key) as listener:
            name = await listener.subscribe(POSTED, after=self._after)
            for _ in range(self.chance.randint(1, 60)):
                told = await listener.data(name)
                self.seen.append((int(told["logIndex"]), told["fact"]["id"]))
            # It dies, and says no goodbye.
            listener.connection.transport.abort()

    async def by_stream(self) -> None:
        """Over an event stream, for a while."""
        opened = streamed(self.url(), self.system.api_key, POSTED, last_event=self._after)
        async with opened as (_, stream), asyncio.timeout(15):
            for _ in range(self.chance.randint(1, 60)):
                event = await anext(stream)
                if "errors" in event.data:
                    return
                assert event.id is not None
                self.seen.append((int(event.id), event.data["data"]["feed"]["fact"]["id"]))

    async def follow(self) -> None:
        """For ever, by either way; that all seats are taken, or the rate used up, passes."""
        ways: list[Callable[[], Awaitable[None]]] = [self.by_socket, self.by_stream]
        broken = (OSError, WebSocketException, TimeoutError, httpx.HTTPError, StopAsyncIteration)
        while True:
            try:
                await self.chance.choice(ways)()
            except broken:
                self.breaks += 1
            except AssertionError as refused:
                assert "SUBSCRIPTION_LIMIT" in str(refused) or "RATE_LIMIT" in str(refused)  # noqa: PT017
                self.breaks += 1
            await asyncio.sleep(self.chance.uniform(0, 0.3))


async def _followed(readers: list[Reader], expected: dict[str, Counter[str]], names: list[str]) -> None:
    """Wait until every reader has come to the end; then each fact once, in order."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(90):
            while any(len(r.seen) < expected[n].total() for r, n in zip(readers, names, strict=True)):
                await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    for reader, name in zip(readers, names, strict=True):
        indexes = [index for index, _ in reader.seen]
        assert indexes == sorted(set(indexes)), name
        assert Counter(posted for _, posted in reader.seen) == expected[name], name


async def test_listeners_that_stop_and_resume_miss_and_repeat_nothing_beside_64_writers(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    told: dict[str, list[str]] = {"consumer": [], "both": [], "provider": []}
    names = [name for name in told for _ in range(3)]
    readers = [
        Reader(lambda: web.url, getattr(cast, name), random.Random(f"{SEED}{i}"))
        for i, name in enumerate(names)
    ]
    tasks = [asyncio.create_task(reader.follow()) for reader in readers]
    try:
        await asyncio.gather(*(write(client, cast, number, 8, told) for number in range(64)))
        await _followed(readers, {name: Counter(seen) for name, seen in told.items()}, names)
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.exception() for task in ended] == []


async def _sequence_for_ever(db: Database, means: Means) -> None:
    while True:
        with contextlib.suppress(Exception):
            await sequence(db, means, Rhythm(0.02, 0.02, 0.05))
        await asyncio.sleep(0.2)


async def test_listeners_live_through_restarts_of_postgresql() -> None:
    folder = make_data_dir()
    servers = EmbeddedServers(folder)
    async with servers.running() as endpoints:
        await asyncio.to_thread(migrate.upgrade, endpoints.owner_url, endpoints.database_url)
        settings = settings_for(endpoints, folder)
        means, (db, wakeups) = make_means(settings), connected(settings)
        sender, receiver = await make_system(db, means), await make_system(db, means)
        await make_reference(db, sender.tenant_id)
        sequencer = asyncio.create_task(_sequence_for_ever(db, means))
        posted: Counter[str] = Counter()
        async with (
            served(settings) as web,
            serve(settings) as client,
            listen(web.url, receiver.api_key) as listener,
            streamed(web.url, receiver.api_key, EVENTS) as (_, stream),
        ):
            name = await listener.subscribe(EVENTS)
            heard: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
            for restarts in (True, True, False):
                for _ in range(5):
                    posted[await _post_until_accepted(client, sender)] += 1
                if restarts:
                    os.kill(servers.pids["postgres"], signal.SIGINT)
                    await asyncio.sleep(0.5)
            # The connections of both are those they had at the beginning.
            async with asyncio.timeout(90):
                for _ in range(posted.total()):
                    heard[0][(await listener.of(name))["data"]["fiscalEvents"]["event"]["id"]] += 1
                    heard[1][(await anext(stream)).data["data"]["fiscalEvents"]["event"]["id"]] += 1
            assert heard == (posted, posted)
        sequencer.cancel()
        await asyncio.gather(sequencer, return_exceptions=True)
        await wakeups.close()
        await db.close()
    shutil.rmtree(folder, ignore_errors=True)


async def _post_until_accepted(client: Client, sender: TestSystem) -> str:
    """The same content until the hub says it is posted; a reference is posted once."""
    body = postings.content()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(AssertionError, TypeError, KeyError):
                event = (await postings.post(client, sender, body))["event"]
                if event is not None:
                    found: str = event["id"]
                    return found
            await asyncio.sleep(0.3)


def _small_socket(port: int) -> socket.socket:
    """A connection whose kernel takes little in by itself."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    found.connect(("127.0.0.1", port))
    found.setblocking(False)
    return found


async def test_a_reader_that_takes_nothing_is_cut_off_and_leaves_nothing_behind(
    settings: Settings, client: Client, cast: Cast, sequencing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (event_streams, sockets, cli):
        monkeypatch.setattr(module, "STALLED_SECONDS", 3.0)
    lines = [postings.line(n, attributes={"remark": "x" * 400}) for n in range(1, 41)]
    for _ in range(60):
        await postings.post_ok(client, cast.provider, postings.content(lines=lines))
    async with served(settings) as web, AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            connect(
                web.url.replace("http", "ws") + "/graphql",
                sock=_small_socket(web.port),
                subprotocols=[PROTOCOL],  # type: ignore[list-item]
                additional_headers={"authorization": f"Bearer {cast.consumer.api_key}"},
                proxy=None,
                close_timeout=1,
            )
        )
        await connection.send('{"type":"connection_init"}')
        await connection.recv()
        connection.transport.pause_reading()
        for number in range(4):
            payload = {"id": str(number), "type": "subscribe", "payload": {"query": BIG}}
            await connection.send(orjson.dumps(payload).decode())
        stalled = _small_socket(web.port)
        stack.callback(stalled.close)
        body = orjson.dumps({"query": BIG})
        await asyncio.get_running_loop().sock_sendall(
            stalled,
            b"POST /graphql HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n"
            b"content-type: application/json\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
            % (cast.both.api_key.encode(), len(body), body),
        )
        await asyncio.sleep(1)
        state = web.server.server_state
        assert len(state.connections) == 2
        started = time.monotonic()
        async with asyncio.timeout(60):
            while state.connections:
                await asyncio.sleep(0.1)
        assert time.monotonic() - started > 1
        async with httpx.AsyncClient(trust_env=False) as http:
            assert "hub_subscriptions 0.0" in (await http.get(f"{web.url}/metrics")).text
