"""A visitor without scripts: gets pages, fills forms, follows redirects, keeps cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from hub.app import create_app
from hub.settings import Settings

ORIGIN = "http://hub"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@dataclass
class Page:
    """What came back."""

    status: int
    path: str
    html: str
    headers: httpx.Headers

    @property
    def text(self) -> str:
        """The words of the page, without its marks."""
        parser = _Text()
        parser.feed(self.html)
        return " ".join(parser.words)


@dataclass
class Visitor:
    """One browser."""

    http: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Page:
        """A page, redirects followed."""
        return await self._follow(await self._send("GET", path))

    async def post(self, path: str, **form: str | list[str]) -> Page:
        """A form sent from one of the hub's own pages, redirects followed."""
        return await self._follow(await self._send("POST", path, data=form, origin=ORIGIN))

    async def post_from(self, origin: str | None, path: str, **form: str) -> Page:
        """A form sent from elsewhere."""
        return await self._follow(await self._send("POST", path, data=form, origin=origin))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str | list[str]] | None = None,
        origin: str | None = None,
    ) -> httpx.Response:
        headers = dict(self.headers)
        if origin is not None:
            headers["origin"] = origin
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = await self.http.request(method, path, data=data, headers=headers)
        for name, value in response.cookies.items():
            self.cookies[name] = value
        for line in response.headers.get_list("set-cookie"):
            if "Max-Age=0" in line:
                self.cookies.pop(line.partition("=")[0], None)
        self.http.cookies.clear()
        return response

    async def _follow(self, response: httpx.Response) -> Page:
        for _ in range(5):
            if not response.is_redirect:
                break
            response = await self._send("GET", response.headers["location"])
        return Page(response.status_code, response.url.raw_path.decode(), response.text, response.headers)


@asynccontextmanager
async def browse(settings: Settings) -> AsyncIterator[Visitor]:
    """A visitor of a hub in this process."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield Visitor(http)
