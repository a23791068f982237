"""Doors to programs: programs, sanctions, allocations, and where the money stands."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import strawberry

from hub.context import Info
from hub.db import Transaction
from hub.domain import programs, registry
from hub.domain.programs import ProgramStatus, SanctionStatus
from hub.kit.ids import uuid_of
from hub.resolvers.doors import door
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection
from hub.schema.program_inputs import (
    CreateProgramInput,
    IncreaseSanctionInput,
    RecordAllocationsInput,
    RecordSanctionsInput,
    UpdateProgramInput,
    UpdateSanctionInput,
)
from hub.schema.programs import (
    Allocation,
    AllocationsPayload,
    Sanction,
    SanctionPayload,
    SanctionsPayload,
    SpendingProgram,
    SpendingProgramPayload,
    list_programs,
    list_sanctions,
)
from hub.schema.registry_inputs import wanted


@strawberry.type
class ProgramsQuery:
    @strawberry.field(description="A program by its id.")
    async def spending_program(self, info: Info, id: strawberry.ID) -> SpendingProgram | None:
        registry.require_known(info.context.caller)
        program_id = uuid_of(programs.PROGRAM_PREFIX, str(id))
        return None if program_id is None else await _program(info, program_id)

    @strawberry.field(description="Programs, in the order they were made in.")
    async def spending_programs(
        self,
        info: Info,
        location_code: str | None = None,
        code: str | None = None,
        name: str | None = None,
        parent_id: strawberry.ID | None = None,
        status: ProgramStatus | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[SpendingProgram]:
        parent = None if parent_id is None else wanted(programs.PROGRAM_PREFIX, parent_id, "parentId")
        criteria = programs.ProgramCriteria(location_code, code, name, parent, status)
        return await list_programs(info, criteria, first, after)

    @strawberry.field(description="A sanction by its id.")
    async def sanction(self, info: Info, id: strawberry.ID) -> Sanction | None:
        registry.require_known(info.context.caller)
        sanction_id = uuid_of(programs.SANCTION_PREFIX, str(id))
        return None if sanction_id is None else await _sanction(info, sanction_id)

    @strawberry.field(description="Sanctions, in the order they were made in.")
    async def sanctions(
        self,
        info: Info,
        program_id: strawberry.ID | None = None,
        location_code: str | None = None,
        status: SanctionStatus | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[Sanction]:
        under = None if program_id is None else wanted(programs.PROGRAM_PREFIX, program_id, "programId")
        criteria = programs.SanctionCriteria(under, location_code, status)
        return await list_sanctions(info, criteria, first, after)


@strawberry.type
class ProgramsMutation:
    @strawberry.mutation(description="Begin a program of one's own agency; its code is given by the hub.")
    @door
    async def create_program(self, info: Info, input: CreateProgramInput) -> SpendingProgramPayload:
        async with info.context.db.transaction() as tx:
            made = await programs.create_program(tx, info.context.caller, input.to_command())
        return SpendingProgramPayload(program=SpendingProgram.of(made))

    @strawberry.mutation(description="Change a program that still has this version.")
    @door
    async def update_program(self, info: Info, input: UpdateProgramInput) -> SpendingProgramPayload:
        program_id = wanted(programs.PROGRAM_PREFIX, input.id, "id")
        async with info.context.db.transaction() as tx:
            made = await programs.update_program(tx, info.context.caller, program_id, input.to_command())
        return SpendingProgramPayload(program=SpendingProgram.of(made))

    @strawberry.mutation(description="Record sanctions of a program: all of them, or none.")
    @door
    async def record_sanctions(self, info: Info, input: RecordSanctionsInput) -> SanctionsPayload:
        async with info.context.db.transaction() as tx:
            made = await programs.record_sanctions(tx, info.context.caller, input.to_command())
        return SanctionsPayload(sanctions=[Sanction.of(each) for each in made])

    @strawberry.mutation(description="Open or close a sanction; its money stays where it is.")
    @door
    async def update_sanction(self, info: Info, input: UpdateSanctionInput) -> SanctionPayload:
        sanction_id = wanted(programs.SANCTION_PREFIX, input.id, "id")
        command = programs.UpdateSanction(input.version, input.status)
        async with info.context.db.transaction() as tx:
            made = await programs.update_sanction(tx, info.context.caller, sanction_id, command)
        return SanctionPayload(sanction=Sanction.of(made))

    @strawberry.mutation(description="Sanction more on a sanction; it is unallocated at first.")
    @door
    async def increase_sanction(self, info: Info, input: IncreaseSanctionInput) -> SanctionPayload:
        async with info.context.db.transaction() as tx:
            made = await programs.increase(tx, info.context.caller, input.to_command())
        return SanctionPayload(sanction=Sanction.of(made))

    @strawberry.mutation(
        description="Make sanctioned money available, or take it back: all of these, or none."
    )
    @door
    async def record_allocations(self, info: Info, input: RecordAllocationsInput) -> AllocationsPayload:
        async def record(tx: Transaction) -> tuple[list[programs.Allocation], list[programs.Sanction]]:
            made = await programs.record_allocations(tx, info.context.caller, input.to_command())
            ids = dict.fromkeys(each.sanction_id for each in made)
            found = [await programs.find_sanction(tx, info.context.caller, each) for each in ids]
            return made, [each for each in found if each is not None]

        made, of = await info.context.db.run(record)
        return AllocationsPayload(
            allocations=[Allocation.of(each) for each in made], sanctions=[Sanction.of(each) for each in of]
        )


async def _program(info: Info, program_id: uuid.UUID) -> SpendingProgram | None:
    async with info.context.db.read() as read:
        found = await programs.find_program(read, info.context.caller, program_id)
    return SpendingProgram.of(found) if found is not None else None


async def _sanction(info: Info, sanction_id: uuid.UUID) -> Sanction | None:
    async with info.context.db.read() as read:
        found = await programs.find_sanction(read, info.context.caller, sanction_id)
    return Sanction.of(found) if found is not None else None


NODES: dict[str, Callable[[Info, uuid.UUID], Awaitable[Node | None]]] = {
    programs.PROGRAM_PREFIX: _program,
    programs.SANCTION_PREFIX: _sanction,
}
