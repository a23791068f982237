"""Logs, metrics and error bodies hold no secret and no person, whoever writes them; one line per request."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import create_async_engine

from hub import observe
from hub.settings import Settings
from tests.api.edge import GOOD_KEY, SECRET, Outsider, edge
from tests.api.registry_hub import EMAIL as OWNER, REGISTER, agency_input, running
from tests.factories.registry import ENTER, make_system

pytestmark = pytest.mark.anyio

API_KEY = "fhub_live_Zq8xSecretSecretSecret12"
ONE_TIME_CODE = "48151623"
EMAIL = "asha.rao@finance.punjab.gov.in"
PHONE = "+919876543210"
ACCOUNT = "00112233445566"
PERSON = "Asha-Rao-planted"
PLANTED = (API_KEY, ONE_TIME_CODE, EMAIL, PHONE, ACCOUNT, PERSON, SECRET, "good-session", GOOD_KEY)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything written while all loggers stand at DEBUG; the old ways come back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in observe.TALKATIVE}
    stream = io.StringIO()
    observe.configure(level=logging.DEBUG, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
    logging.getLogger("uvicorn.access").disabled = False
    structlog.reset_defaults()


@pytest.fixture
async def hub(log: io.StringIO, settings: Settings) -> AsyncIterator[Outsider]:
    assert log.writable()
    async with edge(settings) as outsider:
        yield outsider


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def requests(log: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line["event"] == "request"]


async def test_one_line_per_request_says_who_what_and_how_it_went(hub: Outsider, log: io.StringIO) -> None:
    await hub.send("{who thing {name}}", x_request_id="t-1", authorization=f"Bearer {GOOD_KEY}")
    await hub.send("{explode}", x_request_id="t-2")
    await hub.send("{", x_request_id="t-3")
    await hub.raw("[]", x_request_id="t-4")
    found = requests(log)
    assert [{name: line[name] for name in ("trace_id", "caller", "fields", "outcome")} for line in found] == [
        {
            "trace_id": "t-1",
            "caller": "mgramseva@punjab.ifix.org",
            "fields": ["who", "thing"],
            "outcome": "OK",
        },
        {"trace_id": "t-2", "caller": "-", "fields": ["explode"], "outcome": "INTERNAL"},
        {"trace_id": "t-3", "caller": "-", "fields": [], "outcome": "DOCUMENT_INVALID"},
        {"trace_id": "t-4", "caller": "-", "fields": [], "outcome": "BATCHING_NOT_ALLOWED"},
    ]
    allowed = {"trace_id", "caller", "fields", "outcome", "ms", "event", "level", "logger", "timestamp"}
    assert all(set(line) == allowed for line in found)
    assert all(line["ms"] >= 0 for line in found)


async def test_a_fault_is_logged_with_its_place_and_without_its_text(hub: Outsider, log: io.StringIO) -> None:
    await hub.send("query($v: String!) {failInSql(value: $v)}", {"v": SECRET}, x_request_id="t-5")
    fault = next(line for line in lines(log) if line["event"] == "fault")
    assert fault["trace_id"] == "t-5"
    assert fault["path"] == "failInSql"
    assert any("InvalidTextRepresentation" in kind for kind in fault["exception"])
    assert any("fail_in_sql" in frame for frame in fault["frames"])
    assert SECRET not in log.getvalue()


async def test_planted_secrets_are_nowhere(hub: Outsider, log: io.StringIO) -> None:
    document = "query($v: String!) {echo(text: $v)}"
    bodies: list[str] = []
    for planted in PLANTED:
        await hub.send(document, {"v": planted})
        for response in (
            await hub.send("query($v: String!) {failInSql(value: $v)}", {"v": planted}),
            await hub.send('query($v: Int) {echo(text: "x", count: $v)}', {"v": planted}),
            await hub.send(document, {"v": {"x": planted}}),
            await hub.send(f'{{echo(text: "x", count: "{planted}")}}'),
            await hub.send(f'{{who "{planted}"}}'),
            await hub.send("{who}", authorization=f"Bearer {planted}"),
            await hub.send("{who}", cookie=f"hub_session={planted}", origin="http://hub"),
            await hub.send("{who}", cookie=f"hub_session={planted}", origin=f"http://{planted}"),
            await hub.raw(f'{{"query": "{planted}'),
            await hub.raw("{}", content_type=planted),
            await hub.raw("{}", accept=planted),
        ):
            if response.status_code != 200 or "errors" in response.json():
                bodies += [response.text]
    await hub.send("{explode}")
    await hub.http.get(f"/graphql?token={API_KEY}")
    page = (await hub.http.get("/metrics")).text
    assert len(bodies) >= 9 * len(PLANTED)
    assert len(requests(log)) > 11 * len(PLANTED)
    for planted in PLANTED:
        assert planted not in log.getvalue()
        assert planted not in page
        assert not [body for body in bodies if planted in body]


async def test_a_real_day_at_the_hub_leaves_no_key_code_cookie_or_person_behind(
    log: io.StringIO, settings: Settings
) -> None:
    async with running(settings) as hub:
        browser = hub.browser()
        await browser.run(REGISTER, input=agency_input())
        code = await hub.post.code()
        assert (await browser.run(ENTER, email=OWNER, code="00000000"))["signIn"]["errors"]
        assert (await browser.run(ENTER, email=OWNER, code=code))["signIn"]["errors"] == []
        system = await make_system(hub.database, hub.means, name="mGramSeva")
        await hub.client.acting(system.api_key).run("{hub {version}}")
        assert (await hub.client.acting(system.api_key[:-1]).send("{hub {version}}")).status_code == 401
        page = (await hub.client.http.get("/metrics")).text
        planted = [
            OWNER,
            OWNER.upper(),
            code,
            "+911722740000",
            "Asha Rani",
            "Department of Finance",
            system.api_key,
            system.api_key[:-1],
            *browser.cookies.values(),
        ]
    assert len(browser.cookies) == 2
    assert {line["caller"] for line in requests(log)} >= {"-", system.unique_id}
    for secret in planted:
        assert secret not in log.getvalue()
        assert secret not in page


async def test_libraries_at_debug_are_kept_from_telling(log: io.StringIO, settings: Settings) -> None:
    assert settings.database_url is not None
    for name in (
        "sqlalchemy.engine",
        "sqlalchemy.pool",
        "asyncpg",
        "redis",
        "httpx",
        "uvicorn",
        "arq",
        "aiosmtplib",
    ):
        logging.getLogger(name).debug("parameters %s", SECRET)
    engine = create_async_engine(settings.database_url.get_secret_value())
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"SELECT '{SECRET}'")
    await engine.dispose()
    told = [line for line in lines(log) if SECRET in json.dumps(line)]
    assert [line["logger"] for line in told] == ["uvicorn"]
    logging.getLogger("uvicorn.access").warning("GET /?token=%s", API_KEY)
    assert "GET /" not in log.getvalue()


@pytest.mark.parametrize(
    "planted", [API_KEY, ONE_TIME_CODE, EMAIL, PHONE, ACCOUNT, "hub_session=abc", "Bearer xyz"]
)
def test_what_looks_like_a_secret_is_hidden_whoever_wrote_it(log: io.StringIO, planted: str) -> None:
    logging.getLogger("some.library").warning("sent %s away", planted)
    structlog.get_logger("hub.x").info(f"sent {planted}", note=planted, deep={"a": [planted]}, otp=5)
    try:
        int(planted, base=2)
    except ValueError:
        structlog.get_logger("hub.x").exception("broke")
        logging.getLogger("some.library").exception("broke too")
    assert planted not in log.getvalue()
    assert len(lines(log)) == 4
    assert log.getvalue().count("builtins.ValueError") == 2
    assert '"otp": "[hidden]"' in log.getvalue()


@pytest.mark.parametrize(
    "harmless",
    [
        "mgramseva",
        "evt_0199f1c0-1234-7000-8000-000000000001",
        "12345",
        "hub.fiscal_events",
        "posted 17 of 500",
    ],
)
def test_what_keepers_need_is_left_alone(log: io.StringIO, harmless: str) -> None:
    structlog.get_logger("hub.x").info("posted", what=harmless)
    assert lines(log)[0]["what"] == harmless


def test_a_person_as_caller_is_a_number_and_an_address_is_hidden(log: io.StringIO) -> None:
    structlog.get_logger("hub.x").info("request", caller="0199f1c0-0000-7000-8000-000000000001")
    structlog.get_logger("hub.x").info("request", caller="Asha Rao <asha@example.org>")
    first, second = lines(log)
    assert first["caller"] == "0199f1c0-0000-7000-8000-000000000001"
    assert "asha@example.org" not in second["caller"]
