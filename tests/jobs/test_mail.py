"""Mail goes out once: over a real SMTP server, with workers killed and Redis gone in the middle."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from hub.domain import registry
from hub.embedded import EmbeddedServers
from hub.errors import Refusal
from hub.settings import Settings
from hub.wakeups import Wakeups
from hub.wiring import make_means
from tests.factories.registry import make_agency
from tests.jobs import processes
from tests.jobs.processes import all_jobs, hub_side, post_office, put, until, worker
from tests.servers import make_data_dir

pytestmark = [pytest.mark.anyio, pytest.mark.long]

TAKEN_UP_SECONDS_MAX = 15


@asynccontextmanager
async def own_redis() -> AsyncIterator[tuple[EmbeddedServers, str]]:
    """A Redis of this test's own, watched by nobody."""
    folder = make_data_dir()
    servers = EmbeddedServers(folder, postgres=False)
    try:
        yield servers, (await servers.start()).redis_url
    finally:
        await servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("step", ["EHLO", "DATA"])
async def test_a_killed_workers_mail_goes_out_once_by_another(settings: Settings, step: str) -> None:
    with post_office() as (office, smtp):
        office.slow_at = step
        async with hub_side(settings) as db, worker(settings, **smtp) as one, worker(settings, **smtp) as two:
            await put(db, "tests.send_mail", to="officer@example.org")
            await until(lambda: step in office.reached, 10, what=f"a worker at {step}")
            [row] = await all_jobs(db)
            victim = next(each for each in (one, two) if f":{each.pid}:" in row.leased_by)
            await victim.end(signal.SIGKILL)
            assert office.accepted == []
            took = await processes.done(db, TAKEN_UP_SECONDS_MAX)
            assert took < TAKEN_UP_SECONDS_MAX
            await asyncio.sleep(2)
            [row] = await all_jobs(db)
    assert row.attempt == 2
    assert [mail["Message-ID"] for mail in office.accepted] == [f"<{row.id}@ifix.org>"]
    assert office.accepted[0]["To"] == "officer@example.org"


async def test_a_sign_in_code_outlives_its_worker_and_works(settings: Settings) -> None:
    means = make_means(settings)
    with post_office() as (office, smtp):
        office.slow_at = "DATA"
        async with hub_side(settings) as db:
            await make_agency(db, means, email="owner@punjab.gov.in")
            async with worker(settings, module="hub.worker", **smtp) as victim:
                async with db.transaction() as tx:
                    await registry.request_sign_in_code(tx, means, "browser", "owner@punjab.gov.in")
                await until(lambda: "DATA" in office.reached, 10, what="the worker at DATA")
                await victim.end(signal.SIGKILL)
            async with worker(settings, module="hub.worker", **smtp) as other:
                await until(lambda: office.accepted, TAKEN_UP_SECONDS_MAX, what="the mail")
                await asyncio.sleep(2)
                await other.end(signal.SIGTERM)
            [mail] = office.accepted
            assert mail["To"] == "owner@punjab.gov.in"
            [code] = re.findall(r"\b[0-9]{8}\b", str(mail.get_payload()))
            assert code.encode() not in victim.output + other.output
            assert b"owner@" not in victim.output + other.output
            async with db.transaction() as tx:
                signed_in = await registry.sign_in(
                    tx, means, registry.Browser("browser"), "owner@punjab.gov.in", code
                )
            assert not isinstance(signed_in, Refusal)


async def test_a_receiver_refused_for_now_is_tried_again_and_one_refused_for_good_is_not(
    settings: Settings,
) -> None:
    with post_office() as (office, smtp):
        async with hub_side(settings) as db, worker(settings, **smtp) as process:
            await put(db, "tests.send_mail", to="nobody@example.org")
            await put(db, "tests.send_mail", to="later@example.org")
            await put(db, "tests.send_mail", to="a@example.org, b@example.org")

            async def all_tried() -> bool:
                return all(row.last_error is not None for row in await all_jobs(db))

            await until(all_tried, 10, what="all tried")
            refused, later, malformed = await all_jobs(db)
            assert (refused.state, refused.last_error) == ("FAILED", "MailRefused")
            assert (malformed.state, malformed.last_error) == ("FAILED", "MailRefused")
            assert later.state in {"READY", "RUNNING"}
            assert later.last_error == "OutsideUnavailable"
            await process.end(signal.SIGTERM)
            assert b"example.org" not in process.output
    assert office.accepted == []


async def test_without_redis_the_hub_accepts_mail_goes_out_and_arq_comes_back(settings: Settings) -> None:
    async with own_redis() as (servers, url):
        settings = settings.model_copy(update={"redis_url": SecretStr(url)})
        with post_office() as (office, smtp):
            async with hub_side(settings) as db, worker(settings, 8, **smtp) as process:
                await processes.arq_listens(url)
                os.kill(servers.pids["redis"], signal.SIGKILL)
                await asyncio.sleep(0.5)
                began = time.monotonic()
                await put(db, "tests.send_mail", to="one@example.org")
                assert time.monotonic() - began < 1
                await processes.done(db, 12)
                assert [mail["To"] for mail in office.accepted] == ["one@example.org"]

                await servers.stop()
                assert (await servers.start()).redis_url == url
                await processes.arq_listens(url)
                await asyncio.sleep(5)  # the hub's own breaker
                began = time.monotonic()
                for number in range(3):  # a sweep in 8 s can have had one of them at most
                    await put(db, "tests.send_mail", to=f"back{number}@example.org")
                    await processes.done(db, 2)
                assert time.monotonic() - began < 6
                assert process.process.returncode is None
    assert len(office.accepted) == 4


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hanging"])
async def test_a_nudge_never_waits_for_redis(death: signal.Signals) -> None:
    async with own_redis() as (servers, url):
        wakeups = Wakeups(url)
        await wakeups.nudge("warm")
        await asyncio.sleep(0.2)
        pid = servers.pids["redis"]
        os.kill(pid, death)
        slowest = 0.0
        for number in range(200):
            began = time.monotonic()
            await wakeups.nudge(f"jobs:{number}")
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.01)
        assert slowest < 0.05
        began = time.monotonic()
        await wakeups.close()
        assert time.monotonic() - began < 3
        if death is signal.SIGSTOP:
            os.kill(pid, signal.SIGCONT)
