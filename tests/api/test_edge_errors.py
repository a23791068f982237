"""Every error carries a code; what nobody expected carries a trace id and nothing from inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from hub.settings import Settings
from tests.api.edge import GOOD_KEY, SECRET, Outsider, edge

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings) as outsider:
        yield outsider


def only_error(response: httpx.Response) -> dict[str, Any]:
    errors = response.json()["errors"]
    assert len(errors) == 1, errors
    error: dict[str, Any] = errors[0]
    return error


@pytest.mark.parametrize("field", ["explode", "unserialisable", "overflow", "missing"])
async def test_a_fault_is_masked_under_the_trace_id(hub: Outsider, field: str) -> None:
    response = await hub.send(f"{{{field}}}", x_request_id="trace-7")
    assert response.status_code == 200
    error = only_error(response)
    assert error == {
        "message": "Unexpected error.",
        "path": [field],
        "extensions": {"code": "INTERNAL", "traceId": "trace-7"},
    }
    assert SECRET not in response.text
    assert "987654321987" not in response.text


async def test_a_fault_in_a_statement_is_masked_with_its_parameters(hub: Outsider) -> None:
    response = await hub.send("query($v: String!) {failInSql(value: $v)}", {"v": SECRET})
    assert only_error(response)["extensions"]["code"] == "INTERNAL"
    assert SECRET not in response.text
    assert "SELECT" not in response.text


async def test_a_fault_outside_of_any_resolver_is_masked_too(hub: Outsider) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError(SECRET)

    hub.api._execute = broken  # type: ignore[method-assign, assignment]
    response = await hub.send("{who}", x_request_id="trace-8")
    assert response.status_code == 500
    assert only_error(response)["extensions"] == {"code": "INTERNAL", "traceId": "trace-8"}
    assert SECRET not in response.text


async def test_a_fault_outside_of_the_endpoint_is_masked_too(hub: Outsider) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError(SECRET)

    for route in hub.app.routes:
        if getattr(route, "path", "") == "/health/live":
            route.app = broken  # type: ignore[attr-defined]
    response = await hub.http.get("/health/live", headers={"x-request-id": "trace-9"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "trace-9"
    assert only_error(response)["extensions"] == {"code": "INTERNAL", "traceId": "trace-9"}
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("input", 200, "NOT_FOUND"),
        ("absent", 200, "NOT_FOUND"),
        ("forbidden", 200, "ROLE_NOT_ALLOWED"),
        ("nobody", 401, "UNAUTHENTICATED"),
        ("many", 429, "RATE_LIMIT"),
    ],
)
async def test_a_querys_refusal_is_a_coded_error(hub: Outsider, how: str, status: int, code: str) -> None:
    response = await hub.send("query($how: String!) {refuse(how: $how)}", {"how": how})
    error = only_error(response)
    assert (response.status_code, error["extensions"]["code"]) == (status, code)
    assert error["path"] == ["refuse"]
    assert response.json()["data"] == {"refuse": None}
    if how == "input":
        assert error["extensions"]["problems"] == [
            {"code": "NOT_FOUND", "path": ["id"], "message": "there is no such thing"},
            {"code": "CODE", "path": ["code", "0"], "message": "bad"},
        ]
    assert response.headers.get("www-authenticate") == ("Bearer" if how == "nobody" else None)
    assert response.headers.get("retry-after") == ("7" if how == "many" else None)


async def test_a_partial_answer_stays_200(hub: Outsider) -> None:
    response = await hub.send('{who refuse(how: "nobody")}')
    assert response.status_code == 200
    assert response.json()["data"] == {"who": "nobody", "refuse": None}
    assert only_error(response)["extensions"]["code"] == "UNAUTHENTICATED"


POST = "mutation($input: BatchInput!) {post(input: $input) {results {id} errors {code path message}}}"


async def test_a_mutations_refusal_is_in_its_payload(hub: Outsider) -> None:
    answer = (await hub.send(POST, {"input": {"items": [{"amount": "1"}], "note": "refuse"}})).json()
    assert "errors" not in answer
    assert answer["data"]["post"] == {
        "results": None,
        "errors": [{"code": "AMOUNT", "path": ["input", "items", "0", "amount"], "message": "no"}],
    }


async def test_every_wrong_value_of_the_variables_is_named_by_its_path(hub: Outsider) -> None:
    items = [
        {"amount": 12.5},
        {"amount": "1", "proof": "***", "count": "many"},
        {"count": 1},
        {"amount": None, "surprise": SECRET},
        "not an object",
    ]
    response = await hub.send(POST, {"input": {"items": items, "note": 7}})
    assert response.status_code == 400
    found = {tuple(e["extensions"]["path"]): e["extensions"]["code"] for e in response.json()["errors"]}
    assert found == {
        ("input", "items", "0", "amount"): "AMOUNT",
        ("input", "items", "1", "proof"): "INPUT",
        ("input", "items", "1", "count"): "INPUT",
        ("input", "items", "2", "amount"): "INPUT",
        ("input", "items", "3", "amount"): "INPUT",
        ("input", "items", "3", "surprise"): "INPUT",
        ("input", "items", "4"): "INPUT",
        ("input", "note"): "INPUT",
    }
    assert "data" not in response.json()
    assert SECRET not in response.text


@pytest.mark.parametrize("variables", [{}, {"input": None}, None])
async def test_a_missing_variable_is_named(hub: Outsider, variables: Any) -> None:
    error = only_error(await hub.send(POST, variables))
    assert error["extensions"] == {"code": "INPUT", "path": ["input"]}


async def test_at_most_fifty_faults_are_listed(hub: Outsider) -> None:
    answer = (await hub.send(POST, {"input": {"items": [{"amount": 1}] * 400}})).json()
    assert len(answer["errors"]) == 50


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("mutation {post(input: {items: [{amount: 12.5}]}) {errors {code}}}", "AMOUNT"),
        ('mutation {post(input: {items: [{amount: "1", proof: "*"}]}) {errors {code}}}', "INPUT"),
        (
            'mutation {post(input: {items: [{amount: "1", count: "PLANTED-hunter2-9f8e7d"}]}) {errors {code}}}',
            "DOCUMENT_INVALID",
        ),
        ('mutation {post(input: "PLANTED-hunter2-9f8e7d") {errors {code}}}', "DOCUMENT_INVALID"),
        ("{echo(text: PLANTED_hunter2) }", "DOCUMENT_INVALID"),
        ('{who "PLANTED-hunter2-9f8e7d"}', "DOCUMENT_INVALID"),
        ("subscription {who}", "DOCUMENT_INVALID"),
        ("{who @defer}", "DOCUMENT_INVALID"),
    ],
)
async def test_a_literals_fault_has_a_code_and_a_location_and_is_not_quoted(
    hub: Outsider, document: str, code: str
) -> None:
    response = await hub.send(document)
    assert response.status_code == 400
    error = only_error(response)
    assert error["extensions"]["code"] == code
    assert "locations" in error or code != "DOCUMENT_INVALID"
    assert "hunter2" not in response.text


async def test_an_argument_refused_at_run_time_is_the_callers_fault(hub: Outsider) -> None:
    document = "mutation($amount: Amount) {post(input: {items: [{amount: $amount}]}) {errors {code}}}"
    response = await hub.send(document, {"amount": None})
    assert response.json()["errors"][0]["extensions"]["code"] in {"INPUT", "DOCUMENT_INVALID"}


async def test_no_free_connection_is_busy_with_retry_after(settings: Settings) -> None:
    async with edge(settings, pool_size=1) as hub:
        hub.api.db.engine.pool._timeout = 0.2  # type: ignore[attr-defined]
        async with hub.api.db.engine.connect():
            response = await hub.send("{sleep(seconds: 0)}")
            assert response.status_code == 503
            assert only_error(response)["extensions"]["code"] == "BUSY"
            assert int(response.headers["retry-after"]) >= 1
            with_key = await hub.send("{who}", authorization=f"Bearer {GOOD_KEY}")
            assert (with_key.status_code, only_error(with_key)["extensions"]["code"]) == (503, "BUSY")
        assert (await hub.send("{sleep(seconds: 0)}")).json()["data"] == {"sleep": "slept"}


async def test_a_lost_database_is_unavailable_and_public_answers_still_work(settings: Settings) -> None:
    dead = SecretStr("postgresql+asyncpg://hub_app@127.0.0.1:9/nothing")
    async with edge(settings, database_url=dead) as hub:
        assert (await hub.send("{who}")).json()["data"] == {"who": "nobody"}
        for response in (
            await hub.send("{sleep(seconds: 0)}"),
            await hub.send("{who}", authorization=f"Bearer {GOOD_KEY}"),
        ):
            assert response.status_code == 503
            error = only_error(response)
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert error["extensions"]["traceId"]
            assert "127.0.0.1" not in response.text
            assert int(response.headers["retry-after"]) >= 1
