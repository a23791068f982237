"""Governments, agencies and systems for tests, made through the registry's own verbs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from nacl.signing import SigningKey
from sqlalchemy import text

from hub.db import Database, Transaction
from hub.domain import registry
from hub.domain.jobs import Mail
from hub.domain.registry import (
    AddSigningKey,
    CreateTenant,
    Environment,
    HubCaller,
    RegisterAgency,
    RegisterSystem,
    SystemRole,
)
from hub.jobs import HANDLERS
from hub.jobs.doors import JobContext
from hub.means import Means
from tests.client import Client

HUB = HubCaller("tests")
BOTH = (SystemRole.PROVIDER, SystemRole.CONSUMER)
_numbers = count(1)


@dataclass(frozen=True)
class TestSystem:
    """A registered system together with everything only its owner has."""

    __test__ = False

    unique_id: str
    api_key: str
    system_id: uuid.UUID
    tenant_id: uuid.UUID
    agency_id: uuid.UUID
    environment: Environment
    signing: SigningKey = field(repr=False)
    signing_key_id: uuid.UUID

    @property
    def public_id(self) -> str:
        """The system's id on the wire."""
        return f"sys_{self.system_id}"

    @property
    def signing_key_public_id(self) -> str:
        """The signing key's id on the wire, as statements name it."""
        return f"sgk_{self.signing_key_id}"


async def ensure_tenant(tx: Transaction, code: str = "pb", slug: str | None = None) -> registry.Tenant:
    """The government of this code, made when it is not there; ``pb`` is Punjab."""
    found = await registry.find_tenant_by_code(tx, code)
    if found is not None:
        return found
    wanted = slug or {"pb": "punjab", "hr": "haryana"}.get(code, code)
    return await registry.create_tenant(tx, HUB, CreateTenant(code=code, slug=wanted, name=wanted.title()))


async def make_tenant(database: Database, *, code: str = "pb", slug: str | None = None) -> registry.Tenant:
    """The government of this code, in a transaction of its own."""
    async with database.transaction() as tx:
        return await ensure_tenant(tx, code, slug)


async def make_agency(
    database: Database, means: Means, *, tenant: str = "pb", name: str | None = None, email: str | None = None
) -> registry.Agency:
    """An active agency with one owner."""
    number = next(_numbers)
    async with database.transaction() as tx:
        government = await ensure_tenant(tx, tenant)
        command = RegisterAgency(
            government=government.code,
            name=name or f"Agency {number}",
            contact_name="Asha Rani",
            contact_phone="+911722740000",
            contact_email=email or f"owner{number}@{government.slug}.gov.in",
        )
        return await registry.enrol_agency(tx, means, HUB, command)


async def make_system(
    database: Database,
    means: Means,
    *,
    roles: Iterable[SystemRole] = BOTH,
    tenant: str = "pb",
    environment: Environment = Environment.LIVE,
    name: str | None = None,
    agency: registry.Agency | None = None,
) -> TestSystem:
    """An active system with its API key and one active signing key, in an agency of its own unless given."""
    home = agency or await make_agency(database, means, tenant=tenant)
    command = RegisterSystem(
        name=name or f"System {next(_numbers)}", roles=frozenset(roles), environment=environment
    )
    signing = SigningKey.generate()
    public = bytes(signing.verify_key)
    async with database.transaction() as tx:
        system, key = await registry.register_system(tx, means, HUB, home.id, command)
        challenge = await registry.request_key_challenge(tx, HUB, system.id, public)
        signature = signing.sign(challenge.bytes_to_sign).signature
        answer = AddSigningKey(public, challenge.challenge, signature)
        registered = await registry.add_signing_key(tx, HUB, system.id, answer)
    assert key is not None
    return TestSystem(
        unique_id=system.unique_id,
        api_key=key.secret,
        system_id=system.id,
        tenant_id=system.tenant_id,
        agency_id=system.agency_id,
        environment=system.environment,
        signing=signing,
        signing_key_id=registered.id,
    )


@dataclass
class Post:
    """The mail of a hub under test: runs the registry's mail jobs as the worker would, and keeps what was sent."""

    database: Database
    means: Means
    mails: list[Mail] = field(default_factory=list)
    _done: set[uuid.UUID] = field(default_factory=set)

    async def send(self, mail: Mail) -> None:
        """Take one mail, as a mail system does."""
        self.mails.append(mail)

    async def deliver(self) -> list[Mail]:
        """Run every mail job once; the mails that went out by it."""
        before = len(self.mails)
        async with self.database.read() as read:
            rows = (await read.rows(text("SELECT id, name, arguments FROM job ORDER BY id"))).all()
        for row in rows:
            if row.name.startswith("registry.send_") and row.id not in self._done:
                self._done.add(row.id)
                context = JobContext(self.database, self.means, self, HUB, row.id, 1)
                await HANDLERS[row.name](context, row.arguments)
        return self.mails[before:]

    async def code(self) -> str:
        """The digits of the one code that is now on its way."""
        (mail,) = await self.deliver()
        digits: list[str] = re.findall(r"\b[0-9]{8}\b", mail.text)
        return digits[0]


ASK = "mutation ($email: String!) { requestSignInCode(input: {email: $email}) { accepted errors { code } } }"
ENTER = """
mutation ($email: String!, $code: String!, $agency: ID) {
  signIn(input: {email: $email, code: $code, agencyId: $agency}) { agencyId errors { code path } }
}
"""


async def sign_in(client: Client, post: Post, email: str, *, agency: str | None = None) -> Client:
    """A browser of its own, signed in with this address the way a person does it."""
    browser = client.acting(None)
    await browser.run(ASK, email=email)
    answer = await browser.run(ENTER, email=email, code=await post.code(), agency=agency)
    assert answer["signIn"]["errors"] == []
    return browser
