"""A GraphQL caller as outsiders are: documents in, JSON out, over the app's ASGI interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from hub.app import create_app
from hub.settings import Settings


@dataclass
class Client:
    """Posts documents to one hub, as one caller."""

    http: httpx.AsyncClient
    token: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)

    def acting(self, token: str | None) -> Client:
        """The same hub, called with another API key (or none), without cookies."""
        return Client(self.http, token)

    async def send(self, document: str, **variables: Any) -> httpx.Response:
        """One POST; the whole response. Cookies the hub sets stay with this client."""
        headers = {"content-type": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers["origin"] = str(self.http.base_url).rstrip("/")
        response = await self.http.post(
            "/graphql", json={"query": document, "variables": variables}, headers=headers
        )
        self.cookies.update(response.cookies.items())
        self.http.cookies.clear()
        return response

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """``data`` of an operation that has no top-level errors."""
        answer = (await self.send(document, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def codes(self, document: str, **variables: Any) -> list[str]:
        """The codes of an operation's top-level errors."""
        answer = (await self.send(document, **variables)).json()
        return [error["extensions"]["code"] for error in answer.get("errors", [])]


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Client]:
    """A hub in this process, its lifespan running, reached over ASGI."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Client(http)
