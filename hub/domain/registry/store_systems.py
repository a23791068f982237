"""Rows of systems, API keys and signing keys, turned into the room's values."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from asyncpg import Record
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.db import Read, Transaction
from hub.domain.registry.callers import Environment, SystemRole
from hub.domain.registry.model import (
    ApiKey,
    ApiKeyState,
    DirectoryEntry,
    SigningKey,
    System,
    SystemStatus,
)
from hub.domain.registry.tables import agency, api_key, signing_key, signing_key_challenge, system, tenant
from hub.signing import KeyState


def _optional(values: Iterable[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _system(row: RowMapping | Record) -> System:
    return System(
        **{
            **row,
            "roles": frozenset(SystemRole(role) for role in row["roles"]),
            "environment": Environment(row["environment"]),
            "status": SystemStatus(row["status"]),
            "scope_tenants": _optional(row["scope_tenants"]),
            "scope_major_types": _optional(row["scope_major_types"]),
            "scope_sub_types": _optional(row["scope_sub_types"]),
        }
    )


async def find_system(
    read: Read, system_id: uuid.UUID, visible: ColumnElement[bool], *, lock: bool = False
) -> System | None:
    """One system, when the caller may see it."""
    query = select(system).where(system.c.id == system_id, visible)
    if lock:
        query = query.with_for_update()
    row = (await read.rows(query)).mappings().one_or_none()
    return _system(row) if row is not None else None


async def list_systems(
    read: Read, where: ColumnElement[bool], after: uuid.UUID | None = None, limit: int | None = None
) -> list[System]:
    """Systems in the order of their registration."""
    query = select(system).where(where).order_by(system.c.id)
    if after is not None:
        query = query.where(system.c.id > after)
    return [_system(row) for row in (await read.rows(query.limit(limit))).mappings()]


SYSTEMS_BY_UNIQUE_ID = (
    f"SELECT {', '.join(system.c.keys())} FROM system "  # noqa: S608
    "WHERE tenant_id = $1 AND unique_id = ANY($2::text[]) ORDER BY id"
)


async def list_by_unique_id(read: Read, tenant_id: uuid.UUID, unique_ids: Collection[str]) -> list[System]:
    """Systems of one government by their unique ids, by a statement each connection prepares once."""
    return [_system(row) for row in await read.fetch(SYSTEMS_BY_UNIQUE_ID, tenant_id, list(unique_ids))]


async def insert_system(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Write a system; False when its unique id is, or once was, in use."""
    statement = (
        upsert(system)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["unique_id"])
        .returning(system.c.id)
    )
    return await tx.scalar(statement) is not None


async def taken_unique_ids(read: Read, local_prefix: str, authority: str) -> frozenset[str]:
    """Unique ids at an authority, of any status, whose local part begins so."""
    query = select(system.c.unique_id).where(
        system.c.unique_id.startswith(local_prefix, autoescape=True),
        system.c.unique_id.endswith(f"@{authority}", autoescape=True),
    )
    return frozenset((await read.rows(query)).scalars())


async def move_systems(tx: Transaction, where: ColumnElement[bool], to: SystemStatus) -> list[System]:
    """Change the status of systems; answers those that changed."""
    statement = (
        update(system)
        .where(where, system.c.status != to.value)
        .values(status=to.value, version=system.c.version + 1, updated_at=tx.now)
        .returning(system)
    )
    return [_system(row) for row in (await tx.rows(statement)).mappings()]


async def list_directory(
    read: Read, tenant_id: uuid.UUID, environment: Environment, after: str | None, limit: int
) -> list[DirectoryEntry]:
    """Active systems of active agencies, by unique id."""
    query = (
        select(system.c.id, system.c.unique_id, system.c.name, system.c.roles)
        .join_from(
            system, agency, and_(agency.c.tenant_id == system.c.tenant_id, agency.c.id == system.c.agency_id)
        )
        .where(
            system.c.tenant_id == tenant_id,
            system.c.environment == environment.value,
            system.c.status == SystemStatus.ACTIVE.value,
            agency.c.state.in_(["EMAIL_VERIFIED", "ACTIVE"]),
        )
        .order_by(system.c.unique_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(system.c.unique_id > after)
    return [
        DirectoryEntry(row.id, row.unique_id, row.name, frozenset(SystemRole(role) for role in row.roles))
        for row in await read.rows(query)
    ]


# API keys


def _api_key(row: RowMapping) -> ApiKey:
    kept = {name: row[name] for name in row if name != "key_hash"}
    return ApiKey(**{**kept, "state": ApiKeyState(row["state"])})


def _presented() -> Select[Any]:
    """An API key with the system, agency and government behind it."""
    return (
        select(
            api_key,
            system.c.unique_id,
            system.c.agency_id,
            system.c.roles,
            system.c.environment,
            system.c.status.label("system_status"),
            agency.c.state.label("agency_state"),
            tenant.c.status.label("tenant_status"),
        )
        .join_from(
            api_key,
            system,
            and_(system.c.tenant_id == api_key.c.tenant_id, system.c.id == api_key.c.system_id),
        )
        .join(agency, and_(agency.c.tenant_id == system.c.tenant_id, agency.c.id == system.c.agency_id))
        .join(tenant, tenant.c.id == system.c.tenant_id)
    )


async def find_presented_key(read: Read, public_id: str) -> RowMapping | None:
    """The row behind the public part of a presented key, its hash included."""
    return (await read.rows(_presented().where(api_key.c.public_id == public_id))).mappings().one_or_none()


async def list_keys_by_id(read: Read, key_ids: Collection[uuid.UUID]) -> list[RowMapping]:
    """The rows of keys that were presented before, as they are now."""
    return list((await read.rows(_presented().where(api_key.c.id.in_(key_ids)))).mappings())


async def find_active_key(read: Read, system_id: uuid.UUID) -> RowMapping | None:
    """The row of a system's active key, if it has one."""
    active = (api_key.c.system_id == system_id, api_key.c.state == ApiKeyState.ACTIVE.value)
    return (await read.rows(_presented().where(*active))).mappings().one_or_none()


async def list_api_keys(
    read: Read, tenant_id: uuid.UUID, system_id: uuid.UUID, after: uuid.UUID | None, limit: int
) -> list[ApiKey]:
    """A system's keys in the order of their making."""
    query = (
        select(api_key)
        .where(api_key.c.tenant_id == tenant_id, api_key.c.system_id == system_id)
        .order_by(api_key.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(api_key.c.id > after)
    return [_api_key(row) for row in (await read.rows(query)).mappings()]


async def find_api_key(read: Read, key_id: uuid.UUID, visible: ColumnElement[bool]) -> ApiKey | None:
    """One key of a system the caller may see."""
    query = (
        select(api_key)
        .join_from(
            api_key,
            system,
            and_(system.c.tenant_id == api_key.c.tenant_id, system.c.id == api_key.c.system_id),
        )
        .where(api_key.c.id == key_id, visible)
    )
    row = (await read.rows(query)).mappings().one_or_none()
    return _api_key(row) if row is not None else None


async def insert_api_key(tx: Transaction, values: Mapping[str, Any]) -> ApiKey:
    """Write a key. A second active or second pending one of a system breaks a unique index."""
    row = (await tx.rows(insert(api_key).values(**values).returning(api_key))).mappings().one()
    return _api_key(row)


async def move_api_keys(
    tx: Transaction, where: ColumnElement[bool], to: ApiKeyState, *, stamp: str
) -> list[ApiKey]:
    """Change the state of keys and stamp the instant; answers those that changed."""
    statement = (
        update(api_key)
        .where(where, api_key.c.state != ApiKeyState.REVOKED.value)
        .values({"state": to.value, stamp: tx.now})
        .returning(api_key)
    )
    return [_api_key(row) for row in (await tx.rows(statement)).mappings()]


async def touch_api_keys(tx: Transaction, used: Mapping[uuid.UUID, datetime]) -> None:
    """Note when keys were last used; never backwards, and in one order so that processes never block crosswise."""
    if not used:
        return
    earlier = func.coalesce(api_key.c.last_used_at, api_key.c.created_at) < bindparam("used_at")
    statement = update(api_key).where(api_key.c.id == bindparam("key_id"), earlier)
    rows = [{"key_id": key_id, "used_at": used[key_id]} for key_id in sorted(used)]
    await tx.execute(statement.values(last_used_at=bindparam("used_at")), rows)


# Signing keys


def _signing_keys() -> Select[Any]:
    return select(signing_key, system.c.unique_id).join_from(
        signing_key,
        system,
        and_(system.c.tenant_id == signing_key.c.tenant_id, system.c.id == signing_key.c.system_id),
    )


def _signing_key(row: RowMapping) -> SigningKey:
    return SigningKey(**{**row, "state": KeyState(row["state"])})


async def find_signing_key(
    read: Read, key_id: uuid.UUID, visible: ColumnElement[bool], *, lock: bool = False
) -> SigningKey | None:
    """One signing key, when the caller may see its system."""
    query = _signing_keys().where(signing_key.c.id == key_id, visible)
    if lock:
        query = query.with_for_update(of=signing_key)
    row = (await read.rows(query)).mappings().one_or_none()
    return _signing_key(row) if row is not None else None


KEYS_BY_ID = """
SELECT k.tenant_id, k.id, k.system_id, s.unique_id, k.public_key, k.state, k.valid_from, k.valid_to,
       k.compromised_since, k.version, k.created_at, k.updated_at
FROM signing_key k JOIN system s ON s.tenant_id = k.tenant_id AND s.id = k.system_id
WHERE k.id = ANY($1::uuid[])
"""


async def signing_keys_of(read: Read, key_ids: Collection[uuid.UUID]) -> list[SigningKey]:
    """Signing keys by their ids, whoever may see them."""
    rows = await read.fetch(KEYS_BY_ID, list(key_ids))
    return [SigningKey(**{**row, "state": KeyState(row["state"])}) for row in rows]


async def list_signing_keys(
    read: Read, where: ColumnElement[bool], after: uuid.UUID | None, limit: int
) -> list[SigningKey]:
    """Signing keys in the order of their registration."""
    query = _signing_keys().where(where).order_by(signing_key.c.id).limit(limit)
    if after is not None:
        query = query.where(signing_key.c.id > after)
    return [_signing_key(row) for row in (await read.rows(query)).mappings()]


async def has_public_key(read: Read, raw: bytes) -> bool:
    """Whether any system of the hub registered this public key."""
    return await read.scalar(select(signing_key.c.id).where(signing_key.c.public_key == raw)) is not None


async def insert_signing_key(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Write a signing key; False when the hub knows the public key already."""
    statement = (
        upsert(signing_key)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["public_key"])
        .returning(signing_key.c.id)
    )
    return await tx.scalar(statement) is not None


async def change_signing_key(tx: Transaction, key: SigningKey, **values: Any) -> None:
    """Change a signing key's state or validity; the caller holds its row."""
    await tx.execute(
        update(signing_key)
        .where(signing_key.c.tenant_id == key.tenant_id, signing_key.c.id == key.id)
        .values(version=key.version + 1, updated_at=tx.now, **values)
    )


async def insert_challenge(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write a challenge."""
    await tx.execute(insert(signing_key_challenge).values(**values))


async def use_challenge(
    tx: Transaction, tenant_id: uuid.UUID, system_id: uuid.UUID, nonce: str, raw: bytes
) -> uuid.UUID | None:
    """Spend an open challenge of this system and key; answers the id the key gets, or None."""
    statement = (
        update(signing_key_challenge)
        .where(
            signing_key_challenge.c.nonce == nonce,
            signing_key_challenge.c.tenant_id == tenant_id,
            signing_key_challenge.c.system_id == system_id,
            signing_key_challenge.c.public_key == raw,
            signing_key_challenge.c.used_at.is_(None),
            signing_key_challenge.c.expires_at > tx.now,
        )
        .values(used_at=tx.now)
        .returning(signing_key_challenge.c.key_id)
    )
    found: uuid.UUID | None = await tx.scalar(statement)
    return found


async def forget_challenges(tx: Transaction, before: datetime) -> None:
    """Delete challenges that ran out before an instant."""
    await tx.execute(delete(signing_key_challenge).where(signing_key_challenge.c.expires_at < before))
