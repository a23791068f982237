"""Verbs on systems: their registration, their unique ids, and when they may act."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.registry import access, agencies, apikeys, history, rules, store_systems, tenants
from hub.domain.registry.access import VERIFIED_STATES
from hub.domain.registry.callers import Caller, Environment, HubCaller, PersonCaller, PersonRole, SystemRole
from hub.domain.registry.commands import RegisterSystem, fingerprint
from hub.domain.registry.idempotency import once
from hub.domain.registry.model import (
    Agency,
    AgencyState,
    ApiKeyState,
    DirectoryEntry,
    NewApiKey,
    System,
    SystemStatus,
)
from hub.domain.registry.tables import system
from hub.domain.registry.uses import verified_keys
from hub.errors import Conflict, InvalidInput, Problem, RuleBroken
from hub.kit.ids import new_id
from hub.means import Means

NAME_LENGTH = (2, 64)
SCOPES_MAX = 100
SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
SAME_NAME_MAX = 1_000


async def register_system(
    tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID, command: RegisterSystem
) -> tuple[System, NewApiKey | None]:
    """A new system with its first API key; the key is shown in this answer and never again.

    For owners and developers of the agency, and the hub. Repeated with the same idempotency key it answers
    the same system without the key. Raises InvalidInput SYSTEM_NAME, ROLE_REQUIRED; Conflict SYSTEM_ID_TAKEN;
    RuleBroken AGENCY_NOT_ACTIVE (a test system needs a verified agency, a live one an approved agency, a live
    provider one that two operators approved) or STEP_UP_REQUIRED.
    """
    home = await agencies.get_agency(tx, means, caller, agency_id)
    access.require_one_of(caller, home.id, *apikeys.KEEPERS)
    problems = _check(rules.tidy(command.name), command)
    if problems:
        raise InvalidInput(problems)
    _check_agency(caller, home, command)
    if command.environment is Environment.LIVE:
        access.require_fresh(caller, tx.now)
    system_id = new_id()
    earlier = await once(
        tx, caller, command.idempotency_key, "registerSystem", fingerprint(command, home.id), system_id
    )
    if earlier is not None:
        return await get_system(tx, earlier), None
    government = await tenants.get_tenant(tx, home.tenant_id)
    values = _values(home, command, system_id, tx.now)
    behind = rules.authority(government.slug, command.environment, means.domain)
    if command.unique_id is not None:
        await _insert_as(tx, values, command.unique_id, behind)
    else:
        await _insert_named(tx, values, behind)
    await history.record(
        tx,
        caller,
        "SYSTEM",
        system_id,
        "REGISTERED",
        tenant_id=home.tenant_id,
        roles=sorted(command.roles),
        environment=command.environment.value,
    )
    made = await get_system(tx, system_id)
    return made, await apikeys.issue(tx, means, caller, made, ApiKeyState.ACTIVE)


async def suspend_system(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    """The system may not act until it is resumed. For the agency's owners and the government's operators."""
    return await _move(tx, caller, system_id, SystemStatus.SUSPENDED)


async def resume_system(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    """A suspended system may act again. An operator's suspension is lifted by operators alone."""
    return await _move(tx, caller, system_id, SystemStatus.ACTIVE)


async def close_system(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    """The system ends: its API keys are revoked, its unique id stays taken for ever."""
    access.require_fresh(caller, tx.now)
    return await _move(tx, caller, system_id, SystemStatus.CLOSED)


async def get_system(read: Read, system_id: uuid.UUID) -> System:
    """A system by id, for rooms that are authorised already; raises NotFound."""
    found = await store_systems.list_systems(read, system.c.id == system_id)
    if not found:
        raise access.absent()
    return found[0]


async def find_system(read: Read, caller: Caller, system_id: uuid.UUID) -> System | None:
    """A system by id, when the caller may see it."""
    return await store_systems.find_system(read, system_id, access.visible_systems(caller))


async def systems_by_unique_id(
    read: Read, tenant_id: uuid.UUID, unique_ids: Collection[str]
) -> dict[str, System]:
    """Systems of a government by unique id, of every status, for rooms that are authorised already."""
    if not unique_ids:
        return {}
    found = await store_systems.list_by_unique_id(read, tenant_id, unique_ids)
    return {each.unique_id: each for each in found}


async def systems_by_id(
    read: Read, tenant_id: uuid.UUID, system_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, System]:
    """Systems of a government by id, of every status, for rooms that are authorised already."""
    if not system_ids:
        return {}
    where = and_(system.c.tenant_id == tenant_id, system.c.id.in_(system_ids))
    return {each.id: each for each in await store_systems.list_systems(read, where)}


async def list_systems(
    read: Read,
    caller: Caller,
    *,
    agency_id: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
    limit: int,
) -> list[System]:
    """The systems a caller may see: the own agency's, to operators the government's, to a system itself."""
    access.require_known(caller)
    where: ColumnElement[bool] = access.visible_systems(caller)
    if agency_id is not None:
        where = and_(where, system.c.agency_id == agency_id)
    return await store_systems.list_systems(read, where, after, limit)


async def list_directory(
    read: Read, caller: Caller, *, after: str | None, limit: int
) -> list[DirectoryEntry]:
    """Whom a system can address: active systems of its government and environment; for systems alone."""
    asker = access.require_system(caller)
    return await store_systems.list_directory(read, asker.tenant_id, asker.environment, after, limit)


def _check(name: str, command: RegisterSystem) -> list[Problem]:
    problems = rules.check_text(Code.SYSTEM_NAME, name, *NAME_LENGTH, "name")
    if not command.roles:
        problems.append(Problem(Code.ROLE_REQUIRED, Code.ROLE_REQUIRED.summary, ("roles",)))
    for path, scope in (
        ("scopeTenants", command.scope_tenants),
        ("scopeMajorTypes", command.scope_major_types),
        ("scopeSubTypes", command.scope_sub_types),
    ):
        if scope is not None and (len(scope) > SCOPES_MAX or not all(map(SCOPE.fullmatch, scope))):
            problems.append(Problem(Code.INPUT, f"{path}: at most {SCOPES_MAX} codes", (path,)))
    return problems


def _check_agency(caller: Caller, home: Agency, command: RegisterSystem) -> None:
    """Test systems need a verified agency, live ones an approved, live providers a twice approved one."""
    if command.environment is Environment.TEST:
        fits = home.state in VERIFIED_STATES
        message = Code.AGENCY_NOT_ACTIVE.summary
    else:
        is_provider = SystemRole.PROVIDER in command.roles
        enough = isinstance(caller, HubCaller) or agencies.may_run_live_providers(home)
        fits = home.state is AgencyState.ACTIVE and (enough or not is_provider)
        message = (
            "A live provider needs an agency that two operators approved."
            if home.state is AgencyState.ACTIVE
            else Code.AGENCY_NOT_ACTIVE.summary
        )
    if not fits:
        raise RuleBroken.because(Code.AGENCY_NOT_ACTIVE, message)


def _values(home: Agency, command: RegisterSystem, system_id: uuid.UUID, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": home.tenant_id,
        "id": system_id,
        "agency_id": home.id,
        "name": rules.tidy(command.name),
        "roles": sorted(command.roles),
        "environment": command.environment.value,
        "status": SystemStatus.ACTIVE.value,
        "scope_tenants": _sorted(command.scope_tenants),
        "scope_major_types": _sorted(command.scope_major_types),
        "scope_sub_types": _sorted(command.scope_sub_types),
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


async def _insert_as(tx: Transaction, values: dict[str, Any], unique_id: str, behind: str) -> None:
    """Write the row under the unique id that was asked for, or refuse."""
    local, _, authority = unique_id.partition("@")
    if not rules.SYSTEM_SLUG.fullmatch(local) or authority != behind:
        raise InvalidInput.because(
            Code.SYSTEM_NAME,
            f"a unique id here is 3 to 32 letters, digits or hyphens, and @{behind}",
            "uniqueId",
        )
    if not await store_systems.insert_system(tx, {**values, "unique_id": unique_id}):
        raise Conflict.because(Code.SYSTEM_ID_TAKEN, Code.SYSTEM_ID_TAKEN.summary, "uniqueId")


async def _insert_named(tx: Transaction, values: dict[str, Any], behind: str) -> None:
    """Write the row under the first unique id nobody ever had; of two at once the loser takes the next."""
    slug = rules.slug_of(values["name"])
    stem = slug[: rules.SYSTEM_SLUG_LENGTH_MAX - rules.SUFFIX_LENGTH_MAX].rstrip("-")
    taken = await store_systems.taken_unique_ids(tx, stem, behind)
    for number in range(1, SAME_NAME_MAX + 1):
        unique_id = f"{rules.numbered_slug(slug, number)}@{behind}"
        if unique_id not in taken and await store_systems.insert_system(
            tx, {**values, "unique_id": unique_id}
        ):
            return
    raise Conflict.because(Code.SYSTEM_ID_TAKEN, "too many systems of this name", "name")


def _sorted(scope: frozenset[str] | None) -> list[str] | None:
    return None if scope is None else sorted(scope)


async def _move(tx: Transaction, caller: Caller, system_id: uuid.UUID, to: SystemStatus) -> System:
    access.require_known(caller)
    found = await store_systems.find_system(tx, system_id, access.visible_systems(caller), lock=True)
    if found is None:
        raise access.absent("id")
    if not access.is_operator(caller, found.tenant_id):
        access.require_one_of(caller, found.agency_id, PersonRole.OWNER)
    if found.status is to:
        return found
    if found.status is SystemStatus.CLOSED:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, "a closed system stays closed", "id")
    if to is SystemStatus.ACTIVE and not access.is_operator(caller, found.tenant_id):
        await _check_own_suspension(tx, found)
    where = and_(system.c.tenant_id == found.tenant_id, system.c.id == found.id)
    moved = await store_systems.move_systems(tx, where, to)
    await history.record(
        tx,
        caller,
        "SYSTEM",
        found.id,
        to.value,
        tenant_id=found.tenant_id,
        by_operator=_acts_as_operator(caller, found),
    )
    if to is SystemStatus.CLOSED:
        await apikeys.revoke_all(tx, caller, found)
    verified_keys.forget(system_id=found.id)
    return moved[0]


def _acts_as_operator(caller: Caller, found: System) -> bool:
    """Who is both, operator and member, acts as member where the system is the own agency's."""
    is_member = isinstance(caller, PersonCaller) and caller.agency_id == found.agency_id
    return access.is_operator(caller, found.tenant_id) and not is_member


async def _check_own_suspension(tx: Transaction, found: System) -> None:
    last = await history.last_details(tx, found.tenant_id, found.id, SystemStatus.SUSPENDED.value)
    if last is not None and last.get("by_operator"):
        raise access.not_allowed("an operator suspended this system; only an operator resumes it")
