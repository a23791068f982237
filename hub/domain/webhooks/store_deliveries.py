"""Rows of deliveries: what is to be sent, where each stands, and each try."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from hub.db import Read, Transaction
from hub.domain.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Verdict,
    Webhook,
    WebhookState,
)
from hub.domain.webhooks.tables import attempt, delivery, delivery_state, webhook

_UNFINISHED = delivery_state.c.state.in_([DeliveryState.WAITING.value, DeliveryState.SENDING.value])
_IS_FACT = delivery_state.c.kind == DeliveryKind.FACT.value


def _beside(table: Any) -> ColumnElement[bool]:
    return and_(delivery_state.c.tenant_id == table.c.tenant_id, delivery_state.c.delivery_id == table.c.id)


async def insert_deliveries(
    tx: Transaction, deliveries: Sequence[Mapping[str, Any]], states: Sequence[Mapping[str, Any]]
) -> None:
    """Write deliveries, each with where it stands; one more for the same leaf and endpoint is a unique violation."""
    await tx.execute(insert(delivery), [dict(each) for each in deliveries])
    await tx.execute(insert(delivery_state), [dict(each) for each in states])


async def count_unfinished(read: Read, of: Webhook, limit: int) -> int:
    """How many deliveries of an endpoint are not finished, counted up to ``limit``."""
    some = (
        select(delivery_state.c.delivery_id)
        .where(delivery_state.c.webhook_id == of.id, _UNFINISHED)
        .limit(limit)
    ).subquery()
    return int(await read.scalar(select(func.count()).select_from(some)))


async def endpoints_due(read: Read, now: datetime, limit: int) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Endpoints (tenant, id) that have something to be sent now; those that rest only for their tests and challenges."""
    rests = and_(webhook.c.paused_until.is_not(None), webhook.c.paused_until > now)
    sendable = or_(
        webhook.c.state == WebhookState.ACTIVE.value,
        and_(
            webhook.c.state == WebhookState.PENDING.value,
            delivery_state.c.kind == DeliveryKind.CHALLENGE.value,
        ),
    )
    query = (
        select(webhook.c.tenant_id, webhook.c.id)
        .join(
            delivery_state,
            and_(
                delivery_state.c.tenant_id == webhook.c.tenant_id, delivery_state.c.webhook_id == webhook.c.id
            ),
        )
        .where(_UNFINISHED, delivery_state.c.next_try_at <= now, sendable, or_(~rests, ~_IS_FACT))
        .distinct()
        .limit(limit)
    )
    return [(row.tenant_id, row.id) for row in await read.rows(query)]


async def due(tx: Transaction, of: Webhook, now: datetime, *, limit: int) -> list[RowMapping]:
    """What may be sent to an endpoint now, its row held: at most ``limit`` facts, and tests and challenges beside.

    Of an ordered endpoint only the first unfinished fact counts: while that one waits, nothing behind it is due.
    One that is being sent was left by a dead worker.
    """
    mine = (delivery_state.c.tenant_id == of.tenant_id, delivery_state.c.webhook_id == of.id, _UNFINISHED)
    is_due = or_(delivery_state.c.state == DeliveryState.SENDING.value, delivery_state.c.next_try_at <= now)
    kinds = [DeliveryKind.TEST.value, DeliveryKind.CHALLENGE.value]
    if of.state is WebhookState.PENDING:
        kinds = [DeliveryKind.CHALLENGE.value]
    found: list[RowMapping] = []
    beside = select(delivery_state).where(*mine, delivery_state.c.kind.in_(kinds), is_due).limit(limit)
    found += (await tx.rows(beside)).mappings().all()
    rests = of.paused_until is not None and of.paused_until > now
    if of.state is WebhookState.ACTIVE and not rests:
        facts = select(delivery_state).where(*mine, _IS_FACT)
        if of.is_ordered:
            head = (await tx.rows(facts.order_by(delivery_state.c.position).limit(1))).mappings().all()
            found += [
                row
                for row in head
                if row["state"] == DeliveryState.SENDING.value or row["next_try_at"] <= now
            ]
        else:
            next_ones = facts.where(is_due).order_by(delivery_state.c.next_try_at).limit(limit)
            found += (await tx.rows(next_ones)).mappings().all()
    return found


async def payloads(read: Read, rows: Sequence[RowMapping]) -> dict[uuid.UUID, RowMapping]:
    """The deliveries of these state rows, with their sealed payloads."""
    if not rows:
        return {}
    query = select(delivery).where(
        delivery.c.tenant_id == rows[0]["tenant_id"], delivery.c.id.in_([row["delivery_id"] for row in rows])
    )
    return {row["id"]: row for row in (await read.rows(query)).mappings()}


async def begin_try(tx: Transaction, row: RowMapping) -> int:
    """Write down that a delivery is being sent; the number of the try. A try a dead worker began does not count."""
    extra = 1 if row["state"] == DeliveryState.SENDING.value else 0
    statement = (
        update(delivery_state)
        .where(
            delivery_state.c.tenant_id == row["tenant_id"], delivery_state.c.delivery_id == row["delivery_id"]
        )
        .values(
            state=DeliveryState.SENDING.value,
            tries=delivery_state.c.tries + 1,
            tries_max=delivery_state.c.tries_max + extra,
            sending_since=tx.now,
        )
        .returning(delivery_state.c.tries)
    )
    return int(await tx.scalar(statement))


async def insert_attempt(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write a try down; the first record of it stands."""
    await tx.execute(insert_or_skip(attempt).values(**values).on_conflict_do_nothing())


async def end_try(
    tx: Transaction, of: tuple[uuid.UUID, uuid.UUID], number: int, verdict: Verdict
) -> RowMapping | None:
    """Record how a try ended, if it is still the delivery's present one; the delivery's state row then."""
    values: dict[str, Any] = {"state": verdict.state.value, "sending_since": None}
    if verdict.state is DeliveryState.WAITING:
        values["next_try_at"] = verdict.next_try_at
    else:
        values["finished_at"] = tx.now
    statement = (
        update(delivery_state)
        .where(
            delivery_state.c.tenant_id == of[0],
            delivery_state.c.delivery_id == of[1],
            delivery_state.c.state == DeliveryState.SENDING.value,
            delivery_state.c.tries == number,
        )
        .values(**values)
        .returning(delivery_state)
    )
    return (await tx.rows(statement)).mappings().one_or_none()


async def cancel(tx: Transaction, of: Webhook, *kinds: DeliveryKind) -> None:
    """Unfinished deliveries of these kinds will not be sent any more."""
    await tx.execute(
        update(delivery_state)
        .where(
            delivery_state.c.tenant_id == of.tenant_id,
            delivery_state.c.webhook_id == of.id,
            delivery_state.c.kind.in_([kind.value for kind in kinds]),
            _UNFINISHED,
        )
        .values(state=DeliveryState.CANCELLED.value, finished_at=tx.now, sending_since=None)
    )


async def hurry(tx: Transaction, of: Webhook) -> None:
    """Unfinished deliveries are due now, however long they were to wait."""
    await tx.execute(
        update(delivery_state)
        .where(
            delivery_state.c.tenant_id == of.tenant_id,
            delivery_state.c.webhook_id == of.id,
            _UNFINISHED,
            delivery_state.c.next_try_at > tx.now,
        )
        .values(next_try_at=tx.now)
    )


async def forget_payloads(tx: Transaction, before: datetime, limit: int) -> int:
    """Throw away the keys of payloads whose delivery ended before this instant; how many."""
    old = (
        select(delivery_state.c.tenant_id, delivery_state.c.delivery_id)
        .where(delivery_state.c.payload_key.is_not(None), delivery_state.c.finished_at < before)
        .limit(limit)
        .cte("old")
    )
    statement = (
        update(delivery_state)
        .where(
            delivery_state.c.tenant_id == old.c.tenant_id, delivery_state.c.delivery_id == old.c.delivery_id
        )
        .values(payload_key=None)
    )
    return (await tx.execute(statement)).rowcount


# Reading


_LISTED = (
    delivery,
    delivery_state.c.state,
    delivery_state.c.tries,
    delivery_state.c.tries_max,
    delivery_state.c.next_try_at,
    delivery_state.c.finished_at,
    delivery_state.c.payload_key,
)


async def find_row(
    read: Read, delivery_id: uuid.UUID, visible: ColumnElement[bool]
) -> tuple[RowMapping, uuid.UUID] | None:
    """One delivery with its state, when the caller may see its endpoint; and the endpoint's id."""
    query = (
        select(*_LISTED)
        .join(delivery_state, _beside(delivery))
        .join(
            webhook, and_(webhook.c.tenant_id == delivery.c.tenant_id, webhook.c.id == delivery.c.webhook_id)
        )
        .where(delivery.c.id == delivery_id, visible)
    )
    row = (await read.rows(query)).mappings().one_or_none()
    return None if row is None else (row, row["webhook_id"])


async def list_rows(
    read: Read, of: Webhook, state: DeliveryState | None, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Deliveries of an endpoint the caller was let see, newest first."""
    query = (
        select(*_LISTED)
        .join(delivery_state, _beside(delivery))
        .where(delivery_state.c.tenant_id == of.tenant_id, delivery_state.c.webhook_id == of.id)
        .order_by(delivery_state.c.position.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(delivery_state.c.state == state.value)
    if before is not None:
        query = query.where(delivery_state.c.position < before)
    return (await read.rows(query)).mappings().all()


async def list_attempts(
    read: Read, tenant_id: uuid.UUID, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, list[Attempt]]:
    """The tries of these deliveries, oldest first."""
    query = (
        select(attempt)
        .where(attempt.c.tenant_id == tenant_id, attempt.c.delivery_id.in_(ids))
        .order_by(attempt.c.delivery_id, attempt.c.attempt)
    )
    found: dict[uuid.UUID, list[Attempt]] = {}
    for row in (await read.rows(query)).mappings():
        values = {name: value for name, value in row.items() if name != "tenant_id"}
        found.setdefault(row["delivery_id"], []).append(Attempt(**values))
    return found


async def in_batch(read: Read, of: Webhook, batch_id: uuid.UUID) -> list[uuid.UUID]:
    """The deliveries one call asked for again, in their order."""
    query = (
        select(delivery.c.id)
        .where(
            delivery.c.tenant_id == of.tenant_id,
            delivery.c.webhook_id == of.id,
            delivery.c.batch_id == batch_id,
        )
        .order_by(delivery.c.position)
    )
    return list((await read.rows(query)).scalars())


def delivery_of(row: RowMapping, payload: bytes | None, attempts: Sequence[Attempt]) -> Delivery:
    """The value of a row of ``find_row`` or ``list_rows``."""
    return Delivery(
        tenant_id=row["tenant_id"],
        id=row["id"],
        webhook_id=row["webhook_id"],
        position=row["position"],
        kind=DeliveryKind(row["kind"]),
        type=row["type"],
        message_id=row["message_id"],
        log_index=row["log_index"],
        is_redelivery=row["batch_id"] is not None and row["kind"] == DeliveryKind.FACT.value,
        payload=payload,
        payload_sha256=row["payload_sha256"],
        state=DeliveryState(row["state"]),
        tries=row["tries"],
        tries_max=row["tries_max"],
        next_try_at=row["next_try_at"],
        finished_at=row["finished_at"],
        created_at=row["created_at"],
        attempts=tuple(attempts),
    )
