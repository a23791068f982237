"""The inbox of messages: unread until read, once per receiver, safe against readers that die (spec 7)."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, or_, select, true, update

from hub.db import Read, Transaction
from hub.domain import registry
from hub.domain.fiscal_events import access, store, tables
from hub.domain.fiscal_events.model import Posting
from hub.domain.fiscal_events.store import POSTING_COLUMNS, posting_of
from hub.domain.registry import Caller, HubCaller, PersonCaller, SystemCaller

LEASE = timedelta(seconds=60)
IDS_MAX = 100


class ReadMode(StrEnum):
    """CONSUME marks as read in the same transaction; LEASE hides for 60 seconds until confirmed."""

    CONSUME = "CONSUME"
    LEASE = "LEASE"


class InboxState(StrEnum):
    """Which part of the inbox."""

    UNREAD = "UNREAD"
    READ = "READ"
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message's way to one receiver."""

    posting_id: uuid.UUID
    system_id: uuid.UUID
    system: str
    delivered_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A message as its receiver sees it."""

    posting: Posting
    delivered_at: datetime
    read_at: datetime | None


async def read_messages(tx: Transaction, caller: Caller, *, first: int, mode: ReadMode) -> list[InboxItem]:
    """The oldest unread messages; parallel readers never get the same one."""
    system = registry.require_system(caller)
    entry = tables.inbox_entry
    rows = await tx.rows(
        select(entry.c.posting_id)
        .where(
            entry.c.tenant_id == system.tenant_id,
            entry.c.system_id == system.system_id,
            entry.c.read_at.is_(None),
            or_(entry.c.leased_until.is_(None), entry.c.leased_until <= tx.now),
        )
        .order_by(entry.c.posting_id)
        .limit(first)
        .with_for_update(skip_locked=True)
    )
    ids = [row.posting_id for row in rows]
    if mode is ReadMode.CONSUME:
        await _change(tx, system, ids, change="READ", read_at=tx.now, leased_until=None)
    else:
        await _change(tx, system, ids, change="LEASED", read_at=None, leased_until=tx.now + LEASE)
    return await _items(tx, system, ids)


async def mark_read(tx: Transaction, caller: Caller, ids: Collection[uuid.UUID]) -> list[InboxItem]:
    """Mark own messages as read; marking again changes nothing; foreign ids are passed over."""
    return await _mark(tx, caller, ids, read=True)


async def mark_unread(tx: Transaction, caller: Caller, ids: Collection[uuid.UUID]) -> list[InboxItem]:
    """Put own messages back among the unread."""
    return await _mark(tx, caller, ids, read=False)


async def _mark(
    tx: Transaction, caller: Caller, ids: Collection[uuid.UUID], *, read: bool
) -> list[InboxItem]:
    system = registry.require_system(caller)
    entry = tables.inbox_entry
    changed = await tx.rows(
        select(entry.c.posting_id)
        .where(
            entry.c.tenant_id == system.tenant_id,
            entry.c.system_id == system.system_id,
            entry.c.posting_id.in_(ids),
            entry.c.read_at.is_(None) if read else entry.c.read_at.is_not(None),
        )
        .order_by(entry.c.posting_id)
        .with_for_update()
    )
    turned = [row.posting_id for row in changed]
    change = "READ" if read else "UNREAD"
    await _change(tx, system, turned, change=change, read_at=tx.now if read else None, leased_until=None)
    return await _items(tx, system, sorted(ids))


async def _change(
    tx: Transaction,
    system: SystemCaller,
    ids: Sequence[uuid.UUID],
    *,
    change: str,
    read_at: datetime | None,
    leased_until: datetime | None,
) -> None:
    if not ids:
        return
    entry = tables.inbox_entry
    await tx.execute(
        update(entry)
        .where(
            entry.c.tenant_id == system.tenant_id,
            entry.c.system_id == system.system_id,
            entry.c.posting_id.in_(ids),
        )
        .values(
            read_at=read_at,
            read_by_key=system.key_id if read_at is not None else None,
            leased_until=leased_until,
        )
    )
    await store.note_inbox(
        tx,
        [
            {
                "tenant_id": system.tenant_id,
                "system_id": system.system_id,
                "posting_id": posting_id,
                "change": change,
                "key_id": system.key_id,
            }
            for posting_id in ids
        ],
    )


async def _items(read: Read, system: SystemCaller, ids: Sequence[uuid.UUID]) -> list[InboxItem]:
    if not ids:
        return []
    entry, posting = tables.inbox_entry, tables.posting
    rows = await read.rows(_own(system).where(entry.c.posting_id.in_(ids)).order_by(posting.c.id))
    return [InboxItem(posting_of(row), row.delivered_at, row.read_at) for row in rows]


def _own(system: SystemCaller) -> Select[Any]:
    entry, posting = tables.inbox_entry, tables.posting
    return (
        select(*POSTING_COLUMNS, entry.c.delivered_at, entry.c.read_at)
        .select_from(
            entry.join(
                posting,
                and_(posting.c.tenant_id == entry.c.tenant_id, posting.c.id == entry.c.posting_id),
            )
        )
        .where(
            entry.c.tenant_id == system.tenant_id,
            entry.c.system_id == system.system_id,
            access.visible(system),
        )
    )


async def list_inbox(
    read: Read, caller: Caller, *, state: InboxState, first: int, after: uuid.UUID | None
) -> list[InboxItem]:
    """A page of the own inbox, oldest first, without marking anything; ``first`` + 1 rows at most."""
    system = registry.require_system(caller)
    entry = tables.inbox_entry
    statement = _own(system)
    if state is InboxState.UNREAD:
        statement = statement.where(
            entry.c.read_at.is_(None),
            or_(entry.c.leased_until.is_(None), entry.c.leased_until <= read.now),
        )
    elif state is InboxState.READ:
        statement = statement.where(entry.c.read_at.is_not(None))
    if after is not None:
        statement = statement.where(entry.c.posting_id > after)
    rows = await read.rows(statement.order_by(entry.c.posting_id).limit(first + 1))
    return [InboxItem(posting_of(row), row.delivered_at, row.read_at) for row in rows]


async def deliveries_of(
    read: Read, caller: Caller, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Delivery]]:
    """How far each message got: with every receiver for its sender, with the caller itself for a receiver."""
    entry, receiver, posting = tables.inbox_entry, tables.posting_receiver, tables.posting
    rows = await read.rows(
        select(
            entry.c.posting_id, entry.c.system_id, receiver.c.system, entry.c.delivered_at, entry.c.read_at
        )
        .select_from(
            entry.join(
                receiver,
                and_(
                    receiver.c.tenant_id == entry.c.tenant_id,
                    receiver.c.posting_id == entry.c.posting_id,
                    receiver.c.system_id == entry.c.system_id,
                ),
            ).join(
                posting,
                and_(posting.c.tenant_id == entry.c.tenant_id, posting.c.id == entry.c.posting_id),
            )
        )
        .where(
            entry.c.tenant_id == tenant_id,
            entry.c.posting_id.in_(ids),
            access.visible(caller),
            concerns(caller, tables.posting, tables.posting_receiver),
        )
        .order_by(entry.c.posting_id, receiver.c.ordinal)
    )
    found: dict[uuid.UUID, list[Delivery]] = {}
    for row in rows:
        delivery = Delivery(row.posting_id, row.system_id, row.system, row.delivered_at, row.read_at)
        found.setdefault(row.posting_id, []).append(delivery)
    return found


def concerns(caller: Caller, posting: FromClause, receiver: FromClause) -> ColumnElement[bool]:
    """The caller's side of a delivery: as its sender or as its receiver, for persons their agency's."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            return or_(
                posting.c.sender_id == caller.system_id,
                receiver.c.system_id == caller.system_id,
            )
        case PersonCaller() if caller.agency_id is not None:
            return or_(
                posting.c.sender_agency_id == caller.agency_id,
                receiver.c.agency_id == caller.agency_id,
            )
        case _:
            return false()
