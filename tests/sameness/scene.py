"""A small world with everything in it that can be read: made through the API, then looked at by many callers."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from hub.calls import Call
from hub.db import Database
from hub.resolvers.registration import SESSION_COOKIE
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories.reference import LOCATION_PATH, NODE_PATH
from tests.factories.world import World, make_world
from tests.sameness.play import ODD_TEXTS, Play

SEED = 20261013
POSTINGS = 44
NEVER_ENDING = "UPDATE inbox_entry SET leased_until = now() + interval '1 day' WHERE leased_until IS NOT NULL"


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: a name for messages, and what proves who it is."""

    name: str
    authorization: str | None = None
    session: str | None = None

    def call(self, document: str, variables: Mapping[str, Any], name: str | None, *, plain: bool) -> Call:
        """The request as this caller sends it."""
        return Call(
            document=document,
            variables=variables,
            operation_name=name,
            trace_id="0" * 32,
            authorization=self.authorization,
            session=self.session,
            address="192.0.2.1",
            plain=plain,
        )


@dataclass
class Scene:
    """The callers, and every value by what it names, for documents to ask about."""

    callers: list[Caller] = field(default_factory=list)
    values: dict[str, list[Any]] = field(default_factory=dict)

    def learn(self, name: str, *values: Any) -> None:
        """Remember values under a name; each once, in the order of learning."""
        known = self.values.setdefault(name, [])
        known.extend(value for value in values if value is not None and value not in known)

    def caller(self, name: str) -> Caller:
        """One caller by name."""
        return next(each for each in self.callers if each.name == name)


async def make_scene(settings: Settings, database: Database) -> Scene:
    """Build the world through a served hub, and learn its values by asking."""
    means = make_means(settings)
    async with serve(settings) as client:
        world = await make_world(client, database, means, seed=SEED, count=POSTINGS)
        scene = Scene([_caller_of(actor.name, actor.client) for actor in world.actors])
        await Play(client, world).perform()
        async with database.transaction() as tx:
            await tx.execute(text(NEVER_ENDING))
        await _learn(scene, world, database)
    return scene


def _caller_of(name: str, client: Client) -> Caller:
    token = f"Bearer {client.token}" if client.token else None
    return Caller(name, token, client.cookies.get(SESSION_COOKIE))


ASK = """{
  fiscalEvents(first: 100) { edges { node {
    id referenceId from process attributeGroup fiscalYear currency totalAmount eventTime postedAt
    lineItems { coaCode locationPath locationCode administrativeHierarchyPath departmentPath programCode
                projectCode periodStart tags { scheme } }
    attachments { key value sha256 } } } }
  sentMessages(first: 100) { edges { node { id } } }
  inbox(state: ALL, first: 100) { edges { node { message { id } } } }
  directory { edges { node { uniqueId } } }
  me { __typename }
}"""
UNKNOWN = "0199f1c0-0002-7000-8000-000000000002"


async def _learn(scene: Scene, world: World, database: Database) -> None:
    """What documents may ask about: values of the world, of other kinds, and of nothing."""
    for actor in world.actors:
        if actor.system is not None and not actor.is_blocked:
            scene.learn("sender", actor.system.unique_id)
            scene.learn("id:sys", actor.system.public_id)
            scene.learn("id:sgk", actor.system.signing_key_public_id)
            scene.learn("id:agency", f"agy_{actor.system.agency_id}")
    for name in ("B0", "B1", "C1", "P0", "B3", "T0"):
        answer = (await world.named(name).client.send(ASK)).json()["data"]
        for key in ("fiscalEvents", "sentMessages", "inbox"):
            for edge in (answer[key] or {"edges": []})["edges"]:
                _learn_posting(scene, edge["node"])
    await _learn_registers(scene, database)
    scene.learn("id:none", f"evt_{UNKNOWN}", f"msg_{UNKNOWN}", f"sys_{UNKNOWN}")
    scene.learn(
        "id:bad", "", "evt_", "evt_1", UNKNOWN, f"xyz_{UNKNOWN}", "evt_\x00", "😀", "null", "msg_" + "0" * 36
    )
    events = scene.values["id:evt"]
    scene.learn("id:odd", events[0].upper(), f" {events[0]}", events[0].replace("-", ""), events[1] + "0")
    await _learn_cursors(scene, world)


def _learn_posting(scene: Scene, node: Mapping[str, Any]) -> None:
    if "id" not in node:
        scene.learn("id:msg", node["message"]["id"])
        return
    if "referenceId" not in node:
        scene.learn("id:msg", node["id"])
        return
    scene.learn("id:evt", node["id"])
    scene.learn("reference", node["referenceId"])
    scene.learn("group", node["attributeGroup"])
    scene.learn("year", node["fiscalYear"])
    scene.learn("currency", node["currency"])
    scene.learn("amount", node["totalAmount"])
    scene.learn("instant", node["eventTime"], node["postedAt"])
    for line in node["lineItems"]:
        scene.learn("coa", line["coaCode"])
        scene.learn("location", line["locationCode"], line["locationPath"])
        scene.learn("node", line["administrativeHierarchyPath"])
        scene.learn("department", line["departmentPath"])
        scene.learn("program", line["programCode"])
        scene.learn("project", line["projectCode"])
        scene.learn("day", line["periodStart"])
        scene.learn("tag", *(tag["scheme"] for tag in line["tags"]))
    for attachment in node["attachments"]:
        scene.learn("attachment", (attachment["key"], attachment["value"]) if attachment["key"] else None)
        scene.learn("sha256", attachment["sha256"])


async def _learn_registers(scene: Scene, database: Database) -> None:
    scene.learn("coa", "4215-01", "4215", "42", "9999", "%", "4215-01-102-08-00-53-")
    scene.learn("location", "majher", LOCATION_PATH, "pb/rupnagar", "nowhere", "pb/")
    scene.learn("node", "7378", NODE_PATH, "DWSS/Z02", "Z02", "pb/DWSS", "pb")
    scene.learn("department", "DWSS", "X")
    scene.learn("program", "JJM", "X")
    scene.learn("project", "PWS-7378", "")
    scene.learn("tag", "climate", "none", '"')
    scene.learn("process", "budget_preparation", "", "x")
    scene.learn(
        "attribute", ("vendor_name", None), ("vendor_name", "Gurpreet Singh"), ("remarks", ODD_TEXTS[0])
    )
    scene.learn("attribute", ("remarks", None), ("", None), ("zero", "0"), ("nested", ""), ("absent", None))
    scene.learn(
        "attachment", ("note", None), ("vendor_bank_account", "00112233445566"), ("work_order", "WO/1")
    )
    scene.learn("amount", "0", "-40.00", "1000.00", "1e3", "", "1", "999999999999999.99", "NaN")
    scene.learn("currency", "INR", "inr")
    scene.learn("year", 1900, 1899, 2026, 10_000, -1)
    scene.learn("instant", "2026-09-28T15:10:00+05:30", "1969-12-31T23:59:59.5Z", "9999-12-31T00:00:00Z")
    scene.learn("day", "2026-08-01", "2026-09-25", "0001-01-01", "9999-12-31")
    scene.learn("tenant", "pb", "hr", "xx", "")
    scene.learn("text", *ODD_TEXTS, "pb", "DWSS", "jjm", "a")
    scene.learn("sender", "nobody@punjab.ifix.org", "")
    scene.learn("reference", "LATER/1", "HIDDEN/1", "", "'; --")
    async with database.read() as read:
        for prefix, table in (("ten", "tenant"), ("agy", "agency"), ("prs", "person")):
            rows = await read.rows(text(f"SELECT id FROM {table} ORDER BY id LIMIT 4"))
            scene.learn(f"id:{prefix}", *(f"{prefix}_{row.id}" for row in rows))


PAGES: Sequence[tuple[str, str]] = (
    ("fiscalEvents", "order: NEWEST_FIRST"),
    ("fiscalEvents", "order: OLDEST_FIRST"),
    ("inbox", "state: ALL"),
    ("sentMessages", ""),
    ("fiscalEventTotals", "groupBy: []"),
    ("fiscalEventTotals", "groupBy: [{dimension: COA_TIER, level: 2}]"),
    ("fiscalEventTotals", "groupBy: [{dimension: SENDER}, {dimension: MONTH}]"),
    ("locations", ""),
    ("chartOfAccounts", ""),
    ("systems", ""),
    ("tenants", ""),
)


async def _learn_cursors(scene: Scene, world: World) -> None:
    dice = random.Random(SEED)
    for name in ("B0", "C1", "B1"):
        for root, arguments in PAGES:
            given = ", ".join(each for each in (arguments, "first: 100") if each)
            document = f"{{ {root}({given}) {{ edges {{ cursor }} }} }}"
            answer = (await world.named(name).client.send(document)).json()["data"]
            edges = (answer or {}).get(root) or {"edges": []}
            found = [edge["cursor"] for edge in edges["edges"]]
            scene.learn(f"cursor:{root}", *dice.sample(found, min(len(found), 4)))
            scene.learn("cursor", *found[:1])
    scene.learn(
        "cursor:bad", "", "x", "bnVsbA", json.dumps(["events:NEWEST_FIRST", UNKNOWN]), "WyJzZW50IiwgMV0", "😀"
    )
