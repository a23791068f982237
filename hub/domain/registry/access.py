"""Who is calling, and what callers may see and do: the one place that decides, default-deny."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, and_, false, or_, true

from hub.codes import Code
from hub.db import Database, Read
from hub.domain.registry import store, store_codes, store_systems
from hub.domain.registry.callers import (
    Anonymous,
    Caller,
    Environment,
    FactorStanding,
    HubCaller,
    PersonCaller,
    PersonRole,
    SystemCaller,
    SystemRole,
)
from hub.domain.registry.model import AgencyState, ApiKeyState, SystemStatus, TenantStatus
from hub.domain.registry.secrets import is_token, read_api_key
from hub.domain.registry.tables import agency, system, tenant
from hub.domain.registry.uses import uses, verified_keys
from hub.errors import NotAllowed, NotAuthenticated, NotFound, RuleBroken
from hub.means import Means, SecondFactorPolicy

SESSION_IDLE_MAX = timedelta(hours=12)
FRESH_FOR = timedelta(minutes=15)
FACTOR_FRESH_FOR = timedelta(minutes=10)
API_KEY_PURPOSE = "registry.api_key"
SESSION_PURPOSE = "registry.session"
VERIFIED_STATES = frozenset({AgencyState.EMAIL_VERIFIED, AgencyState.ACTIVE})


def nobody(code: Code = Code.UNAUTHENTICATED) -> NotAuthenticated:
    """The refusal of a caller we do not know."""
    return NotAuthenticated.because(code, code.summary)


def absent(*path: str) -> NotFound:
    """The one answer for what is not there and what is not shown."""
    return NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, *path)


def not_allowed(message: str = Code.ROLE_NOT_ALLOWED.summary) -> NotAllowed:
    """The refusal of a known caller without the right."""
    return NotAllowed.because(Code.ROLE_NOT_ALLOWED, message)


# Authentication


async def authenticate(
    read: Read, means: Means, *, authorization: str | None, session: str | None, address: str
) -> Caller:
    """Who calls: a system by its API key, else a person by session cookie, else nobody.

    A dead session is nobody, so that its owner can sign in again. A key is never ignored: raises
    NotAuthenticated UNAUTHENTICATED, KEY_REVOKED, KEY_EXPIRED, KEY_PENDING or SYSTEM_NOT_ACTIVE.
    """
    if authorization is not None:
        known = recall(means, authorization, read.now)
        return known if known is not None else await _system_of_key(read, means, authorization)
    if session is not None:
        person = await _person_of_session(read, means, session)
        if person is not None:
            return person
    return Anonymous(address)


def recall(means: Means, authorization: str, now: datetime) -> SystemCaller | None:
    """The system whose key this process verified within the last three seconds; needs no database."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text.isascii():
        return None
    caller = verified_keys.find(means.keyed_hash(API_KEY_PURPOSE, text.encode("ascii")), now)
    if caller is not None:
        uses.note(uses.keys, caller.key_id, now)
    return caller


def forget_verified(means: Means, authorization: str, now: datetime) -> None:
    """Look this key up in the database when it is shown next, even if it was verified a moment ago."""
    known = recall(means, authorization, now)
    if known is not None:
        verified_keys.forget(system_id=known.system_id)


async def _system_of_key(read: Read, means: Means, authorization: str) -> SystemCaller:
    """1. form and checksum; 2. the key's row; 3. its hash; 4. its state and age; 5. system, agency, government."""
    scheme, _, text = authorization.partition(" ")
    presented = read_api_key(text) if scheme.lower() == "bearer" else None
    if presented is None or presented.environment not in means.environments:
        raise nobody()
    row = await store_systems.find_presented_key(read, presented.public_id)
    key_hash = means.keyed_hash(API_KEY_PURPOSE, presented.text.encode("ascii"))
    if row is None or not hmac.compare_digest(row["key_hash"], key_hash):
        raise nobody()
    _check_key(row, read.now)
    caller = _caller_of(row)
    verified_keys.keep(key_hash, read.now, caller)
    uses.note(uses.keys, caller.key_id, read.now)
    return caller


async def acting_system(read: Read, system_id: uuid.UUID) -> SystemCaller | None:
    """The system as the caller it would be now, for what the hub does on its behalf; None while it is cut off.

    It is cut off when its active key would be refused: none, expired, or system, agency or government not active.
    """
    row = await store_systems.find_active_key(read, system_id)
    if row is None:
        return None
    try:
        _check_key(row, read.now)
    except NotAuthenticated:
        return None
    return _caller_of(row)


def _caller_of(row: RowMapping) -> SystemCaller:
    return SystemCaller(
        system_id=row["system_id"],
        unique_id=row["unique_id"],
        agency_id=row["agency_id"],
        tenant_id=row["tenant_id"],
        environment=Environment(row["environment"]),
        roles=frozenset(SystemRole(role) for role in row["roles"]),
        key_id=row["id"],
    )


def _check_key(row: RowMapping, now: datetime) -> None:
    state = ApiKeyState(row["state"])
    if state is ApiKeyState.REVOKED:
        raise nobody(Code.KEY_REVOKED)
    if state is ApiKeyState.PENDING:
        raise nobody(Code.KEY_PENDING)
    if row["expires_at"] <= now:
        raise nobody(Code.KEY_EXPIRED)
    usable = VERIFIED_STATES if row["environment"] == Environment.TEST.value else {AgencyState.ACTIVE}
    if (
        row["system_status"] != SystemStatus.ACTIVE.value
        or AgencyState(row["agency_state"]) not in usable
        or row["tenant_status"] != TenantStatus.ACTIVE.value
    ):
        raise nobody(Code.SYSTEM_NOT_ACTIVE)


async def _person_of_session(read: Read, means: Means, token: str) -> PersonCaller | None:
    if not is_token(token):
        return None
    token_hash = means.keyed_hash(SESSION_PURPOSE, token.encode("ascii"))
    row = await store_codes.find_live_session(read, token_hash, read.now - SESSION_IDLE_MAX)
    person = await _person_of(read, row, means.second_factor)
    if person is not None:
        uses.note(uses.sessions, person.session_id, read.now)
    return person


async def _person_of(
    read: Read, row: RowMapping | None, policy: SecondFactorPolicy = SecondFactorPolicy.OFFERED
) -> PersonCaller | None:
    if row is None:
        return None
    belongs = row["member_status"] == "ACTIVE" and row["state"] != AgencyState.CLOSED.value
    operator_of = await store.operator_of(read, row["person_id"])
    if not belongs and not operator_of:
        return None
    return PersonCaller(
        person_id=row["person_id"],
        session_id=row["id"],
        agency_id=row["agency_id"] if belongs else None,
        tenant_id=row["tenant_id"] if belongs else None,
        roles=frozenset(PersonRole(role) for role in row["roles"]) if belongs else frozenset(),
        operator_of=operator_of,
        proved_at=row["created_at"],
        factor=FactorStanding(
            is_enrolled=row["enrolled_at"] is not None,
            is_required=policy is SecondFactorPolicy.REQUIRED
            or (policy is SecondFactorPolicy.OPERATORS and bool(operator_of)),
            proved_at=row["factor_at"],
        ),
    )


def credential_of(caller: Caller) -> uuid.UUID | None:
    """The id of the API key or session somebody called with."""
    match caller:
        case SystemCaller():
            return caller.key_id
        case PersonCaller():
            return caller.session_id
        case _:
            return None


async def recheck(
    read: Read, keys: Collection[uuid.UUID], sessions: Collection[uuid.UUID]
) -> dict[uuid.UUID, Caller | NotAuthenticated]:
    """Who authenticated before with these keys and sessions, as they are now: the roles of today, or why not any more.

    For connections that stay open; looking after them is no use of the key or the session.
    """
    found: dict[uuid.UUID, Caller | NotAuthenticated] = {each: nobody() for each in (*keys, *sessions)}
    for row in await store_systems.list_keys_by_id(read, keys) if keys else ():
        try:
            _check_key(row, read.now)
            found[row["id"]] = _caller_of(row)
        except NotAuthenticated as refused:
            found[row["id"]] = refused
    for session_id in sessions:
        live = await store_codes.find_live_session(read, session_id, read.now - SESSION_IDLE_MAX)
        person = await _person_of(read, live)
        if person is not None:
            found[session_id] = person
    return found


def has_uses_to_write(now: datetime) -> bool:
    """Whether :func:`write_uses` is due; costs nothing to ask after every request."""
    return uses.is_due(now)


async def write_uses(db: Database, now: datetime) -> None:
    """Write down when keys and sessions were last used; call it beside a request, at most once a minute."""
    keys, sessions = uses.take(now)
    async with db.transaction() as tx:
        await store_systems.touch_api_keys(tx, keys)
        await store_codes.touch_sessions(tx, sessions)


# Requirements


def require_known(caller: Caller) -> SystemCaller | PersonCaller | HubCaller:
    """Anybody but nobody; raises NotAuthenticated."""
    if isinstance(caller, Anonymous):
        raise nobody()
    return caller


def require_system(caller: Caller, *roles: SystemRole) -> SystemCaller:
    """A system that has one of these roles (any system when none is named).

    Raises NotAuthenticated for nobody, NotAllowed ROLE_NOT_ALLOWED for anybody else.
    """
    known = require_known(caller)
    if not isinstance(known, SystemCaller) or (roles and not known.roles & set(roles)):
        raise not_allowed()
    return known


def require_person(caller: Caller, *roles: PersonRole) -> PersonCaller:
    """A signed-in person who has one of these roles in the own agency (any person when none is named)."""
    known = require_known(caller)
    if not isinstance(known, PersonCaller) or (roles and not known.roles & set(roles)):
        raise not_allowed()
    return known


def require_operator(caller: Caller, tenant_id: uuid.UUID) -> PersonCaller | HubCaller:
    """An operator of this government, or the hub itself."""
    known = require_known(caller)
    if isinstance(known, HubCaller) or (isinstance(known, PersonCaller) and tenant_id in known.operator_of):
        return known
    raise not_allowed()


def require_fresh(caller: Caller, now: datetime) -> None:
    """What every weighty step asks of a person: the second factor of whoever has one, else a fresh one-time code.

    Raises RuleBroken SECOND_FACTOR_REQUIRED when no code of the enrolled factor came within ten minutes,
    SECOND_FACTOR_MISSING when this installation wants one from this person, STEP_UP_REQUIRED when the one-time code
    of the session is older than a quarter of an hour.
    """
    if not isinstance(caller, PersonCaller):
        return
    factor = caller.factor
    if factor.is_enrolled:
        if factor.proved_at is None or now - factor.proved_at > FACTOR_FRESH_FOR:
            raise RuleBroken.because(Code.SECOND_FACTOR_REQUIRED, Code.SECOND_FACTOR_REQUIRED.summary)
        return
    if factor.is_required:
        raise RuleBroken.because(Code.SECOND_FACTOR_MISSING, Code.SECOND_FACTOR_MISSING.summary)
    require_fresh_code(caller, now)


def require_fresh_code(caller: PersonCaller, now: datetime) -> None:
    """A one-time code within a quarter of an hour; all that enrolling a second factor asks for."""
    if caller.proved_at is None or now - caller.proved_at > FRESH_FOR:
        raise RuleBroken.because(Code.STEP_UP_REQUIRED, Code.STEP_UP_REQUIRED.summary)


def is_operator(caller: Caller, tenant_id: uuid.UUID) -> bool:
    """Whether the caller keeps this government's registries."""
    return isinstance(caller, HubCaller) or (
        isinstance(caller, PersonCaller) and tenant_id in caller.operator_of
    )


def require_one_of(caller: Caller, agency_id: uuid.UUID, *roles: PersonRole) -> PersonCaller | HubCaller:
    """A member of this very agency with one of these roles, or the hub itself; raises NotAllowed."""
    known = require_known(caller)
    if isinstance(known, HubCaller):
        return known
    if isinstance(known, PersonCaller) and known.agency_id == agency_id and known.roles & set(roles):
        return known
    raise not_allowed()


# What is visible, as conditions of the query itself


def visible_tenants(caller: Caller) -> ColumnElement[bool]:
    """Active governments are known to everybody; suspended ones to the hub and their operators."""
    if isinstance(caller, HubCaller):
        return true()
    active = tenant.c.status == TenantStatus.ACTIVE.value
    if isinstance(caller, PersonCaller) and caller.operator_of:
        return or_(active, tenant.c.id.in_(caller.operator_of))
    return active


def visible_agencies(caller: Caller) -> ColumnElement[bool]:
    """The own agency, and all of a government to its operators."""
    if isinstance(caller, HubCaller):
        return true()
    if not isinstance(caller, PersonCaller):
        return false()
    own = and_(agency.c.tenant_id == caller.tenant_id, agency.c.id == caller.agency_id)
    return or_(own, agency.c.tenant_id.in_(caller.operator_of))


def visible_systems(caller: Caller) -> ColumnElement[bool]:
    """A system sees itself, a person the own agency's, an operator the government's."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            return and_(system.c.tenant_id == caller.tenant_id, system.c.id == caller.system_id)
        case PersonCaller():
            own = and_(system.c.tenant_id == caller.tenant_id, system.c.agency_id == caller.agency_id)
            return or_(own, system.c.tenant_id.in_(caller.operator_of))
        case _:
            return false()


def own_systems(caller: Caller) -> ColumnElement[bool]:
    """As :func:`visible_systems`, without an operator's view: what belongs to the caller."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            return and_(system.c.tenant_id == caller.tenant_id, system.c.id == caller.system_id)
        case PersonCaller():
            return and_(system.c.tenant_id == caller.tenant_id, system.c.agency_id == caller.agency_id)
        case _:
            return false()
