"""Searching events from outside: every criterion finds what it should and nothing else (spec 6 and 18.8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.reference import LOCATION_PATH, NODE_PATH
from tests.factories.registry import TestSystem

pytestmark = pytest.mark.anyio

SEARCH = """
query ($filter: FiscalEventFilter, $first: Int! = 100, $after: String, $order: PostingOrder! = OLDEST_FIRST) {
  fiscalEvents(filter: $filter, first: $first, after: $after, order: $order) {
    edges { node { id referenceId reversalState } } pageInfo { hasNextPage endCursor }
  }
}"""
ESTIMATE = {
    "type": "EXPENDITURE",
    "majorType": "REVENUE_EXPENDITURE",
    "subType": "ESTIMATE",
    "qualifier": "VOTED",
}
RECEIPT = {"type": "REVENUE", "majorType": "REVENUE_RECEIPT", "subType": "RECEIPT"}
REVENUE_HEAD = "2215-01-102-08-00-13"
# One event by name; each filter below names those it finds.
EVENTS: dict[str, dict[str, Any]] = {
    "bill": {
        "eventTime": "2026-08-15T10:00:00+05:30",
        "process": "work_bill_payment",
        "attributeGroup": "bill_of_vendor",
        "attributes": {"bill_number": "B-1", "ward_": "7"},
        "attachments": [{"kind": "KEY_VALUE", "key": "scheme", "value": "JJM"}],
        "lines": [
            postings.line(
                amount="0.75",
                locationCode="majher",
                administrativeHierarchyCode=NODE_PATH,
                programCode="JJM",
                projectCode="PWS-7378",
                tags=[
                    {
                        "scheme": "gender-budget",
                        "share": "0.5000",
                        "beneficiaryRegistry": "r",
                        "targetSegment": "s",
                    }
                ],
            ),
            postings.line(2, "99.25", periodStart="2026-01-01", periodEnd="2026-01-31"),
        ],
    },
    "estimate": {
        **ESTIMATE,
        "eventTime": "2026-03-31T18:00:00+05:30",
        "lines": [
            postings.line(
                amount="500.00", coaCode=REVENUE_HEAD, periodStart="2026-04-01", periodEnd="2027-03-31"
            )
        ],
    },
    "receipt": {
        **RECEIPT,
        "eventTime": "2026-04-01T02:00:00+05:30",
        "referenceId": "R_1%",
        "lines": [
            postings.line(
                amount="10.00",
                coaCode=postings.RECEIPT_HEAD,
                locationCode="rupnagar",
                departmentCode="DWSS",
                periodStart="2026-02-01",
                periodEnd="2026-02-01",
            )
        ],
    },
}
FILTERS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("type", {"types": ["REVENUE"]}, {"receipt"}),
    ("types are OR", {"types": ["REVENUE", "EXPENDITURE"]}, {"bill", "estimate", "receipt"}),
    ("type and sub-type are AND", {"types": ["REVENUE"], "subTypes": ["BILL"]}, set()),
    ("no value at all", {"types": []}, set()),
    ("major type", {"majorTypes": ["CAPITAL_EXPENDITURE"]}, {"bill"}),
    ("sub-type", {"subTypes": ["ESTIMATE", "RECEIPT"]}, {"estimate", "receipt"}),
    ("qualifier", {"qualifiers": ["VOTED"]}, {"estimate"}),
    ("other qualifier", {"qualifiers": ["REVISED"]}, set()),
    ("process", {"processes": ["work_bill_payment"]}, {"bill"}),
    ("group", {"attributeGroups": ["bill_of_vendor"]}, {"bill"}),
    ("reference", {"referenceIds": ["R_1%"]}, {"receipt"}),
    ("reference is plain", {"referenceIds": ["R%"]}, set()),
    ("fiscal year A-14 A-15", {"fiscalYears": [2026]}, {"bill", "receipt"}),
    ("fiscal year before", {"fiscalYears": [2025]}, {"estimate"}),
    ("event time from", {"eventTime": {"from": "2026-08-15T04:30:00Z"}}, {"bill"}),
    ("event time to is excluded", {"eventTime": {"to": "2026-08-15T04:30:00Z"}}, {"estimate", "receipt"}),
    ("posted before", {"postedAt": {"to": "2020-01-01T00:00:00Z"}}, set()),
    ("posted after", {"postedAt": {"from": "2020-01-01T00:00:00Z"}}, {"bill", "estimate", "receipt"}),
    ("S-15 period", {"period": {"from": "2026-09-25", "to": "2026-09-26"}}, {"bill", "estimate"}),
    ("period of one line", {"period": {"from": "2026-02-01", "to": "2026-03-01"}}, {"receipt"}),
    ("period to is excluded", {"period": {"from": "2026-02-02", "to": "2026-04-01"}}, set()),
    ("period end is included", {"period": {"from": "2027-03-31"}}, {"estimate"}),
    ("S-13 head", {"coaPrefix": "4215-01"}, {"bill"}),
    ("whole head", {"coaPrefix": REVENUE_HEAD}, {"estimate"}),
    ("head is no text prefix", {"coaPrefix": "42"}, set()),
    ("head with %", {"coaPrefix": "4215-%"}, set()),
    ("head with _", {"coaPrefix": "421_"}, set()),
    ("location by code", {"location": "rupnagar"}, {"bill", "receipt"}),
    ("location below", {"location": "majher"}, {"bill"}),
    ("location by path", {"location": LOCATION_PATH}, {"bill"}),
    ("location by path above", {"location": "pb/rupnagar"}, {"bill", "receipt"}),
    ("location is no text prefix", {"location": "pb/rup"}, set()),
    ("location with %", {"location": "%"}, set()),
    ("S-14 division", {"administrativeNode": "DIV23"}, {"bill"}),
    ("node by path", {"administrativeNode": NODE_PATH}, {"bill"}),
    ("other node", {"administrativeNode": "DIV24"}, set()),
    ("department", {"department": "DWSS"}, {"bill", "receipt"}),
    ("other department", {"department": "PWD"}, set()),
    ("program", {"programCodes": ["JJM"]}, {"bill"}),
    ("project", {"projectCodes": ["PWS-7378", "X"]}, {"bill"}),
    ("other project", {"projectCodes": ["X"]}, set()),
    ("one and the same line", {"projectCodes": ["PWS-7378"], "period": {"to": "2026-02-01"}}, set()),
    ("tag", {"tag": "gender-budget"}, {"bill"}),
    ("other tag", {"tag": "gender"}, set()),
    ("attribute", {"attribute": {"key": "bill_number"}}, {"bill"}),
    ("attribute's value", {"attribute": {"key": "bill_number", "value": "B-1"}}, {"bill"}),
    ("other value", {"attribute": {"key": "bill_number", "value": "B-2"}}, set()),
    ("N-28 attachment", {"attachment": {"key": "scheme", "value": "JJM"}}, {"bill"}),
    ("attachment's key", {"attachment": {"key": "scheme"}}, {"bill"}),
    ("other attachment", {"attachment": {"key": "scheme", "value": "JJ_"}}, set()),
    ("amount from", {"amountMin": "100.00"}, {"bill", "estimate"}),
    ("amount to", {"amountMax": "100"}, {"bill", "receipt"}),
    ("amount between", {"amountMin": "100.01", "amountMax": "499.99"}, set()),
    ("currency", {"currency": "INR"}, {"bill", "estimate", "receipt"}),
    ("other currency", {"currency": "USD"}, set()),
    ("nothing linked", {"relations": ["SETTLES"]}, set()),
]


async def _search(client: Client, system: TestSystem, **wanted: Any) -> list[dict[str, Any]]:
    page = await client.acting(system.api_key).run(SEARCH, filter=wanted)
    return [edge["node"] for edge in page["fiscalEvents"]["edges"]]


async def _refused(
    client: Client, system: TestSystem | None, document: str = SEARCH, **variables: Any
) -> list[str]:
    return await client.acting(system.api_key if system else None).codes(document, **variables)


async def test_every_criterion_finds_what_it_names_and_nothing_else(client: Client, cast: Cast) -> None:
    names = {}
    for name, over in EVENTS.items():
        names[(await postings.post_ok(client, cast.provider, postings.content(**over)))["id"]] = name
    for told, wanted, expected in FILTERS:
        found = await _search(client, cast.consumer, **wanted)
        assert {names[node["id"]] for node in found} == expected, told


async def test_criteria_of_senders_and_links(client: Client, cast: Cast) -> None:
    """S-12: one reference of two systems finds both."""
    bill = await postings.post_ok(client, cast.provider, postings.content(referenceId="SAME"))
    other = await postings.post_ok(client, cast.both, postings.content(referenceId="SAME"))
    link = {"relation": "SETTLES", "id": bill["id"]}
    named = {"relation": "FOLLOWS", "system": cast.provider.unique_id, "referenceId": "SAME"}
    paid = await postings.post_ok(client, cast.both, postings.content(**postings.PAYMENT, links=[link]))
    after = await postings.post_ok(client, cast.both, postings.content(links=[named]))

    async def found(**wanted: Any) -> list[str]:
        return [node["id"] for node in await _search(client, cast.consumer, **wanted)]

    assert await found(referenceIds=["SAME"]) == [bill["id"], other["id"]]
    assert await found(senders=[cast.provider.unique_id]) == [bill["id"]]
    assert await found(senders=["nobody@punjab.ifix.org"]) == []
    assert await found(ids=[other["id"], paid["id"]]) == [other["id"], paid["id"]]
    assert await found(childrenOf=[bill["id"]]) == [paid["id"], after["id"]]
    assert await found(childrenOf=[bill["id"]], relations=["FOLLOWS"]) == [after["id"]]
    assert await found(childrenOf=[other["id"]]) == []


async def test_reversal_views(client: Client, cast: Cast) -> None:
    zero = {**ESTIMATE, "lines": [postings.line(amount="0.00", coaCode=REVENUE_HEAD)]}
    whole, part, never, nil = [
        (await postings.post_ok(client, cast.provider, postings.content(**over)))["id"]
        for over in ({}, {}, {}, zero)
    ]
    back = (await postings.reverse(client, cast.provider, whole))["reversal"]["id"]
    some = await postings.reverse(
        client, cast.provider, part, mode="PARTIAL", lines=[{"lineNo": 1, "amount": "400.00"}]
    )
    for view, expected in (
        ("ALL", {whole, part, never, nil, back, some["reversal"]["id"]}),
        ("ORIGINALS", {whole, part, never, nil}),
        ("REVERSALS", {back, some["reversal"]["id"]}),
        ("EFFECTIVE", {part, never, nil}),
    ):
        assert {node["id"] for node in await _search(client, cast.consumer, reversal=view)} == expected
    states = {node["id"]: node["reversalState"] for node in await _search(client, cast.consumer)}
    assert [states[one] for one in (whole, part, never, back)] == [
        "REVERSED",
        "PARTIALLY_REVERSED",
        "NONE",
        "IS_REVERSAL",
    ]


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        pytest.param({"first": 101}, "PAGE_SIZE", id="S-16"),
        pytest.param({"first": 0}, "PAGE_SIZE", id="no page at all"),
        pytest.param({"after": "bm90aGluZw"}, "CURSOR", id="no cursor"),
        pytest.param({"filter": {"referenceIds": ["x"] * 101}}, "SEARCH_CRITERIA", id="101 references"),
        pytest.param({"filter": {"relations": ["FOLLOWS"] * 101}}, "SEARCH_CRITERIA", id="101 relations"),
        pytest.param({"filter": {"fiscalYears": [99999]}}, "SEARCH_CRITERIA", id="year 99999"),
        pytest.param({"filter": {"coaPrefix": "4215\x00"}}, "SEARCH_CRITERIA", id="NUL"),
        pytest.param(
            {"filter": {"attribute": {"key": "a", "value": "\x00"}}}, "SEARCH_CRITERIA", id="NUL in a value"
        ),
        pytest.param({"filter": {"amountMin": "1e9"}}, "AMOUNT", id="no amount"),
        pytest.param({"filter": {"ids": ["agy_1"]}}, "SEARCH_CRITERIA", id="no id"),
    ],
)
async def test_what_cannot_be_searched_is_refused(
    client: Client, cast: Cast, variables: dict[str, Any], code: str
) -> None:
    assert await _refused(client, cast.consumer, **variables) == [code]


async def test_k11_a_provider_reads_its_own_alone(client: Client, cast: Cast) -> None:
    mine = (await postings.post_ok(client, cast.provider))["id"]
    await postings.post_ok(client, cast.both)
    assert [node["id"] for node in await _search(client, cast.provider)] == [mine]
    foreign = {"senders": [cast.both.unique_id]}
    assert await _refused(client, cast.provider, filter=foreign) == ["ROLE_NOT_ALLOWED"]
    totals = "query ($filter: FiscalEventFilter) { fiscalEventTotals(groupBy: [], filter: $filter) { edges { cursor } } }"
    assert await _refused(client, cast.provider, totals, filter=foreign) == ["ROLE_NOT_ALLOWED"]


async def test_k12_without_a_key_nothing_is_answered(client: Client, cast: Cast) -> None:
    posted = (await postings.post_ok(client, cast.provider))["id"]
    for document in (
        SEARCH,
        f'{{ fiscalEvent(id: "{posted}") {{ id }} }}',
        f'{{ lineage(id: "{posted}") {{ truncated }} }}',
        f'{{ documentBytes(posting: "{posted}", sha256: "{"0" * 64}") }}',
        "{ inbox { edges { cursor } } }",
        "{ fiscalEventTotals(groupBy: []) { edges { cursor } } }",
    ):
        answer = await client.acting(None).send(document)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_s17_pages_stay_right_while_eight_others_post(client: Client, cast: Cast) -> None:
    before = {(await postings.post_ok(client, cast.provider))["id"] for _ in range(30)}
    reading = True

    async def write() -> None:
        while reading:
            await postings.post_ok(client, cast.both)

    async def walk(order: str) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            variables = {"first": 4, "after": after, "order": order}
            page = (await client.acting(cast.consumer.api_key).run(SEARCH, **variables))["fiscalEvents"]
            found += [edge["node"]["id"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"] or len(found) > 400:
                return found
            await asyncio.sleep(0.02)

    writers = [asyncio.create_task(write()) for _ in range(8)]
    try:
        walks = await asyncio.gather(walk("NEWEST_FIRST"), walk("OLDEST_FIRST"))
    finally:
        reading = False
        await asyncio.gather(*writers)
    for found, is_newest in zip(walks, (True, False), strict=True):
        assert len(found) == len(set(found))
        assert before <= set(found)
        assert found == sorted(found, reverse=is_newest)


async def test_a_cursor_belongs_to_its_order(client: Client, cast: Cast) -> None:
    for _ in range(2):
        await postings.post_ok(client, cast.provider)
    acting = client.acting(cast.consumer.api_key)
    page = (await acting.run(SEARCH, first=1, order="NEWEST_FIRST"))["fiscalEvents"]
    cursor = page["pageInfo"]["endCursor"]
    assert await _refused(client, cast.consumer, after=cursor, order="OLDEST_FIRST") == ["CURSOR"]
    assert await _refused(client, cast.consumer, after=cursor, order="NEWEST_FIRST") == []


PERSONAL = """
query ($id: ID!) { fiscalEvent(id: $id) {
  content attributes lineItems { attributes } attachments { key value } contentDigest } }"""


async def test_s20_personal_values_are_for_sender_and_receivers(
    client: Client, cast: Cast, database: Database
) -> None:
    pair = {"kind": "KEY_VALUE", "key": "vendor_name", "value": "Kamla Devi"}
    open_to_all, in_lines, in_pairs = [
        (await postings.post_ok(client, cast.provider, postings.content(**over)))["id"]
        for over in (
            {"attributes": {"vendor_name": "Kamla Devi", "bill_number": "B-9"}},
            {"lines": [postings.line(attributes={"vendor_name": "Kamla Devi"})]},
            {"attachments": [pair]},
        )
    ]
    for posted in (open_to_all, in_lines, in_pairs):
        answer = await client.acting(cast.consumer.api_key).send(PERSONAL, id=posted)
        event = answer.json()["data"]["fiscalEvent"]
        assert "Kamla" not in answer.text
        assert event["content"] is None
        assert event["contentDigest"].startswith("sha256:")
        answer = await client.acting(cast.provider.api_key).send(PERSONAL, id=posted)
        assert "Kamla Devi" in answer.text
        assert answer.json()["data"]["fiscalEvent"]["content"] is not None
    event = (await client.acting(cast.consumer.api_key).run(PERSONAL, id=open_to_all))["fiscalEvent"]
    assert event["attributes"]["bill_number"] == "B-9"
    for key in ("attribute", "attachment"):
        wanted = {key: {"key": "vendor_name", "value": "Kamla Devi"}}
        assert await _search(client, cast.consumer, **wanted) == []
        assert len(await _search(client, cast.provider, **wanted)) == 1
    sent = await postings.post_ok(
        client,
        cast.provider,
        postings.content(to=[cast.consumer.unique_id], attributes={"vendor_name": "Kamla Devi"}),
    )
    event = (await client.acting(cast.consumer.api_key).run(PERSONAL, id=sent["id"]))["fiscalEvent"]
    assert event["attributes"] == {"vendor_name": "Kamla Devi"}
    assert event["content"] is not None


LINEAGE = """
query ($id: ID!, $direction: LineageDirection! = BOTH, $depth: Int! = 20) {
  lineage(id: $id, direction: $direction, depth: $depth) {
    nodes { depth posting { id } } edges { child relation parent parentSystem parentReferenceId } truncated
  }
}"""


async def test_lineage_goes_both_ways_to_a_depth_and_shows_what_is_pending(
    client: Client, cast: Cast
) -> None:
    ids: list[str] = []
    for _ in range(4):
        parent = {"id": ids[-1]} if ids else {"system": cast.both.unique_id, "referenceId": "LATER"}
        link = {"relation": "FOLLOWS", **parent}
        ids.append((await postings.post_ok(client, cast.provider, postings.content(links=[link])))["id"])
    acting = client.acting(cast.consumer.api_key)

    async def found(**over: Any) -> dict[str, int]:
        answer = (await acting.run(LINEAGE, id=ids[2], **over))["lineage"]
        assert answer["truncated"] is False
        return {node["posting"]["id"]: node["depth"] for node in answer["nodes"]}

    assert await found() == dict(zip(ids, (-2, -1, 0, 1), strict=True))
    assert await found(direction="UP", depth=1) == {ids[1]: -1, ids[2]: 0}
    assert await found(direction="DOWN") == {ids[2]: 0, ids[3]: 1}
    assert await found(depth=0) == {ids[2]: 0}
    assert await acting.codes(LINEAGE, id=ids[2], depth=21) == ["INPUT"]
    answer = (await acting.run(LINEAGE, id=ids[0], direction="UP"))["lineage"]
    (edge,) = answer["edges"]
    assert edge == {
        "child": ids[0],
        "relation": "FOLLOWS",
        "parent": None,
        "parentSystem": cast.both.unique_id,
        "parentReferenceId": "LATER",
    }
    late = (await postings.post_ok(client, cast.both, postings.content(referenceId="LATER")))["id"]
    assert (await found())[late] == -3


async def test_lineage_survives_a_cycle_and_says_when_it_is_cut(
    client: Client, cast: Cast, database: Database
) -> None:
    """The rules keep cycles out (L-02); rows that close one all the same must not hang anybody."""
    first = (await postings.post_ok(client, cast.provider))["id"]
    second = (
        await postings.post_ok(
            client, cast.provider, postings.content(links=[{"relation": "FOLLOWS", "id": first}])
        )
    )["id"]
    async with database.transaction() as tx:
        values = {"tenant": cast.provider.tenant_id, "child": first[4:], "parent": second[4:]}
        await tx.execute(
            text(
                "INSERT INTO posting_link (tenant_id, posting_id, ordinal, relation, parent_id) "
                "VALUES (:tenant, CAST(:child AS uuid), 1, 'FOLLOWS', CAST(:parent AS uuid))"
            ),
            values,
        )
    acting = client.acting(cast.consumer.api_key)
    answer = (await acting.run(LINEAGE, id=first))["lineage"]
    assert {node["posting"]["id"] for node in answer["nodes"]} == {first, second}
    assert answer["truncated"] is False


async def test_lineage_of_more_than_500_postings_says_that_it_is_cut(
    client: Client, cast: Cast, database: Database
) -> None:
    parent = (await postings.post_ok(client, cast.provider))["id"]
    async with database.transaction() as tx:
        for statement in (
            (
                "INSERT INTO posting SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), "
                "'reference_id', 'K' || i))).* FROM posting p, generate_series(1, 500) AS i WHERE p.id = CAST(:id AS uuid)"
            ),
            (
                "INSERT INTO posting_link (tenant_id, posting_id, ordinal, relation, parent_id) "
                "SELECT tenant_id, id, 1, 'FOLLOWS', CAST(:id AS uuid) FROM posting WHERE reference_id LIKE 'K%'"
            ),
        ):
            await tx.execute(text(statement), {"id": parent[4:]})
    acting = client.acting(cast.consumer.api_key)
    answer = (await acting.run(LINEAGE, id=parent, direction="DOWN"))["lineage"]
    assert (len(answer["nodes"]), answer["truncated"]) == (500, True)
    assert len(answer["edges"]) == 499
    answer = (await acting.run(LINEAGE, id=parent, direction="UP"))["lineage"]
    assert (len(answer["nodes"]), answer["truncated"]) == (1, False)
