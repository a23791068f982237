"""Rows of endpoints, their secrets and history, turned into the room's values; deliveries are in store_deliveries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, and_, case, func, insert, or_, select, update

from hub.db import Read, Transaction
from hub.domain.fiscal_events.filters import Filter
from hub.domain.webhooks.model import (
    Change,
    DisabledReason,
    FactKind,
    HistoryEntry,
    PayloadForm,
    Scheme,
    SecretMark,
    Webhook,
    WebhookState,
)
from hub.domain.webhooks.tables import history, secret, webhook

HISTORY_MAX = 100


def filter_document(wanted: Filter) -> dict[str, Any]:
    """A filter as its column holds it: the criteria that are set, by their names in the domain."""
    plain: dict[str, Any] = msgspec.to_builtins(wanted)
    return {name: value for name, value in plain.items() if value is not None}


def _webhook(row: RowMapping) -> Webhook:
    reason = row["disabled_reason"]
    return Webhook(
        **{
            **row,
            "state": WebhookState(row["state"]),
            "disabled_reason": DisabledReason(reason) if reason is not None else None,
            "kinds": frozenset(map(FactKind, row["kinds"])),
            "filter": msgspec.convert(row["filter"], Filter),
            "payload": PayloadForm(row["payload"]),
            "schemes": frozenset(map(Scheme, row["schemes"])),
        }
    )


async def insert_webhook(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write an endpoint."""
    await tx.execute(insert(webhook).values(**values))


async def find_webhook(
    read: Read, webhook_id: uuid.UUID, visible: ColumnElement[bool], *, lock: bool = False
) -> Webhook | None:
    """One endpoint, when the caller may see it."""
    query = select(webhook).where(webhook.c.id == webhook_id, visible)
    row = (await read.rows(query.with_for_update() if lock else query)).mappings().one_or_none()
    return _webhook(row) if row is not None else None


async def list_webhooks(
    read: Read, where: ColumnElement[bool], after: uuid.UUID | None, limit: int
) -> list[Webhook]:
    """Endpoints in the order of their registration."""
    query = select(webhook).where(where).order_by(webhook.c.id).limit(limit)
    if after is not None:
        query = query.where(webhook.c.id > after)
    return [_webhook(row) for row in (await read.rows(query)).mappings()]


async def count_webhooks(read: Read, tenant_id: uuid.UUID, system_id: uuid.UUID) -> int:
    """How many endpoints a system has that were not removed."""
    query = select(func.count()).where(
        webhook.c.tenant_id == tenant_id,
        webhook.c.system_id == system_id,
        webhook.c.state != WebhookState.REMOVED.value,
    )
    return int(await read.scalar(query))


async def update_webhook(tx: Transaction, of: Webhook, **values: Any) -> Webhook:
    """Change an endpoint whose row is held; its version counts what its keepers see change."""
    statement = (
        update(webhook)
        .where(webhook.c.tenant_id == of.tenant_id, webhook.c.id == of.id)
        .values(**values, version=webhook.c.version + 1, updated_at=tx.now)
        .returning(webhook)
    )
    return _webhook((await tx.rows(statement)).mappings().one())


async def note_success(tx: Transaction, of: tuple[uuid.UUID, uuid.UUID]) -> None:
    """The endpoint took a delivery: it does not fail any more, and need not rest."""
    troubled = or_(
        webhook.c.failing_since.is_not(None),
        webhook.c.warned_at.is_not(None),
        webhook.c.paused_until.is_not(None),
    )
    await tx.execute(
        update(webhook)
        .where(webhook.c.tenant_id == of[0], webhook.c.id == of[1], troubled)
        .values(failing_since=None, warned_at=None, paused_until=None)
    )


async def note_failure(tx: Transaction, of: Webhook, since: datetime, pause_until: datetime | None) -> None:
    """The endpoint failed: since when it does, and until when it rests (None: an older pause is over)."""
    await tx.execute(
        update(webhook)
        .where(webhook.c.tenant_id == of.tenant_id, webhook.c.id == of.id)
        .values(failing_since=func.coalesce(webhook.c.failing_since, since), paused_until=pause_until)
    )


async def behind(read: Read, size: int, limit: int) -> list[uuid.UUID]:
    """Active endpoints that have not looked at all ``size`` leaves, those furthest behind first."""
    query = (
        select(webhook.c.id)
        .where(webhook.c.state == WebhookState.ACTIVE.value, webhook.c.dispatched_to < size)
        .order_by(webhook.c.dispatched_to, webhook.c.id)
        .limit(limit)
    )
    return list((await read.rows(query)).scalars())


async def move_cursor(tx: Transaction, of: Webhook, to: int) -> bool:
    """Say that the leaves before ``to`` are dealt with; False when somebody else did in between."""
    statement = (
        update(webhook)
        .where(
            webhook.c.tenant_id == of.tenant_id,
            webhook.c.id == of.id,
            webhook.c.dispatched_to == of.dispatched_to,
        )
        .values(dispatched_to=to)
        .returning(webhook.c.id)
    )
    return await tx.scalar(statement) is not None


async def take_positions(tx: Transaction, of: Webhook, count: int) -> int:
    """Reserve the next ``count`` places in the endpoint's order; the first of them."""
    statement = (
        update(webhook)
        .where(webhook.c.tenant_id == of.tenant_id, webhook.c.id == of.id)
        .values(positions=webhook.c.positions + count)
        .returning(webhook.c.positions)
    )
    return int(await tx.scalar(statement)) - count + 1


# Secrets


async def insert_secret(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write a sealed secret."""
    await tx.execute(insert(secret).values(**values))


async def expire_secrets(tx: Transaction, tenant_id: uuid.UUID, webhook_id: uuid.UUID, at: datetime) -> None:
    """Let all secrets of an endpoint end at this instant, or earlier where they end earlier."""
    end = case((secret.c.expires_at.is_(None), at), else_=func.least(secret.c.expires_at, at))
    await tx.execute(
        update(secret)
        .where(secret.c.tenant_id == tenant_id, secret.c.webhook_id == webhook_id)
        .values(expires_at=end)
    )


async def list_signing_secrets(
    read: Read, tenant_id: uuid.UUID, webhook_id: uuid.UUID, now: datetime
) -> Sequence[RowMapping]:
    """The secrets that sign now, newest first."""
    signs = or_(secret.c.expires_at.is_(None), secret.c.expires_at > now)
    query = select(secret).where(secret.c.tenant_id == tenant_id, secret.c.webhook_id == webhook_id, signs)
    return (await read.rows(query.order_by(secret.c.created_at.desc(), secret.c.id.desc()))).mappings().all()


async def list_secret_marks(
    read: Read, webhooks: Sequence[Webhook], now: datetime
) -> dict[uuid.UUID, list[SecretMark]]:
    """What may be seen of the secrets that sign now, by endpoint, newest first."""
    signs = or_(secret.c.expires_at.is_(None), secret.c.expires_at > now)
    columns = (
        secret.c.webhook_id,
        secret.c.scheme,
        secret.c.public_key,
        secret.c.created_at,
        secret.c.expires_at,
    )
    tenants = {each.tenant_id for each in webhooks}
    query = select(*columns).where(
        and_(secret.c.tenant_id.in_(tenants), secret.c.webhook_id.in_([each.id for each in webhooks])), signs
    )
    found: dict[uuid.UUID, list[SecretMark]] = {}
    rows = await read.rows(query.order_by(secret.c.created_at.desc(), secret.c.id.desc()))
    for row in rows:
        mark = SecretMark(row.webhook_id, Scheme(row.scheme), row.public_key, row.created_at, row.expires_at)
        found.setdefault(row.webhook_id, []).append(mark)
    return found


# History


async def insert_history(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write one line of an endpoint's history."""
    await tx.execute(insert(history).values(**values))


async def list_history(read: Read, of: Webhook) -> list[HistoryEntry]:
    """The last changes of an endpoint, newest first."""
    query = (
        select(history)
        .where(history.c.tenant_id == of.tenant_id, history.c.webhook_id == of.id)
        .order_by(history.c.id.desc())
        .limit(HISTORY_MAX)
    )
    return [
        HistoryEntry(row.id, Change(row.change), row.actor, row.at, row.details)
        for row in await read.rows(query)
    ]
