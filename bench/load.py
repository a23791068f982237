"""Load over HTTP/1.1: finished requests over kept-alive sockets, as fast as answers come, or at a fixed rate."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
CHUNKED = b"transfer-encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"
# No answer of any server here has these bytes unless something was refused: empty lists of problems are `[]`.
REFUSED = b'"errors":[{'
SAMPLES_MAX = 12
DRAIN_SECONDS = 30.0
TICK_SECONDS = 0.0005


class LoadFailed(Exception):
    """A server answered with something else than asked for, or not at all."""


@dataclass(slots=True)
class Measured:
    """One round: what was answered, in how long, and how long each answer took."""

    seconds: float
    latencies: list[float] = field(repr=False)
    samples: list[tuple[int, bytes]] = field(repr=False)
    failures: list[bytes] = field(repr=False)
    received_bytes: int = 0

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def milliseconds(self, quantile: float) -> float:
        """The latency that this share of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str = "/graphql"
    headers: tuple[tuple[str, str], ...] = ()

    def request(self, body: bytes) -> bytes:
        """A whole request, ready to be written to a socket."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += ["Content-Type: application/json", "Accept: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class _Round:
    """What all connections of a round share: the requests still to send, and what came back."""

    def __init__(self, requests: Sequence[bytes], *, again: bool, until: float) -> None:
        numbered = enumerate(requests)
        self.pending: Iterator[tuple[int, bytes]] = cycle(list(numbered)) if again else iter(numbered)
        self.until = until
        self.sample_every = max(1, len(requests) // SAMPLES_MAX) if not again else 1
        self.measured = Measured(0.0, [], [], [])
        self.ended = 0.0

    def next(self, now: float) -> tuple[int, bytes] | None:
        return next(self.pending, None) if now < self.until else None

    def answered(self, number: int, head: bytes, body: bytes, seconds: float) -> None:
        measured = self.measured
        if head[9:12] != b"200" or REFUSED in body:
            if len(measured.failures) < SAMPLES_MAX:
                measured.failures.append(head[:40] + b" ... " + body[:1500])
            return
        measured.latencies.append(seconds)
        measured.received_bytes += len(body)
        if len(measured.samples) < SAMPLES_MAX and number % self.sample_every == 0:
            measured.samples.append((number, body))


class _Connection(asyncio.Protocol):
    """One kept-alive socket; carries one request at a time."""

    def __init__(self, shared: _Round, freed: deque[_Connection] | None = None) -> None:
        self._round = shared
        self._freed = freed
        self._parts: list[bytes] = []
        self._size = 0
        self._expected = -1  # bytes of the whole answer; -2: chunked
        self._head_size = 0
        self._since = 0.0
        self._number = -1
        self.done = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def begin(self) -> None:
        """Send the next request of a closed loop, or be done."""
        now = time.perf_counter()
        following = self._round.next(now)
        if following is None:
            self._finish()
        else:
            self.send(*following, since=now)

    def send(self, number: int, request: bytes, *, since: float) -> None:
        """Send one request; its latency counts from ``since``."""
        self._number, self._since = number, since
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._expected == -1 and not self._read_head():
            return
        if self._expected >= 0:
            if self._size < self._expected:
                return
        elif not (self._parts[-1].endswith(LAST_CHUNK) or b"".join(self._parts).endswith(LAST_CHUNK)):
            return
        self._answer()

    def _read_head(self) -> bool:
        whole = b"".join(self._parts)
        self._parts = [whole]
        end = whole.find(HEAD_END)
        if end < 0:
            return False
        head = whole[:end].lower()
        self._head_size = end + len(HEAD_END)
        at = head.find(LENGTH)
        if at >= 0:
            line = head[at + len(LENGTH) :].split(b"\r\n", 1)[0]
            self._expected = self._head_size + int(line)
        elif CHUNKED in head:
            self._expected = -2
        else:
            raise LoadFailed(f"an answer without a length: {head[:200]!r}")
        return True

    def _answer(self) -> None:
        now = time.perf_counter()
        whole = b"".join(self._parts)
        head, body = whole[: self._head_size], whole[self._head_size :]
        if self._expected == -2:
            body = _unchunk(body)
        self._parts, self._size, self._expected = [], 0, -1
        self._round.ended = now
        self._round.answered(self._number, head, body, now - self._since)
        self._number = -1
        if self._freed is None:
            self.begin()
        else:
            self._freed.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0 and not self.done.done():
            self.done.set_exception(LoadFailed(f"the server closed a connection under load: {exc}"))
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _unchunk(body: bytes) -> bytes:
    parts = []
    at = 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end].split(b";")[0], 16)
        if size == 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


async def _connect(
    target: Target, shared: _Round, count: int, freed: deque[_Connection] | None = None
) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(shared, freed), target.host, target.port)
        for _ in range(count)
    ]
    return [protocol for _, protocol in made]


async def closed_loop(
    target: Target,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    again: bool = True,
) -> Measured:
    """
    Each connection sends its next request when the one before is answered, for so many seconds.

    ``again`` repeats the requests from the first; else the round also ends with the last of them. The rate counts to
    the last answer. Raises LoadFailed when the server goes away.
    """
    shared = _Round(requests, again=again, until=float("inf"))
    opened = await _connect(target, shared, min(connections, len(requests)) if not again else connections)
    begun = time.perf_counter()
    shared.until = begun + seconds
    for connection in opened:
        connection.begin()
    try:
        async with asyncio.timeout(seconds + DRAIN_SECONDS):
            await asyncio.gather(*(connection.done for connection in opened))
    except TimeoutError:
        raise LoadFailed(f"requests were not answered within {DRAIN_SECONDS:.0f} s") from None
    finally:
        for connection in opened:
            connection.transport.abort()
    shared.measured.seconds = shared.ended - begun
    return shared.measured


async def open_loop(
    target: Target, requests: Sequence[bytes], *, connections: int, rate: float, seconds: float
) -> Measured:
    """
    Requests fall due at a fixed rate, whatever the server does; each latency counts from when it was due.

    A request that finds no free connection waits for one, and its wait counts.
    """
    shared = _Round(requests, again=False, until=float("inf"))
    free: deque[_Connection] = deque()
    opened = await _connect(target, shared, connections, free)
    free.extend(opened)
    begun = time.perf_counter()
    total = min(len(requests), int(rate * seconds))
    sent = 0
    try:
        async with asyncio.timeout(seconds + DRAIN_SECONDS):
            while sent < total:
                now = time.perf_counter()
                while sent < total and free and (due := begun + sent / rate) <= now:
                    free.popleft().send(sent, requests[sent], since=due)
                    sent += 1
                await asyncio.sleep(TICK_SECONDS)
            while len(free) < connections:
                await asyncio.sleep(TICK_SECONDS)
    except TimeoutError:
        raise LoadFailed(f"the server did not keep up with {rate:.0f} requests a second") from None
    finally:
        for connection in opened:
            connection.transport.abort()
    shared.measured.seconds = shared.ended - begun
    return shared.measured
