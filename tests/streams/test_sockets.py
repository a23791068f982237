"""Subscriptions over a WebSocket, as a client library of others speaks: nothing lost, nobody let in who may not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hub.db import Database
from hub.means import Means
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import Post, make_agency, make_system, sign_in
from tests.streams.listening import EVENTS, FEED, Served, listen

pytestmark = pytest.mark.anyio


async def _closed(listener: Any, seconds: float = 15.0) -> tuple[int, str]:
    """The code and reason the hub closes with."""
    async with asyncio.timeout(seconds):
        with contextlib.suppress(ConnectionClosed):
            async for _ in listener.connection:
                pass
    return listener.connection.close_code, listener.connection.close_reason


async def test_a_subscription_tells_history_then_news_with_its_lists(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    first = await postings.post_ok(client, cast.provider)
    document = """
    subscription ($after: BigInt) {
      fiscalEvents(after: $after, filter: {subTypes: [BILL]}) {
        logIndex event { id lineItems { amount } signatures { system } receipt { keyId } }
      }
    }"""
    async with listen(web.url, cast.consumer.api_key) as listener:
        name = await listener.subscribe(document)
        told = await listener.data(name)
        assert told["event"]["id"] == first["id"]
        assert told["event"]["lineItems"] == [{"amount": "1000.00"}]
        assert told["event"]["signatures"] == [{"system": cast.provider.unique_id}]
        second = await postings.post_ok(client, cast.provider)
        started = time.monotonic()
        news = await listener.data(name)
        assert time.monotonic() - started < 5
        assert news["event"]["id"] == second["id"]
        assert int(news["logIndex"]) > int(told["logIndex"])
    async with listen(web.url, cast.consumer.api_key) as listener:
        again = await listener.subscribe(document, after=told["logIndex"])
        assert await listener.data(again) == news


async def test_messages_go_to_their_receivers_and_statuses_to_the_sender(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    inbox = "subscription { inboxMessages { logIndex message { id deliveries { system readAt } } } }"
    statuses = """
    subscription { statuses { kind fact { ... on MessageRead { message { id } system isRead }
                                         ... on SignatureAdded { posting { id } signature { purpose } } } } }"""
    async with (
        listen(web.url, cast.consumer.api_key) as receiver,
        listen(web.url, cast.provider.api_key) as sender,
        listen(web.url, cast.both.api_key) as other,
    ):
        mine, told = await receiver.subscribe(inbox), await sender.subscribe(statuses)
        nothing = await other.subscribe(inbox)
        event = await postings.post_ok(client, cast.provider)
        sent = (await postings.send(client, cast.provider, [cast.consumer.unique_id]))["message"]["id"]
        came = await receiver.data(mine)
        assert came["message"] == {
            "id": sent,
            "deliveries": [{"system": cast.consumer.unique_id, "readAt": None}],
        }
        statement = {"purpose": "REJECTION", "comments": "no"}
        signature = await postings.sign(client, cast.consumer, {"posting": event["id"]}, **statement)
        signed = {"id": event["id"], **statement, **signature}
        await client.acting(cast.consumer.api_key).run(postings.ADD_SIGNATURE, input=signed)
        read = "mutation { readMessages(input: {first: 1, mode: CONSUME}) { errors { code } } }"
        await client.acting(cast.consumer.api_key).run(read)
        assert await sender.data(told) == {
            "kind": "SIGNATURE",
            "fact": {"posting": {"id": event["id"]}, "signature": {"purpose": "REJECTION"}},
        }
        assert await sender.data(told) == {
            "kind": "READ",
            "fact": {"message": {"id": sent}, "system": cast.consumer.unique_id, "isRead": True},
        }
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await other.of(nothing)


async def test_the_key_may_be_shown_in_connection_init(web: Served, cast: Cast) -> None:
    payload = {"authorization": f"Bearer {cast.consumer.api_key}"}
    async with listen(web.url, None, payload=payload) as listener:
        await listener.send(type="ping")
        assert await listener.receive() == {"type": "pong"}


async def test_nobody_is_let_in(web: Served, cast: Cast) -> None:
    for authorization in (None, "Bearer fhub_live_00000000_nonsense", "Basic YTpi"):
        async with listen(web.url, None, greets=False) as listener:
            payload = {"authorization": authorization} if authorization is not None else None
            await listener.send(type="connection_init", payload=payload)
            assert await _closed(listener) == (4403, "UNAUTHENTICATED")


async def test_what_the_protocol_does_not_allow_ends_the_connection(web: Served, cast: Cast) -> None:
    init = {"type": "connection_init"}
    begin = {"type": "subscribe", "id": "1", "payload": {"query": EVENTS}}
    wrong: list[tuple[int, list[Any]]] = [
        (4401, [begin]),
        (4400, [{"type": "nonsense"}]),
        (4400, ["no object"]),
        (4400, [{"type": "connection_init", "payload": {"authorization": 5}}]),
        (4429, [init, init]),
        (4400, [init, {"type": "nonsense"}]),
        (4400, [init, {"type": "subscribe", "payload": {"query": EVENTS}}]),
        (4400, [init, {"type": "subscribe", "id": "1", "payload": {}}]),
        (4409, [init, begin, begin]),
        (4400, [init, {"type": "ping", "payload": "x" * 140_000}]),
    ]
    for code, messages in wrong:
        async with listen(web.url, cast.consumer.api_key, greets=False) as listener:
            for message in messages:
                await listener.connection.send(json.dumps(message))
            assert (await _closed(listener))[0] in {code, 1009}, messages


async def test_the_older_protocol_and_none_are_not_spoken(web: Served, cast: Cast) -> None:
    for protocols in (["graphql-ws"], None):
        headers = {"authorization": f"Bearer {cast.consumer.api_key}"}
        url = web.url.replace("http", "ws") + "/graphql"
        async with connect(url, subprotocols=protocols, additional_headers=headers, proxy=None) as connection:  # type: ignore[arg-type]
            assert connection.subprotocol is None
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            assert connection.close_code == 4406


async def test_a_session_counts_from_the_hubs_own_pages_alone(
    web: Served, client: Client, cast: Cast, database: Database, means: Means
) -> None:
    post = Post(database, means)
    await make_agency(database, means, email="owner@punjab.gov.in")
    browser = await sign_in(client, post, "owner@punjab.gov.in")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with listen(web.url, None, headers={"cookie": cookie, "origin": web.url}) as listener:
        await listener.subscribe(FEED, kinds=["REGISTRY"])
    for headers in (
        {"cookie": cookie, "origin": "https://evil.example"},
        {"cookie": cookie},
        {"cookie": cookie, "origin": web.url, "sec-fetch-site": "cross-site"},
        {"cookie": cookie, "origin": "null"},
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with listen(web.url, None, headers=headers):
                pass
        assert refused.value.response.status_code == 403
        assert b"ORIGIN_NOT_ALLOWED" in refused.value.response.body


async def test_the_eleventh_subscription_of_a_key_is_refused_wherever_it_comes(
    web: Served, cast: Cast
) -> None:
    key = cast.consumer.api_key
    async with listen(web.url, key) as one, listen(web.url, key) as two:
        names = [await one.subscribe(EVENTS) for _ in range(6)]
        for _ in range(4):
            await two.subscribe(EVENTS)
        await asyncio.sleep(0.3)
        (error,) = await two.of(await two.subscribe(EVENTS), "error")
        assert error["extensions"]["code"] == "SUBSCRIPTION_LIMIT"
        async with listen(web.url, cast.both.api_key) as other:
            await other.subscribe(EVENTS)
        await one.send(id=names[0], type="complete")
        await asyncio.sleep(0.3)
        eleventh = await two.subscribe(EVENTS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await two.of(eleventh, "error")


async def test_a_document_keeps_the_limits_of_queries(web: Served, client: Client, cast: Cast) -> None:
    deep = "{ event { reversals " * 6 + "{ id }" + " } }" * 6
    deeply = "reversals { reversals { reversals { lineItems { amount } } } }"
    costly = "{ event { " + " ".join(f"r{i}: {deeply}" for i in range(20)) + " } }"
    wrong = {
        "{ health { status } }": "DOCUMENT_INVALID",
        "{ __typename }": "SUBSCRIPTION_TRANSPORT",
        "subscription { fiscalEvents { logIndex } inboxMessages { logIndex } }": "DOCUMENT_INVALID",
        "subscription { __typename }": "DOCUMENT_INVALID",
        'subscription { feed(after: "999") { logIndex } }': "LOG_SIZE",
        'subscription { fiscalEvents(filter: {senders: ["x@y.org"]}) { logIndex } }': "ROLE_NOT_ALLOWED",
        "subscription { feed(after: 1.5) { logIndex } }": "INPUT",
        "subscription {" + " a" * 3000 + " }": "TOKEN_LIMIT",
        "subscription { fiscalEvents " + deep + " }": "DEPTH_LIMIT",
        "subscription { fiscalEvents " + costly + " }": "COST_LIMIT",
    }
    assert await client.acting(cast.provider.api_key).codes(EVENTS) == ["SUBSCRIPTION_TRANSPORT"]
    async with listen(web.url, cast.provider.api_key) as listener:
        for document, code in wrong.items():
            errors = await listener.of(await listener.subscribe(document), "error")
            assert errors[0]["extensions"]["code"] == code, document


@pytest.mark.parametrize("how", ["key", pytest.param("system", marks=pytest.mark.long)])
async def test_who_is_revoked_or_suspended_is_cut_within_five_seconds(
    web: Served, client: Client, cast: Cast, database: Database, how: str
) -> None:
    what = {
        "key": "UPDATE api_key SET state = 'REVOKED', revoked_at = now() WHERE system_id = :s",
        "system": "UPDATE system SET status = 'SUSPENDED' WHERE id = :s",
    }[how]
    async with listen(web.url, cast.consumer.api_key) as cut, listen(web.url, cast.both.api_key) as kept:
        await cut.subscribe(EVENTS)
        name = await kept.subscribe(EVENTS)
        async with database.transaction() as tx:
            await tx.execute(text(what), {"s": cast.consumer.system_id})
        started = time.monotonic()
        code, reason = await _closed(cut)
        assert time.monotonic() - started < 5
        assert (code, reason) == (4403, {"key": "KEY_REVOKED", "system": "SYSTEM_NOT_ACTIVE"}[how])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await kept.of(name)
        await kept.send(type="ping")
        assert await kept.receive() == {"type": "pong"}


@pytest.mark.long
async def test_a_role_that_was_taken_away_is_gone_from_open_subscriptions(
    web: Served, client: Client, cast: Cast, database: Database, sequencing: None
) -> None:
    async with listen(web.url, cast.consumer.api_key) as listener:
        name = await listener.subscribe(EVENTS)
        seen = await postings.post_ok(client, cast.provider)
        assert (await listener.data(name))["event"]["id"] == seen["id"]
        async with database.transaction() as tx:
            change = "UPDATE system SET roles = ARRAY['PROVIDER'] WHERE id = :s"
            await tx.execute(text(change), {"s": cast.consumer.system_id})
        await asyncio.sleep(3)
        await postings.post_ok(client, cast.provider)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await listener.of(name)


async def test_who_waits_holds_no_database_connection(
    web: Served, client: Client, cast: Cast, database: Database, means: Means, sequencing: None
) -> None:
    systems = [await make_system(database, means) for _ in range(3)]
    async with (
        listen(web.url, systems[0].api_key) as a,
        listen(web.url, systems[1].api_key) as b,
        listen(web.url, systems[2].api_key) as c,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        names = [(each, await each.subscribe(EVENTS)) for each in (a, b, c) for _ in range(8)]
        event = await postings.post_ok(client, cast.provider)
        for listener, name in names:
            assert (await listener.data(name))["event"]["id"] == event["id"]
        looks = []
        for _ in range(30):
            page = await _metrics(http, web)
            looks.append((page['hub_database_connections{state="in_use"}'], page["hub_subscriptions"]))
            await asyncio.sleep(0.02)
        assert {streams for _, streams in looks} == {24}
        # The scrape itself holds one while it counts jobs, the task that asks for all one now and then.
        assert sorted(held for held, _ in looks)[len(looks) // 2] <= 1
        assert max(held for held, _ in looks) <= 3


async def _metrics(http: httpx.AsyncClient, web: Served) -> dict[str, float]:
    page = (await http.get(f"{web.url}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
