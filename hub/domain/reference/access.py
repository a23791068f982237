"""Who may read and who may write a government's registries: default deny."""

from __future__ import annotations

import uuid

from hub.codes import Code
from hub.db import Read
from hub.domain import registry
from hub.domain.reference.model import GOVERNMENT_LENGTH
from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller
from hub.errors import InvalidInput, NotAllowed, NotAuthenticated


def may_read(caller: Caller, tenant_id: uuid.UUID) -> bool:
    """Systems and people of the government, its operators, and the hub."""
    tenants = readable_tenants(caller)
    return tenants is None or tenant_id in tenants


def may_write(caller: Caller, tenant_id: uuid.UUID) -> bool:
    """The government's operators and the hub."""
    if isinstance(caller, HubCaller):
        return True
    return isinstance(caller, PersonCaller) and tenant_id in caller.operator_of


def readable_tenants(caller: Caller) -> frozenset[uuid.UUID] | None:
    """The governments whose registries the caller may read; None means every one."""
    if isinstance(caller, HubCaller):
        return None
    if isinstance(caller, SystemCaller):
        return frozenset({caller.tenant_id})
    if isinstance(caller, PersonCaller):
        return caller.operator_of | ({caller.tenant_id} if caller.tenant_id is not None else frozenset())
    return frozenset()


async def find_government(
    read: Read, caller: Caller, code: str | None, *, length: Code = Code.TENANT_ID
) -> uuid.UUID:
    """The government a request is about: the one it names, else the only one the caller has to do with.

    Raises TENANT_ID when it is not named, not known or not the caller's: the three are not told apart.
    """
    require_known(caller)
    tenants = readable_tenants(caller)
    if code is None:
        if tenants is not None and len(tenants) == 1:
            return next(iter(tenants))
        raise InvalidInput.because(Code.TENANT_ID, "name the government", "tenant")
    if len(code) not in GOVERNMENT_LENGTH:
        raise InvalidInput.because(length, "a government's code has 2 to 64 characters", "tenant")
    found = await registry.find_tenant(read, caller, code) if code.isprintable() else None
    if found is None or not may_read(caller, found.id):
        raise InvalidInput.because(Code.TENANT_ID, Code.TENANT_ID.summary, "tenant")
    return found.id


def require_known(caller: Caller) -> None:
    """Raise NotAuthenticated for nobody."""
    if isinstance(caller, Anonymous):
        raise NotAuthenticated.because(Code.UNAUTHENTICATED, Code.UNAUTHENTICATED.summary)


def require_read(caller: Caller, tenant_id: uuid.UUID) -> None:
    """Raise unless the caller may read; a government that is not the caller's is not there for it."""
    require_known(caller)
    if not may_read(caller, tenant_id):
        raise NotAllowed.because(Code.TENANT_ID, Code.TENANT_ID.summary, "tenant")


def require_write(caller: Caller, tenant_id: uuid.UUID) -> None:
    """Raise unless the caller keeps this government's registries."""
    require_read(caller, tenant_id)
    if not may_write(caller, tenant_id):
        raise NotAllowed.because(
            Code.ROLE_NOT_ALLOWED, "only operators of the government change its registries"
        )


def name_of(caller: Caller) -> str:
    """Who did it, as kept with every version."""
    if isinstance(caller, PersonCaller):
        return f"person:{caller.person_id}"
    if isinstance(caller, SystemCaller):
        return f"system:{caller.system_id}"
    return f"hub:{caller.reason}" if isinstance(caller, HubCaller) else "nobody"


def same_actor(caller: Caller, name: str) -> bool:
    """Whether this caller is the one a name was kept for."""
    return name_of(caller) == name
