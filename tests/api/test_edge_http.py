"""GraphQL over HTTP: methods, media types, bodies, origins, correlation ids, safe headers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from hub.app import create_app
from hub.edge import accepted, load_json
from hub.settings import Settings
from tests.api.edge import GOOD_KEY, Outsider, edge

pytestmark = pytest.mark.anyio
QUERY = json.dumps({"query": "{who}"})


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings, body_bytes_max=2_000) as outsider:
        yield outsider


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def test_a_query_is_answered(hub: Outsider) -> None:
    response = await hub.raw(QUERY)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert response.json()["data"] == {"who": "nobody"}
    assert response.json()["extensions"]["cost"] == {"requested": 0, "budget": 20_000}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_are_refused_with_allow(hub: Outsider, method: str) -> None:
    response = await hub.http.request(method, "/graphql?query={who}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('APPLICATION/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/graphql", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_only_json_is_read(hub: Outsider, content_type: str, status: int) -> None:
    assert (await hub.raw(QUERY, content_type=content_type)).status_code == status


async def test_compressed_bodies_are_refused(hub: Outsider) -> None:
    assert (await hub.raw(QUERY, content_encoding="gzip")).status_code == 415


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/graphql-response+json"),
        ("*/*", "application/graphql-response+json"),
        ("application/json", "application/json"),
        ("application/json, application/graphql-response+json", "application/json"),
        ("application/json;q=0.5, application/graphql-response+json", "application/graphql-response+json"),
        ("text/html, application/*;q=0.1", "application/graphql-response+json"),
    ],
)
async def test_accept_chooses_the_media_type(accept: str | None, expected: str) -> None:
    assert accepted(accept) == expected


async def test_who_takes_neither_media_type_gets_406(hub: Outsider) -> None:
    assert (await hub.raw(QUERY, accept="text/html")).status_code == 406
    assert (await hub.raw(QUERY, accept="application/json;q=0")).status_code == 406


@pytest.mark.parametrize("document", ["{", "{nothing}", "{thing}"])
async def test_request_errors_are_400_unless_plain_json_is_asked_for(hub: Outsider, document: str) -> None:
    refused = await hub.send(document)
    assert refused.status_code == 400
    assert code_of(refused) == "DOCUMENT_INVALID"
    assert "data" not in refused.json()
    assert "locations" in refused.json()["errors"][0]
    assert (await hub.send(document, accept="application/json")).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "BAD_REQUEST"),
        ("{", "BAD_REQUEST"),
        ('"query"', "BAD_REQUEST"),
        ("{}", "BAD_REQUEST"),
        ('{"query": 1}', "BAD_REQUEST"),
        ('{"query": "  "}', "BAD_REQUEST"),
        ('{"query": "{who}", "variables": []}', "BAD_REQUEST"),
        ('{"query": "{who}", "variables": "x"}', "BAD_REQUEST"),
        ('{"query": "{who}", "operationName": 1}', "BAD_REQUEST"),
        ('{"query": "{who}", "variables": {"a": NaN}}', "BAD_REQUEST"),
        ('{"query": "{who}", "variables": {"a": "\\ud800"}}', "BAD_REQUEST"),
        ('{"query": "{who}", "query": "{thing{name}}"}', "BAD_REQUEST"),
        ('{"query": "{who}", "variables": {"a": 1, "a": 2}}', "BAD_REQUEST"),
        ('[{"query": "{who}"}]', "BATCHING_NOT_ALLOWED"),
        ("[]", "BATCHING_NOT_ALLOWED"),
        ("[" * 1_500, "BAD_REQUEST"),
    ],
)
async def test_bodies_that_are_no_request_are_refused(hub: Outsider, body: str, code: str) -> None:
    response = await hub.raw(body, accept="application/json")
    assert (response.status_code, code_of(response)) == (400, code)


async def test_bytes_that_are_not_utf_8_are_refused(hub: Outsider) -> None:
    response = await hub.raw(b'{"query": "{who}\xff"}')
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_unknown_members_and_nulls_are_tolerated(hub: Outsider) -> None:
    body = '{"query": "{who}", "variables": null, "operationName": null, "extensions": {"x": 1}, "id": 7}'
    assert (await hub.raw(body)).json()["data"] == {"who": "nobody"}


def test_surrogate_pairs_and_big_numbers_arrive_as_they_were_sent() -> None:
    value = load_json(b'{"a": "\\ud83d\\ude00", "n": 123456789012345678901234567890}')
    assert value == {"a": "\N{GRINNING FACE}", "n": 123456789012345678901234567890}


async def test_a_body_just_within_the_limit_passes_and_one_byte_more_does_not(hub: Outsider) -> None:
    body = QUERY + " " * (2_000 - len(QUERY))
    assert (await hub.raw(body)).status_code == 200
    response = await hub.raw(body + " ")
    assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_a_body_of_undeclared_length_is_counted_while_it_streams(hub: Outsider) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 100
            yield b" " * 100

    response = await hub.http.post("/graphql", content=pieces(), headers={"content-type": "application/json"})
    assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_the_operation_is_chosen_by_name(hub: Outsider) -> None:
    document = "query A {who} query B {thing {name}}"

    async def named(name: str | None) -> httpx.Response:
        return await hub.raw(json.dumps({"query": document, "operationName": name}))

    assert (await named("B")).json()["data"] == {"thing": {"name": "x"}}
    assert (await named("A")).json()["data"] == {"who": "nobody"}
    assert code_of(await named(None)) == "DOCUMENT_INVALID"
    assert code_of(await named("C")) == "DOCUMENT_INVALID"


async def test_k18_a_request_without_correlation_id_gets_one(hub: Outsider) -> None:
    first, second = [await hub.send("{trace}") for _ in range(2)]
    assert first.headers["x-request-id"] == first.json()["data"]["trace"]
    assert len(first.headers["x-request-id"]) == 32
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("sent", ["a", "Trace-1.2_3", "x" * 128])
async def test_k18_a_sane_correlation_id_is_kept(hub: Outsider, sent: str) -> None:
    response = await hub.send("{trace}", x_request_id=sent)
    assert response.headers["x-request-id"] == sent
    assert response.json()["data"]["trace"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\tb", 'a"b', "<script>"])
async def test_k18_any_other_correlation_id_is_replaced(hub: Outsider, sent: str) -> None:
    response = await hub.send("{trace}", x_request_id=sent)
    assert response.headers["x-request-id"] != sent
    assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/graphql", "/health/live", "/nowhere"])
async def test_k18_every_answer_carries_a_correlation_id_and_safe_headers(hub: Outsider, path: str) -> None:
    headers = (await hub.http.get(path)).headers
    assert headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


OWN = "http://hub"
FOREIGN = "http://evil.example"
COOKIE = "hub_session=good-session"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cookie": COOKIE, "origin": OWN}, 200),
        ({"cookie": COOKIE, "sec-fetch-site": "same-origin"}, 200),
        ({"cookie": COOKIE, "origin": OWN, "sec-fetch-site": "same-origin"}, 200),
        ({"cookie": COOKIE}, 403),
        ({"cookie": COOKIE, "origin": FOREIGN}, 403),
        ({"cookie": COOKIE, "origin": "null"}, 403),
        ({"cookie": COOKIE, "origin": "http://hub.evil.example"}, 403),
        ({"cookie": COOKIE, "sec-fetch-site": "cross-site"}, 403),
        ({"cookie": COOKIE, "sec-fetch-site": "same-site"}, 403),
        ({"cookie": COOKIE, "sec-fetch-site": "none"}, 403),
        ({"cookie": COOKIE, "origin": OWN, "sec-fetch-site": "cross-site"}, 403),
        ({"origin": FOREIGN}, 403),
        ({}, 200),
        ({"authorization": f"Bearer {GOOD_KEY}"}, 200),
    ],
)
async def test_a_session_is_taken_only_from_our_own_pages(
    hub: Outsider, headers: dict[str, str], status: int
) -> None:
    response = await hub.http.post(
        "/graphql", content=QUERY, headers={"content-type": "application/json"} | headers
    )
    assert response.status_code == status
    if status == 403:
        assert code_of(response) == "ORIGIN_NOT_ALLOWED"
        assert "data" not in response.json()


async def test_behind_a_proxy_the_public_url_is_the_only_origin(settings: Settings) -> None:
    async with edge(settings, public_url="https://hub.example/") as hub:
        for origin, status in (("https://hub.example", 200), ("http://hub.example", 403), (OWN, 403)):
            assert (await hub.raw(QUERY, cookie=COOKIE, origin=origin)).status_code == status


async def test_a_session_beside_an_api_key_is_not_looked_at(hub: Outsider) -> None:
    response = await hub.raw(QUERY, cookie="hub_session=wrong", authorization=f"Bearer {GOOD_KEY}")
    assert response.json()["data"] == {"who": "mgramseva@punjab.ifix.org"}


async def test_k12_a_wrong_key_is_401_with_a_challenge(hub: Outsider) -> None:
    response = await hub.raw(QUERY, authorization="Bearer fhub_test_wrong")
    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_cookies_a_resolver_sets_are_sent_and_the_browsers_are_read(hub: Outsider) -> None:
    response = await hub.send("{browser}", cookie="hub_browser=b-1", origin=OWN)
    assert response.json()["data"] == {"browser": "b-1"}
    assert response.headers["set-cookie"].startswith("hub_session=fresh;")


async def test_graphiql_is_shown_to_browsers_in_development_without_any_other_host(hub: Outsider) -> None:
    page = await hub.http.get("/graphql", headers={"accept": "text/html,*/*"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "http" not in policy
    assert "script-src 'self';" in policy
    assert "https://" not in page.text.replace("http://hub", "")
    for line in page.text.splitlines():
        for attribute in ("src=", "href="):
            if f'{attribute}"/' in line:
                path = line.split(f'{attribute}"')[1].split('"')[0]
                asset = await hub.http.get(path)
                assert asset.status_code == 200, path
                assert "immutable" in asset.headers["cache-control"]


async def test_graphiql_is_not_there_in_production(settings: Settings) -> None:
    keys = {
        "master_key": settings.secret_bytes("master_key"),
        "signing_key": settings.secret_bytes("signing_key"),
        "log_key": settings.secret_bytes("log_key"),
        "vault_key": settings.secret_bytes("vault_key"),
    }
    assert all(keys.values())
    async with edge(settings, mode="production", public_url="https://hub.example") as hub:
        assert (await hub.http.get("/graphql", headers={"accept": "text/html"})).status_code == 405
        assert (await hub.http.get("/static/graphiql/react-18.3.1.min.js")).status_code == 404


async def test_production_does_not_begin_without_its_address(settings: Settings) -> None:
    keys = dict.fromkeys(("master_key", "signing_key", "log_key", "vault_key"), "A" * 43 + "=")
    over: dict[str, Any] = {**keys, "mode": "production", "public_url": None}
    with pytest.raises(ValueError, match="HUB_PUBLIC_URL is required"):
        create_app(Settings(**{**settings.model_dump(), **over}))


@pytest.mark.parametrize(
    "url", ["hub.example", "ftp://hub.example", "https://", "https://hub.example/x", "https://a@b"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=url)
