"""Verbs on an agency's people and their roles."""

from __future__ import annotations

import uuid

from sqlalchemy import and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import jobs
from hub.domain.registry import access, history, rules, store, store_codes, tenants
from hub.domain.registry.access import VERIFIED_STATES
from hub.domain.registry.callers import Caller, PersonCaller, PersonRole
from hub.domain.registry.commands import InvitePerson
from hub.domain.registry.model import Member
from hub.domain.registry.tables import membership, session
from hub.errors import Conflict, InvalidInput, Problem, RuleBroken
from hub.kit.ids import new_id

NAME_LENGTH = (2, 128)
MEMBERS_MAX = 500


async def invite_person(tx: Transaction, caller: Caller, command: InvitePerson) -> Member:
    """A new member of the caller's agency, told so by mail; for its owners.

    Raises InvalidInput CONTACT_NAME, CONTACT_EMAIL, EMAIL_DOMAIN_NOT_OFFICIAL, PERSON_ROLE; Conflict
    CODE_EXISTS for somebody who is a member already; RuleBroken AGENCY_NOT_ACTIVE, STEP_UP_REQUIRED.
    """
    owner, agency_id, tenant_id = await _owner(tx, caller)
    government = await tenants.get_tenant(tx, tenant_id)
    name, email = rules.tidy(command.name), rules.tidy_email(command.email)
    problems = [
        *rules.check_text(Code.CONTACT_NAME, name, *NAME_LENGTH, "name"),
        *rules.check_official_email(email, government.email_domains, "email"),
    ]
    if not command.roles:
        problems.append(Problem(Code.PERSON_ROLE, Code.PERSON_ROLE.summary, ("roles",)))
    if problems:
        raise InvalidInput(problems)
    if len(await _members(tx, tenant_id, agency_id)) >= MEMBERS_MAX:
        raise RuleBroken.because(Code.PERSON_ROLE, f"an agency has at most {MEMBERS_MAX} members")
    person_id = await store.ensure_person(tx, new_id(), email)
    member = Member(tenant_id, agency_id, person_id, email, name, command.roles, 1, tx.now)
    if not await store.save_member(tx, member):
        raise Conflict.because(Code.CODE_EXISTS, "this person is a member already", "email")
    await history.record(
        tx,
        owner,
        "PERSON",
        person_id,
        "INVITED",
        tenant_id=tenant_id,
        agency=str(agency_id),
        roles=sorted(command.roles),
    )
    await jobs.enqueue(
        tx,
        "registry.send_invitation",
        {"tenant_id": str(tenant_id), "agency_id": str(agency_id), "person_id": str(person_id)},
        tenant_id=tenant_id,
    )
    return await _member(tx, tenant_id, agency_id, person_id)


async def change_person_roles(
    tx: Transaction, caller: Caller, person_id: uuid.UUID, roles: frozenset[PersonRole]
) -> Member:
    """A member with other roles; for owners, and never so that no owner is left.

    Raises NotFound, NotAllowed, InvalidInput PERSON_ROLE, RuleBroken STEP_UP_REQUIRED.
    """
    owner, agency_id, tenant_id = await _owner(tx, caller)
    if not roles:
        raise InvalidInput.because(Code.PERSON_ROLE, Code.PERSON_ROLE.summary, "roles")
    member = await _member(tx, tenant_id, agency_id, person_id)
    await _check_owner_left(tx, member, roles)
    await store.change_member(tx, member, roles=sorted(roles))
    await history.record(
        tx,
        owner,
        "PERSON",
        person_id,
        "ROLES",
        tenant_id=tenant_id,
        agency=str(agency_id),
        roles=sorted(roles),
    )
    return await _member(tx, tenant_id, agency_id, person_id)


async def remove_person(tx: Transaction, caller: Caller, person_id: uuid.UUID) -> None:
    """The person is no member any more and signed out at once; for owners, never the last owner.

    Raises NotFound, NotAllowed, InvalidInput PERSON_ROLE, RuleBroken STEP_UP_REQUIRED.
    """
    owner, agency_id, tenant_id = await _owner(tx, caller)
    member = await _member(tx, tenant_id, agency_id, person_id)
    await _check_owner_left(tx, member, frozenset())
    await store.change_member(tx, member, status="REMOVED")
    ended = and_(session.c.person_id == person_id, session.c.agency_id == agency_id)
    await store_codes.revoke_sessions(tx, ended)
    await history.record(
        tx, owner, "PERSON", person_id, "REMOVED", tenant_id=tenant_id, agency=str(agency_id)
    )


async def list_members(read: Read, caller: Caller, *, after: uuid.UUID | None, limit: int) -> list[Member]:
    """The people of the caller's own agency; raises NotAllowed for anybody without one."""
    person = access.require_person(caller)
    where = and_(membership.c.tenant_id == person.tenant_id, membership.c.agency_id == person.agency_id)
    return await store.list_members(read, where, after, limit)


async def find_member(read: Read, caller: Caller, person_id: uuid.UUID) -> Member | None:
    """A person of the caller's own agency."""
    if not isinstance(caller, PersonCaller) or caller.agency_id is None or caller.tenant_id is None:
        return None
    where = and_(
        membership.c.tenant_id == caller.tenant_id,
        membership.c.agency_id == caller.agency_id,
        membership.c.person_id == person_id,
    )
    found = await store.list_members(read, where)
    return found[0] if found else None


async def list_owner_ids(read: Read, tenant_id: uuid.UUID, agency_id: uuid.UUID) -> list[uuid.UUID]:
    """Whom to tell what concerns an agency: its contact person and its owners, each once; for jobs."""
    where = and_(membership.c.tenant_id == tenant_id, membership.c.agency_id == agency_id)
    members = await store.list_members(read, where)
    contact = await store.find_contact_id(read, agency_id)
    owners = [member.person_id for member in members if PersonRole.OWNER in member.roles]
    return list(dict.fromkeys([*owners, *([contact] if contact is not None else [])]))


async def find_email(read: Read, person_id: uuid.UUID) -> str | None:
    """A person's address, for jobs and for the person's own eyes."""
    return await store.find_email(read, person_id)


async def _owner(tx: Transaction, caller: Caller) -> tuple[PersonCaller, uuid.UUID, uuid.UUID]:
    """An owner with a fresh code, the agency's row held so that changes of its people queue up."""
    owner = access.require_person(caller, PersonRole.OWNER)
    if owner.agency_id is None or owner.tenant_id is None:
        raise access.not_allowed()
    access.require_fresh(owner, tx.now)
    state = await store.lock_agency_state(tx, owner.tenant_id, owner.agency_id)
    if state not in VERIFIED_STATES:
        raise RuleBroken.because(Code.AGENCY_NOT_ACTIVE, Code.AGENCY_NOT_ACTIVE.summary)
    return owner, owner.agency_id, owner.tenant_id


async def _members(tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID) -> list[Member]:
    where = and_(membership.c.tenant_id == tenant_id, membership.c.agency_id == agency_id)
    return await store.list_members(tx, where)


async def _member(
    tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID, person_id: uuid.UUID
) -> Member:
    found = [each for each in await _members(tx, tenant_id, agency_id) if each.person_id == person_id]
    if not found:
        raise access.absent("personId")
    return found[0]


async def _check_owner_left(tx: Transaction, member: Member, roles: frozenset[PersonRole]) -> None:
    others = [
        each
        for each in await _members(tx, member.tenant_id, member.agency_id)
        if each.person_id != member.person_id and PersonRole.OWNER in each.roles
    ]
    if PersonRole.OWNER not in roles and not others:
        raise InvalidInput.because(Code.PERSON_ROLE, "an agency is never left without an owner", "roles")
