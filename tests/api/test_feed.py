"""The feed from outside: every fact once and in the log's order, for each caller what it may see and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain import feed, registry
from hub.domain.feed import Wanted
from hub.domain.registry import Environment, SystemRole
from hub.domain.transparency import LeafKind
from hub.jobs.transparency import Rhythm, sequence, sequence_all
from hub.means import Means
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import Post, TestSystem, make_agency, make_system, sign_in

pytestmark = pytest.mark.anyio

FEED = """
query ($after: BigInt, $kinds: [LeafKind!], $filter: FiscalEventFilter, $first: Int! = 100) {
  feed(after: $after, kinds: $kinds, filter: $filter, first: $first) {
    size scannedTo hasMore
    items {
      logIndex kind sequencedAt
      fact {
        __typename
        ... on Posting { id referenceId lineItems { amount } }
        ... on SignatureAdded { posting { id } signature { purpose system } }
        ... on MessageRead { message { id } system isRead }
        ... on KeyChange { change key { id system publicKey } }
        ... on RegistryChange { subject subjectId change }
        ... on ReferenceChange { registry code version }
        ... on LogKeyAnnounced { statement }
      }
    }
  }
}"""
POSTED = ["EVENT", "MESSAGE"]
SEED = 20261124


async def _page(client: Client, system: TestSystem, **asked: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await client.acting(system.api_key).run(FEED, **asked))["feed"]
    return page


async def _all(client: Client, system: TestSystem, **asked: Any) -> list[dict[str, Any]]:
    """The whole feed, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(1_000):
        page = await _page(client, system, after=after, **asked)
        found += page["items"]
        after = page["scannedTo"]
        if not page["hasMore"]:
            return found
    raise AssertionError("the feed has no end")


def _indexes(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["logIndex"]) for item in items]


async def _sign(client: Client, system: TestSystem, event: dict[str, Any], purpose: str) -> None:
    statement = {"purpose": purpose, "comments": ""}
    signature = await postings.sign(client, system, {"posting": event["id"]}, **statement)
    sent = {"id": event["id"], **statement, **signature}
    answer = await client.acting(system.api_key).run(postings.ADD_SIGNATURE, input=sent)
    assert answer["addSignature"]["errors"] == []


async def _read(client: Client, system: TestSystem) -> None:
    document = "mutation { readMessages(input: {first: 10, mode: CONSUME}) { errors { code } } }"
    assert (await client.acting(system.api_key).run(document))["readMessages"]["errors"] == []


async def test_a_feed_tells_each_fact_once_in_the_logs_order(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(client, cast.provider)
    message = (await postings.send(client, cast.provider, [cast.consumer.unique_id]))["message"]
    await _sign(client, cast.consumer, event, "ACKNOWLEDGEMENT")
    await _read(client, cast.consumer)
    await sequence_all(database, means)
    items = await _all(client, cast.consumer)
    assert _indexes(items) == sorted(set(_indexes(items)))
    about = [(item["kind"], item["fact"]) for item in items if item["kind"] not in {"REFERENCE", "REGISTRY"}]
    assert [kind for kind, _ in about] == [
        "LOG_KEY",
        "KEY",
        "KEY",
        "KEY",
        "EVENT",
        "MESSAGE",
        "SIGNATURE",
        "READ",
    ]
    assert about[4][1] == {
        "__typename": "FiscalEvent",
        "id": event["id"],
        "referenceId": event["referenceId"],
        "lineItems": [{"amount": "1000.00"}],
    }
    assert about[5][1]["id"] == message["id"]
    assert about[6][1] == {
        "__typename": "SignatureAdded",
        "posting": {"id": event["id"]},
        "signature": {"purpose": "ACKNOWLEDGEMENT", "system": cast.consumer.unique_id},
    }
    assert about[7][1] == {
        "__typename": "MessageRead",
        "message": {"id": message["id"]},
        "system": cast.consumer.unique_id,
        "isRead": True,
    }
    async with database.read() as read:
        rows = await read.rows(text("SELECT log_index, kind FROM log_leaf"))
        kinds = {row.log_index: row.kind for row in rows}
    assert {int(item["logIndex"]): item["kind"] for item in items}.items() <= kinds.items()


async def test_what_concerns_others_is_passed_over_and_counted_as_looked_at(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    other = await make_system(database, means, roles=[SystemRole.CONSUMER])
    for _ in range(3):
        await postings.send(client, cast.provider, [cast.consumer.unique_id])
    await _read(client, cast.consumer)
    await sequence_all(database, means)
    concerned = ["MESSAGE", "READ", "SIGNATURE"]
    assert await _all(client, other, kinds=concerned) == []
    page = await _page(client, other, kinds=concerned)
    assert (page["scannedTo"], page["hasMore"]) == (str(int(page["size"]) - 1), False)
    sender = await _all(client, cast.provider, kinds=concerned)
    assert Counter(item["kind"] for item in sender) == {"MESSAGE": 3, "READ": 3}
    assert _indexes(await _all(client, cast.consumer, kinds=concerned)) == _indexes(sender)


@pytest.mark.long
async def test_another_government_and_the_other_environment_see_none_of_it(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    elsewhere = await make_system(database, means, tenant="hr")
    trying = await make_system(database, means, environment=Environment.TEST)
    event = await postings.post_ok(client, cast.provider)
    await _sign(client, cast.consumer, event, "APPROVAL")
    await sequence_all(database, means)
    told = Counter(item["kind"] for item in await _all(client, cast.both))
    assert (told["EVENT"], told["SIGNATURE"]) == (1, 1)
    for stranger in (elsewhere, trying):
        items = await _all(client, stranger)
        assert not {"EVENT", "SIGNATURE"} & {item["kind"] for item in items}
        keys = {item["fact"]["key"]["system"] for item in items if item["kind"] == "KEY"}
        assert keys == {stranger.unique_id}
        systems = {i["fact"]["subjectId"] for i in items if i["fact"].get("subject") == "SYSTEM"}
        assert systems == {stranger.public_id}


@pytest.mark.long
async def test_registry_changes_are_for_those_they_concern(
    client: Client, database: Database, means: Means
) -> None:
    post = Post(database, means)
    home = await make_agency(database, means, email="owner@punjab.gov.in")
    mine = await make_system(database, means, agency=home)
    other = await make_system(database, means)
    owner = await sign_in(client, post, "owner@punjab.gov.in")
    await sequence_all(database, means)
    items = (await owner.run(FEED, kinds=["REGISTRY", "KEY"]))["feed"]["items"]
    told = {(i["fact"]["subject"], i["fact"]["subjectId"]) for i in items if i["kind"] == "REGISTRY"}
    assert ("AGENCY", f"agy_{home.id}") in told
    assert ("SYSTEM", mine.public_id) in told
    assert {name for subject, name in told if subject == "AGENCY"} == {f"agy_{home.id}"}
    assert {name for subject, name in told if subject == "SYSTEM"} == {mine.public_id}
    assert "SESSION" not in {subject for subject, _ in told}
    assert {i["fact"]["key"]["system"] for i in items if i["kind"] == "KEY"} == {
        mine.unique_id,
        other.unique_id,
    }
    systems = await _all(client, mine, kinds=["REGISTRY"])
    assert {i["fact"]["subject"] for i in systems} == {"TENANT", "SYSTEM", "API_KEY"}
    assert {i["fact"]["subjectId"] for i in systems if i["fact"]["subject"] == "SYSTEM"} == {mine.public_id}


async def test_a_filter_speaks_of_postings_and_of_what_is_done_to_them(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    wanted = await postings.post_ok(client, cast.provider, postings.content(**postings.PAYMENT))
    other = await postings.post_ok(client, cast.provider)
    for event in (wanted, other):
        await _sign(client, cast.consumer, event, "APPROVAL")
    await sequence_all(database, means)
    asked = {"kinds": ["EVENT", "SIGNATURE"], "filter": {"subTypes": ["PAYMENT"]}}
    first, second = await _all(client, cast.consumer, **asked)
    assert first["fact"]["id"] == wanted["id"]
    assert second["fact"]["posting"]["id"] == wanted["id"]


async def test_pages_of_any_size_make_the_same_feed(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    events = [await postings.post_ok(client, cast.provider) for _ in range(3)]
    await _sign(client, cast.consumer, events[0], "APPROVAL")
    await postings.send(client, cast.provider, [cast.consumer.unique_id])
    await sequence_all(database, means)
    kinds = ["EVENT", "MESSAGE", "SIGNATURE", "KEY", "LOG_KEY"]
    whole = await _page(client, cast.consumer, kinds=kinds)
    assert len(whole["items"]) == 3 + 1 + 1 + 3 + 1
    for first in (1, 2, 3, 8):
        assert await _all(client, cast.consumer, kinds=kinds, first=first) == whole["items"]


async def test_what_is_out_of_bounds_is_refused(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    reader = client.acting(cast.consumer.api_key)
    empty = (await reader.run(FEED))["feed"]
    assert empty == {"size": "0", "scannedTo": None, "hasMore": False, "items": []}
    assert await reader.codes(FEED, after="0") == ["LOG_SIZE"]
    await sequence_all(database, means)
    size = int((await reader.run(FEED))["feed"]["size"])
    assert (await reader.run(FEED, after=str(size - 1)))["feed"]["items"] == []
    assert await reader.codes(FEED, after=str(size)) == ["LOG_SIZE"]
    for first in (0, 101):
        assert await reader.codes(FEED, first=first) == ["PAGE_SIZE"]
    assert await client.codes(FEED) == ["UNAUTHENTICATED"]
    provider = client.acting(cast.provider.api_key)
    assert await provider.codes(FEED, filter={"senders": [cast.both.unique_id]}) == ["ROLE_NOT_ALLOWED"]


async def test_one_call_looks_at_a_bounded_number_of_leaves(
    cast: Cast, client: Client, database: Database, means: Means
) -> None:
    for _ in range(3):
        await postings.post_ok(client, cast.provider)
    await sequence_all(database, means)
    async with database.read() as read:
        caller = await registry.acting_system(read, cast.consumer.system_id)
        assert caller is not None
        wanted, after, steps, found = Wanted(frozenset({LeafKind.EVENT})), -1, 0, []
        while True:
            page = await feed.read_on(read, caller, wanted, first=100, after=after, looked_at_max=7)
            assert page.scanned_to > after
            of_tenant = await read.scalar(
                text(
                    "SELECT count(*) FROM log_leaf WHERE log_index > :a AND log_index <= :b AND tenant_id = :t"
                ),
                {"a": after, "b": page.scanned_to, "t": caller.tenant_id},
            )
            assert of_tenant <= 7
            found += [item.log_index for item in page.items]
            after, steps = page.scanned_to, steps + 1
            if not page.has_more:
                break
        assert len(found) == 3
        assert steps >= page.size // 8


async def write(client: Client, cast: Cast, number: int, count: int, told: dict[str, list[str]]) -> None:
    """Post events and messages one after the other; what each reader is to see goes into ``told``."""
    chance = random.Random(SEED + number)
    for _ in range(count):
        sender = chance.choice([cast.provider, cast.both])
        receiver = chance.choice([None, None, cast.consumer, cast.both])
        if receiver is None or receiver is sender:
            posted = (await postings.post_ok(client, sender))["id"]
            readers = {"consumer", "both", "provider" if sender is cast.provider else "both"}
        else:
            answer = await postings.send(client, sender, [receiver.unique_id])
            assert answer["errors"] == []
            posted = answer["message"]["id"]
            readers = {name for name in told if getattr(cast, name) in (sender, receiver)}
        for reader in readers:
            told[reader].append(posted)


async def _follow(
    client: Client, system: TestSystem, done: asyncio.Event, chance: random.Random
) -> list[Any]:
    """Read the feed as it grows, stopping and coming back with nothing but the number remembered."""
    seen: list[Any] = []
    after: str | None = None
    while True:
        was_done = done.is_set()
        page = await _page(client, system, after=after, kinds=POSTED, first=chance.choice([1, 2, 7, 100]))
        # A reader may die before it has worked off a page: it remembers the last fact it kept.
        kept = page["items"][: chance.randint(0, len(page["items"]))]
        seen += [(int(item["logIndex"]), item["fact"]["id"]) for item in kept]
        if len(kept) == len(page["items"]):
            after = page["scannedTo"]
        elif kept:
            after = kept[-1]["logIndex"]
        if was_done and not page["hasMore"] and len(kept) == len(page["items"]):
            return seen
        await asyncio.sleep(chance.choice([0.02, 0.05, 0.2]))


async def _race(
    database: Database, means: Means, client: Client, cast: Cast, *, writers: int, count: int
) -> None:
    told: dict[str, list[str]] = {"consumer": [], "both": [], "provider": []}
    sequencer = asyncio.create_task(sequence(database, means, Rhythm(0.005, 0.01, 0.05)))
    done = asyncio.Event()
    readers = [
        (name, asyncio.create_task(_follow(client, getattr(cast, name), done, random.Random(f"{name}{i}"))))
        for name in told
        for i in range(3)
    ]
    await asyncio.gather(*(write(client, cast, number, count, told) for number in range(writers)))
    async with asyncio.timeout(60):
        while True:
            async with database.read() as read:
                if not await read.scalar(text("SELECT count(*) FROM log_pending")):
                    break
            await asyncio.sleep(0.05)
    done.set()
    for name, reader in readers:
        seen = await reader
        indexes = [index for index, _ in seen]
        assert indexes == sorted(indexes), name
        assert Counter(posted for _, posted in seen) == Counter(told[name]), name
    sequencer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sequencer
    assert sum(map(len, told.values())) > writers * count


async def test_readers_that_stop_and_resume_miss_and_repeat_nothing_while_others_write(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    await _race(database, means, client, cast, writers=8, count=2)


@pytest.mark.long
async def test_readers_miss_and_repeat_nothing_beside_64_writers(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    await _race(database, means, client, cast, writers=64, count=15)
