"""What callers ask the registry to do: the commands its verbs take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256

from hub.domain.registry.callers import Environment, PersonRole, SystemRole
from hub.domain.registry.model import Policy, TenantStatus


def fingerprint(command: object, *subject: object) -> bytes:
    """What makes two commands the same: whom they concern, and every field but the idempotency key."""
    parts: list[str] = [type(command).__name__, *map(str, subject)]
    for each in fields(command):  # type: ignore[arg-type]
        value = getattr(command, each.name)
        if each.name != "idempotency_key":
            parts.append(repr(sorted(value) if isinstance(value, frozenset) else value))
    return sha256("\x00".join(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class CreateTenant:
    """Bring a government onto the hub."""

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
    email_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateTenant:
    """Change a government that still has ``version``; None leaves a value as it is."""

    code: str
    version: int
    name: str | None = None
    time_zone: str | None = None
    fiscal_year_start: str | None = None
    status: TenantStatus | None = None
    attribute_policy: Policy | None = None
    major_type_policy: Policy | None = None
    settlement_policy: Policy | None = None
    email_domains: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RegisterAgency:
    """Put an agency forward, with the person to be asked."""

    government: str
    name: str
    contact_name: str
    contact_phone: str
    contact_email: str


@dataclass(frozen=True, slots=True)
class InvitePerson:
    """Make a person a member of the caller's agency."""

    email: str
    name: str
    roles: frozenset[PersonRole]


@dataclass(frozen=True, slots=True)
class RegisterSystem:
    """Add a system to an agency. ``unique_id`` asks for that very id instead of one made from the name."""

    name: str
    roles: frozenset[SystemRole]
    environment: Environment
    unique_id: str | None = None
    scope_tenants: frozenset[str] | None = None
    scope_major_types: frozenset[str] | None = None
    scope_sub_types: frozenset[str] | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class AddSigningKey:
    """Register a public key, with the signed answer to the hub's challenge."""

    public_key: bytes
    challenge: str
    signature: bytes
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    activate: bool = True
