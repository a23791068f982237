"""Every limit trips, its neighbour just below passes, and the analysis itself stays cheap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from graphql import get_introspection_query

from hub.limits import Documents, Limits
from hub.settings import Settings
from tests.api.edge import GOOD_KEY, Outsider, edge, make_schema

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings, requests_per_minute=100_000, anonymous_requests_per_minute=100_000) as outsider:
        yield outsider


def documents(**limits: int) -> Documents:
    return Documents(make_schema(), Limits(**limits))


def outcome(text: str, **limits: int) -> str:
    """The code a document is refused with, or OK."""
    prepared = documents(**limits).prepare(text)
    if prepared.refusal is not None:
        return prepared.refusal.problems[0].code.value
    return "DOCUMENT_INVALID" if prepared.errors else "OK"


def nested(depth: int) -> str:
    """A selection with a leaf at this depth."""
    return "{thing{" + "child{" * (depth - 2) + "name" + "}" * (depth - 2) + "}}"


async def test_depth_10_passes_and_11_is_refused(hub: Outsider) -> None:
    assert (await hub.send(nested(10))).status_code == 200
    response = await hub.send(nested(11))
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "DEPTH_LIMIT"
    assert "data" not in response.json()


async def test_depth_counts_through_fragments() -> None:
    def through(depth: int) -> str:
        inner = "child{" * (depth - 4) + "name" + "}" * (depth - 4)
        return (
            "query {thing {...A}} fragment A on Thing {... on Thing {child {...B}}}"
            f" fragment B on Thing {{child {{{inner}}}}}"
        )

    assert outcome(through(10)) == "OK"
    assert outcome(through(11)) == "DEPTH_LIMIT"


def test_nesting_beyond_the_parser_is_a_depth_limit_too() -> None:
    assert outcome("{" + "thing{" * 300 + "name" + "}" * 301) == "DEPTH_LIMIT"


async def test_introspection_has_a_depth_of_its_own(hub: Outsider) -> None:
    assert (await hub.send(get_introspection_query())).json()["data"]["__schema"]["queryType"][
        "name"
    ] == "TestQuery"
    of_types = "ofType{" * 18 + "name" + "}" * 18
    assert outcome('{__type(name:"Thing"){' + of_types + "}}") == "OK"
    of_types = "ofType{" * 20 + "name" + "}" * 20
    assert outcome('{__type(name:"Thing"){' + of_types + "}}") == "DEPTH_LIMIT"


async def test_2000_tokens_pass_and_2001_are_refused(hub: Outsider) -> None:
    def of_tokens(count: int) -> str:
        return "{total(numbers: [" + "1 " * (count - 9) + "])}"

    assert (await hub.send(of_tokens(2_000))).json()["data"] == {"total": 1_991}
    response = await hub.send(of_tokens(2_001))
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "TOKEN_LIMIT"


def test_comments_count_as_well() -> None:
    assert outcome("#\n" * 10 + "{who}", tokens_max=10) == "OK"
    assert outcome("#\n" * 11 + "{who}", tokens_max=10) == "TOKEN_LIMIT"


def test_a_value_that_quotes_the_parser_is_a_syntax_error_not_a_limit() -> None:
    assert outcome('{who "x Parsing aborted."') == "DOCUMENT_INVALID"


def aliased(count: int) -> str:
    return "{" + " ".join(f"a{number}: who" for number in range(count)) + "}"


async def test_30_aliases_pass_and_31_are_refused(hub: Outsider) -> None:
    assert (await hub.send(aliased(30))).status_code == 200
    assert await hub.codes(aliased(31)) == ["ALIAS_LIMIT"]


def test_a_repeated_field_counts_as_an_alias() -> None:
    assert outcome("{" + "who " * 31 + "}") == "OK"
    assert outcome("{" + "who " * 32 + "}") == "ALIAS_LIMIT"


def test_aliases_multiply_with_the_spreads_of_their_fragment() -> None:
    fragment = " fragment F on Thing {a:name b:name c:name d:name e:name}"

    def spread(count: int) -> str:
        return "{" + " ".join("x" * n + ":thing{...F}" for n in range(1, count + 1)) + "}" + fragment

    assert outcome(spread(5)) == "OK"
    assert outcome(spread(6)) == "ALIAS_LIMIT"


def test_many_fragments_with_the_same_field_are_refused_before_validation_compares_them() -> None:
    def overlapping(count: int) -> str:
        spreads = " ".join(f"...F{n}" for n in range(count))
        return "{" + spreads + "}" + "".join(f"fragment F{n} on TestQuery{{who}}" for n in range(count))

    assert outcome(overlapping(60)) == "OK"
    assert outcome(overlapping(70)) == "ALIAS_LIMIT"


async def test_5_root_mutations_pass_and_6_are_refused(hub: Outsider) -> None:
    def mutations(count: int) -> str:
        return "mutation {" + " ".join(f"a{n}: touch" for n in range(count)) + "}"

    assert (await hub.send(mutations(5))).json()["data"]["a4"] == "x"
    assert await hub.codes(mutations(6)) == ["ROOT_MUTATION_LIMIT"]
    hidden = "mutation {...A ...B} fragment A on TestMutation {a:touch b:touch c:touch}"
    assert outcome(hidden + " fragment B on TestMutation {d:touch e:touch}") == "OK"
    assert outcome(hidden + " fragment B on TestMutation {d:touch e:touch f:touch}") == "ROOT_MUTATION_LIMIT"


async def test_a_long_document_is_refused_before_it_is_read(hub: Outsider) -> None:
    def long(count: int) -> str:
        head, tail = '{echo(text:"', '")}'
        return head + "x" * (count - len(head) - len(tail)) + tail

    assert (await hub.send(long(100_000))).status_code == 200
    assert await hub.codes(long(100_001)) == ["DOCUMENT_SIZE"]


def cost(text: str, **variables: object) -> int:
    prepared = documents().prepare(text)
    assert not prepared.errors, prepared.errors
    operation = prepared.operation(None)
    assert operation is not None
    return operation.cost.of(variables)


PAGE = "things(first: %s) {edges {node {name}} pageInfo {hasNextPage}}"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{who}", 0),
        ("{__typename}", 0),
        ("{thing {name id}}", 1),
        ("{thing {child {child {name}}}}", 3),
        ("{thing {parts {name}}}", 1 + 10 * 1),
        ("{thing {parts {parts {name}}}}", 1 + 10 * (1 + 10)),
        ("{expensive}", 70),
        ("{a: expensive b: expensive}", 140),
        ("{%s}" % (PAGE % 1), 1 + 1 * 2 + 1),
        ("{%s}" % (PAGE % 100), 1 + 100 * 2 + 1),
        ("{things {edges {node {name}}}}", 1 + 50 * 2),
        (
            "{things(first: 100) {edges {node {things(first: 20) {edges {node {name}}}}}}}",
            1 + 100 * (2 + 1 + 20 * 2),
        ),
        ("{things(first: 1000000) {edges {node {name}}}}", 1 + 100 * 2),
        ("{things(first: -5) {edges {node {name}}}}", 1 + 1 * 2),
        ("{things(first: 100) {...P}} fragment P on ThingConnection {edges {node {name}}}", 1 + 100 * 2),
        ("{thing {...F child {...F}}} fragment F on Thing {child {name}}", 1 + 1 + 1 + 1),
        ("mutation {touch}", 10),
        ('mutation {post(input: {items: [{amount: "1"}]}) {results {name}}}', 10 + 1 + 1),
        ('mutation {post(input: {items: [{amount: "1"}, {amount: "1"}]}) {errors {code}}}', 10 + 2 + 1),
        ("{__schema {types {name}}}", 5_000),
    ],
)
def test_objects_count_one_and_lists_multiply(document: str, expected: int) -> None:
    assert cost(document) == expected


def test_variables_say_how_long_pages_and_batches_are() -> None:
    pages = "query($n: Int = 7) {things(first: $n) {edges {node {name}}}}"
    assert cost(pages) == 1 + 7 * 2
    assert cost(pages, n=3) == 1 + 3 * 2
    assert cost(pages, n=None) == 1 + 100 * 2
    assert cost(pages, n="many") == 1 + 100 * 2
    assert cost("query($n: Int) {things(first: $n) {edges {node {name}}}}") == 1 + 50 * 2
    batch = "mutation($input: BatchInput!) {post(input: $input) {results {name child {name}}}}"
    assert cost(batch, input={"items": [{}] * 40}) == 10 + 40 + 40 * 2
    assert cost(batch, input={"items": [{}] * 9_999}) == 10 + 500 + 500 * 2
    inside = "mutation($items: [ItemInput!]!) {post(input: {items: $items}) {results {name}}}"
    assert cost(inside, items=[{}] * 30) == 10 + 30 + 30


async def test_a_cost_at_the_budget_passes_and_one_above_is_refused(
    hub: Outsider, settings: Settings
) -> None:
    document = "query($n: Int) {things(first: $n) {edges {node {name}}}}"
    async with edge(settings, cost_max=41) as small:
        passed = (await small.send(document, {"n": 20})).json()
        assert passed["extensions"]["cost"] == {"requested": 41, "budget": 41}
        response = await small.send(document, {"n": 21})
    assert response.status_code == 400
    refused = response.json()
    assert refused["errors"][0]["extensions"]["code"] == "COST_LIMIT"
    assert refused["extensions"]["cost"] == {"requested": 43, "budget": 41}
    assert "data" not in refused
    deep = "{things(first:100){edges{node{things(first:100){edges{node{name}}}}}}}"
    assert await hub.codes(deep) == ["COST_LIMIT"]


def test_fragments_that_double_at_each_step_cost_much_and_take_no_time_to_measure() -> None:
    steps = 20
    document = (
        "{things(first: 100) {edges {node {...F0}}}}"
        + "".join(
            f"fragment F{n} on Thing {{...F{n + 1} ... on Thing {{...F{n + 1}}}}}" for n in range(steps)
        )
        + f"fragment F{steps} on Thing {{name}}"
    )
    started = time.perf_counter()
    assert outcome(document) == "ALIAS_LIMIT"
    document = (
        "{things(first: 100) {edges {node {...F0}}}}"
        + "".join(f"fragment F{n} on Thing {{child {{...F{n + 1}}} parts {{...F{n + 1}}}}}" for n in range(6))
        + "fragment F6 on Thing {name}"
    )
    assert cost(document) == 1 + 100 * (2 + 11 * (1 + 11 * (1 + 11 * (1 + 11 * (1 + 11 * (1 + 11))))))
    assert time.perf_counter() - started < 1


def test_cycles_are_refused_not_followed() -> None:
    cycle = "{thing {...A}} fragment A on Thing {child {...B}} fragment B on Thing {...A ...C} fragment C on Thing {...C}"
    assert outcome(cycle) == "DOCUMENT_INVALID"
    assert outcome("{...A} fragment A on TestQuery {...A}") == "DOCUMENT_INVALID"


@pytest.mark.parametrize(
    "document",
    [
        "{" + "who " * 1_990 + "}",
        "{thing{" + "name " * 1_900 + "}}",
        "{" + "thing{name}" * 480 + "}",
        "{"
        + "".join(f"...F{n} " for n in range(200))
        + "}"
        + "".join(f"fragment F{n} on TestQuery{{who}}" for n in range(200)),
        "{...F0}"
        + "".join(f"fragment F{n} on TestQuery{{...F{n + 1} ...F{n + 1}}}" for n in range(150))
        + "fragment F150 on TestQuery{who}",
        "{...F0}"
        + "".join(f"fragment F{n} on TestQuery{{...F{n + 1}}}" for n in range(220))
        + "fragment F220 on TestQuery{who}",
    ],
    ids=["same leaf", "same leaf deeper", "same object", "wide fragments", "doubling chain", "long chain"],
)
def test_the_worst_documents_within_the_token_limit_take_little_time(document: str) -> None:
    prepared = documents()
    started = time.process_time()
    prepared.prepare(document)
    assert time.process_time() - started < 10, "analysis grows faster than the document"


def test_a_document_is_prepared_once_and_the_memory_for_it_is_bounded() -> None:
    kept = documents(document_cache_bytes=110_000)
    first = kept.prepare("{who}")
    assert kept.prepare("{who}") is first
    invalid = kept.prepare("{nothing}")
    assert kept.prepare("{nothing}") is invalid
    for number in range(10):
        kept.prepare(f"{{a{number}: who}}")
    assert kept.prepare("{who}") is not first
    assert kept._bytes <= 110_000
    assert len(kept._kept) <= 4


async def test_introspection_is_answered_from_memory_the_second_time(hub: Outsider) -> None:
    query = get_introspection_query()
    first = await hub.send(query)
    operation = hub.api.documents.prepare(query).operation(None)
    assert hub.api._introspected[id(operation)][1] == first.content
    assert (await hub.send(query)).content == first.content


async def test_a_slow_statement_is_stopped_with_a_code(settings: Settings) -> None:
    async with edge(settings, statement_timeout_ms=300) as hub:
        assert (await hub.send("{sleep(seconds: 0)}")).json()["data"] == {"sleep": "slept"}
        answer = (await hub.send("{sleep(seconds: 5)}")).json()
    assert answer["data"] == {"sleep": None}
    assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT"
    assert answer["errors"][0]["extensions"]["traceId"]


async def test_the_third_request_of_two_allowed_is_429_with_retry_after(settings: Settings) -> None:
    async with edge(settings, requests_per_minute=2, anonymous_requests_per_minute=2) as hub:
        for _ in range(2):
            assert (await hub.send("{who}")).status_code == 200
        response = await hub.send("{who}")
        assert response.status_code == 429
        assert response.json()["errors"][0]["extensions"]["code"] == "RATE_LIMIT"
        assert 1 <= int(response.headers["retry-after"]) <= 30
        # Another identity has a bucket of its own.
        for _ in range(2):
            assert (await hub.send("{who}", authorization=f"Bearer {GOOD_KEY}")).status_code == 200
        assert (await hub.send("{who}", authorization=f"Bearer {GOOD_KEY}")).status_code == 429


async def test_wrong_keys_use_up_the_rate_of_their_address(settings: Settings) -> None:
    async with edge(settings, anonymous_requests_per_minute=3) as hub:
        found = [
            (await hub.send("{who}", authorization=f"Bearer fhub_test_{n}")).status_code for n in range(5)
        ]
        assert found == [401, 401, 401, 429, 429]
        assert (await hub.send("{who}", authorization=f"Bearer {GOOD_KEY}")).status_code == 200


async def test_two_processes_share_the_bucket(settings: Settings) -> None:
    changes = {"anonymous_requests_per_minute": 4}
    async with edge(settings, **changes) as one, edge(settings, **changes) as other:
        found = [(await hub.send("{who}")).status_code for hub in (one, other, one, other, one, other)]
    assert found == [200, 200, 200, 200, 429, 429]


async def test_a_bucket_fills_again(settings: Settings) -> None:
    async with edge(settings, anonymous_requests_per_minute=120) as hub:
        found = await asyncio.gather(*(hub.send("{who}") for _ in range(400)))
        # Twice the bucket at most: a Redis that answers late hands over to the bucket of this process.
        assert 120 <= [response.status_code for response in found].count(200) < 300
        await asyncio.sleep(1.1)
        assert (await hub.send("{who}")).status_code == 200


async def test_a_lost_redis_costs_one_short_wait_and_limits_stay(settings: Settings, tmp_path: Path) -> None:
    dead = f"unix://{tmp_path}/nobody.sock"
    changes = {"redis_url": type(settings.redis_url)(dead), "anonymous_requests_per_minute": 60}  # type: ignore[misc]
    async with edge(settings, **changes) as hub:
        assert (await hub.send("{who}")).status_code == 200
        assert hub.rates.degraded
        started = time.perf_counter()
        for _ in range(50):
            await hub.rates.spend("somebody", 1_000)
        assert (time.perf_counter() - started) / 50 < 0.001
        found = [(await hub.send("{who}")).status_code for _ in range(70)]
        assert found.count(429) >= 5
        assert found[:59] == [200] * 59


async def test_a_redis_that_does_not_answer_is_waited_for_once(settings: Settings) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    changes = {"redis_url": type(settings.redis_url)(f"redis://127.0.0.1:{port}/0")}  # type: ignore[misc]
    async with edge(settings, **changes) as hub:
        started = time.perf_counter()
        assert (await hub.send("{who}")).status_code == 200
        assert time.perf_counter() - started < 1
        assert hub.rates.degraded
    server.close()


async def test_a_redis_that_comes_back_is_used_again(settings: Settings) -> None:
    async with edge(settings) as hub:
        hub.rates._lost("test")
        assert hub.rates.degraded
        for _ in range(40):
            await asyncio.sleep(0.1)
            if not hub.rates.degraded:
                break
        assert not hub.rates.degraded
        assert (await hub.send("{who}")).status_code == 200
