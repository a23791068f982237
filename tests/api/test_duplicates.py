"""The same again is answered the same; other content under the same name is a conflict (spec 9, D-)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database, Transaction
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import outside, postings

pytestmark = pytest.mark.anyio


async def run(client: Client, cast: Cast, made: dict[str, Any]) -> dict[str, Any]:
    """Post a made input; the whole payload."""
    answer: dict[str, Any] = (
        await client.acting(cast.provider.api_key).run(postings.POST_EVENT, input=made)
    )["postFiscalEvent"]
    return answer


async def batch(
    client: Client, cast: Cast, items: list[dict[str, Any]], mode: str = "PER_ITEM"
) -> list[dict[str, Any]]:
    """Post several; the results."""
    answer = await client.acting(cast.provider.api_key).run(postings.POST_EVENTS, items=items, mode=mode)
    assert answer["postFiscalEvents"]["errors"] == []
    results: list[dict[str, Any]] = answer["postFiscalEvents"]["results"]
    return results


async def test_d01_the_same_posting_twice_is_one(client: Client, cast: Cast, database: Database) -> None:
    body = outside.bill()
    first = await run(client, cast, outside.signed(cast.provider, body))
    before = await outside.counts(database)
    second = await run(client, cast, outside.signed(cast.provider, body))
    assert (first["outcome"], second["outcome"]) == ("ACCEPTED", "DUPLICATE")
    assert second["event"] == first["event"]
    assert second["receipt"] == first["receipt"]
    assert await outside.counts(database) == before | {"posting_key": 2}


async def test_d02_the_same_reference_with_another_amount_is_a_conflict(
    client: Client, cast: Cast, database: Database
) -> None:
    body = outside.bill()
    first = await run(client, cast, outside.signed(cast.provider, body))
    before = await outside.counts(database)
    other = await run(
        client, cast, outside.signed(cast.provider, body | {"lines": [postings.line(1, "1.00")]})
    )
    (error,) = other["errors"]
    assert (error["code"], error["path"]) == (
        "DUPLICATE_REFERENCE_CONFLICT",
        ["input", "content", "referenceId"],
    )
    assert first["event"]["id"] in error["message"]
    assert await outside.counts(database) == before


async def test_d03_a_reference_is_unique_whatever_the_sub_type(
    client: Client, cast: Cast, database: Database
) -> None:
    body = outside.bill()
    await run(client, cast, outside.signed(cast.provider, body))
    other = await run(client, cast, outside.signed(cast.provider, body | {"subType": "DEBIT"}))
    assert postings.codes(other) == ["DUPLICATE_REFERENCE_CONFLICT"]
    assert (await outside.counts(database))["posting"] == 1


async def test_d04_two_systems_may_use_the_same_reference(
    client: Client, cast: Cast, database: Database
) -> None:
    body = outside.bill()
    assert (await postings.post(client, cast.provider, body))["outcome"] == "ACCEPTED"
    assert (await postings.post(client, cast.both, body))["outcome"] == "ACCEPTED"
    assert (await outside.counts(database))["posting"] == 2


async def test_d05_an_amount_has_one_value_however_it_is_written(client: Client, cast: Cast) -> None:
    body = postings.content(lines=[postings.line(1, "10.0")])
    first = await postings.post(client, cast.provider, body)
    second = await postings.post(client, cast.provider, body | {"lines": [postings.line(1, "10.00")]})
    third = await postings.post(client, cast.provider, body | {"lines": [postings.line(1, "0010")]})
    assert [a["outcome"] for a in (first, second, third)] == ["ACCEPTED", "DUPLICATE", "DUPLICATE"]
    assert first["event"]["id"] == second["event"]["id"] == third["event"]["id"]


async def test_d06_a_key_with_other_content_is_a_conflict(
    client: Client, cast: Cast, database: Database
) -> None:
    await run(client, cast, outside.signed(cast.provider, outside.bill(), idempotencyKey="k"))
    before = await outside.counts(database)
    other = await run(client, cast, outside.signed(cast.provider, outside.bill(), idempotencyKey="k"))
    (error,) = other["errors"]
    assert (error["code"], error["path"]) == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])
    assert await outside.counts(database) == before


async def test_d07_a_retry_gets_the_same_answer_and_delivers_once(
    client: Client, cast: Cast, database: Database
) -> None:
    made = await postings.message_input(client, cast.provider, [cast.consumer.unique_id])
    own = client.acting(cast.provider.api_key)
    first = await own.run(postings.POST_MESSAGE, input=made)
    before = await outside.counts(database)
    assert await own.run(postings.POST_MESSAGE, input=made) == first
    assert await outside.counts(database) == before
    assert before["inbox_entry"] == 1


async def test_a_duplicate_s_key_answers_as_duplicate_for_ever(client: Client, cast: Cast) -> None:
    body = outside.bill()
    await run(client, cast, outside.signed(cast.provider, body))
    made = outside.signed(cast.provider, body, idempotencyKey="again")
    assert [(await run(client, cast, made))["outcome"] for _ in range(2)] == ["DUPLICATE"] * 2


@pytest.mark.parametrize("key", ["", "k" * 256, "a\x00b", "line\nfeed"])
async def test_a_malformed_key_is_refused(client: Client, cast: Cast, database: Database, key: str) -> None:
    answer = await run(client, cast, outside.signed(cast.provider, outside.bill(), idempotencyKey=key))
    assert postings.codes(answer) == ["IDEMPOTENCY_KEY"]
    assert set((await outside.counts(database)).values()) == {0}


async def test_a_message_and_an_event_share_a_provider_s_references(client: Client, cast: Cast) -> None:
    body = outside.bill()
    await run(client, cast, outside.signed(cast.provider, body))
    answer = await postings.send(
        client, cast.provider, [cast.consumer.unique_id], referenceId=body["referenceId"]
    )
    assert postings.codes(answer) == ["DUPLICATE_REFERENCE_CONFLICT"]


# Within one batch


async def test_the_same_item_twice_in_a_batch_is_one(client: Client, cast: Cast, database: Database) -> None:
    made = outside.signed(cast.provider, outside.bill())
    results = await batch(client, cast, [made, made])
    assert results[0] == results[1]
    assert (await outside.counts(database))["posting"] == 1


async def test_conflicts_within_a_batch_are_named(client: Client, cast: Cast, database: Database) -> None:
    body = outside.bill()
    items = [
        outside.signed(cast.provider, body, idempotencyKey="k1"),
        outside.signed(cast.provider, outside.bill(), idempotencyKey="k1"),
        outside.signed(cast.provider, body | {"lines": [postings.line(1, "1.00")]}),
        outside.signed(cast.provider, body),
    ]
    results = await batch(client, cast, items)
    assert [result["outcome"] for result in results] == ["ACCEPTED", "REFUSED", "REFUSED", "REFUSED"]
    assert [postings.codes(result) for result in results[1:]] == [
        ["IDEMPOTENCY_CONFLICT"],
        ["DUPLICATE_REFERENCE_CONFLICT"],
        ["DUPLICATE_REFERENCE_CONFLICT"],
    ]
    assert (await outside.counts(database))["posting"] == 1


async def test_one_new_key_for_several_known_postings_of_a_batch(
    client: Client, cast: Cast, database: Database
) -> None:
    known, other = outside.bill(), outside.bill()
    for body in (known, other):
        await run(client, cast, outside.signed(cast.provider, body))
    items = [
        outside.signed(cast.provider, body, idempotencyKey="new")
        for body in (known, known, other, outside.bill())
    ]
    results = await batch(client, cast, items)
    assert [r["outcome"] for r in results] == ["DUPLICATE", "DUPLICATE", "REFUSED", "REFUSED"]
    assert [postings.codes(r) for r in results[2:]] == [["IDEMPOTENCY_CONFLICT"]] * 2
    assert (await outside.counts(database))["posting_key"] == 3


# Races


async def test_twenty_callers_with_one_key_get_one_answer(
    client: Client, cast: Cast, database: Database
) -> None:
    made = outside.signed(cast.provider, outside.bill())
    answers = await asyncio.gather(*(run(client, cast, made) for _ in range(20)))
    assert answers[0]["outcome"] == "ACCEPTED"
    assert all(answer == answers[0] for answer in answers)
    assert (await outside.counts(database))["posting"] == 1


async def test_twenty_contents_under_one_key_are_one_posting(
    client: Client, cast: Cast, database: Database
) -> None:
    items = [outside.signed(cast.provider, outside.bill(), idempotencyKey="one") for _ in range(20)]
    answers = await asyncio.gather(*(run(client, cast, made) for made in items))
    assert Counter(answer["outcome"] for answer in answers) == {"ACCEPTED": 1, "REFUSED": 19}
    assert {code for answer in answers for code in postings.codes(answer)} == {"IDEMPOTENCY_CONFLICT"}
    assert (await outside.counts(database))["posting"] == 1


@pytest.mark.parametrize(("amounts", "rest"), [(["1.00"], "DUPLICATE"), (["1.00", "2.00"], "REFUSED")])
async def test_twenty_callers_with_one_reference_make_one_posting(
    client: Client, cast: Cast, database: Database, amounts: list[str], rest: str
) -> None:
    body = outside.bill()
    items = [
        outside.signed(cast.provider, body | {"lines": [postings.line(1, amounts[i % len(amounts)])]})
        for i in range(20)
    ]
    answers = await asyncio.gather(*(run(client, cast, made) for made in items))
    outcomes = Counter(answer["outcome"] for answer in answers)
    assert outcomes["ACCEPTED"] == 1
    assert outcomes[rest] == (19 if rest == "DUPLICATE" else 10)
    assert {code for answer in answers for code in postings.codes(answer)} <= {"DUPLICATE_REFERENCE_CONFLICT"}
    assert (await outside.counts(database))["posting"] == 1


async def test_batches_in_opposite_order_never_deadlock(
    client: Client, cast: Cast, database: Database
) -> None:
    items = [outside.signed(cast.provider, outside.bill()) for _ in range(30)]
    others = [outside.signed(cast.provider, item["content"]) for item in items]
    mixed = [item for pair in zip(items, others, strict=True) for item in pair]
    calls = [items, items[::-1], others[::-1], others, items[10:], others[:20][::-1], items[::2], mixed[::3]]
    answers = await asyncio.gather(*(batch(client, cast, call, "ATOMIC") for call in calls))
    assert {result["outcome"] for results in answers for result in results} <= {
        "ACCEPTED",
        "DUPLICATE",
        "REFUSED",
    }
    assert {code for results in answers for r in results for code in postings.codes(r)} <= {
        "DUPLICATE_REFERENCE_CONFLICT"
    }
    assert (await outside.counts(database))["posting"] == 30


async def test_a_transaction_undone_by_a_deadlock_runs_again(database: Database) -> None:
    async def both(first: int, second: int) -> int:
        tries = 0

        async def work(tx: Transaction) -> None:
            nonlocal tries
            tries += 1
            await tx.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": first})
            await asyncio.sleep(0.2 if tries == 1 else 0)
            await tx.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": second})

        await database.run(work)
        return tries

    assert sorted(await asyncio.gather(both(71, 72), both(72, 71))) == [1, 2]
