"""What a program, a sanction and an allocation must be: pure checks that find every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal

from hub.codes import Code
from hub.domain.fiscal_events.rules import at_scale
from hub.domain.programs.model import (
    CreateProgram,
    NewAllocation,
    NewSanction,
    Program,
    ProgramStatus,
    SegmentCodes,
    UpdateProgram,
)
from hub.errors import Problem
from hub.kit.money import minor_units

NAME_LENGTH = range(2, 65)
DESCRIPTION_LENGTH_MAX = 256
CODE_LENGTH = range(2, 65)
REFERENCE_LENGTH = range(1, 65)
BATCH = range(1, 501)
DAY_MIN, DAY_MAX = date(1950, 1, 1), date(9998, 12, 31)
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_CAMEL = re.compile(r"_([a-z])")


def program_code(fiscal_year: int, number: int) -> str:
    """``PG/2026-27/000001``: the year the code was given in, and the place's own count in it."""
    return f"PG/{fiscal_year}-{(fiscal_year + 1) % 100:02d}/{number:06d}"


def amount_of(text: str, currency: str) -> Decimal | Problem:
    """An amount above zero at its currency's scale, or what is wrong with the text."""
    if _AMOUNT.fullmatch(text) is None:
        return Problem(Code.AMOUNT, Code.AMOUNT.summary)
    value = Decimal(text)
    if value <= 0:
        return Problem(Code.AMOUNT_NOT_POSITIVE, Code.AMOUNT_NOT_POSITIVE.summary)
    if -_exponent(value) > (minor_units(currency) or 0):
        return Problem(Code.AMOUNT_SCALE, Code.AMOUNT_SCALE.summary)
    return at_scale(value, currency)


def exact(text: str, currency: str) -> Decimal:
    """The amount of a text that was checked."""
    found = amount_of(text, currency)
    assert isinstance(found, Decimal)
    return found


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def check_program(command: CreateProgram, currency: str) -> list[Problem]:
    """Everything wrong with a new program that can be told without the database."""
    return [
        *_text(command.name, NAME_LENGTH, Code.PROGRAM_NAME, "name"),
        *_text(
            command.description,
            range(DESCRIPTION_LENGTH_MAX + 1),
            Code.PROGRAM_DESCRIPTION,
            "description",
        ),
        *_text(command.location_code, CODE_LENGTH, Code.LOCATION_CODE_INVALID, "locationCode"),
        *_days(command.start_date, command.end_date),
        *_codes(command.codes),
        *(
            [Problem(Code.CURRENCY, Code.CURRENCY.summary, ("currency",))]
            if minor_units(currency) is None
            else []
        ),
    ]


def check_update(found: Program, command: UpdateProgram) -> list[Problem]:
    """Everything wrong with a change of a program."""
    description = command.description or ""
    lengths = range(DESCRIPTION_LENGTH_MAX + 1)
    return [
        *(_text(command.name, NAME_LENGTH, Code.PROGRAM_NAME, "name") if command.name is not None else []),
        *_text(description, lengths, Code.PROGRAM_DESCRIPTION, "description"),
        *_days(found.start_date, command.end_date),
    ]


def check_sanctions(sanctions: Sequence[NewSanction], currency: str) -> list[Problem]:
    """Everything wrong with new sanctions."""
    problems = list(_count(len(sanctions), "sanctions"))
    for i, each in enumerate(sanctions):
        found = [
            *_text(each.reference_id, REFERENCE_LENGTH, Code.REFERENCE_ID_LENGTH, "referenceId"),
            *_codes(each.codes),
        ]
        gross = amount_of(each.gross_amount, currency)
        net = gross if each.net_amount is None else amount_of(each.net_amount, currency)
        found += _told(gross, "grossAmount")
        found += _told(net, "netAmount") if each.net_amount is not None else []
        found += check_net(net, gross)
        problems += [problem.under("sanctions", i) for problem in found]
    return problems


def check_net(net: Decimal | Problem, gross: Decimal | Problem) -> list[Problem]:
    """Deductions are never negative."""
    if isinstance(net, Decimal) and isinstance(gross, Decimal) and net > gross:
        return [Problem(Code.NET_GREATER_THAN_GROSS, Code.NET_GREATER_THAN_GROSS.summary, ("netAmount",))]
    return []


def check_allocations(allocations: Sequence[NewAllocation]) -> list[Problem]:
    """Everything wrong with new allocations but their amounts, which take their sanctions' currency."""
    problems = list(_count(len(allocations), "allocations"))
    for i, each in enumerate(allocations):
        found = _text(each.reference_id, REFERENCE_LENGTH, Code.REFERENCE_ID_LENGTH, "referenceId")
        problems += [problem.under("allocations", i) for problem in found]
    return problems


def check_reference(reference_id: str) -> list[Problem]:
    """A provider's own number for what it sends."""
    return list(_text(reference_id, REFERENCE_LENGTH, Code.REFERENCE_ID_LENGTH, "referenceId"))


def check_open(program: Program, today: date) -> list[Problem]:
    """Something new may be begun under the program today."""
    if program.status is not ProgramStatus.ACTIVE:
        return [Problem(Code.PROGRAM_NOT_ACTIVE, Code.PROGRAM_NOT_ACTIVE.summary)]
    if today < program.start_date or (program.end_date is not None and today > program.end_date):
        return [Problem(Code.PROGRAM_OUT_OF_PERIOD, Code.PROGRAM_OUT_OF_PERIOD.summary)]
    return []


def _told(found: Decimal | Problem, name: str) -> list[Problem]:
    return [found.under(name)] if isinstance(found, Problem) else []


def _text(text: str, lengths: range, code: Code, name: str) -> Iterator[Problem]:
    if len(text) not in lengths or not text.isprintable() or text != text.strip():
        yield Problem(code, code.summary, (name,))


def _days(start: date, end: date | None) -> Iterator[Problem]:
    if not DAY_MIN <= start <= DAY_MAX or (end is not None and not DAY_MIN <= end <= DAY_MAX):
        yield Problem(Code.VALIDITY_DATE, "a program's days lie between 1950 and 9998", ("startDate",))
    elif end is not None and end < start:
        yield Problem(Code.DATES_ERROR, Code.DATES_ERROR.summary, ("endDate",))


def _codes(codes: SegmentCodes) -> Iterator[Problem]:
    for each in fields(codes):
        value = getattr(codes, each.name)
        if value is not None:
            name = _CAMEL.sub(lambda found: found[1].upper(), each.name)
            yield from (
                problem.under("codes") for problem in _text(value, CODE_LENGTH, Code.SEGMENT_CODE, name)
            )


def _count(found: int, name: str) -> Iterator[Problem]:
    if found not in BATCH:
        yield Problem(Code.BATCH_SIZE, f"1 to {BATCH.stop - 1} at a time", (name,))
