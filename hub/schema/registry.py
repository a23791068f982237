"""Shapes of the registry: governments, agencies, people, systems and their keys."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import strawberry

from hub.context import Info
from hub.domain import registry
from hub.domain.registry import model
from hub.domain.registry.identity import Identity
from hub.kit.ids import public_id
from hub.schema.accounts import SecondFactor, Session
from hub.schema.nodes import Node
from hub.schema.registry_enums import (
    AgencyState,
    ApiKeyState,
    CallerKind,
    Environment,
    KeyState,
    PersonRole,
    Policy,
    SystemRole,
    SystemStatus,
    TenantStatus,
)
from hub.schema.scalars import Bytes, Instant


@strawberry.type(description="A government that runs on the hub.")
class Tenant(Node):
    code: str = strawberry.field(description="Names the government in inputs, such as pb.")
    slug: str = strawberry.field(description="Stands in its systems' unique ids, such as punjab.")
    name: str
    parent: str | None = strawberry.field(description="Code of the government above, such as the union.")
    currency: str = strawberry.field(description="ISO 4217.")
    time_zone: str = strawberry.field(description="IANA name.")
    fiscal_year_start: str = strawberry.field(description="MM-DD.")
    status: TenantStatus
    attribute_policy: Policy
    major_type_policy: Policy
    settlement_policy: Policy
    email_domains: list[str] = strawberry.field(
        description="Official e-mail domains; empty: any that is not a free-mail service's."
    )
    version: int = strawberry.field(description="Sent back with a change, so that no change is lost.")

    @classmethod
    def of(cls, tenant: model.Tenant) -> Self:
        return cls(
            id=strawberry.ID(public_id("tnt", tenant.id)),
            code=tenant.code,
            slug=tenant.slug,
            name=tenant.name,
            parent=tenant.parent_code,
            currency=tenant.currency,
            time_zone=tenant.time_zone,
            fiscal_year_start=tenant.fiscal_year_start,
            status=tenant.status,
            attribute_policy=tenant.attribute_policy,
            major_type_policy=tenant.major_type_policy,
            settlement_policy=tenant.settlement_policy,
            email_domains=list(tenant.email_domains),
            version=tenant.version,
        )


@strawberry.type(
    description="The person an agency was registered with; seen by the agency and the operators."
)
class Contact:
    name: str
    phone: str
    email: str


@strawberry.type(description="An organisation of a government, with people and systems.")
class Agency(Node):
    name: str
    contact: Contact
    state: AgencyState
    approvals: int = strawberry.field(
        description="How many operators let it in; live provider systems need two."
    )
    version: int
    created_at: Instant

    @classmethod
    def of(cls, agency: model.Agency) -> Self:
        return cls(
            id=strawberry.ID(public_id("agy", agency.id)),
            name=agency.name,
            contact=Contact(name=agency.contact_name, phone=agency.contact_phone, email=agency.contact_email),
            state=agency.state,
            approvals=len(agency.approvals),
            version=agency.version,
            created_at=Instant(agency.created_at),
        )


@strawberry.type(description="A person of the caller's own agency.")
class Person(Node):
    name: str
    email: str
    roles: list[PersonRole]

    @classmethod
    def of(cls, member: model.Member) -> Self:
        return cls(
            id=strawberry.ID(public_id("per", member.person_id)),
            name=member.name,
            email=member.email,
            roles=sorted(member.roles),
        )


@strawberry.type(description="A person who keeps a government's registries.")
class Operator:
    person_id: strawberry.ID
    email: str
    since: Instant

    @classmethod
    def of(cls, operator: model.Operator) -> Self:
        return cls(
            person_id=strawberry.ID(public_id("per", operator.person_id)),
            email=operator.email,
            since=Instant(operator.created_at),
        )


@strawberry.type(description="A machine that posts, queries, or both, in the name of an agency.")
class System(Node):
    unique_id: str = strawberry.field(description="name@tenant.domain; never changes, is never used again.")
    agency_id: strawberry.ID
    name: str
    roles: list[SystemRole]
    environment: Environment
    status: SystemStatus
    scope_tenants: list[str] | None = strawberry.field(
        description="Null: no limit beyond the own government."
    )
    scope_major_types: list[str] | None = strawberry.field(description="Null: all.")
    scope_sub_types: list[str] | None = strawberry.field(description="Null: all.")
    version: int
    created_at: Instant

    @classmethod
    def of(cls, system: model.System) -> Self:
        return cls(
            id=strawberry.ID(public_id("sys", system.id)),
            unique_id=system.unique_id,
            agency_id=strawberry.ID(public_id("agy", system.agency_id)),
            name=system.name,
            roles=sorted(system.roles),
            environment=system.environment,
            status=system.status,
            scope_tenants=_listed(system.scope_tenants),
            scope_major_types=_listed(system.scope_major_types),
            scope_sub_types=_listed(system.scope_sub_types),
            version=system.version,
            created_at=Instant(system.created_at),
        )


@strawberry.type(description="What one system may know of another: how to address it, and what it does.")
class DirectoryEntry:
    unique_id: str
    name: str
    roles: list[SystemRole]

    @classmethod
    def of(cls, entry: model.DirectoryEntry) -> Self:
        return cls(unique_id=entry.unique_id, name=entry.name, roles=sorted(entry.roles))


@strawberry.type(description="An API key's public part; the secret is shown once, when the key is made.")
class ApiKey(Node):
    key_id: str = strawberry.field(description="The eight characters that name the key within its own text.")
    system_id: strawberry.ID
    state: ApiKeyState
    created_at: Instant
    expires_at: Instant
    activated_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None = strawberry.field(description="To the minute.")

    @classmethod
    def of(cls, key: model.ApiKey) -> Self:
        return cls(
            id=strawberry.ID(public_id("key", key.id)),
            key_id=key.public_id,
            system_id=strawberry.ID(public_id("sys", key.system_id)),
            state=key.state,
            created_at=Instant(key.created_at),
            expires_at=Instant(key.expires_at),
            activated_at=_instant(key.activated_at),
            revoked_at=_instant(key.revoked_at),
            last_used_at=_instant(key.last_used_at),
        )


@strawberry.type(description="A system's Ed25519 public key, for everybody who verifies its signatures.")
class SigningKey(Node):
    system: str = strawberry.field(description="The system's unique id.")
    public_key: Bytes = strawberry.field(description="32 bytes.")
    fingerprint: str = strawberry.field(description="What two people compare by eye.")
    state: KeyState
    valid_from: Instant
    valid_to: Instant | None = strawberry.field(description="The first instant at which it may sign no more.")
    compromised_since: Instant | None = strawberry.field(
        description="What the hub received before stands; without a date nothing of a compromised key does."
    )

    @classmethod
    def of(cls, key: model.SigningKey) -> Self:
        return cls(
            id=strawberry.ID(key.key_id),
            system=key.unique_id,
            public_key=Bytes(key.public_key),
            fingerprint=key.fingerprint,
            state=key.state,
            valid_from=Instant(key.valid_from),
            valid_to=_instant(key.valid_to),
            compromised_since=_instant(key.compromised_since),
        )


@strawberry.type(description="What a new key must sign to prove that its private half is there.")
class KeyChallenge:
    challenge: str = strawberry.field(description="Sent back with the signature; good once, for ten minutes.")
    key_id: strawberry.ID = strawberry.field(description="The id the key will have.")
    bytes_to_sign: Bytes = strawberry.field(description="Sign exactly these bytes with the new private key.")
    expires_at: Instant

    @classmethod
    def of(cls, challenge: model.KeyChallenge) -> Self:
        return cls(
            challenge=challenge.challenge,
            key_id=strawberry.ID(public_id("sgk", challenge.key_id)),
            bytes_to_sign=Bytes(challenge.bytes_to_sign),
            expires_at=Instant(challenge.expires_at),
        )


@strawberry.type(description="The caller, as the hub knows it.")
class Me:
    kind: CallerKind
    system: System | None = strawberry.field(description="For a system: itself.")
    email: str | None = strawberry.field(description="For a person: the address signed in with.")
    person: Person | None = strawberry.field(description="For a member of an agency: name and roles.")
    agency: Agency | None = strawberry.field(description="For a member of an agency: the agency acted for.")
    operator_of: list[Tenant] = strawberry.field(description="The governments whose registries are kept.")

    @classmethod
    def of(cls, found: Identity) -> Self:
        return cls(
            kind=found.kind,
            system=System.of(found.system) if found.system is not None else None,
            email=found.email,
            person=Person.of(found.member) if found.member is not None else None,
            agency=Agency.of(found.agency) if found.agency is not None else None,
            operator_of=[Tenant.of(tenant) for tenant in found.operator_of],
        )

    @strawberry.field(description="For a person: where the person is signed in now, last used first.")
    async def sessions(self, info: Info) -> list[Session]:
        async with info.context.db.read() as read:
            return [Session.of(each) for each in await registry.list_sessions(read, info.context.caller)]

    @strawberry.field(description="For a person: how the second factor stands.")
    async def second_factor(self, info: Info) -> SecondFactor | None:
        async with info.context.db.read() as read:
            found = await registry.find_second_factor(read, info.context.caller)
        return SecondFactor.of(found) if found is not None else None


def _listed(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _instant(value: datetime | None) -> Instant | None:
    return None if value is None else Instant(value)
