"""The registry's history as readers of the log see it: who may see which change is part of the SQL, default deny.

    a system's own, its API keys'      the system itself, its agency's people, operators
    a signing key's                    everybody of the government and environment, as keys are what verifies
    an agency's, its people's          the agency's people, operators
    a government's                     everybody of the government
    an operator's                      operators
    a session's                        the hub alone

What was changed to what is not told: it is read where it is kept now, as far as the caller may.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from hub.db import Read
from hub.domain.registry import access
from hub.domain.registry.callers import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.registry.model import SigningKey
from hub.domain.registry.signingkeys import signing_keys
from hub.domain.registry.tables import agency, api_key, registry_event, signing_key, system
from hub.domain.transparency import Family, Found, LeafKind, Look

_event = registry_event.c


class Subject(StrEnum):
    """What of the registry changed."""

    TENANT = "TENANT"
    OPERATOR = "OPERATOR"
    AGENCY = "AGENCY"
    PERSON = "PERSON"
    SYSTEM = "SYSTEM"
    API_KEY = "API_KEY"
    SIGNING_KEY = "SIGNING_KEY"
    SESSION = "SESSION"


PREFIXES = {
    Subject.TENANT: "tnt",
    Subject.OPERATOR: "per",
    Subject.AGENCY: "agy",
    Subject.PERSON: "per",
    Subject.SYSTEM: "sys",
    Subject.API_KEY: "key",
    Subject.SIGNING_KEY: "sgk",
    Subject.SESSION: "ses",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the registry's history."""

    subject: Subject
    subject_id: uuid.UUID
    change: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A signing key was registered or changed its state; the key is as it is now."""

    change: Change
    key: SigningKey


async def _find(look: Look) -> list[Found]:
    leaves = look.leaves(LeafKind.REGISTRY, LeafKind.KEY)
    seen = (
        select(_event.subject, _event.subject_id, _event.change, _event.at)
        .where(_event.tenant_id == leaves.c.tenant_id, _event.id == leaves.c.fact_id, _visible(look.caller))
        .correlate(leaves)
        .offset(literal_column("0"))
        .lateral("seen")
    )
    rows = await look.read.rows(
        select(leaves.c.log_index, leaves.c.leaf_kind, leaves.c.sequenced_at, *seen.c)
        .join_from(leaves, seen, true())
        .order_by(leaves.c.log_index)
        .limit(look.first)
    )
    return [
        Found(
            row.log_index,
            LeafKind(row.leaf_kind),
            row.sequenced_at,
            Change(Subject(row.subject), row.subject_id, row.change, row.at),
        )
        for row in rows
    ]


async def _load(read: Read, _: Caller, found: Sequence[Found]) -> Mapping[int, Change | KeyChange]:
    changed = {each.fact.subject_id for each in found if each.kind is LeafKind.KEY}
    keys = await signing_keys(read, changed) if changed else {}
    return {
        each.log_index: KeyChange(each.fact, keys[each.fact.subject_id])
        if each.kind is LeafKind.KEY
        else each.fact
        for each in found
    }


def _visible(caller: Caller) -> ColumnElement[bool]:
    match caller:
        case HubCaller():
            return true()
        case Anonymous():
            return false()
        case SystemCaller():
            home: ColumnElement[bool] = _event.tenant_id == caller.tenant_id
            operated: ColumnElement[bool] = false()
        case PersonCaller():
            tenants = _tenants(caller)
            home = _event.tenant_id.in_(tenants) if tenants else false()
            operated = _event.tenant_id.in_(caller.operator_of) if caller.operator_of else false()
    return or_(
        and_(_about(Subject.TENANT), home),
        and_(_about(Subject.OPERATOR), operated),
        and_(_about(Subject.AGENCY), _of_agency(caller, _event.subject_id)),
        and_(_about(Subject.PERSON), _of_agency(caller, _agency_named())),
        and_(_about(Subject.SYSTEM), _of_system(caller)),
        and_(_about(Subject.API_KEY), _of_api_key(caller)),
        and_(_about(Subject.SIGNING_KEY), home, _of_signing_key(caller)),
    )


def _tenants(caller: PersonCaller) -> Collection[uuid.UUID]:
    return caller.operator_of | ({caller.tenant_id} if caller.tenant_id is not None else frozenset())


def _about(subject: Subject) -> ColumnElement[bool]:
    return _event.subject == literal(subject.value, Text)


def _agency_named() -> ColumnElement[uuid.UUID]:
    """The agency in a line about a person; lines about others name none that is asked for."""
    named = func.substring(_event.details["agency"].astext, "^[0-9a-f-]{36}$")
    return cast(named, Uuid)


def _of_agency(caller: Caller, agency_id: ColumnElement[uuid.UUID]) -> ColumnElement[bool]:
    found: Select[Any] = select(literal_column("1")).select_from(agency)
    return exists(
        found.where(
            agency.c.tenant_id == _event.tenant_id, agency.c.id == agency_id, access.visible_agencies(caller)
        ).correlate(registry_event)
    )


def _of_system(caller: Caller) -> ColumnElement[bool]:
    found: Select[Any] = select(literal_column("1")).select_from(system)
    return exists(
        found.where(
            system.c.tenant_id == _event.tenant_id,
            system.c.id == _event.subject_id,
            access.visible_systems(caller),
        ).correlate(registry_event)
    )


def _of_api_key(caller: Caller) -> ColumnElement[bool]:
    joined = and_(system.c.tenant_id == api_key.c.tenant_id, system.c.id == api_key.c.system_id)
    found: Select[Any] = select(literal_column("1")).select_from(api_key.join(system, joined))
    return exists(
        found.where(
            api_key.c.tenant_id == _event.tenant_id,
            api_key.c.id == _event.subject_id,
            access.visible_systems(caller),
        ).correlate(registry_event)
    )


def _of_signing_key(caller: Caller) -> ColumnElement[bool]:
    """Systems see the keys of their own environment; people of the government those of both."""
    joined = and_(system.c.tenant_id == signing_key.c.tenant_id, system.c.id == signing_key.c.system_id)
    found: Select[Any] = select(literal_column("1")).select_from(signing_key.join(system, joined))
    if isinstance(caller, SystemCaller):
        found = found.where(system.c.environment == caller.environment.value)
    return exists(
        found.where(
            signing_key.c.tenant_id == _event.tenant_id, signing_key.c.id == _event.subject_id
        ).correlate(registry_event)
    )


FEED = (Family(frozenset({LeafKind.REGISTRY, LeafKind.KEY}), (Change, KeyChange), _find, _load),)
