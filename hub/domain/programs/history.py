"""The history of programs and sanctions: who changed what, append-only; amounts in buckets are the ledger's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from hub.db import Transaction
from hub.domain.programs import store
from hub.domain.programs.model import Change, Owner, Program, Sanction, Subject
from hub.domain.registry import Caller, actor_of
from hub.kit.ids import new_id


async def program_changed(tx: Transaction, caller: Caller, made: Program, change: Change) -> None:
    """One line, in the change's own transaction: the program as it is now."""
    details = {
        "agency_id": str(made.owner.agency_id),
        "environment": made.owner.environment,
        "code": made.code,
        "location_code": made.location_code,
        "name": made.name,
        "description": made.description,
        "parent_id": str(made.parent_id) if made.parent_id else None,
        "start_date": made.start_date.isoformat(),
        "end_date": made.end_date.isoformat() if made.end_date else None,
        "currency": made.currency,
        "codes": store.codes_document(made.codes),
        "status": made.status.value,
        "version": made.version,
    }
    await _write(tx, caller, made.owner, new_id(), (Subject.PROGRAM, made.id, change, details))


async def sanction_changed(
    tx: Transaction,
    caller: Caller,
    made: Sanction,
    change: Change,
    *,
    line_id: uuid.UUID | None = None,
    **more: str,
) -> None:
    """One line: the sanction as it is now; ``line_id`` is the id that the ledger names as the cause."""
    details = {
        "program_id": str(made.program_id),
        "reference_id": made.reference_id,
        "currency": made.currency,
        "gross_amount": str(made.gross_amount),
        "net_amount": str(made.net_amount),
        "codes": store.codes_document(made.codes),
        "status": made.status.value,
        "version": made.version,
        **more,
    }
    await _write(tx, caller, made.owner, line_id or new_id(), (Subject.SANCTION, made.id, change, details))


async def _write(
    tx: Transaction,
    caller: Caller,
    owner: Owner,
    line_id: uuid.UUID,
    line: tuple[Subject, uuid.UUID, Change, Mapping[str, Any]],
) -> None:
    subject, subject_id, change, details = line
    actor, actor_id = actor_of(caller)
    await store.insert_history(
        tx,
        {
            "tenant_id": owner.tenant_id,
            "id": line_id,
            "subject": subject.value,
            "subject_id": subject_id,
            "change": change.value,
            "details": details,
            "actor": actor,
            "actor_id": actor_id,
            "at": tx.now,
        },
    )
