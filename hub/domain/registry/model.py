"""The registry's nouns: governments, agencies, people, systems and keys, as frozen values."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from hub.domain.registry.callers import Environment, PersonRole, SystemRole
from hub.kit import ids
from hub.signing import KeyState, KeyWindow, PublicKey, fingerprint


class Policy(StrEnum):
    """How strictly a government has a rule applied: not at all, as a warning, or as a refusal."""

    OFF = "OFF"
    WARN = "WARN"
    ENFORCE = "ENFORCE"


class TenantStatus(StrEnum):
    """Whether a government's systems may act."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class AgencyState(StrEnum):
    """Where an agency stands between its registration and its end."""

    DRAFT = "DRAFT"
    CODE_SENT = "CODE_SENT"
    EMAIL_VERIFIED = "EMAIL_VERIFIED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


class SystemStatus(StrEnum):
    """Whether a system may act; a closed one never comes back."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


class ApiKeyState(StrEnum):
    """A pending key authenticates nothing; one key of a system is active; a revoked one stays so."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A government that runs on the hub."""

    id: uuid.UUID
    code: str
    slug: str
    name: str
    parent_id: uuid.UUID | None
    parent_code: str | None
    currency: str
    time_zone: str
    fiscal_year_start: str
    status: TenantStatus
    attribute_policy: Policy
    major_type_policy: Policy
    settlement_policy: Policy
    email_domains: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Agency:
    """An organisation within a government; ``approvals`` are the operators who let it in, each once."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    name: str
    contact_name: str
    contact_phone: str
    contact_email: str
    state: AgencyState
    approvals: tuple[uuid.UUID, ...]
    version: int
    created_at: datetime
    updated_at: datetime
    code_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """A person within an agency."""

    tenant_id: uuid.UUID
    agency_id: uuid.UUID
    person_id: uuid.UUID
    email: str
    name: str
    roles: frozenset[PersonRole]
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who keeps a government's registries."""

    tenant_id: uuid.UUID
    person_id: uuid.UUID
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class System:
    """A machine that posts, queries, or both, in the name of an agency. Scopes: None means no limit."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    agency_id: uuid.UUID
    unique_id: str
    name: str
    roles: frozenset[SystemRole]
    environment: Environment
    status: SystemStatus
    scope_tenants: frozenset[str] | None
    scope_major_types: frozenset[str] | None
    scope_sub_types: frozenset[str] | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be seen of an API key: its public part and its dates, never the secret."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    system_id: uuid.UUID
    public_id: str
    state: ApiKeyState
    created_at: datetime
    expires_at: datetime
    activated_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A fresh key together with its secret text, which exists only in this value and is shown once."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"NewApiKey({self.key.public_id})"


@lru_cache(maxsize=4096)
def _sound(raw: bytes) -> PublicKey:
    """The key of these bytes, looked at once: whether a point is sound never changes, and costs four verifications."""
    return PublicKey(raw)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A registered Ed25519 public key of a system; the private half never reaches the hub."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    system_id: uuid.UUID
    unique_id: str
    public_key: bytes
    state: KeyState
    valid_from: datetime
    valid_to: datetime | None
    compromised_since: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def key_id(self) -> str:
        """The id as statements name it: ``sgk_<uuid>``."""
        return ids.public_id("sgk", self.id)

    @property
    def window(self) -> KeyWindow:
        """When this key may sign."""
        return KeyWindow(self.valid_from, self.valid_to, self.state, self.compromised_since)

    @property
    def key(self) -> PublicKey:
        """The sound public key, ready to verify with."""
        return _sound(self.public_key)

    @property
    def fingerprint(self) -> str:
        """What two people compare by eye."""
        return fingerprint(self.key)


@dataclass(frozen=True, slots=True)
class KeyChallenge:
    """What must be signed to prove possession of a key, once and within ten minutes."""

    id: uuid.UUID
    key_id: uuid.UUID
    challenge: str
    bytes_to_sign: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """All that one system may know of another: how to address it and what it does."""

    id: uuid.UUID
    unique_id: str
    name: str
    roles: frozenset[SystemRole]


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """How a person's second factor stands; ``enrolled_at`` None: there is none."""

    is_required: bool
    enrolled_at: datetime | None
    last_used_at: datetime | None
    locked_until: datetime | None
    recovery_codes_left: int
    fresh_until: datetime | None


@dataclass(frozen=True, slots=True)
class NewFactor:
    """The secret of an enrolment just begun, as text and as what an app reads from a picture; shown once."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "NewFactor()"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A signed-in browser as its owner may see it: the network and the kind of browser, never the whole address."""

    id: uuid.UUID
    agency_id: uuid.UUID | None
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    network: str
    agent: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A person's signed-in browser, with the token that exists only in this value and the cookie."""

    id: uuid.UUID
    person_id: uuid.UUID
    agency_id: uuid.UUID | None
    token: str
    started_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Session({self.id})"
