"""Verbs on API keys: exactly one of a system is active; a secret is shown once and kept as a keyed hash."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import ColumnElement, and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.registry import access, history, store_systems
from hub.domain.registry.callers import Caller, Environment, PersonRole
from hub.domain.registry.model import ApiKey, ApiKeyState, NewApiKey, System, SystemStatus
from hub.domain.registry.secrets import new_api_key
from hub.domain.registry.tables import api_key
from hub.domain.registry.uses import verified_keys
from hub.errors import RuleBroken
from hub.kit.ids import new_id
from hub.means import Means

API_KEY_AGE_MAX = timedelta(days=365)
KEEPERS = (PersonRole.OWNER, PersonRole.DEVELOPER)


async def regenerate_api_key(
    tx: Transaction, means: Means, caller: Caller, system_id: uuid.UUID
) -> NewApiKey:
    """A new active key; the old one and any prepared one are revoked in the same transaction.

    Two at the same moment queue up behind the system's row: the later one's key stays. Raises NotFound,
    NotAllowed, RuleBroken SYSTEM_NOT_ACTIVE or STEP_UP_REQUIRED.
    """
    owner = await _system_to_key(tx, caller, system_id)
    await _revoke(tx, caller, owner, ApiKeyState.ACTIVE, ApiKeyState.PENDING)
    return await issue(tx, means, caller, owner, ApiKeyState.ACTIVE)


async def prepare_api_key(tx: Transaction, means: Means, caller: Caller, system_id: uuid.UUID) -> NewApiKey:
    """A pending key, which authenticates nothing until it is activated; an older pending one is revoked."""
    owner = await _system_to_key(tx, caller, system_id)
    await _revoke(tx, caller, owner, ApiKeyState.PENDING)
    return await issue(tx, means, caller, owner, ApiKeyState.PENDING)


async def activate_api_key(tx: Transaction, caller: Caller, key_id: uuid.UUID) -> ApiKey:
    """The pending key becomes the active one and the old one is revoked, at one instant.

    Raises NotFound, NotAllowed, RuleBroken KEY_STATE for a key that is not pending, or KEY_EXPIRED.
    """
    key = await _key(tx, caller, key_id)
    owner = await _system_to_key(tx, caller, key.system_id)
    key = await _key(tx, caller, key_id)
    if key.state is not ApiKeyState.PENDING:
        raise RuleBroken.because(Code.KEY_STATE, "only a pending key can be activated", "id")
    if key.expires_at <= tx.now:
        raise RuleBroken.because(Code.KEY_EXPIRED, Code.KEY_EXPIRED.summary, "id")
    await _revoke(tx, caller, owner, ApiKeyState.ACTIVE)
    moved = await store_systems.move_api_keys(
        tx, _of(owner, api_key.c.id == key_id), ApiKeyState.ACTIVE, stamp="activated_at"
    )
    await history.record(tx, caller, "API_KEY", key_id, "ACTIVATED", tenant_id=owner.tenant_id)
    return moved[0]


async def revoke_api_key(tx: Transaction, caller: Caller, key_id: uuid.UUID) -> ApiKey:
    """The key never authenticates again; repeating it changes nothing. Raises NotFound, NotAllowed."""
    key = await _key(tx, caller, key_id)
    owner = await _own_system(tx, caller, key.system_id)
    access.require_one_of(caller, owner.agency_id, *KEEPERS)
    await revoke_all(tx, caller, owner, api_key.c.id == key_id)
    return await _key(tx, caller, key_id)


async def list_api_keys(
    read: Read, caller: Caller, system_id: uuid.UUID, *, after: uuid.UUID | None, limit: int
) -> list[ApiKey]:
    """What may be seen of a system's keys, for its agency and itself; raises NotFound."""
    access.require_known(caller)
    found = await store_systems.find_system(read, system_id, access.own_systems(caller))
    if found is None:
        raise access.absent("systemId")
    return await store_systems.list_api_keys(read, found.tenant_id, found.id, after, limit)


async def find_api_key(read: Read, caller: Caller, key_id: uuid.UUID) -> ApiKey | None:
    """What may be seen of one key, when it belongs to the caller."""
    return await store_systems.find_api_key(read, key_id, access.own_systems(caller))


async def issue(
    tx: Transaction, means: Means, caller: Caller, owner: System, state: ApiKeyState
) -> NewApiKey:
    """Make a key for a system the caller is known to keep."""
    text = new_api_key(owner.environment)
    key_id = new_id()
    values = {
        "tenant_id": owner.tenant_id,
        "id": key_id,
        "system_id": owner.id,
        "public_id": text.public_id,
        "key_hash": means.keyed_hash(access.API_KEY_PURPOSE, text.text.encode("ascii")),
        "state": state.value,
        "created_at": tx.now,
        "expires_at": tx.now + API_KEY_AGE_MAX,
        "activated_at": tx.now if state is ApiKeyState.ACTIVE else None,
    }
    key = await store_systems.insert_api_key(tx, values)
    await history.record(
        tx,
        caller,
        "API_KEY",
        key_id,
        "CREATED",
        tenant_id=owner.tenant_id,
        system=str(owner.id),
        state=state.value,
    )
    return NewApiKey(key, text.text)


async def revoke_all(
    tx: Transaction, caller: Caller, owner: System, *conditions: ColumnElement[bool]
) -> None:
    """Revoke a system's keys (those that meet the conditions) and forget them in this process."""
    where = _of(owner, *conditions)
    for key in await store_systems.move_api_keys(tx, where, ApiKeyState.REVOKED, stamp="revoked_at"):
        await history.record(tx, caller, "API_KEY", key.id, "REVOKED", tenant_id=owner.tenant_id)
    verified_keys.forget(system_id=owner.id)


async def _revoke(tx: Transaction, caller: Caller, owner: System, *states: ApiKeyState) -> None:
    await revoke_all(tx, caller, owner, api_key.c.state.in_([state.value for state in states]))


def _of(owner: System, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(api_key.c.tenant_id == owner.tenant_id, api_key.c.system_id == owner.id, *conditions)


async def _own_system(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    access.require_known(caller)
    found = await store_systems.find_system(tx, system_id, access.own_systems(caller), lock=True)
    if found is None:
        raise access.absent("systemId")
    return found


async def _system_to_key(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    """The system, its row held, when the caller may make a key for it now."""
    found = await _own_system(tx, caller, system_id)
    access.require_one_of(caller, found.agency_id, *KEEPERS)
    if found.status is not SystemStatus.ACTIVE:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary, "systemId")
    if found.environment is Environment.LIVE:
        access.require_fresh(caller, tx.now)
    return found


async def _key(tx: Transaction, caller: Caller, key_id: uuid.UUID) -> ApiKey:
    access.require_known(caller)
    found = await store_systems.find_api_key(tx, key_id, access.own_systems(caller))
    if found is None:
        raise access.absent("id")
    return found
