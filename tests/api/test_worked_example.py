"""The whole of spec section 20, posted through the API by three systems, and what the hub shows afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.db import Database
from hub.domain.registry import Policy, SystemRole
from hub.means import Means
from tests.client import Client
from tests.factories import outside, postings, worked_example
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

DETAILS = "query($id: ID!) { fiscalEvent(id: $id) { totalAmount netAmount reversalState } }"


class Village:
    """The systems of the example, and the hub's id for each of its records."""

    def __init__(self, client: Client, systems: dict[str, TestSystem]) -> None:
        self.client = client
        self.systems = systems
        self.ids: dict[str, str] = {}
        self.warnings: dict[str, set[str]] = {}

    async def post_all(self) -> None:
        """Every record in order, each by its own sender."""
        for record in worked_example.example()["records"]:
            await self.post(record)

    async def post(self, record: dict[str, Any]) -> None:
        """One record, its links and digests translated to this hub's ids."""
        header, body = record["header"], record["body"]
        system = self.systems[header["from"]]
        for attachment in body.get("attachments", ()):
            if attachment["kind"] == "DOCUMENT":
                await self.upload(system, attachment["sha256"])
        content = self.translated(header, body)
        kind = "event" if header["kind"] == "EVENT" else "message"
        made = {
            "idempotencyKey": record["name"],
            "content": content,
            "signature": await postings.sign(self.client, system, {kind: content}),
        }
        document = postings.POST_EVENT if kind == "event" else postings.POST_MESSAGE
        (answer,) = (await self.client.acting(system.api_key).run(document, input=made)).values()
        assert (answer["outcome"], answer["errors"]) == ("ACCEPTED", []), record["name"]
        self.warnings[record["name"]] = {warning["code"] for warning in answer["warnings"]}
        self.ids[record["name"]] = answer[kind]["id"]

    async def upload(self, system: TestSystem, digest: str) -> None:
        """The document of this digest."""
        (document,) = (d for d in worked_example.example()["documents"].values() if d["sha256"] == digest)
        assert await postings.upload(self.client, system, document["text"].encode()) == digest

    def translated(self, header: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """The record as the API takes it."""
        content = {
            name: value for name, value in {**header, **body}.items() if name not in {"kind", "parents"}
        }
        content["links"] = [self.link(parent) for parent in body["parents"]]
        if "reversal" in body:
            reversal = dict(body["reversal"])
            content["reversal"] = {"reverses": self.public(reversal.pop("reversesEventId")), **reversal}
        return content

    def link(self, parent: dict[str, Any]) -> dict[str, Any]:
        """A link by this hub's id, or by reference as it stands."""
        if "eventId" not in parent:
            return parent
        return {"id": self.public(parent["eventId"]), "relation": parent["relation"]}

    def public(self, example_id: str) -> str:
        """The hub's id of the record that has this id in the example."""
        (name,) = (r["name"] for r in worked_example.example()["records"] if r.get("id") == example_id)
        return self.ids[name]


@pytest.fixture
async def village(client: Client, database: Database, means: Means) -> Village:
    """Everything posted, under the strictest policies."""
    providers = {SystemRole.PROVIDER, SystemRole.CONSUMER}
    made = [
        await make_system(database, means, roles=providers, name=name)
        for name in ("DWSS Works", "IFMS", "Statebank")
    ]
    await make_reference(database, made[0].tenant_id)
    await outside.set_policy(
        database,
        attribute_policy=Policy.ENFORCE,
        settlement_policy=Policy.ENFORCE,
        major_type_policy=Policy.ENFORCE,
    )
    village = Village(client, {system.unique_id: system for system in made})
    await village.post_all()
    return village


async def run(village: Village, document: str, **variables: Any) -> dict[str, Any]:
    """Ask as the treasury's system."""
    return await village.client.acting(village.systems["ifms@punjab.ifix.org"].api_key).run(
        document, **variables
    )


async def test_the_example_is_accepted_under_the_strictest_policies(village: Village) -> None:
    assert len(village.ids) == 11
    assert set().union(*village.warnings.values()) <= {"ATTRIBUTE_UNKNOWN"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sanction", ("12000000.00", "12000000.00", "NONE")),
        ("allotment", ("6000000.00", "6000000.00", "NONE")),
        ("award", ("11400000.00", "11400000.00", "NONE")),
        ("tranche", ("2400000.00", "2400000.00", "NONE")),
        ("bill", ("1850000.00", "1850000.00", "NONE")),
        ("payment", ("1850000.00", "0.00", "REVERSED")),
        ("payment_reversal", ("-1850000.00", "-1850000.00", "IS_REVERSAL")),
        ("second_payment", ("1850000.00", "1850000.00", "NONE")),
        ("debit", ("1850000.00", "1850000.00", "NONE")),
    ],
)
async def test_amounts_after_the_whole_example(
    village: Village, name: str, expected: tuple[str, str, str]
) -> None:
    event = (await run(village, DETAILS, id=village.ids[name]))["fiscalEvent"]
    assert (event["totalAmount"], event["netAmount"], event["reversalState"]) == expected


async def test_l06_the_debit_s_chain_leads_up_to_the_project_report(village: Village) -> None:
    found = await run(
        village,
        "query($id: ID!) { lineage(id: $id, direction: UP) { nodes { posting { id } }"
        " edges { child parent parentReferenceId } } }",
        id=village.ids["debit"],
    )
    nodes = {node["posting"]["id"] for node in found["lineage"]["nodes"]}
    chain = ("dpr", "sanction", "allotment", "award", "tranche", "bill", "payment", "second_payment", "debit")
    assert {village.ids[name] for name in chain} <= nodes
    assert village.ids["observation"] not in nodes
    waiting = [e["parentReferenceId"] for e in found["lineage"]["edges"] if e["parent"] is None]
    assert waiting == ["BUDGET/2026-27/DWSS/4215"]
    children = {edge["child"] for edge in found["lineage"]["edges"]}
    assert nodes - children - {village.ids["payment_reversal"]} == {village.ids["dpr"]}


async def test_the_totals_of_20_11(village: Village) -> None:
    query = (
        "query($filter: FiscalEventFilter) { fiscalEventTotals(groupBy: [{dimension: SUB_TYPE}], filter: $filter)"
        " { edges { node { keys { value } gross reversed net } } } }"
    )
    for tag, figures in (
        (
            None,
            {
                "ESTIMATE": ("6000000.00", "0.00", "6000000.00"),
                "DEMAND": ("2400000.00", "0.00", "2400000.00"),
                "BILL": ("1850000.00", "0.00", "1850000.00"),
                "PAYMENT": ("3700000.00", "-1850000.00", "1850000.00"),
                "DEBIT": ("1850000.00", "0.00", "1850000.00"),
            },
        ),
        (
            "gender-budget",
            {
                "ESTIMATE": ("2100000.00", "0.00", "2100000.00"),
                "DEMAND": ("840000.00", "0.00", "840000.00"),
                "BILL": ("647500.00", "0.00", "647500.00"),
                "PAYMENT": ("1295000.00", "-647500.00", "647500.00"),
                "DEBIT": ("647500.00", "0.00", "647500.00"),
            },
        ),
    ):
        found = await run(village, query, filter={"tag": tag} if tag else None)
        shown = {
            edge["node"]["keys"][0]["value"]: tuple(
                Decimal(edge["node"][name]) for name in ("gross", "reversed", "net")
            )
            for edge in found["fiscalEventTotals"]["edges"]
        }
        for sub_type, amounts in figures.items():
            assert shown[sub_type] == tuple(map(Decimal, amounts)), (tag, sub_type)


async def test_the_observation_is_for_its_receiver_alone(village: Village) -> None:
    texts = []
    for name in ("dwss-works@punjab.ifix.org", "statebank@punjab.ifix.org"):
        own = village.client.acting(village.systems[name].api_key)
        seen = await own.run(
            "query($id: ID!) { fiscalMessage(id: $id) { topic } }", id=village.ids["observation"]
        )
        texts.append(seen["fiscalMessage"])
    assert texts == [{"topic": "BILL_RETURNED"}, None]
