"""Inputs of the registry's mutations, each with the command it stands for."""

from __future__ import annotations

from dataclasses import fields
from uuid import UUID

import strawberry

from hub.codes import Code
from hub.domain.registry import commands
from hub.errors import NotFound
from hub.kit.ids import uuid_of
from hub.schema.registry_enums import Environment, PersonRole, Policy, SystemRole, TenantStatus
from hub.schema.scalars import Bytes, Instant


def wanted(prefix: str, text: strawberry.ID, *path: str) -> UUID:
    """The UUID of a global id; what is not one names nothing, so NOT_FOUND."""
    value = uuid_of(prefix, str(text))
    if value is None:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, *path)
    return value


@strawberry.input
class CreateTenantInput:
    code: str
    slug: str
    name: str
    parent: str | None = None
    currency: str = "INR"
    time_zone: str = "Asia/Kolkata"
    fiscal_year_start: str = "04-01"
    attribute_policy: Policy = Policy.WARN
    major_type_policy: Policy = Policy.WARN
    settlement_policy: Policy = Policy.WARN
    email_domains: list[str] = strawberry.field(default_factory=list)

    def to_command(self) -> commands.CreateTenant:
        given = {field.name: getattr(self, field.name) for field in fields(CreateTenantInput)}
        return commands.CreateTenant(**{**given, "email_domains": tuple(self.email_domains)})


@strawberry.input
class UpdateTenantInput:
    code: str
    version: int
    name: str | None = None
    time_zone: str | None = None
    fiscal_year_start: str | None = None
    status: TenantStatus | None = None
    attribute_policy: Policy | None = None
    major_type_policy: Policy | None = None
    settlement_policy: Policy | None = None
    email_domains: list[str] | None = None

    def to_command(self) -> commands.UpdateTenant:
        domains = None if self.email_domains is None else tuple(self.email_domains)
        given = {field.name: getattr(self, field.name) for field in fields(UpdateTenantInput)}
        return commands.UpdateTenant(**{**given, "email_domains": domains})


@strawberry.input(description="Missing values are answered with their own code each.")
class ContactInput:
    name: str | None = None
    phone: str | None = strawberry.field(default=None, description="E.164, such as +911722740000.")
    email: str | None = strawberry.field(
        default=None, description="An official address; a code is mailed there."
    )


@strawberry.input
class RegisterAgencyInput:
    government: str | None = strawberry.field(default=None, description="Code of the government.")
    name: str | None = None
    contact: ContactInput | None = None

    def to_command(self) -> commands.RegisterAgency:
        contact = self.contact or ContactInput()
        return commands.RegisterAgency(
            government=self.government or "",
            name=self.name or "",
            contact_name=contact.name or "",
            contact_phone=contact.phone or "",
            contact_email=contact.email or "",
        )


@strawberry.input
class AgencyInput:
    id: strawberry.ID

    @property
    def uuid(self) -> UUID:
        return wanted("agy", self.id, "id")


@strawberry.input
class RequestSignInCodeInput:
    email: str


@strawberry.input
class SignInInput:
    email: str
    code: str
    agency_id: strawberry.ID | None = strawberry.field(
        default=None, description="For members of several agencies; else the first one joined."
    )


@strawberry.input
class InvitePersonInput:
    email: str
    name: str
    roles: list[PersonRole]

    def to_command(self) -> commands.InvitePerson:
        return commands.InvitePerson(self.email, self.name, frozenset(self.roles))


@strawberry.input
class ChangePersonRolesInput:
    person_id: strawberry.ID
    roles: list[PersonRole]


@strawberry.input
class RemovePersonInput:
    person_id: strawberry.ID


@strawberry.input
class AddOperatorInput:
    government: str
    email: str


@strawberry.input
class RemoveOperatorInput:
    government: str
    person_id: strawberry.ID


@strawberry.input
class RegisterSystemInput:
    agency_id: strawberry.ID
    name: str
    roles: list[SystemRole] = strawberry.field(default_factory=list)
    environment: Environment = Environment.LIVE
    unique_id: str | None = strawberry.field(
        default=None, description="Asks for this very id; without it one is made from the name."
    )
    scope_tenants: list[str] | None = None
    scope_major_types: list[str] | None = None
    scope_sub_types: list[str] | None = None
    idempotency_key: str | None = None

    def to_command(self) -> commands.RegisterSystem:
        return commands.RegisterSystem(
            name=self.name,
            roles=frozenset(self.roles),
            environment=self.environment,
            unique_id=self.unique_id,
            scope_tenants=_scope(self.scope_tenants),
            scope_major_types=_scope(self.scope_major_types),
            scope_sub_types=_scope(self.scope_sub_types),
            idempotency_key=self.idempotency_key,
        )


@strawberry.input
class SystemInput:
    id: strawberry.ID

    @property
    def uuid(self) -> UUID:
        return wanted("sys", self.id, "id")


@strawberry.input
class MakeApiKeyInput:
    system_id: strawberry.ID


@strawberry.input
class ApiKeyInput:
    id: strawberry.ID

    @property
    def uuid(self) -> UUID:
        return wanted("key", self.id, "id")


@strawberry.input
class RequestKeyChallengeInput:
    public_key: Bytes = strawberry.field(description="Ed25519, 32 bytes in base64.")
    system_id: strawberry.ID | None = strawberry.field(
        default=None, description="For people; a system registers its own keys."
    )


@strawberry.input
class AddSigningKeyInput:
    public_key: Bytes
    challenge: str
    signature: Bytes = strawberry.field(description="By the new key, over the challenge's bytesToSign.")
    system_id: strawberry.ID | None = strawberry.field(
        default=None, description="For people; a system registers its own keys."
    )
    valid_from: Instant | None = strawberry.field(default=None, description="Now, when left out.")
    valid_to: Instant | None = None
    activate: bool = strawberry.field(default=True, description="False: pending until activateSigningKey.")

    def to_command(self) -> commands.AddSigningKey:
        return commands.AddSigningKey(
            public_key=self.public_key,
            challenge=self.challenge,
            signature=self.signature,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            activate=self.activate,
        )


@strawberry.input
class ActivateSigningKeyInput:
    id: strawberry.ID


@strawberry.input
class RetireSigningKeyInput:
    id: strawberry.ID
    at: Instant | None = strawberry.field(default=None, description="Left out or past: at once.")


@strawberry.input
class CompromiseSigningKeyInput:
    id: strawberry.ID
    since: Instant | None = strawberry.field(
        default=None, description="What the hub received before stands; left out: nothing does."
    )


def _scope(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
