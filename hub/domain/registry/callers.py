"""Who is acting now: a system by API key, a person by session, the hub itself, or nobody."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SystemRole(StrEnum):
    """What a system may do: post (provider), query (consumer), or both."""

    PROVIDER = "PROVIDER"
    CONSUMER = "CONSUMER"


class Environment(StrEnum):
    """Live data and test data never mix: a caller sees its own environment alone."""

    LIVE = "LIVE"
    TEST = "TEST"


class PersonRole(StrEnum):
    """What a person may do within the own agency."""

    OWNER = "OWNER"
    DEVELOPER = "DEVELOPER"
    APPROVER = "APPROVER"
    AUDITOR = "AUDITOR"
    READER = "READER"


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody we know; may register, ask for a code and read the hub's public keys."""

    address: str = ""


@dataclass(frozen=True, slots=True)
class SystemCaller:
    """A registered system, authenticated by its one active API key."""

    system_id: uuid.UUID
    unique_id: str
    agency_id: uuid.UUID
    tenant_id: uuid.UUID
    environment: Environment
    roles: frozenset[SystemRole]
    key_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class FactorStanding:
    """How a person stands to the second factor now; ``proved_at`` is when this session last showed a code of it."""

    is_enrolled: bool = False
    is_required: bool = False
    proved_at: datetime | None = None


NO_FACTOR = FactorStanding()


@dataclass(frozen=True, slots=True)
class PersonCaller:
    """A signed-in person. ``operator_of`` names the tenants whose registries the person keeps.

    ``proved_at`` is when the person last entered a one-time code; weighty steps ask for a fresh one.
    """

    person_id: uuid.UUID
    session_id: uuid.UUID
    agency_id: uuid.UUID | None
    tenant_id: uuid.UUID | None
    roles: frozenset[PersonRole]
    operator_of: frozenset[uuid.UUID] = frozenset()
    proved_at: datetime | None = None
    factor: FactorStanding = NO_FACTOR


@dataclass(frozen=True, slots=True)
class HubCaller:
    """The hub itself: jobs and the command line."""

    reason: str


Caller = Anonymous | SystemCaller | PersonCaller | HubCaller
