"""Shapes of programs: programs, sanctions with their balances and ledger, allocations."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import date, datetime
from typing import Self

import strawberry

from hub.context import Info
from hub.domain import programs
from hub.kit import cursors
from hub.kit.ids import public_id
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.problems import Payload
from hub.schema.program_enums import AllocationType, Bucket, Movement, ProgramStatus, SanctionStatus
from hub.schema.scalars import Amount, BigInt, Instant


def exact(value: object) -> Amount:
    """A number of the database as it is written."""
    return Amount(format(value, "f"))


@strawberry.type(description="The segments of a head of account, as fiscal exchanges name them.")
class SegmentCodes:
    function: str | None
    administration: str | None
    recipient: str | None
    economic: str | None
    source_of_fund: str | None
    target: str | None

    @classmethod
    def of(cls, value: programs.SegmentCodes) -> Self:
        return cls(**dataclasses.asdict(value))


@strawberry.type(description="What money is sanctioned for at one place.")
class SpendingProgram(Node):
    row: strawberry.Private[programs.Program]
    code: str = strawberry.field(
        description="`PG/2026-27/000001`: counted in its place and financial year, without gaps."
    )
    agency_id: strawberry.ID
    location_code: str
    name: str
    description: str
    parent_id: strawberry.ID | None
    start_date: date
    end_date: date | None = strawberry.field(description="The last day; null for open.")
    currency: str
    codes: SegmentCodes
    status: ProgramStatus
    version: int
    created_at: Instant
    updated_at: Instant

    @strawberry.field(description="The program above, when it is visible.")
    async def parent(self, info: Info) -> SpendingProgram | None:
        if self.row.parent_id is None:
            return None
        async with info.context.db.read() as read:
            found = await programs.find_program(read, info.context.caller, self.row.parent_id)
        return SpendingProgram.of(found) if found is not None else None

    @strawberry.field(description="The programs below, in the order they were made in.")
    async def children(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[SpendingProgram]:
        return await list_programs(info, programs.ProgramCriteria(parent_id=self.row.id), first, after)

    @strawberry.field(description="Its sanctions, in the order they were made in.")
    async def sanctions(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Sanction]:
        return await list_sanctions(info, programs.SanctionCriteria(program_id=self.row.id), first, after)

    @classmethod
    def of(cls, row: programs.Program) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.public_id),
            code=row.code,
            agency_id=strawberry.ID(public_id("agy", row.owner.agency_id)),
            location_code=row.location_code,
            name=row.name,
            description=row.description,
            parent_id=_id(programs.PROGRAM_PREFIX, row.parent_id),
            start_date=row.start_date,
            end_date=row.end_date,
            currency=row.currency,
            codes=SegmentCodes.of(row.codes),
            status=row.status,
            version=row.version,
            created_at=Instant(row.created_at),
            updated_at=Instant(row.updated_at),
        )


@strawberry.type(
    description="Where a sanction's money stands: gross is the sum of all five buckets, none of them below zero."
)
class SanctionBalances:
    gross: Amount
    allocated: Amount = strawberry.field(description="Gross without what is unallocated.")
    unallocated: Amount
    available: Amount
    reserved: Amount = strawberry.field(description="For disbursements under way.")
    retry_hold: Amount = strawberry.field(description="Kept for lines that failed, until they are retried.")
    spent: Amount

    @classmethod
    def of(cls, value: programs.Balances) -> Self:
        return cls(
            gross=exact(value.gross),
            allocated=exact(value.allocated),
            unallocated=exact(value.unallocated),
            available=exact(value.available),
            reserved=exact(value.reserved),
            retry_hold=exact(value.retry_hold),
            spent=exact(value.spent),
        )


@strawberry.type(
    description="An amount that went from one bucket to another, why, and what stood there afterwards."
)
class LedgerEntry:
    number: BigInt = strawberry.field(description="Counts the sanction's entries from 1, without gaps.")
    movement: Movement
    from_: Bucket = strawberry.field(name="from")
    to: Bucket
    amount: Amount
    cause: str = strawberry.field(
        description="The id, without prefix, of what moved it: a sanction, a batch of allocations, a report."
    )
    at: Instant
    after: SanctionBalances

    @classmethod
    def of(cls, row: programs.Entry) -> Self:
        return cls(
            number=BigInt(row.number),
            movement=row.movement,
            from_=row.source,
            to=row.target,
            amount=exact(row.amount),
            cause=str(row.cause_id),
            at=Instant(row.at),
            after=SanctionBalances.of(row.after),
        )


@strawberry.type(description="Sanctioned money made available, or taken back.")
class Allocation:
    id: strawberry.ID
    batch: str = strawberry.field(description="What the ledger names as the cause of the movement.")
    reference_id: str
    type: AllocationType
    amount: Amount
    currency: str
    created_at: Instant

    @classmethod
    def of(cls, row: programs.Allocation) -> Self:
        return cls(
            id=strawberry.ID(row.public_id),
            batch=str(row.batch_id),
            reference_id=row.reference_id,
            type=row.type,
            amount=exact(row.amount),
            currency=row.currency,
            created_at=Instant(row.created_at),
        )


@strawberry.type(description="Leave to spend up to an amount on a program.")
class Sanction(Node):
    row: strawberry.Private[programs.Sanction]
    program_id: strawberry.ID
    location_code: str
    reference_id: str = strawberry.field(description="The number of the system that sent it.")
    currency: str
    net_amount: Amount
    gross_amount: Amount = strawberry.field(description="What may be allocated at most.")
    codes: SegmentCodes
    status: SanctionStatus
    version: int
    created_at: Instant
    updated_at: Instant

    @strawberry.field
    async def program(self, info: Info) -> SpendingProgram | None:
        async with info.context.db.read() as read:
            found = await programs.find_program(read, info.context.caller, self.row.program_id)
        return SpendingProgram.of(found) if found is not None else None

    @strawberry.field(description="Now, or as they stood at an instant.")
    async def balances(self, info: Info, at: Instant | None = None) -> SanctionBalances:
        if at is None:
            return SanctionBalances.of(self.row.balances)
        async with info.context.db.read() as read:
            return SanctionBalances.of(await programs.balances_at(read, self.row, _instant(at)))

    @strawberry.field(description="Every movement of its money, oldest first.")
    async def ledger(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[LedgerEntry]:
        name = f"ledger:{self.row.id}"
        since = 0 if after is None else int(cursors.decode(name, after, int)[0])
        async with info.context.db.read() as read:
            rows = await programs.list_ledger(read, self.row, after=since, limit=page_size(first) + 1)
        return Connection[LedgerEntry].of(
            rows, first, LedgerEntry.of, lambda row: cursors.encode(name, row.number)
        )

    @strawberry.field(description="Its allocations and deductions, oldest first.")
    async def allocations(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[Allocation]:
        name = f"allocations:{self.row.id}"
        since, limit = _since(name, after), page_size(first) + 1
        async with info.context.db.read() as read:
            rows = await programs.list_allocations(
                read, info.context.caller, self.row, after=since, limit=limit
            )
        return Connection[Allocation].of(
            rows, first, Allocation.of, lambda row: cursors.encode(name, str(row.id))
        )

    @classmethod
    def of(cls, row: programs.Sanction) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.public_id),
            program_id=strawberry.ID(public_id(programs.PROGRAM_PREFIX, row.program_id)),
            location_code=row.location_code,
            reference_id=row.reference_id,
            currency=row.currency,
            net_amount=exact(row.net_amount),
            gross_amount=exact(row.gross_amount),
            codes=SegmentCodes.of(row.codes),
            status=row.status,
            version=row.version,
            created_at=Instant(row.created_at),
            updated_at=Instant(row.updated_at),
        )


async def list_programs(
    info: Info, wanted: programs.ProgramCriteria, first: int, after: str | None
) -> Connection[SpendingProgram]:
    """A page of programs."""
    since, limit = _since("spendingPrograms", after), page_size(first) + 1
    async with info.context.db.read() as read:
        rows = await programs.list_programs(read, info.context.caller, wanted, after=since, limit=limit)
    return Connection[SpendingProgram].of(
        rows, first, SpendingProgram.of, lambda row: cursors.encode("spendingPrograms", str(row.id))
    )


async def list_sanctions(
    info: Info, wanted: programs.SanctionCriteria, first: int, after: str | None
) -> Connection[Sanction]:
    """A page of sanctions."""
    since, limit = _since("sanctions", after), page_size(first) + 1
    async with info.context.db.read() as read:
        rows = await programs.list_sanctions(read, info.context.caller, wanted, after=since, limit=limit)
    return Connection[Sanction].of(
        rows, first, Sanction.of, lambda row: cursors.encode("sanctions", str(row.id))
    )


def _since(name: str, after: str | None) -> uuid.UUID | None:
    return None if after is None else cursors.decode_id(name, after)


def _id(prefix: str, value: uuid.UUID | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(public_id(prefix, value))


def _instant(value: Instant) -> datetime:
    found: datetime = value
    return found


# Payloads


@strawberry.type
class SpendingProgramPayload(Payload):
    program: SpendingProgram | None = None


@strawberry.type
class SanctionPayload(Payload):
    sanction: Sanction | None = None


@strawberry.type
class SanctionsPayload(Payload):
    sanctions: list[Sanction] = strawberry.field(default_factory=list, metadata={"list_size": 10})


@strawberry.type
class AllocationsPayload(Payload):
    allocations: list[Allocation] = strawberry.field(default_factory=list, metadata={"list_size": 10})
    sanctions: list[Sanction] = strawberry.field(
        default_factory=list,
        description="Those they are of, as they stand now.",
        metadata={"list_size": 5},
    )
