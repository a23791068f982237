"""SIGKILL of web processes and sequencers under posting load: the log neither forks nor gaps, and misses nothing."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain.transparency import Audit
from hub.embedded import Endpoints
from hub.jobs.transparency import SOURCES
from hub.signing.merkle import verify_consistency
from hub.wiring import make_means
from tests.factories.log import Head, own_head
from tests.faults.test_sigkill import Web, cast_of, durable, environment, settings_for
from tests.faults.test_sigkill_groups import Crowd

__all__ = ["durable", "environment"]

pytestmark = pytest.mark.anyio

SEED = 20261124
WRITERS = 8
TAKEOVER_SECONDS_MAX = 5.0
CONSISTENCY = "query($old: BigInt!, $new: BigInt!) { logConsistency(old: $old, new: $new) }"


def sequencer(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A sequencer process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "sequence"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, by its process id."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


async def size_of(db: Database) -> int:
    """How many leaves the last checkpoint signs."""
    async with db.read() as read:
        size: int = await read.scalar(text("SELECT coalesce(max(size), 0) FROM log_checkpoint"))
        return size


async def grows(db: Database, beyond: int, seconds_max: float) -> float:
    """How long the log took to grow beyond a size."""
    begun = time.monotonic()
    while await size_of(db) <= beyond:
        assert time.monotonic() - begun < seconds_max, f"the log stands still at {beyond}"
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


@pytest.mark.parametrize("kills", [6, pytest.param(150, marks=pytest.mark.long)])
async def test_sigkills_neither_fork_nor_gap_the_log(
    durable: Endpoints, environment: dict[str, str], tmp_path: Path, kills: int
) -> None:
    chance = random.Random(SEED)
    settings = settings_for(durable, tmp_path)
    means = make_means(settings)
    system = await cast_of(settings, durable)
    db = Database.connect(durable.database_url)
    web = Web(environment)
    web.take(await web.start())
    crowd = Crowd(web, system)
    sequencers = [sequencer(environment) for _ in range(2)]
    seen: dict[int, Head] = {}
    try:
        async with httpx.AsyncClient(timeout=5) as http:
            key = (await http.get(web.url + "/log/key")).text.strip()
            await grows(db, 0, 20)
            writers = [asyncio.create_task(crowd.write(http)) for _ in range(WRITERS)]
            for turn in range(kills):
                following = await web.start()
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                if turn % 2:
                    web.kill()
                    web.take(following)
                else:
                    kill(following[0])
                # One of the two leads: after both have died in turn, leadership has moved at least once.
                kill(sequencers[0])
                sequencers = [sequencers[1], sequencer(environment)]
                await grows(db, await size_of(db), TAKEOVER_SECONDS_MAX)
                head = own_head((await http.get(web.url + "/log/checkpoint")).text, key)
                assert seen.setdefault(head.size, head) == head
            crowd.stopped = True
            await asyncio.wait_for(asyncio.gather(*writers), 60)
            await in_time(db)
            heads = sorted((head.size, head.root) for head in seen.values())
            for old, new in itertools.pairwise(heads):
                asked = {"query": CONSISTENCY, "variables": {"old": str(old[0]), "new": str(new[0])}}
                answer = await http.post(web.url + "/graphql", json=asked)
                proof = [base64.b64decode(part) for part in answer.json()["data"]["logConsistency"]]
                verify_consistency(old, new, proof)
    finally:
        web.kill()
        for process in sequencers:
            kill(process)
    audit = Audit(db, SOURCES, means.log_origin, means.log_key.public, seen[max(seen)].note)
    assert [finding async for finding in audit.findings()] == []
    async with db.read() as read:
        logged = await read.scalar(text("SELECT count(*) FROM log_leaf WHERE kind = 'EVENT'"))
        alone = await read.scalar(text("SELECT count(*) FROM log_leaf WHERE kind = 'LOG_KEY'"))
    await db.close()
    assert (logged, alone) == (len(crowd.acknowledged), 1)
    assert len(seen) > kills // 2


async def in_time(db: Database) -> None:
    """Everything committed has its number within five seconds."""
    begun = time.monotonic()
    async with db.read() as read:
        while await read.scalar(text("SELECT count(*) FROM log_pending")):
            assert time.monotonic() - begun < TAKEOVER_SECONDS_MAX
            await asyncio.sleep(0.05)
