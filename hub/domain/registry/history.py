"""The registry's one history: who changed what of whom, append-only, without personal data."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert, select

from hub.db import Read, Transaction
from hub.domain.registry.callers import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.registry.tables import registry_event
from hub.kit.ids import new_id


def actor_of(caller: Caller) -> tuple[str, uuid.UUID | None]:
    """The kind and id of whoever acts."""
    match caller:
        case SystemCaller():
            return "SYSTEM", caller.system_id
        case PersonCaller():
            return "PERSON", caller.person_id
        case HubCaller():
            return "HUB", None
        case Anonymous():
            return "ANONYMOUS", None


async def record(
    tx: Transaction,
    caller: Caller,
    subject: str,
    subject_id: uuid.UUID,
    change: str,
    *,
    tenant_id: uuid.UUID,
    **details: Any,
) -> None:
    """Write one line of history in the change's own transaction."""
    actor, actor_id = actor_of(caller)
    await tx.execute(
        insert(registry_event).values(
            tenant_id=tenant_id,
            id=new_id(),
            subject=subject,
            subject_id=subject_id,
            change=change,
            actor=actor,
            actor_id=actor_id,
            details=details,
            at=tx.now,
        )
    )


async def last_details(
    read: Read, tenant_id: uuid.UUID, subject_id: uuid.UUID, change: str
) -> dict[str, Any] | None:
    """What was noted at the last change of this kind."""
    query = (
        select(registry_event.c.details)
        .where(
            registry_event.c.tenant_id == tenant_id,
            registry_event.c.subject_id == subject_id,
            registry_event.c.change == change,
        )
        .order_by(registry_event.c.id.desc())
        .limit(1)
    )
    details: dict[str, Any] | None = await read.scalar(query)
    return details
