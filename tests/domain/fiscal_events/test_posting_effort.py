"""A batch costs a fixed number of statements, and 500 postings take little time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import event

from hub.codes import Code
from hub.db import Database, Read
from hub.domain import fiscal_events
from hub.domain.fiscal_events import verifying
from hub.domain.fiscal_events.model import (
    BatchMode,
    Content,
    LineDraft,
    Link,
    OriginSignature,
    Post,
    PostOutcome,
    ReversalRequest,
    Verdict,
)
from hub.domain.fiscal_events.storing import COPY_FROM
from hub.domain.fiscal_events.vocabulary import (
    MajorType,
    PostingKind,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.domain.registry import SystemCaller, SystemRole
from hub.means import Means
from hub.settings import Settings
from hub.signing import verify
from hub.wiring import make_means
from tests.factories.postings import CAPITAL_HEAD
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

STATEMENTS_MAX = 8
# Large batches fill five tables by COPY where small ones take one statement.
COPIES = 4
SECONDS_MAX = 3.0
BILL = Content(
    kind=PostingKind.EVENT,
    type=Type.EXPENDITURE,
    major_type=MajorType.CAPITAL_EXPENDITURE,
    sub_type=SubType.BILL,
    reference_id="",
    event_time=datetime(2026, 9, 28, 9, 40, tzinfo=UTC),
    lines=(
        LineDraft(
            1, "1000.00", coa_code=CAPITAL_HEAD, period_start=date(2026, 8, 1), period_end=date(2026, 9, 25)
        ),
    ),
)


class World:
    """One provider that posts through the room's front door."""

    def __init__(self, database: Database, means: Means, system: TestSystem) -> None:
        self.database, self.means, self.system = database, means, system
        self.caller = SystemCaller(
            system.system_id,
            system.unique_id,
            system.agency_id,
            system.tenant_id,
            system.environment,
            frozenset(SystemRole),
            uuid.uuid4(),
        )
        self.statements = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what reaches the driver."""

        def note(*_: Any) -> None:
            self.statements += 1

        async def fetch(read: Read, sql: str, *args: Any) -> Any:
            note()
            return await past_sqlalchemy(read, sql, *args)

        async def copy(read: Read, *args: Any) -> None:
            note()
            await copied(read, *args)

        self.statements = 0
        engine = self.database.engine.sync_engine
        past_sqlalchemy, copied = Read.fetch, Read.copy
        event.listen(engine, "before_cursor_execute", note)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Read, "fetch", fetch)
            patch.setattr(Read, "copy", copy)
            yield
        event.remove(engine, "before_cursor_execute", note)

    async def signed(self, contents: list[Content]) -> list[Post]:
        """Each content with its own reference, signed."""
        made = []
        async with self.database.transaction() as tx:
            for content in contents:
                named = replace(content, reference_id=content.reference_id or uuid.uuid4().hex)
                unsigned = OriginSignature(self.system.signing_key_id, datetime.now(UTC), b"")
                asked = await fiscal_events.bytes_to_sign(tx, self.caller, named, unsigned)
                seal = self.system.signing.sign(asked.statement).signature
                made.append(Post(uuid.uuid4().hex, named, replace(unsigned, e_sign=seal)))
        return made

    async def post(self, posts: list[Post]) -> list[Verdict]:
        """Post them as one batch that is all or none; everything is accepted."""
        async with self.database.transaction() as tx:
            verdicts = await fiscal_events.post_many(
                tx, self.means, self.caller, posts, mode=BatchMode.ATOMIC
            )
        assert {verdict.outcome for verdict in verdicts} == {PostOutcome.ACCEPTED}
        return verdicts

    async def statements_for(self, contents: list[Content]) -> int:
        """How many statements a batch of these takes."""
        posts = await self.signed(contents)
        with self.counting():
            await self.post(posts)
        return self.statements


@pytest.fixture
async def world(settings: Settings, database: Database) -> World:
    """A provider with reference data."""
    means = make_means(settings)
    system = await make_system(database, means)
    await make_reference(database, system.tenant_id)
    return World(database, means, system)


def bills(count: int) -> list[Content]:
    """Bills of as many different days."""
    return [replace(BILL, event_time=BILL.event_time - timedelta(days=i % 90)) for i in range(count)]


async def test_500_postings_take_as_many_statements_as_few_and_under_three_seconds(world: World) -> None:
    await world.statements_for(bills(1))
    assert await world.statements_for(bills(1)) <= STATEMENTS_MAX
    few = await world.statements_for(bills(COPY_FROM))
    took = []
    for _ in range(3):
        posts = await world.signed(bills(500))
        with world.counting():
            started = time.perf_counter()
            await world.post(posts)
            took.append(time.perf_counter() - started)
        assert world.statements == few <= STATEMENTS_MAX + COPIES
    assert min(took) < SECONDS_MAX


async def test_links_and_reversals_take_a_fixed_number_of_statements_too(world: World) -> None:
    counted = []
    for count in (COPY_FROM, 60):
        originals = await world.post(await world.signed(bills(count)))
        payments = [
            replace(BILL, sub_type=SubType.PAYMENT, links=(Link(Relation.SETTLES, v.posting.id, "evt"),))
            for v in originals
            if v.posting is not None
        ]
        posts = await world.signed(payments)
        with world.counting():
            paid = await world.post(posts)
        reversals = []
        async with world.database.transaction() as tx:
            for verdict in paid:
                assert verdict.posting is not None
                request = _request(verdict.posting.id)
                reversals.append(await fiscal_events.reversal_content(tx, world.caller, request))
        counted.append((world.statements, await world.statements_for(reversals)))
    assert counted[0] == counted[1]
    assert max(counted[0]) <= STATEMENTS_MAX + COPIES + 22


async def test_a_forged_signature_in_a_large_batch_refuses_its_item_alone(world: World) -> None:
    posts = await world.signed(bills(20))
    forged = replace(posts[13], signature=replace(posts[13].signature, e_sign=posts[12].signature.e_sign))
    async with world.database.transaction() as tx:
        verdicts = await fiscal_events.post_many(
            tx, world.means, world.caller, [*posts[:13], forged, *posts[14:]], mode=BatchMode.PER_ITEM
        )
    refused = {i: v.errors for i, v in enumerate(verdicts) if v.outcome is not PostOutcome.ACCEPTED}
    assert [(e.code, e.path) for e in refused.pop(13)] == [(Code.SIGNATURE_INVALID, ("signature", "eSign"))]
    assert refused == {}
    async with world.database.read() as read:
        stored = await read.fetch("SELECT reference_id FROM posting")
    assert {row["reference_id"] for row in stored} == {
        post.content.reference_id for i, post in enumerate(posts) if i != 13
    }


async def test_large_batches_are_verified_off_the_event_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def noting(*args: Any) -> None:
        threads.add(threading.get_ident())
        verify(*args)

    monkeypatch.setattr(verifying, "verify", noting)
    await world.post(await world.signed(bills(verifying.AT_ONCE_MAX)))
    assert threads == set()
    await world.post(await world.signed(bills(verifying.AT_ONCE_MAX + 1)))
    assert threads
    assert threading.get_ident() not in threads


def _request(posting_id: uuid.UUID) -> ReversalRequest:
    return ReversalRequest(
        posting_id, "evt", ReversalMode.FULL, ReversalReason.ERROR, uuid.uuid4().hex, BILL.event_time
    )
