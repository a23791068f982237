"""Outsiders that listen: a WebSocket by a client library of others, an event stream read line by line."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from hub.app import create_app
from hub.cli import Server
from hub.settings import Settings

PROTOCOL = "graphql-transport-ws"
NEWS_SECONDS_MAX = 15.0
FEED = """
subscription ($after: BigInt, $kinds: [LeafKind!]) {
  feed(after: $after, kinds: $kinds) {
    logIndex kind
    fact {
      __typename
      ... on Posting { id }
      ... on SignatureAdded { posting { id } signature { purpose system } }
      ... on MessageRead { message { id } system isRead }
    }
  }
}"""
EVENTS = "subscription ($after: BigInt) { fiscalEvents(after: $after) { logIndex event { id } } }"


@dataclass
class Served:
    """A hub that answers on a port."""

    app: Starlette
    port: int
    server: uvicorn.Server

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Served]:
    """The hub in this process and loop, behind the server it is run with."""
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=1, ws_max_size=128 * 1024
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Served(app, listener.getsockname()[1], server)
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class Listener:
    """One WebSocket and what came over it."""

    connection: ClientConnection
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _came: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, **message: Any) -> None:
        """Send one message of the protocol."""
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message of any kind."""
        async with asyncio.timeout(NEWS_SECONDS_MAX):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def subscribe(self, document: str, **variables: Any) -> str:
        """Begin a subscription; its id."""
        name = str(next(self._ids))
        await self.send(id=name, type="subscribe", payload={"query": document, "variables": variables})
        return name

    async def of(self, name: str, kind: str = "next") -> Any:
        """The payload of the next message of a subscription, which must be of this kind; pings are passed over."""
        while True:
            for place, message in enumerate(self._came):
                if message["id"] == name:
                    del self._came[place]
                    assert message["type"] == kind, message
                    return message["payload"]
            message = await self.receive()
            if message["type"] != "ping":
                self._came.append(message)

    async def data(self, name: str) -> dict[str, Any]:
        """The one root value of the next answer, which must have no errors."""
        payload = await self.of(name)
        assert "errors" not in payload, payload["errors"]
        (value,) = payload["data"].values()
        found: dict[str, Any] = value
        return found


@asynccontextmanager
async def listen(
    url: str,
    token: str | None,
    *,
    protocols: tuple[str, ...] = (PROTOCOL,),
    headers: Mapping[str, str] | None = None,
    payload: Mapping[str, Any] | None = None,
    greets: bool = True,
) -> AsyncIterator[Listener]:
    """A WebSocket that has said who it is, in the handshake unless ``payload`` does."""
    shown = dict(headers or {})
    if token is not None:
        shown["authorization"] = f"Bearer {token}"
    async with connect(
        url.replace("http://", "ws://") + "/graphql",
        subprotocols=list(protocols),  # type: ignore[arg-type]
        additional_headers=shown,
        proxy=None,
        max_queue=4,
    ) as connection:
        listener = Listener(connection)
        if greets:
            await listener.send(type="connection_init", payload=payload)
            assert (await listener.receive())["type"] == "connection_ack"
        yield listener


@dataclass
class Event:
    """One server-sent event."""

    name: str
    id: str | None
    data: Any


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    """Read events as the specification says; comments and events without data are passed over."""
    name, last, data = "message", None, ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("id: "):
            last = line[4:]
        elif line.startswith("data: "):
            data += line[6:]
        elif line == "":
            if data:
                yield Event(name, last, json.loads(data))
            elif name == "complete":
                yield Event(name, last, None)
            name, data = "message", ""


@asynccontextmanager
async def streamed(
    url: str, token: str | None, document: str, *, last_event: str | None = None, **variables: Any
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Event]]]:
    """An event stream of one subscription."""
    headers = {"accept": "text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if last_event is not None:
        headers["last-event-id"] = last_event
    async with (
        httpx.AsyncClient(timeout=2 * NEWS_SECONDS_MAX, trust_env=False) as http,
        http.stream(
            "POST",
            f"{url}/graphql",
            json={"query": document, "variables": variables},
            headers=headers,
        ) as response,
    ):
        yield response, events_of(response)
