"""SIGKILL of the web process under posting load: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub import migrate
from hub.db import Database
from hub.embedded import EmbeddedServers, Endpoints
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system
from tests.servers import make_data_dir

pytestmark = pytest.mark.anyio

SEED = 20261123
WRITERS = 3
SECONDS_MAX = 240


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Web:
    """One web process at a time, and the next one warming up behind it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.current: tuple[subprocess.Popen[bytes], int] | None = None
        self.url = ""

    async def start(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start a process and wait until it is ready."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.web_process", str(port)],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        async with httpx.AsyncClient() as http:
            for _ in range(400):
                assert process.poll() is None, "the web process ended by itself"
                try:
                    if (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                        return process, port
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError("the web process never became ready")

    def take(self, started: tuple[subprocess.Popen[bytes], int]) -> None:
        """Send callers to this process from now on."""
        self.current = started
        self.url = f"http://127.0.0.1:{started[1]}"

    def kill(self) -> None:
        """SIGKILL, by its process id."""
        if self.current is not None:
            os.kill(self.current[0].pid, signal.SIGKILL)
            self.current[0].wait()
            self.current = None


@pytest.fixture
async def durable() -> AsyncIterator[Endpoints]:
    """A PostgreSQL with fsync on, and a Redis, of this test's own."""
    folder = make_data_dir()
    async with EmbeddedServers(folder).running() as endpoints:
        await asyncio.to_thread(migrate.upgrade, endpoints.owner_url, endpoints.database_url)
        yield endpoints


def settings_for(endpoints: Endpoints, folder: Path) -> Settings:
    """A hub's settings on these servers."""
    return Settings(
        data_dir=folder,
        database_url=endpoints.database_url,
        database_owner_url=endpoints.owner_url,
        redis_url=endpoints.redis_url,
        requests_per_minute=1_000_000,
    )


async def cast_of(settings: Settings, endpoints: Endpoints) -> TestSystem:
    """A provider in a government with reference data."""
    database = Database.connect(endpoints.database_url)
    system = await make_system(database, make_means(settings))
    await make_reference(database, system.tenant_id)
    await database.close()
    return system


class Load:
    """Writers that repeat a request until it is answered, as a careful provider does."""

    def __init__(self, web: Web, system: TestSystem, client: Client) -> None:
        self.web = web
        self.system = system
        self.signer = client
        self.acknowledged: dict[str, str] = {}
        self.answers: list[str] = []
        self.stopped = False

    async def write(self) -> None:
        """Post one event after another; every request keeps its key and content over all its tries."""
        while not self.stopped:
            made = await postings.event_input(self.signer, self.system, postings.content())
            await self.until_answered(made)

    async def until_answered(self, made: dict[str, Any]) -> None:
        """Send until an answer arrives; a dead connection says nothing about the outcome."""
        body = {"query": postings.POST_EVENT, "variables": {"input": made}}
        headers = {"authorization": f"Bearer {self.system.api_key}"}
        while True:
            try:
                async with httpx.AsyncClient(timeout=5) as http:
                    response = await http.post(self.web.url + "/graphql", json=body, headers=headers)
                answer = response.json()["data"]["postFiscalEvent"]
            except (httpx.TransportError, ValueError):
                await asyncio.sleep(0.01)
                continue
            assert answer["errors"] == []
            assert answer["outcome"] == "ACCEPTED"
            self.acknowledged[answer["event"]["referenceId"]] = answer["event"]["id"]
            return


@pytest.fixture
def environment(tmp_path: Path, durable: Endpoints) -> dict[str, str]:
    """The web processes' environment."""
    return {
        **os.environ,
        "HUB_DATA_DIR": str(tmp_path),
        "HUB_DATABASE_URL": durable.database_url,
        "HUB_REDIS_URL": durable.redis_url,
        "HUB_REQUESTS_PER_MINUTE": "1000000",
    }


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.long)])
async def test_sigkills_lose_and_double_nothing(
    durable: Endpoints, environment: dict[str, str], tmp_path: Path, kills: int
) -> None:
    """Spec N-25, many times over."""
    chance = random.Random(SEED)
    settings = settings_for(durable, tmp_path)
    system = await cast_of(settings, durable)
    web = Web(environment)
    web.take(await web.start())
    begun = time.monotonic()
    try:
        async with serve(settings) as signer:
            load = Load(web, system, signer)
            writers = [asyncio.create_task(load.write()) for _ in range(WRITERS)]
            for _ in range(kills):
                following = await web.start()
                await asyncio.sleep(chance.uniform(0.0, 0.15))
                web.kill()
                web.take(following)
                assert time.monotonic() - begun < SECONDS_MAX
            load.stopped = True
            await asyncio.wait_for(asyncio.gather(*writers), 30)
    finally:
        web.kill()
    await check(durable, load.acknowledged)
    assert len(load.acknowledged) > kills


async def check(durable: Endpoints, acknowledged: dict[str, str]) -> None:
    """Every acknowledged posting is there, once, whole; and no reference has two."""
    engine = create_async_engine(durable.owner_url)
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT reference_id, id FROM posting"))).all()
        halves = await connection.scalar(
            text(
                "SELECT count(*) FROM posting p WHERE"
                " (SELECT count(*) FROM posting_line l WHERE l.posting_id = p.id) <> p.line_count"
                " OR (SELECT count(*) FROM receipt r WHERE r.posting_id = p.id) <> 1"
                " OR (SELECT count(*) FROM posting_key k WHERE k.posting_id = p.id) <> 1"
                " OR (SELECT count(*) FROM posting_signature s WHERE s.posting_id = p.id) <> 1"
            )
        )
    await engine.dispose()
    stored = {reference: f"evt_{posting}" for reference, posting in rows}
    assert len(stored) == len(rows)
    assert stored == acknowledged
    assert halves == 0
