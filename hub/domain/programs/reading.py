"""Programs, sanctions, allocations and the ledger as callers may see them; the policy is part of every query."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ColumnElement

from hub.db import Read
from hub.domain import registry
from hub.domain.programs import access, funds, store
from hub.domain.programs.model import (
    Allocation,
    Balances,
    Entry,
    Program,
    ProgramCriteria,
    Sanction,
    SanctionCriteria,
)
from hub.domain.programs.tables import allocation, program, sanction
from hub.domain.reference.resolving import storable
from hub.domain.registry import Caller


async def find_program(read: Read, caller: Caller, program_id: uuid.UUID) -> Program | None:
    """A program, or None where it is not there or not the caller's to see."""
    return await store.find_program(read, program_id, access.visible(caller, program))


async def find_sanction(read: Read, caller: Caller, sanction_id: uuid.UUID) -> Sanction | None:
    """A sanction with its balances, or None."""
    return await store.find_sanction(read, sanction_id, access.visible(caller, sanction))


async def list_programs(
    read: Read, caller: Caller, wanted: ProgramCriteria, *, after: uuid.UUID | None, limit: int
) -> list[Program]:
    """Programs in the order they were made in."""
    registry.require_known(caller)
    criteria: list[ColumnElement[bool]] = [access.visible(caller, program)]
    texts = (wanted.location_code, wanted.code, wanted.name)
    if not all(storable(text) for text in texts if text is not None):
        return []
    for column, value in (
        (program.c.location_code, wanted.location_code),
        (program.c.code, wanted.code),
        (program.c.name, wanted.name),
        (program.c.parent_id, wanted.parent_id),
        (program.c.status, wanted.status and wanted.status.value),
    ):
        if value is not None:
            criteria.append(column == value)
    return await store.list_programs(read, criteria, after, limit)


async def list_sanctions(
    read: Read, caller: Caller, wanted: SanctionCriteria, *, after: uuid.UUID | None, limit: int
) -> list[Sanction]:
    """Sanctions in the order they were made in."""
    registry.require_known(caller)
    criteria: list[ColumnElement[bool]] = [access.visible(caller, sanction)]
    if wanted.location_code is not None and not storable(wanted.location_code):
        return []
    for column, value in (
        (sanction.c.program_id, wanted.program_id),
        (sanction.c.location_code, wanted.location_code),
        (sanction.c.status, wanted.status and wanted.status.value),
    ):
        if value is not None:
            criteria.append(column == value)
    return await store.list_sanctions(read, criteria, after, limit)


async def list_allocations(
    read: Read, caller: Caller, of: Sanction, *, after: uuid.UUID | None, limit: int
) -> list[Allocation]:
    """A sanction's allocations and deductions, oldest first."""
    criteria = [
        access.visible(caller, allocation),
        allocation.c.tenant_id == of.owner.tenant_id,
        allocation.c.sanction_id == of.id,
    ]
    return await store.list_allocations(read, criteria, after, limit)


async def list_ledger(read: Read, of: Sanction, *, after: int, limit: int) -> list[Entry]:
    """The ledger of a sanction the caller was let see, oldest first."""
    return await funds.list_entries(read, of.owner.tenant_id, of.id, after=after, limit=limit)


async def balances_at(read: Read, of: Sanction, at: datetime) -> Balances:
    """What stood in the buckets of a sanction the caller was let see."""
    return await funds.balances_at(read, of.owner.tenant_id, of.id, at)
