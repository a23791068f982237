"""A webhook receiver as a system runs one: real HTTP, keeps what it got, and answers as it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


@dataclass
class Receiver:
    """Answers challenges truly and all else by ``answers`` (status, headers), the last of which stays."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    slow_seconds: float = 0.0
    is_true: bool = True
    in_flight: int = 0
    in_flight_max: int = 0
    challenges: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def facts(self) -> list[Got]:
        return [each for each in self.got if json.loads(each.body)["type"] != "webhook.challenge"]

    async def take(self, request: Request) -> Response:
        got = Got(request.url.path, dict(request.headers.items()), await request.body())
        self.got.append(got)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            said = json.loads(got.body)
            if said["type"] == "webhook.challenge":
                self.challenges.append(said["challenge"])
                answer = said["challenge"] if self.is_true else "something else"
                return Response(json.dumps({"challenge": answer}), media_type="application/json")
            await asyncio.sleep(self.slow_seconds)
            status, headers = (200, {}) if not self.answers else self.answers[0]
            if len(self.answers) > 1:
                self.answers.pop(0)
            return Response(f"answered {status}", status_code=status, headers=headers)
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, until the test ends."""
    receiver = Receiver()
    app = Starlette(routes=[Route("/{path:path}", receiver.take, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        receiver.port = listening.getsockname()[1]
        task = asyncio.create_task(server._serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield receiver
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 10)
