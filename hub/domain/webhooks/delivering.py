"""One try of a delivery: written down before it is sent, judged by its reply, and what it means for its endpoint."""

from __future__ import annotations

import random
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from hub.db import Transaction
from hub.domain import jobs, registry
from hub.domain.registry import HubCaller
from hub.domain.webhooks import access, history, secrets, store, store_deliveries
from hub.domain.webhooks.model import (
    IN_FLIGHT_MAX,
    KEPT_FOR,
    OFF_AFTER,
    RESPONSE_BYTES_MAX,
    WARN_AFTER,
    Change,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    Letter,
    Reply,
    Verdict,
    Webhook,
    WebhookState,
    judge,
)
from hub.means import Means

NOTICE_JOB = "webhooks.send_notice"
LOST = "LOST"
WITHHELD = b"(withheld)"
FORGET_MAX = 5_000


async def begin(tx: Transaction, means: Means, caller: HubCaller, webhook_id: uuid.UUID) -> list[Letter]:
    """Write down that the next due deliveries of an endpoint are being sent, and hand them over; empty: nothing is due.

    An endpoint whose system is cut off gets nothing but waits. While an endpoint fails, one delivery at a time tries
    whether it is back. What a dead worker left in the middle is sent again under the same ids.
    """
    found = await store.find_webhook(tx, webhook_id, access.visible(caller), lock=True)
    if found is None or found.state not in {WebhookState.ACTIVE, WebhookState.PENDING}:
        return []
    if await registry.acting_system(tx, found.system_id) is None:
        return []
    limit = 1 if found.failing_since is not None else IN_FLIGHT_MAX
    rows = await store_deliveries.due(tx, found, tx.now, limit=limit)
    if not rows:
        return []
    kept = await store_deliveries.payloads(tx, rows)
    signing = await secrets.open_secrets(tx, means, found.tenant_id, found.id)
    letters = []
    for row in rows:
        if row["state"] == DeliveryState.SENDING.value:
            await _note_lost(tx, found, row)
        number = await store_deliveries.begin_try(tx, row)
        delivery = kept[row["delivery_id"]]
        letters.append(
            Letter(
                tenant_id=found.tenant_id,
                webhook_id=found.id,
                delivery_id=delivery["id"],
                kind=DeliveryKind(delivery["kind"]),
                attempt=number,
                attempts_max=row["tries_max"] + (1 if row["state"] == DeliveryState.SENDING.value else 0),
                url=found.url,
                message_id=delivery["message_id"],
                body=secrets.open_payload(means, delivery["id"], delivery["payload"], row["payload_key"]),
                secrets=signing,
            )
        )
    return letters


async def _note_lost(tx: Transaction, of: Webhook, row: RowMapping) -> None:
    lost = Reply(row["sending_since"], 0, {}, error=LOST)
    await store_deliveries.insert_attempt(
        tx, _attempt(of.tenant_id, row["delivery_id"], row["tries"], of.url, lost)
    )


async def record(tx: Transaction, caller: HubCaller, letter: Letter, reply: Reply) -> Verdict | None:
    """Record a try and what follows from it; None, and nothing but the try written, when another worker took over."""
    verdict = judge(letter, reply, tx.now, random.random())  # noqa: S311 - spreads retries, guards nothing
    succeeded = verdict.state is DeliveryState.SUCCEEDED
    is_challenge = letter.kind is DeliveryKind.CHALLENGE
    if succeeded and not is_challenge:
        await store.note_success(tx, (letter.tenant_id, letter.webhook_id))
        found = None
    else:
        found = await store.find_webhook(tx, letter.webhook_id, access.visible(caller), lock=True)
    if is_challenge and reply.body:
        # Whoever reads the log of deliveries has not thereby shown to be the receiver.
        reply = _without_body(reply)
    values = _attempt(letter.tenant_id, letter.delivery_id, letter.attempt, letter.url, reply)
    await store_deliveries.insert_attempt(tx, values)
    row = await store_deliveries.end_try(tx, (letter.tenant_id, letter.delivery_id), letter.attempt, verdict)
    if row is None:
        return None
    if found is not None and is_challenge and succeeded and found.state is WebhookState.PENDING:
        await confirm(tx, caller, found)
    elif found is not None and letter.kind is DeliveryKind.FACT:
        await _after_failure(tx, caller, found, verdict)
    return verdict


async def confirm(tx: Transaction, caller: registry.Caller, found: Webhook) -> Webhook:
    """The receiver has shown that it wants to be called: the endpoint is active, its row is held."""
    await store_deliveries.cancel(tx, found, DeliveryKind.CHALLENGE)
    changed = await store.update_webhook(
        tx,
        found,
        state=WebhookState.ACTIVE.value,
        confirmed_at=tx.now,
        failing_since=None,
        warned_at=None,
        paused_until=None,
    )
    await history.record(tx, caller, changed, Change.CONFIRMED)
    return changed


async def _after_failure(tx: Transaction, caller: HubCaller, found: Webhook, verdict: Verdict) -> None:
    """1. Since when it fails, until when it rests. 2. Gone, or failing for three days: off. 3. For a day: warn."""
    since = found.failing_since or tx.now
    rests_until = _rest(found, verdict)
    await store.note_failure(tx, found, tx.now, rests_until)
    if found.state is not WebhookState.ACTIVE:
        return
    if verdict.is_gone:
        await switch_off(tx, caller, found, DisabledReason.GONE)
    elif tx.now - since >= OFF_AFTER:
        await switch_off(tx, caller, found, DisabledReason.FAILING)
    elif tx.now - since >= WARN_AFTER and found.warned_at is None:
        await store.update_webhook(tx, found, warned_at=tx.now)
        await history.record(tx, caller, found, Change.WARNED)
        await _tell(tx, found, Change.WARNED.value)


def _rest(found: Webhook, verdict: Verdict) -> datetime | None:
    """An ordered endpoint rests until its first delivery is tried again: all others wait behind it."""
    if found.is_ordered and verdict.state is DeliveryState.WAITING:
        return verdict.next_try_at
    return verdict.pause_until


async def switch_off(tx: Transaction, caller: HubCaller, found: Webhook, why: DisabledReason) -> None:
    """The endpoint gets nothing more until somebody enables it; its cursor stays. Its keepers are told by mail."""
    changed = await store.update_webhook(
        tx, found, state=WebhookState.DISABLED.value, disabled_reason=why.value
    )
    await history.record(tx, caller, changed, Change.DISABLED, reason=why.value)
    await _tell(tx, changed, why.value)


async def _tell(tx: Transaction, found: Webhook, notice: str) -> None:
    """One mail job for each of the agency's owners and its contact; ids alone, as a job holds no addresses."""
    for person_id in await registry.list_owner_ids(tx, found.tenant_id, found.agency_id):
        arguments = {"webhook_id": str(found.id), "person_id": str(person_id), "notice": notice}
        key = f"{found.id}:{person_id}:{notice}"
        await jobs.enqueue(tx, NOTICE_JOB, arguments, dedupe_key=key, tenant_id=found.tenant_id)


def _without_body(reply: Reply) -> Reply:
    return Reply(
        reply.started_at,
        reply.duration_ms,
        reply.request_headers,
        reply.status,
        reply.response_headers,
        WITHHELD,
        reply.error,
    )


def _attempt(
    tenant_id: uuid.UUID, delivery_id: uuid.UUID, number: int, url: str, reply: Reply
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "delivery_id": delivery_id,
        "attempt": number,
        "started_at": reply.started_at,
        "duration_ms": reply.duration_ms,
        "url": url,
        "request_headers": dict(reply.request_headers),
        "status": reply.status,
        "response_headers": dict(reply.response_headers),
        "response_body": reply.body[:RESPONSE_BYTES_MAX],
        "error": reply.error,
    }


async def forget(tx: Transaction, _: HubCaller) -> bool:
    """Throw away the keys of payloads that nobody will ask for; whether there are more."""
    return await store_deliveries.forget_payloads(tx, tx.now - KEPT_FOR, FORGET_MAX) == FORGET_MAX
