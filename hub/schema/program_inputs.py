"""Inputs of programs: what their owners' systems send."""

from __future__ import annotations

from datetime import date

import strawberry

from hub.domain import programs
from hub.schema.program_enums import AllocationType, ProgramStatus, SanctionStatus
from hub.schema.registry_inputs import wanted
from hub.schema.scalars import Amount


@strawberry.input(description="Each 2 to 64 characters, or left out.")
class SegmentCodesInput:
    function: str | None = None
    administration: str | None = None
    recipient: str | None = None
    economic: str | None = None
    source_of_fund: str | None = None
    target: str | None = None

    def to_codes(self) -> programs.SegmentCodes:
        return programs.SegmentCodes(
            self.function,
            self.administration,
            self.recipient,
            self.economic,
            self.source_of_fund,
            self.target,
        )


def _codes(given: SegmentCodesInput | None) -> programs.SegmentCodes:
    return programs.SegmentCodes() if given is None else given.to_codes()


@strawberry.input
class CreateProgramInput:
    idempotency_key: str
    location_code: str
    name: str
    start_date: date
    end_date: date | None = strawberry.field(default=None, description="The last day; left out for open.")
    description: str = ""
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="An active program.")
    currency: str | None = strawberry.field(default=None, description="The government's, unless given.")
    codes: SegmentCodesInput | None = None

    def to_command(self) -> programs.CreateProgram:
        parent = self.parent_id
        return programs.CreateProgram(
            idempotency_key=self.idempotency_key,
            location_code=self.location_code,
            name=self.name,
            start_date=self.start_date,
            end_date=self.end_date,
            description=self.description,
            parent_id=None if parent is None else wanted(programs.PROGRAM_PREFIX, parent, "parentId"),
            currency=self.currency,
            codes=_codes(self.codes),
        )


@strawberry.input(description="What is not given stays; place, code and start always do.")
class UpdateProgramInput:
    id: strawberry.ID
    version: int
    name: str | None = None
    description: str | None = None
    end_date: date | None = None
    status: ProgramStatus | None = None

    def to_command(self) -> programs.UpdateProgram:
        return programs.UpdateProgram(self.version, self.name, self.description, self.end_date, self.status)


@strawberry.input
class SanctionInput:
    reference_id: str = strawberry.field(
        description="The sender's own number: the same means the same sanction, for ever."
    )
    gross_amount: Amount
    net_amount: Amount | None = strawberry.field(default=None, description="The gross, unless given.")
    codes: SegmentCodesInput | None = None

    def to_sanction(self) -> programs.NewSanction:
        net = self.net_amount
        return programs.NewSanction(
            self.reference_id, str(self.gross_amount), None if net is None else str(net), _codes(self.codes)
        )


@strawberry.input(description="1 to 500 sanctions of one program: all of them are recorded, or none.")
class RecordSanctionsInput:
    idempotency_key: str
    program_id: strawberry.ID
    sanctions: list[SanctionInput]

    def to_command(self) -> programs.RecordSanctions:
        return programs.RecordSanctions(
            self.idempotency_key,
            wanted(programs.PROGRAM_PREFIX, self.program_id, "programId"),
            tuple(each.to_sanction() for each in self.sanctions),
        )


@strawberry.input
class UpdateSanctionInput:
    id: strawberry.ID
    version: int
    status: SanctionStatus


@strawberry.input
class IncreaseSanctionInput:
    idempotency_key: str
    sanction_id: strawberry.ID
    amount: Amount
    reference_id: str

    def to_command(self) -> programs.IncreaseSanction:
        sanction_id = wanted(programs.SANCTION_PREFIX, self.sanction_id, "sanctionId")
        return programs.IncreaseSanction(
            self.idempotency_key, sanction_id, str(self.amount), self.reference_id
        )


@strawberry.input
class AllocationInput:
    sanction_id: strawberry.ID
    amount: Amount
    reference_id: str
    type: AllocationType = AllocationType.ALLOCATION


@strawberry.input(
    description="1 to 500, all or none; each sanction is moved by the net of what is said of it."
)
class RecordAllocationsInput:
    idempotency_key: str
    allocations: list[AllocationInput]

    def to_command(self) -> programs.RecordAllocations:
        return programs.RecordAllocations(
            self.idempotency_key,
            tuple(
                programs.NewAllocation(
                    wanted(programs.SANCTION_PREFIX, each.sanction_id, "allocations", str(i), "sanctionId"),
                    each.type,
                    str(each.amount),
                    each.reference_id,
                )
                for i, each in enumerate(self.allocations)
            ),
        )
