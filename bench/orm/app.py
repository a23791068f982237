"""The server: ``uvicorn bench.orm.app:app``. No policy, no signatures, no limits: rows in, rows out."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
import strawberry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.scalars import JSON
from strawberry.types import Info

from bench.orm.rows import InboxEntry, Posting, PostingLine, PostingSignature, column
from bench.peerrows import HEAD

Base64 = strawberry.scalar(
    bytes,
    name="Base64",
    serialize=lambda value: base64.b64encode(value).decode(),
    parse_value=base64.b64decode,
)
engine = create_async_engine(os.environ["BENCH_DATABASE_URL"], pool_size=int(os.environ["BENCH_POOL"]))
session = async_sessionmaker(engine, expire_on_commit=False)


@strawberry.type
class Line:
    line_no: int
    amount: Decimal
    currency: str
    coa_code: str | None
    location_code: str | None
    location_path: str | None
    program_code: str | None
    project_code: str | None
    administrative_hierarchy_code: str | None
    administrative_hierarchy_path: str | None
    department_code: str | None
    department_path: str | None
    period_start: date
    period_end: date
    attributes: JSON
    reverses_line_no: int | None


@strawberry.type
class Signature:
    id: uuid.UUID
    system: str
    key_id: uuid.UUID
    purpose: str
    comments: str
    signed_at: datetime
    received_at: datetime
    e_sign: Base64  # type: ignore[valid-type]


@strawberry.type
class Event:
    id: uuid.UUID
    sender: str
    government: str
    posted_at: datetime
    reference_id: str
    event_time: datetime
    type: str
    major_type: str
    sub_type: str
    qualifier: str | None
    process: str | None
    attribute_group: str | None
    classification: str
    schema_version: str
    currency: str
    total_amount: Decimal
    fiscal_year: int
    content_digest: Base64  # type: ignore[valid-type]
    attributes: JSON
    lines: list[Line]
    signatures: list[Signature]


@strawberry.type
class Edge:
    cursor: str
    node: Event


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Page:
    edges: list[Edge]
    page_info: PageInfo


@strawberry.type
class Entry:
    delivered_at: datetime
    read_at: datetime | None
    message: Event


@strawberry.type
class EntryEdge:
    cursor: str
    node: Entry


@strawberry.type
class EntryPage:
    edges: list[EntryEdge]
    page_info: PageInfo


@strawberry.type
class Total:
    coa_code: str
    month: str
    currency: str
    net: Decimal
    events: int


def _below(info: Info[Any, Any]) -> set[str]:
    """The names of all fields selected anywhere below."""
    found: set[str] = set()
    waiting = list(info.selected_fields)
    while waiting:
        selected = waiting.pop()
        found.add(getattr(selected, "name", ""))
        waiting += selected.selections
    return found


def _loads(info: Info[Any, Any], start: Any = None) -> list[Any]:
    """What to load in one statement more each: lists that are asked for, none besides."""
    below = _below(info)
    lists = [name for name in ("lines", "signatures") if name in below]
    if start is None:
        return [selectinload(getattr(Posting, name)) for name in lists]
    return [start, *(start.selectinload(getattr(Posting, name)) for name in lists)]


@strawberry.type
class Query:
    @strawberry.field
    async def events(self, info: Info[Any, Any], first: int, after: str | None = None) -> Page:
        key = column(Posting, "id")
        statement = select(Posting).where(column(Posting, "kind") == "EVENT").options(*_loads(info))
        if after is not None:
            statement = statement.where(key < uuid.UUID(after))
        async with session() as db:
            found = (await db.scalars(statement.order_by(key.desc()).limit(first + 1))).all()
        edges = [Edge(cursor=str(row.id), node=row) for row in found[:first]]  # type: ignore[attr-defined, arg-type]
        return Page(edges=edges, page_info=_page_info(edges, has_more=len(found) > first))

    @strawberry.field
    async def event(self, info: Info[Any, Any], id: uuid.UUID) -> Event | None:  # noqa: A002
        async with session() as db:
            statement = select(Posting).where(column(Posting, "id") == id).options(*_loads(info))
            found: Any = await db.scalar(statement)
        return found  # type: ignore[no-any-return]

    @strawberry.field
    async def inbox(self, info: Info[Any, Any], system_id: uuid.UUID, first: int) -> EntryPage:
        key = column(InboxEntry, "posting_id")
        statement = (
            select(InboxEntry)
            .where(column(InboxEntry, "system_id") == system_id, column(InboxEntry, "read_at").is_(None))
            .options(*_loads(info, selectinload(InboxEntry.message)))
            .order_by(key)
            .limit(first + 1)
        )
        async with session() as db:
            found: Sequence[Any] = (await db.scalars(statement)).all()
        edges = [EntryEdge(cursor=str(row.posting_id), node=row) for row in found[:first]]
        return EntryPage(edges=edges, page_info=_page_info(edges, has_more=len(found) > first))

    @strawberry.field
    async def totals(self, year: int, head: str, first: int) -> list[Total]:
        line, month = PostingLine, func.to_char(column(Posting, "month"), "YYYY-MM")
        keys = (column(line, "coa_code"), month, column(line, "currency"))
        statement = (
            select(*keys, func.sum(column(line, "amount")), func.count(column(Posting, "id").distinct()))
            .join(Posting, column(Posting, "id") == column(line, "posting_id"))
            .where(column(Posting, "kind") == "EVENT", column(Posting, "fiscal_year") == year)
            .where(func.substring(column(line, "coa_code"), sa.literal(HEAD, literal_execute=True)) == head)
            .group_by(*keys)
            .order_by(*keys)
            .limit(first)
        )
        async with session() as db:
            rows = (await db.execute(statement)).all()
        return [Total(coa_code=r[0], month=r[1], currency=r[2], net=r[3], events=r[4]) for r in rows]


def _page_info(edges: Sequence[Any], *, has_more: bool) -> PageInfo:
    return PageInfo(has_next_page=has_more, end_cursor=edges[-1].cursor if edges else None)


@strawberry.input
class LineInput:
    posting_id: uuid.UUID
    line_no: int
    amount: Decimal
    currency: str
    coa_code: str | None
    period_start: date
    period_end: date


@strawberry.input
class SignatureInput:
    id: uuid.UUID
    posting_id: uuid.UUID
    system_id: uuid.UUID
    system: str
    key_id: uuid.UUID
    purpose: str
    comments: str
    signed_at: datetime
    received_at: datetime
    statement: Base64  # type: ignore[valid-type]
    e_sign: Base64  # type: ignore[valid-type]


@strawberry.input
class EventInput:
    tenant_id: uuid.UUID
    id: uuid.UUID
    kind: str
    environment: str
    government: str
    sender_id: uuid.UUID
    sender_agency_id: uuid.UUID
    sender: str
    narrowed: bool
    schema_version: str
    classification: str
    type: str
    major_type: str
    sub_type: str
    qualifier: str | None
    reference_id: str
    event_time: datetime
    posted_at: datetime
    fiscal_year: int
    month: date
    currency: str
    total_amount: Decimal
    line_count: int
    period_start: date
    period_end: date
    attributes: JSON
    warnings: JSON
    content: Base64  # type: ignore[valid-type]
    content_digest: Base64  # type: ignore[valid-type]
    lines: list[LineInput]
    signatures: list[SignatureInput]


def _add(db: AsyncSession, given: EventInput) -> None:
    values = {name: value for name, value in vars(given).items() if name not in ("lines", "signatures")}
    db.add(Posting(**values))
    for line in given.lines:
        db.add(PostingLine(**vars(line), tenant_id=given.tenant_id, tags=[], attributes={}))
    for signature in given.signatures:
        db.add(PostingSignature(**vars(signature), tenant_id=given.tenant_id))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def post_event(self, event: EventInput) -> uuid.UUID:
        async with session() as db, db.begin():
            _add(db, event)
        return event.id

    @strawberry.mutation
    async def post_events(self, events: list[EventInput]) -> int:
        async with session() as db, db.begin():
            for event in events:
                _add(db, event)
        return len(events)


async def _health(_: Request) -> Response:
    return Response("ok")


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await engine.dispose()


schema = strawberry.Schema(Query, Mutation)
app = Starlette(lifespan=_lifespan)
app.router.routes.append(Route("/graphql", GraphQL(schema, graphql_ide=None)))
app.add_route("/health", _health)
__all__ = ["app"]
