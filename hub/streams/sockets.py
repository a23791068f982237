"""Subscriptions over a WebSocket by the protocol graphql-transport-ws; the older graphql-ws is not spoken.

4400  a message that is none of the protocol's      4408  no connection_init within ten seconds
4401  subscribe before connection_ack               4409  an id that is in use
4403  not, or no longer, allowed; says the code     4429  too many connections, or connection_init twice
4406  another subprotocol
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from hub import failures
from hub.api import Api, refused
from hub.calls import Answer, Call
from hub.domain.registry import PersonCaller, SystemCaller
from hub.edge import BadRequest, Headers, check_origin, own_cookies, parse_request
from hub.errors import Refusal, TooMany
from hub.kit import strict_json
from hub.resolvers.registration import SESSION_COOKIE
from hub.streams.standing import Standing, Standings, require_standing
from hub.streams.subscriptions import Refused, Running, Subscriptions

log = structlog.get_logger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS_MAX = 10.0
BEAT_SECONDS = 12.0
STALLED_SECONDS = 60.0
CLOSE_SECONDS_MAX = 2.0
MESSAGE_CHARS_MAX = 128 * 1024
CONNECTIONS_MAX = 20
ID_CHARS_MAX = 128
REASON_BYTES_MAX = 123


class Closed(Exception):
    """The connection ends with this code; None: the other side has ended it."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Means:
    """What every connection of a process uses."""

    api: Api
    subscriptions: Subscriptions
    standings: Standings
    public_url: str | None = None


class Sockets:
    """``/graphql`` as a WebSocket; a plain ASGI app."""

    def __init__(
        self, api: Api, subscriptions: Subscriptions, standings: Standings, public_url: str | None = None
    ) -> None:
        self._means = Means(api, subscriptions, standings, public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        await receive()
        headers, client = Headers(scope["headers"]), scope.get("client")
        call = Call(
            document="",
            variables={},
            operation_name=None,
            trace_id=scope["state"]["trace_id"],
            authorization=headers.get(b"authorization"),
            address=client[0] if client else "",
        )
        try:
            if call.authorization is None:
                session = own_cookies(headers.cookies).get(SESSION_COOKIE) if headers.cookies else None
                check_origin(headers, session, self._means.public_url)
                call = replace(call, session=session)
        except BadRequest as bad:
            await _deny(scope, send, bad)
            return
        spoken = PROTOCOL in scope.get("subprotocols", ())
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL if spoken else None})
        if not spoken:
            await _close(send, Closed(4406, "Subprotocol not acceptable"))
            return
        try:
            await Connection(self._means, call, receive, send).serve()
        except Closed as closed:
            if closed.code is not None:
                await _close(send, closed)


async def _deny(scope: Scope, send: Send, bad: BadRequest) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    body = orjson.dumps({"errors": [failures.plain(bad.code, str(bad))]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": bad.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _close(send: Send, closed: Closed) -> None:
    """Say why; who does not even take that in is left alone."""
    reason = closed.reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await send({"type": "websocket.close", "code": closed.code, "reason": reason})


class Connection:
    """One open WebSocket and what is subscribed to over it."""

    def __init__(self, means: Means, call: Call, receive: Receive, send: Send) -> None:
        self._means = means
        self._call = call
        self._receive = receive
        self._send_message = send
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._broken = asyncio.Event()
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """The greeting, then everything else, until somebody ends it; always raises Closed."""
        try:
            async with asyncio.timeout(INIT_SECONDS_MAX):
                caller = await self._greeted()
        except TimeoutError:
            raise Closed(4408, "Connection initialisation timeout") from None
        if self._means.standings.count(caller) >= CONNECTIONS_MAX:
            raise Closed(4429, "Too many connections")
        with self._means.standings.hold(caller) as standing:
            await self._send(b'{"type":"connection_ack"}')
            await self._converse(standing)

    async def _greeted(self) -> SystemCaller | PersonCaller:
        """Who it is: by connection_init's payload, else as the handshake said."""
        message = await self._next()
        if message["type"] == "subscribe":
            raise Closed(4401, "Unauthorized")
        if message["type"] != "connection_init":
            raise Closed(4400, "connection_init is expected")
        payload = message.get("payload")
        given = (
            payload.get("authorization", payload.get("Authorization")) if isinstance(payload, dict) else None
        )
        if given is not None:
            if not isinstance(given, str):
                raise Closed(4400, "authorization must be a string")
            self._call = replace(self._call, authorization=given, session=None)
        try:
            return require_standing(await self._means.api.identify(self._call, may_remember=False))
        except TooMany as refusal:
            raise Closed(4429, refusal.problems[0].code.value) from None
        except Refusal as refusal:
            raise Closed(4403, refusal.problems[0].code.value) from None
        except Exception as fault:  # noqa: BLE001 - an edge: whatever it is, the log tells more
            raise Closed(1011, failures.of_fault(fault, self._call.trace_id).code) from None

    async def _converse(self, standing: Standing) -> None:
        parts = [
            asyncio.create_task(self._listen(standing)),
            asyncio.create_task(self._beat()),
            asyncio.create_task(standing.ended.wait()),
            asyncio.create_task(self._broken.wait()),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            everything = [*parts, *self._tasks.values()]
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
        if standing.refusal is not None:
            raise Closed(4403, standing.refusal.problems[0].code.value)
        if standing.ended.is_set():
            raise Closed(1012, "Service restart")
        if self._broken.is_set():
            raise Closed(None)
        for part in parts:
            if not part.cancelled() and (fault := part.exception()) is not None:
                raise fault

    async def _listen(self, standing: Standing) -> None:
        while True:
            message = await self._next()
            match message["type"]:
                case "subscribe":
                    self._subscribe(message, standing)
                case "complete":
                    name = _id_of(message)
                    self._running.pop(name, None)
                    task = self._tasks.pop(name, None)
                    if task is not None:
                        task.cancel()
                case "ping":
                    await self._send(b'{"type":"pong"}')
                case "pong":
                    pass
                case "connection_init":
                    raise Closed(4429, "Too many initialisation requests")
                case _:
                    raise Closed(4400, "Unknown message type")

    def _subscribe(self, message: dict[str, Any], standing: Standing) -> None:
        name = _id_of(message)
        if name in self._tasks:
            raise Closed(4409, f"Subscriber for {name} already exists")
        if len(self._tasks) > CONNECTIONS_MAX:
            raise Closed(4429, "Too many operations")
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise Closed(4400, "payload must be an object")
        try:
            request = parse_request(payload)
        except BadRequest as bad:
            raise Closed(4400, str(bad)) from None
        call = replace(
            self._call,
            document=request["query"],
            variables=request["variables"],
            operation_name=request["operationName"],
        )
        self._tasks[name] = asyncio.create_task(self._run(name, call, standing))

    async def _run(self, name: str, call: Call, standing: Standing) -> None:
        """One subscription; whatever ends it is told, but for the caller's own wish."""
        encoded = orjson.dumps(name)
        try:
            await self._means.api.count(standing.caller)
            async with self._means.subscriptions.begin(call, standing) as running:
                self._running[name] = running
                async for page in running.pages():
                    for told in page:
                        await self._send(b'{"id":%b,"type":"next","payload":%b}' % (encoded, told.body))
                        running.told_to = told.log_index
        except Closed:
            self._broken.set()
        except Refused as refusal:
            await self._fail(encoded, refusal.answer)
        except Refusal as refusal:
            await self._fail(encoded, refused(failures.of_refusal(refusal)))
        except Exception as fault:  # noqa: BLE001 - an edge: whatever it is, the caller gets a trace id
            await self._fail(encoded, refused(failures.of_fault(fault, call.trace_id)))
        finally:
            # Its id may be another subscription's by now, if its caller ended it.
            if self._tasks.get(name) is asyncio.current_task():
                del self._tasks[name]
                self._running.pop(name, None)

    async def _fail(self, name: bytes, answer: Answer) -> None:
        errors = orjson.dumps(orjson.loads(answer.body)["errors"])
        with contextlib.suppress(Closed):
            await self._send(b'{"id":%b,"type":"error","payload":%b}' % (name, errors))

    async def _beat(self) -> None:
        """Pings that also tell how far each subscription has come, past what its caller may not see."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            places = {name: str(at.told_to) for name, at in self._running.items() if at.told_to >= 0}
            await self._send(orjson.dumps({"type": "ping", "payload": {"scannedTo": places}}))

    async def _next(self) -> dict[str, Any]:
        """The next message; raises Closed when there is none, or it is not one."""
        event = await self._receive()
        if event["type"] != "websocket.receive":
            raise Closed(None)
        text = event.get("text")
        if not isinstance(text, str) or len(text) > MESSAGE_CHARS_MAX:
            raise Closed(4400, "Messages are texts of moderate length")
        try:
            message = strict_json.load(text.encode())
        except (strict_json.NotStrict, UnicodeEncodeError):
            raise Closed(4400, "Invalid message") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(4400, "Invalid message")
        return message

    async def _send(self, message: bytes) -> None:
        """Send, as fast as the other side takes it in; who takes nothing for a minute is cut off."""
        try:
            async with asyncio.timeout(STALLED_SECONDS), self._sending:
                await self._send_message({"type": "websocket.send", "text": message.decode()})
        except (TimeoutError, OSError):
            raise Closed(None) from None


def _id_of(message: dict[str, Any]) -> str:
    name = message.get("id")
    if not isinstance(name, str) or not 1 <= len(name) <= ID_CHARS_MAX:
        raise Closed(4400, "id must be a short string")
    return name
