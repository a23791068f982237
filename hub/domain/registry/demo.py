"""A ready-made agency with a provider and a consumer system, for `fiscal-hub run` and for trying things out."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_

from hub.db import Transaction
from hub.domain.registry import access, agencies, apikeys, rules, store, store_systems, systems, tenants
from hub.domain.registry.callers import Environment, HubCaller, SystemRole
from hub.domain.registry.commands import CreateTenant, RegisterAgency, RegisterSystem
from hub.domain.registry.model import Agency, NewApiKey, System, SystemStatus, Tenant
from hub.domain.registry.tables import agency, system
from hub.means import Means

DEMO_TENANT = CreateTenant(code="pb", slug="punjab", name="Punjab")


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demonstration made; the keys are shown once, as all keys are."""

    tenant: Tenant
    agency: Agency
    provider: System
    provider_key: NewApiKey
    consumer: System
    consumer_key: NewApiKey


async def create_demo(
    tx: Transaction,
    means: Means,
    caller: HubCaller,
    *,
    tenant: CreateTenant = DEMO_TENANT,
    agency_name: str = "Department of Finance",
    provider_name: str = "Treasury",
    consumer_name: str = "Dashboard",
) -> Demo:
    """The demonstration's government, agency and two live systems; what is there stays, the keys are new."""
    government = await tenants.find_tenant_by_code(tx, tenant.code)
    if government is None:
        government = await tenants.create_tenant(tx, caller, tenant)
    home = await _agency(tx, means, caller, government, agency_name)
    provider, provider_key = await _system(
        tx, means, caller, home, name=provider_name, role=SystemRole.PROVIDER
    )
    consumer, consumer_key = await _system(
        tx, means, caller, home, name=consumer_name, role=SystemRole.CONSUMER
    )
    return Demo(government, home, provider, provider_key, consumer, consumer_key)


async def _agency(tx: Transaction, means: Means, caller: HubCaller, government: Tenant, name: str) -> Agency:
    where = and_(agency.c.tenant_id == government.id, agency.c.name_key == rules.name_key(name))
    for found in await store.list_agencies(tx, means, where, None, 100):
        if found.state in access.VERIFIED_STATES:
            return found
    command = RegisterAgency(
        government=government.code,
        name=name,
        contact_name="Demonstration",
        contact_phone="+910000000000",
        contact_email=f"demo@{government.slug}.{means.domain}",
    )
    return await agencies.enrol_agency(tx, means, caller, command)


async def _system(
    tx: Transaction, means: Means, caller: HubCaller, home: Agency, *, name: str, role: SystemRole
) -> tuple[System, NewApiKey]:
    where = and_(
        system.c.tenant_id == home.tenant_id,
        system.c.agency_id == home.id,
        system.c.name == name,
        system.c.environment == Environment.LIVE.value,
        system.c.status == SystemStatus.ACTIVE.value,
        system.c.roles == [role.value],
    )
    for found in await store_systems.list_systems(tx, where, limit=1):
        return found, await apikeys.regenerate_api_key(tx, means, caller, found.id)
    command = RegisterSystem(name=name, roles=frozenset({role}), environment=Environment.LIVE)
    made, key = await systems.register_system(tx, means, caller, home.id, command)
    if key is None:
        raise access.absent()
    return made, key
