"""Default deny, proven: a random world, and every query, edge, id and cursor tried by everybody (issue 2, point 9)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from hub.api import build_schema
from hub.db import Database
from hub.domain.registry import Environment
from hub.jobs.transparency import sequence_all
from hub.kit.ids import new_id
from hub.means import Means
from hub.settings import Settings
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.programs import Desk
from tests.factories.world import AGENCIES, SUSPENDED, Actor, Posted, World, document_of, make_world

pytestmark = pytest.mark.anyio

SEED, POSTINGS, PAGE, SHARES = 20261123, 80, 25, 10
REFUSED = {"UNAUTHENTICATED", "SYSTEM_NOT_ACTIVE"}
PROBES = 2
COMMON = """
  __typename id from to content attributes reversedAmount netAmount reversalState
  links { state id system referenceId }
  signatures { system }
  reversal { reverses }
  attachments { sha256 }
  lineItems { amount }
  receipt { issuedAt }
"""
SHAPES = {"fiscalEvent": f"{COMMON} reversals {{ id }}", "fiscalMessage": f"{COMMON} deliveries {{ system }}"}
ANY = f"... on FiscalEvent {{ {SHAPES['fiscalEvent']} }} ... on FiscalMessage {{ {SHAPES['fiscalMessage']} }}"
EVENTS = f"""
query ($filter: FiscalEventFilter, $first: Int!, $after: String, $order: PostingOrder! = OLDEST_FIRST) {{
  fiscalEvents(filter: $filter, first: $first, after: $after, order: $order) {{
    edges {{ cursor node {{ {SHAPES["fiscalEvent"]} }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
IDS = """
query ($filter: FiscalEventFilter, $after: String) {
  fiscalEvents(filter: $filter, first: 100, after: $after, order: OLDEST_FIRST) { edges { cursor node { id } } }
}"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ {ANY} }} }}"
LINEAGE = """
query ($id: ID!, $direction: LineageDirection!) {
  lineage(id: $id, direction: $direction) {
    nodes { depth posting { id } } edges { child parent parentReferenceId } truncated
  }
}"""
TOTALS = """
query ($filter: FiscalEventFilter, $after: String) {
  fiscalEventTotals(groupBy: [{dimension: SENDER}], filter: $filter, first: 100, after: $after) {
    edges { cursor node { keys { value } gross reversed net events lines } }
  }
}"""
INBOX = """
query ($after: String) {
  inbox(state: ALL, first: 100, after: $after) { edges { cursor node { message { id deliveries { system } } } } }
}"""
SENT = """
query ($after: String) { sentMessages(first: 100, after: $after) { edges { cursor node { id } } } }"""
DOCUMENT = "query ($id: ID!, $sha: String!) { documentBytes(posting: $id, sha256: $sha) }"
MARK = "mutation ($ids: [ID!]!) { markMessagesRead(input: {ids: $ids}) { errors { code path message } messages { readAt } } }"
UNMARK = MARK.replace("markMessagesRead", "markMessagesUnread")

Case = Callable[[World, Actor], Awaitable[None]]
CASES: dict[str, Case] = {}


def case(*fields: str) -> Callable[[Case], Case]:
    """The case that covers these fields of the query root."""

    def keep(covering: Case) -> Case:
        CASES.update(dict.fromkeys(fields, covering))
        return covering

    return keep


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A served hub that lets the nobodies of this test ask as often as they like."""
    async with serve(settings.model_copy(update={"anonymous_requests_per_minute": 60_000})) as served:
        yield served


def test_every_root_field_has_a_case() -> None:
    query = build_schema()._schema.query_type
    assert query is not None
    assert set(query.fields) == set(CASES)


async def test_everybody_sees_what_the_policy_says_and_nothing_else(
    client: Client, database: Database, means: Means
) -> None:
    world = await make_world(client, database, means, seed=SEED, count=POSTINGS)
    _is_worth_it(world)
    await sequence_all(database, means)
    for actor in world.actors:
        for covering in dict.fromkeys(CASES.values()):
            await covering(world, actor)
        await _writes_tell_nothing(world, actor)


def _is_worth_it(world: World) -> None:
    """The dice fell such that everything the policy distinguishes is there."""
    everything = world.postings
    events = [p for p in everything if p.is_event]
    assert len(everything) == POSTINGS
    assert any(p.is_restricted for p in events)
    assert any(p.to for p in events)
    assert {p.is_event for p in everything if p.reverses} == {True, False}
    assert any(p.document for p in everything)
    assert any(p.is_personal and not p.to for p in events)
    linked = [p for p in everything if p.parent is not None]
    assert any(not p.sender.sees(p.parent) for p in linked if p.parent is not None)
    assert len({p.government for p in everything}) == len({p.environment for p in everything}) == 2


async def _codes(actor: Actor, document: str, **variables: Any) -> set[str]:
    return set(await actor.client.codes(document, **variables))


async def _pages(actor: Actor, order: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await actor.client.run(EVENTS, first=PAGE, after=after, order=order))["fiscalEvents"]
        nodes += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes


def _share(world: World, actor: Actor) -> list[Posted]:
    """A fifth of all postings, another one for each neighbour: what is asked one by one, while pages ask for all."""
    return world.postings[world.actors.index(actor) % SHARES :: SHARES]


def _ids(rows: list[Posted]) -> list[str]:
    return [p.id for p in rows]


def _check(world: World, actor: Actor, node: dict[str, Any]) -> None:
    """Every member of a posting shows what the model says, and edges lead only to what is visible."""
    p = next(each for each in world.postings if each.id == node["id"])
    back = [each for each in world.postings if each.reverses is p]
    assert node["from"] == p.sender.unique_id
    assert node["to"] == sorted(actor.unique_id for actor in p.to)
    in_clear = actor.is_party(p) or not p.is_personal
    assert (node["content"] is not None) == in_clear, node["id"]
    name = node["attributes"].get("vendor_name")
    assert name == ((f"Vendor of {p.reference}" if in_clear else "•••") if p.is_personal else None) or (
        p.is_personal and not in_clear and p.reference not in name
    )
    assert Decimal(node["reversedAmount"]) == -sum((each.amount for each in back), Decimal(0))
    assert node["reversal"] == ({"reverses": p.reverses.id} if p.reverses else None)
    assert sorted(s["system"] for s in node["signatures"]) == sorted([p.sender.unique_id, *p.signers])
    assert [a["sha256"] for a in node["attachments"]] == ([p.document] if p.document else [])
    assert [Decimal(line["amount"]) for line in node["lineItems"]] == [p.amount]
    if "reversals" in node:
        assert [each["id"] for each in node["reversals"]] == [each.id for each in back if actor.sees(each)]
    if "deliveries" in node:
        mine = actor is p.sender or (actor.system is None and actor.agency == p.sender.agency)
        expected = [
            to.unique_id
            for to in p.to
            if mine or to is actor or (actor.system is None and to.agency == actor.agency)
        ]
        assert [each["system"] for each in node["deliveries"]] == sorted(expected)
    if p.parent is None:
        assert node["links"] == []
        return
    (link,) = node["links"]
    seen = actor.sees(p.parent)
    assert (link["state"], link["id"]) == (("RESOLVED", p.parent.id) if seen else ("PENDING", None))
    if not seen and not p.parent_by_reference:
        assert (link["system"], link["referenceId"]) == (None, None)


@case("fiscalEvents")
async def _lists(world: World, actor: Actor) -> None:
    if actor.is_nobody:
        assert await _codes(actor, IDS) <= REFUSED
        assert await _codes(actor, IDS) != set()
        return
    seen = world.seen_by(actor, "EVENT")
    forward = await _pages(actor, "OLDEST_FIRST")
    assert [node["id"] for node in forward] == _ids(seen), actor.name
    assert [node["id"] for node in await _pages(actor, "NEWEST_FIRST")] == _ids(seen)[::-1]
    for node in forward:
        _check(world, actor, node)
    await _filters(world, actor, seen)


async def _filters(world: World, actor: Actor, seen: list[Posted]) -> None:
    """A filter that names what is not the caller's finds nothing of it."""

    async def found(**wanted: Any) -> list[str]:
        page = await actor.client.run(IDS, filter=wanted)
        return [edge["node"]["id"] for edge in page["fiscalEvents"]["edges"]]

    events = [p for p in world.postings if p.is_event]
    assert await found(ids=[p.id for p in world.postings]) == _ids(seen)
    assert await found(referenceIds=[p.reference for p in world.postings]) == _ids(seen)
    assert await found(attribute={"key": "vendor_name"}) == _ids(
        [p for p in seen if p.is_personal and actor.is_party(p)]
    )
    assert await found(relations=["FOLLOWS"]) == _ids([p for p in seen if p.parent])
    assert await found(reversal="REVERSALS") == _ids([p for p in seen if p.reverses])
    gone = {p.reverses for p in world.postings}
    assert await found(reversal="EFFECTIVE") == _ids([p for p in seen if not p.reverses and p not in gone])
    for p in [p for p in events if p.is_personal][::3]:
        pair = {"key": "vendor_name", "value": f"Vendor of {p.reference}"}
        assert await found(attribute=pair) == ([p.id] if actor.sees(p) and actor.is_party(p) else [])
    for parent in {p.parent for p in _share(world, actor) if p.parent is not None}:
        children = [p for p in seen if p.parent is parent and actor.sees(parent)]
        assert await found(childrenOf=[parent.id]) == _ids(children)
    senders = {p.sender for p in world.postings}
    for sender in senders:
        wanted = {"senders": [sender.unique_id]}
        if actor.system is not None and not actor.may_consume and sender is not actor:
            assert await _codes(actor, IDS, filter=wanted) == {"ROLE_NOT_ALLOWED"}
        else:
            assert await found(**wanted) == _ids([p for p in seen if p.sender is sender])


@case("node", "nodes")
async def _nodes(world: World, actor: Actor) -> None:
    document = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ {ANY} }} }}"
    batch = world.postings[:10]
    if actor.is_nobody:
        for p in batch:
            assert await _codes(actor, NODE, id=p.id) <= REFUSED
            assert (await actor.client.send(NODE, id=p.id)).json().get("data") in (None, {"node": None})
        return
    for start in range(0, len(world.postings), 10):
        batch = world.postings[start : start + 10]
        nodes = (await actor.client.run(document, ids=[p.id for p in batch]))["nodes"]
        assert [node and node["id"] for node in nodes] == [p.id if actor.sees(p) else None for p in batch]
        for node in nodes:
            if node is not None:
                _check(world, actor, node)
    for p in _share(world, actor):
        other = p.id.replace("evt_", "msg_") if p.is_event else p.id.replace("msg_", "evt_")
        assert (await actor.client.run(NODE, id=other)) == {"node": None}
        if not actor.sees(p):
            await _same_as_absent(actor, NODE, p.id)


@case("fiscalEvent", "fiscalMessage")
async def _singles(world: World, actor: Actor) -> None:
    for name, kind in (("fiscalEvent", "EVENT"), ("fiscalMessage", "MESSAGE")):
        document = f"query ($id: ID!) {{ {name}(id: $id) {{ {SHAPES[name]} }} }}"
        for p in (p for p in _share(world, actor) if p.kind == kind):
            if actor.sees(p):
                node = (await actor.client.run(document, id=p.id))[name]
                _check(world, actor, node)
            else:
                await _same_as_absent(actor, document, p.id)


@case("lineage")
async def _lineages(world: World, actor: Actor) -> None:
    for p in _share(world, actor):
        if not actor.sees(p):
            await _same_as_absent(actor, LINEAGE, p.id, direction="BOTH")
            continue
        up, down = _ancestors(actor, p), _descendants(world, actor, p)
        for direction, expected in (("UP", up), ("DOWN", down), ("BOTH", {**down, **up})):
            found = (await actor.client.run(LINEAGE, id=p.id, direction=direction))["lineage"]
            assert {n["posting"]["id"]: n["depth"] for n in found["nodes"]} == expected
            assert found["truncated"] is False
            assert {e["child"] for e in found["edges"]} <= set(expected)
            assert {e["parent"] for e in found["edges"]} <= {None, *expected}


@case("logProof")
async def _proofs(world: World, actor: Actor) -> None:
    document = "query ($id: ID!) { logProof(id: $id) { kind record } }"
    for p in _share(world, actor):
        if not actor.sees(p):
            await _same_as_absent(actor, document, p.id)
            continue
        proof = (await actor.client.run(document, id=p.id))["logProof"]
        assert proof["kind"] == p.kind
        assert p.id[4:] in base64.b64decode(proof["record"]).decode()


@case("evidence")
async def _evidence(world: World, actor: Actor) -> None:
    document = "query ($id: ID!) { evidence(id: $id) { json } }"
    for p in _share(world, actor):
        if not actor.sees(p):
            await _same_as_absent(actor, document, p.id)
            continue
        posting = json.loads((await actor.client.run(document, id=p.id))["evidence"]["json"])["posting"]
        assert posting["id"] == p.id
        assert (posting["content"] is not None) == (actor.is_party(p) or not p.is_personal)


@case("logCheckpoint", "logConsistency")
async def _heads(world: World, actor: Actor) -> None:
    """The log's heads are for everybody."""
    document = "{ logCheckpoint { size note } logConsistency(old: 0, new: 1) }"
    if actor.name == SUSPENDED:
        assert await _codes(actor, document) == {"SYSTEM_NOT_ACTIVE"}
        return
    found = await actor.client.run(document)
    assert found["logConsistency"] == []
    assert int(found["logCheckpoint"]["size"]) > POSTINGS


FEED_IDS = """
query ($after: BigInt) {
  feed(after: $after, kinds: [EVENT, MESSAGE]) {
    scannedTo hasMore items { logIndex fact { ... on Posting { id } } }
  }
}"""


@case("feed")
async def _fed(world: World, actor: Actor) -> None:
    """Every visible posting once, in the log's order, and nothing else."""
    if actor.is_nobody:
        assert await _codes(actor, FEED_IDS) & REFUSED
        return
    items: list[dict[str, Any]] = []
    after, more = None, True
    while more:
        page = (await actor.client.run(FEED_IDS, after=after))["feed"]
        items += page["items"]
        after, more = page["scannedTo"], page["hasMore"]
    told = [item["fact"]["id"] for item in items]
    assert len(told) == len(set(told))
    assert set(told) == {p.id for p in world.postings if actor.sees(p)}
    indexes = [int(item["logIndex"]) for item in items]
    assert indexes == sorted(indexes)


@case("webhooks", "webhookDeliveries")
async def _endpoints(world: World, actor: Actor) -> None:
    """Nobody has an endpoint here: a list of none, and an unknown one's deliveries are not found."""
    listed = "{ webhooks { edges { node { id } } } }"
    unknown = f'{{ webhookDeliveries(endpoint: "whk_{new_id()}") {{ edges {{ node {{ id }} }} }} }}'
    if actor.is_nobody:
        assert await _codes(actor, listed) & REFUSED
        assert await _codes(actor, unknown) & REFUSED
        return
    assert (await actor.client.run(listed))["webhooks"] == {"edges": []}
    assert await _codes(actor, unknown) <= {"NOT_FOUND"}


@case("erasures", "legalHolds")
async def _erased(_: World, actor: Actor) -> None:
    """What was erased and what is held is told to the government's operators."""
    for name in ("erasures", "legalHolds"):
        listed = f'{{ {name}(government: "pb") {{ edges {{ node {{ id }} }} }} }}'
        if actor.operates == "pb":
            assert (await actor.client.run(listed))[name] == {"edges": []}
        else:
            assert await _codes(actor, listed) & {*REFUSED, "ROLE_NOT_ALLOWED"}


@case("spendingProgram", "spendingPrograms", "sanction", "sanctions")
async def _funds(world: World, actor: Actor) -> None:
    """A program of B0's, known to its agency, to consumers of its government and environment, and to operators."""
    maker = world.named("B0")
    assert maker.system is not None
    desk = Desk(maker.client, maker.system)
    made = (await desk.create(idempotencyKey="world"))["program"]
    sent = [{"referenceId": "world", "grossAmount": "10"}]
    (sanction,) = (await desk.sanction(made, idempotencyKey="world-s", sanctions=sent))["sanctions"]
    at_home = actor.government == "pb" and not actor.is_nobody
    sees = actor.operates == "pb" or (
        at_home
        and (
            (actor.system is None and actor.agency == 0)
            or (
                actor.system is not None
                and actor.system.environment is Environment.LIVE
                and (actor.may_consume or actor.agency == 0)
            )
        )
    )
    for name, one in (("spendingProgram", made["id"]), ("sanction", sanction["id"])):
        document = f"query ($id: ID!) {{ {name}(id: $id) {{ id }} }}"
        listed = f"{{ {name}s {{ edges {{ node {{ id }} }} }} }}"
        if actor.is_nobody:
            assert await _codes(actor, document, id=one) & REFUSED
            assert await _codes(actor, listed) & REFUSED
            continue
        assert (await actor.client.run(document, id=one))[name] == ({"id": one} if sees else None)
        node = (await actor.client.run("query ($id: ID!) { node(id: $id) { id } }", id=one))["node"]
        assert node == ({"id": one} if sees else None)
        edges = (await actor.client.run(listed))[f"{name}s"]["edges"]
        assert [edge["node"]["id"] for edge in edges] == ([one] if sees else [])


def _ancestors(actor: Actor, start: Posted) -> dict[str, int]:
    found, depth, at = {start.id: 0}, 0, start.parent
    while at is not None and actor.sees(at):
        depth -= 1
        found[at.id] = depth
        at = at.parent
    return found


def _descendants(world: World, actor: Actor, start: Posted) -> dict[str, int]:
    found, level, depth = {start.id: 0}, [start], 0
    while level:
        depth += 1
        level = [p for p in world.postings if p.parent in level and actor.sees(p)]
        found.update({p.id: depth for p in level})
    return found


@case("fiscalEventTotals")
async def _totals(world: World, actor: Actor) -> None:
    if actor.is_nobody:
        assert await _codes(actor, TOTALS) & REFUSED
        return
    page = await actor.client.run(TOTALS)
    figures = {
        edge["node"]["keys"][0]["value"]: tuple(
            Decimal(edge["node"][name]) for name in ("gross", "reversed", "net", "events", "lines")
        )
        for edge in page["fiscalEventTotals"]["edges"]
    }
    expected: dict[str, list[Decimal]] = {}
    for p in world.seen_by(actor, "EVENT"):
        figure = expected.setdefault(p.sender.unique_id, [Decimal(0)] * 5)
        figure[1 if p.reverses else 0] += p.amount
        figure[2] += p.amount
        figure[3] += 1
        figure[4] += 1
    assert figures == {sender: tuple(figure) for sender, figure in expected.items()}
    ids = [p.id for p in world.postings if not actor.sees(p)]
    assert (await actor.client.run(TOTALS, filter={"ids": ids}))["fiscalEventTotals"]["edges"] == []


@case("documentBytes")
async def _documents(world: World, actor: Actor) -> None:
    held = [p for p in world.postings if p.document][world.actors.index(actor) % 2 :: 2]
    for p in held:
        if actor.sees(p):
            answer = await actor.client.run(DOCUMENT, id=p.id, sha=p.document)
            assert base64.b64decode(answer["documentBytes"]) == document_of(p)
        else:
            await _same_as_absent(actor, DOCUMENT, p.id, sha=p.document)
            for seen in [q for q in world.postings if actor.sees(q)][:PROBES]:
                assert (await actor.client.run(DOCUMENT, id=seen.id, sha=p.document))["documentBytes"] is None


@case("inbox", "sentMessages")
async def _mailboxes(world: World, actor: Actor) -> None:
    if actor.system is None or actor.is_blocked:
        for document in (INBOX, SENT):
            assert await _codes(actor, document) & {*REFUSED, "ROLE_NOT_ALLOWED"}
        return
    messages = [p for p in world.postings if not p.is_event]
    inbox = (await actor.client.run(INBOX))["inbox"]["edges"]
    received = [p for p in messages if actor in p.to]
    assert [edge["node"]["message"]["id"] for edge in inbox] == _ids(received)
    for edge, p in zip(inbox, received, strict=True):
        receivers = [to.unique_id for to in p.to if actor is p.sender or to is actor]
        assert [d["system"] for d in edge["node"]["message"]["deliveries"]] == sorted(receivers)
    sent = (await actor.client.run(SENT))["sentMessages"]["edges"]
    assert [edge["node"]["id"] for edge in sent] == _ids([p for p in messages if p.sender is actor])[::-1]
    await _foreign_cursors(world, actor)


async def _foreign_cursors(world: World, actor: Actor) -> None:
    """A cursor is a place in an order and opens nothing: a page after somebody else's shows one's own."""
    others = [
        each for each in world.actors if each.system is not None and not each.is_blocked and each is not actor
    ]
    for other in others[world.actors.index(actor) % 3 :: 3]:
        edges = (await other.client.run(IDS))["fiscalEvents"]["edges"]
        for edge in edges[:: max(1, len(edges) // 3)]:
            page = (await actor.client.run(IDS, after=edge["cursor"]))["fiscalEvents"]["edges"]
            behind = [p.id for p in world.seen_by(actor, "EVENT") if p.id > edge["node"]["id"]]
            assert [each["node"]["id"] for each in page] == behind
            assert await _codes(actor, INBOX, after=edge["cursor"]) == {"CURSOR"}
            assert await _codes(actor, TOTALS, after=edge["cursor"]) == {"CURSOR"}
        for edge in (await other.client.run(INBOX))["inbox"]["edges"][:2]:
            page = (await actor.client.run(INBOX, after=edge["cursor"]))["inbox"]["edges"]
            last = edge["node"]["message"]["id"]
            mine = [p.id for p in world.postings if not p.is_event and actor in p.to and p.id > last]
            assert [each["node"]["message"]["id"] for each in page] == mine


@case("bytesToSign")
async def _statements(world: World, actor: Actor) -> None:
    """Statements are made for systems alone, with content only where it can be read in clear."""
    key = actor.system.signing_key_public_id if actor.system else f"sgk_{new_id()}"
    for p in _share(world, actor):
        variables = {
            "subject": {"posting": p.id},
            "statement": {"keyId": key, "signedAt": postings.now_text(), "purpose": "APPROVAL"},
        }
        if actor.system is None or not actor.sees(p):
            assert await _codes(actor, postings.BYTES_TO_SIGN, **variables) & {
                *REFUSED,
                "NOT_FOUND",
                "ROLE_NOT_ALLOWED",
            }
            continue
        answer = (await actor.client.run(postings.BYTES_TO_SIGN, **variables))["bytesToSign"]
        assert (answer["content"] is not None) == (actor.is_party(p) or not p.is_personal)


async def _writes_tell_nothing(world: World, actor: Actor) -> None:
    """To sign, reverse or mark what is not visible is answered exactly as for what is not there."""
    hidden = [p for p in _share(world, actor) if not actor.sees(p)]
    key = actor.system.signing_key_public_id if actor.system else f"sgk_{new_id()}"
    at = postings.now_text()
    sign = {"keyId": key, "signedAt": at, "eSign": base64.b64encode(bytes(64)).decode()}
    for p in hidden[:PROBES] + [p for p in hidden if not p.is_event][:PROBES]:
        request = {
            "id": p.id,
            "mode": "FULL",
            "reason": "ERROR",
            "referenceId": "PROBE",
            "eventTime": "2026-10-07T17:45:00+05:30",
        }
        statement = {"keyId": key, "signedAt": at, "purpose": "APPROVAL"}
        await _same_as_absent(
            actor, postings.BYTES_TO_SIGN, p.id, subject={"posting": p.id}, statement=statement
        )
        await _same_as_absent(
            actor,
            postings.BYTES_TO_SIGN,
            p.id,
            subject={"reversal": request},
            statement={"keyId": key, "signedAt": at},
        )
        await _same_as_absent(
            actor, postings.ADD_SIGNATURE, p.id, input={"id": p.id, "purpose": "APPROVAL", **sign}
        )
        reverse = {"idempotencyKey": "probe", "reversal": request, "signature": sign}
        await _same_as_absent(actor, postings.REVERSE, p.id, input=reverse)
        for document in (MARK, UNMARK):
            await _same_as_absent(actor, document, p.id, ids=[p.id])
        await _link_is_absent(actor, p, sign)


async def _link_is_absent(actor: Actor, p: Posted, sign: dict[str, str]) -> None:
    """A new posting that names a hidden one by id hears what it would hear of one that is not there."""
    body = postings.content(referenceId="PROBE", links=[{"relation": "FOLLOWS", "id": p.id}])
    made = {"idempotencyKey": "probe", "content": body, "signature": sign, "validateOnly": True}
    await _same_as_absent(actor, postings.POST_EVENT, p.id, input=made)


async def _same_as_absent(actor: Actor, document: str, hidden: str, **variables: Any) -> None:
    """The whole answer about a hidden id is the answer about an id that was never given out."""
    absent = f"{hidden[:4]}{new_id()}"
    if "$id:" in document:
        variables["id"] = hidden
    told = await actor.client.send(document, **variables)
    blank = await actor.client.send(document, **_swapped(variables, hidden, absent))
    assert (told.status_code, told.text) == (blank.status_code, blank.text.replace(absent, hidden))


def _swapped(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: _swapped(member, old, new) for name, member in value.items()}
    if isinstance(value, list):
        return [_swapped(member, old, new) for member in value]
    return new if value == old else value


# Registry and reference data: who belongs where. Their own rules are tested in their own files.


async def _all(
    actor: Actor, field: str, members: str, arguments: str = ""
) -> list[dict[str, Any]] | set[str]:
    document = f"{{ {field}(first: 100{arguments}) {{ edges {{ node {{ {members} }} }} }} }}"
    answer = (await actor.client.send(document)).json()
    if "errors" in answer:
        return {error["extensions"]["code"] for error in answer["errors"]}
    return [edge["node"] for edge in answer["data"][field]["edges"]]


@case("systems", "apiKeys", "directory", "signingKeys")
async def _registered(world: World, actor: Actor) -> None:
    systems = [each for each in world.actors if each.system is not None]

    def mine(each: Actor) -> bool:
        if actor.system is not None:
            return each is actor
        return each.agency == actor.agency if actor.agency is not None else each.government == actor.operates

    rows = await _all(actor, "systems", "id uniqueId")
    if isinstance(rows, set):
        assert actor.is_nobody
        assert rows & REFUSED
    else:
        assert {row["uniqueId"] for row in rows} == (
            set() if actor.is_nobody else {s.unique_id for s in systems if mine(s)}
        )
    for each in systems:
        assert each.system is not None
        keys = await _all(actor, "apiKeys", "id", f', systemId: "{each.system.public_id}"')
        owns = not actor.is_nobody and mine(each) and actor.operates is None
        assert isinstance(keys, list) and len(keys) == 1 if owns else not isinstance(keys, list) or keys == []
    listed = await _all(actor, "directory", "uniqueId")
    if actor.system is not None and not actor.is_blocked and isinstance(listed, list):
        near = [s for s in systems if s.government == actor.government]
        assert {row["uniqueId"] for row in listed} <= {s.unique_id for s in near}
    if actor.is_nobody:
        assert await _all(actor, "signingKeys", "id", f', system: "{systems[0].unique_id}"') in (
            {"UNAUTHENTICATED"},
            {"SYSTEM_NOT_ACTIVE"},
        )


@case("me", "agency", "agencies", "people", "operators")
async def _households(world: World, actor: Actor) -> None:
    agency = (await actor.client.send("{ agency { contact { email } name } }")).json()
    if actor.agency is not None and actor.system is None:
        assert (
            agency["data"]["agency"]["contact"]["email"] == f"owner{actor.agency}@agency{actor.agency}.gov.in"
        )
    else:
        assert (agency.get("data") or {}).get("agency") is None
    agencies = await _all(actor, "agencies", "contact { email }")
    if isinstance(agencies, list):
        at_most = {
            f"owner{i}@agency{i}.gov.in"
            for i, code in enumerate(AGENCIES)
            if code == actor.operates or (i == actor.agency and actor.system is None)
        }
        assert {each["contact"]["email"] for each in agencies} <= at_most
    people = await _all(actor, "people", "email")
    if isinstance(people, list):
        own = f"owner{actor.agency}@agency{actor.agency}.gov.in"
        assert [each["email"] for each in people] == (
            [own] if actor.agency is not None and actor.system is None else []
        )
    for code in ("pb", "hr"):
        operators = await _all(actor, "operators", "email", f', government: "{code}"')
        if actor.operates != code:
            assert isinstance(operators, set) or operators == []
    me = (await actor.client.send("{ me { __typename } }")).json()
    assert ("errors" in me) or "data" in me


REFERENCE = {
    "locations": "locations",
    "departments": "departments",
    "hierarchyLevels": "hierarchyLevels",
    "administrativeNodes": "administrativeNodes",
    "chartOfAccounts": "chartOfAccounts",
    "programs": "programs",
    "projects": "projects",
}


@case(*REFERENCE, "lookupChartOfAccount", "referencePolicy", "referenceProposals")
async def _reference(world: World, actor: Actor) -> None:
    """Reference data is the tenant's: read by who belongs to it, and no trace of it for others."""
    home = actor.operates or actor.government
    for code in ("pb", "hr"):
        may = home == code and not actor.is_nobody
        for field in REFERENCE:
            rows = await _all(actor, field, "id", f', filter: {{}}, at: {{tenant: "{code}"}}')
            assert isinstance(rows, list) is may, (actor.name, field, rows)
            if may and isinstance(rows, list):
                assert rows
                if actor.operates is not None:
                    await _foreign_nodes(world, code, [row["id"] for row in rows])
        for document in (
            f'{{ lookupChartOfAccount(code: "{postings.CAPITAL_HEAD}", at: {{tenant: "{code}"}}) {{ id }} }}',
            f'{{ referencePolicy(tenant: "{code}") {{ approvalRequired }} }}',
        ):
            assert (await _codes(actor, document) == set()) is may
        proposals = await _codes(actor, f'{{ referenceProposals(tenant: "{code}") {{ id }} }}')
        assert (proposals == set()) is (actor.operates == code) or may


async def _foreign_nodes(world: World, code: str, ids: list[str]) -> None:
    stranger = world.named("B3" if code == "pb" else "B0")
    nodes = await stranger.client.run("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids[:100])
    assert nodes["nodes"] == [None] * len(ids[:100])


@case("hub", "tenant", "tenants", "processes", "attributeGroups", "attribute")
async def _public(world: World, actor: Actor) -> None:
    """What is the same for everybody."""
    document = """{ hub { signingPublicKey } tenant(code: "pb") { code } tenants { edges { node { code } } }
      processes { key } attributeGroups { key } attribute(key: "vendor_name") { key } }"""
    if actor.is_blocked:
        assert await _codes(actor, document) == {"SYSTEM_NOT_ACTIVE"}
        return
    answer = await actor.client.run(document)
    assert answer["tenant"] == {"code": "pb"}
    assert [edge["node"]["code"] for edge in answer["tenants"]["edges"]] == ["hr", "pb"]
