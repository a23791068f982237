"""What is stored by COPY is what the one statement stores, byte for byte; races end alike."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from hub.db import Database, Transaction
from hub.domain import fiscal_events
from hub.domain.fiscal_events import storing
from hub.domain.fiscal_events.copying import number
from hub.domain.fiscal_events.model import (
    Attachment,
    AttachmentKind,
    BatchMode,
    Content,
    Line,
    Package,
    Post,
    PostOutcome,
    StoredReceipt,
    Tag,
)
from hub.domain.fiscal_events.placing import CODE_FIELDS
from hub.domain.fiscal_events.storing import COPY_FROM
from hub.domain.fiscal_events.vocabulary import Classification, MajorType, Qualifier, SubType
from hub.settings import Settings
from hub.wiring import make_means
from tests.domain.fiscal_events.test_posting_effort import BILL, World, bills
from tests.factories.reference import LOCATION_PATH, make_reference
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio
TABLES = ("posting", "posting_key", "posting_line", "posting_signature", "receipt", "posting_attachment")


class _Undo(Exception):
    pass


@pytest.fixture
async def world(settings: Settings, database: Database) -> World:
    """A provider with reference data."""
    means = make_means(settings)
    system = await make_system(database, means)
    await make_reference(database, system.tenant_id)
    return World(database, means, system)


def varied() -> list[Content]:
    """Contents that fill, between them, every column a sender can fill."""
    (line,) = BILL.lines
    estimate = replace(
        BILL,
        sub_type=SubType.ESTIMATE,
        qualifier=Qualifier.REVISED,
        classification=Classification.RESTRICTED,
        lines=(
            replace(line, amount="-12345678.90", attributes={"note": 'ग्राम "x"\n'}),
            replace(line, line_no=7, amount="0.00", tags=(Tag("sdg", "0.5"),)),
            replace(line, line_no=999_999, amount="999999999999999.99", program_code="JJM"),
            replace(line, line_no=8, amount="10000", project_code="PWS-7378", location_code=LOCATION_PATH),
            replace(line, line_no=9, amount="0.01", administrative_hierarchy_code="7378"),
        ),
    )
    dinars = replace(BILL, lines=(replace(line, currency="KWD", amount="70000.001"),))
    yen = replace(BILL, lines=(replace(line, currency="JPY", amount="120000000"),))
    attached = replace(
        BILL,
        attributes={"district": "Kamrup", "deep": [1, {"a": None}]},
        attachments=(Attachment(AttachmentKind.KEY_VALUE, "k", "v"),),
    )
    receipt = replace(BILL, major_type=MajorType.REVENUE_EXPENDITURE, process="x")
    dated = replace(
        BILL, lines=(replace(line, period_start=date(1999, 12, 31), period_end=date(2000, 1, 1)),)
    )
    return [estimate, dinars, yen, attached, receipt, dated, *bills(COPY_FROM)]


async def _packed(
    world: World, contents: list[Content], monkeypatch: pytest.MonkeyPatch
) -> tuple[Sequence[Package], Sequence[StoredReceipt]]:
    """What posting these would store; nothing of it is stored."""
    found: list[tuple[Sequence[Package], Sequence[StoredReceipt]]] = []

    async def note(
        _: Transaction, packages: Sequence[Package], __: Any, receipts: Awaitable[Sequence[StoredReceipt]]
    ) -> None:
        found.append((packages, await receipts))

    with monkeypatch.context() as patch:
        patch.setattr(storing, "insert_packages", note)
        await world.post(await world.signed(contents))
    return found[0]


async def test_copy_stores_exactly_what_one_statement_stores(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, receipts = await _packed(world, varied(), monkeypatch)

    async def store_and_undo(rows: dict[str, list[str]]) -> None:
        issued: asyncio.Future[Sequence[StoredReceipt]] = asyncio.get_running_loop().create_future()
        issued.set_result(receipts)
        async with world.database.transaction() as tx:
            await storing.insert_packages(tx, packages, [], issued)
            for table in TABLES:
                found = await tx.fetch(f"SELECT t::text AS row FROM {table} t ORDER BY 1")
                rows[table] = [row["row"] for row in found]
            raise _Undo

    async def stored(copy_from: int) -> dict[str, list[str]]:
        rows: dict[str, list[str]] = {}
        monkeypatch.setattr(storing, "COPY_FROM", copy_from)
        with pytest.raises(_Undo):
            await store_and_undo(rows)
        return rows

    by_statement, by_copy = await stored(10_000), await stored(1)

    count = len(packages)
    assert by_copy == by_statement
    assert {table: len(rows) for table, rows in by_copy.items()} == {
        "posting": count,
        "posting_key": count,
        "posting_line": count + 4,
        "posting_signature": count,
        "receipt": count,
        "posting_attachment": 1,
    }


async def test_large_batches_that_overlap_store_every_posting_once(world: World) -> None:
    posts = await world.signed(bills(2 * COPY_FROM))
    again = [replace(post, idempotency_key=uuid.uuid4().hex) for post in reversed(posts)]

    async def post(items: list[Post]) -> list[PostOutcome]:
        async with world.database.transaction() as tx:
            verdicts = await fiscal_events.post_many(
                tx, world.means, world.caller, items, mode=BatchMode.PER_ITEM
            )
        return [verdict.outcome for verdict in verdicts]

    one, two = await asyncio.gather(post(posts), post(again))

    count = len(posts)
    assert Counter([*one, *two]) == {PostOutcome.ACCEPTED: count, PostOutcome.DUPLICATE: count}
    async with world.database.read() as read:
        (row,) = await read.fetch(
            "SELECT (SELECT count(*) FROM posting) AS postings, (SELECT count(*) FROM posting_key) AS keys, "
            "(SELECT count(*) FROM posting_line) AS lines, (SELECT count(*) FROM receipt) AS receipts"
        )
    assert dict(row) == {"postings": count, "keys": 2 * count, "lines": count, "receipts": count}


async def test_every_decimal_travels_as_the_number_it_is(database: Database) -> None:
    draw = random.Random(20261124)
    texts = ["0", "0.00", "-0.01", "0.0001", "1", "9999", "10000", "10000.00", "9999.9999", "100000000.5000"]
    texts += [
        "999999999999999.99",
        "-999999999999999.9999",
        "123456789012345678901234567890.123456789012345678",
    ]
    for _ in range(500):
        places = draw.randrange(5)
        whole = str(draw.randrange(10 ** draw.randrange(1, 16)))
        fraction = "".join(draw.choices("0123456789", k=places))
        texts.append(draw.choice(["", "-"]) + whole + ("." + fraction if places else ""))
    numbers = [Decimal(text) for text in texts]
    async with database.read() as read:
        driver = await read.driver()
        await driver.set_type_codec(
            "numeric",
            schema="pg_catalog",
            encoder=lambda each: number(each)[4:],
            decoder=bytes,
            format="binary",
        )
        try:
            rows = await driver.fetch("SELECT n::text AS n FROM unnest($1::numeric[]) AS n", numbers)
        finally:
            await driver.reset_type_codec("numeric", schema="pg_catalog")
    assert [row["n"] for row in rows] == [format(each or abs(each), "f") for each in numbers]


def test_codes_stand_in_a_line_in_the_order_in_which_they_are_placed() -> None:
    assert Line.__struct_fields__[-len(CODE_FIELDS) :] == CODE_FIELDS
