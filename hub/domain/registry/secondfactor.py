"""Verbs on a person's second factor: an authenticator app's codes, and recovery codes for when it is lost.

The secret lies sealed, recovery codes as keyed hashes. A code counts once; wrong ones lock the factor for longer
and longer. Weighty steps ask for it in one place, ``access.require_fresh`` (docs/decisions/0024-second-factor.md).
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.registry import access, history, rules, store, store_codes, store_factors
from hub.domain.registry.callers import Caller, HubCaller, PersonCaller, PersonRole
from hub.domain.registry.model import NewFactor, SecondFactor
from hub.domain.registry.tables import session
from hub.errors import InvalidInput, Refusal, RuleBroken
from hub.kit import totp
from hub.means import Means
from hub.signing import sealed

SECRET_PURPOSE = "registry.second_factor"  # noqa: S105 - what a seal is for
RECOVERY_PURPOSE = "registry.recovery_code"
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
RECOVERY_LENGTH = 10
# An enrolment that was begun is ended within a quarter of an hour, or begun again.
BEGUN_FOR = timedelta(minutes=15)
TRIES_MAX = 5
LOCKED_FIRST = timedelta(minutes=15)
LOCKED_MAX = timedelta(days=1)


async def begin_second_factor(tx: Transaction, means: Means, caller: Caller) -> NewFactor:
    """A fresh secret for the caller's app; it counts once a first code of it was entered.

    Raises RuleBroken STEP_UP_REQUIRED without a fresh one-time code, SECOND_FACTOR_STATE when one is enrolled.
    """
    person = access.require_person(caller)
    access.require_fresh_code(person, tx.now)
    secret = totp.new_secret()
    values = {
        "person_id": person.person_id,
        "sealed": sealed.seal_bytes(means.master_key, SECRET_PURPOSE, secret, owner=person.person_id.bytes),
        "begun_at": tx.now,
        "enrolled_at": None,
        "last_step": None,
        "last_used_at": None,
        "failures": 0,
        "locked_until": None,
    }
    if not await store_factors.begin(tx, values):
        raise _wrong_state("a second factor is enrolled; remove it first")
    account = await store.find_email(tx, person.person_id) or str(person.person_id)
    return NewFactor(totp.secret_text(secret), totp.uri(secret, issuer=means.domain, account=account))


async def confirm_second_factor(
    tx: Transaction, means: Means, caller: Caller, code: str
) -> tuple[str, ...] | Refusal:
    """The factor is enrolled, once a code shows that the app has its secret; answers the recovery codes, this once.

    A refusal is returned and not raised, because the counted try must be committed: SECOND_FACTOR_INVALID,
    SECOND_FACTOR_LOCKED. Raises RuleBroken SECOND_FACTOR_STATE when no enrolment was begun of late.
    """
    person = access.require_person(caller)
    row = await store_factors.find(tx, person.person_id, lock=True)
    if row is None or row["enrolled_at"] is not None or row["begun_at"] < tx.now - BEGUN_FOR:
        raise _wrong_state("no enrolment was begun within the last quarter of an hour")
    refused = _locked(row, tx.now)
    if refused is not None:
        return refused
    step = totp.matching_step(_secret(means, row), _tidy(code), tx.now, after=None)
    if step is None:
        return await _count_failure(tx, row)
    await store_factors.change(
        tx, person.person_id, enrolled_at=tx.now, last_step=step, last_used_at=tx.now, failures=0
    )
    await store_factors.note_proof(tx, person.session_id)
    await _record(tx, person, person.person_id, "SECOND_FACTOR_ADDED")
    return await _new_codes(tx, means, person.person_id)


async def prove_second_factor(tx: Transaction, means: Means, caller: Caller, code: str) -> datetime | Refusal:
    """With a code of the app, or a recovery code, this session may take weighty steps until the answered instant.

    A refusal is returned and not raised, because the counted try must be committed: SECOND_FACTOR_INVALID for a
    wrong or a used code, SECOND_FACTOR_LOCKED. Raises RuleBroken SECOND_FACTOR_STATE when none is enrolled.

    1. The factor's row is held, so that tries queue up; 2. it is not locked; 3. the code is one of the app's, of a
    later step than the last one used, or an unused recovery code; 4. else the try is counted.
    """
    person = access.require_person(caller)
    row = await store_factors.find(tx, person.person_id, lock=True)
    if row is None or row["enrolled_at"] is None:
        raise _wrong_state("no second factor is enrolled")
    refused = _locked(row, tx.now)
    if refused is not None:
        return refused
    tidy = _tidy(code)
    step = totp.matching_step(_secret(means, row), tidy, tx.now, after=row["last_step"])
    if step is not None:
        await store_factors.change(
            tx, person.person_id, last_step=step, last_used_at=tx.now, failures=0, locked_until=None
        )
    elif await store_factors.spend_code(tx, person.person_id, _code_hash(means, person.person_id, tidy)):
        await store_factors.change(tx, person.person_id, last_used_at=tx.now, failures=0, locked_until=None)
        await _record(tx, person, person.person_id, "RECOVERY_CODE_USED")
    else:
        return await _count_failure(tx, row)
    await store_factors.note_proof(tx, person.session_id)
    return tx.now + access.FACTOR_FRESH_FOR


async def renew_recovery_codes(tx: Transaction, means: Means, caller: Caller) -> tuple[str, ...]:
    """Ten new recovery codes; the old ones count no more. Raises RuleBroken SECOND_FACTOR_REQUIRED, _STATE."""
    person = _enrolled(caller)
    access.require_fresh(person, tx.now)
    await store_factors.find(tx, person.person_id, lock=True)
    await _record(tx, person, person.person_id, "RECOVERY_CODES_RENEWED")
    return await _new_codes(tx, means, person.person_id)


async def remove_second_factor(tx: Transaction, caller: Caller) -> None:
    """The caller has no second factor any more. Raises RuleBroken SECOND_FACTOR_REQUIRED, SECOND_FACTOR_STATE."""
    person = _enrolled(caller)
    access.require_fresh(person, tx.now)
    if await store_factors.remove(tx, person.person_id):
        await _record(tx, person, person.person_id, "SECOND_FACTOR_REMOVED")


async def reset_second_factor(tx: Transaction, caller: Caller, email: str) -> None:
    """Take the lost second factor of somebody else away and sign that person out everywhere.

    For owners, of members of their agency; for operators, of members of their governments' agencies and of fellow
    operators. Raises NotFound for anybody else's and for who has none, NotAllowed for one's own,
    RuleBroken SECOND_FACTOR_REQUIRED or STEP_UP_REQUIRED.
    """
    access.require_known(caller)
    access.require_fresh(caller, tx.now)
    person_id = await store.find_person_id(tx, rules.tidy_email(email))
    tenant_id = None if person_id is None else await _keeper_in(tx, caller, person_id)
    if person_id is None or tenant_id is None:
        raise access.absent("email")
    if isinstance(caller, PersonCaller) and caller.person_id == person_id:
        raise access.not_allowed("one's own second factor is removed with a code of it")
    if not await store_factors.remove(tx, person_id):
        raise access.absent("email")
    await store_codes.revoke_sessions(tx, session.c.person_id == person_id)
    await history.record(tx, caller, "PERSON", person_id, "SECOND_FACTOR_RESET", tenant_id=tenant_id)


async def find_second_factor(read: Read, caller: Caller) -> SecondFactor | None:
    """What the caller may know of the own second factor; None for systems. Raises NotAuthenticated for nobody."""
    known = access.require_known(caller)
    if not isinstance(known, PersonCaller):
        return None
    row = await store_factors.find(read, known.person_id)
    is_enrolled = row is not None and row["enrolled_at"] is not None
    proved_at = known.factor.proved_at if is_enrolled else None
    fresh_until = None if proved_at is None else proved_at + access.FACTOR_FRESH_FOR
    return SecondFactor(
        is_required=known.factor.is_required,
        enrolled_at=row["enrolled_at"] if row is not None else None,
        last_used_at=row["last_used_at"] if row is not None else None,
        locked_until=row["locked_until"] if row is not None and _locked(row, read.now) is not None else None,
        recovery_codes_left=await store_factors.count_codes(read, known.person_id) if is_enrolled else 0,
        fresh_until=fresh_until if fresh_until is not None and fresh_until > read.now else None,
    )


def lock_after(failures: int) -> timedelta | None:
    """How long a factor is locked after so many wrong codes in a row: every five twice as long, at most a day."""
    if failures <= 0 or failures % TRIES_MAX:
        return None
    # Beyond seven doublings it is a day anyway; a larger exponent would only overflow.
    doublings = min(failures // TRIES_MAX - 1, 7)
    return min(LOCKED_FIRST * (1 << doublings), LOCKED_MAX)


def _enrolled(caller: Caller) -> PersonCaller:
    person = access.require_person(caller)
    if not person.factor.is_enrolled:
        raise _wrong_state("no second factor is enrolled")
    return person


def _wrong_state(message: str) -> RuleBroken:
    return RuleBroken.because(Code.SECOND_FACTOR_STATE, message)


def _locked(row: RowMapping, now: datetime) -> Refusal | None:
    if row["locked_until"] is None or row["locked_until"] <= now:
        return None
    return RuleBroken.because(Code.SECOND_FACTOR_LOCKED, Code.SECOND_FACTOR_LOCKED.summary, "code")


async def _count_failure(tx: Transaction, row: RowMapping) -> Refusal:
    failures = row["failures"] + 1
    lock = lock_after(failures)
    until = None if lock is None else tx.now + lock
    await store_factors.change(tx, row["person_id"], failures=failures, locked_until=until)
    return InvalidInput.because(Code.SECOND_FACTOR_INVALID, Code.SECOND_FACTOR_INVALID.summary, "code")


def _secret(means: Means, row: RowMapping) -> bytes:
    owner: uuid.UUID = row["person_id"]
    return sealed.open_bytes(means.master_key, SECRET_PURPOSE, row["sealed"], owner=owner.bytes)


def _tidy(code: str) -> str:
    """A code as people copy it: without the spaces and hyphens apps and paper show it with."""
    return "".join(code.split()).replace("-", "").lower()


def _code_hash(means: Means, person_id: uuid.UUID, tidy: str) -> bytes:
    return means.keyed_hash(RECOVERY_PURPOSE, person_id.bytes + tidy.encode("utf-8", "replace"))


async def _new_codes(tx: Transaction, means: Means, person_id: uuid.UUID) -> tuple[str, ...]:
    plain = [
        "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_LENGTH))
        for _ in range(RECOVERY_CODES)
    ]
    await store_factors.replace_codes(tx, person_id, [_code_hash(means, person_id, each) for each in plain])
    half = RECOVERY_LENGTH // 2
    return tuple(f"{each[:half]}-{each[half:]}" for each in plain)


async def _record(tx: Transaction, person: PersonCaller, person_id: uuid.UUID, change: str) -> None:
    """A line of the history of the person's agency, or of a government the person keeps."""
    details = {} if person.agency_id is None else {"agency": str(person.agency_id)}
    tenant_id = person.tenant_id or min(person.operator_of)
    await history.record(tx, person, "PERSON", person_id, change, tenant_id=tenant_id, **details)


async def _keeper_in(tx: Transaction, caller: Caller, person_id: uuid.UUID) -> uuid.UUID | None:
    """The government in which the caller may help this person; None where there is none."""
    memberships = await store.list_memberships(tx, person_id)
    homes = {(member.tenant_id, member.agency_id) for member, _ in memberships}
    kept = {tenant_id for tenant_id, _ in homes} | await store.operator_of(tx, person_id)
    if isinstance(caller, HubCaller):
        return min(kept, default=None)
    if not isinstance(caller, PersonCaller):
        return None
    if PersonRole.OWNER in caller.roles and (caller.tenant_id, caller.agency_id) in homes:
        return caller.tenant_id
    return min(kept & caller.operator_of, default=None)
