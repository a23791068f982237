"""Allocations and deductions: a batch of them moves each of its sanctions once, by the net of what it says of it.

Each is kept as it came. Its money moves together with that of its neighbours on the same sanction, so that a batch
which gives and takes does not fail half-way; the ledger's entry names the batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.codes import Code
from hub.db import Transaction
from hub.domain import registry
from hub.domain.programs import access, funds, rules, service, store
from hub.domain.programs.funds import Move
from hub.domain.programs.model import (
    Allocation,
    AllocationType,
    Movement,
    NewAllocation,
    RecordAllocations,
    Sanction,
    SanctionStatus,
)
from hub.domain.programs.tables import sanction
from hub.domain.registry import Caller, SystemCaller, SystemRole
from hub.domain.registry.commands import fingerprint
from hub.errors import Conflict, InvalidInput, NotFound, Problem, RuleBroken
from hub.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class _Item:
    """One allocation of a batch, with its sanction and exact amount."""

    position: int
    wanted: NewAllocation
    of: Sanction
    amount: Decimal

    @property
    def signed(self) -> Decimal:
        """What it does to the available money."""
        return self.amount if self.wanted.type is AllocationType.ALLOCATION else -self.amount


async def record_allocations(tx: Transaction, caller: Caller, command: RecordAllocations) -> list[Allocation]:
    """Allocations and deductions in the order given: all of them, or none. A known reference must mean the same.

    Raises NotFound SANCTIONS_NOT_FOUND; InvalidInput for amounts; RuleBroken SANCTIONED_AMOUNT_ERROR_ALLOCATION,
    AVAILABLE_AMOUNT_ERROR_DEDUCTION, SANCTION_NOT_ACTIVE, PROGRAM_NOT_ACTIVE, PROGRAM_OUT_OF_PERIOD; Conflict
    DUPLICATE_REFERENCE_CONFLICT, IDEMPOTENCY_CONFLICT.
    """
    system = registry.require_system(caller, SystemRole.PROVIDER)
    problems = rules.check_allocations(command.allocations)
    if problems:
        raise InvalidInput(problems)
    items = _items(command.allocations, await _sanctions(tx, system, command.allocations))
    batch_id = new_id()
    mark = fingerprint(command)
    earlier = await registry.once(tx, caller, command.idempotency_key, "recordAllocations", mark, batch_id)
    if earlier is None:
        await _require_open(tx, system, items)
        await _move(tx, system, batch_id, await _insert(tx, system, batch_id, items))
    return await _as_recorded(tx, system, items)


async def _sanctions(
    tx: Transaction, system: SystemCaller, wanted: Sequence[NewAllocation]
) -> Mapping[uuid.UUID, Sanction]:
    """The sanctions named, all of them the caller's agency's; every one that is not there is told."""
    ids = {each.sanction_id for each in wanted}
    found = await store.find_sanctions(tx, ids, access.visible(system, sanction))
    missing = [
        Problem(
            Code.SANCTIONS_NOT_FOUND,
            Code.SANCTIONS_NOT_FOUND.summary,
            ("allocations", i, "sanctionId"),
        )
        for i, each in enumerate(wanted)
        if each.sanction_id not in found
    ]
    if missing:
        raise NotFound(missing)
    for i, each in enumerate(wanted):
        access.require_owner(system, found[each.sanction_id].owner, "allocations", i, "sanctionId")
    return found


def _items(wanted: Sequence[NewAllocation], sanctions: Mapping[uuid.UUID, Sanction]) -> list[_Item]:
    items, problems = [], []
    for i, each in enumerate(wanted):
        of = sanctions[each.sanction_id]
        amount = rules.amount_of(each.amount, of.currency)
        if isinstance(amount, Problem):
            problems.append(amount.under("allocations", i, "amount"))
        else:
            items.append(_Item(i, each, of, amount))
    if problems:
        raise InvalidInput(problems)
    return items


async def _require_open(tx: Transaction, system: SystemCaller, items: Iterable[_Item]) -> None:
    """Each program once, at the first item under it."""
    first = {item.of.program_id: item for item in reversed(list(items))}
    for program_id, item in first.items():
        under = await service.get_program(tx, system, program_id)
        await service.require_open(tx, under, "allocations", item.position, "sanctionId")


async def _insert(
    tx: Transaction, system: SystemCaller, batch_id: uuid.UUID, items: Sequence[_Item]
) -> list[_Item]:
    """Keep what is new; the items whose references were not known."""
    rows = [
        {
            "tenant_id": item.of.owner.tenant_id,
            "id": new_id(),
            "environment": item.of.owner.environment,
            "agency_id": item.of.owner.agency_id,
            "sanction_id": item.of.id,
            "system_id": system.system_id,
            "reference_id": item.wanted.reference_id,
            "batch_id": batch_id,
            "type": item.wanted.type.value,
            "amount": item.amount,
            "currency": item.of.currency,
            "created_at": tx.now,
        }
        for item in items
    ]
    inserted = await store.insert_allocations(tx, rows)
    return [item for item, row in zip(items, rows, strict=True) if row["id"] in inserted]


async def _move(tx: Transaction, system: SystemCaller, batch_id: uuid.UUID, fresh: Iterable[_Item]) -> None:
    """Each sanction once, by the net of its new items; sanctions in the order of their ids, as locks are taken."""
    by_sanction: dict[uuid.UUID, list[_Item]] = {}
    for item in fresh:
        by_sanction.setdefault(item.of.id, []).append(item)
    for sanction_id in sorted(by_sanction):
        items = by_sanction[sanction_id]
        net = sum((item.signed for item in items), Decimal(0))
        if net == 0:
            continue
        movement = Movement.ALLOCATION if net > 0 else Movement.DEDUCTION
        move = Move(system.tenant_id, sanction_id, movement, abs(net), batch_id)
        if await funds.move(tx, system, move) is None:
            raise await _why_not(tx, system, items[0], movement)


async def _why_not(tx: Transaction, system: SystemCaller, first: _Item, movement: Movement) -> RuleBroken:
    now = await service.get_sanction(tx, system, first.of.id)
    code = (
        Code.AVAILABLE_AMOUNT_ERROR_DEDUCTION
        if movement is Movement.DEDUCTION
        else Code.SANCTION_NOT_ACTIVE
        if now.status is not SanctionStatus.ACTIVE
        else Code.SANCTIONED_AMOUNT_ERROR_ALLOCATION
    )
    return RuleBroken.because(code, code.summary, "allocations", first.position, "amount")


async def _as_recorded(tx: Transaction, system: SystemCaller, items: Sequence[_Item]) -> list[Allocation]:
    """What is on record under these references; raises Conflict where that is something else."""
    references = {item.wanted.reference_id for item in items}
    known = await store.find_allocations(tx, system.tenant_id, system.system_id, references)
    conflicts = [
        Problem(
            Code.DUPLICATE_REFERENCE_CONFLICT,
            Code.DUPLICATE_REFERENCE_CONFLICT.summary,
            ("allocations", item.position, "referenceId"),
        )
        for item in items
        if not _is_same(item, known[item.wanted.reference_id])
    ]
    if conflicts:
        raise Conflict(conflicts)
    return [known[item.wanted.reference_id] for item in items]


def _is_same(item: _Item, recorded: Allocation) -> bool:
    said = (item.of.id, item.wanted.type, item.amount)
    return said == (recorded.sanction_id, recorded.type, recorded.amount)
