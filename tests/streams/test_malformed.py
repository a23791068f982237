"""Frames that no client sends on purpose: each is answered by the protocol's rules, none harms the hub or its other callers."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.api.conftest import Cast
from tests.streams.listening import EVENTS, Listener, Served, listen

pytestmark = pytest.mark.anyio

SEED = 20261124
CODES = {1002, 1003, 1007, 1009, 4400, 4401, 4403, 4409, 4429}
TYPES = [
    "connection_init",
    "connection_ack",
    "subscribe",
    "complete",
    "next",
    "error",
    "ping",
    "pong",
    "start",
]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    10**30,
    "",
    "x",
    "\u2028",
    "\ud800",
    "'; DROP TABLE",
    [],
    {},
    [[[[]]]],
    {"": {}},
    {"__proto__": {}},
]


def _frame(chance: random.Random) -> str | bytes:
    """A frame: bytes, broken JSON, JSON of another shape, or a message of the protocol with something odd in it."""
    lot = chance.random()
    if lot < 0.1:
        return chance.randbytes(chance.randint(0, 200))
    if lot < 0.2:
        return chance.choice(
            ["", "{", "[" * 5_000, '{"type":NaN}', '{"type":"ping","type":"pong"}', "\x00", "nul"]
        )
    if lot < 0.3:
        return json.dumps(chance.choice(ODD))
    message: dict[str, Any] = {"type": chance.choice([*TYPES, *ODD])}
    for name in ("id", "payload", "extra"):
        if chance.random() < 0.7:
            message[name] = chance.choice([*ODD, "1", "2", "i" * 500])
    if chance.random() < 0.5:
        payload: dict[str, Any] = {"query": EVENTS, "variables": {}, "operationName": None, "extensions": {}}
        message["payload"] = {
            name: chance.choice([value, value, chance.choice(ODD)])
            for name, value in payload.items()
            if chance.random() < 0.9
        }
    text = json.dumps(message)
    if chance.random() < 0.15:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", "\\", '"', "\u0000", "}"]) + text[at + 1 :]
    return text


async def _ended(listener: Listener) -> bool:
    """Whether the hub has closed the connection, as it must with a code of the protocol; else it must answer a ping."""
    try:
        await listener.send(type="ping")
        while (await listener.receive())["type"] != "pong":
            pass
    except ConnectionClosed:
        assert listener.connection.close_code in CODES
        return True
    return False


async def _trouble(web: Served, cast: Cast, count: int) -> None:
    chance = random.Random(SEED)
    sent = ended = 0
    async with listen(web.url, cast.both.api_key) as bystander:
        name = await bystander.subscribe(EVENTS)
        while sent < count:
            async with listen(web.url, cast.consumer.api_key, greets=chance.random() < 0.8) as listener:
                for _ in range(chance.randint(1, 6)):
                    sent += 1
                    try:
                        await listener.connection.send(_frame(chance))
                    except ConnectionClosed:
                        break
                if await _ended(listener):
                    ended += 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bystander.of(name)
        await bystander.send(type="ping")
        assert await bystander.receive() == {"type": "pong"}
    assert ended > count / 10
    async with httpx.AsyncClient(trust_env=False) as http:
        async with asyncio.timeout(15):
            while "hub_subscriptions 0.0" not in (await http.get(f"{web.url}/metrics")).text:
                await asyncio.sleep(0.1)


async def test_odd_frames_are_refused_and_harm_nobody(web: Served, cast: Cast) -> None:
    await _trouble(web, cast, 80)


@pytest.mark.long
async def test_3000_odd_frames_are_refused_and_harm_nobody(web: Served, cast: Cast) -> None:
    await _trouble(web, cast, 3_000)
