"""Verbs of programs: begin and change one, sanction, increase, allocate, deduct.

Every verb, in order: 1. the caller is a provider of the agency whose program it is; 2. the input holds by itself, every
problem told; 3. an idempotency key that has answered answers the same again, or names the conflict; 4. the state of
things allows it; 5. rows, entries of the ledger and the history are written together or not at all.
"""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import reference, registry
from hub.domain.fiscal_events.rules import at_scale, fiscal_year
from hub.domain.programs import access, funds, history, rules, store
from hub.domain.programs.funds import Move
from hub.domain.programs.model import (
    Change,
    CreateProgram,
    IncreaseSanction,
    Movement,
    NewSanction,
    Owner,
    Program,
    ProgramStatus,
    RecordSanctions,
    Sanction,
    SanctionStatus,
    UpdateProgram,
    UpdateSanction,
)
from hub.domain.programs.tables import program, sanction
from hub.domain.registry import Caller, SystemCaller, SystemRole, Tenant
from hub.domain.registry.commands import fingerprint
from hub.errors import Conflict, InvalidInput, NotFound, Problem, RuleBroken
from hub.kit.ids import new_id


async def create_program(tx: Transaction, caller: Caller, command: CreateProgram) -> Program:
    """Begin a program of the caller's agency; its code counts on in its place and this financial year.

    Raises InvalidInput PROGRAM_NAME, DATES_ERROR, LOCATION_CODE_INVALID, PROGRAM_PARENT_ID_NOT_FOUND, CURRENCY and
    others; Conflict IDEMPOTENCY_CONFLICT.
    """
    system = registry.require_system(caller, SystemRole.PROVIDER)
    tenant = await registry.get_tenant(tx, system.tenant_id)
    currency = command.currency or tenant.currency
    problems = rules.check_program(command, currency)
    if problems:
        raise InvalidInput(problems)
    owner = Owner(system.tenant_id, system.environment.value, system.agency_id)
    program_id = new_id()
    mark = fingerprint(command)
    earlier = await registry.once(tx, caller, command.idempotency_key, "createProgram", mark, program_id)
    if earlier is not None:
        return await get_program(tx, caller, earlier)
    today = local_day(tenant, tx)
    await _check_place(tx, system, command, today)
    month, day = (int(part) for part in tenant.fiscal_year_start.split("-"))
    year = fiscal_year(today, (month, day))
    number = await store.next_number(tx, owner, command.location_code, year)
    made = await store.insert_program(
        tx,
        {
            "tenant_id": owner.tenant_id,
            "id": program_id,
            "environment": owner.environment,
            "agency_id": owner.agency_id,
            "code": rules.program_code(year, number),
            "fiscal_year": year,
            "location_code": command.location_code,
            "name": command.name,
            "description": command.description,
            "parent_id": command.parent_id,
            "start_date": command.start_date,
            "end_date": command.end_date,
            "currency": currency,
            "codes": store.codes_document(command.codes),
            "status": ProgramStatus.ACTIVE.value,
            "version": 1,
            "created_at": tx.now,
            "updated_at": tx.now,
        },
    )
    await history.program_changed(tx, caller, made, Change.CREATED)
    return made


async def _check_place(tx: Transaction, system: SystemCaller, command: CreateProgram, today: date) -> None:
    """The location is in force today, and the program above is there and active."""
    places = await reference.resolve(
        tx, system.tenant_id, {reference.Registry.LOCATION: {command.location_code}}, today
    )
    problems = []
    place = places.get(reference.Registry.LOCATION, command.location_code)
    if place is None or place.status is not reference.Status.ACTIVE:
        code = Code.LOCATION_CODE_INVALID
        problems.append(Problem(code, "no place of this code is in force today", ("locationCode",)))
    if command.parent_id is not None:
        above = await store.find_program(tx, command.parent_id, access.visible(system, program))
        if above is None or above.status is not ProgramStatus.ACTIVE:
            code = Code.PROGRAM_PARENT_ID_NOT_FOUND
            problems.append(Problem(code, code.summary, ("parentId",)))
    if problems:
        raise InvalidInput(problems)


async def update_program(
    tx: Transaction, caller: Caller, program_id: uuid.UUID, command: UpdateProgram
) -> Program:
    """Change a program that still has this version.

    Raises NotFound; InvalidInput PROGRAM_NAME, DATES_ERROR; Conflict VERSION_CONFLICT.
    """
    registry.require_system(caller, SystemRole.PROVIDER)
    found = await get_program(tx, caller, program_id)
    access.require_owner(caller, found.owner, "id")
    problems = rules.check_update(found, command)
    if problems:
        raise InvalidInput(problems)
    wanted = {
        "name": command.name,
        "description": command.description,
        "end_date": command.end_date,
        "status": None if command.status is None else command.status.value,
    }
    values = {name: value for name, value in wanted.items() if value is not None}
    changed = await store.update_program(tx, found, **values) if found.version == command.version else None
    if changed is None:
        raise Conflict.because(Code.VERSION_CONFLICT, Code.VERSION_CONFLICT.summary, "version")
    await history.program_changed(tx, caller, changed, Change.UPDATED)
    return changed


async def record_sanctions(tx: Transaction, caller: Caller, command: RecordSanctions) -> list[Sanction]:
    """Sanctions of one program, in the order given: all, or none. A reference that is known must mean the same.

    Raises NotFound NO_PROGRAMS_FOUND; InvalidInput for amounts; RuleBroken PROGRAM_NOT_ACTIVE, PROGRAM_OUT_OF_PERIOD;
    Conflict DUPLICATE_REFERENCE_CONFLICT, IDEMPOTENCY_CONFLICT.
    """
    registry.require_system(caller, SystemRole.PROVIDER)
    under = await store.find_program(tx, command.program_id, access.visible(caller, program), share=True)
    if under is None:
        raise NotFound.because(Code.NO_PROGRAMS_FOUND, Code.NO_PROGRAMS_FOUND.summary, "programId")
    system = access.require_owner(caller, under.owner, "programId")
    problems = rules.check_sanctions(command.sanctions, under.currency)
    if problems:
        raise InvalidInput(problems)
    batch_id = new_id()
    mark = fingerprint(command)
    earlier = await registry.once(tx, caller, command.idempotency_key, "recordSanctions", mark, batch_id)
    if earlier is None:
        await require_open(tx, under, "programId")
    return [
        await _sanction(tx, system, under, wanted, batch_id, i, replayed=earlier is not None)
        for i, wanted in enumerate(command.sanctions)
    ]


async def _sanction(
    tx: Transaction,
    system: SystemCaller,
    under: Program,
    wanted: NewSanction,
    batch_id: uuid.UUID,
    i: int,
    *,
    replayed: bool,
) -> Sanction:
    """One of them: new, or the very same that is there under its reference."""
    mark = fingerprint(wanted, under.id)
    values = _sanction_row(tx, system, under, wanted, batch_id, mark)
    if not replayed and await store.insert_sanction(tx, values):
        await funds.enter_sanction(tx, system, under.owner.tenant_id, values["id"])
        made = await get_sanction(tx, system, values["id"])
        await history.sanction_changed(tx, system, made, Change.CREATED)
        return made
    found = await store.find_by_reference(tx, under.owner.tenant_id, system.system_id, wanted.reference_id)
    if found is None or found[1] != mark:
        code = Code.DUPLICATE_REFERENCE_CONFLICT
        raise Conflict.because(code, code.summary, "sanctions", i, "referenceId")
    return found[0]


def _sanction_row(
    tx: Transaction,
    system: SystemCaller,
    under: Program,
    wanted: NewSanction,
    batch_id: uuid.UUID,
    mark: bytes,
) -> dict[str, Any]:
    gross = rules.exact(wanted.gross_amount, under.currency)
    net = gross if wanted.net_amount is None else rules.exact(wanted.net_amount, under.currency)
    zero = at_scale(Decimal(0), under.currency)
    return {
        "tenant_id": under.owner.tenant_id,
        "id": new_id(),
        "environment": under.owner.environment,
        "agency_id": under.owner.agency_id,
        "program_id": under.id,
        "location_code": under.location_code,
        "system_id": system.system_id,
        "reference_id": wanted.reference_id,
        "fingerprint": mark,
        "batch_id": batch_id,
        "currency": under.currency,
        "net_amount": net,
        "gross": gross,
        "unallocated": gross,
        "available": zero,
        "reserved": zero,
        "retry_hold": zero,
        "spent": zero,
        "entries": 1,
        "moved_at": tx.now,
        "codes": store.codes_document(wanted.codes),
        "status": SanctionStatus.ACTIVE.value,
        "version": 1,
        "created_at": tx.now,
        "updated_at": tx.now,
    }


async def update_sanction(
    tx: Transaction, caller: Caller, sanction_id: uuid.UUID, command: UpdateSanction
) -> Sanction:
    """Open or close a sanction that still has this version; its money stays where it is.

    Raises NotFound; Conflict VERSION_CONFLICT.
    """
    registry.require_system(caller, SystemRole.PROVIDER)
    found = await get_sanction(tx, caller, sanction_id)
    access.require_owner(caller, found.owner, "id")
    changed = None
    if found.version == command.version:
        changed = await store.update_sanction(tx, found, status=command.status.value)
    if changed is None:
        raise Conflict.because(Code.VERSION_CONFLICT, Code.VERSION_CONFLICT.summary, "version")
    await history.sanction_changed(tx, caller, changed, Change.UPDATED)
    return changed


async def increase(tx: Transaction, caller: Caller, command: IncreaseSanction) -> Sanction:
    """Sanction more on a sanction; it is unallocated at first.

    Raises NotFound; InvalidInput AMOUNT and its kin; RuleBroken PROGRAM_NOT_ACTIVE, PROGRAM_OUT_OF_PERIOD,
    SANCTION_NOT_ACTIVE; Conflict IDEMPOTENCY_CONFLICT.
    """
    registry.require_system(caller, SystemRole.PROVIDER)
    found = await get_sanction(tx, caller, command.sanction_id, "sanctionId")
    access.require_owner(caller, found.owner, "sanctionId")
    amount = rules.amount_of(command.amount, found.currency)
    problems = rules.check_reference(command.reference_id)
    if isinstance(amount, Problem) or problems:
        raise InvalidInput([*([amount.under("amount")] if isinstance(amount, Problem) else []), *problems])
    cause_id = new_id()
    mark = fingerprint(command)
    earlier = await registry.once(tx, caller, command.idempotency_key, "increaseSanction", mark, cause_id)
    if earlier is not None:
        return found
    await require_open(tx, await get_program(tx, caller, found.program_id), "sanctionId")
    move = Move(found.owner.tenant_id, found.id, Movement.INCREASE, amount, cause_id)
    if await funds.move(tx, caller, move) is None:
        raise RuleBroken.because(Code.SANCTION_NOT_ACTIVE, Code.SANCTION_NOT_ACTIVE.summary, "sanctionId")
    grown = await get_sanction(tx, caller, found.id)
    increased = {"amount": str(amount), "increase_reference_id": command.reference_id}
    await history.sanction_changed(tx, caller, grown, Change.INCREASED, line_id=cause_id, **increased)
    return grown


async def require_open(tx: Transaction, under: Program, *path: str | int) -> None:
    """Something new may begin under this program today; raises RuleBroken."""
    tenant = await registry.get_tenant(tx, under.owner.tenant_id)
    problems = rules.check_open(under, local_day(tenant, tx))
    if problems:
        raise RuleBroken([problem.under(*path) for problem in problems])


async def get_program(read: Read, caller: Caller, program_id: uuid.UUID, *path: str) -> Program:
    """A program the caller may see; raises NotFound."""
    found = await store.find_program(read, program_id, access.visible(caller, program))
    if found is None:
        raise access.absent(*(path or ("id",)))
    return found


async def get_sanction(read: Read, caller: Caller, sanction_id: uuid.UUID, *path: str) -> Sanction:
    """A sanction the caller may see; raises NotFound."""
    found = await store.find_sanction(read, sanction_id, access.visible(caller, sanction))
    if found is None:
        raise access.absent(*(path or ("id",)))
    return found


def local_day(tenant: Tenant, read: Read) -> date:
    """Today where the government is."""
    return read.now.astimezone(ZoneInfo(tenant.time_zone)).date()
