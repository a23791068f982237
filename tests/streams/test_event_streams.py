"""Subscriptions as server-sent events: the same answers as over a WebSocket, resumed by Last-Event-ID."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.streams.listening import EVENTS, Served, streamed

pytestmark = pytest.mark.anyio


async def test_a_stream_tells_history_then_news_and_resumes_behind_the_last_event(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    first = await postings.post_ok(client, cast.provider)
    async with streamed(web.url, cast.consumer.api_key, EVENTS) as (response, stream):
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        told = await anext(stream)
        assert told.name == "next"
        assert told.data["data"]["fiscalEvents"]["event"]["id"] == first["id"]
        assert told.id == told.data["data"]["fiscalEvents"]["logIndex"]
        second = await postings.post_ok(client, cast.provider)
        news = await anext(stream)
        assert news.data["data"]["fiscalEvents"]["event"]["id"] == second["id"]
    third = await postings.post_ok(client, cast.provider)
    # What the document itself says is older than what the reader has come to.
    async with streamed(web.url, cast.consumer.api_key, EVENTS, last_event=told.id, after="0") as (_, stream):
        again = [(await anext(stream)).data["data"]["fiscalEvents"]["event"]["id"] for _ in range(2)]
        assert again == [second["id"], third["id"]]


async def test_what_does_not_begin_is_a_plain_refusal_and_what_cannot_go_on_says_why(
    web: Served, cast: Cast
) -> None:
    for token, document, last_event, status, code in (
        (None, EVENTS, None, 401, "UNAUTHENTICATED"),
        ("fhub_live_00000000_nonsense", EVENTS, None, 401, "UNAUTHENTICATED"),
        (cast.consumer.api_key, "{ __typename }", None, 400, "SUBSCRIPTION_TRANSPORT"),
        (cast.consumer.api_key, "subscription { nothing }", None, 400, "DOCUMENT_INVALID"),
        (cast.consumer.api_key, EVENTS, "not a number", 400, "INPUT"),
    ):
        async with streamed(web.url, token, document, last_event=last_event) as (response, _):
            await response.aread()
            assert response.status_code == status, code
            assert response.json()["errors"][0]["extensions"]["code"] == code
    async with streamed(web.url, cast.consumer.api_key, EVENTS, after="999") as (response, stream):
        assert response.status_code == 200
        why, end = [event async for event in stream]
        assert why.data["errors"][0]["extensions"]["code"] == "LOG_SIZE"
        assert (end.name, end.data) == ("complete", None)


@pytest.mark.long
async def test_the_eleventh_stream_of_a_key_is_too_many(web: Served, cast: Cast) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            response, _ = await stack.enter_async_context(streamed(web.url, cast.consumer.api_key, EVENTS))
            assert response.status_code == 200
        response, _ = await stack.enter_async_context(streamed(web.url, cast.consumer.api_key, EVENTS))
        await response.aread()
        assert response.status_code == 429
        assert response.headers["retry-after"]
        assert response.json()["errors"][0]["extensions"]["code"] == "SUBSCRIPTION_LIMIT"


@pytest.mark.long
async def test_heartbeats_move_the_readers_place_past_what_it_may_not_see(
    web: Served, client: Client, cast: Cast, sequencing: None
) -> None:
    await postings.send(client, cast.provider, [cast.consumer.unique_id])
    document = "subscription { inboxMessages { logIndex } }"
    async with streamed(web.url, cast.both.api_key, document) as (response, _):
        places: list[int] = []
        async with asyncio.timeout(60):
            async for line in response.aiter_lines():
                assert not line.startswith(("event", "data"))
                if line.startswith("id: "):
                    places.append(int(line[4:]))
                if len(places) > 1 and places[-1] > 0:
                    break
    assert places == sorted(places)
