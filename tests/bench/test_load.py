"""The load generator against a small real server: what it counts, and what it refuses to count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import LoadFailed, Target, closed_loop, open_loop

pytestmark = pytest.mark.anyio
Answer = Callable[[bytes], bytes]


def plain(body: bytes, status: str = "200 OK") -> bytes:
    """An answer with a length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    """The same answer in two chunks."""
    parts = (body[:5], body[5:])
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[Target, list[bytes]]]:
    """A server that gives ``answer`` to every request body; the bodies it saw come along."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                seen.append(await reader.readexactly(length))
                writer.write(answer(seen[-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1], headers=(("X-Key", "1"),)), seen
    finally:
        server.close()


async def test_each_request_is_sent_once_and_every_answer_counted() -> None:
    async with answering(lambda body: plain(b'{"data":' + body + b"}")) as (target, seen):
        requests = [target.request(json.dumps(number).encode()) for number in range(20)]
        measured = await closed_loop(target, requests, connections=4, seconds=10, again=False)
    assert sorted(map(int, seen)) == list(range(20))
    assert measured.requests == 20
    assert measured.failures == []
    assert {(number, json.loads(body)["data"]) for number, body in measured.samples} <= {
        (number, number) for number in range(20)
    }
    assert measured.milliseconds(0.5) <= measured.milliseconds(0.99)


async def test_a_chunked_answer_is_put_together() -> None:
    async with answering(lambda _: chunked(b'{"data":{"a":1}}')) as (target, _):
        measured = await closed_loop(target, [target.request(b"{}")], connections=1, seconds=10, again=False)
    assert measured.samples == [(0, b'{"data":{"a":1}}')]


async def test_refusals_are_failures_and_no_rate() -> None:
    def answer(body: bytes) -> bytes:
        match body:
            case b"1":
                return plain(b'{"data":{"x":{"errors":[{"code":"AMOUNT"}]}}}')
            case b"2":
                return plain(b"{}", "503 Service Unavailable")
        return plain(b'{"data":{"x":{"errors":[]}}}')

    async with answering(answer) as (target, _):
        requests = [target.request(body) for body in (b"0", b"1", b"2")]
        measured = await closed_loop(target, requests, connections=1, seconds=10, again=False)
    assert measured.requests == 1
    assert len(measured.failures) == 2


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.load.DRAIN_SECONDS", 0.1)
    async with answering(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12") as (target, _):
        with pytest.raises(LoadFailed, match="not answered"):
            await closed_loop(target, [target.request(b"{}")], connections=1, seconds=0.1, again=False)


async def test_a_late_request_counts_from_when_it_was_due() -> None:
    """One connection, two requests due at once: the second waits, and its wait counts."""
    async with answering(lambda _: plain(b"{}")) as (target, seen):
        requests = [target.request(str(number).encode()) for number in range(10)]
        measured = await open_loop(target, requests, connections=1, rate=1_000_000, seconds=0.00001)
    assert seen == [str(number).encode() for number in range(10)]
    assert measured.latencies == sorted(measured.latencies)
