"""Verbs on governments and the operators who keep their registries."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import and_

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.registry import access, history, rules, store, store_codes
from hub.domain.registry.callers import Caller, HubCaller, PersonCaller
from hub.domain.registry.commands import CreateTenant, UpdateTenant
from hub.domain.registry.model import Operator, Policy, Tenant, TenantStatus
from hub.domain.registry.tables import session, tenant
from hub.errors import Conflict, InvalidInput, Problem, RuleBroken
from hub.kit.ids import new_id

NAME_LENGTH = (2, 256)
EMAIL_DOMAINS_MAX = 100


async def create_tenant(tx: Transaction, caller: Caller, command: CreateTenant) -> Tenant:
    """A new government. For the hub itself, or an operator of the parent, who becomes its first operator.

    Raises InvalidInput with every broken rule, Conflict CODE_EXISTS for a code or slug in use, NotFound for
    a parent that is not there, NotAllowed, NotAuthenticated.
    """
    access.require_known(caller)
    parent = await _parent(tx, caller, command.parent)
    access.require_fresh(caller, tx.now)
    name = rules.tidy(command.name)
    problems = [
        *_check(bool(rules.TENANT_CODE.fullmatch(command.code)), Code.TENANT_ID, "code"),
        *_check(bool(rules.TENANT_SLUG.fullmatch(command.slug)), Code.TENANT_ID, "slug"),
        *_check(bool(rules.CURRENCY.fullmatch(command.currency)), Code.CURRENCY, "currency"),
        *_check_values(name, command.time_zone, command.fiscal_year_start, command.email_domains),
        *_check_policies(command),
    ]
    if problems:
        raise InvalidInput(problems)
    tenant_id = new_id()
    values = {
        "id": tenant_id,
        "code": command.code,
        "slug": command.slug,
        "name": name,
        "parent_id": parent.id if parent is not None else None,
        "currency": command.currency,
        "time_zone": command.time_zone,
        "fiscal_year_start": command.fiscal_year_start,
        "status": TenantStatus.ACTIVE.value,
        "attribute_policy": command.attribute_policy.value,
        "major_type_policy": command.major_type_policy.value,
        "settlement_policy": command.settlement_policy.value,
        "email_domains": list(command.email_domains),
        "version": 1,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    taken = await store.insert_tenant(tx, values)
    if taken is not None:
        raise Conflict.because(Code.CODE_EXISTS, Code.CODE_EXISTS.summary, taken)
    await history.record(tx, caller, "TENANT", tenant_id, "CREATED", tenant_id=tenant_id, code=command.code)
    if isinstance(caller, PersonCaller):
        # Else nobody but the hub's own staff could ever keep the new government's registries.
        await store.set_operator(tx, tenant_id, caller.person_id, "ACTIVE")
        await history.record(tx, caller, "OPERATOR", caller.person_id, "ADDED", tenant_id=tenant_id)
    return await get_tenant(tx, tenant_id)


async def update_tenant(tx: Transaction, caller: Caller, command: UpdateTenant) -> Tenant:
    """The government with the given values changed. For its operators and the hub.

    Raises NotFound, NotAllowed, InvalidInput, and Conflict VERSION_CONFLICT when somebody was faster.
    """
    found = await _visible(tx, caller, command.code)
    access.require_operator(caller, found.id)
    access.require_fresh(caller, tx.now)
    changes = _changes(command)
    problems = [
        *_check_values(
            changes.get("name", found.name),
            changes.get("time_zone", found.time_zone),
            changes.get("fiscal_year_start", found.fiscal_year_start),
            tuple(changes.get("email_domains", found.email_domains)),
        ),
        *_check_policies(command),
    ]
    if problems:
        raise InvalidInput(problems)
    if not await store.update_tenant(tx, found.id, command.version, changes):
        raise Conflict.because(Code.VERSION_CONFLICT, Code.VERSION_CONFLICT.summary, "version")
    await history.record(tx, caller, "TENANT", found.id, "UPDATED", tenant_id=found.id, **changes)
    return await get_tenant(tx, found.id)


async def get_tenant(read: Read, tenant_id: uuid.UUID) -> Tenant:
    """A government by id, for rooms that are authorised already; raises NotFound."""
    found = await store.get_tenant(read, tenant_id)
    if found is None:
        raise access.absent()
    return found


async def find_tenant_by_code(read: Read, code: str) -> Tenant | None:
    """A government by code, for rooms that are authorised already."""
    return await store.find_tenant(read, code=code)


async def find_tenant(read: Read, caller: Caller, code: str) -> Tenant | None:
    """A government by code, when the caller may see it."""
    found = await store.list_tenants(
        read, and_(access.visible_tenants(caller), tenant.c.code == code), None, 1
    )
    return found[0] if found else None


async def find_tenant_by_id(read: Read, caller: Caller, tenant_id: uuid.UUID) -> Tenant | None:
    """A government by id, when the caller may see it."""
    where = and_(access.visible_tenants(caller), tenant.c.id == tenant_id)
    found = await store.list_tenants(read, where, None, 1)
    return found[0] if found else None


async def list_tenants(read: Read, caller: Caller, *, after: str | None, limit: int) -> list[Tenant]:
    """Governments the caller may see, by code."""
    return await store.list_tenants(read, access.visible_tenants(caller), after, limit)


async def add_operator(tx: Transaction, caller: Caller, government: str, email: str) -> Operator:
    """Make the person of this address an operator; repeating it changes nothing.

    For the hub and the government's operators. Raises NotFound, NotAllowed, InvalidInput CONTACT_EMAIL.
    """
    found = await _visible(tx, caller, government)
    access.require_operator(caller, found.id)
    access.require_fresh(caller, tx.now)
    address = rules.tidy_email(email)
    if not rules.is_email(address):
        raise InvalidInput.because(Code.CONTACT_EMAIL, Code.CONTACT_EMAIL.summary, "email")
    person_id = await store.ensure_person(tx, new_id(), address)
    if await store.set_operator(tx, found.id, person_id, "ACTIVE"):
        await history.record(tx, caller, "OPERATOR", person_id, "ADDED", tenant_id=found.id)
    operators = await store.list_operators(tx, found.id)
    return next(each for each in operators if each.person_id == person_id)


async def remove_operator(tx: Transaction, caller: Caller, government: str, person_id: uuid.UUID) -> None:
    """End an operator's office; the last one stays. For the hub and the government's operators."""
    found = await _visible(tx, caller, government)
    access.require_operator(caller, found.id)
    access.require_fresh(caller, tx.now)
    await store.find_tenant(tx, tenant_id=found.id, lock=True)
    operators = {each.person_id for each in await store.list_operators(tx, found.id)}
    if person_id not in operators:
        raise access.absent("personId")
    if len(operators) == 1:
        raise RuleBroken.because(Code.PERSON_ROLE, "the last operator of a government stays", "personId")
    await store.set_operator(tx, found.id, person_id, "REMOVED")
    await store_codes.revoke_sessions(tx, session.c.person_id == person_id)
    await history.record(tx, caller, "OPERATOR", person_id, "REMOVED", tenant_id=found.id)


async def list_operators(
    read: Read, caller: Caller, government: str, *, after: uuid.UUID | None, limit: int
) -> list[Operator]:
    """A government's operators, for themselves and the hub; raises NotFound, NotAllowed."""
    found = await _visible(read, caller, government)
    access.require_operator(caller, found.id)
    return await store.list_operators(read, found.id, after, limit)


async def _visible(read: Read, caller: Caller, code: str) -> Tenant:
    access.require_known(caller)
    found = await find_tenant(read, caller, code)
    if found is None:
        raise access.absent("government")
    return found


async def _parent(tx: Transaction, caller: Caller, code: str | None) -> Tenant | None:
    if code is None:
        if not isinstance(caller, HubCaller):
            raise access.not_allowed("only the hub's own staff adds a government without a parent")
        return None
    parent = await find_tenant(tx, caller, code)
    if parent is None:
        raise access.absent("parent")
    access.require_operator(caller, parent.id)
    return parent


def _changes(command: UpdateTenant) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in ("name", "time_zone", "fiscal_year_start"):
        if getattr(command, name) is not None:
            changes[name] = rules.tidy(getattr(command, name))
    for name in ("status", "attribute_policy", "major_type_policy", "settlement_policy"):
        if getattr(command, name) is not None:
            changes[name] = getattr(command, name).value
    if command.email_domains is not None:
        changes["email_domains"] = list(command.email_domains)
    return changes


def _check_values(
    name: str, time_zone: str, fiscal_year_start: str, email_domains: tuple[str, ...]
) -> list[Problem]:
    domains = len(email_domains) <= EMAIL_DOMAINS_MAX and all(
        rules.EMAIL_DOMAIN.fullmatch(domain) for domain in email_domains
    )
    return [
        *rules.check_text(Code.TEXT, name, *NAME_LENGTH, "name"),
        *_check(rules.is_time_zone(time_zone), Code.INPUT, "timeZone", "an IANA time zone"),
        *_check(rules.is_day_of_year(fiscal_year_start), Code.INPUT, "fiscalYearStart", "MM-DD"),
        *_check(domains, Code.INPUT, "emailDomains", "host names in lower case"),
    ]


def _check_policies(command: CreateTenant | UpdateTenant) -> list[Problem]:
    """Only the catalogue of attributes can be switched off."""
    return [
        *_check(
            command.major_type_policy is not Policy.OFF, Code.INPUT, "majorTypePolicy", "WARN or ENFORCE"
        ),
        *_check(
            command.settlement_policy is not Policy.OFF, Code.INPUT, "settlementPolicy", "WARN or ENFORCE"
        ),
    ]


def _check(holds: bool, code: Code, path: str, expected: str = "") -> list[Problem]:
    message = f"{path}: {expected} expected" if expected else code.summary
    return [] if holds else [Problem(code, message, (path,))]
