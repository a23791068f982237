"""Maker and checker: a change that one person proposes and another approves or rejects."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.reference import access, rules, service, store
from hub.domain.reference.commands import from_json, to_json
from hub.domain.reference.model import Policy, Proposal, Registry, SaveEntry
from hub.domain.registry import Caller, PersonCaller
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.kit.ids import new_id

COMMENT_LENGTH_MAX = 1_024
LIST = """
    SELECT p.id, p.registry, p.commands, p.recorded_at, p.recorded_by, d.approved, d.comment
    FROM reference_proposal p
    LEFT JOIN reference_decision d ON d.tenant_id = p.tenant_id AND d.proposal_id = p.id
    WHERE p.tenant_id = :tenant
"""


async def get_policy(read: Read, caller: Caller, tenant_id: uuid.UUID) -> Policy:
    """The rules a government set for its registries; readable by whoever reads them."""
    access.require_read(caller, tenant_id)
    return await store.load_policy(read, tenant_id)


async def submit(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    commands: Sequence[SaveEntry],
    *,
    idempotency_key: str | None = None,
) -> service.Saved | Proposal:
    """Save, or propose where the government wants a second person for every change."""
    access.require_write(caller, tenant_id)
    if isinstance(caller, PersonCaller) and (await store.load_policy(tx, tenant_id)).approval_required:
        return await propose(tx, caller, tenant_id, commands)
    return await service.save(tx, caller, tenant_id, commands, idempotency_key=idempotency_key)


async def submit_for(
    tx: Transaction,
    caller: Caller,
    government: str | None,
    command: SaveEntry,
    *,
    idempotency_key: str | None = None,
) -> service.Saved | Proposal:
    """Submit to a government named by its code; a wrong government is told together with wrong fields."""
    try:
        tenant_id = await access.find_government(tx, caller, government)
    except InvalidInput as refusal:
        raise InvalidInput([*refusal.problems, *rules.check_alone(command)]) from None
    return await submit(tx, caller, tenant_id, [command], idempotency_key=idempotency_key)


async def propose(
    tx: Transaction, caller: Caller, tenant_id: uuid.UUID, commands: Sequence[SaveEntry]
) -> Proposal:
    """Keep a change for a second person. What is plainly wrong with it is refused at once; nothing is changed yet."""
    access.require_write(caller, tenant_id)
    await store.lock(tx, tenant_id)
    registry = commands[0].registry
    await service.check(tx, tenant_id, commands)
    proposal = Proposal(new_id(), registry, tuple(commands), tx.now, None, None)
    await tx.execute(
        text(
            "INSERT INTO reference_proposal (tenant_id, id, registry, commands, recorded_at, recorded_by) "
            "VALUES (:tenant, :id, :registry, CAST(:commands AS jsonb), :at, :by)"
        ),
        {
            "tenant": tenant_id,
            "id": proposal.proposal_id,
            "registry": registry.value,
            "commands": orjson.dumps([to_json(command) for command in commands]).decode(),
            "at": tx.now,
            "by": access.name_of(caller),
        },
    )
    return proposal


async def decide(
    tx: Transaction,
    caller: Caller,
    tenant_id: uuid.UUID,
    proposal_id: uuid.UUID,
    *,
    is_approved: bool,
    comment: str | None = None,
) -> tuple[Proposal, service.Saved | None]:
    """Approve a proposal, which carries it out now, or reject it. Once, and never one's own approval.

    What changed in between may make an approval impossible; it is then refused like the change itself.
    """
    access.require_write(caller, tenant_id)
    if comment is not None and not (len(comment) <= COMMENT_LENGTH_MAX and rules.is_plain(comment)):
        raise InvalidInput.because(Code.TEXT, f"at most {COMMENT_LENGTH_MAX} printable characters", "comment")
    await store.lock(tx, tenant_id)
    found = await _rows(tx, tenant_id, proposal_id)
    if not found:
        raise NotFound.because(Code.NOT_FOUND, Code.NOT_FOUND.summary, "proposal")
    if found[0]["approved"] is not None:
        raise Conflict.because(Code.PROPOSAL_DECIDED, Code.PROPOSAL_DECIDED.summary, "proposal")
    if is_approved and access.same_actor(caller, found[0]["recorded_by"]):
        raise NotAllowed.because(Code.SELF_APPROVAL, Code.SELF_APPROVAL.summary, "proposal")
    await tx.execute(
        text("INSERT INTO reference_decision VALUES (:tenant, :id, :approved, :comment, :at, :by)"),
        {
            "tenant": tenant_id,
            "id": proposal_id,
            "approved": is_approved,
            "comment": comment,
            "at": tx.now,
            "by": access.name_of(caller),
        },
    )
    proposal = _proposal({**found[0], "approved": is_approved, "comment": comment})
    saved = await service.write(tx, caller, tenant_id, proposal.commands) if is_approved else None
    return proposal, saved


async def list_open(read: Read, caller: Caller, tenant_id: uuid.UUID, limit: int) -> list[Proposal]:
    """Proposals that wait for a decision, oldest first; for those who may decide."""
    access.require_write(caller, tenant_id)
    found = await read.rows(
        text(f"{LIST} AND d.approved IS NULL ORDER BY p.id LIMIT :limit").columns(commands=JSONB),
        {"tenant": tenant_id, "limit": limit},
    )
    return [_proposal(row) for row in found.mappings()]


async def _rows(read: Read, tenant_id: uuid.UUID, proposal_id: uuid.UUID) -> list[Any]:
    statement = text(f"{LIST} AND p.id = :id").columns(commands=JSONB)
    return list((await read.rows(statement, {"tenant": tenant_id, "id": proposal_id})).mappings())


def _proposal(row: Any) -> Proposal:
    return Proposal(
        row["id"],
        Registry(row["registry"]),
        tuple(from_json(command) for command in row["commands"]),
        row["recorded_at"],
        row["approved"],
        row["comment"],
    )


__all__ = ["decide", "get_policy", "list_open", "propose", "submit", "submit_for"]
