"""Verbs on agencies: their registration, approval, suspension and end."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, false

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import jobs
from hub.domain.registry import (
    access,
    apikeys,
    codes,
    history,
    rules,
    store,
    store_codes,
    store_systems,
    tenants,
)
from hub.domain.registry.callers import Anonymous, Caller, HubCaller, PersonCaller, PersonRole
from hub.domain.registry.commands import RegisterAgency
from hub.domain.registry.model import (
    Agency,
    AgencyState,
    Member,
    SystemStatus,
    Tenant,
    TenantStatus,
)
from hub.domain.registry.tables import agency, session, system
from hub.domain.registry.uses import verified_keys
from hub.errors import Conflict, InvalidInput, NotAllowed, Problem, RuleBroken
from hub.kit.ids import new_id
from hub.means import Means

NAME_LENGTH = (2, 256)
CONTACT_NAME_LENGTH = (2, 128)
# Stands among the approvals for the hub itself, whose word opens everything at once.
HUB_APPROVES = uuid.UUID(int=0)
LIVE_PROVIDER_APPROVALS = 2
CODE_LAPSES_AFTER = timedelta(minutes=10)
UNCONFIRMED = frozenset({AgencyState.DRAFT, AgencyState.CODE_SENT})
NEXT_STATES = {
    AgencyState.SUSPENDED: frozenset({AgencyState.EMAIL_VERIFIED, AgencyState.ACTIVE}),
    AgencyState.CLOSED: frozenset(AgencyState) - {AgencyState.CLOSED},
}


async def register_agency(tx: Transaction, means: Means, browser: str, command: RegisterAgency) -> Agency:
    """Anybody puts an agency forward; its contact gets a code by mail and becomes its first owner.

    Raises InvalidInput with every broken field's own code, Conflict AGENCY_DUPLICATE for a name in use with
    this government, TooMany OTP_RATE_LIMIT.
    """
    government, tidied = await _checked(tx, command)
    await lapse(
        tx, and_(agency.c.tenant_id == government.id, agency.c.name_key == rules.name_key(tidied.name))
    )
    caller = Anonymous()
    made, person_id = await _insert(tx, means, caller, government, tidied, state=AgencyState.CODE_SENT)
    await codes.send_code(
        tx, means, browser, tidied.contact_email, person_id=person_id, agency=(made.tenant_id, made.id)
    )
    await _lapse_later(tx, made.id)
    return made


async def enrol_agency(tx: Transaction, means: Means, caller: Caller, command: RegisterAgency) -> Agency:
    """The hub itself brings in an agency that needs no code and no approval (command line, demonstration)."""
    if not isinstance(caller, HubCaller):
        raise access.not_allowed()
    government, tidied = await _checked(tx, command)
    made, _ = await _insert(tx, means, caller, government, tidied, state=AgencyState.ACTIVE)
    return made


async def request_agency_code(tx: Transaction, means: Means, browser: str, agency_id: uuid.UUID) -> None:
    """A new code for an agency whose address is not confirmed yet; the answer never tells whether it is.

    Raises TooMany OTP_RATE_LIMIT.
    """
    found = (await store.list_agencies(tx, means, agency.c.id == agency_id, None, 1))[:1]
    waiting = [each for each in found if each.state in UNCONFIRMED]
    if not waiting:
        await codes.send_code(tx, means, browser, f"{agency_id}@nobody.invalid")
        return
    home = waiting[0]
    await store.find_agency(tx, means, home.id, agency.c.id == home.id, lock=True)
    key = rules.name_key(home.name)
    same = and_(agency.c.tenant_id == home.tenant_id, agency.c.name_key == key, agency.c.id != home.id)
    await lapse(tx, same)
    person_id = await store.find_contact_id(tx, home.id)
    if not await store.reserve_name(tx, home.tenant_id, home.id):
        raise Conflict.because(Code.AGENCY_DUPLICATE, Code.AGENCY_DUPLICATE.summary)
    await history.record(
        tx, Anonymous(), "AGENCY", home.id, AgencyState.CODE_SENT.value, tenant_id=home.tenant_id
    )
    await codes.send_code(
        tx, means, browser, home.contact_email, person_id=person_id, agency=(home.tenant_id, home.id)
    )
    await _lapse_later(tx, home.id)


async def _lapse_later(tx: Transaction, agency_id: uuid.UUID) -> None:
    due = tx.now + CODE_LAPSES_AFTER + timedelta(seconds=1)
    await jobs.enqueue(tx, "registry.lapse", {}, dedupe_key=f"registry.lapse:{agency_id}:{due}", run_at=due)


async def lapse(tx: Transaction, where: Any = None) -> None:
    """Agencies whose code nobody entered within ten minutes are drafts again."""
    condition = where if where is not None else agency.c.id.is_not(None)
    for tenant_id, agency_id in await store.lapse_agencies(tx, condition, tx.now - CODE_LAPSES_AFTER):
        await history.record(
            tx, HubCaller("lapse"), "AGENCY", agency_id, AgencyState.DRAFT.value, tenant_id=tenant_id
        )


async def approve_agency(tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    """An operator lets a verified agency in; a second operator's approval opens it to live providers.

    Repeating one's own approval changes nothing. Raises NotFound, NotAllowed (also for members of the agency
    itself: SELF_APPROVAL), RuleBroken AGENCY_NOT_ACTIVE for an agency that is not verified.
    """
    home = await _held(tx, means, caller, agency_id)
    operator = access.require_operator(caller, home.tenant_id)
    access.require_fresh(caller, tx.now)
    if home.state not in access.VERIFIED_STATES:
        raise RuleBroken.because(Code.AGENCY_NOT_ACTIVE, "only a verified agency can be approved", "id")
    approver = operator.person_id if isinstance(operator, PersonCaller) else HUB_APPROVES
    memberships = await store.list_memberships(tx, approver)
    if any(member.agency_id == home.id for member, _ in memberships):
        raise NotAllowed.because(Code.SELF_APPROVAL, Code.SELF_APPROVAL.summary, "id")
    if approver in home.approvals:
        return home
    approvals = [*home.approvals, approver]
    await store.move_agency(tx, home.tenant_id, home.id, AgencyState.ACTIVE, approvals=approvals)
    await history.record(
        tx, caller, "AGENCY", home.id, "APPROVED", tenant_id=home.tenant_id, approvals=len(approvals)
    )
    return await get_agency(tx, means, caller, agency_id)


async def suspend_agency(tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    """An operator stops an agency: its systems may not act until it is resumed."""
    return await _move(tx, means, caller, agency_id, AgencyState.SUSPENDED)


async def resume_agency(tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    """An operator lets a suspended agency act again, in the state it was in before."""
    home = await _held(tx, means, caller, agency_id)
    access.require_operator(caller, home.tenant_id)
    if home.state is not AgencyState.SUSPENDED:
        return home
    to = AgencyState.ACTIVE if home.approvals else AgencyState.EMAIL_VERIFIED
    await store.move_agency(tx, home.tenant_id, home.id, to)
    await history.record(tx, caller, "AGENCY", home.id, "RESUMED", tenant_id=home.tenant_id)
    return await get_agency(tx, means, caller, agency_id)


async def close_agency(tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    """The agency ends, by an operator or an owner: its systems close, its keys and sessions with them."""
    home = await _move(tx, means, caller, agency_id, AgencyState.CLOSED)
    where = and_(system.c.tenant_id == home.tenant_id, system.c.agency_id == home.id)
    for closed in await store_systems.move_systems(tx, where, SystemStatus.CLOSED):
        await history.record(tx, caller, "SYSTEM", closed.id, "CLOSED", tenant_id=home.tenant_id)
        await apikeys.revoke_all(tx, caller, closed)
    ended = and_(session.c.tenant_id == home.tenant_id, session.c.agency_id == home.id)
    await store_codes.revoke_sessions(tx, ended)
    return home


def may_run_live_providers(home: Agency) -> bool:
    """Whether two operators, or the hub itself, have let this agency in."""
    return HUB_APPROVES in home.approvals or len(home.approvals) >= LIVE_PROVIDER_APPROVALS


async def get_agency(read: Read, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    """An agency the caller may see; raises NotFound."""
    found = await find_agency(read, means, caller, agency_id)
    if found is None:
        raise access.absent("agencyId")
    return found


async def find_agency(read: Read, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency | None:
    """An agency the caller may see: the own one, to operators all of their government."""
    return await store.find_agency(read, means, agency_id, access.visible_agencies(caller))


async def find_own_agency(read: Read, means: Means, caller: Caller) -> Agency | None:
    """The agency a person acts for, or None."""
    if not isinstance(caller, PersonCaller) or caller.agency_id is None:
        return None
    return await find_agency(read, means, caller, caller.agency_id)


async def list_agencies(
    read: Read,
    means: Means,
    caller: Caller,
    *,
    state: AgencyState | None = None,
    after: uuid.UUID | None,
    limit: int,
) -> list[Agency]:
    """The agencies of the governments the caller keeps; raises NotAllowed for anybody but operators."""
    known = access.require_known(caller)
    if isinstance(known, PersonCaller) and not known.operator_of:
        raise access.not_allowed()
    where = access.visible_agencies(known) if isinstance(known, PersonCaller | HubCaller) else false()
    if state is not None:
        where = and_(where, agency.c.state == state.value)
    return await store.list_agencies(read, means, where, after, limit)


async def verify(tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID, person_id: uuid.UUID) -> None:
    """The agency's contact has proved the address: the agency leaves its draft."""
    await store.move_agency(tx, tenant_id, agency_id, AgencyState.EMAIL_VERIFIED)
    await history.record(
        tx,
        PersonCaller(person_id, agency_id, agency_id, tenant_id, frozenset()),
        "AGENCY",
        agency_id,
        AgencyState.EMAIL_VERIFIED.value,
        tenant_id=tenant_id,
    )


async def _checked(tx: Transaction, command: RegisterAgency) -> tuple[Tenant, RegisterAgency]:
    """The government and the tidied command; raises InvalidInput with every problem."""
    found = await tenants.find_tenant_by_code(tx, command.government)
    government = found if found is not None and found.status is TenantStatus.ACTIVE else None
    tidied = RegisterAgency(
        government=command.government,
        name=rules.tidy(command.name),
        contact_name=rules.tidy(command.contact_name),
        contact_phone=command.contact_phone.strip(),
        contact_email=rules.tidy_email(command.contact_email),
    )
    allowed = government.email_domains if government is not None else ()
    problems = [
        *rules.check_text(Code.AGENCY_NAME, tidied.name, *NAME_LENGTH, "name"),
        *rules.check_text(Code.CONTACT_NAME, tidied.contact_name, *CONTACT_NAME_LENGTH, "contact", "name"),
        *rules.check_phone(tidied.contact_phone, "contact", "phone"),
        *rules.check_official_email(tidied.contact_email, allowed, "contact", "email"),
    ]
    if government is None:
        problems.append(Problem(Code.TENANT_ID, Code.TENANT_ID.summary, ("government",)))
    if government is None or problems:
        raise InvalidInput(problems)
    return government, tidied


async def _insert(
    tx: Transaction,
    means: Means,
    caller: Caller,
    government: Tenant,
    command: RegisterAgency,
    *,
    state: AgencyState,
) -> tuple[Agency, uuid.UUID]:
    person_id = await store.ensure_person(tx, new_id(), command.contact_email)
    agency_id = new_id()
    values = {
        "tenant_id": government.id,
        "id": agency_id,
        "name": command.name,
        "name_key": rules.name_key(command.name),
        "contact_name": command.contact_name,
        "contact_phone": store.seal_phone(means, agency_id, command.contact_phone),
        "contact_email": command.contact_email,
        "contact_id": person_id,
        "state": state.value,
        "approvals": [HUB_APPROVES] if state is AgencyState.ACTIVE else [],
        "version": 1,
        "created_at": tx.now,
        "updated_at": tx.now,
        "code_sent_at": tx.now if state is AgencyState.CODE_SENT else None,
    }
    if not await store.insert_agency(tx, values):
        raise Conflict.because(Code.AGENCY_DUPLICATE, Code.AGENCY_DUPLICATE.summary, "name")
    await history.record(tx, caller, "AGENCY", agency_id, state.value, tenant_id=government.id)
    owner = Member(
        tenant_id=government.id,
        agency_id=agency_id,
        person_id=person_id,
        email=command.contact_email,
        name=command.contact_name,
        roles=frozenset({PersonRole.OWNER}),
        version=1,
        created_at=tx.now,
    )
    await store.save_member(tx, owner)
    found = await store.find_agency(tx, means, agency_id, agency.c.tenant_id == government.id)
    if found is None:
        raise access.absent()
    return found, person_id


async def _held(tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID) -> Agency:
    access.require_known(caller)
    found = await store.find_agency(tx, means, agency_id, access.visible_agencies(caller), lock=True)
    if found is None:
        raise access.absent("id")
    return found


async def _move(
    tx: Transaction, means: Means, caller: Caller, agency_id: uuid.UUID, to: AgencyState
) -> Agency:
    home = await _held(tx, means, caller, agency_id)
    if not access.is_operator(caller, home.tenant_id):
        if to is not AgencyState.CLOSED:
            raise access.not_allowed()
        access.require_one_of(caller, home.id, PersonRole.OWNER)
    access.require_fresh(caller, tx.now)
    if home.state is to:
        return home
    if home.state not in NEXT_STATES[to]:
        raise RuleBroken.because(
            Code.AGENCY_NOT_ACTIVE, f"an agency that is {home.state} cannot be {to}", "id"
        )
    await store.move_agency(tx, home.tenant_id, home.id, to)
    await history.record(tx, caller, "AGENCY", home.id, to.value, tenant_id=home.tenant_id)
    verified_keys.forget(agency_id=home.id)
    return await get_agency(tx, means, caller, agency_id)
