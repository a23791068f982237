"""Who is told what: every leaf of a log, every caller; the policy of each kind in plain words beside what the feed says."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.domain import feed, registry
from hub.domain.registry import Environment, SystemRole
from hub.domain.transparency import LeafKind, together
from hub.jobs.transparency import sequence_all
from hub.means import Means
from hub.schema.feed import SHAPES, Fact
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import HUB, make_system
from tests.factories.world import Actor, World, make_world

pytestmark = pytest.mark.anyio

SEED = 20261124
INDEXES = (
    "query ($after: BigInt) { feed(after: $after, first: 100) { scannedTo hasMore items { logIndex kind } } }"
)
CONSUME = "mutation { readMessages(input: {first: 10, mode: CONSUME}) { errors { code } } }"
LEAVES = """
SELECT l.log_index, l.kind, t.code AS government, l.fact_id, e.subject, e.subject_id,
    coalesce(s.posting_id, h.posting_id, p.id) AS posting_id,
    coalesce(h.system_id, e_key.system_id, e_sign.system_id, e_system.id) AS system_id,
    coalesce(e.details ->> 'agency', e_agency.id::text) AS agency_id
FROM log_leaf l LEFT JOIN tenant t ON t.id = l.tenant_id
LEFT JOIN posting p ON p.id = l.fact_id
LEFT JOIN posting_signature s ON s.id = l.fact_id AND l.kind = 'SIGNATURE'
LEFT JOIN inbox_history h ON h.id = l.fact_id
LEFT JOIN registry_event e ON e.id = l.fact_id
LEFT JOIN api_key e_key ON e_key.id = e.subject_id AND e.subject = 'API_KEY'
LEFT JOIN signing_key e_sign ON e_sign.id = e.subject_id AND e.subject = 'SIGNING_KEY'
LEFT JOIN system e_system ON e_system.id = e.subject_id AND e.subject = 'SYSTEM'
LEFT JOIN agency e_agency ON e_agency.id = e.subject_id AND e.subject = 'AGENCY'
ORDER BY l.log_index
"""


@dataclass(frozen=True)
class Policy:
    """The rules, as somebody would say them."""

    world: World
    systems: dict[uuid.UUID, Actor]
    agency_ids: dict[int, str]

    def sees(self, actor: Actor, leaf: Any) -> bool:
        """Whether this caller is told of this leaf."""
        kind = LeafKind(leaf.kind)
        if actor.is_nobody or kind is LeafKind.DECISION:
            return False
        if kind is LeafKind.LOG_KEY:
            return True
        if leaf.government not in {actor.government, actor.operates}:
            return False
        if leaf.subject is not None:
            return self._sees_change(actor, leaf)
        return kind is LeafKind.REFERENCE or self._sees_posting(actor, leaf)

    def _sees_posting(self, actor: Actor, leaf: Any) -> bool:
        (posting,) = [each for each in self.world.postings if each.id.endswith(str(leaf.posting_id))]
        if leaf.kind != "READ":
            return bool(actor.sees(posting))
        sides = [posting.sender, self.systems[leaf.system_id]]
        if actor.system is not None:
            return actor in sides
        return actor.agency in {side.agency for side in sides}

    def _sees_change(self, actor: Actor, leaf: Any) -> bool:
        is_operator = actor.operates == leaf.government
        is_person = actor.system is None
        of = self.systems.get(leaf.system_id)
        is_of_agency = is_person and actor.agency is not None
        if leaf.subject in {"AGENCY", "PERSON"}:
            is_mine = is_of_agency and self.agency_ids[actor.agency or 0] == leaf.agency_id
        elif leaf.subject in {"SYSTEM", "API_KEY"}:
            is_mine = actor is of or (is_of_agency and of is not None and actor.agency == of.agency)
        elif leaf.subject == "SIGNING_KEY":
            assert of is not None
            assert of.system is not None
            is_mine = actor.system is None or actor.system.environment is of.system.environment
        else:
            is_mine = {"TENANT": True, "OPERATOR": False, "SESSION": False}[leaf.subject]
        return bool(is_mine or (is_operator and leaf.subject != "SESSION"))


async def _told(client: Client) -> dict[int, str]:
    """All a caller is told of, by number; each number once and in order."""
    found: list[tuple[int, str]] = []
    after = None
    while True:
        page = (await client.run(INDEXES, after=after))["feed"]
        found += [(int(item["logIndex"]), item["kind"]) for item in page["items"]]
        after = page["scannedTo"]
        if not page["hasMore"]:
            assert [index for index, _ in found] == sorted({index for index, _ in found})
            return dict(found)


async def _check(client: Client, database: Database, means: Means, count: int) -> None:
    world = await make_world(client, database, means, seed=SEED, count=count)
    for actor in world.actors:
        if actor.may_consume and not actor.is_blocked:
            assert (await actor.client.run(CONSUME))["readMessages"]["errors"] == []
    await sequence_all(database, means)
    systems = {actor.system.system_id: actor for actor in world.actors if actor.system is not None}
    agency_ids = {each.agency or 0: str(each.system.agency_id) for each in systems.values() if each.system}
    policy = Policy(world, systems, agency_ids)
    async with database.read() as read:
        leaves = (await read.rows(text(LEAVES))).all()
    assert [leaf.log_index for leaf in leaves] == list(range(len(leaves)))
    heard: defaultdict[str, set[str]] = defaultdict(set)
    for actor in world.actors:
        if actor.is_nobody:
            expected = "UNAUTHENTICATED" if actor.system is None else "SYSTEM_NOT_ACTIVE"
            assert await actor.client.codes(INDEXES) == [expected]
            continue
        told = await _told(actor.client)
        should = {leaf.log_index: leaf.kind for leaf in leaves if policy.sees(actor, leaf)}
        odd = {index: leaves[index] for index in told.keys() ^ should.keys()}
        assert not odd, (actor.name, odd)
        assert told == should
        for kind in told.values():
            heard[kind].add(actor.name)
    known = {actor.name for actor in world.actors if not actor.is_nobody}
    assert heard.keys() == {kind.value for kind in feed.FED}
    assert all(heard[kind] < known for kind in ("MESSAGE", "READ"))


async def test_every_caller_is_told_exactly_what_it_may_see_of_every_kind(
    client: Client, database: Database, means: Means
) -> None:
    await _check(client, database, means, 16)


@pytest.mark.long
async def test_the_same_over_a_larger_world(client: Client, database: Database, means: Means) -> None:
    await _check(client, database, means, 150)


async def test_what_is_taken_away_between_two_pages_is_not_told_on_the_second(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    reader = await make_system(database, means, roles=[SystemRole.CONSUMER], environment=Environment.LIVE)
    for _ in range(2):
        await postings.post_ok(client, cast.provider)
    await postings.send(client, cast.provider, [reader.unique_id])
    await sequence_all(database, means)
    wanted = feed.Wanted(frozenset({LeafKind.EVENT, LeafKind.MESSAGE}))

    async def page(after: int) -> list[str]:
        async with database.read() as read:
            caller = await registry.acting_system(read, reader.system_id)
            assert caller is not None
            found = await feed.read_on(read, caller, wanted, first=3, after=after)
            return [item.kind.value for item in found.items]

    assert await page(-1) == ["EVENT", "EVENT", "MESSAGE"]
    async with database.read() as read:
        first: int = await read.scalar(text("SELECT min(log_index) FROM log_leaf WHERE kind = 'EVENT'"))
    async with database.transaction() as tx:
        change = text("UPDATE system SET roles = ARRAY['PROVIDER'] WHERE id = :s")
        await tx.execute(change, {"s": reader.system_id})
    # Still a party to its message, no longer a reader of what is open to consumers.
    assert await page(first) == ["MESSAGE"]
    async with database.transaction() as tx:
        await registry.suspend_system(tx, HUB, reader.system_id)
    after = "query ($after: BigInt) { feed(after: $after) { size } }"
    assert await client.acting(reader.api_key).codes(after, after=str(first)) == ["SYSTEM_NOT_ACTIVE"]


def test_each_kind_is_told_by_one_family_and_each_fact_has_a_shape() -> None:
    facts = {fact for family in feed.FAMILIES for fact in family.facts}
    assert facts == SHAPES.keys()
    (union, _) = get_args(Fact)
    assert len(get_args(union)) == len(facts) + 1  # a posting is an event or a message
    with pytest.raises(ValueError, match="DECISION"):
        together(feed.FAMILIES)
    with pytest.raises(ValueError, match="LOG_KEY"):
        together(feed.FAMILIES, untold=set(LeafKind) - feed.FED | {LeafKind.LOG_KEY})
