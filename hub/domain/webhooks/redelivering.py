"""Deliveries as their keepers see them: the log of tries, sending again, and sending a test."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain import registry
from hub.domain.registry import Caller
from hub.domain.webhooks import access, dispatching, payloads, secrets, service, store, store_deliveries
from hub.domain.webhooks.commands import Redeliver, fingerprint
from hub.domain.webhooks.model import (
    RANGE_MAX,
    REDELIVERED_MAX,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Message,
    Webhook,
    WebhookState,
)
from hub.errors import InvalidInput, RuleBroken
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import instant_text


async def redeliver(
    tx: Transaction, means: Means, caller: Caller, delivery_id: uuid.UUID, idempotency_key: str | None
) -> list[uuid.UUID]:
    """Send one delivery's very bytes again under the same ``webhook-id``, behind what the endpoint has to get already.

    Raises NotFound; RuleBroken WEBHOOK_STATE for a challenge, an endpoint that is not active, or bytes forgotten.
    """
    registry.require_known(caller)
    found = await store_deliveries.find_row(tx, delivery_id, access.visible(caller))
    if found is None:
        raise access.absent("deliveryId")
    row, webhook_id = found
    held = await _active(tx, caller, webhook_id)
    if row["kind"] != DeliveryKind.FACT.value:
        raise RuleBroken.because(Code.WEBHOOK_STATE, "only what the log brought is sent again", "deliveryId")
    command = Redeliver(delivery_id=str(delivery_id), idempotency_key=idempotency_key)
    batch_id = new_id()
    earlier = await _earlier(tx, caller, held, command, batch_id)
    if earlier is not None:
        return earlier
    if row["payload_key"] is None:
        raise RuleBroken.because(
            Code.WEBHOOK_STATE, "this delivery's bytes are forgotten; send its log range again", "deliveryId"
        )
    body = secrets.open_payload(means, row["id"], row["payload"], row["payload_key"])
    message = Message(DeliveryKind.FACT, row["type"], row["message_id"], body, log_index=row["log_index"])
    return await dispatching.put(tx, means, held, [message], batch_id=batch_id)


async def redeliver_range(
    tx: Transaction, means: Means, caller: Caller, webhook_id: uuid.UUID, command: Redeliver
) -> list[uuid.UUID]:
    """Send again what an endpoint hears of the leaves ``first`` to ``last``, as its system may see it now.

    Raises InvalidInput WEBHOOK_RANGE for more than 10,000 leaves or 1,000 deliveries, or leaves that are still to come
    to the endpoint; RuleBroken WEBHOOK_STATE.
    """
    held = await _active(tx, caller, webhook_id)
    first, last = command.first or 0, command.last if command.last is not None else -1
    if not first <= last < first + RANGE_MAX or last >= held.dispatched_to:
        message = f"a range names at most {RANGE_MAX} leaves, all of them below {held.dispatched_to}"
        raise InvalidInput.because(Code.WEBHOOK_RANGE, message, "from")
    batch_id = new_id()
    earlier = await _earlier(tx, caller, held, command, batch_id)
    if earlier is not None:
        return earlier
    system = await registry.acting_system(tx, held.system_id)
    if system is None:
        raise RuleBroken.because(Code.SYSTEM_NOT_ACTIVE, Code.SYSTEM_NOT_ACTIVE.summary)
    messages: list[Message] = []
    at = first
    while at <= last:
        some, reached = await dispatching.rebuild(tx, system, held, start=at, end=last + 1)
        messages += some
        if len(messages) > REDELIVERED_MAX:
            message = f"the range holds more than {REDELIVERED_MAX} deliveries"
            raise InvalidInput.because(Code.WEBHOOK_RANGE, message, "to")
        at = reached
    return await dispatching.put(tx, means, held, messages, batch_id=batch_id) if messages else []


async def send_test(
    tx: Transaction, means: Means, caller: Caller, webhook_id: uuid.UUID, idempotency_key: str | None
) -> list[uuid.UUID]:
    """Send an active endpoint a message that means nothing, once and beside the order."""
    held = await _active(tx, caller, webhook_id)
    batch_id = new_id()
    command = Redeliver(idempotency_key=idempotency_key)
    earlier = await _earlier(tx, caller, held, command, batch_id, operation="sendTestWebhook")
    if earlier is not None:
        return earlier
    body = payloads.test_body(held, instant_text(tx.now))
    message = Message(DeliveryKind.TEST, payloads.TEST_TYPE, f"tst_{batch_id}", body)
    return await dispatching.put(tx, means, held, [message], batch_id=batch_id)


async def _active(tx: Transaction, caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    held = await service.keep(tx, caller, webhook_id)
    if held.state is not WebhookState.ACTIVE:
        raise RuleBroken.because(Code.WEBHOOK_STATE, "the endpoint is not active", "id")
    return held


async def _earlier(
    tx: Transaction,
    caller: Caller,
    held: Webhook,
    command: Redeliver,
    batch_id: uuid.UUID,
    *,
    operation: str = "redeliverWebhook",
) -> list[uuid.UUID] | None:
    """What the same request did before, by its idempotency key; None the first time."""
    mark = fingerprint(command, held.id)
    made = await registry.once(tx, caller, command.idempotency_key, operation, mark, batch_id)
    return None if made is None else await store_deliveries.in_batch(tx, held, made)


# Reading


async def list_deliveries(
    read: Read,
    means: Means,
    caller: Caller,
    webhook_id: uuid.UUID,
    *,
    state: DeliveryState | None,
    before: int | None,
    limit: int,
) -> list[Delivery]:
    """An endpoint's deliveries, newest first, with their payloads and tries; raises NotFound."""
    registry.require_known(caller)
    of = await store.find_webhook(read, webhook_id, access.visible(caller))
    if of is None:
        raise access.absent("endpoint")
    return await _with_attempts(read, means, await store_deliveries.list_rows(read, of, state, before, limit))


async def find_delivery(read: Read, means: Means, caller: Caller, delivery_id: uuid.UUID) -> Delivery | None:
    """One delivery, when the caller may see its endpoint."""
    found = await store_deliveries.find_row(read, delivery_id, access.visible(caller))
    return None if found is None else (await _with_attempts(read, means, [found[0]]))[0]


async def list_by_ids(read: Read, means: Means, caller: Caller, ids: Sequence[uuid.UUID]) -> list[Delivery]:
    """These deliveries, in this order, as far as the caller may see them."""
    found = [await find_delivery(read, means, caller, each) for each in ids]
    return [each for each in found if each is not None]


async def _with_attempts(read: Read, means: Means, rows: Sequence[RowMapping]) -> list[Delivery]:
    if not rows:
        return []
    ids: list[Any] = [row["id"] for row in rows]
    attempts = await store_deliveries.list_attempts(read, rows[0]["tenant_id"], ids)
    return [
        store_deliveries.delivery_of(row, _payload(means, row), attempts.get(row["id"], ())) for row in rows
    ]


def _payload(means: Means, row: RowMapping) -> bytes | None:
    """Of a challenge nothing is shown: only its receiver is to know it."""
    if row["payload_key"] is None or row["kind"] == DeliveryKind.CHALLENGE.value:
        return None
    return secrets.open_payload(means, row["id"], row["payload"], row["payload_key"])
