"""The web process: a Starlette app with /graphql, /health, /metrics, GraphiQL, request ids and safe headers."""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import structlog
from sqlalchemy.pool import QueuePool
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from hub import failures, migrate, observe
from hub.adapters.mail.mailbox import mailbox_routes
from hub.api import Api, build_schema
from hub.arrivals import Arrivals
from hub.calls import Authenticate, Rated
from hub.db import Database
from hub.domain import jobs, transparency
from hub.domain.fiscal_events import PostGroups
from hub.edge import Endpoint, Manners
from hub.limits import Limits
from hub.logpages import LogPages
from hub.means import Means
from hub.observe import Metrics
from hub.portal import Portal
from hub.rates import Rates
from hub.settings import Settings
from hub.streams import EventStreams, Seats, Sockets, Standings, Subscriptions
from hub.wiring import connect, mailbox_folder, make_means

log = structlog.get_logger(__name__)

STATIC = Path(__file__).parent / "static"
GRAPHQL_PATH = "/graphql"
# New objects before a young collection, young before middle ones, middle before full ones.
COLLECT_AFTER = (10_000, 20, 20)
READY_SECONDS_MAX = 2.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})
TRACE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

NOTHING_ALLOWED = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# GraphiQL's editor and its dialogs write style elements of their own; scripts come from here alone.
GRAPHIQL_ALLOWED = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SAFE_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": NOTHING_ALLOWED,
    b"cache-control": b"no-store",
}


def make_limits(settings: Settings) -> Limits:
    """The bounds of a document, from the settings."""
    return Limits(
        depth_max=settings.depth_max,
        tokens_max=settings.tokens_max,
        aliases_max=settings.aliases_max,
        root_mutations_max=settings.root_mutations_max,
        cost_max=settings.cost_max,
        document_chars_max=settings.document_chars_max,
        document_cache_bytes=settings.document_cache_bytes,
    )


class Traced:
    """Gives every request an id, the caller's own when it is sane, and every answer that id and safe headers.

    Whatever escapes an endpoint ends here: the caller reads a trace id, the log the rest.
    """

    def __init__(self, app: ASGIApp, *, encrypted: bool = False) -> None:
        self.app = app
        headers = dict(SAFE_HEADERS)
        if encrypted:
            headers[b"strict-transport-security"] = b"max-age=31536000"
        self._headers = list(headers.items())
        self._names = frozenset(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request or WebSocket; the lifespan passes through."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace_id = _trace_id(scope)
        scope.setdefault("state", {})["trace_id"] = trace_id
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = self._names.intersection([name for name, _ in message["headers"]])
                added = [pair for pair in self._headers if pair[0] not in given] if given else self._headers
                message["headers"] = [*message["headers"], *added, (b"x-request-id", trace_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_safely)
        except Exception as fault:  # noqa: BLE001 - the outermost edge: nothing inner gets past it
            failure = failures.of_fault(fault, trace_id)
            if started:
                raise ConnectionAbortedError from None
            await _answer({"errors": [failure.body]}, failure.status or 500)(scope, receive, send_safely)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace_id = _trace_id(scope)
        scope.setdefault("state", {})["trace_id"] = trace_id

        async def send_safely(message: Message) -> None:
            if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", trace_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_safely)
        except Exception as fault:  # noqa: BLE001 - the outermost edge: nothing inner gets past it
            failures.of_fault(fault, trace_id)
            raise ConnectionAbortedError from None


def _trace_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and TRACE_ID.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(16)


def _answer(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Scraping:
    """Who may read the metrics: whoever has the key; without a key everybody, but in production nobody."""

    key: str | None = field(repr=False)
    is_open: bool

    def refused(self, request: Request) -> Response | None:
        """The answer to somebody who may not."""
        if self.key is None:
            return None if self.is_open else _answer({"status": "not found"}, 404)
        given = request.headers.get("authorization", "").encode()
        if hmac.compare_digest(given, f"Bearer {self.key}".encode()):
            return None
        response = _answer({"status": "unauthorized"}, 401)
        response.headers["www-authenticate"] = "Bearer"
        return response


class Health:
    """Whether this process lives, and whether it can do its work now."""

    def __init__(self, db: Database, rates: Rates, metrics: Metrics, scraping: Scraping) -> None:
        self._db = db
        self._rates = rates
        self._metrics = metrics
        self._scraping = scraping

    async def live(self, _: Request) -> Response:
        """The process answers; nothing else is asked."""
        return _answer({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """200 when the database answers and is migrated to this code's version; Redis may be away."""
        database, migrations = await self._database()
        parts = {
            "database": database,
            "migrations": migrations,
            "redis": "ok" if await self._rates.ping() else "degraded",
        }
        is_ready = database == migrations == "ok"
        return _answer(
            {"status": "ready" if is_ready else "not ready", "parts": parts}, 200 if is_ready else 503
        )

    async def _database(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(READY_SECONDS_MAX), self._db.read() as read:
                revision = await migrate.revision(read)
        except Exception as fault:
            log.warning("not_ready", part="database", exc_info=fault)
            return "unreachable", "unknown"
        return "ok", "ok" if revision == migrate.head() else "behind"

    async def metrics(self, request: Request) -> Response:
        """What Prometheus scrapes; without the database only the numbers kept in this process."""
        if (refused := self._scraping.refused(request)) is not None:
            return refused
        counted: dict[str, int] | None = None
        try:
            async with asyncio.timeout(READY_SECONDS_MAX), self._db.read() as read:
                counted = {}
                for entry in await jobs.counts(read):
                    counted[entry.state] = counted.get(entry.state, 0) + entry.count
                self._metrics.logged(*await transparency.lag(read))
        except Exception as fault:  # a scrape must not fail because the database does
            log.warning("metrics_incomplete", exc_info=fault)
        self._metrics.measured(pool=_pool(self._db), jobs=counted, redis=not self._rates.degraded)
        self._metrics.read(reading=self._db.reading_counts, replica=_replica(self._db))
        return Response(self._metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def make_scraping(settings: Settings) -> Scraping:
    """Who may read the metrics, by the settings."""
    key = settings.metrics_key
    return Scraping(None if key is None else key.get_secret_value(), is_open=settings.mode == "development")


def _pool(db: Database) -> dict[str, int]:
    pool = db.engine.pool
    if not isinstance(pool, QueuePool):
        return {}
    return {"in_use": pool.checkedout(), "idle": pool.checkedin(), "size": pool.size()}


def _replica(db: Database) -> tuple[bool, dict[str, int]] | None:
    return None if db.replica is None else (db.replica.is_usable, db.replica.reads)


class Graphiql:
    """The developer's page in front of the endpoint: a browser's GET shows it, all else is GraphQL."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve GraphiQL to those who accept HTML."""
        accept = dict(scope["headers"]).get(b"accept", b"")
        if scope["method"] == "GET" and b"text/html" in accept:
            headers = {"content-security-policy": GRAPHIQL_ALLOWED}
            page = FileResponse(STATIC / "graphiql" / "index.html", headers=headers)
            await page(scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)


class LocalOnly:
    """Development's mailbox holds one-time codes: it answers callers on this very machine alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from a loopback address under a loopback name; all else is not found."""
        client = scope.get("client") or ("",)
        host = Headers(scope=scope).get("host", "").rsplit(":", 1)[0]
        if scope["type"] == "http" and client[0] in LOOPBACK and host in {*LOOPBACK, "localhost", "[::1]"}:
            await self._app(scope, receive, send)
        else:
            await Response(status_code=404)(scope, receive, send)


class Assets(StaticFiles):
    """Files whose names carry their version: a browser asks for each once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """The file, to be kept for ever."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class Web(Starlette):
    """The app, whose busiest path is known before any router looks at it: ``POST /graphql``."""

    def __init__(
        self,
        endpoint: Endpoint,
        paths: Sequence[BaseRoute],
        *,
        sockets: Sockets | None = None,
        end_streams: Callable[[], None] = lambda: None,
        lifespan: Lifespan[Starlette] | None = None,
        encrypted: bool = False,
    ) -> None:
        super().__init__(
            routes=paths, middleware=[Middleware(Traced, encrypted=encrypted)], lifespan=lifespan
        )
        self._posts = Traced(endpoint, encrypted=encrypted)
        self._sockets = None if sockets is None else Traced(sockets)
        self.end_streams = end_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "http" and scope["path"] == GRAPHQL_PATH and scope["method"] == "POST":
            await self._posts(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == GRAPHQL_PATH and self._sockets is not None:
            await self._sockets(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _own_url(settings: Settings) -> str | None:
    """Where browsers find the hub. In production it must be said: what follows the Host header, a stranger chooses."""
    if settings.mode == "production" and settings.public_url is None:
        raise ValueError("HUB_PUBLIC_URL is required in production")
    return settings.public_url


def _group_posts(settings: Settings, db: Database, means: Means, metrics: Metrics) -> PostGroups:
    """Single posts that share transactions, and the metrics that watch them."""
    posts = PostGroups(
        db,
        means,
        queue_max=settings.post_queue_max,
        group_max=settings.post_group_max,
        flushed=metrics.grouped,
    )
    metrics.watch_queue(lambda: posts.waiting)
    return posts


def create_app(settings: Settings, *, authenticate: Authenticate | None = None) -> Starlette:
    """The ASGI app; opens the pool at start-up and gives it back at the end.

    ``authenticate`` stands in for the registry's in tests of the edge.
    """
    db, wakeups = connect(settings)
    rates = Rates(settings.redis_url.get_secret_value() if settings.redis_url else "")
    metrics = Metrics()
    means = make_means(settings)
    posts = _group_posts(settings, db, means, metrics)
    api = Api(
        build_schema(),
        db,
        means,
        limits=make_limits(settings),
        rated=Rated(rates, settings.requests_per_minute, settings.anonymous_requests_per_minute),
        authenticate=authenticate,
        posts=posts,
    )

    arrivals, standings = Arrivals(db, wakeups), Standings(db)
    seats = Seats(settings.redis_url.get_secret_value() if settings.redis_url else "")
    metrics.watch_streams(lambda: seats.taken)
    subscriptions = Subscriptions(api, arrivals, seats)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await standings.close()
        await arrivals.close()
        await seats.close()
        await api.close()
        await rates.close()
        await wakeups.close()
        await db.close()

    manners = Manners(settings.body_bytes_max, _own_url(settings))
    endpoint = Endpoint(api, metrics, manners, EventStreams(api, subscriptions, standings))
    sockets = Sockets(api, subscriptions, standings, settings.public_url)
    found: list[BaseRoute] = [
        *routes(
            endpoint,
            Health(db, rates, metrics, make_scraping(settings)),
            development=settings.mode == "development",
        )
    ]
    found += LogPages(db, means).routes()
    found += Portal(api, public_url=settings.public_url, development=settings.mode == "development").routes()
    folder = mailbox_folder(settings)
    return Web(
        endpoint,
        [*found, Mount("/", LocalOnly(Router(mailbox_routes(folder))))] if folder else found,
        sockets=sockets,
        end_streams=standings.end_all,
        lifespan=lifespan,
        encrypted=(settings.public_url or "").startswith("https://"),
    )


def settle() -> None:
    """Put what start-up made out of the collector's sight, and let it look less often at what requests make.

    The schema and the modules are half a million objects that live as long as the process; each full collection
    would stop every request for as long as it takes to walk them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def routes(endpoint: Endpoint, health: Health, *, development: bool) -> list[Route | Mount]:
    """Every path of the hub."""
    found: list[Route | Mount] = [
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/metrics", health.metrics),
    ]
    if development:
        page = Graphiql(endpoint)
        assets = Assets(directory=STATIC / "graphiql")
        return [*found, Route(GRAPHQL_PATH, page), Mount("/static/graphiql", assets)]
    return [*found, Route(GRAPHQL_PATH, endpoint)]


def from_environment() -> Starlette:
    """What a server starts (``uvicorn --factory hub.app:from_environment``): settings, logs, app."""
    settings = Settings()
    observe.configure(
        development=settings.mode == "development", level=logging.getLevelNamesMapping()[settings.log_level]
    )
    app = create_app(settings)
    settle()
    return app
