"""The endpoints' history: who changed what, append-only, without secrets."""

from __future__ import annotations

import uuid

from hub.db import Transaction
from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.webhooks import store
from hub.domain.webhooks.model import Change, Webhook
from hub.kit.ids import new_id


async def record(tx: Transaction, caller: Caller, of: Webhook, change: Change, **details: object) -> None:
    """Write one line of history in the change's own transaction."""
    actor_id: uuid.UUID | None
    match caller:
        case SystemCaller():
            actor, actor_id = "SYSTEM", caller.system_id
        case PersonCaller():
            actor, actor_id = "PERSON", caller.person_id
        case HubCaller() | Anonymous():
            actor, actor_id = "HUB", None
    await store.insert_history(
        tx,
        {
            "tenant_id": of.tenant_id,
            "id": new_id(),
            "webhook_id": of.id,
            "change": change.value,
            "actor": actor,
            "actor_id": actor_id,
            "details": details,
            "at": tx.now,
        },
    )
