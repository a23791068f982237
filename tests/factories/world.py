"""A seeded random world of agencies, systems, people and postings, and a model of its own of who may see what.

The model is written from the specification alone and knows nothing of ``access.py``.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hub.db import Database
from hub.domain import registry
from hub.domain.registry import Environment, SystemRole
from hub.means import Means
from tests.client import Client
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import HUB, Post, TestSystem, make_agency, make_system, sign_in

PROVIDER, CONSUMER = {SystemRole.PROVIDER}, {SystemRole.CONSUMER}
BOTH = PROVIDER | CONSUMER
LIVE, TEST = Environment.LIVE, Environment.TEST
# Agency by number: its government; its systems by name, roles and environment.
AGENCIES = ("pb", "pb", "pb", "hr", "hr", "hr")
SYSTEMS = (
    (0, "P0", PROVIDER, LIVE),
    (0, "B0", BOTH, LIVE),
    (0, "T0", BOTH, TEST),
    (1, "C1", CONSUMER, LIVE),
    (1, "B1", BOTH, LIVE),
    (1, "T1", BOTH, TEST),
    (2, "C2", CONSUMER, LIVE),
    (2, "S2", BOTH, LIVE),
    (3, "B3", BOTH, LIVE),
    (3, "C3", CONSUMER, LIVE),
    (4, "B4", BOTH, LIVE),
    (5, "C5", CONSUMER, LIVE),
)
SUSPENDED = "S2"


@dataclass(eq=False)
class Posted:
    """One posting as the model remembers it."""

    id: str
    kind: str
    government: str
    environment: Environment
    sender: Actor
    to: list[Actor]
    is_restricted: bool
    is_personal: bool
    reference: str
    amount: Decimal
    parent: Posted | None = None
    parent_by_reference: bool = False
    reverses: Posted | None = None
    document: str | None = None
    signers: list[str] = field(default_factory=list)

    @property
    def is_event(self) -> bool:
        """An event, not a message."""
        return self.kind == "EVENT"


@dataclass(eq=False)
class Actor:
    """Somebody who calls: a system, a person of an agency, an operator, or nobody."""

    name: str
    client: Client
    government: str | None = None
    agency: int | None = None
    system: TestSystem | None = None
    roles: frozenset[SystemRole] = frozenset()
    operates: str | None = None
    is_blocked: bool = False

    @property
    def is_nobody(self) -> bool:
        """Whom the hub does not answer."""
        return self.is_blocked or (self.system is None and self.agency is None and self.operates is None)

    @property
    def may_post(self) -> bool:
        """A system that is a provider."""
        return SystemRole.PROVIDER in self.roles

    @property
    def may_consume(self) -> bool:
        """A system that is a consumer."""
        return SystemRole.CONSUMER in self.roles

    @property
    def unique_id(self) -> str:
        """Of a system; "" for people."""
        return self.system.unique_id if self.system is not None else ""

    def is_party(self, p: Posted) -> bool:
        """Sent it or was sent it; a person through any system of the own agency."""
        parties = [p.sender, *p.to]
        if self.system is not None:
            return self in parties
        return self.agency is not None and any(each.agency == self.agency for each in parties)

    def sees(self, p: Posted) -> bool:
        """The policy, in plain words."""
        if self.is_nobody:
            return False
        if self.is_party(p):
            return True
        if self.operates is not None:
            return self.operates == p.government and p.is_event
        if self.system is None or not self.may_consume:
            return False
        is_at_home = (self.government, self.system.environment) == (p.government, p.environment)
        return is_at_home and p.is_event and not p.to and not p.is_restricted


@dataclass
class World:
    """Everything there is."""

    actors: list[Actor]
    postings: list[Posted] = field(default_factory=list)

    def seen_by(self, actor: Actor, kind: str) -> list[Posted]:
        """What the actor may see, in the order of ids."""
        return sorted((p for p in self.postings if p.kind == kind and actor.sees(p)), key=lambda p: p.id)

    def named(self, name: str) -> Actor:
        """An actor by name."""
        return next(actor for actor in self.actors if actor.name == name)


async def make_world(client: Client, database: Database, means: Means, *, seed: int, count: int) -> World:
    """Agencies, systems and people of two governments, and ``count`` postings between them."""
    world = World([Actor("nobody", client.acting(None))])
    agencies = [
        await make_agency(database, means, tenant=code, email=f"owner{i}@agency{i}.gov.in")
        for i, code in enumerate(AGENCIES)
    ]
    for home, name, roles, environment in SYSTEMS:
        system = await make_system(
            database, means, roles=roles, environment=environment, name=name, agency=agencies[home]
        )
        acting = client.acting(system.api_key)
        world.actors.append(Actor(name, acting, AGENCIES[home], home, system, frozenset(roles)))
    for tenant_id in {agency.tenant_id for agency in agencies}:
        await make_reference(database, tenant_id)
    dice = random.Random(seed)
    for _ in range(count):
        await _post(world, client, dice)
    for posted in world.postings:
        await _sign(world, client, dice, posted)
    await _add_people(world, client, database, means)
    async with database.transaction() as tx:
        suspended = world.named(SUSPENDED)
        assert suspended.system is not None
        await registry.suspend_system(tx, HUB, suspended.system.system_id)
        suspended.is_blocked = True
    return world


async def _add_people(world: World, client: Client, database: Database, means: Means) -> None:
    post = Post(database, means)
    for i, code in enumerate(AGENCIES):
        browser = await sign_in(client, post, f"owner{i}@agency{i}.gov.in")
        world.actors.append(Actor(f"owner{i}", browser, code, i))
    for code in ("pb", "hr"):
        async with database.transaction() as tx:
            await registry.add_operator(tx, HUB, code, f"operator@{code}.gov.in")
        browser = await sign_in(client, post, f"operator@{code}.gov.in")
        world.actors.append(Actor(f"operator-{code}", browser, code, operates=code))


async def _post(world: World, client: Client, dice: random.Random) -> None:
    sender = dice.choice([actor for actor in world.actors if actor.may_post])
    assert sender.system is not None
    mine = [p for p in world.postings if p.sender is sender and p.reverses is None]
    reversed_already = {p.reverses for p in world.postings}
    candidates = [p for p in mine if p not in reversed_already]
    if candidates and dice.random() < 0.12:
        await _reverse(world, client, sender, dice.choice(candidates))
        return
    neighbours = [
        actor
        for actor in world.actors
        if actor.may_consume
        and actor.system is not None
        and (actor.government, actor.system.environment) == (sender.government, sender.system.environment)
    ]
    lot = dice.random()
    kind = "MESSAGE" if lot < 0.3 else "EVENT"
    to = dice.sample(neighbours, dice.randint(1, min(2, len(neighbours)))) if lot < 0.5 else []
    made = Posted(
        id="",
        kind=kind,
        government=sender.government or "",
        environment=sender.system.environment,
        sender=sender,
        to=to,
        is_restricted=0.5 <= lot < 0.6,
        is_personal=dice.random() < 0.3,
        reference=postings.reference(),
        amount=Decimal(dice.randint(1, 10**7)) / 100,
    )
    _link(world, dice, made)
    if dice.random() < 0.3:
        data = f"document of {made.reference}".encode()
        made.document = await postings.upload(client, sender.system, data)
    await _send(client, sender.system, made)
    world.postings.append(made)


def _link(world: World, dice: random.Random, made: Posted) -> None:
    """By reference to anything of the government, seen or not; by id only to what the sender sees."""
    home = [p for p in world.postings if (p.government, p.environment) == (made.government, made.environment)]
    if not home or dice.random() < 0.4:
        return
    made.parent_by_reference = dice.random() < 0.5
    near = home if made.parent_by_reference else [p for p in home if made.sender.sees(p)]
    made.parent = dice.choice(near) if near else None


async def _send(client: Client, system: TestSystem, made: Posted) -> None:
    over: dict[str, Any] = {
        "referenceId": made.reference,
        "to": [actor.unique_id for actor in made.to],
        "lines": [postings.line(amount=str(made.amount))],
        "classification": "RESTRICTED" if made.is_restricted else "OPEN",
    }
    if made.is_personal:
        over["attributes"] = {"vendor_name": f"Vendor of {made.reference}"}
    if made.parent is not None and made.parent_by_reference:
        over["links"] = [
            {
                "relation": "FOLLOWS",
                "system": made.parent.sender.unique_id,
                "referenceId": made.parent.reference,
            }
        ]
    elif made.parent is not None:
        over["links"] = [{"relation": "FOLLOWS", "id": made.parent.id}]
    if made.document is not None:
        size = len(f"document of {made.reference}")
        over["attachments"] = [
            {
                "kind": "DOCUMENT",
                "name": "scan.pdf",
                "mediaType": "application/pdf",
                "sizeBytes": size,
                "sha256": made.document,
            }
        ]
    if made.is_event:
        made.id = (await postings.post_ok(client, system, postings.content(**over)))["id"]
    else:
        to = over.pop("to")
        answer = await postings.send(client, system, to, **over)
        assert answer["errors"] == []
        made.id = answer["message"]["id"]


async def _reverse(world: World, client: Client, sender: Actor, original: Posted) -> None:
    assert sender.system is not None
    reference = postings.reference("REV")
    answer = await postings.reverse(client, sender.system, original.id, referenceId=reference)
    assert answer["errors"] == []
    world.postings.append(
        Posted(
            id=answer["reversal"]["id"],
            kind=original.kind,
            government=original.government,
            environment=original.environment,
            sender=sender,
            to=original.to,
            is_restricted=original.is_restricted,
            is_personal=False,
            reference=reference,
            amount=-original.amount,
            reverses=original,
        )
    )


async def _sign(world: World, client: Client, dice: random.Random, posted: Posted) -> None:
    signers = [actor for actor in world.actors if actor.system is not None and actor.sees(posted)]
    for actor in dice.sample(signers, min(len(signers), dice.randint(0, 2))):
        assert actor.system is not None
        purpose = {"purpose": "ACKNOWLEDGEMENT", "comments": ""}
        signature = await postings.sign(client, actor.system, {"posting": posted.id}, **purpose)
        answer = await client.acting(actor.system.api_key).run(
            postings.ADD_SIGNATURE, input={"id": posted.id, **purpose, **signature}
        )
        assert answer["addSignature"]["errors"] == []
        posted.signers.append(actor.unique_id)


def document_of(posted: Posted) -> bytes:
    """The bytes of a posting's document."""
    data = f"document of {posted.reference}".encode()
    assert hashlib.sha256(data).hexdigest() == posted.document
    return data
