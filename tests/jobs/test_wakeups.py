"""Wake-up calls: heard in time, never waited for, and not missed when Redis is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from hub.settings import Settings
from hub.wakeups import Breaker, Wakeups, serialize

pytestmark = pytest.mark.anyio


async def test_a_nudge_wakes_who_waits_on_the_topic(settings: Settings) -> None:
    assert settings.redis_url is not None
    wakeups = Wakeups(settings.redis_url.get_secret_value())
    began = time.monotonic()
    waiting = asyncio.gather(wakeups.wait("news", 5), wakeups.wait("other", 1))
    await asyncio.sleep(0.5)
    await wakeups.nudge("news")
    assert list(await waiting) == [True, False]
    assert 0.9 < time.monotonic() - began < 3
    await wakeups.close()


async def test_without_redis_waiting_takes_its_time(tmp_path: Path) -> None:
    wakeups = Wakeups(f"unix://:pw@{tmp_path}/none.sock")
    began = time.monotonic()
    assert await wakeups.wait("news", 0.5) is False
    assert 0.4 < time.monotonic() - began < 2
    await wakeups.nudge("news")
    await wakeups.close()


async def test_nudges_before_the_end_are_sent(settings: Settings) -> None:
    assert settings.redis_url is not None
    url = settings.redis_url.get_secret_value()
    listener, speaker = Wakeups(url), Wakeups(url)
    waiting = asyncio.create_task(listener.wait("news", 3))
    await asyncio.sleep(0.3)
    await speaker.nudge("news")
    await speaker.close()
    assert await waiting is True
    await listener.close()


def test_a_breaker_pauses_longer_and_longer_and_forgets_at_an_answer() -> None:
    breaker = Breaker()
    assert not breaker.is_closed
    pauses: list[float] = []
    for _ in range(6):
        breaker.failed()
        assert breaker.is_closed
        pauses.append(breaker._pause_seconds)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    breaker.answered()
    breaker.failed()
    assert breaker._pause_seconds == 0.5


def test_what_arq_stores_is_json_and_of_an_error_the_class_alone() -> None:
    assert serialize({"r": LookupError("secret text"), "a": ("1",)}) == b'{"r":"LookupError","a":["1"]}'
