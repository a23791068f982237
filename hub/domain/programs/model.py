"""Nouns of programs and their money: programs, sanctions, allocations, buckets, and the ways money takes. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from hub.kit.ids import public_id

PROGRAM_PREFIX = "spg"
SANCTION_PREFIX = "snc"
ALLOCATION_PREFIX = "alc"


class ProgramStatus(StrEnum):
    """INACTIVE: nothing new is sanctioned, allocated or disbursed; it may be ACTIVE again."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class SanctionStatus(StrEnum):
    """INACTIVE: nothing new is allocated or reserved; what is under way still settles."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class AllocationType(StrEnum):
    """ALLOCATION makes sanctioned money available, DEDUCTION takes it back."""

    ALLOCATION = "ALLOCATION"
    DEDUCTION = "DEDUCTION"


class Bucket(StrEnum):
    """Where money stands. OUTSIDE is where sanctions come from: the other side of the ledger's first entries."""

    OUTSIDE = "OUTSIDE"
    UNALLOCATED = "UNALLOCATED"
    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    RETRY_HOLD = "RETRY_HOLD"
    SPENT = "SPENT"


class Movement(StrEnum):
    """Why money moved."""

    SANCTION = "SANCTION"
    INCREASE = "INCREASE"
    ALLOCATION = "ALLOCATION"
    DEDUCTION = "DEDUCTION"
    RESERVATION = "RESERVATION"
    RELEASE = "RELEASE"
    PAYMENT = "PAYMENT"
    FAILURE = "FAILURE"
    RETURN = "RETURN"
    RETRY = "RETRY"
    LAPSE = "LAPSE"


# Each movement has one way, and there is no other way for money to go.
WAYS: Mapping[Movement, tuple[Bucket, Bucket]] = {
    Movement.SANCTION: (Bucket.OUTSIDE, Bucket.UNALLOCATED),
    Movement.INCREASE: (Bucket.OUTSIDE, Bucket.UNALLOCATED),
    Movement.ALLOCATION: (Bucket.UNALLOCATED, Bucket.AVAILABLE),
    Movement.DEDUCTION: (Bucket.AVAILABLE, Bucket.UNALLOCATED),
    Movement.RESERVATION: (Bucket.AVAILABLE, Bucket.RESERVED),
    Movement.RELEASE: (Bucket.RESERVED, Bucket.AVAILABLE),
    Movement.PAYMENT: (Bucket.RESERVED, Bucket.SPENT),
    Movement.FAILURE: (Bucket.RESERVED, Bucket.RETRY_HOLD),
    Movement.RETURN: (Bucket.SPENT, Bucket.RETRY_HOLD),
    Movement.RETRY: (Bucket.RETRY_HOLD, Bucket.RESERVED),
    Movement.LAPSE: (Bucket.RETRY_HOLD, Bucket.AVAILABLE),
}
# What begins something new, and therefore asks for an active sanction.
OPENING = frozenset({Movement.INCREASE, Movement.ALLOCATION, Movement.RESERVATION, Movement.RETRY})


class Change(StrEnum):
    """What became of a program or a sanction."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    INCREASED = "INCREASED"


class Subject(StrEnum):
    """What a line of the history is about."""

    PROGRAM = "PROGRAM"
    SANCTION = "SANCTION"


@dataclass(frozen=True, slots=True)
class SegmentCodes:
    """The segments of a head of account as the fiscal exchange names them; each 2 to 64 characters or absent."""

    function: str | None = None
    administration: str | None = None
    recipient: str | None = None
    economic: str | None = None
    source_of_fund: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a program is, and everything under it: the part of every row that access is decided by."""

    tenant_id: uuid.UUID
    environment: str
    agency_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Program:
    """What money is sanctioned for at one place; both days included, ``end_date`` None for open."""

    owner: Owner
    id: uuid.UUID
    code: str
    fiscal_year: int
    location_code: str
    name: str
    description: str
    parent_id: uuid.UUID | None
    start_date: date
    end_date: date | None
    currency: str
    codes: SegmentCodes
    status: ProgramStatus
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return public_id(PROGRAM_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class Balances:
    """What stands in each bucket; exact, none below zero."""

    unallocated: Decimal
    available: Decimal
    reserved: Decimal
    retry_hold: Decimal
    spent: Decimal

    @property
    def gross(self) -> Decimal:
        """All of it: what was sanctioned."""
        return self.unallocated + self.allocated

    @property
    def allocated(self) -> Decimal:
        """What allocations made usable, whatever became of it since."""
        return self.available + self.reserved + self.retry_hold + self.spent


NOTHING = Balances(*(Decimal(0),) * 5)


@dataclass(frozen=True, slots=True)
class Sanction:
    """Leave to spend up to an amount on a program."""

    owner: Owner
    id: uuid.UUID
    program_id: uuid.UUID
    location_code: str
    reference_id: str
    currency: str
    net_amount: Decimal
    gross_amount: Decimal
    balances: Balances
    codes: SegmentCodes
    status: SanctionStatus
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return public_id(SANCTION_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Sanctioned money made available, or taken back; a fact."""

    owner: Owner
    id: uuid.UUID
    batch_id: uuid.UUID
    sanction_id: uuid.UUID
    reference_id: str
    type: AllocationType
    amount: Decimal
    currency: str
    created_at: datetime

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return public_id(ALLOCATION_PREFIX, self.id)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a sanction's ledger: an amount from one bucket to another, why, and what stood there afterwards.

    ``number`` counts a sanction's entries from 1 without a gap; ``at`` never goes back. ``cause_id`` names what
    moved the money: a sanction, a batch of allocations, a report on a disbursement.
    """

    sanction_id: uuid.UUID
    number: int
    movement: Movement
    source: Bucket
    target: Bucket
    amount: Decimal
    cause_id: uuid.UUID
    at: datetime
    after: Balances


# What callers ask for.


@dataclass(frozen=True, slots=True)
class CreateProgram:
    """Begin a program; its code is the hub's to give. ``currency`` None: the government's."""

    idempotency_key: str
    location_code: str
    name: str
    start_date: date
    end_date: date | None = None
    description: str = ""
    parent_id: uuid.UUID | None = None
    currency: str | None = None
    codes: SegmentCodes = field(default_factory=SegmentCodes)


@dataclass(frozen=True, slots=True)
class UpdateProgram:
    """Change a program that still has ``version``; None leaves a value as it is. Place, code and start stay."""

    version: int
    name: str | None = None
    description: str | None = None
    end_date: date | None = None
    status: ProgramStatus | None = None


@dataclass(frozen=True, slots=True)
class NewSanction:
    """One sanction to record; amounts as decimal text in the program's currency."""

    reference_id: str
    gross_amount: str
    net_amount: str | None = None
    codes: SegmentCodes = field(default_factory=SegmentCodes)


@dataclass(frozen=True, slots=True)
class RecordSanctions:
    """Record sanctions of one program: all of them, or none."""

    idempotency_key: str
    program_id: uuid.UUID
    sanctions: tuple[NewSanction, ...]


@dataclass(frozen=True, slots=True)
class UpdateSanction:
    """Change a sanction that still has ``version``. Amounts change by entries of the ledger alone."""

    version: int
    status: SanctionStatus


@dataclass(frozen=True, slots=True)
class IncreaseSanction:
    """Sanction more on the same sanction: gross and net grow by the amount, which is unallocated at first."""

    idempotency_key: str
    sanction_id: uuid.UUID
    amount: str
    reference_id: str


@dataclass(frozen=True, slots=True)
class NewAllocation:
    """One allocation or deduction to record."""

    sanction_id: uuid.UUID
    type: AllocationType
    amount: str
    reference_id: str


@dataclass(frozen=True, slots=True)
class RecordAllocations:
    """Record allocations and deductions; each sanction is moved by the net of its own, all of them or none."""

    idempotency_key: str
    allocations: tuple[NewAllocation, ...]


@dataclass(frozen=True, slots=True)
class ProgramCriteria:
    """Which programs; what is None does not matter."""

    location_code: str | None = None
    code: str | None = None
    name: str | None = None
    parent_id: uuid.UUID | None = None
    status: ProgramStatus | None = None


@dataclass(frozen=True, slots=True)
class SanctionCriteria:
    """Which sanctions; what is None does not matter."""

    program_id: uuid.UUID | None = None
    location_code: str | None = None
    status: SanctionStatus | None = None
