"""Who sees a program and its money, and who moves it: default deny.

    a program, its sanctions, allocations and ledger    the agency's systems and people; every consumer of the
                                                        government and environment; the government's operators
    to change any of it                                 providers of the agency whose program it is

What is here is public money by purpose and amount; who is paid lies with the disbursements, under another policy.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, true

from hub.codes import Code
from hub.domain import registry
from hub.domain.programs.model import Owner
from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller, SystemRole
from hub.errors import NotAllowed, NotFound


def visible(caller: Caller, of: FromClause) -> ColumnElement[bool]:
    """The predicate over rows that have ``tenant_id``, ``environment`` and ``agency_id``."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            home = and_(of.c.tenant_id == caller.tenant_id, of.c.environment == caller.environment.value)
            if SystemRole.CONSUMER in caller.roles:
                return home
            return and_(home, of.c.agency_id == caller.agency_id)
        case PersonCaller():
            return or_(of_agency(caller, of), of.c.tenant_id.in_(caller.operator_of))
        case Anonymous():
            return false()


def of_agency(caller: PersonCaller, of: Any) -> ColumnElement[bool]:
    """What is the agency's own, for its people."""
    if caller.agency_id is None or caller.tenant_id is None or not caller.roles:
        return false()
    return and_(of.c.tenant_id == caller.tenant_id, of.c.agency_id == caller.agency_id)


def require_owner(caller: Caller, owner: Owner, *path: str | int) -> SystemCaller:
    """A provider of the agency that owns the program; raises NotAllowed ROLE_NOT_ALLOWED."""
    system = registry.require_system(caller, SystemRole.PROVIDER)
    if (system.tenant_id, system.environment.value, system.agency_id) != (
        owner.tenant_id,
        owner.environment,
        owner.agency_id,
    ):
        raise NotAllowed.because(Code.ROLE_NOT_ALLOWED, "the program is another agency's", *path)
    return system


def absent(*path: str) -> NotFound:
    """The one answer for what is not there and what is not shown."""
    return NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, *path)
