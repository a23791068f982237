"""Doors to the registry's answers: who is who, as far as the caller may see."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import strawberry

from hub.context import Info
from hub.domain import registry
from hub.domain.registry import AgencyState
from hub.kit import cursors
from hub.resolvers.accounts import AccountsMutation
from hub.resolvers.registration import RegistrationMutation
from hub.resolvers.systems import SystemsMutation
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.registry import (
    Agency,
    ApiKey,
    DirectoryEntry,
    Me,
    Operator,
    Person,
    SigningKey,
    System,
    Tenant,
)
from hub.schema.registry_inputs import wanted


def _after(name: str, cursor: str | None) -> uuid.UUID | None:
    return None if cursor is None else cursors.decode_id(name, cursor)


def _after_text(name: str, cursor: str | None) -> str | None:
    return None if cursor is None else str(cursors.decode(name, cursor, str)[0])


@strawberry.type
class RegistryQuery:
    @strawberry.field(description="The caller itself.")
    async def me(self, info: Info) -> Me:
        context = info.context
        async with context.db.read() as read:
            return Me.of(await registry.identify(read, context.means, context.caller))

    @strawberry.field(description="A government by its code.")
    async def tenant(self, info: Info, code: str) -> Tenant | None:
        async with info.context.db.read() as read:
            found = await registry.find_tenant(read, info.context.caller, code)
        return Tenant.of(found) if found is not None else None

    @strawberry.field(description="The governments on this hub, by code.")
    async def tenants(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Tenant]:
        limit = page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await registry.list_tenants(
                read, info.context.caller, after=_after_text("tenants", after), limit=limit
            )
        return Connection[Tenant].of(rows, first, Tenant.of, lambda row: cursors.encode("tenants", row.code))

    @strawberry.field(description="The agency the caller acts for.")
    async def agency(self, info: Info) -> Agency | None:
        context = info.context
        registry.require_person(context.caller)
        async with context.db.read() as read:
            found = await registry.find_own_agency(read, context.means, context.caller)
        return Agency.of(found) if found is not None else None

    @strawberry.field(description="For operators: the agencies of their governments.")
    async def agencies(
        self,
        info: Info,
        state: AgencyState | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[Agency]:
        context, limit = info.context, page_size(first) + 1
        async with context.db.read() as read:
            rows = await registry.list_agencies(
                read, context.means, context.caller, state=state, after=_after("agencies", after), limit=limit
            )
        return Connection[Agency].of(
            rows, first, Agency.of, lambda row: cursors.encode("agencies", str(row.id))
        )

    @strawberry.field(description="The people of the caller's own agency.")
    async def people(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Person]:
        limit = page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await registry.list_members(
                read, info.context.caller, after=_after("people", after), limit=limit
            )
        return Connection[Person].of(
            rows, first, Person.of, lambda row: cursors.encode("people", str(row.person_id))
        )

    @strawberry.field(description="For operators: their fellow operators of a government.")
    async def operators(
        self, info: Info, government: str, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Operator]:
        limit = page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await registry.list_operators(
                read, info.context.caller, government, after=_after("operators", after), limit=limit
            )
        return Connection[Operator].of(
            rows, first, Operator.of, lambda row: cursors.encode("operators", str(row.person_id))
        )

    @strawberry.field(
        description="A person's agency's systems, an operator's government's; a system sees itself."
    )
    async def systems(
        self,
        info: Info,
        agency_id: strawberry.ID | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[System]:
        limit = page_size(first) + 1
        agency = None if agency_id is None else wanted("agy", agency_id, "agencyId")
        async with info.context.db.read() as read:
            rows = await registry.list_systems(
                read, info.context.caller, agency_id=agency, after=_after("systems", after), limit=limit
            )
        return Connection[System].of(
            rows, first, System.of, lambda row: cursors.encode("systems", str(row.id))
        )

    @strawberry.field(description="For systems: whom they can address in their government and environment.")
    async def directory(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[DirectoryEntry]:
        limit = page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await registry.list_directory(
                read, info.context.caller, after=_after_text("directory", after), limit=limit
            )
        return Connection[DirectoryEntry].of(
            rows, first, DirectoryEntry.of, lambda row: cursors.encode("directory", row.unique_id)
        )

    @strawberry.field(description="The API keys of a system of one's own, without their secrets.")
    async def api_keys(
        self, info: Info, system_id: strawberry.ID, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[ApiKey]:
        limit = page_size(first) + 1
        system = wanted("sys", system_id, "systemId")
        async with info.context.db.read() as read:
            rows = await registry.list_api_keys(
                read, info.context.caller, system, after=_after("apiKeys", after), limit=limit
            )
        return Connection[ApiKey].of(
            rows, first, ApiKey.of, lambda row: cursors.encode("apiKeys", str(row.id))
        )

    @strawberry.field(description="The public signing keys of any system, by its unique id.")
    async def signing_keys(
        self, info: Info, system: str, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[SigningKey]:
        limit = page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await registry.list_signing_keys(
                read, info.context.caller, system, after=_after("signingKeys", after), limit=limit
            )
        return Connection[SigningKey].of(
            rows, first, SigningKey.of, lambda row: cursors.encode("signingKeys", str(row.id))
        )


async def _tenant(info: Info, tenant_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await registry.find_tenant_by_id(read, info.context.caller, tenant_id)
    return Tenant.of(found) if found is not None else None


async def _agency(info: Info, agency_id: uuid.UUID) -> Node | None:
    context = info.context
    async with context.db.read() as read:
        found = await registry.find_agency(read, context.means, context.caller, agency_id)
    return Agency.of(found) if found is not None else None


async def _person(info: Info, person_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await registry.find_member(read, info.context.caller, person_id)
    return Person.of(found) if found is not None else None


async def _system(info: Info, system_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await registry.find_system(read, info.context.caller, system_id)
    return System.of(found) if found is not None else None


async def _api_key(info: Info, key_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await registry.find_api_key(read, info.context.caller, key_id)
    return ApiKey.of(found) if found is not None else None


async def _signing_key(info: Info, key_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await registry.find_signing_key(read, info.context.caller, key_id)
    return SigningKey.of(found) if found is not None else None


NODES: dict[str, Callable[[Info, uuid.UUID], Awaitable[Node | None]]] = {
    "tnt": _tenant,
    "agy": _agency,
    "per": _person,
    "sys": _system,
    "key": _api_key,
    "sgk": _signing_key,
}


@strawberry.type
class RegistryMutation(RegistrationMutation, AccountsMutation, SystemsMutation):
    """All that changes the registry."""
