"""Bodies of 16 MB from a caller we know: read or refused without holding up everybody else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from hub.edge import VALUES_MAX
from hub.settings import Settings
from tests.api.edge import GOOD_KEY, Outsider, edge

pytestmark = pytest.mark.anyio

BYTES = 16 * 1024 * 1024 - 1_000
# How much longer a body may hold this thread than the standard library takes for 16 MB of small objects:
# measured beside it in the same process, as both grow with the machine's load and the collector's work.
# What is built per object in Python takes some eight times as long; what is there takes less than once.
HELD_MAX = 3
ECHO = "query ($numbers: [Int!]!) { total(numbers: $numbers) }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings, requests_per_minute=100_000) as outsider:
        yield outsider


def body(filling: Callable[[int], str], separator: str = ",", most: int = 10**9) -> bytes:
    """A request whose variables are filled up to the limit."""
    size = len(filling(10**6)) + len(separator)
    entries = separator.join(filling(i) for i in range(10**6, 10**6 + min(BYTES // size, most)))
    return f'{{"query":{json.dumps(ECHO)},"variables":{{"numbers":[],"rows":[{entries}]}}}}'.encode()


BODIES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "small objects": (lambda: body(lambda _: '{"a":1}'), 400, "more than"),
    "as many members as are read": (
        lambda: body(lambda i: f'{{"{i}":{{}}}}', most=VALUES_MAX // 4),
        400,
        "entries",
    ),
    "one name again and again": (lambda: body(lambda _: '{"a":1,"a":2}', most=VALUES_MAX // 4), 400, "twice"),
    "numbers without end": (lambda: body(lambda i: str(i) * 600), 400, "endless"),
    "texts full of commas": (lambda: body(lambda _: '",,,,,,,,\\",' + "," * 1_000 + '"'), 200, ""),
    "open brackets": (lambda: body(lambda _: "[", ""), 400, "more than"),
    "escapes": (lambda: body(lambda _: '"' + "\\u0000\\\\" * 10_000 + '"'), 200, ""),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_large_body_holds_nobody_up(hub: Outsider, name: str) -> None:
    made, status, word = BODIES[name]
    sent = made()
    plain = seconds_of_plain_reading()
    response, held = await held_while(hub, sent)
    assert response.status_code == status, response.text[:300]
    assert word in response.text
    assert held < HELD_MAX * plain


def seconds_of_plain_reading() -> float:
    sent = BODIES["small objects"][0]()
    start = time.thread_time()
    json.loads(sent)
    return time.thread_time() - start


async def held_while(hub: Outsider, sent: bytes) -> tuple[httpx.Response, float]:
    """The answer, and the longest time this thread was busy without giving way."""
    held, asked = 0.0, asyncio.create_task(hub.raw(sent, authorization=f"Bearer {GOOD_KEY}"))
    while not asked.done():
        start = time.thread_time()
        await asyncio.sleep(0)
        held = max(held, time.thread_time() - start)
    return await asked, held
