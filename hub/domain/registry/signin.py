"""Verbs of signing in: asking for a code, entering it, leaving."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import and_

from hub.codes import Code
from hub.db import Transaction
from hub.domain.registry import access, agencies, codes, history, rules, store, store_codes
from hub.domain.registry.browsers import Browser, agent_of, network_of
from hub.domain.registry.callers import Caller, PersonCaller
from hub.domain.registry.codes import Proof, Refused
from hub.domain.registry.model import AgencyState, Session
from hub.domain.registry.secrets import new_token
from hub.domain.registry.tables import agency, session
from hub.errors import InvalidInput, Refusal
from hub.kit.ids import new_id
from hub.means import Means

SESSION_MAX = timedelta(days=7)
NOBODY = uuid.UUID(int=0)
CODES = {
    Refused.INVALID: Code.OTP_INVALID,
    Refused.EXPIRED: Code.OTP_EXPIRED,
    Refused.LOCKED: Code.OTP_LOCKED,
    Refused.SESSION: Code.OTP_SESSION,
}


async def request_sign_in_code(tx: Transaction, means: Means, browser: str, email: str) -> None:
    """Mail a code to a person who may sign in; to anybody else nothing, at the same cost and with no sign of it.

    Raises InvalidInput CONTACT_EMAIL for what is no address at all, TooMany OTP_RATE_LIMIT.
    """
    address = rules.tidy_email(email)
    if not rules.is_email(address):
        raise InvalidInput.because(Code.CONTACT_EMAIL, Code.CONTACT_EMAIL.summary, "email")
    person_id = await store.find_person_id(tx, address)
    may = await _may_sign_in(tx, person_id or NOBODY)
    await codes.send_code(tx, means, browser, address, person_id=person_id if may else None)


async def sign_in(
    tx: Transaction,
    means: Means,
    browser: Browser,
    email: str,
    code: str,
    *,
    agency_id: uuid.UUID | None = None,
) -> Session | Refusal:
    """A session for whoever enters the right code in the browser that asked for it.

    A code sent for an agency's registration also confirms the agency's address. The session acts in
    ``agency_id``, else in the agency the code was for, else in the oldest membership. A refusal is returned
    and not raised, because the counted try must be committed: OTP_INVALID, OTP_EXPIRED, OTP_LOCKED,
    OTP_SESSION, NOT_FOUND for an agency the person does not belong to.
    """
    address = rules.tidy_email(email)
    outcome = await codes.check_code(tx, means, browser.token, address, code.strip())
    if isinstance(outcome, Refused):
        await _lapse_draft(tx, outcome, address)
        return InvalidInput.because(CODES[outcome], CODES[outcome].summary, "code")
    if outcome.agency is not None:
        await _confirm(tx, outcome, outcome.agency)
        agency_id = agency_id or outcome.agency[1]
    memberships = await store.list_memberships(tx, outcome.person_id)
    usable = [
        member for member, state in memberships if state not in {AgencyState.CLOSED, *agencies.UNCONFIRMED}
    ]
    chosen = next((each for each in usable if agency_id in {None, each.agency_id}), None)
    operator_of = await store.operator_of(tx, outcome.person_id)
    if chosen is None and (agency_id is not None or not operator_of):
        return access.absent("agencyId")
    home = (chosen.tenant_id, chosen.agency_id) if chosen is not None else None
    tenant_id = home[0] if home else min(operator_of)
    return await _open(tx, means, browser, outcome.person_id, home, tenant_id=tenant_id)


async def sign_out(tx: Transaction, caller: Caller) -> None:
    """The session ends at once; for somebody who is not signed in nothing happens."""
    if not isinstance(caller, PersonCaller):
        return
    ended = await store_codes.revoke_sessions(tx, session.c.id == caller.session_id)
    tenant_id = caller.tenant_id or min(caller.operator_of, default=None)
    if ended and tenant_id is not None:
        await history.record(tx, caller, "SESSION", caller.session_id, "SIGNED_OUT", tenant_id=tenant_id)


async def _may_sign_in(tx: Transaction, person_id: uuid.UUID) -> bool:
    memberships = await store.list_memberships(tx, person_id)
    operator_of = await store.operator_of(tx, person_id)
    confirmed = [
        state for _, state in memberships if state not in {AgencyState.CLOSED, *agencies.UNCONFIRMED}
    ]
    return bool(confirmed or operator_of)


async def _confirm(tx: Transaction, proof: Proof, home: tuple[uuid.UUID, uuid.UUID]) -> None:
    state = await store.lock_agency_state(tx, *home)
    if state in agencies.UNCONFIRMED:
        await agencies.verify(tx, home[0], home[1], proof.person_id)


async def _lapse_draft(tx: Transaction, outcome: Refused, address: str) -> None:
    """A code that came too late takes its agency back to a draft."""
    if outcome is Refused.EXPIRED:
        person_id = await store.find_person_id(tx, address)
        await agencies.lapse(tx, and_(agency.c.contact_id == (person_id or NOBODY)))


async def _open(
    tx: Transaction,
    means: Means,
    browser: Browser,
    person_id: uuid.UUID,
    home: tuple[uuid.UUID, uuid.UUID] | None,
    *,
    tenant_id: uuid.UUID,
) -> Session:
    made = Session(
        id=new_id(),
        person_id=person_id,
        agency_id=home[1] if home is not None else None,
        token=new_token(),
        started_at=tx.now,
        expires_at=tx.now + SESSION_MAX,
    )
    await store_codes.insert_session(
        tx,
        {
            "id": made.id,
            "token_hash": means.keyed_hash(access.SESSION_PURPOSE, made.token.encode("ascii")),
            "person_id": person_id,
            "tenant_id": home[0] if home is not None else None,
            "agency_id": made.agency_id,
            "network": network_of(browser.address),
            "agent": agent_of(browser.agent),
            "created_at": tx.now,
            "last_used_at": tx.now,
            "expires_at": made.expires_at,
        },
    )
    actor = PersonCaller(person_id, made.id, made.agency_id, tenant_id, frozenset())
    await history.record(tx, actor, "SESSION", made.id, "SIGNED_IN", tenant_id=tenant_id)
    return made
