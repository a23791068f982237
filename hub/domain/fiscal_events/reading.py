"""Reading postings: pages, single ones, and the lists beside them. Every read passes the one policy."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, func, literal, select, true, union_all

from hub.codes import Code
from hub.db import Read
from hub.domain import registry
from hub.domain.fiscal_events import access, store, tables
from hub.domain.fiscal_events.filters import Filter, on_postings
from hub.domain.fiscal_events.model import (
    Attachment,
    AttachmentKind,
    Posting,
    Receiver,
    Signature,
    StoredAttachment,
    StoredLink,
)
from hub.domain.fiscal_events.store import POSTING_COLUMNS, posting_of
from hub.domain.fiscal_events.vocabulary import PostingKind, Relation
from hub.domain.registry import Anonymous, Caller, SystemCaller, SystemRole
from hub.errors import NotAllowed, NotAuthenticated

_posting = tables.posting


class Order(StrEnum):
    """By the hub's id, which is time-ordered."""

    NEWEST_FIRST = "NEWEST_FIRST"
    OLDEST_FIRST = "OLDEST_FIRST"


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What reversals took of a posting, in its own sign: all of every line, or a part."""

    amount: Decimal
    is_whole: bool
    is_begun: bool


def require_reader(caller: Caller, wanted: Filter) -> None:
    """Anybody but nobody may ask; the policy decides what there is to see.

    A provider that is no consumer reads its own postings; asking for others' is refused (spec K-11).
    """
    if isinstance(caller, Anonymous):
        raise NotAuthenticated.because(Code.UNAUTHENTICATED, Code.UNAUTHENTICATED.summary)
    if not isinstance(caller, SystemCaller) or SystemRole.CONSUMER in caller.roles:
        return
    if set(wanted.senders or ()) - {caller.unique_id}:
        message = "only a consumer reads others' postings"
        raise NotAllowed.because(Code.ROLE_NOT_ALLOWED, message, "filter", "senders")


async def list_postings(
    read: Read,
    caller: Caller,
    kind: PostingKind,
    wanted: Filter,
    *,
    first: int,
    after: uuid.UUID | None = None,
    order: Order = Order.NEWEST_FIRST,
) -> list[Posting]:
    """Up to ``first`` + 1 visible postings after the cursor; what commits meanwhile never shifts later pages."""
    require_reader(caller, wanted)
    where = [_posting.c.kind == kind.value, *on_postings(caller, wanted)]
    behind = None if after is None else literal(after, _posting.c.id.type)
    statement = (
        select(*POSTING_COLUMNS)
        .where(access.visible(caller), *where, *paged(caller, where, order, behind, literal(first + 1)))
        .order_by(ordered(_posting.c.id, order))
        .limit(first + 1)
    )
    return [posting_of(row) for row in await read.rows(statement)]


def ordered(id_: ColumnElement[Any], order: Order) -> ColumnElement[Any]:
    """By this id, in this order."""
    return id_.desc() if order is Order.NEWEST_FIRST else id_


def paged(
    caller: Caller,
    where: Sequence[ColumnElement[bool]],
    order: Order,
    after: ColumnElement[Any] | None,
    limit: ColumnElement[Any],
) -> list[ColumnElement[bool]]:
    """Behind ``after``, and among the first ids along each of the caller's ways (``access.ways``) if there are any.

    That leaves out no row of the page: whatever the policy lets through is found along one of the ways, and of each
    way there are as many rows as the page has.
    """
    id_ = _posting.c.id
    behind = [] if after is None else [id_ < after if order is Order.NEWEST_FIRST else id_ > after]
    found = [
        select(id_)
        .where(way, *where, *behind)
        .correlate(None)
        .order_by(ordered(id_, order))
        .limit(limit)
        .subquery()
        for way in access.ways(caller)
    ]
    if not found:
        return behind
    ids = union_all(*(select(each.c[0]) for each in found)).scalar_subquery()
    return [*behind, id_ == any_(func.array(ids))]


async def list_sent(
    read: Read, caller: Caller, *, first: int, after: uuid.UUID | None = None
) -> list[Posting]:
    """Messages the calling system sent, newest first."""
    system = registry.require_system(caller)
    statement = select(*POSTING_COLUMNS).where(
        access.visible(system),
        _posting.c.sender_id == system.system_id,
        _posting.c.kind == PostingKind.MESSAGE.value,
    )
    if after is not None:
        statement = statement.where(_posting.c.id < after)
    rows = await read.rows(statement.order_by(_posting.c.id.desc()).limit(first + 1))
    return [posting_of(row) for row in rows]


async def find_posting(
    read: Read, caller: Caller, posting_id: uuid.UUID, kind: PostingKind
) -> Posting | None:
    """One posting, or None when it is absent or not for this caller; refuses nobody."""
    registry.require_known(caller)
    rows = await read.rows(
        select(*POSTING_COLUMNS).where(
            _posting.c.id == posting_id, _posting.c.kind == kind.value, access.visible(caller)
        )
    )
    row = rows.first()
    return posting_of(row) if row is not None else None


async def find_many(read: Read, caller: Caller, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Posting]:
    """Those of the postings that the caller can see."""
    rows = await read.rows(select(*POSTING_COLUMNS).where(_posting.c.id.in_(ids), access.visible(caller)))
    return {row.id: posting_of(row) for row in rows}


# Lists beside postings. The caller was shown the postings already, so the policy is not asked again.


async def receivers_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Receiver]]:
    """Whom each posting is addressed to."""
    t = tables.posting_receiver
    rows = await read.rows(
        select(t.c.posting_id, t.c.ordinal, t.c.system_id, t.c.agency_id, t.c.system)
        .where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids))
        .order_by(t.c.posting_id, t.c.ordinal)
    )
    found: dict[uuid.UUID, list[Receiver]] = {}
    for row in rows:
        receiver = Receiver(row.posting_id, row.ordinal, row.system_id, row.agency_id, row.system)
        found.setdefault(row.posting_id, []).append(receiver)
    return found


async def signatures_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Signature]]:
    """All signatures of each posting, oldest first."""
    t = tables.posting_signature
    rows = await read.rows(
        select(t).where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids)).order_by(t.c.posting_id, t.c.id)
    )
    found: dict[uuid.UUID, list[Signature]] = {}
    for row in rows:
        found.setdefault(row.posting_id, []).append(store.signature_of(row))
    return found


async def attachments_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[StoredAttachment]]:
    """All attachments of each posting, in order."""
    t = tables.posting_attachment
    rows = await read.rows(
        select(t)
        .where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids))
        .order_by(t.c.posting_id, t.c.ordinal)
    )
    found: dict[uuid.UUID, list[StoredAttachment]] = {}
    for row in rows:
        attachment = Attachment(
            kind=AttachmentKind(row.kind),
            key=row.key,
            value=row.value,
            name=row.name,
            role=row.role,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256.hex() if row.sha256 is not None else None,
        )
        found.setdefault(row.posting_id, []).append(StoredAttachment(row.posting_id, row.ordinal, attachment))
    return found


async def links_of(
    read: Read, caller: Caller, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[StoredLink]]:
    """Links of each posting, resolved to what this caller can see."""
    link = tables.posting_link
    by_id, by_reference = _posting.alias("by_id"), _posting.alias("by_reference")
    rows = await read.rows(
        select(
            link.c.posting_id,
            link.c.ordinal,
            link.c.relation,
            func.coalesce(by_id.c.id, by_reference.c.id).label("parent_id"),
            func.coalesce(by_id.c.kind, by_reference.c.kind).label("parent_kind"),
            func.coalesce(link.c.parent_system, by_id.c.sender).label("parent_system"),
            func.coalesce(link.c.parent_reference, by_id.c.reference_id).label("parent_reference"),
        )
        .select_from(
            link.outerjoin(
                by_id,
                and_(
                    by_id.c.tenant_id == link.c.tenant_id,
                    by_id.c.id == link.c.parent_id,
                    access.visible(caller, by_id),
                ),
            ).outerjoin(
                by_reference,
                and_(
                    by_reference.c.tenant_id == link.c.tenant_id,
                    by_reference.c.sender_id == link.c.parent_system_id,
                    by_reference.c.reference_id == link.c.parent_reference,
                    access.visible(caller, by_reference),
                ),
            )
        )
        .where(link.c.tenant_id == tenant_id, link.c.posting_id.in_(ids))
        .order_by(link.c.posting_id, link.c.ordinal)
    )
    found: dict[uuid.UUID, list[StoredLink]] = {}
    for row in rows:
        found.setdefault(row.posting_id, []).append(
            StoredLink(
                posting_id=row.posting_id,
                ordinal=row.ordinal,
                relation=Relation(row.relation),
                parent_id=row.parent_id,
                parent_kind=PostingKind(row.parent_kind) if row.parent_kind else None,
                parent_system=row.parent_system,
                parent_reference=row.parent_reference,
            )
        )
    return found


async def taken_back(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, TakenBack]:
    """How much of each posting was taken back; no entry where nothing was.

    A message without lines has no balance: its reversal alone says that it was taken back.
    """
    balance, back = tables.line_balance, _posting.alias("back")
    rows = await read.rows(
        select(
            balance.c.posting_id,
            func.sum(balance.c.reversed).label("amount"),
            func.bool_and(balance.c.reversed == balance.c.amount).label("whole"),
            func.bool_or(balance.c.reversed != 0).label("begun"),
        )
        .where(balance.c.tenant_id == tenant_id, balance.c.posting_id.in_(ids))
        .group_by(balance.c.posting_id)
        .union_all(
            select(back.c.reverses_id, literal(Decimal(0)), true(), true()).where(
                back.c.tenant_id == tenant_id, back.c.reverses_id.in_(ids), back.c.line_count == 0
            )
        )
    )
    return {
        row.posting_id: TakenBack(row.amount, is_whole=row.whole, is_begun=row.whole or row.begun)
        for row in rows
    }


async def reversals_of(
    read: Read, caller: Caller, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Posting]]:
    """The reversals of each posting that the caller can see, oldest first."""
    rows = await read.rows(
        select(*POSTING_COLUMNS)
        .where(_posting.c.tenant_id == tenant_id, _posting.c.reverses_id.in_(ids), access.visible(caller))
        .order_by(_posting.c.id)
    )
    found: dict[uuid.UUID, list[Posting]] = {}
    for row in rows:
        found.setdefault(row.reverses_id, []).append(posting_of(row))
    return found
