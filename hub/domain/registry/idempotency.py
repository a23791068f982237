"""Idempotency keys of creating mutations: the same key and content give the same answer, for ever."""

from __future__ import annotations

import hmac
import uuid

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.codes import Code
from hub.db import Transaction
from hub.domain.registry.callers import Caller
from hub.domain.registry.history import actor_of
from hub.domain.registry.tables import idempotency_key
from hub.errors import Conflict, InvalidInput

KEY_LENGTH_MAX = 255
HUB_ACTOR = uuid.UUID(int=0)


async def once(
    tx: Transaction, caller: Caller, key: str | None, operation: str, fingerprint: bytes, new_id: uuid.UUID
) -> uuid.UUID | None:
    """None when this is the first time (or no key is given); else the id the first time made.

    A caller at the same moment with the same key waits for the first to commit. Raises Conflict
    IDEMPOTENCY_CONFLICT when the key stands for other content, InvalidInput IDEMPOTENCY_KEY for a malformed key.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise InvalidInput.because(
            Code.IDEMPOTENCY_KEY,
            f"an idempotency key has 1 to {KEY_LENGTH_MAX} printable characters",
            "idempotencyKey",
        )
    actor_id = actor_of(caller)[1] or HUB_ACTOR
    statement = (
        insert(idempotency_key)
        .values(
            actor_id=actor_id,
            key=key,
            operation=operation,
            fingerprint=fingerprint,
            result_id=new_id,
            created_at=tx.now,
        )
        .on_conflict_do_nothing()
        .returning(idempotency_key.c.result_id)
    )
    if await tx.scalar(statement) is not None:
        return None
    query = select(idempotency_key).where(
        idempotency_key.c.actor_id == actor_id, idempotency_key.c.key == key
    )
    row = (await tx.rows(query)).mappings().one()
    if row["operation"] != operation or not hmac.compare_digest(row["fingerprint"], fingerprint):
        raise Conflict.because(Code.IDEMPOTENCY_CONFLICT, Code.IDEMPOTENCY_CONFLICT.summary, "idempotencyKey")
    result_id: uuid.UUID = row["result_id"]
    return result_id
