"""Taking back and correcting (spec 8 and 18.10, V-), through the API, in figures and in rows."""

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

pytestmark = pytest.mark.anyio

STATE = "query($id: ID!) { fiscalEvent(id: $id) { reversalState netAmount totalAmount reversedAmount } }"
TWO_LINES = {"lines": [postings.line(1, "600.00"), postings.line(2, "400.00")]}


async def state(client: Client, cast: Cast, event_id: str) -> tuple[str, str]:
    """How far an event is reversed, and what is left of it."""
    event = (await client.acting(cast.provider.api_key).run(STATE, id=event_id))["fiscalEvent"]
    return event["reversalState"], event["netAmount"]


def block(event: dict[str, Any], mode: str = "FULL", **over: Any) -> dict[str, Any]:
    """The reversal block of somebody who writes the lines himself."""
    return {"reverses": event["id"], "mode": mode, "reason": "ERROR", **over}


def back(event: dict[str, Any], *amounts: str, mode: str = "FULL", **over: Any) -> dict[str, Any]:
    """A hand-written reversal: one line per amount."""
    lines = [postings.line(i, amount, reversesLineNo=i) for i, amount in enumerate(amounts, 1)]
    return postings.content(**{"lines": lines, "reversal": block(event, mode), **over})


async def test_v01_a_full_reversal_takes_everything_back(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider)
    answer = await postings.post(client, cast.provider, back(event, "-1000.00"))
    assert (answer["outcome"], answer["errors"], answer["warnings"]) == ("ACCEPTED", [], [])
    assert answer["event"]["reversalState"] == "IS_REVERSAL"
    assert await state(client, cast, event["id"]) == ("REVERSED", "0.00")


async def test_v01_the_hub_writes_the_same_reversal(client: Client, cast: Cast) -> None:
    tags = [{"scheme": "sdg", "share": "0.5"}]
    line = postings.line(
        locationCode="majher", administrativeHierarchyCode="7378", programCode="JJM", tags=tags
    )
    event = await postings.post_ok(client, cast.provider, postings.content(lines=[line]))
    answer = await postings.reverse(client, cast.provider, event["id"])
    assert answer["errors"] == []
    assert answer["reversal"]["totalAmount"] == "-1000.00"
    found = await client.acting(cast.provider.api_key).run(
        "query($id: ID!) { fiscalEvent(id: $id) { lineItems { amount coaCode locationPath departmentCode"
        " administrativeHierarchyPath programCode tags { scheme share } periodStart periodEnd } } }",
        id=answer["reversal"]["id"],
    )
    original = await client.acting(cast.provider.api_key).run(
        "query($id: ID!) { fiscalEvent(id: $id) { lineItems { amount coaCode locationPath departmentCode"
        " administrativeHierarchyPath programCode tags { scheme share } periodStart periodEnd } } }",
        id=event["id"],
    )
    (mirrored,), (source,) = found["fiscalEvent"]["lineItems"], original["fiscalEvent"]["lineItems"]
    assert mirrored == source | {"amount": "-1000.00"}
    assert source["departmentCode"] == "DWSS"


BROKEN = [
    pytest.param({"lines": [postings.line(1, "-600.00", reversesLineNo=1)]}, "REVERSAL_LINE", id="V-02"),
    pytest.param(
        {
            "lines": [
                postings.line(1, "600.00", reversesLineNo=1),
                postings.line(2, "-400.00", reversesLineNo=2),
            ]
        },
        "REVERSAL_SIGN",
        id="V-03",
    ),
    pytest.param(
        {
            "lines": [
                postings.line(1, "-600.00", reversesLineNo=1, coaCode="2215-01-102-08-00-13"),
                postings.line(2, "-400.00", reversesLineNo=2),
            ]
        },
        "REVERSAL_LINE",
        id="V-07",
    ),
    pytest.param(
        {"lines": [postings.line(i, "-600.00", reversesLineNo=1) for i in (1, 2)]},
        "REVERSAL_LINE",
        id="one-line-twice",
    ),
    pytest.param(
        {
            "lines": [
                postings.line(1, "-600.00", reversesLineNo=1, tags=[{"scheme": "sdg", "share": "1"}]),
                postings.line(2, "-400.00", reversesLineNo=2),
            ]
        },
        "REVERSAL_LINE",
        id="other-tags",
    ),
    pytest.param({"subType": "DEBIT"}, "REVERSAL_MISMATCH", id="other-sub-type"),
    pytest.param({"to": ["dashboard@punjab.ifix.org"]}, "REVERSAL_MISMATCH", id="other-receivers"),
    pytest.param({"classification": "RESTRICTED"}, "REVERSAL_MISMATCH", id="other-classification"),
    pytest.param({"from": "both@punjab.ifix.org"}, "SENDER_MISMATCH", id="other-sender"),
]


@pytest.mark.parametrize(("over", "code"), BROKEN)
async def test_a_broken_reversal_is_refused_and_moves_nothing(
    client: Client, cast: Cast, database: Database, over: dict[str, Any], code: str
) -> None:
    event = await postings.post_ok(client, cast.provider, postings.content(**TWO_LINES))
    before = await outside.counts(database)
    answer = await postings.post(client, cast.provider, back(event, "-600.00", "-400.00", **over))
    assert code in postings.codes(answer)
    assert await outside.counts(database) == before
    assert await state(client, cast, event["id"]) == ("NONE", "1000.00")


async def test_v04_parts_never_exceed_the_original(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    first = await postings.post(client, cast.provider, back(event, "-400.00", mode="PARTIAL"))
    assert first["outcome"] == "ACCEPTED"
    assert await state(client, cast, event["id"]) == ("PARTIALLY_REVERSED", "600.00")
    before = await outside.counts(database)
    second = await postings.post(client, cast.provider, back(event, "-700.00", mode="PARTIAL"))
    assert postings.codes(second) == ["REVERSAL_EXCEEDS"]
    assert await outside.counts(database) == before
    assert await outside.balance(database, event["id"]) == "400.00"


async def test_v05_parts_and_then_the_rest(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider)
    part: dict[str, Any] = {"mode": "PARTIAL", "lines": [{"lineNo": 1, "amount": "400.00"}]}
    for _ in range(2):
        assert (await postings.reverse(client, cast.provider, event["id"], **part))["errors"] == []
    rest = await postings.reverse(client, cast.provider, event["id"])
    assert rest["reversal"]["totalAmount"] == "-200.00"
    assert await state(client, cast, event["id"]) == ("REVERSED", "0.00")


async def test_v06_only_the_sender_takes_back(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    before = await outside.counts(database)
    answer = await postings.post(client, cast.both, back(event, "-1000.00"))
    assert postings.codes(answer) == ["REVERSAL_NOT_OWNER"]
    assert await outside.counts(database) == before


async def test_v06_an_invisible_posting_is_not_found(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider, postings.content(to=[cast.consumer.unique_id]))
    before = await outside.counts(database)
    answer = await postings.post(client, cast.both, back(event, "-1000.00"))
    assert postings.codes(answer) == ["REVERSAL_NOT_FOUND"]
    assert await outside.counts(database) == before


async def test_v08_a_reversal_stands(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    reversal = (await postings.post(client, cast.provider, back(event, "-1000.00")))["event"]
    before = await outside.counts(database)
    answer = await postings.post(client, cast.provider, back(reversal, "1000.00"))
    assert "REVERSAL_OF_REVERSAL" in postings.codes(answer)
    assert await outside.counts(database) == before


async def paid_bill(
    client: Client, cast: Cast, amount: str = "1000.00"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A bill over 1000.00 and a payment that settles it."""
    bill = await postings.post_ok(client, cast.provider)
    payment = postings.content(
        **postings.PAYMENT,
        lines=[postings.line(1, amount)],
        links=[{"relation": "SETTLES", "id": bill["id"]}],
    )
    return bill, await postings.post_ok(client, cast.provider, payment)


async def test_v09_v10_what_is_paid_is_taken_back_from_the_end(
    client: Client, cast: Cast, database: Database
) -> None:
    bill, payment = await paid_bill(client, cast)
    before = await outside.counts(database)
    answer = await postings.post(client, cast.provider, back(bill, "-1000.00"))
    assert postings.codes(answer) == ["REVERSAL_HAS_CHILDREN"]
    assert await outside.counts(database) == before
    assert (await postings.reverse(client, cast.provider, payment["id"]))["errors"] == []
    assert (await postings.reverse(client, cast.provider, bill["id"]))["errors"] == []
    assert await state(client, cast, bill["id"]) == ("REVERSED", "0.00")


async def test_v10_from_the_end_in_one_batch(client: Client, cast: Cast) -> None:
    bill, payment = await paid_bill(client, cast)
    bodies = [back(payment, "-1000.00", **postings.PAYMENT), back(bill, "-1000.00")]
    items = [await postings.event_input(client, cast.provider, body) for body in bodies]
    answer = await client.acting(cast.provider.api_key).run(postings.POST_EVENTS, items=items, mode="ATOMIC")
    assert [r["outcome"] for r in answer["postFiscalEvents"]["results"]] == ["ACCEPTED"] * 2


async def test_a_part_that_leaves_less_than_is_paid_warns_or_is_refused(
    client: Client, cast: Cast, database: Database
) -> None:
    bill, _ = await paid_bill(client, cast, "600.00")
    first = await postings.post(client, cast.provider, back(bill, "-500.00", mode="PARTIAL"))
    assert (first["outcome"], [w["code"] for w in first["warnings"]]) == ("ACCEPTED", ["OVER_SETTLED"])
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    second = await postings.post(client, cast.provider, back(bill, "-1.00", mode="PARTIAL"))
    assert postings.codes(second) == ["OVER_SETTLED"]
    assert await outside.balance(database, bill["id"]) == "500.00"


async def test_v12_each_year_shows_its_own_records(client: Client, cast: Cast) -> None:
    body = postings.content(eventTime="2026-03-20T10:00:00+05:30")
    event = await postings.post_ok(client, cast.provider, body)
    answer = await postings.reverse(client, cast.provider, event["id"], eventTime="2026-04-02T10:00:00+05:30")
    years = await client.acting(cast.provider.api_key).run(
        "query($ids: [ID!]) { fiscalEvents(filter: {ids: $ids}, order: OLDEST_FIRST) { edges { node"
        " { fiscalYear totalAmount } } } }",
        ids=[event["id"], answer["reversal"]["id"]],
    )
    assert [edge["node"] for edge in years["fiscalEvents"]["edges"]] == [
        {"fiscalYear": 2025, "totalAmount": "1000.00"},
        {"fiscalYear": 2026, "totalAmount": "-1000.00"},
    ]


async def test_v15_a_reversed_message_reaches_its_receivers_again_and_once_only(
    client: Client, cast: Cast, database: Database
) -> None:
    message = (await postings.send(client, cast.provider, [cast.consumer.unique_id]))["message"]
    answer = await postings.reverse(client, cast.provider, message["id"])
    assert answer["errors"] == []
    assert (await outside.counts(database))["inbox_entry"] == 2
    hand_written = {
        **postings.BILL,
        "referenceId": postings.reference(),
        "eventTime": "2026-10-07T17:45:00+05:30",
        "to": [cast.consumer.unique_id],
        "reversal": {"reverses": message["id"], "mode": "FULL", "reason": "ERROR"},
    }
    made = {
        "idempotencyKey": postings.reference(),
        "content": hand_written,
        "signature": await postings.sign(client, cast.provider, {"message": hand_written}),
    }
    own = client.acting(cast.provider.api_key)
    again = (await own.run(postings.POST_MESSAGE, input=made))["postFiscalMessage"]
    assert postings.codes(again) == ["REVERSAL_EXCEEDS"]
    assert (await outside.counts(database))["inbox_entry"] == 2


async def test_lines_of_both_signs_and_zero_are_reversed_once(
    client: Client, cast: Cast, database: Database
) -> None:
    body = postings.content(
        subType="ESTIMATE",
        qualifier="REVISED",
        lines=[postings.line(1, "100.00"), postings.line(2, "-100.00"), postings.line(3, "0.00")],
    )
    event = await postings.post_ok(client, cast.provider, body)
    answer = await postings.reverse(client, cast.provider, event["id"])
    assert answer["errors"] == []
    assert [line["amount"] for line in answer["reversal"]["lineItems"]] == ["-100.00", "100.00", "0.00"]
    before = await outside.counts(database)
    again = back(event, "-100.00", "100.00", "0.00", subType="ESTIMATE", qualifier="REVISED")
    refused = await postings.post(client, cast.provider, again)
    assert "REVERSAL_EXCEEDS" in postings.codes(refused)
    assert await outside.counts(database) == before
    assert await outside.balance(database, event["id"], 2) == "-100.00"


async def test_an_estimate_of_nothing_is_reversed_once(
    client: Client, cast: Cast, database: Database
) -> None:
    body = postings.content(subType="ESTIMATE", qualifier="APPROVED", lines=[postings.line(1, "0.00")])
    event = await postings.post_ok(client, cast.provider, body)
    assert (await postings.reverse(client, cast.provider, event["id"]))["errors"] == []
    again = back(event, "0.00", subType="ESTIMATE", qualifier="APPROVED")
    assert postings.codes(await postings.post(client, cast.provider, again)) == ["REVERSAL_EXCEEDS"]
    part = back(event, "0.00", subType="ESTIMATE", qualifier="APPROVED", mode="PARTIAL")
    assert "REVERSAL_EXCEEDS" in postings.codes(await postings.post(client, cast.provider, part))
    assert (await outside.counts(database))["posting"] == 2


async def test_a_partial_reversal_of_nothing_is_refused(
    client: Client, cast: Cast, database: Database
) -> None:
    body = postings.content(subType="ESTIMATE", qualifier="APPROVED", lines=[postings.line(1, "0.00")])
    event = await postings.post_ok(client, cast.provider, body)
    part = back(event, "0.00", subType="ESTIMATE", qualifier="APPROVED", mode="PARTIAL")
    assert postings.codes(await postings.post(client, cast.provider, part)) == ["REVERSAL_LINE"]
    assert (await outside.counts(database))["line_balance"] == 0


async def test_a_thousand_lines_are_reversed_at_once(client: Client, cast: Cast) -> None:
    body = postings.content(lines=[postings.line(i, "0.01") for i in range(1, 1001)])
    event = await postings.post_ok(client, cast.provider, body)
    answer = await postings.reverse(client, cast.provider, event["id"])
    assert (answer["errors"], answer["reversal"]["totalAmount"]) == ([], "-10.00")
    assert await state(client, cast, event["id"]) == ("REVERSED", "0.00")


async def test_a_reversal_keeps_the_codes_of_its_original_whatever_the_registries_say_now(
    client: Client, cast: Cast, database: Database
) -> None:
    line = postings.line(projectCode="PWS-7378", coaCode="2215-01-102-08-00-13")
    event = await postings.post_ok(client, cast.provider, postings.content(lines=[line]))
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE reference_slice SET superseded_at = now() WHERE superseded_at IS NULL"))
    gone = await postings.post(client, cast.provider, postings.content(lines=[line]))
    assert set(postings.codes(gone)) == {"COA_CODE_INVALID", "PROJECT_CODE_INVALID"}
    await outside.set_policy(database, major_type_policy=Policy.ENFORCE)
    answer = await postings.reverse(client, cast.provider, event["id"])
    assert answer["errors"] == []
    assert answer["reversal"]["lineItems"][0]["coaCode"] == "2215-01-102-08-00-13"


async def test_a_restricted_event_is_reversed_in_private(client: Client, cast: Cast) -> None:
    body = postings.content(subType="ESTIMATE", qualifier="PROPOSED", classification="RESTRICTED")
    event = await postings.post_ok(client, cast.provider, body)
    silent = back(event, "-1000.00", subType="ESTIMATE", qualifier="PROPOSED")
    assert (await postings.post(client, cast.provider, silent))["errors"] == []
    seen = await client.acting(cast.consumer.api_key).run("{ fiscalEvents { edges { node { id } } } }")
    assert seen["fiscalEvents"]["edges"] == []


async def test_two_parts_in_one_batch_share_what_is_left(
    client: Client, cast: Cast, database: Database
) -> None:
    event = await postings.post_ok(client, cast.provider)
    bodies = [back(event, amount, mode="PARTIAL") for amount in ("-700.00", "-400.00", "-300.00")]
    items = [await postings.event_input(client, cast.provider, body) for body in bodies]
    own = client.acting(cast.provider.api_key)
    tried = await own.run(
        postings.POST_EVENTS, items=[item | {"validateOnly": True} for item in items], mode="PER_ITEM"
    )
    assert [r["outcome"] for r in tried["postFiscalEvents"]["results"]] == [
        "VALIDATED",
        "REFUSED",
        "VALIDATED",
    ]
    assert (await outside.counts(database))["line_balance"] == 0
    none = await own.run(postings.POST_EVENTS, items=items, mode="ATOMIC")
    assert [r["outcome"] for r in none["postFiscalEvents"]["results"]] == ["REFUSED"] * 3
    assert (await outside.counts(database))["line_balance"] == 0
    some = await own.run(postings.POST_EVENTS, items=items, mode="PER_ITEM")
    results = some["postFiscalEvents"]["results"]
    assert [r["outcome"] for r in results] == ["ACCEPTED", "REFUSED", "ACCEPTED"]
    assert postings.codes(results[1]) == ["REVERSAL_EXCEEDS"]
    assert await state(client, cast, event["id"]) == ("REVERSED", "0.00")


async def test_a_repeated_reversal_is_answered_as_before(
    client: Client, cast: Cast, database: Database
) -> None:
    event = await postings.post_ok(client, cast.provider)
    request = {
        "id": event["id"],
        "mode": "FULL",
        "reason": "ERROR",
        "referenceId": postings.reference(),
        "eventTime": "2026-10-07T17:45:00+05:30",
    }
    made = {
        "idempotencyKey": "rev-1",
        "reversal": request,
        "signature": await postings.sign(client, cast.provider, {"reversal": request}),
    }
    own = client.acting(cast.provider.api_key)
    dry = (await own.run(postings.REVERSE, input=made | {"validateOnly": True}))["reverse"]
    assert (dry["outcome"], dry["errors"]) == ("VALIDATED", [])
    assert (await outside.counts(database))["line_balance"] == 0
    part: dict[str, Any] = {"mode": "PARTIAL", "lines": [{"lineNo": 1, "amount": "1.00"}]}
    first = (await own.run(postings.REVERSE, input=made))["reverse"]
    assert first["outcome"] == "ACCEPTED"
    refused = await own.codes(
        postings.BYTES_TO_SIGN,
        subject={"reversal": request | part | {"referenceId": postings.reference(), "lines": []}},
        statement={"keyId": cast.provider.signing_key_public_id, "signedAt": postings.now_text()},
    )
    assert refused == ["REVERSAL_LINE"]
    second = (await own.run(postings.REVERSE, input=made))["reverse"]
    assert second == first
    assert await outside.balance(database, event["id"]) == "1000.00"


async def test_the_request_s_paths_are_the_request_s(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider)
    answer = await postings.reverse(client, cast.provider, event["id"], reason="OTHER", referenceId="R" * 65)
    assert {(e["code"], tuple(e["path"])) for e in answer["errors"]} == {
        ("REVERSAL_REASON", ("input", "reversal", "comment")),
        ("REFERENCE_ID_LENGTH", ("input", "reversal", "referenceId")),
    }


async def test_nul_in_a_reversal_s_reference_is_refused(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(client, cast.provider)
    made = {
        "idempotencyKey": "k",
        "reversal": {
            "id": event["id"],
            "mode": "FULL",
            "reason": "ERROR",
            "referenceId": "a\x00b",
            "eventTime": "2026-10-07T17:45:00Z",
        },
        "signature": outside.sign(cast.provider, b""),
    }
    answer = (await client.acting(cast.provider.api_key).run(postings.REVERSE, input=made))["reverse"]
    assert postings.codes(answer) == ["TEXT"]


# Corrections


async def correction(
    client: Client, cast: Cast, event: dict[str, Any], body: dict[str, Any], **over: Any
) -> dict[str, Any]:
    """The whole input of ``correct``."""
    request = {
        "id": event["id"],
        "mode": "FULL",
        "reason": "ERROR",
        "referenceId": postings.reference("REV"),
        "eventTime": "2026-10-07T17:45:00+05:30",
        **over,
    }
    subject = {"replacement": {"content": body, "reversal": request}}
    return {
        "reversal": {
            "idempotencyKey": postings.reference(),
            "reversal": request,
            "signature": await postings.sign(client, cast.provider, {"reversal": request}),
        },
        "replacement": {
            "idempotencyKey": postings.reference(),
            "content": body,
            "signature": await postings.sign(client, cast.provider, subject),
        },
    }


async def correct(client: Client, cast: Cast, made: dict[str, Any]) -> dict[str, Any]:
    """Correct; the whole payload."""
    answer: dict[str, Any] = (await client.acting(cast.provider.api_key).run(postings.CORRECT, input=made))[
        "correct"
    ]
    return answer


async def test_a_correction_reverses_and_replaces(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    made = await correction(client, cast, event, postings.content(lines=[postings.line(1, "900.00")]))
    dry = {
        "reversal": made["reversal"],
        "replacement": made["replacement"] | {"validateOnly": True},
    }
    before = await outside.counts(database)
    tried = await correct(client, cast, dry)
    assert tried["errors"] == []
    assert tried["replacement"]["outcome"] == "VALIDATED"
    assert await outside.counts(database) == before
    first = await correct(client, cast, made)
    assert first["errors"] == []
    assert first["replacement"]["event"]["totalAmount"] == "900.00"
    assert await state(client, cast, event["id"]) == ("REVERSED", "0.00")
    assert await correct(client, cast, made) == first
    assert (await outside.counts(database))["posting"] == 3


async def test_a_correction_with_a_wrong_replacement_leaves_the_original(
    client: Client, cast: Cast, database: Database
) -> None:
    event = await postings.post_ok(client, cast.provider)
    before = await outside.counts(database)
    made = await correction(client, cast, event, postings.content(lines=[postings.line(1, "x")]))
    answer = await correct(client, cast, made)
    assert [(e["code"], e["path"][:2]) for e in answer["errors"]] == [("AMOUNT", ["input", "replacement"])]
    assert await outside.counts(database) == before
    assert await state(client, cast, event["id"]) == ("NONE", "1000.00")


async def test_a_payment_is_corrected_under_strict_settlement(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, settlement_policy=Policy.ENFORCE)
    bill, payment = await paid_bill(client, cast)
    body = postings.content(
        **postings.PAYMENT,
        lines=[postings.line(1, "900.00")],
        links=[{"relation": "SETTLES", "id": bill["id"]}],
    )
    answer = await correct(client, cast, await correction(client, cast, payment, body))
    assert answer["errors"] == []


async def test_replaces_needs_a_reversed_original(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    body = postings.content(links=[{"relation": "REPLACES", "id": event["id"]}])
    assert postings.codes(await postings.post(client, cast.provider, body)) == ["RELATION_NOT_ALLOWED"]
    assert (await outside.counts(database))["posting"] == 1


# Races


async def test_v11_one_of_two_full_reversals_wins(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    answers = await asyncio.gather(
        *(postings.post(client, cast.provider, back(event, "-1000.00")) for _ in range(2))
    )
    assert sorted(answer["outcome"] for answer in answers) == ["ACCEPTED", "REFUSED"]
    (lost,) = (answer for answer in answers if answer["outcome"] == "REFUSED")
    assert set(postings.codes(lost)) == {"REVERSAL_EXCEEDS"}
    assert await outside.balance(database, event["id"]) == "1000.00"


async def test_v11_by_the_hub_s_own_lines(client: Client, cast: Cast, database: Database) -> None:
    event = await postings.post_ok(client, cast.provider)
    inputs = []
    for _ in range(4):
        request = {
            "id": event["id"],
            "mode": "FULL",
            "reason": "ERROR",
            "referenceId": postings.reference(),
            "eventTime": "2026-10-07T17:45:00+05:30",
        }
        signature = await postings.sign(client, cast.provider, {"reversal": request})
        inputs.append({"idempotencyKey": postings.reference(), "reversal": request, "signature": signature})
    own = client.acting(cast.provider.api_key)
    answers = await asyncio.gather(*(own.run(postings.REVERSE, input=made) for made in inputs))
    outcomes = [answer["reverse"]["outcome"] for answer in answers]
    assert sorted(outcomes) == ["ACCEPTED", "REFUSED", "REFUSED", "REFUSED"]
    lost = [postings.codes(a["reverse"]) for a in answers if a["reverse"]["outcome"] == "REFUSED"]
    assert {code for codes in lost for code in codes} == {"REVERSAL_EXCEEDS"}
    assert await outside.balance(database, event["id"]) == "1000.00"


async def test_fifty_partial_reversals_at_once_take_the_original_and_no_more(
    client: Client, cast: Cast, database: Database
) -> None:
    event = await postings.post_ok(client, cast.provider)
    inputs = [
        await postings.event_input(client, cast.provider, back(event, "-30.00", mode="PARTIAL"))
        for _ in range(50)
    ]
    own = client.acting(cast.provider.api_key)
    answers = await asyncio.gather(*(own.run(postings.POST_EVENT, input=made) for made in inputs))
    payloads = [answer["postFiscalEvent"] for answer in answers]
    accepted = [payload for payload in payloads if payload["outcome"] == "ACCEPTED"]
    assert len(accepted) == 33
    assert {code for p in payloads for code in postings.codes(p)} == {"REVERSAL_EXCEEDS"}
    assert await outside.balance(database, event["id"]) == "990.00"
    assert await state(client, cast, event["id"]) == ("PARTIALLY_REVERSED", "10.00")
    async with database.read() as read:
        booked = await read.scalar(
            text("SELECT sum(total_amount) FROM posting WHERE reverses_id IS NOT NULL")
        )
    assert booked == -990
