"""Messages from outside: delivery, reading, leases, and who hears what of them (spec 7 and 18.9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain.registry import Environment
from hub.embedded import Endpoints
from hub.means import Means
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

INBOX = """
query ($state: InboxState! = UNREAD) {
  inbox(state: $state, first: 100) { edges { node { message { id } deliveredAt readAt } } }
}"""
READ = """
mutation ($first: Int!, $mode: ReadMode!) {
  readMessages(input: {first: $first, mode: $mode}) { errors { code } messages { message { id } readAt } }
}"""
MARK = """
mutation ($ids: [ID!]!) {
  markMessagesRead(input: {ids: $ids}) { errors { code path message } messages { message { id } readAt } }
}"""
UNMARK = MARK.replace("markMessagesRead", "markMessagesUnread")
MESSAGE = """
query ($id: ID!) {
  fiscalMessage(id: $id) { id topic to reversalState deliveries { system deliveredAt readAt } approvalState }
}"""
TOTALS = "{ fiscalEventTotals(groupBy: []) { edges { node { net events } } } }"


async def _sent(client: Client, sender: TestSystem, *to: TestSystem, **over: Any) -> str:
    answer = await postings.send(client, sender, [system.unique_id for system in to], **over)
    assert answer["errors"] == []
    found: str = answer["message"]["id"]
    return found


async def _inbox(client: Client, system: TestSystem, state: str = "UNREAD") -> list[str]:
    page = await client.acting(system.api_key).run(INBOX, state=state)
    return [edge["node"]["message"]["id"] for edge in page["inbox"]["edges"]]


async def _read(client: Client, system: TestSystem, *, first: int = 10, mode: str = "CONSUME") -> list[str]:
    answer = (await client.acting(system.api_key).run(READ, first=first, mode=mode))["readMessages"]
    assert answer["errors"] == []
    return [entry["message"]["id"] for entry in answer["messages"]]


async def _history(database: Database, system: TestSystem) -> list[str]:
    async with database.read() as read:
        rows = await read.rows(
            text("SELECT change FROM inbox_history WHERE system_id = :system ORDER BY at, id"),
            {"system": system.system_id},
        )
        return list(rows.scalars())


async def test_g01_g11_a_message_reaches_its_receiver_and_nobody_else(client: Client, cast: Cast) -> None:
    sent = await _sent(client, cast.provider, cast.consumer)
    assert await _inbox(client, cast.consumer) == [sent]
    assert await _inbox(client, cast.both) == []
    third = client.acting(cast.both.api_key)
    assert (await third.run(MESSAGE, id=sent))["fiscalMessage"] is None
    assert (await third.run(MARK, ids=[sent]))["markMessagesRead"] == {"errors": [], "messages": []}
    assert await _inbox(client, cast.consumer) == [sent]


async def test_g02_g03_consumed_messages_come_once(client: Client, cast: Cast, database: Database) -> None:
    sent = [await _sent(client, cast.provider, cast.consumer) for _ in range(3)]
    assert await _read(client, cast.consumer, first=2) == sent[:2]
    assert await _inbox(client, cast.consumer) == sent[2:]
    assert await _read(client, cast.consumer) == sent[2:]
    assert await _read(client, cast.consumer) == []
    assert await _inbox(client, cast.consumer, "READ") == sent
    assert sorted(await _history(database, cast.consumer)) == ["DELIVERED"] * 3 + ["READ"] * 3


async def test_g04_parallel_consumers_get_each_of_100_messages_once(
    client: Client, cast: Cast, database: Database
) -> None:
    sent = [await _sent(client, cast.provider, cast.consumer) for _ in range(100)]

    async def consume() -> list[str]:
        mine: list[str] = []
        while page := await _read(client, cast.consumer, first=7):
            mine += page
        return mine

    shares = await asyncio.gather(*(consume() for _ in range(8)))
    assert sorted(one for share in shares for one in share) == sorted(sent)
    assert await _inbox(client, cast.consumer) == []
    assert (await _history(database, cast.consumer)).count("READ") == 100


async def test_g05_looking_does_not_mark(client: Client, cast: Cast, database: Database) -> None:
    sent = await _sent(client, cast.provider, cast.consumer)
    assert await _inbox(client, cast.consumer) == await _inbox(client, cast.consumer) == [sent]
    assert await _history(database, cast.consumer) == ["DELIVERED"]


async def test_g06_a_lease_ends_when_its_worker_dies(client: Client, cast: Cast, database: Database) -> None:
    sent = [await _sent(client, cast.provider, cast.consumer) for _ in range(2)]
    assert await _read(client, cast.consumer, mode="LEASE") == sent
    assert await _read(client, cast.consumer, mode="LEASE") == []
    assert await _inbox(client, cast.consumer) == []
    acting = client.acting(cast.consumer.api_key)
    await acting.run(MARK, ids=sent[:1])
    async with database.transaction() as tx:
        until = await tx.scalar(text("SELECT leased_until FROM inbox_entry WHERE read_at IS NULL"))
        assert timedelta(seconds=50) < until - tx.now <= timedelta(seconds=60)
        await tx.execute(text("UPDATE inbox_entry SET leased_until = leased_until - interval '61 seconds'"))
    assert await _inbox(client, cast.consumer) == sent[1:]
    assert await _read(client, cast.consumer, mode="LEASE") == sent[1:]
    assert await _history(database, cast.consumer) == ["DELIVERED"] * 2 + ["LEASED"] * 2 + ["READ", "LEASED"]


async def test_g07_the_sender_sees_all_deliveries_a_receiver_its_own(client: Client, cast: Cast) -> None:
    sent = await _sent(client, cast.provider, cast.consumer, cast.both)
    assert await _read(client, cast.consumer) == [sent]
    assert await _inbox(client, cast.both) == [sent]
    told: dict[TestSystem, dict[str, bool]] = {}
    for system in (cast.provider, cast.consumer, cast.both):
        message = (await client.acting(system.api_key).run(MESSAGE, id=sent))["fiscalMessage"]
        told[system] = {each["system"]: each["readAt"] is not None for each in message["deliveries"]}
    assert told[cast.provider] == {cast.both.unique_id: False, cast.consumer.unique_id: True}
    assert told[cast.consumer] == {cast.consumer.unique_id: True}
    assert told[cast.both] == {cast.both.unique_id: False}


@pytest.mark.parametrize(
    ("receivers", "code"),
    [
        pytest.param("nobody", "RECEIVER_REQUIRED", id="G-08"),
        pytest.param("provider", "RECEIVER_NOT_CONSUMER", id="G-09"),
        pytest.param("test", "RECEIVER_UNKNOWN", id="other environment"),
        pytest.param("hr", "RECEIVER_UNKNOWN", id="other government"),
    ],
)
async def test_receivers_are_consumers_of_the_same_government(
    client: Client, cast: Cast, database: Database, means: Means, receivers: str, code: str
) -> None:
    to = {
        "nobody": [],
        "provider": [cast.provider.unique_id],
        "test": [(await make_system(database, means, environment=Environment.TEST)).unique_id],
        "hr": [(await make_system(database, means, tenant="hr")).unique_id],
    }[receivers]
    answer = await postings.send(client, cast.both, to)
    assert postings.codes(answer) == [code]
    async with database.read() as read:
        assert await read.scalar(text("SELECT count(*) FROM posting")) == 0


async def test_g10_an_event_with_to_is_for_its_receivers_alone(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider, postings.content(to=[cast.consumer.unique_id]))
    query = "query ($id: ID!) { fiscalEvent(id: $id) { id } }"
    assert (await client.acting(cast.consumer.api_key).run(query, id=event["id"]))["fiscalEvent"]
    assert (await client.acting(cast.both.api_key).run(query, id=event["id"]))["fiscalEvent"] is None
    assert await _inbox(client, cast.consumer) == []


async def test_g12_messages_never_enter_totals(client: Client, cast: Cast) -> None:
    await _sent(client, cast.provider, cast.consumer, lines=[postings.line(amount="77.00")])
    await postings.post_ok(client, cast.provider, postings.content(to=[cast.consumer.unique_id]))
    page = await client.acting(cast.consumer.api_key).run(TOTALS)
    assert [edge["node"] for edge in page["fiscalEventTotals"]["edges"]] == [
        {"net": "1000.00", "events": "1"}
    ]


async def test_marking_is_idempotent_and_can_be_undone(
    client: Client, cast: Cast, database: Database
) -> None:
    sent = await _sent(client, cast.provider, cast.consumer)
    acting = client.acting(cast.consumer.api_key)
    first = (await acting.run(MARK, ids=[sent]))["markMessagesRead"]["messages"]
    assert (await acting.run(MARK, ids=[sent, sent]))["markMessagesRead"]["messages"] == first
    assert await _inbox(client, cast.consumer, "READ") == [sent]
    (undone,) = (await acting.run(UNMARK, ids=[sent]))["markMessagesUnread"]["messages"]
    assert undone["readAt"] is None
    assert await _inbox(client, cast.consumer) == await _read(client, cast.consumer) == [sent]
    assert await _history(database, cast.consumer) == ["DELIVERED", "READ", "UNREAD", "READ"]


async def test_marking_takes_1_to_100_ids_of_messages(client: Client, cast: Cast) -> None:
    acting = client.acting(cast.consumer.api_key)
    for ids, code in (([], "PAGE_SIZE"), (["msg_x"] * 101, "PAGE_SIZE"), (["evt_x"], "NOT_FOUND")):
        answer = (await acting.run(MARK, ids=ids))["markMessagesRead"]
        assert postings.codes(answer) == [code]


@pytest.mark.parametrize("lines", [[], [postings.line()]], ids=["without lines", "with lines"])
async def test_v15_a_reversed_message_arrives_as_a_new_unread_one(
    client: Client, cast: Cast, lines: list[dict[str, Any]]
) -> None:
    sent = await _sent(client, cast.provider, cast.consumer, lines=lines)
    assert await _read(client, cast.consumer) == [sent]
    answer = await postings.reverse(client, cast.provider, sent)
    assert answer["errors"] == []
    assert await _inbox(client, cast.consumer) == [answer["reversal"]["id"]]
    message = (await client.acting(cast.consumer.api_key).run(MESSAGE, id=sent))["fiscalMessage"]
    assert message["reversalState"] == "REVERSED"


async def test_history_of_the_inbox_is_append_only(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    await _sent(client, cast.provider, cast.consumer)
    for statement in (
        "DELETE FROM inbox_history",
        "UPDATE inbox_history SET change = 'READ'",
        "DELETE FROM inbox_entry",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with database.transaction() as tx:
                await tx.execute(text(statement))
    assert await _history(database, cast.consumer) == ["DELIVERED"]
