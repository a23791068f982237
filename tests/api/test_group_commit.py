"""Single posts that arrive together share commits, and each is answered as if it had come alone (issue 3)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from hub.app import create_app
from hub.db import Database
from hub.domain.fiscal_events import grouping
from hub.domain.registry import Policy
from hub.embedded import Endpoints
from hub.settings import Settings
from tests.api.conftest import Cast
from tests.client import Client, serve
from tests.factories import outside, postings
from tests.factories.registry import TestSystem

pytestmark = pytest.mark.anyio

HELD_SECONDS = 0.4
POISON = "POISON"
POISON_ON = (
    f"""
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.reference_id = '{POISON}' THEN RAISE EXCEPTION 'poisoned'; END IF;
  RETURN NEW;
END $$""",
    "CREATE TRIGGER refuse_poison BEFORE INSERT ON posting FOR EACH ROW EXECUTE FUNCTION refuse_poison()",
)
POISON_OFF = ("DROP TRIGGER refuse_poison ON posting", "DROP FUNCTION refuse_poison")

Sent = tuple[TestSystem, dict[str, Any]]


@asynccontextmanager
async def owner(servers: Endpoints) -> AsyncIterator[AsyncConnection]:
    """A connection of the tables' owner, outside the hub."""
    bounds = {"server_settings": {"lock_timeout": "20000"}}
    engine = create_async_engine(servers.owner_url, poolclass=NullPool, connect_args=bounds)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def nothing_is_stored(servers: Endpoints) -> AsyncIterator[None]:
    """While inside, every insert of a posting waits, so that a queue forms."""
    async with owner(servers) as connection, connection.begin():
        await connection.execute(text("LOCK TABLE posting IN SHARE ROW EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def hub_with(settings: Settings, **changes: Any) -> AsyncIterator[Client]:
    """A hub with other settings."""
    async with serve(settings.model_copy(update=changes)) as served:
        yield served


async def all_at_once(client: Client, sent: list[Sent]) -> list[dict[str, Any]]:
    """Post each as its system, all at the same time; the payloads."""
    answers = await asyncio.gather(
        *(client.acting(system.api_key).run(postings.POST_EVENT, input=made) for system, made in sent)
    )
    return [answer["postFiscalEvent"] for answer in answers]


async def after_a_queue_formed(client: Client, servers: Endpoints, sent: list[Sent]) -> list[dict[str, Any]]:
    """Post all while the first ones cannot be stored: the rest forms a group."""
    await postings_are_prepared(client, sent)
    async with nothing_is_stored(servers):
        task = asyncio.create_task(all_at_once(client, sent))
        await asyncio.sleep(HELD_SECONDS)
    return await task


async def postings_are_prepared(client: Client, sent: list[Sent]) -> None:
    """Have every system's key known and connections open before the clock matters."""
    systems = {system.api_key: system for system, _ in sent}
    for system in systems.values():
        assert (await postings.post(client, system))["outcome"] == "ACCEPTED"


async def commits(database: Database) -> int:
    """How many transactions have stored the postings that are there."""
    async with database.read() as read:
        return int(await read.scalar(text("SELECT count(DISTINCT xmin::text) FROM posting")))


def signed(system: TestSystem, **over: Any) -> Sent:
    """A bill of this system, signed."""
    return system, outside.signed(system, outside.bill(**over))


def outcomes(answers: list[dict[str, Any]]) -> Counter[str]:
    """How often each outcome was given."""
    return Counter(answer["outcome"] for answer in answers)


async def test_200_posts_of_several_senders_take_few_commits(
    client: Client, cast: Cast, database: Database
) -> None:
    sent = [signed((cast.provider, cast.both)[i % 2]) for i in range(190)]
    messages = [
        await postings.message_input(client, cast.provider, [cast.consumer.unique_id]) for _ in range(10)
    ]
    own = client.acting(cast.provider.api_key)
    answers, letters = await asyncio.gather(
        all_at_once(client, sent),
        asyncio.gather(*(own.run(postings.POST_MESSAGE, input=made) for made in messages)),
    )
    assert outcomes(answers) == {"ACCEPTED": 190}
    assert [each["postFiscalMessage"]["outcome"] for each in letters] == ["ACCEPTED"] * 10
    assert [answer["event"]["referenceId"] for answer in answers] == [
        made["content"]["referenceId"] for _, made in sent
    ]
    assert {(answer["event"]["from"]) for answer in answers} == {
        cast.provider.unique_id,
        cast.both.unique_id,
    }
    rows = {"posting_line": 190}  # messages have none
    rows |= dict.fromkeys(("posting", "posting_signature", "receipt", "posting_key"), 200)
    rows |= dict.fromkeys(("posting_receiver", "inbox_entry", "inbox_history"), 10)
    assert await outside.counts(database) == dict.fromkeys(outside.TABLES, 0) | rows
    assert await commits(database) <= 50


async def test_a_lone_post_does_not_wait_for_company(client: Client, cast: Cast, database: Database) -> None:
    for _ in range(3):
        assert (await postings.post(client, cast.provider))["outcome"] == "ACCEPTED"
    assert await commits(database) == 3


async def test_one_request_sent_20_times_at_once_is_one_posting_and_one_answer(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    one = signed(cast.provider)
    answers = await after_a_queue_formed(client, servers, [one] * 20)
    assert answers[0]["outcome"] == "ACCEPTED"
    assert answers == [answers[0]] * 20
    assert (await outside.counts(database))["posting"] == 2


async def test_a_key_signed_anew_each_time_is_one_posting(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    body = outside.bill()
    sent = [(cast.provider, outside.signed(cast.provider, body, idempotencyKey="k")) for _ in range(10)]
    answers = await after_a_queue_formed(client, servers, sent)
    assert answers[0]["outcome"] == "ACCEPTED"
    assert answers == [answers[0]] * 10
    assert (await outside.counts(database))["posting_key"] == 2


async def test_a_posting_under_ten_keys_at_once_is_accepted_once_and_known_nine_times(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    body = outside.bill()
    sent = [(cast.provider, outside.signed(cast.provider, body)) for _ in range(10)]
    answers = await after_a_queue_formed(client, servers, sent)
    assert outcomes(answers) == {"ACCEPTED": 1, "DUPLICATE": 9}
    assert len({answer["event"]["id"] for answer in answers}) == 1
    counted = await outside.counts(database)
    assert (counted["posting"], counted["posting_key"]) == (2, 11)


async def test_conflicts_in_a_group_are_told_as_against_a_stored_posting(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    twice = outside.bill()
    other = twice | {"lines": [postings.line(1, "1.00")]}
    sent = [
        (cast.provider, outside.signed(cast.provider, outside.bill(), idempotencyKey="k")),
        (cast.provider, outside.signed(cast.provider, outside.bill(), idempotencyKey="k")),
        (cast.provider, outside.signed(cast.provider, twice)),
        (cast.provider, outside.signed(cast.provider, other)),
        (cast.both, outside.signed(cast.both, twice, idempotencyKey="k")),
        *(signed(cast.both) for _ in range(5)),
    ]
    answers = await after_a_queue_formed(client, servers, sent)
    assert outcomes(answers[4:]) == {"ACCEPTED": 6}
    for pair, code, path in (
        (answers[0:2], "IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"]),
        (answers[2:4], "DUPLICATE_REFERENCE_CONFLICT", ["input", "content", "referenceId"]),
    ):
        (first,) = (each for each in pair if each["outcome"] == "ACCEPTED")
        (second,) = (each for each in pair if each["outcome"] == "REFUSED")
        (error,) = second["errors"]
        assert (error["code"], error["path"]) == (code, path)
        assert first["event"]["id"] in error["message"]
    assert (await outside.counts(database))["posting"] == 2 + 8


async def test_a_bad_signature_in_a_group_is_its_own_affair(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    bad = outside.signed(cast.provider, outside.bill())
    bad["signature"]["eSign"] = outside.signed(cast.provider, outside.bill())["signature"]["eSign"]
    sent = [signed(cast.provider), (cast.provider, bad), signed(cast.both), signed(cast.provider)]
    answers = await after_a_queue_formed(client, servers, sent)
    assert [answer["outcome"] for answer in answers] == ["ACCEPTED", "REFUSED", "ACCEPTED", "ACCEPTED"]
    (error,) = answers[1]["errors"]
    assert (error["code"], error["path"]) == ("SIGNATURE_INVALID", ["input", "signature", "eSign"])
    assert (await outside.counts(database))["posting"] == 2 + 3


@pytest.fixture
async def poison(servers: Endpoints) -> AsyncIterator[None]:
    """The database refuses one reference, for a reason that the hub knows nothing of."""
    async with owner(servers) as connection:
        for statement in POISON_ON:
            await connection.execute(text(statement))
        await connection.commit()
        yield
        for statement in POISON_OFF:
            await connection.execute(text(statement))
        await connection.commit()


@pytest.mark.usefixtures("poison")
async def test_what_the_database_refuses_sinks_itself_alone(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    sent = [signed(cast.provider) for _ in range(6)]
    guilty = signed(cast.provider, referenceId=POISON)
    await postings_are_prepared(client, sent)
    with capture_logs() as lines:  # and nobody draws them on a terminal meanwhile
        answer = await among_others(client, servers, sent, guilty)
    assert [line["size"] for line in lines if line["event"] == "group_taken_apart"] == [7]
    assert answer["data"] is None or answer["data"] == {"postFiscalEvent": None}
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert POISON not in str(answer)
    assert "poisoned" not in str(answer)
    counted = await outside.counts(database)
    assert [counted[name] for name in ("posting", "posting_line", "posting_key", "receipt")] == [7] * 4


async def among_others(client: Client, servers: Endpoints, sent: list[Sent], guilty: Sent) -> dict[str, Any]:
    """Post them all in one group, the guilty one in the middle; what that one is told. The others are accepted."""
    async with nothing_is_stored(servers):
        good = asyncio.create_task(all_at_once(client, [*sent[:3]]))
        bad = asyncio.create_task(client.acting(guilty[0].api_key).send(postings.POST_EVENT, input=guilty[1]))
        more = asyncio.create_task(all_at_once(client, [*sent[3:]]))
        await asyncio.sleep(HELD_SECONDS)
    assert outcomes([*await good, *await more]) == {"ACCEPTED": 6}
    answer: dict[str, Any] = (await bad).json()
    return answer


@asynccontextmanager
async def key_is_being_bound(servers: Endpoints, key: str) -> AsyncIterator[None]:
    """While inside, somebody else is about to bind this key of every system, and does not finish."""
    binding = text(
        "INSERT INTO posting_key (tenant_id, system_id, idempotency_key, posting_id, content_digest, outcome)"
        " SELECT tenant_id, system_id, :key, posting_id, content_digest, outcome FROM posting_key"
    )
    async with owner(servers) as connection:
        await connection.execute(binding, {"key": key})
        yield
        await connection.rollback()


async def test_somebody_else_s_lock_holds_up_the_item_it_concerns_alone(
    settings: Settings, cast: Cast, servers: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "GROUP_LOCK_TIMEOUT", "200ms")
    held = signed(cast.provider)
    sent = [signed(cast.provider) for _ in range(8)]
    async with hub_with(settings, lock_timeout_ms=30_000, statement_timeout_ms=30_000) as client:
        await postings_are_prepared(client, sent)
        async with key_is_being_bound(servers, held[1]["idempotencyKey"]):
            task = asyncio.create_task(all_at_once(client, [*sent[:4], held, *sent[4:]]))
            neighbours = all_at_once(client, [signed(cast.provider) for _ in range(3)])
            assert outcomes(await asyncio.wait_for(neighbours, 5)) == {"ACCEPTED": 3}
            again = all_at_once(client, sent)
            assert outcomes(await asyncio.wait_for(again, 5)) == {"ACCEPTED": 8}
            assert not task.done()
        assert outcomes(await task) == {"ACCEPTED": 9}


async def busy_or_not(client: Client, sent: list[Sent]) -> list[httpx.Response]:
    """Post all at once; the whole responses."""
    return await asyncio.gather(
        *(client.acting(system.api_key).send(postings.POST_EVENT, input=made) for system, made in sent)
    )


def split(
    responses: list[httpx.Response], sent: list[Sent]
) -> tuple[list[str], list[tuple[Sent, httpx.Response]]]:
    """The references that were accepted, and what was told to be busy."""
    accepted, refused = [], []
    for response, each in zip(responses, sent, strict=True):
        if "errors" in response.json():
            refused.append((each, response))
        else:
            answer = response.json()["data"]["postFiscalEvent"]
            assert answer["outcome"] == "ACCEPTED"
            accepted.append(answer["event"]["referenceId"])
    return accepted, refused


async def references(database: Database) -> set[str]:
    """The references that are stored."""
    async with database.read() as read:
        return {row.reference_id for row in await read.rows(text("SELECT reference_id FROM posting"))}


async def test_a_full_queue_refuses_and_writes_nothing_of_what_it_refused(
    settings: Settings, cast: Cast, database: Database, servers: Endpoints
) -> None:
    sent = [signed(cast.provider) for _ in range(30)]
    async with hub_with(settings, post_queue_max=3) as client:
        await postings_are_prepared(client, sent)
        before = await references(database)
        async with nothing_is_stored(servers):
            task = asyncio.create_task(busy_or_not(client, sent))
            await asyncio.sleep(HELD_SECONDS)
        accepted, refused = split(await task, sent)
        assert 1 <= len(accepted) <= 9
        for _, response in refused:
            assert response.status_code == 503
            assert 1 <= int(response.headers["retry-after"]) <= 5
            (error,) = response.json()["errors"]
            assert error["extensions"]["code"] == "BUSY"
        assert await references(database) == before | set(accepted)
        again = await all_at_once(client, [refused[0][0]])
        assert outcomes(again) == {"ACCEPTED": 1}


async def test_who_would_wait_too_long_is_refused_and_who_has_gives_up(
    client: Client, cast: Cast, database: Database, servers: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "WAIT_SECONDS_MAX", 0.2)
    monkeypatch.setattr(grouping, "QUEUED_SECONDS_MAX", 0.6)
    first, second, late = ([signed(cast.provider) for _ in range(n)] for n in (2, 3, 4))
    await postings_are_prepared(client, first)
    before = await references(database)
    async with nothing_is_stored(servers):
        running = []
        for each in first:
            running.append(asyncio.create_task(busy_or_not(client, [each])))
            await asyncio.sleep(0.1)
        waiting = asyncio.create_task(busy_or_not(client, second))
        await asyncio.sleep(0.3)
        _, refused_at_once = split(await asyncio.wait_for(busy_or_not(client, late), 0.3), late)
        accepted, gave_up = split(await asyncio.wait_for(waiting, 1), second)
    done = [split(await task, [each])[0] for task, each in zip(running, first, strict=True)]
    assert (len(refused_at_once), len(gave_up), accepted) == (4, 3, [])
    assert await references(database) == before | {each for found in done for each in found}
    assert len(await references(database)) == len(before) + 2


async def test_batches_have_a_bound_of_their_own(
    client: Client, cast: Cast, database: Database, servers: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "BATCHES_WAITING_MAX", 1)
    own = client.acting(cast.provider.api_key)
    await postings_are_prepared(client, [signed(cast.provider)])
    batches = [[outside.signed(cast.provider, outside.bill()) for _ in range(2)] for _ in range(5)]
    async with nothing_is_stored(servers):
        tasks = [
            asyncio.create_task(own.send(postings.POST_EVENTS, items=items, mode="PER_ITEM"))
            for items in batches
        ]
        await asyncio.sleep(HELD_SECONDS)
    responses = [await task for task in tasks]
    assert Counter(response.status_code for response in responses) == {200: 3, 503: 2}
    assert all("retry-after" in each.headers for each in responses if each.status_code == 503)
    assert (await outside.counts(database))["posting"] == 1 + 6


async def test_a_batch_and_singles_with_the_same_items_agree(
    client: Client, cast: Cast, database: Database
) -> None:
    made = [outside.signed(cast.provider, outside.bill()) for _ in range(20)]
    own = client.acting(cast.provider.api_key)
    batch = own.run(postings.POST_EVENTS, items=list(reversed(made)), mode="PER_ITEM")
    singles = all_at_once(client, [(cast.provider, each) for each in made])
    results, answers = await asyncio.gather(batch, singles)
    found = list(reversed(results["postFiscalEvents"]["results"]))
    assert [each["event"]["id"] for each in found] == [each["event"]["id"] for each in answers]
    assert found == answers
    assert (await outside.counts(database))["posting"] == 20


async def test_settlements_by_two_senders_at_once_never_exceed_the_bill(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    bill = await postings.post_ok(client, cast.provider)
    body = {**postings.PAYMENT, "lines": [postings.line(1, "300.00")]}
    body["links"] = [{"relation": "SETTLES", "id": bill["id"]}]
    sent = [
        (system, await postings.event_input(client, system, postings.content(**body)))
        for system in (cast.provider, cast.both, cast.provider, cast.both, cast.provider)
    ]
    answers = await after_a_queue_formed(client, servers, sent)
    assert outcomes(answers) == {"ACCEPTED": 3, "REFUSED": 2}
    refused = [postings.codes(answer) for answer in answers if answer["outcome"] == "REFUSED"]
    assert refused == [["OVER_SETTLED"]] * 2


async def test_numbers_of_the_queue_are_told(client: Client, cast: Cast) -> None:
    await all_at_once(client, [signed(cast.provider) for _ in range(5)])
    page = (await client.http.get("/metrics")).text
    assert "hub_post_group_size_sum 5.0" in page
    assert "hub_posts_waiting 0.0" in page


async def test_a_caller_that_goes_away_while_it_waits_leaves_nothing_half_done(
    client: Client, cast: Cast, database: Database, servers: Endpoints
) -> None:
    blocking, gone, staying = ([signed(cast.provider) for _ in range(n)] for n in (2, 3, 3))
    await postings_are_prepared(client, staying)
    async with nothing_is_stored(servers):
        running = []
        for each in blocking:
            running.append(asyncio.create_task(all_at_once(client, [each])))
            await asyncio.sleep(0.1)
        going = asyncio.create_task(all_at_once(client, gone))
        waiting = asyncio.create_task(all_at_once(client, staying))
        await asyncio.sleep(0.1)
        going.cancel()
    assert outcomes(await waiting) == {"ACCEPTED": 3}
    assert [outcomes(await task) for task in running] == [{"ACCEPTED": 1}] * 2
    counted = await outside.counts(database)
    assert [counted[name] for name in ("posting", "posting_line", "posting_key", "receipt")] == [6] * 4
    assert outcomes(await all_at_once(client, gone)) == {"ACCEPTED": 3}


async def test_a_process_that_ends_answers_whoever_waits_and_takes_nobody_more(
    settings: Settings, cast: Cast, database: Database, servers: Endpoints
) -> None:
    first, second = ([signed(cast.provider) for _ in range(n)] for n in (4, 1))
    app = create_app(settings)
    life = app.router.lifespan_context(app)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        client = Client(http)
        await life.__aenter__()
        await postings_are_prepared(client, first)
        async with nothing_is_stored(servers):
            tasks = [asyncio.create_task(all_at_once(client, [each])) for each in first]
            await asyncio.sleep(0.1)
            ending = asyncio.ensure_future(life.__aexit__(None, None, None))
            await asyncio.sleep(0.1)
            (response,) = await busy_or_not(client, second)
            assert not ending.done()
        await ending
        assert [outcomes(await task) for task in tasks] == [{"ACCEPTED": 1}] * 4
    assert response.status_code == 503
    assert (await outside.counts(database))["posting"] == 1 + 4
