"""Verbs that change the registries: save, retire, set the rules."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import orjson

from hub.codes import Code
from hub.db import Transaction
from hub.domain.reference import access, planning, store
from hub.domain.reference.commands import to_json
from hub.domain.reference.forest import Forest, Outcome
from hub.domain.reference.model import DEPTH_MAX, Policy, Registry, SaveEntry, Status
from hub.domain.registry import Caller, PersonCaller, once
from hub.errors import Conflict, InvalidInput, NotAllowed, Problem, Refusal
from hub.kit.ids import new_id

CONFLICTS = frozenset({Code.VERSION_CONFLICT, Code.CODE_EXISTS, Code.DUPLICATE_COA_CODE})


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save made: the entry of each command in order, and how many were new, changed or as before."""

    entry_ids: tuple[uuid.UUID, ...]
    created: int
    changed: int
    unchanged: int


async def save(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    commands: Sequence[SaveEntry],
    *,
    idempotency_key: str | None = None,
) -> Saved:
    """Create entries of one registry, or give them new versions; all of it, or none.

    The commands may name each other as parents in any order. Refused, with every problem and its path:
    malformed fields, codes that exist (without ``expected_version``), versions somebody else moved on from,
    unknown parents and links, overlapping validities, and whatever the registry's tree forbids. Only the
    government's operators and the hub may; one change of a government's registries happens at a time.
    """
    access.require_write(caller, tenant_id)
    await store.lock(tx, tenant_id)
    if idempotency_key is not None:
        earlier = await _earlier(tx, caller, tenant_id, commands, idempotency_key)
        if earlier is not None:
            return Saved((earlier,), 0, 0, len(commands))
    await require_no_approval(tx, caller, tenant_id)
    return await write(tx, caller, tenant_id, commands)


async def require_no_approval(tx: Transaction, caller: Caller, tenant_id: uuid.UUID) -> None:
    """Raise when the government wants a second person for every change and a person is about to make one."""
    if isinstance(caller, PersonCaller) and (await store.load_policy(tx, tenant_id)).approval_required:
        raise NotAllowed.because(Code.APPROVAL_REQUIRED, Code.APPROVAL_REQUIRED.summary)


async def check(tx: Transaction, tenant_id: uuid.UUID, commands: Sequence[SaveEntry]) -> None:
    """Raise with every problem, as saving now would. Under the lock; nothing is written."""
    await _planned(tx, tenant_id, commands)


async def write(
    tx: Transaction, caller: Caller, tenant_id: uuid.UUID, commands: Sequence[SaveEntry]
) -> Saved:
    """Save what is authorised already, under the lock."""
    forest, outcome = await _planned(tx, tenant_id, commands)
    await planning.carry_out(tx, tenant_id, forest, outcome, access.name_of(caller))
    ids = tuple(node.entry_id for node in outcome.targets[: len(commands)] if node is not None)
    return Saved(ids, outcome.created, outcome.changed, outcome.unchanged)


async def _planned(
    tx: Transaction, tenant_id: uuid.UUID, commands: Sequence[SaveEntry]
) -> tuple[Forest, Outcome]:
    """The forest with the commands carried out on it in memory, and the rows that takes."""
    registry = commands[0].registry
    checked, problems = await planning.prepare(tx, tenant_id, registry, commands)
    if problems:
        raise _refusal(commands, problems)
    checked = planning.with_ancestors(checked)
    forest, around = await planning.gather(tx, tenant_id, registry, checked)
    outcome, problems = planning.plan(forest, around, checked)
    if problems:
        raise _refusal(checked, problems)
    return forest, outcome


async def _earlier(
    tx: Transaction, caller: Caller, tenant_id: uuid.UUID, commands: Sequence[SaveEntry], key: str
) -> uuid.UUID | None:
    """The entry this idempotency key made or changed before, if it did."""
    first = commands[0]
    known = (
        await store.identify(tx, tenant_id, first.registry, keys=[(first.scope, first.code or "")])
        if first.entry_id is None
        else {}
    )
    subject = first.entry_id or next(iter(known), None) or new_id()
    content = orjson.dumps(
        [str(tenant_id), [to_json(command) for command in commands]], option=orjson.OPT_SORT_KEYS
    )
    stored = await once(tx, caller, key, "reference.save", hashlib.sha256(content).digest(), subject)
    if stored is None:
        return None
    return stored if stored in await store.identify(tx, tenant_id, first.registry, ids=[stored]) else subject


def _refusal(commands: Sequence[SaveEntry], problems: Sequence[planning.Found]) -> Refusal:
    """Every problem once, where its command stands in the input."""
    found: list[Problem] = []
    for number, problem in problems:
        placed = problem.under(*commands[number].row)
        if placed not in found:
            found.append(placed)
    only_conflicts = all(problem.code in CONFLICTS for problem in found)
    return (Conflict if only_conflicts else InvalidInput)(found)


async def retire(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    registry: Registry,
    entry_id: uuid.UUID,
    *,
    on: date | None,
    expected_version: int,
) -> Saved:
    """Give an entry the status RETIRED from a day on (today when none is said).

    Refused while active entries stand below it, or when later versions are planned.
    """
    command = SaveEntry(
        registry,
        entry_id=entry_id,
        expected_version=expected_version,
        status=Status.RETIRED,
        valid_from=on,
        valid_to=None,
    )
    return await save(tx, caller, tenant_id, [command])


async def set_policy(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    *,
    approval_required: bool | None = None,
    hierarchy_depth_max: int | None = None,
) -> Policy:
    """Change a government's rules for its registries; what is not said stays. Operators and the hub only.

    Only the hub itself (the command line) takes the second person away again: no one person can.
    """
    access.require_write(caller, tenant_id)
    if approval_required is False:
        await require_no_approval(tx, caller, tenant_id)
    if hierarchy_depth_max is not None and not 1 <= hierarchy_depth_max <= DEPTH_MAX:
        raise InvalidInput.because(Code.INPUT, "hierarchyDepthMax is 1 to 32", "hierarchyDepthMax")
    await store.lock(tx, tenant_id)
    old = await store.load_policy(tx, tenant_id)
    new = replace(
        old,
        version_no=old.version_no + 1,
        approval_required=old.approval_required if approval_required is None else approval_required,
        hierarchy_depth_max=hierarchy_depth_max or old.hierarchy_depth_max,
    )
    await store.save_policy(tx, tenant_id, new, access.name_of(caller))
    return new
