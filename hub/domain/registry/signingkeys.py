"""Verbs on signing keys: proof of possession, validity, retirement, and the report of a compromise."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.registry import access, codes, history, store_systems
from hub.domain.registry.apikeys import KEEPERS
from hub.domain.registry.callers import Caller, Environment, SystemCaller
from hub.domain.registry.commands import AddSigningKey
from hub.domain.registry.model import KeyChallenge, SigningKey, System, SystemStatus
from hub.domain.registry.secrets import new_token
from hub.domain.registry.tables import signing_key as signing_key_table, system
from hub.errors import Conflict, InvalidInput, Problem, RuleBroken
from hub.kit import ids
from hub.kit.ids import new_id
from hub.signing import (
    KeyRefused,
    KeyState,
    Possession,
    PublicKey,
    SignatureInvalid,
    public_key,
    verify_possession,
)

CHALLENGE_VALID_FOR = timedelta(minutes=10)
CLOCK_SKEW_MAX = timedelta(minutes=5)
STEPS = {
    KeyState.ACTIVE: frozenset({KeyState.PENDING}),
    KeyState.RETIRING: frozenset({KeyState.ACTIVE, KeyState.RETIRING}),
    KeyState.RETIRED: frozenset({KeyState.PENDING, KeyState.ACTIVE, KeyState.RETIRING}),
    KeyState.COMPROMISED: frozenset(KeyState),
}


async def request_key_challenge(
    tx: Transaction, caller: Caller, system_id: uuid.UUID, raw: bytes
) -> KeyChallenge:
    """What the new key must sign, once and within ten minutes, to prove that its private half is there.

    For the system itself and its agency's owners and developers. Raises NotFound, InvalidInput KEY_LENGTH,
    KEY_ENCODING, KEY_SMALL_ORDER, KEY_NOT_ON_CURVE, KEY_MIXED_ORDER, Conflict KEY_DUPLICATE.
    """
    owner = await _keeper_of(tx, caller, system_id)
    sound = _sound(raw)
    if await store_systems.has_public_key(tx, sound.raw):
        raise _duplicate()
    key_id, challenge_id, nonce = new_id(), new_id(), new_token()
    expires_at = tx.now + CHALLENGE_VALID_FOR
    await store_systems.insert_challenge(
        tx,
        {
            "tenant_id": owner.tenant_id,
            "id": challenge_id,
            "system_id": owner.id,
            "key_id": key_id,
            "public_key": sound.raw,
            "nonce": nonce,
            "created_at": tx.now,
            "expires_at": expires_at,
        },
    )
    await codes.forget_later(tx)
    proof = Possession(owner.unique_id, ids.public_id("sgk", key_id), sound, challenge=nonce)
    return KeyChallenge(challenge_id, key_id, nonce, proof.bytes(), expires_at)


async def add_signing_key(
    tx: Transaction, caller: Caller, system_id: uuid.UUID, command: AddSigningKey
) -> SigningKey:
    """The key is registered, once its answer to the hub's challenge holds.

    1. the caller keeps the system; 2. the key is sound; 3. its validity makes sense; 4. the challenge was
    given to this system for this key, is younger than ten minutes and is spent now; 5. the key signed it;
    6. no system of the hub has this key.

    Raises NotFound, InvalidInput (the key's own codes, VALIDITY_ORDER, KEY_POSSESSION), Conflict KEY_DUPLICATE.
    """
    owner = await _keeper_of(tx, caller, system_id)
    if owner.environment is Environment.LIVE:
        access.require_fresh(caller, tx.now)
    sound = _sound(command.public_key)
    valid_from = command.valid_from or tx.now
    _check_validity(valid_from, command.valid_to, tx.now)
    key_id = await store_systems.use_challenge(tx, owner.tenant_id, owner.id, command.challenge, sound.raw)
    if key_id is None:
        raise _no_possession()
    proof = Possession(owner.unique_id, ids.public_id("sgk", key_id), sound, challenge=command.challenge)
    try:
        verify_possession(proof, command.signature)
    except SignatureInvalid:
        raise _no_possession() from None
    state = KeyState.ACTIVE if command.activate else KeyState.PENDING
    values = {
        "tenant_id": owner.tenant_id,
        "id": key_id,
        "system_id": owner.id,
        "public_key": sound.raw,
        "state": state.value,
        "valid_from": valid_from,
        "valid_to": command.valid_to,
        "version": 1,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    if not await store_systems.insert_signing_key(tx, values):
        raise _duplicate()
    await history.record(
        tx,
        caller,
        "SIGNING_KEY",
        key_id,
        "ADDED",
        tenant_id=owner.tenant_id,
        system=str(owner.id),
        state=state.value,
        # What the log commits to, so that nobody can put another key into the row unseen.
        publicKey=sound.base64,
        validFrom=valid_from.isoformat(),
        validTo=command.valid_to.isoformat() if command.valid_to is not None else None,
    )
    return await _get(tx, key_id)


async def activate_signing_key(tx: Transaction, caller: Caller, key_id: uuid.UUID) -> SigningKey:
    """A pending key may sign from now on, within its validity. Raises NotFound, RuleBroken KEY_STATE."""
    return await _move(tx, caller, key_id, KeyState.ACTIVE)


async def retire_signing_key(
    tx: Transaction, caller: Caller, key_id: uuid.UUID, *, at: datetime | None = None
) -> SigningKey:
    """The key stops signing: at once (retired), or at an instant ahead (retiring until then).

    What it signed before stands. Raises NotFound, RuleBroken KEY_STATE, InvalidInput VALIDITY_ORDER for an
    instant after the end it has already.
    """
    held = await _held(tx, caller, key_id)
    if at is None or at <= tx.now:
        # A key that never became valid keeps its window: there is nothing it could have signed.
        ends: dict[str, Any] = (
            {"valid_to": tx.now} if held.valid_from < tx.now and _ends_after(held, tx.now) else {}
        )
        return await _move(tx, caller, key_id, KeyState.RETIRED, **ends)
    if not _ends_after(held, at) and held.valid_to != at:
        raise InvalidInput.because(Code.VALIDITY_ORDER, "the key ends before that already", "at")
    if at <= held.valid_from:
        raise InvalidInput.because(Code.VALIDITY_ORDER, Code.VALIDITY_ORDER.summary, "at")
    return await _move(tx, caller, key_id, KeyState.RETIRING, valid_to=at)


async def compromise_signing_key(
    tx: Transaction, caller: Caller, key_id: uuid.UUID, *, since: datetime | None = None
) -> SigningKey:
    """Nothing this key signs is taken any more; what the hub received before ``since`` stands.

    Without ``since`` nothing stands. A later report can only move the date back. For the system, its agency
    and the government's operators. Raises NotFound, InvalidInput VALIDITY_ORDER for a date ahead.
    """
    if since is not None and since > tx.now:
        raise InvalidInput.because(Code.VALIDITY_ORDER, "a compromise lies in the past", "since")
    held = await _held(tx, caller, key_id, operators=True)
    if held.state is KeyState.COMPROMISED:
        known = held.compromised_since
        since = None if known is None or since is None else min(known, since)
        if since == known:
            return held
    return await _move(tx, caller, key_id, KeyState.COMPROMISED, operators=True, compromised_since=since)


async def signing_key(read: Read, key_id: uuid.UUID) -> SigningKey | None:
    """A signing key by id, for rooms that are authorised already."""
    return await store_systems.find_signing_key(read, key_id, signing_key_table.c.id == key_id)


async def signing_keys(read: Read, key_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, SigningKey]:
    """Signing keys by id, in one statement, for rooms that are authorised already."""
    return {key.id: key for key in await store_systems.signing_keys_of(read, key_ids)} if key_ids else {}


async def find_signing_key(read: Read, caller: Caller, key_id: uuid.UUID) -> SigningKey | None:
    """A signing key by id; public keys are shown to everybody the hub knows."""
    access.require_known(caller)
    return await signing_key(read, key_id)


async def list_signing_keys(
    read: Read, caller: Caller, unique_id: str, *, after: uuid.UUID | None, limit: int
) -> list[SigningKey]:
    """The public keys of any system, for everybody the hub knows; raises NotFound for no such system."""
    access.require_known(caller)
    if not await store_systems.list_systems(read, system.c.unique_id == unique_id):
        raise access.absent("system")
    return await store_systems.list_signing_keys(read, system.c.unique_id == unique_id, after, limit)


def _sound(raw: bytes) -> PublicKey:
    try:
        return public_key(raw)
    except KeyRefused as refused:
        raise InvalidInput(
            [Problem(Code(each.code), each.message, ("publicKey",)) for each in refused.violations]
        ) from None


def _check_validity(valid_from: datetime, valid_to: datetime | None, now: datetime) -> None:
    problems = []
    if valid_from < now - CLOCK_SKEW_MAX:
        problems.append(
            Problem(Code.VALIDITY_ORDER, "a key is not valid before it is registered", ("validFrom",))
        )
    if valid_to is not None and valid_to <= max(valid_from, now):
        problems.append(Problem(Code.VALIDITY_ORDER, Code.VALIDITY_ORDER.summary, ("validTo",)))
    if problems:
        raise InvalidInput(problems)


def _ends_after(key: SigningKey, instant: datetime) -> bool:
    return key.valid_to is None or key.valid_to > instant


def _duplicate() -> Conflict:
    return Conflict.because(Code.KEY_DUPLICATE, Code.KEY_DUPLICATE.summary, "publicKey")


def _no_possession() -> InvalidInput:
    return InvalidInput.because(Code.KEY_POSSESSION, Code.KEY_POSSESSION.summary, "signature")


async def _keeper_of(tx: Transaction, caller: Caller, system_id: uuid.UUID) -> System:
    access.require_known(caller)
    found = await store_systems.find_system(tx, system_id, access.own_systems(caller))
    if found is None:
        raise access.absent("systemId")
    if not isinstance(caller, SystemCaller):
        access.require_one_of(caller, found.agency_id, *KEEPERS)
    if found.status is not SystemStatus.ACTIVE:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary, "systemId")
    return found


async def _held(tx: Transaction, caller: Caller, key_id: uuid.UUID, *, operators: bool = False) -> SigningKey:
    """The key, its row held, when the caller may change it."""
    access.require_known(caller)
    visible = access.visible_systems(caller) if operators else access.own_systems(caller)
    found = await store_systems.find_signing_key(tx, key_id, visible, lock=True)
    if found is None:
        raise access.absent("id")
    may = isinstance(caller, SystemCaller) or (operators and access.is_operator(caller, found.tenant_id))
    if not may:
        owner = await store_systems.list_systems(
            tx, and_(system.c.tenant_id == found.tenant_id, system.c.id == found.system_id)
        )
        access.require_one_of(caller, owner[0].agency_id, *KEEPERS)
    return found


async def _move(
    tx: Transaction,
    caller: Caller,
    key_id: uuid.UUID,
    to: KeyState,
    *,
    operators: bool = False,
    **values: Any,
) -> SigningKey:
    held = await _held(tx, caller, key_id, operators=operators)
    if held.state not in STEPS[to]:
        raise RuleBroken.because(
            Code.KEY_STATE, f"a key that is {held.state.value} cannot be {to.value}", "id"
        )
    await store_systems.change_signing_key(tx, held, state=to.value, **values)
    told = {name: value.isoformat() for name, value in values.items() if value is not None}
    await history.record(
        tx, caller, "SIGNING_KEY", key_id, to.value.upper(), tenant_id=held.tenant_id, **told
    )
    return await _get(tx, key_id)


async def _get(tx: Transaction, key_id: uuid.UUID) -> SigningKey:
    found = await signing_key(tx, key_id)
    if found is None:
        raise access.absent("id")
    return found
