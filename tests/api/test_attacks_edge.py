"""Attacks on the HTTP edge that once worked: slow headers, huge lists, odd lengths, borrowed costs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from hub.edge import LIST_ENTRIES_MAX, STRANGERS_BYTES_MAX
from hub.settings import Settings
from tests.api.edge import GOOD_KEY, Outsider, edge

pytestmark = pytest.mark.anyio

ECHO = "query ($numbers: [Int!]!) { total(numbers: $numbers) }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings, requests_per_minute=100_000, anonymous_requests_per_minute=100_000) as outsider:
        yield outsider


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    "cookie",
    ['hub_session="' + "\\" * 60_000 + '"', "hub_session=" + "a=;" * 20_000, ";" * 60_000],
    ids=["backslashes", "pairs", "semicolons"],
)
async def test_a_hostile_cookie_header_takes_no_time(hub: Outsider, cookie: str) -> None:
    start = time.perf_counter()
    response = await hub.send("{who}", cookie=cookie, origin="http://hub")
    assert time.perf_counter() - start < 1
    assert response.status_code in {200, 401}


async def test_a_session_cookie_planted_beside_another_is_not_believed(hub: Outsider) -> None:
    headers = {"origin": "http://hub"}
    good = await hub.send("{who}", cookie="hub_session=good-session", **headers)
    assert good.json()["data"] == {"who": "mgramseva@punjab.ifix.org"}
    for cookie in (
        "hub_session=other; hub_session=good-session",
        "hub_session=good-session; hub_session=other",
    ):
        response = await hub.send("{who}", cookie=cookie, **headers)
        assert response.status_code == 401


@pytest.mark.parametrize(
    "origin",
    ["http://[", "http://hub@evil", "null", "//hub", "http://hub/", "ftp://hub", "", "http://HUB.evil"],
)
async def test_an_origin_that_is_not_exactly_ours_is_refused(hub: Outsider, origin: str) -> None:
    response = await hub.send("{who}", cookie="hub_session=good-session", origin=origin)
    assert (response.status_code, code_of(response)) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5_000, b"-1", b"+5", b"0x10", b"1e9"])
async def test_a_strange_content_length_is_no_fault(hub: Outsider, length: bytes) -> None:
    headers = {b"content-type": b"application/json", b"content-length": length}
    response = await hub.http.post("/graphql", content=b'{"query":"{who}"}', headers=list(headers.items()))
    assert response.status_code in {200, 413}


async def test_strangers_send_little_and_known_callers_much(hub: Outsider) -> None:
    padded = json.dumps({"query": "{who}", "extensions": "x" * STRANGERS_BYTES_MAX})
    refused = await hub.raw(padded)
    assert (refused.status_code, code_of(refused)) == (413, "BODY_TOO_LARGE")
    wrong = await hub.raw(padded, authorization="Bearer wrong")
    assert (wrong.status_code, code_of(wrong)) == (401, "UNAUTHENTICATED")
    known = await hub.raw(padded, authorization=f"Bearer {GOOD_KEY}")
    assert known.json()["data"] == {"who": "mgramseva@punjab.ifix.org"}


async def test_strangers_cannot_stream_more_than_they_may_declare(hub: Outsider) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"query":"{who}","extensions":"'
        for _ in range(STRANGERS_BYTES_MAX // 1024 + 1):
            yield b"x" * 1024
        yield b'"}'

    response = await hub.http.post("/graphql", content=parts(), headers={"content-type": "application/json"})
    assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_a_list_of_half_a_million_is_refused_before_its_entries_are_read(hub: Outsider) -> None:
    sent = json.dumps({"query": ECHO, "variables": {"numbers": [1] * 500_000}})
    start = time.perf_counter()
    response = await hub.raw(sent, authorization=f"Bearer {GOOD_KEY}")
    assert time.perf_counter() - start < 3
    assert (response.status_code, code_of(response)) == (400, "INPUT")
    just = json.dumps({"query": ECHO, "variables": {"numbers": [100_000] * LIST_ENTRIES_MAX}})
    assert (await hub.raw(just, authorization=f"Bearer {GOOD_KEY}")).json()["data"] == {
        "total": 100_000 * LIST_ENTRIES_MAX
    }


async def test_lists_within_lists_are_counted_together(hub: Outsider) -> None:
    rows = [[1] * 1_000] * 1_100
    sent = json.dumps({"query": ECHO, "variables": {"numbers": [], "rows": rows}})
    response = await hub.raw(sent, authorization=f"Bearer {GOOD_KEY}")
    assert (response.status_code, code_of(response)) == (400, "INPUT")


async def test_introspection_with_aliases_costs_each_of_them(hub: Outsider) -> None:
    fields = " ".join(f"a{i}: fields {{ name }}" for i in range(29))
    assert await hub.codes(f"{{ __schema {{ types {{ {fields} }} }} }}") == ["COST_LIMIT"]
    spread = f"{{ __schema {{ types {{ ...F }} }} }} fragment F on __Type {{ {fields} }}"
    assert await hub.codes(spread) == ["COST_LIMIT"]
    assert await hub.codes(get_introspection_query()) == []


@pytest.mark.parametrize(
    "given", ["{items: $items, note: $note}", "{note: $note, items: $items}", '{note: "x", items: $items}']
)
async def test_a_batch_costs_the_same_whichever_way_it_is_written(hub: Outsider, given: str) -> None:
    document = (
        f"mutation ($items: [ItemInput!]!, $note: String) {{ post(input: {given}) {{ errors {{ code }} }} }}"
    )
    if "$note" not in given:
        document = document.replace(", $note: String", "")
    variables: dict[str, Any] = {"items": [{"amount": "1.00"}] * 300}
    cost = (await hub.send(document, variables)).json()["extensions"]["cost"]["requested"]
    assert cost >= 300


@pytest.mark.parametrize(
    "document",
    [
        "{things(first: %s) {pageInfo {endCursor}}}",
        "query ($n: Int = %s) {things(first: $n) {pageInfo {endCursor}}}",
        "{total(numbers: [%s])}",
    ],
)
async def test_what_python_says_about_a_value_stays_inside(hub: Outsider, document: str) -> None:
    response = await hub.send(document % ("9" * 5_000))
    assert (response.status_code, code_of(response)) == (400, "DOCUMENT_INVALID")
    assert "set_int_max_str_digits" not in response.text


async def test_neighbours_in_one_ipv6_network_share_a_rate(settings: Settings) -> None:
    async with edge(settings, anonymous_requests_per_minute=3) as outsider:
        statuses = []
        for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "2001:db8::4", "2001:db8:0:1::1"):
            transport = httpx.ASGITransport(app=outsider.app, client=(host, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
                statuses.append((await http.post("/graphql", json={"query": "{who}"})).status_code)
    assert statuses == [200, 200, 200, 429, 200]
