"""Rows of governments, agencies and people, turned into the room's values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncpg import Record
from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, literal_column, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from hub.db import Read, Transaction
from hub.domain.registry.callers import PersonRole
from hub.domain.registry.model import (
    Agency,
    AgencyState,
    Member,
    Operator,
    Policy,
    Tenant,
    TenantStatus,
)
from hub.domain.registry.tables import agency, membership, person, tenant, tenant_operator
from hub.means import Means
from hub.signing import sealed

PHONE_PURPOSE = "registry.contact_phone"

parent = tenant.alias("parent")


# Governments


def _tenants() -> Select[Any]:
    return select(tenant, parent.c.code.label("parent_code")).join_from(
        tenant, parent, tenant.c.parent_id == parent.c.id, isouter=True
    )


def _tenant(row: RowMapping | Record) -> Tenant:
    return Tenant(
        **{
            **row,
            "status": TenantStatus(row["status"]),
            "attribute_policy": Policy(row["attribute_policy"]),
            "major_type_policy": Policy(row["major_type_policy"]),
            "settlement_policy": Policy(row["settlement_policy"]),
            "email_domains": tuple(row["email_domains"]),
        }
    )


# The statement of every posting; the joined columns are those of ``_tenants``.
TENANT_BY_ID = (
    f"SELECT {', '.join(f't.{column.name}' for column in tenant.c)}, p.code AS parent_code "  # noqa: S608
    "FROM tenant t LEFT JOIN tenant p ON p.id = t.parent_id WHERE t.id = $1"
)


async def get_tenant(read: Read, tenant_id: uuid.UUID) -> Tenant | None:
    """One government by id, by a statement each connection prepares once."""
    rows = await read.fetch(TENANT_BY_ID, tenant_id)
    return _tenant(rows[0]) if rows else None


async def find_tenant(
    read: Read, *, tenant_id: uuid.UUID | None = None, code: str | None = None, lock: bool = False
) -> Tenant | None:
    """One government by id or by code."""
    by = tenant.c.code == code if tenant_id is None else tenant.c.id == tenant_id
    query = _tenants().where(by)
    if lock:
        query = query.with_for_update(of=tenant)
    row = (await read.rows(query)).mappings().one_or_none()
    return _tenant(row) if row is not None else None


async def list_tenants(
    read: Read, visible: ColumnElement[bool], after: str | None, limit: int
) -> list[Tenant]:
    """Governments by code."""
    query = _tenants().where(visible).order_by(tenant.c.code).limit(limit)
    if after is not None:
        query = query.where(tenant.c.code > after)
    return [_tenant(row) for row in (await read.rows(query)).mappings()]


async def insert_tenant(tx: Transaction, values: Mapping[str, Any]) -> str | None:
    """Write a government; answers the column that is taken when another one has its code or slug."""
    statement = upsert(tenant).values(**values).on_conflict_do_nothing().returning(tenant.c.id)
    if await tx.scalar(statement) is not None:
        return None
    taken = await tx.scalar(select(tenant.c.id).where(tenant.c.code == values["code"]))
    return "code" if taken is not None else "slug"


async def update_tenant(
    tx: Transaction, tenant_id: uuid.UUID, version: int, values: Mapping[str, Any]
) -> bool:
    """Change a government if it still has this version."""
    statement = (
        update(tenant)
        .where(tenant.c.id == tenant_id, tenant.c.version == version)
        .values(**values, version=version + 1, updated_at=tx.now)
        .returning(tenant.c.id)
    )
    return await tx.scalar(statement) is not None


# Agencies


def _agency(means: Means, row: RowMapping) -> Agency:
    phone = sealed.open_bytes(means.master_key, PHONE_PURPOSE, row["contact_phone"], owner=row["id"].bytes)
    kept = {name: row[name] for name in row if name not in {"name_key", "contact_id"}}
    return Agency(
        **{
            **kept,
            "contact_phone": phone.decode(),
            "state": AgencyState(row["state"]),
            "approvals": tuple(row["approvals"]),
        }
    )


def seal_phone(means: Means, agency_id: uuid.UUID, phone: str) -> bytes:
    """A contact's phone number as it lies at rest."""
    return sealed.seal_bytes(means.master_key, PHONE_PURPOSE, phone.encode(), owner=agency_id.bytes)


async def find_agency(
    read: Read, means: Means, agency_id: uuid.UUID, visible: ColumnElement[bool], *, lock: bool = False
) -> Agency | None:
    """One agency, when the caller may see it."""
    query = select(agency).where(agency.c.id == agency_id, visible)
    if lock:
        query = query.with_for_update()
    row = (await read.rows(query)).mappings().one_or_none()
    return _agency(means, row) if row is not None else None


async def lock_agency_state(tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID) -> AgencyState:
    """An agency's state, its row held."""
    query = select(agency.c.state).where(agency.c.tenant_id == tenant_id, agency.c.id == agency_id)
    return AgencyState(await tx.scalar(query.with_for_update()))


async def find_contact_id(read: Read, agency_id: uuid.UUID) -> uuid.UUID | None:
    """The person an agency was registered with."""
    found: uuid.UUID | None = await read.scalar(select(agency.c.contact_id).where(agency.c.id == agency_id))
    return found


async def list_agencies(
    read: Read, means: Means, where: ColumnElement[bool], after: uuid.UUID | None, limit: int
) -> list[Agency]:
    """Agencies in the order of their registration."""
    query = select(agency).where(where).order_by(agency.c.id).limit(limit)
    if after is not None:
        query = query.where(agency.c.id > after)
    return [_agency(means, row) for row in (await read.rows(query)).mappings()]


async def insert_agency(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Write an agency; False when the government has one of this name."""
    statement = upsert(agency).values(**values).on_conflict_do_nothing().returning(agency.c.id)
    return await tx.scalar(statement) is not None


async def move_agency(
    tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID, to: AgencyState, **values: Any
) -> None:
    """Change an agency's state; the caller holds its row."""
    await tx.execute(
        update(agency)
        .where(agency.c.tenant_id == tenant_id, agency.c.id == agency_id)
        .values(state=to.value, version=agency.c.version + 1, updated_at=tx.now, **values)
    )


async def reserve_name(tx: Transaction, tenant_id: uuid.UUID, agency_id: uuid.UUID) -> bool:
    """Take a draft back to waiting for its code; False when another agency has the name by now."""
    try:
        async with tx.attempt():
            await move_agency(tx, tenant_id, agency_id, AgencyState.CODE_SENT, code_sent_at=tx.now)
    except IntegrityError:
        return False
    return True


async def lapse_agencies(
    tx: Transaction, where: ColumnElement[bool], sent_before: datetime
) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Agencies whose code nobody entered in time are drafts again; answers which."""
    statement = (
        update(agency)
        .where(where, agency.c.state == AgencyState.CODE_SENT.value, agency.c.code_sent_at < sent_before)
        .values(state=AgencyState.DRAFT.value, version=agency.c.version + 1, updated_at=tx.now)
        .returning(agency.c.tenant_id, agency.c.id)
    )
    return [(row.tenant_id, row.id) for row in await tx.rows(statement)]


# People


async def find_person_id(read: Read, email: str) -> uuid.UUID | None:
    """Whose address this is, letter case aside."""
    found: uuid.UUID | None = await read.scalar(
        select(person.c.id).where(func.lower(person.c.email) == email.lower())
    )
    return found


async def find_email(read: Read, person_id: uuid.UUID) -> str | None:
    """A person's address as it was first written."""
    found: str | None = await read.scalar(select(person.c.email).where(person.c.id == person_id))
    return found


async def ensure_person(tx: Transaction, person_id: uuid.UUID, email: str) -> uuid.UUID:
    """The person of this address, made when new; two at once get the same one."""
    statement = (
        upsert(person)
        .values(id=person_id, email=email, created_at=tx.now)
        .on_conflict_do_nothing(index_elements=[literal_column("lower(email)")])
    )
    await tx.execute(statement)
    found = await find_person_id(tx, email)
    assert found is not None
    return found


def _members() -> Select[Any]:
    return (
        select(membership, person.c.email)
        .join_from(membership, person, membership.c.person_id == person.c.id)
        .where(membership.c.status == "ACTIVE")
    )


def _member(row: RowMapping) -> Member:
    kept = {name: row[name] for name in row if name not in {"status", "updated_at", "agency_state"}}
    return Member(**{**kept, "roles": frozenset(PersonRole(role) for role in row["roles"])})


async def list_members(
    read: Read, where: ColumnElement[bool], after: uuid.UUID | None = None, limit: int | None = None
) -> list[Member]:
    """Active members in the order of their ids."""
    query = _members().where(where).order_by(membership.c.person_id)
    if after is not None:
        query = query.where(membership.c.person_id > after)
    return [_member(row) for row in (await read.rows(query.limit(limit))).mappings()]


async def list_memberships(read: Read, person_id: uuid.UUID) -> list[tuple[Member, AgencyState]]:
    """Every agency a person belongs to, the oldest membership first."""
    query = (
        _members()
        .add_columns(agency.c.state.label("agency_state"))
        .join(
            agency,
            and_(agency.c.tenant_id == membership.c.tenant_id, agency.c.id == membership.c.agency_id),
        )
        .where(membership.c.person_id == person_id)
        .order_by(membership.c.created_at, membership.c.agency_id)
    )
    rows = (await read.rows(query)).mappings()
    return [(_member(row), AgencyState(row["agency_state"])) for row in rows]


async def save_member(tx: Transaction, member: Member) -> bool:
    """Write a member, or bring a removed one back; False when the person is a member already."""
    values = {
        "name": member.name,
        "roles": sorted(member.roles),
        "status": "ACTIVE",
        "updated_at": tx.now,
    }
    statement = (
        upsert(membership)
        .values(
            tenant_id=member.tenant_id,
            agency_id=member.agency_id,
            person_id=member.person_id,
            version=1,
            created_at=tx.now,
            **values,
        )
        .on_conflict_do_update(
            index_elements=["tenant_id", "agency_id", "person_id"],
            set_={**values, "version": membership.c.version + 1},
            where=membership.c.status == "REMOVED",
        )
        .returning(membership.c.person_id)
    )
    return await tx.scalar(statement) is not None


async def change_member(tx: Transaction, member: Member, **values: Any) -> None:
    """Change a member's roles or status; the caller holds the agency's row."""
    await tx.execute(
        update(membership)
        .where(
            tuple_(membership.c.tenant_id, membership.c.agency_id, membership.c.person_id)
            == tuple_(member.tenant_id, member.agency_id, member.person_id)
        )
        .values(version=membership.c.version + 1, updated_at=tx.now, **values)
    )


# Operators


async def set_operator(tx: Transaction, tenant_id: uuid.UUID, person_id: uuid.UUID, status: str) -> bool:
    """Make or end an operator; False when nothing changes."""
    values = {"status": status, "updated_at": tx.now}
    statement = upsert(tenant_operator).values(
        tenant_id=tenant_id, person_id=person_id, created_at=tx.now, **values
    )
    changed = statement.on_conflict_do_update(
        index_elements=["tenant_id", "person_id"], set_=values, where=tenant_operator.c.status != status
    ).returning(tenant_operator.c.person_id)
    return await tx.scalar(changed) is not None


async def list_operators(
    read: Read, tenant_id: uuid.UUID, after: uuid.UUID | None = None, limit: int | None = None
) -> list[Operator]:
    """A government's active operators."""
    query = (
        select(
            tenant_operator.c.tenant_id,
            tenant_operator.c.person_id,
            person.c.email,
            tenant_operator.c.created_at,
        )
        .join_from(tenant_operator, person, tenant_operator.c.person_id == person.c.id)
        .where(tenant_operator.c.tenant_id == tenant_id, tenant_operator.c.status == "ACTIVE")
        .order_by(tenant_operator.c.person_id)
    )
    if after is not None:
        query = query.where(tenant_operator.c.person_id > after)
    return [Operator(**row) for row in (await read.rows(query.limit(limit))).mappings()]


async def operator_of(read: Read, person_id: uuid.UUID) -> frozenset[uuid.UUID]:
    """The governments whose registries a person keeps."""
    query = select(tenant_operator.c.tenant_id).where(
        tenant_operator.c.person_id == person_id, tenant_operator.c.status == "ACTIVE"
    )
    found: Sequence[uuid.UUID] = (await read.rows(query)).scalars().all()
    return frozenset(found)
