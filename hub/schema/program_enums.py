"""The enums of programs, made known to GraphQL before any shape or input names them."""

from __future__ import annotations

from enum import StrEnum

import strawberry

from hub.domain.programs import AllocationType, Bucket, Movement, ProgramStatus, SanctionStatus

NAMED: dict[type[StrEnum], str] = {
    AllocationType: "AllocationType",
    Bucket: "FundsBucket",
    Movement: "FundsMovement",
    ProgramStatus: "SpendingProgramStatus",
    SanctionStatus: "SanctionStatus",
}
for _enum, _name in NAMED.items():
    strawberry.enum(_enum, name=_name, description=_enum.__doc__)

__all__ = ["AllocationType", "Bucket", "Movement", "ProgramStatus", "SanctionStatus"]
