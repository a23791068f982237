"""Subscriptions as server-sent events: GraphQL over SSE in its distinct connections mode.

``POST /graphql`` with ``Accept: text/event-stream``. Each answer is an event ``next`` whose id is the fact's number in
the log; ``Last-Event-ID`` goes on behind it. What cannot go on is told in a last ``next``, then comes ``complete``.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Receive, Send

from hub import failures
from hub.api import Api, refused
from hub.calls import Answer, Call
from hub.codes import Code
from hub.edge import STREAM_TYPE, Headers
from hub.errors import InvalidInput, Refusal
from hub.streams.standing import Standing, Standings, require_standing
from hub.streams.subscriptions import Refused, Running, Subscriptions

BEAT_SECONDS = 12.0
# A reader that takes nothing for so long is cut off; it comes back and goes on where it was.
STALLED_SECONDS = 60.0
LAST_SECONDS_MAX = 2.0
DIGITS_MAX = 18
HEADERS = [
    (b"content-type", f"{STREAM_TYPE}; charset=utf-8".encode()),
    # Proxies that gather answers would hold events back.
    (b"x-accel-buffering", b"no"),
]


class EventStreams:
    """Answers a request with an event stream, for as long as its caller listens and may."""

    def __init__(self, api: Api, subscriptions: Subscriptions, standings: Standings) -> None:
        self._api = api
        self._subscriptions = subscriptions
        self._standings = standings

    async def __call__(self, call: Call, headers: Headers, receive: Receive, send: Send) -> Answer | None:
        """Stream until either side ends it; an answer when it does not begin."""
        try:
            caller = require_standing(await self._api.identify(call, may_remember=False))
            resumed_after = _last_event(headers)
            with self._standings.hold(caller) as standing:
                async with self._subscriptions.begin(call, standing, resumed_after) as running:
                    await _stream(running, standing, receive, send)
        except Refused as refusal:
            return refusal.answer
        except Refusal as refusal:
            return refused(failures.of_refusal(refusal))
        except Exception as fault:  # noqa: BLE001 - an edge: whatever it is, the caller gets a trace id
            return refused(failures.of_fault(fault, call.trace_id))
        return None


def _last_event(headers: Headers) -> int | None:
    text = headers.get(b"last-event-id")
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise InvalidInput.because(Code.INPUT, "Last-Event-ID must be what an event's id said")
    return int(text)


class Wire:
    """What is sent to one reader, one piece after the other."""

    def __init__(self, running: Running, send: Send) -> None:
        self._running = running
        self._send = send
        self._turn = asyncio.Lock()

    async def tell(self) -> None:
        """Every answer, in order; at the end, if there is one, why."""
        try:
            async for page in self._running.pages():
                for told in page:
                    async with self._turn:
                        await self._put(b"event: next\nid: %d\ndata: %b\n\n" % (told.log_index, told.body))
                        self._running.told_to = told.log_index
        except Refused as refusal:
            await self.end(refusal.answer)

    async def beat(self) -> None:
        """Comments keep the connection open; an id without data moves the reader past what it may not see."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            async with self._turn:
                at = self._running.told_to
                await self._put(b":\n\n" if at < 0 else b":\nid: %d\n\n" % at)

    async def end(self, answer: Answer) -> None:
        """Why it ends, and that it has ended."""
        async with self._turn:
            last = b"event: next\ndata: %b\n\nevent: complete\ndata:\n\n" % answer.body
            await self._put(last, more_body=False)

    async def cut(self) -> None:
        """No more, and not why."""
        with contextlib.suppress(TimeoutError, OSError):
            await self._put(b"", more_body=False)

    async def _put(self, text: bytes, *, more_body: bool = True) -> None:
        async with asyncio.timeout(STALLED_SECONDS):
            await self._send({"type": "http.response.body", "body": text, "more_body": more_body})


async def _stream(running: Running, standing: Standing, receive: Receive, send: Send) -> None:
    """Send until the reader goes or stalls, may no longer listen, or nothing can come any more."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    wire = Wire(running, send)
    parts = [
        asyncio.create_task(wire.tell()),
        asyncio.create_task(wire.beat()),
        asyncio.create_task(_gone(receive)),
        asyncio.create_task(standing.ended.wait()),
    ]
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    if standing.refusal is None and standing.ended.is_set():
        # No `complete`: a reader that is cut off comes back and goes on.
        await wire.cut()
    elif standing.refusal is not None:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(LAST_SECONDS_MAX):
                await wire.end(refused(failures.of_refusal(standing.refusal)))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
