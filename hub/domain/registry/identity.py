"""Who the caller is, as the caller may see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub.db import Read
from hub.domain.registry import access, agencies, people, store, systems
from hub.domain.registry.callers import Caller, PersonCaller, SystemCaller
from hub.domain.registry.model import Agency, Member, System, Tenant
from hub.domain.registry.tables import tenant
from hub.means import Means

OPERATOR_OF_MAX = 100


class CallerKind(StrEnum):
    """What kind of caller this is."""

    SYSTEM = "SYSTEM"
    PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller: a system, or a person with agency, membership and the governments kept."""

    kind: CallerKind
    system: System | None = None
    email: str | None = None
    member: Member | None = None
    agency: Agency | None = None
    operator_of: tuple[Tenant, ...] = ()


async def identify(read: Read, means: Means, caller: Caller) -> Identity:
    """What the hub knows about the caller; raises NotAuthenticated for nobody."""
    known = access.require_known(caller)
    if isinstance(known, SystemCaller):
        return Identity(CallerKind.SYSTEM, system=await systems.get_system(read, known.system_id))
    if not isinstance(known, PersonCaller):
        raise access.not_allowed()
    kept = tenant.c.id.in_(known.operator_of)
    return Identity(
        CallerKind.PERSON,
        email=await store.find_email(read, known.person_id),
        member=await people.find_member(read, known, known.person_id),
        agency=await agencies.find_own_agency(read, means, known),
        operator_of=tuple(await store.list_tenants(read, kept, None, OPERATOR_OF_MAX)),
    )
