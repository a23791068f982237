"""What the edge tests share: a schema of their own that misbehaves on request, and a stand-in for the registry."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import strawberry
from sqlalchemy import text
from starlette.applications import Starlette
from strawberry.schema.config import StrawberryConfig

from hub.api import Api
from hub.app import Health, Web, make_limits, make_scraping, routes
from hub.calls import Rated
from hub.codes import Code
from hub.context import Info
from hub.db import Read
from hub.domain.registry.callers import Anonymous, Caller, Environment, SystemCaller, SystemRole
from hub.edge import Endpoint, Manners
from hub.errors import InvalidInput, NotAllowed, NotAuthenticated, NotFound, Problem, TooMany
from hub.means import Means
from hub.observe import Metrics
from hub.rates import Rates
from hub.resolvers.doors import door
from hub.schema.paging import Connection, Edge, PageInfo
from hub.schema.problems import Payload
from hub.schema.scalars import SCALARS, Amount, Bytes, Instant
from hub.settings import Settings
from hub.wiring import connect, make_means

SECRET = "PLANTED-hunter2-9f8e7d"
GOOD_KEY = "fhub_test_good"
SYSTEM_ID = uuid.UUID("0199f1c0-0000-7000-8000-000000000001")


@strawberry.type
class Thing:
    id: strawberry.ID
    name: str

    @strawberry.field
    def child(self) -> Thing:
        return Thing(id=self.id, name=self.name)

    @strawberry.field
    def things(self, first: int = 50) -> Connection[Thing]:
        return page(first)

    @strawberry.field
    def parts(self) -> list[Thing]:
        return [self]


def page(first: int) -> Connection[Thing]:
    """A page with one thing in it, however large."""
    thing = Thing(id=strawberry.ID("x"), name="x")
    return Connection(
        edges=[Edge(cursor="c", node=thing)][:first], page_info=PageInfo(has_next_page=False, end_cursor=None)
    )


@strawberry.type
class TestQuery:
    __test__ = False

    @strawberry.field
    def thing(self) -> Thing:
        return Thing(id=strawberry.ID("x"), name="x")

    @strawberry.field
    def things(self, first: int = 50) -> Connection[Thing]:
        return page(first)

    @strawberry.field(metadata={"cost": 70})  # type: ignore[untyped-decorator]
    def expensive(self) -> str:
        return "yes"

    @strawberry.field
    def echo(self, text: str, count: int | None = None) -> str | None:
        return text[:count]

    @strawberry.field
    def total(self, numbers: list[int]) -> int:
        return sum(numbers)

    @strawberry.field
    def who(self, info: Info) -> str:
        caller = info.context.caller
        return caller.unique_id if isinstance(caller, SystemCaller) else "nobody"

    @strawberry.field
    def trace(self, info: Info) -> str:
        return info.context.trace_id

    @strawberry.field
    def browser(self, info: Info) -> str:
        info.context.cookies_to_set.append("hub_session=fresh; Path=/; HttpOnly; SameSite=Strict")
        return info.context.browser_session

    @strawberry.field
    def explode(self) -> str | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    def unserialisable(self) -> Instant | None:
        return SECRET  # type: ignore[return-value]

    @strawberry.field
    def overflow(self) -> int | None:
        return 987_654_321_987

    @strawberry.field
    def missing(self) -> str:
        return None  # type: ignore[return-value]

    @strawberry.field
    def refuse(self, how: str) -> str | None:
        problem = Problem(Code.NOT_FOUND, "there is no such thing", ("id",))
        kinds: dict[str, Exception] = {
            "input": InvalidInput([problem, Problem(Code.CODE, "bad", ("code", 0))]),
            "absent": NotFound(problem),
            "forbidden": NotAllowed(Problem(Code.ROLE_NOT_ALLOWED, "no")),
            "nobody": NotAuthenticated(Problem(Code.UNAUTHENTICATED, "no key")),
            "many": TooMany(Problem(Code.RATE_LIMIT, "slow down"), retry_after_seconds=7),
        }
        raise kinds[how]

    @strawberry.field
    async def sleep(self, info: Info, seconds: float) -> str | None:
        async with info.context.db.read() as read:
            await read.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
        return "slept"

    @strawberry.field
    async def fail_in_sql(self, info: Info, value: str) -> str | None:
        async with info.context.db.read() as read:
            await read.execute(text("SELECT CAST(CAST(:value AS text) AS integer)"), {"value": value})
        return "never"


@strawberry.input
class ItemInput:
    amount: Amount
    proof: Bytes | None = None
    count: int = 0


@strawberry.input
class BatchInput:
    items: list[ItemInput]
    note: str | None = None


@strawberry.type
class BatchPayload(Payload):
    results: list[Thing] | None = None


@strawberry.type
class TestMutation:
    __test__ = False

    @strawberry.mutation
    @door
    async def post(self, input: BatchInput) -> BatchPayload:  # noqa: A002
        if input.note == "refuse":
            raise InvalidInput.because(Code.AMOUNT, "no", "items", 0, "amount")
        return BatchPayload(results=[])

    @strawberry.mutation
    def touch(self, name: str = "x") -> str | None:
        return name


def make_schema() -> strawberry.Schema:
    """The misbehaving schema."""
    return strawberry.Schema(
        query=TestQuery, mutation=TestMutation, config=StrawberryConfig(scalar_map=SCALARS)
    )


async def authenticate(
    read: Read, means: Means, *, authorization: str | None, session: str | None, address: str
) -> Caller:
    """One good key, one good session, nobody else: what the registry does, without its tables."""
    assert means.domain
    assert read.now
    if authorization == f"Bearer {GOOD_KEY}" or session == "good-session":
        return SystemCaller(
            system_id=SYSTEM_ID,
            unique_id="mgramseva@punjab.ifix.org",
            agency_id=uuid.uuid4(),
            tenant_id=uuid.uuid4(),
            environment=Environment.TEST,
            roles=frozenset(SystemRole),
            key_id=SYSTEM_ID,
        )
    if authorization is None and session is None:
        return Anonymous(address)
    raise NotAuthenticated.because(Code.UNAUTHENTICATED, Code.UNAUTHENTICATED.summary)


@dataclass
class Outsider:
    """Sends raw requests to an edge."""

    http: httpx.AsyncClient
    app: Starlette
    metrics: Metrics
    rates: Rates
    api: Api

    async def raw(self, body: bytes | str, **headers: str) -> httpx.Response:
        """POST these bytes."""
        sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.post("/graphql", content=body, headers=sent)

    async def send(self, query: str, variables: Any = None, **headers: str) -> httpx.Response:
        """POST a document."""
        return await self.raw(json.dumps({"query": query, "variables": variables}), **headers)

    async def codes(self, query: str, variables: Any = None) -> list[str]:
        """The codes of the top-level errors."""
        answer = (await self.send(query, variables)).json()
        return [error["extensions"]["code"] for error in answer.get("errors", [])]


@asynccontextmanager
async def edge(settings: Settings, **changes: Any) -> AsyncIterator[Outsider]:
    """The whole edge of the hub around the misbehaving schema."""
    settings = settings.model_copy(update=changes)
    assert settings.redis_url is not None
    db, wakeups = connect(settings)
    rates = Rates(settings.redis_url.get_secret_value())
    metrics = Metrics()
    api = Api(
        make_schema(),
        db,
        make_means(settings),
        limits=make_limits(settings),
        rated=Rated(rates, settings.requests_per_minute, settings.anonymous_requests_per_minute),
        authenticate=authenticate,
    )
    endpoint = Endpoint(api, metrics, Manners(settings.body_bytes_max, settings.public_url))
    development = settings.mode == "development"
    app = Web(
        endpoint,
        routes(endpoint, Health(db, rates, metrics, make_scraping(settings)), development=development),
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield Outsider(http, app, metrics, rates, api)
    finally:
        await rates.close()
        await wakeups.close()
        await db.close()
