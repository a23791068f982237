"""From the log to deliveries: each endpoint follows the log with a cursor of its own, so nothing is lost or doubled."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import timedelta

from hub.db import Read, Transaction
from hub.domain import jobs, registry, transparency
from hub.domain.registry import Caller, HubCaller, SystemCaller
from hub.domain.webhooks import access, matching, payloads, secrets, store, store_deliveries
from hub.domain.webhooks.model import (
    BACKLOG_MAX,
    KEPT_FOR,
    TRIES,
    DeliveryState,
    Message,
    Webhook,
    WebhookState,
)
from hub.kit.ids import new_id
from hub.means import Means

DELIVER_JOB = "webhooks.deliver"
FORGET_JOB = "webhooks.forget"
# Three days of tries, and one more, lie between the writing of a delivery and the counting of its month.
FORGET_LATER = timedelta(days=4)
# The wake-up topic on which workers wait for something to deliver.
TOPIC = "webhooks"


async def log_size(read: Read) -> int:
    """How many leaves the log has: the index of the one that comes next."""
    last = await transparency.find_checkpoint(read)
    return last.size if last is not None else 0


async def list_behind(read: Read, limit: int) -> list[uuid.UUID]:
    """Active endpoints for which the log has leaves nobody has looked at yet."""
    return await store.behind(read, await log_size(read), limit)


async def dispatch(tx: Transaction, means: Means, caller: HubCaller, webhook_id: uuid.UUID) -> bool:
    """Write the deliveries of the next leaves for an endpoint and move its cursor; whether there may be more to do.

    1. The endpoint's row is held and it is active; its system may act now. 2. Not too much waits already: else the log
    waits. 3. The leaves its system may see and its filter lets through become deliveries. 4. The cursor moves from
    where it was read, in the same transaction, by a conditional update: a second worker writes nothing.
    """
    found = await store.find_webhook(tx, webhook_id, access.visible(caller), lock=True)
    if found is None or found.state is not WebhookState.ACTIVE:
        return False
    system = await registry.acting_system(tx, found.system_id)
    if system is None or await store_deliveries.count_unfinished(tx, found, BACKLOG_MAX) >= BACKLOG_MAX:
        return False
    start = found.dispatched_to
    page = await matching.page(tx, system, found, start=start)
    if page.end == start or not await store.move_cursor(tx, found, page.end):
        return False
    if page.leaves:
        await put(tx, means, found, await payloads.messages(tx, system, found, page))
    return page.has_more


async def rebuild(
    read: Read, system: SystemCaller, of: Webhook, *, start: int, end: int
) -> tuple[list[Message], int]:
    """The messages of some leaves as they would be made now, and the index of the next leaf to look at."""
    page = await matching.page(read, system, of, start=start, end=end)
    return await payloads.messages(read, system, of, page), page.end


async def put(
    tx: Transaction,
    means: Means,
    of: Webhook,
    messages: Sequence[Message],
    *,
    batch_id: uuid.UUID | None = None,
) -> list[uuid.UUID]:
    """Write these messages behind what the endpoint has to get already, and have them sent; the deliveries' ids."""
    first = await store.take_positions(tx, of, len(messages))
    ids = [new_id() for _ in messages]
    rows, states = [], []
    for place, (delivery_id, message) in enumerate(zip(ids, messages, strict=True), first):
        payload, key = secrets.seal_payload(means, delivery_id, message.body)
        shared = {
            "tenant_id": of.tenant_id,
            "webhook_id": of.id,
            "position": place,
            "kind": message.kind.value,
        }
        rows.append(
            {
                **shared,
                "id": delivery_id,
                "type": message.type,
                "message_id": message.message_id,
                "log_index": message.log_index,
                "batch_id": batch_id,
                "payload": payload,
                "payload_sha256": hashlib.sha256(message.body).digest(),
                "created_at": tx.now,
            }
        )
        states.append(
            {
                **shared,
                "delivery_id": delivery_id,
                "state": DeliveryState.WAITING.value,
                "tries": 0,
                "tries_max": TRIES[message.kind],
                "next_try_at": tx.now,
                "payload_key": key,
            }
        )
    await store_deliveries.insert_deliveries(tx, rows, states)
    await call(tx, of.tenant_id, of.id)
    due = tx.now + KEPT_FOR + FORGET_LATER
    await jobs.enqueue(tx, FORGET_JOB, {}, dedupe_key=str(due.date()), run_at=due)
    return ids


async def call(tx: Transaction, tenant_id: uuid.UUID, webhook_id: uuid.UUID) -> None:
    """Have a worker look after an endpoint now; one job at a time, so that its order and its limit hold."""
    arguments = {"webhook_id": str(webhook_id)}
    await jobs.enqueue(tx, DELIVER_JOB, arguments, dedupe_key=str(webhook_id), tenant_id=tenant_id)
    tx.after_commit(TOPIC)


async def call_due(tx: Transaction, _: Caller, limit: int) -> int:
    """Have workers look after the endpoints that have something to be sent now; how many those are."""
    due = await store_deliveries.endpoints_due(tx, tx.now, limit)
    for tenant_id, webhook_id in due:
        await call(tx, tenant_id, webhook_id)
    return len(due)
