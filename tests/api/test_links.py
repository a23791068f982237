"""The chain of custody (spec 10, L-): what may hang on what, how much, and never in a circle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain.registry import Policy
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import outside, postings
from tests.factories.registry import TestSystem

pytestmark = pytest.mark.anyio

ESTIMATE = {"subType": "ESTIMATE", "qualifier": "APPROVED"}
LINEAGE = "query($id: ID!) { lineage(id: $id) { nodes { depth posting { id } } edges { child parent parentReferenceId } } }"


def by_id(relation: str, event: dict[str, Any]) -> dict[str, Any]:
    """A link to a posting by its id."""
    return {"relation": relation, "id": event["id"]}


def by_reference(relation: str, system: TestSystem, reference: str) -> dict[str, Any]:
    """A link to a posting by its sender's own reference."""
    return {"relation": relation, "system": system.unique_id, "referenceId": reference}


def payment(amount: str, link: dict[str, Any]) -> dict[str, Any]:
    """A payment of this amount with one link."""
    return postings.content(**postings.PAYMENT, lines=[postings.line(1, amount)], links=[link])


def codes(answer: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    """Outcome, errors and warnings."""
    return answer["outcome"], postings.codes(answer), [w["code"] for w in answer["warnings"]]


async def test_l01_a_link_waits_for_its_parent(client: Client, cast: Cast) -> None:
    reference = postings.reference()
    child = await postings.post_ok(
        client, cast.provider, postings.content(links=[by_reference("FOLLOWS", cast.both, reference)])
    )
    own = client.acting(cast.both.api_key)
    waiting = (await own.run(LINEAGE, id=child["id"]))["lineage"]
    assert waiting["edges"] == [{"child": child["id"], "parent": None, "parentReferenceId": reference}]
    parent = await postings.post_ok(client, cast.both, postings.content(referenceId=reference))
    found = (await own.run(LINEAGE, id=child["id"]))["lineage"]
    assert [edge["parent"] for edge in found["edges"]] == [parent["id"]]


async def test_l02_two_postings_cannot_name_each_other(
    client: Client, cast: Cast, database: Database
) -> None:
    first, second = postings.reference(), postings.reference()
    await postings.post_ok(
        client,
        cast.provider,
        postings.content(referenceId=first, links=[by_reference("FOLLOWS", cast.both, second)]),
    )
    before = await outside.counts(database)
    answer = await postings.post(
        client,
        cast.both,
        postings.content(referenceId=second, links=[by_reference("FOLLOWS", cast.provider, first)]),
    )
    assert postings.codes(answer) == ["LINK_CYCLE"]
    assert await outside.counts(database) == before


async def test_l02_nor_itself(client: Client, cast: Cast, database: Database) -> None:
    reference = postings.reference()
    body = postings.content(referenceId=reference, links=[by_reference("FOLLOWS", cast.provider, reference)])
    assert postings.codes(await postings.post(client, cast.provider, body)) == ["LINK_CYCLE"]
    assert (await outside.counts(database))["posting"] == 0


async def test_l02_a_circle_of_three_mixed_by_id_and_reference(
    client: Client, cast: Cast, database: Database
) -> None:
    third = postings.reference()
    first = await postings.post_ok(
        client, cast.provider, postings.content(links=[by_reference("FOLLOWS", cast.provider, third)])
    )
    second = await postings.post_ok(client, cast.provider, postings.content(links=[by_id("FOLLOWS", first)]))
    closing = postings.content(referenceId=third, links=[by_id("FOLLOWS", second)])
    assert postings.codes(await postings.post(client, cast.provider, closing)) == ["LINK_CYCLE"]
    assert (await outside.counts(database))["posting"] == 2


async def test_l02_nor_within_one_batch(client: Client, cast: Cast, database: Database) -> None:
    names = [postings.reference() for _ in range(3)]
    bodies = [
        postings.content(referenceId=name, links=[by_reference("FOLLOWS", cast.provider, names[(i + 1) % 3])])
        for i, name in enumerate(names)
    ]
    items = [await postings.event_input(client, cast.provider, body) for body in bodies]
    own = client.acting(cast.provider.api_key)
    for mode, outcomes in (("ATOMIC", ["REFUSED"] * 3), ("PER_ITEM", ["ACCEPTED", "ACCEPTED", "REFUSED"])):
        answer = (await own.run(postings.POST_EVENTS, items=items, mode=mode))["postFiscalEvents"]
        assert [r["outcome"] for r in answer["results"]] == outcomes
        assert postings.codes(answer["results"][2]) == ["LINK_CYCLE"]
    assert (await outside.counts(database))["posting"] == 2


@pytest.mark.parametrize(
    ("child", "parent", "relation"),
    [
        pytest.param(postings.PAYMENT, {"subType": "PLAN"}, "SETTLES", id="L-03"),
        pytest.param(postings.PAYMENT, postings.PAYMENT, "SETTLES", id="L-03-payment"),
        pytest.param(postings.BILL, postings.BILL, "DRAWS_ON", id="L-03-bill"),
        pytest.param(postings.BILL, postings.BILL, "CONCERNS", id="L-03-concerns"),
        pytest.param(postings.BILL, postings.BILL, "ACCOUNTED", id="L-03-accounted"),
    ],
)
async def test_l03_a_relation_outside_the_list_is_refused(
    client: Client,
    cast: Cast,
    database: Database,
    child: dict[str, Any],
    parent: dict[str, Any],
    relation: str,
) -> None:
    above = await postings.post_ok(client, cast.provider, postings.content(**parent))
    body = postings.content(**child, links=[by_id(relation, above)])
    answer = await postings.post(client, cast.provider, body)
    assert set(postings.codes(answer)) == {"RELATION_NOT_ALLOWED"}
    assert (await outside.counts(database))["posting"] == 1


async def test_l03_within_one_batch(client: Client, cast: Cast, database: Database) -> None:
    plan = postings.content(subType="PLAN")
    bodies = [plan, payment("1.00", by_reference("SETTLES", cast.provider, plan["referenceId"]))]
    items = [await postings.event_input(client, cast.provider, body) for body in bodies]
    own = client.acting(cast.provider.api_key)
    answer = await own.run(postings.POST_EVENTS, items=items, mode="ATOMIC")
    assert postings.codes(answer["postFiscalEvents"]["results"][1]) == ["RELATION_NOT_ALLOWED"]
    assert set((await outside.counts(database)).values()) == {0}


async def test_l04_paying_more_than_the_bill_warns_or_is_refused(
    client: Client, cast: Cast, database: Database
) -> None:
    bill = await postings.post_ok(client, cast.provider)
    first = await postings.post(client, cast.provider, payment("600.00", by_id("SETTLES", bill)))
    assert codes(first) == ("ACCEPTED", [], [])
    second = await postings.post(client, cast.provider, payment("500.00", by_id("SETTLES", bill)))
    assert codes(second) == ("ACCEPTED", [], ["OVER_SETTLED"])
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    before = await outside.counts(database)
    third = await postings.post(client, cast.provider, payment("0.01", by_id("SETTLES", bill)))
    assert codes(third) == ("REFUSED", ["OVER_SETTLED"], [])
    assert await outside.counts(database) == before


async def test_l04_one_posting_linked_twice_counts_once(client: Client, cast: Cast) -> None:
    bill = postings.content()
    event = await postings.post_ok(client, cast.provider, bill)
    body = payment("600.00", by_id("SETTLES", event))
    body["links"].append(by_reference("SETTLES", cast.provider, bill["referenceId"]))
    assert codes(await postings.post(client, cast.provider, body)) == ("ACCEPTED", [], [])
    rest = await postings.post(client, cast.provider, payment("400.00", by_id("SETTLES", event)))
    assert codes(rest) == ("ACCEPTED", [], [])


async def test_l04_within_one_batch_each_item_counts_and_refused_ones_do_not(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    bill = postings.content()
    link = by_reference("SETTLES", cast.provider, bill["referenceId"])
    wrong = payment("900.00", link)
    wrong["lines"][0]["coaCode"] = "9999"
    bodies = [bill, wrong, payment("600.00", link), payment("500.00", link), payment("400.00", link)]
    items = [await postings.event_input(client, cast.provider, body) for body in bodies]
    own = client.acting(cast.provider.api_key)
    results = (await own.run(postings.POST_EVENTS, items=items, mode="PER_ITEM"))["postFiscalEvents"][
        "results"
    ]
    assert [r["outcome"] for r in results] == ["ACCEPTED", "REFUSED", "ACCEPTED", "REFUSED", "ACCEPTED"]
    assert postings.codes(results[3]) == ["OVER_SETTLED"]


async def test_l05_a_reversed_payment_opens_the_bill_again(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    bill = await postings.post_ok(client, cast.provider)
    first = await postings.post_ok(client, cast.provider, payment("1000.00", by_id("SETTLES", bill)))
    full = await postings.post(client, cast.provider, payment("1.00", by_id("SETTLES", bill)))
    assert postings.codes(full) == ["OVER_SETTLED"]
    part: dict[str, Any] = {"mode": "PARTIAL", "lines": [{"lineNo": 1, "amount": "300.00"}]}
    assert (await postings.reverse(client, cast.provider, first["id"], **part))["errors"] == []
    again = await postings.post(client, cast.provider, payment("300.00", by_id("SETTLES", bill)))
    assert codes(again) == ("ACCEPTED", [], [])
    more = await postings.post(client, cast.provider, payment("0.01", by_id("SETTLES", bill)))
    assert postings.codes(more) == ["OVER_SETTLED"]


async def test_l07_a_bill_beyond_the_allotment_warns(client: Client, cast: Cast) -> None:
    allotment = await postings.post_ok(client, cast.provider, postings.content(**ESTIMATE))
    body = postings.content(lines=[postings.line(1, "1000.01")], links=[by_id("DRAWS_ON", allotment)])
    assert codes(await postings.post(client, cast.provider, body)) == ("ACCEPTED", [], ["BUDGET_EXCEEDED"])


async def test_l08_more_than_twenty_links_are_refused(client: Client, cast: Cast, database: Database) -> None:
    links = [by_reference("FOLLOWS", cast.both, f"R{i}") for i in range(21)]
    answer = await postings.post(client, cast.provider, postings.content(links=links))
    assert postings.codes(answer) == ["LINK_LIMIT"]
    assert (await outside.counts(database))["posting"] == 0


async def test_an_invisible_parent_is_like_none(client: Client, cast: Cast, database: Database) -> None:
    hidden = await postings.post_ok(client, cast.provider, postings.content(to=[cast.consumer.unique_id]))
    absent = {"id": "evt_0199f1c0-0002-7000-8000-000000000002"}
    answers = [
        await postings.post(client, cast.both, postings.content(links=[by_id("FOLLOWS", parent)]))
        for parent in (hidden, absent)
    ]
    assert answers[0]["errors"] == answers[1]["errors"]
    assert postings.codes(answers[0]) == ["LINKED_EVENT_ID"]
    assert (await outside.counts(database))["posting"] == 1


async def test_a_waiting_link_that_turns_out_wrong_takes_nothing(client: Client, cast: Cast) -> None:
    bill = postings.content()
    stray = postings.content(
        **postings.DEBIT,
        lines=[postings.line(coaCode="2215-01-102-08-00-13")],
        links=[by_reference("SETTLES", cast.provider, bill["referenceId"])],
    )
    await postings.post_ok(client, cast.both, stray)
    event = await postings.post_ok(client, cast.provider, bill)
    settling = await postings.post(client, cast.provider, payment("1000.00", by_id("SETTLES", event)))
    assert codes(settling) == ("ACCEPTED", [], [])


async def test_l02_a_circle_is_found_although_its_other_half_is_hidden(
    client: Client, cast: Cast, database: Database
) -> None:
    first, second = postings.reference(), postings.reference()
    await postings.post_ok(
        client,
        cast.both,
        postings.content(referenceId=first, links=[by_reference("FOLLOWS", cast.provider, second)]),
    )
    body = postings.content(referenceId=second, links=[by_reference("FOLLOWS", cast.both, first)])
    assert postings.codes(await postings.post(client, cast.provider, body)) == ["LINK_CYCLE"]
    assert (await outside.counts(database))["posting"] == 1


# Races


async def test_l02_of_postings_that_name_each_other_at_once_one_is_taken(client: Client, cast: Cast) -> None:
    for _ in range(5):
        first, second = postings.reference(), postings.reference()
        bodies = [
            (
                cast.provider,
                postings.content(referenceId=first, links=[by_reference("FOLLOWS", cast.both, second)]),
            ),
            (
                cast.both,
                postings.content(referenceId=second, links=[by_reference("FOLLOWS", cast.provider, first)]),
            ),
        ]
        inputs = [(system, await postings.event_input(client, system, body)) for system, body in bodies]
        answers = await asyncio.gather(
            *(client.acting(system.api_key).run(postings.POST_EVENT, input=made) for system, made in inputs)
        )
        payloads = [answer["postFiscalEvent"] for answer in answers]
        assert sorted(p["outcome"] for p in payloads) == ["ACCEPTED", "REFUSED"]
        assert [code for p in payloads for code in postings.codes(p)] == ["LINK_CYCLE"]


async def test_l02_a_circle_closed_at_both_open_ends_at_once(client: Client, cast: Cast) -> None:
    for _ in range(5):
        ends = postings.reference(), postings.reference()
        first = await postings.post_ok(
            client, cast.provider, postings.content(links=[by_reference("FOLLOWS", cast.provider, ends[0])])
        )
        bodies = [
            postings.content(referenceId=ends[0], links=[by_reference("FOLLOWS", cast.provider, ends[1])]),
            postings.content(referenceId=ends[1], links=[by_id("FOLLOWS", first)]),
        ]
        inputs = [await postings.event_input(client, cast.provider, body) for body in bodies]
        own = client.acting(cast.provider.api_key)
        answers = await asyncio.gather(*(own.run(postings.POST_EVENT, input=made) for made in inputs))
        payloads = [answer["postFiscalEvent"] for answer in answers]
        assert sorted(p["outcome"] for p in payloads) == ["ACCEPTED", "REFUSED"]


@pytest.mark.parametrize("by", ["id", "reference", "both"])
async def test_l04_strict_settlement_holds_under_forty_payments_at_once(
    client: Client, cast: Cast, database: Database, by: str
) -> None:
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    bill = postings.content()
    event = await postings.post_ok(client, cast.provider, bill)
    links = {
        "id": [by_id("SETTLES", event)],
        "reference": [by_reference("SETTLES", cast.provider, bill["referenceId"])],
    }
    choices = links.get(by, [*links["id"], *links["reference"]])
    inputs = [
        await postings.event_input(client, cast.provider, payment("30.00", choices[i % len(choices)]))
        for i in range(40)
    ]
    own = client.acting(cast.provider.api_key)
    answers = await asyncio.gather(*(own.run(postings.POST_EVENT, input=made) for made in inputs))
    payloads = [answer["postFiscalEvent"] for answer in answers]
    assert sum(p["outcome"] == "ACCEPTED" for p in payloads) == 33
    assert {code for p in payloads for code in postings.codes(p)} == {"OVER_SETTLED"}
    async with database.read() as read:
        paid = await read.scalar(text("SELECT sum(total_amount) FROM posting WHERE sub_type = 'PAYMENT'"))
    assert paid == 990
