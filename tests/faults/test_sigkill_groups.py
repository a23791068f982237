"""SIGKILL of the web process while posts share commits: what was acknowledged is there, whole and once."""

from __future__ import annotations

import asyncio
import random
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from hub.db import Database
from hub.embedded import Endpoints
from tests.factories import outside, postings
from tests.factories.registry import TestSystem
from tests.faults.test_sigkill import Web, cast_of, check, durable, environment, settings_for

__all__ = ["durable", "environment"]

pytestmark = pytest.mark.anyio

SEED = 20261124
WRITERS = 32


class Crowd:
    """Writers that post through one connection pool, so that requests arrive together, and repeat until answered."""

    def __init__(self, web: Web, system: TestSystem) -> None:
        self.web = web
        self.system = system
        self.acknowledged: dict[str, str] = {}
        self.stopped = False

    async def write(self, http: httpx.AsyncClient) -> None:
        """Post one event after another; every request keeps its bytes over all its tries."""
        headers = {"authorization": f"Bearer {self.system.api_key}"}
        while not self.stopped:
            made = outside.signed(self.system, outside.bill(), idempotencyKey=uuid.uuid4().hex)
            body = {"query": postings.POST_EVENT, "variables": {"input": made}}
            await self.until_answered(http, body, headers)

    async def until_answered(
        self, http: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        """Send until an answer arrives; a dead connection or a refusal for now says nothing about the outcome."""
        while True:
            try:
                response = await http.post(self.web.url + "/graphql", json=body, headers=headers)
                answer = response.json()["data"]["postFiscalEvent"]
            except (httpx.TransportError, ValueError, KeyError, TypeError):
                await asyncio.sleep(0.01)
                continue
            if answer is None:
                await asyncio.sleep(0.01)
                continue
            assert (answer["errors"], answer["outcome"]) == ([], "ACCEPTED")
            self.acknowledged[answer["event"]["referenceId"]] = answer["event"]["id"]
            return


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.long)])
async def test_sigkills_of_groups_lose_and_double_nothing(
    durable: Endpoints, environment: dict[str, str], tmp_path: Path, kills: int
) -> None:
    chance = random.Random(SEED)
    system = await cast_of(settings_for(durable, tmp_path), durable)
    web = Web(environment)
    web.take(await web.start())
    crowd = Crowd(web, system)
    try:
        async with httpx.AsyncClient(timeout=5) as http:
            writers = [asyncio.create_task(crowd.write(http)) for _ in range(WRITERS)]
            for _ in range(kills):
                following = await web.start()
                await asyncio.sleep(chance.uniform(0.1, 0.4))
                web.kill()
                web.take(following)
            await asyncio.sleep(0.3)
            crowd.stopped = True
            await asyncio.wait_for(asyncio.gather(*writers), 60)
    finally:
        web.kill()
    await check(durable, crowd.acknowledged)
    assert len(crowd.acknowledged) > WRITERS
    database = Database.connect(durable.database_url)
    async with database.read() as read:
        commits = await read.scalar(text("SELECT count(DISTINCT xmin::text) FROM posting"))
    await database.close()
    assert commits < len(crowd.acknowledged), "groups never formed, so nothing was tried"
