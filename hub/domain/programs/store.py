"""Rows of programs, sanctions and allocations; money itself moves in funds.py alone."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.db import Read, Transaction
from hub.domain.programs.model import (
    Allocation,
    AllocationType,
    Balances,
    Owner,
    Program,
    ProgramStatus,
    Sanction,
    SanctionStatus,
    SegmentCodes,
)
from hub.domain.programs.tables import BUCKETS, allocation, program, program_history, sanction


def codes_document(codes: SegmentCodes) -> dict[str, str]:
    """The codes that are given, as they are stored."""
    return {name: value for name, value in asdict(codes).items() if value is not None}


async def next_number(tx: Transaction, owner: Owner, location_code: str, fiscal_year: int) -> int:
    """The next number of this place and year; a rollback takes it back, so there are no gaps."""
    found: int = await tx.scalar(
        text(
            "INSERT INTO program_number (tenant_id, environment, location_code, fiscal_year, last) "
            "VALUES (:tenant, :environment, :location, :year, 1) "
            "ON CONFLICT (tenant_id, environment, location_code, fiscal_year) "
            "DO UPDATE SET last = program_number.last + 1 RETURNING last"
        ),
        {
            "tenant": owner.tenant_id,
            "environment": owner.environment,
            "location": location_code,
            "year": fiscal_year,
        },
    )
    return found


# Programs


async def insert_program(tx: Transaction, values: Mapping[str, Any]) -> Program:
    """A new program."""
    rows = await tx.rows(insert(program).values(**values).returning(program))
    return _program(rows.mappings().one())


async def update_program(tx: Transaction, found: Program, **values: Any) -> Program | None:
    """Change a program that still has this version; None when somebody was quicker."""
    statement = (
        update(program)
        .where(
            program.c.tenant_id == found.owner.tenant_id,
            program.c.id == found.id,
            program.c.version == found.version,
        )
        .values(**values, version=program.c.version + 1, updated_at=tx.now)
        .returning(program)
    )
    row = (await tx.rows(statement)).mappings().one_or_none()
    return _program(row) if row is not None else None


async def find_program(
    read: Read, program_id: uuid.UUID, seen: ColumnElement[bool], *, share: bool = False
) -> Program | None:
    """A program; ``share`` keeps it from being changed until this transaction ends."""
    query = select(program).where(program.c.id == program_id, seen)
    row = (await read.rows(query.with_for_update(read=True) if share else query)).mappings().one_or_none()
    return _program(row) if row is not None else None


async def list_programs(
    read: Read, criteria: Sequence[ColumnElement[bool]], after: uuid.UUID | None, limit: int
) -> list[Program]:
    """Programs by id, which is the order they were made in."""
    query = select(program).where(*criteria)
    if after is not None:
        query = query.where(program.c.id > after)
    return [_program(row) for row in (await read.rows(query.order_by(program.c.id).limit(limit))).mappings()]


def _program(row: RowMapping) -> Program:
    return Program(
        owner=_owner(row),
        id=row["id"],
        code=row["code"],
        fiscal_year=row["fiscal_year"],
        location_code=row["location_code"],
        name=row["name"],
        description=row["description"],
        parent_id=row["parent_id"],
        start_date=row["start_date"],
        end_date=row["end_date"],
        currency=row["currency"],
        codes=SegmentCodes(**row["codes"]),
        status=ProgramStatus(row["status"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


# Sanctions


async def insert_sanction(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """A new sanction; False, and nothing written, when its system has used the reference before."""
    statement = (
        upsert(sanction)
        .values(**values)
        .on_conflict_do_nothing(constraint="uq_sanction_reference")
        .returning(sanction.c.id)
    )
    return await tx.scalar(statement) is not None


async def find_by_reference(
    read: Read, tenant_id: uuid.UUID, system_id: uuid.UUID, reference_id: str
) -> tuple[Sanction, bytes] | None:
    """What a system sent under its reference, and the fingerprint of that."""
    query = select(sanction).where(
        sanction.c.tenant_id == tenant_id,
        sanction.c.system_id == system_id,
        sanction.c.reference_id == reference_id,
    )
    row = (await read.rows(query)).mappings().one_or_none()
    return (_sanction(row), row["fingerprint"]) if row is not None else None


async def find_sanction(
    read: Read, sanction_id: uuid.UUID, seen: ColumnElement[bool], *, lock: bool = False
) -> Sanction | None:
    """A sanction with its balances; ``lock`` keeps others from moving its money until this transaction ends."""
    query = select(sanction).where(sanction.c.id == sanction_id, seen)
    row = (await read.rows(query.with_for_update() if lock else query)).mappings().one_or_none()
    return _sanction(row) if row is not None else None


async def find_sanctions(
    read: Read, ids: Collection[uuid.UUID], seen: ColumnElement[bool]
) -> dict[uuid.UUID, Sanction]:
    """Sanctions by id."""
    rows = (await read.rows(select(sanction).where(sanction.c.id.in_(ids), seen))).mappings()
    return {row["id"]: _sanction(row) for row in rows}


async def list_sanctions(
    read: Read, criteria: Sequence[ColumnElement[bool]], after: uuid.UUID | None, limit: int
) -> list[Sanction]:
    """Sanctions by id, which is the order they were made in."""
    query = select(sanction).where(*criteria)
    if after is not None:
        query = query.where(sanction.c.id > after)
    found = await read.rows(query.order_by(sanction.c.id).limit(limit))
    return [_sanction(row) for row in found.mappings()]


async def update_sanction(tx: Transaction, found: Sanction, **values: Any) -> Sanction | None:
    """Change a sanction that still has this version; None when somebody was quicker. Never a bucket."""
    statement = (
        update(sanction)
        .where(
            sanction.c.tenant_id == found.owner.tenant_id,
            sanction.c.id == found.id,
            sanction.c.version == found.version,
        )
        .values(**values, version=sanction.c.version + 1, updated_at=tx.now)
        .returning(sanction)
    )
    row = (await tx.rows(statement)).mappings().one_or_none()
    return _sanction(row) if row is not None else None


def _sanction(row: RowMapping) -> Sanction:
    return Sanction(
        owner=_owner(row),
        id=row["id"],
        program_id=row["program_id"],
        location_code=row["location_code"],
        reference_id=row["reference_id"],
        currency=row["currency"],
        net_amount=row["net_amount"],
        gross_amount=row["gross"],
        balances=Balances(*(row[name] for name in BUCKETS)),
        codes=SegmentCodes(**row["codes"]),
        status=SanctionStatus(row["status"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


# Allocations


async def insert_allocations(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> set[uuid.UUID]:
    """New allocations; the ids of those whose references were not used before."""
    statement = (
        upsert(allocation)
        .values(list(rows))
        .on_conflict_do_nothing(constraint="uq_allocation_reference")
        .returning(allocation.c.id)
    )
    return {row.id for row in await tx.rows(statement)}


async def find_allocations(
    read: Read, tenant_id: uuid.UUID, system_id: uuid.UUID, references: Collection[str]
) -> dict[str, Allocation]:
    """A system's allocations by their references."""
    query = select(allocation).where(
        allocation.c.tenant_id == tenant_id,
        allocation.c.system_id == system_id,
        allocation.c.reference_id.in_(references),
    )
    return {row["reference_id"]: _allocation(row) for row in (await read.rows(query)).mappings()}


async def list_allocations(
    read: Read, criteria: Sequence[ColumnElement[bool]], after: uuid.UUID | None, limit: int
) -> list[Allocation]:
    """Allocations by id, which is the order they were made in."""
    query = select(allocation).where(*criteria)
    if after is not None:
        query = query.where(allocation.c.id > after)
    found = await read.rows(query.order_by(allocation.c.id).limit(limit))
    return [_allocation(row) for row in found.mappings()]


def _allocation(row: RowMapping) -> Allocation:
    return Allocation(
        owner=_owner(row),
        id=row["id"],
        batch_id=row["batch_id"],
        sanction_id=row["sanction_id"],
        reference_id=row["reference_id"],
        type=AllocationType(row["type"]),
        amount=row["amount"],
        currency=row["currency"],
        created_at=row["created_at"],
    )


def _owner(row: RowMapping) -> Owner:
    return Owner(row["tenant_id"], row["environment"], row["agency_id"])


# History


async def insert_history(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write one line of the history in the change's own transaction."""
    await tx.execute(insert(program_history).values(**values))
