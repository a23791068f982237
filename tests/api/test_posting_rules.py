"""What may be posted (spec 18.4, the rules of 18.3 as the native API has them, and the posting side of 18.2)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain.registry import Policy
from hub.means import Means
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import outside, postings, worked_example
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio

LINE = postings.line()
ESTIMATE = {"subType": "ESTIMATE", "qualifier": "APPROVED"}
REVENUE = {"type": "REVENUE", "majorType": "REVENUE_RECEIPT"}
RECEIPT_LINE = postings.line(coaCode=postings.RECEIPT_HEAD)
GENDER = {"scheme": "gender-budget", "share": "1.0000"}
KEY_VALUE = {"kind": "KEY_VALUE", "key": "correlation_id", "value": "RA-01"}
DOCUMENT = {
    "kind": "DOCUMENT",
    "name": "Report",
    "mediaType": "application/pdf",
    "sizeBytes": 3,
    "sha256": "0" * 64,
}
UNKNOWN_ID = "evt_0199f1c0-0002-7000-8000-000000000002"


def lines(*changes: dict[str, Any]) -> dict[str, Any]:
    """Content with these lines."""
    return {"lines": [postings.line(i, **change) for i, change in enumerate(changes, 1)]}


def linked(**link: Any) -> dict[str, Any]:
    """Content with one link."""
    return {"links": [{"relation": "FOLLOWS", **link}]}


REFUSED: list[tuple[str, dict[str, Any], str, list[str] | None]] = [
    ("N-01", {**REVENUE, "subType": "BILL"}, "SUBTYPE_NOT_ALLOWED", ["content", "subType"]),
    ("N-02", {"subType": "RECEIPT"}, "SUBTYPE_NOT_ALLOWED", ["content", "subType"]),
    ("N-04", {"subType": "DEMAND"}, "SUBTYPE_NOT_ALLOWED", ["content", "subType"]),
    ("N-06", {"type": "DEBT"}, "TYPE_NOT_OPEN", ["content", "type"]),
    ("N-07", {**REVENUE, "majorType": "CAPITAL_EXPENDITURE", "subType": "RECEIPT"}, "MAJOR_TYPE", None),
    ("N-08", {"subType": "ESTIMATE"}, "QUALIFIER", ["content", "qualifier"]),
    ("N-15", lines({"amount": "-1.00"}), "NEGATIVE_AMOUNT", ["content", "lines", "0", "amount"]),
    ("N-15-estimate", {**ESTIMATE, **lines({"amount": "-1.00"})}, "NEGATIVE_AMOUNT", None),
    ("N-18", lines({}, {"currency": "USD"}), "CURRENCY", ["content", "lines", "1", "currency"]),
    ("N-18-unknown", lines({"currency": "XXX"}), "CURRENCY", None),
    ("N-18-lower", lines({"currency": "inr"}), "CURRENCY", None),
    ("N-20", {"lines": [postings.line(i) for i in range(1, 1002)]}, "LINE_LIMIT", ["content", "lines"]),
    ("N-27", {"attachments": [DOCUMENT]}, "ATTACHMENT_MISSING", None),
    ("P-06", {"referenceId": " "}, "REFERENCE_ID", ["content", "referenceId"]),
    ("P-06-long", {"referenceId": "R" * 65}, "REFERENCE_ID_LENGTH", None),
    ("P-09", {"lines": []}, "AMOUNT_DETAILS", ["content", "lines"]),
    ("P-10", lines({"amount": ""}), "AMOUNT", ["content", "lines", "0", "amount"]),
    ("P-10-words", lines({"amount": "ten"}), "AMOUNT", None),
    ("P-10-exponent", lines({"amount": "1e3"}), "AMOUNT", None),
    ("P-10-digits", lines({"amount": "١٢"}), "AMOUNT", None),
    ("P-10-huge", lines({"amount": "1" + "0" * 15}), "AMOUNT", None),
    ("P-11", lines({"amount": "0.00"}), "ZERO_AMOUNT", ["content", "lines", "0", "amount"]),
    ("P-11-minus", lines({"amount": "-0"}), "ZERO_AMOUNT", None),
    ("P-13", lines({"coaCode": "9999-99-999-99-99-99"}), "COA_CODE_INVALID", None),
    ("P-19", linked(id=UNKNOWN_ID), "LINKED_EVENT_ID", ["content", "links", "0"]),
    ("P-19-message", linked(id=UNKNOWN_ID.replace("evt", "msg")), "LINKED_EVENT_ID", None),
    ("P-19-system", linked(system="nobody@punjab.ifix.org", referenceId="X"), "LINKED_EVENT_ID", None),
    ("P-19-both", linked(id=UNKNOWN_ID, system="nobody@punjab.ifix.org"), "LINKED_EVENT_ID", None),
    ("P-19-neither", linked(), "LINKED_EVENT_ID", None),
    ("P-28", lines({"periodStart": "2026-09-26"}), "PERIOD_ORDER", None),
    ("P-29", lines({"amount": "10234.555"}), "AMOUNT_SCALE", ["content", "lines", "0", "amount"]),
    ("P-29-beyond-28-digits", lines({"amount": "1." + "0" * 30 + "1"}), "AMOUNT_SCALE", None),
    ("P-27-native", lines({"periodStart": None}), "PERIOD_MISSING", None),
    ("K-14", {"from": "dashboard@punjab.ifix.org"}, "SENDER_MISMATCH", ["content", "from"]),
    ("K-15", {"government": "hr"}, "TENANT_NOT_ALLOWED", ["content", "government"]),
    ("period-span", lines({"periodEnd": "2031-08-01"}), "PERIOD_SPAN", None),
    ("line-number-twice", {"lines": [LINE, LINE]}, "LINE_NO", ["content", "lines", "1", "lineNo"]),
    ("line-number-zero", {"lines": [postings.line(0)]}, "LINE_NO", None),
    ("line-number-int32", {"lines": [postings.line(2**31 - 1)]}, "LINE_NO", None),
    ("location", lines({"locationCode": "atlantis"}), "LOCATION_CODE_INVALID", None),
    ("program", lines({"programCode": "X"}), "PROGRAM_CODE_INVALID", None),
    ("project", lines({"projectCode": "X"}), "PROJECT_CODE_INVALID", None),
    ("node", lines({"administrativeHierarchyCode": "pb/DWSS/7378"}), "ADMIN_CODE_INVALID", None),
    ("department", lines({"departmentCode": "X"}), "DEPARTMENT_CODE_INVALID", None),
    ("tag-share", lines({"tags": [{"scheme": "climate", "share": "1.01"}]}), "TAG_SHARE", None),
    ("tag-share-zero", lines({"tags": [{"scheme": "climate", "share": "0.0000"}]}), "TAG_SHARE", None),
    ("tag-segment", lines({"tags": [GENDER]}), "TAG_SEGMENT", None),
    ("tag-twice", lines({"tags": [{"scheme": "sdg", "share": "0.5"}] * 2}), "TAG_SHARE", None),
    (
        "tag-limit",
        lines({"tags": [{"scheme": f"s{i}", "share": "0.5"} for i in range(11)]}),
        "TAG_LIMIT",
        None,
    ),
    ("attribute-key", {"attributes": {"Key": "x"}}, "ATTRIBUTE_KEY", None),
    ("attribute-size", {"attributes": {"remarks": "x" * 65_537}}, "ATTRIBUTES_SIZE", None),
    ("line-attribute-key", lines({"attributes": {"a-b": 1}}), "ATTRIBUTE_KEY", None),
    ("line-attribute-size", lines({"attributes": {"remarks": "x" * 65_537}}), "ATTRIBUTES_SIZE", None),
    ("key-value-with-digest", {"attachments": [KEY_VALUE | {"sha256": "zz"}]}, "ATTACHMENT_KEY", None),
    ("key-value-long", {"attachments": [KEY_VALUE | {"value": "x" * 1025}]}, "ATTACHMENT_KEY", None),
    ("document-digest", {"attachments": [DOCUMENT | {"sha256": "F" * 64}]}, "ATTACHMENT_DIGEST", None),
    ("document-type", {"attachments": [DOCUMENT | {"mediaType": "text/html"}]}, "ATTACHMENT_TYPE", None),
    ("document-role", {"attachments": [DOCUMENT | {"role": "r" * 65}]}, "TEXT", None),
    ("attachments", {"attachments": [KEY_VALUE] * 21}, "ATTACHMENT_LIMIT", None),
    ("receivers", {"to": [f"a{i}@punjab.ifix.org" for i in range(101)]}, "RECEIVER_LIMIT", None),
    ("receiver", {"to": ["nobody@punjab.ifix.org"]}, "RECEIVER_UNKNOWN", ["content", "to", "0"]),
    ("receiver-role", {"to": ["mgramseva@punjab.ifix.org"]}, "RECEIVER_NOT_CONSUMER", None),
    ("schema-version", {"schemaVersion": "2.2.0"}, "SCHEMA_VERSION", None),
    ("process-empty", {"process": ""}, "TEXT", None),
    ("event-time-1949", {"eventTime": "1949-12-31T23:59:59Z"}, "EVENT_TIME", None),
    ("event-time-year-1", {"eventTime": "0001-01-01T00:00:00Z"}, "EVENT_TIME", None),
    ("event-time-year-9999", {"eventTime": "9999-12-31T23:59:59Z"}, "EVENT_TIME_FUTURE", None),
    ("N-19", {"eventTime": "2999-01-01T00:00:00Z"}, "EVENT_TIME_FUTURE", ["content", "eventTime"]),
]


@pytest.mark.parametrize(
    ("over", "code", "path"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_wrong_event_is_refused_and_leaves_nothing(
    client: Client, cast: Cast, database: Database, over: dict[str, Any], code: str, path: list[str] | None
) -> None:
    answer = await postings.post(client, cast.provider, postings.content(**over))
    assert answer["outcome"] == "REFUSED"
    assert answer["event"] is None
    found = {error["code"]: error["path"] for error in answer["errors"]}
    assert code in found
    assert "SIGNATURE_INVALID" not in found
    if path is not None:
        assert found[code] == ["input", *path]
    assert set((await outside.counts(database)).values()) == {0}


UNSIGNABLE: list[tuple[str, dict[str, Any], str]] = [
    ("nul", {"referenceId": "a\x00b"}, "TEXT"),
    ("nul-receiver", {"to": ["a\x00b"]}, "TEXT"),
    ("nul-link", {"links": [{"relation": "FOLLOWS", "system": "a\x00", "referenceId": "b\x00"}]}, "TEXT"),
    ("nfd", {"process": "e\u0301"}, "TEXT_NOT_NFC"),
    ("float", {"attributes": {"a": 1.5}}, "NUMBER_NOT_ALLOWED"),
    ("big-integer", {"attributes": {"a": 2**53}}, "NUMBER_NOT_ALLOWED"),
    (
        "deep",
        {"attributes": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}},
        "NESTING",
    ),
]


@pytest.mark.parametrize(
    ("over", "code"), [case[1:] for case in UNSIGNABLE], ids=[case[0] for case in UNSIGNABLE]
)
async def test_content_without_canonical_bytes_is_refused(
    client: Client, cast: Cast, database: Database, over: dict[str, Any], code: str
) -> None:
    made = outside.signed(cast.provider, outside.bill())
    made["content"] |= over
    answer = (await client.acting(cast.provider.api_key).run(postings.POST_EVENT, input=made))[
        "postFiscalEvent"
    ]
    assert code in postings.codes(answer)
    assert set((await outside.counts(database)).values()) == {0}


ACCEPTED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("N-03", {"subType": "DEMAND", "process": "release_of_funds"}, []),
    (
        "N-05",
        {**REVENUE, "subType": "PAYMENT", "process": "revenue_collection", "lines": [RECEIPT_LINE]},
        ["SUBTYPE_ALIASED"],
    ),
    ("N-12", {"attributes": {"moon_phase": "full"}}, ["ATTRIBUTE_UNKNOWN"]),
    ("N-16", {"subType": "ESTIMATE", "qualifier": "SURRENDER", **lines({"amount": "-5.00"})}, []),
    ("N-17", lines({"coaCode": "2215-01-102-08-00-13"}), ["COA_MAJOR_TYPE_MISMATCH"]),
    ("N-28", {"attachments": [KEY_VALUE]}, []),
    ("P-11-estimate", {**ESTIMATE, **lines({"amount": "0"})}, []),
    ("P-24", {"to": None}, []),
    ("thousand-lines", {"lines": [postings.line(i, "0.01") for i in range(1, 1001)]}, []),
    ("greatest-amount", lines({"amount": "999999999999999.99"}), []),
    ("tagged", lines({"tags": [GENDER | {"beneficiaryRegistry": "r", "targetSegment": "s"}]}), []),
    (
        "widest-key-value",
        {
            "attachments": [
                {
                    "kind": "KEY_VALUE",
                    "key": "k" * 64,
                    "value": "".join(chr(0x20000 + i * 37) for i in range(1024)),
                }
            ]
        },
        [],
    ),
    ("widest-reference", {"referenceId": "".join(chr(0x20000 + i * 41) for i in range(64))}, []),
    (
        "widest-link",
        {
            "links": [
                {
                    "relation": "FOLLOWS",
                    "system": "mgramseva@punjab.ifix.org",
                    "referenceId": "".join(chr(0x20000 + i * 43) for i in range(64)),
                }
            ]
        },
        [],
    ),
]


@pytest.mark.parametrize(
    ("over", "warnings"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
async def test_a_sound_event_is_stored(
    client: Client, cast: Cast, over: dict[str, Any], warnings: list[str]
) -> None:
    answer = await postings.post(client, cast.provider, postings.content(**over))
    assert answer["errors"] == []
    assert answer["outcome"] == "ACCEPTED"
    assert [warning["code"] for warning in answer["warnings"]] == warnings
    assert answer["event"]["from"] == cast.provider.unique_id


def bill_attributes() -> dict[str, Any]:
    """The attributes of the worked example's bill."""
    return copy.deepcopy(dict(worked_example.record("bill")["body"]["attributes"]))


def work_bill(attributes: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A bill of the group ``ddo_work_bill``."""
    return postings.content(
        process="work_bill_payment",
        attributeGroup="ddo_work_bill",
        attributes=attributes,
        **{"lines": [postings.line(amount="1850000.00", projectCode="PWS-7378")], **over},
    )


async def test_n09_a_missing_core_attribute_is_named(client: Client, cast: Cast, database: Database) -> None:
    await outside.set_policy(database, attribute_policy=Policy.ENFORCE)
    attributes = bill_attributes()
    del attributes["bill_type"]
    answer = await postings.post(client, cast.provider, work_bill(attributes))
    missing = [e["path"][-1] for e in answer["errors"] if e["code"] == "CORE_ATTRIBUTE_MISSING"]
    assert "bill_type" in missing
    assert (await outside.counts(database))["posting"] == 0


async def test_n10_the_department_may_come_from_the_administrative_node(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, attribute_policy=Policy.ENFORCE)
    attributes = bill_attributes()
    del attributes["department_code"]
    digest = await postings.upload(client, cast.provider, b"%PDF-1.4 book")
    report = {**DOCUMENT, "role": "physical_report", "sha256": digest, "sizeBytes": 13}
    line = postings.line(amount="1850000.00", projectCode="PWS-7378", administrativeHierarchyCode="7378")
    event = await postings.post_ok(
        client, cast.provider, work_bill(attributes, lines=[line], attachments=[report])
    )
    assert event["lineItems"][0]["departmentCode"] == "DWSS"


async def test_n11_a_group_of_another_sub_type_is_refused(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, attribute_policy=Policy.ENFORCE)
    answer = await postings.post(client, cast.provider, work_bill(bill_attributes(), subType="PAYMENT"))
    assert "ATTRIBUTE_GROUP" in postings.codes(answer)
    assert (await outside.counts(database))["posting"] == 0


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        pytest.param({"employee_count": "many"}, "ATTRIBUTE_TYPE", id="N-13"),
        pytest.param(
            {"gross_amount": "1850000.00", "deduction_amount": "148000.00", "net_amount": "1702001.00"},
            "ATTRIBUTE_CHECK",
            id="N-14",
        ),
    ],
)
async def test_attributes_that_contradict_the_catalogue_warn_or_refuse_by_policy(
    client: Client, cast: Cast, database: Database, attributes: dict[str, Any], code: str
) -> None:
    warned = await postings.post(client, cast.provider, postings.content(attributes=attributes))
    assert (warned["outcome"], code in [w["code"] for w in warned["warnings"]]) == ("ACCEPTED", True)
    await outside.set_policy(database, attribute_policy=Policy.ENFORCE)
    refused = await postings.post(client, cast.provider, postings.content(attributes=attributes))
    assert code in postings.codes(refused)
    assert (await outside.counts(database))["posting"] == 1


async def test_n14_amounts_that_agree_are_taken(client: Client, cast: Cast) -> None:
    sound = {"gross_amount": "1850000.00", "deduction_amount": "148000.00", "net_amount": "1702000.00"}
    answer = await postings.post(client, cast.provider, postings.content(attributes=sound))
    assert (answer["outcome"], answer["warnings"]) == ("ACCEPTED", [])


async def test_n17_a_government_can_make_the_head_of_account_a_must(
    client: Client, cast: Cast, database: Database
) -> None:
    await outside.set_policy(database, major_type_policy=Policy.ENFORCE)
    body = postings.content(lines=[postings.line(coaCode="2215-01-102-08-00-13")])
    assert postings.codes(await postings.post(client, cast.provider, body)) == ["COA_MAJOR_TYPE_MISMATCH"]
    assert (await outside.counts(database))["posting"] == 0


async def test_p12_every_violation_is_listed_at_once(client: Client, cast: Cast) -> None:
    body = postings.content(**lines({"coaCode": ""}, {"amount": "x"}), referenceId="")
    answer = await postings.post(client, cast.provider, body)
    assert set(postings.codes(answer)) == {"REFERENCE_ID", "COA_CODE", "AMOUNT"}


async def test_p20_only_the_missing_link_is_reported(client: Client, cast: Cast) -> None:
    parent = await postings.post_ok(client, cast.provider)
    both = [{"relation": "FOLLOWS", "id": parent["id"]}, {"relation": "FOLLOWS", "id": UNKNOWN_ID}]
    answer = await postings.post(client, cast.provider, postings.content(links=both))
    assert [(e["code"], e["path"][-1]) for e in answer["errors"]] == [("LINKED_EVENT_ID", "1")]


async def test_p21_a_child_right_after_its_parent_is_taken(client: Client, cast: Cast) -> None:
    parent = await postings.post_ok(client, cast.provider)
    await postings.post_ok(client, cast.provider, postings.content(**linked(id=parent["id"])))


async def test_p26_an_event_without_its_time_is_refused(client: Client, cast: Cast) -> None:
    made = outside.signed(cast.provider, outside.bill())
    del made["content"]["eventTime"]
    assert await client.acting(cast.provider.api_key).codes(postings.POST_EVENT, input=made) == ["INPUT"]


async def test_p30_sums_are_exact(client: Client, cast: Cast) -> None:
    event = await postings.post_ok(
        client, cast.provider, postings.content(**lines({"amount": "0.1"}, {"amount": "0.2"}))
    )
    assert event["totalAmount"] == "0.30"


async def test_p25_k13_server_fields_cannot_be_sent(client: Client, cast: Cast, database: Database) -> None:
    made = outside.signed(cast.provider, outside.bill())
    made["content"] |= {"id": UNKNOWN_ID, "postedAt": "2020-01-01T00:00:00Z"}
    assert set(await client.acting(cast.provider.api_key).codes(postings.POST_EVENT, input=made)) == {"INPUT"}
    assert (await outside.counts(database))["posting"] == 0


async def test_k10_a_consumer_cannot_post(client: Client, cast: Cast, database: Database) -> None:
    made = outside.signed(cast.consumer, outside.bill())
    answer = await client.acting(cast.consumer.api_key).run(postings.POST_EVENT, input=made)
    assert postings.codes(answer["postFiscalEvent"]) == ["ROLE_NOT_ALLOWED"]
    assert set((await outside.counts(database)).values()) == {0}


async def test_k16_a_suspended_system_cannot_post_and_its_events_stay_readable(
    client: Client, cast: Cast, database: Database
) -> None:
    await postings.post_ok(client, cast.provider)
    async with database.transaction() as tx:
        await tx.execute(
            text("UPDATE system SET status = 'SUSPENDED' WHERE id = :id"), {"id": cast.provider.system_id}
        )
    made = outside.signed(cast.provider, outside.bill())
    own = client.acting(cast.provider.api_key)
    answer = (await own.send(postings.POST_EVENT, input=made)).json()
    at_the_edge = [error["extensions"]["code"] for error in answer.get("errors", [])]
    inside = postings.codes(answer["data"]["postFiscalEvent"]) if answer.get("data") else []
    assert "SYSTEM_NOT_ACTIVE" in at_the_edge + inside
    assert (await outside.counts(database))["posting"] == 1
    seen = await client.acting(cast.consumer.api_key).run("{ fiscalEvents { edges { node { id } } } }")
    assert len(seen["fiscalEvents"]["edges"]) == 1


@pytest.mark.parametrize(
    ("column", "scope", "path"),
    [
        ("scope_tenants", ["hr"], "government"),
        ("scope_major_types", ["REVENUE_RECEIPT"], "majorType"),
        ("scope_sub_types", ["PAYMENT"], "subType"),
    ],
)
async def test_a_system_posts_within_its_scope_alone(
    client: Client, cast: Cast, database: Database, column: str, scope: list[str], path: str
) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text(f"UPDATE system SET {column} = :scope WHERE id = :id"),
            {"scope": scope, "id": cast.provider.system_id},
        )
    answer = await postings.post(client, cast.provider)
    assert [(e["code"], e["path"][-1]) for e in answer["errors"]] == [("SCOPE_NOT_ALLOWED", path)]
    assert set((await outside.counts(database)).values()) == {0}


async def batch(
    client: Client, cast: Cast, bodies: list[dict[str, Any]], mode: str, **over: Any
) -> dict[str, Any]:
    """Post several events at once; the whole payload."""
    items = [await postings.event_input(client, cast.provider, body, **over) for body in bodies]
    answer = await client.acting(cast.provider.api_key).run(postings.POST_EVENTS, items=items, mode=mode)
    payload: dict[str, Any] = answer["postFiscalEvents"]
    return payload


def three_with_a_bad_one() -> list[dict[str, Any]]:
    """P-31, N-21: the second names an unknown head."""
    return [postings.content(), postings.content(**lines({"coaCode": "9999"})), postings.content()]


async def test_n21_each_item_on_its_own(client: Client, cast: Cast, database: Database) -> None:
    answer = await batch(client, cast, three_with_a_bad_one(), "PER_ITEM")
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED", "REFUSED", "ACCEPTED"]
    (error,) = answer["results"][1]["errors"]
    assert (error["code"], error["path"][:3]) == ("COA_CODE_INVALID", ["input", "items", "1"])
    assert (await outside.counts(database))["posting"] == 2


async def test_n22_p31_all_or_none(client: Client, cast: Cast, database: Database) -> None:
    answer = await batch(client, cast, three_with_a_bad_one(), "ATOMIC")
    assert [r["outcome"] for r in answer["results"]] == ["REFUSED"] * 3
    assert [len(r["errors"]) for r in answer["results"]] == [0, 1, 0]
    assert set((await outside.counts(database)).values()) == {0}


async def test_n23_a_later_item_names_an_earlier_one_by_reference(client: Client, cast: Cast) -> None:
    parent = postings.content()
    child = postings.content(
        **postings.PAYMENT,
        links=[
            {"relation": "SETTLES", "system": cast.provider.unique_id, "referenceId": parent["referenceId"]}
        ],
    )
    answer = await batch(client, cast, [parent, child], "ATOMIC")
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED"] * 2
    found = await client.acting(cast.provider.api_key).run(
        "query($id: ID!) { lineage(id: $id) { edges { parent } } }", id=answer["results"][1]["event"]["id"]
    )
    assert found["lineage"]["edges"] == [{"parent": answer["results"][0]["event"]["id"]}]


async def test_n24_validate_only_says_what_would_be_and_stores_nothing(
    client: Client, cast: Cast, database: Database
) -> None:
    fine = await postings.post(client, cast.provider, validateOnly=True)
    assert (fine["outcome"], fine["event"], fine["receipt"]) == ("VALIDATED", None, None)
    wrong = await postings.post(
        client, cast.provider, postings.content(**lines({"amount": "x"})), validateOnly=True
    )
    assert (wrong["outcome"], postings.codes(wrong)) == ("REFUSED", ["AMOUNT"])
    assert set((await outside.counts(database)).values()) == {0}


async def test_n24_a_validated_key_is_not_used_up(client: Client, cast: Cast) -> None:
    made = await postings.event_input(client, cast.provider, postings.content())
    own = client.acting(cast.provider.api_key)
    first = (await own.run(postings.POST_EVENT, input=made | {"validateOnly": True}))["postFiscalEvent"]
    second = (await own.run(postings.POST_EVENT, input=made))["postFiscalEvent"]
    assert (first["outcome"], second["outcome"]) == ("VALIDATED", "ACCEPTED")


async def test_a_batch_is_validated_or_posted_as_a_whole(
    client: Client, cast: Cast, database: Database
) -> None:
    items = [outside.signed(cast.provider, outside.bill(), validateOnly=flag) for flag in (True, False)]
    answer = await client.acting(cast.provider.api_key).run(
        postings.POST_EVENTS, items=items, mode="PER_ITEM"
    )
    assert postings.codes(answer["postFiscalEvents"]) == ["INPUT"]
    assert set((await outside.counts(database)).values()) == {0}


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_holds_1_to_500(client: Client, cast: Cast, database: Database, count: int) -> None:
    made = outside.signed(cast.provider, outside.bill())
    answer = await client.acting(cast.provider.api_key).run(
        postings.POST_EVENTS, items=[made] * count, mode="PER_ITEM"
    )
    assert postings.codes(answer["postFiscalEvents"]) == ["BATCH_SIZE"]
    assert (await outside.counts(database))["posting"] == 0


async def test_an_outsiders_bytes_are_the_hubs(client: Client, cast: Cast) -> None:
    made = outside.signed(cast.provider, outside.bill())
    answer = (await client.acting(cast.provider.api_key).run(postings.POST_EVENT, input=made))[
        "postFiscalEvent"
    ]
    assert (answer["outcome"], answer["errors"]) == ("ACCEPTED", [])


async def test_p14_a_head_of_another_government_is_unknown(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    stranger = await make_system(database, means, tenant="hr")
    assert stranger.tenant_id != cast.provider.tenant_id
    answer = await postings.post(client, stranger)
    assert postings.codes(answer) == ["COA_CODE_INVALID"]
    assert (await outside.counts(database))["posting"] == 0
