"""What the feed tells of postings and of what is done to them: each kind of fact under its policy, as SQL, default deny.

    events, messages     as every posting: access.visible
    added signatures     who sees the posting
    read marks           the sender for all receivers, a receiver its own (for persons their agency's)

Each leaf costs one look-up by primary key, in the log's order.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, literal_column, select, true, tuple_
from sqlalchemy.sql.selectable import LateralFromClause

from hub.db import Read
from hub.domain.fiscal_events import access, inbox, reading, store, tables
from hub.domain.fiscal_events.filters import Filter, on_postings
from hub.domain.fiscal_events.model import Posting, Signature
from hub.domain.registry import Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.transparency import Family, Found, LeafKind, Look
from hub.signing import Purpose

POSTINGS = frozenset({LeafKind.EVENT, LeafKind.MESSAGE})

_posting, _signature = tables.posting, tables.posting_signature
_history, _receiver = tables.inbox_history, tables.posting_receiver


class Side(StrEnum):
    """Which postings a feed is about, among those the caller may see."""

    ALL = "ALL"
    # Sent to the caller, by name.
    RECEIVED = "RECEIVED"
    # Sent by the caller.
    SENT = "SENT"


@dataclass(frozen=True, slots=True)
class About:
    """What a reader asks of postings, and so of what is done to them."""

    filter: Filter = field(default_factory=Filter)
    side: Side = Side.ALL


@dataclass(frozen=True, slots=True)
class AddedSignature:
    """A signature somebody put under a posting."""

    signature: Signature
    posting: Posting


@dataclass(frozen=True, slots=True)
class ReadMark:
    """A receiver marked a message as read, or put it back among the unread."""

    posting: Posting
    system: str
    is_read: bool
    at: datetime


def _seen(
    look: Look, leaves: Any, about: ColumnElement[Any], *more: ColumnElement[bool]
) -> LateralFromClause:
    """The posting with this id if the caller may see it and asks for it; one look-up for each leaf, in their order."""
    about_postings: About = look.about or About()
    return (
        select(_posting.c.id.label("posting_id"), _posting.c.sender_id, _posting.c.sender_agency_id)
        .where(
            _posting.c.tenant_id == leaves.c.tenant_id,
            _posting.c.id == about,
            access.visible(look.caller),
            *_of_side(look.caller, about_postings.side),
            *on_postings(look.caller, about_postings.filter),
            *more,
        )
        .offset(literal_column("0"))
        .lateral("seen")
    )


def _of_side(caller: Caller, side: Side) -> list[ColumnElement[bool]]:
    if side is Side.ALL:
        return []
    match caller:
        case SystemCaller():
            sender: ColumnElement[bool] = _posting.c.sender_id == caller.system_id
            receiver: ColumnElement[bool] = _receiver.c.system_id == caller.system_id
        case PersonCaller() if caller.agency_id is not None:
            sender = _posting.c.sender_agency_id == caller.agency_id
            receiver = _receiver.c.agency_id == caller.agency_id
        case HubCaller():
            return []
        case _:
            return [false()]
    if side is Side.SENT:
        return [sender]
    of_posting = and_(_receiver.c.tenant_id == _posting.c.tenant_id, _receiver.c.posting_id == _posting.c.id)
    found: Select[Any] = select(literal_column("1")).where(of_posting, receiver).correlate(_posting)
    return [found.exists()]


async def _rows(look: Look, statement: Select[Any], order: ColumnElement[Any]) -> Any:
    return await look.read.rows(statement.order_by(order).limit(look.first))


async def _postings(look: Look) -> list[Found]:
    leaves = look.leaves(*POSTINGS)
    seen = _seen(look, leaves, leaves.c.fact_id)
    statement = select(
        leaves.c.log_index, leaves.c.leaf_kind, leaves.c.sequenced_at, seen.c.posting_id
    ).join_from(leaves, seen, true())
    rows = await _rows(look, statement, leaves.c.log_index)
    return [Found(row[0], LeafKind(row[1]), row[2], row[3]) for row in rows]


async def _signatures(look: Look) -> list[Found]:
    leaves = look.leaves(LeafKind.SIGNATURE)
    added = and_(
        _signature.c.tenant_id == leaves.c.tenant_id,
        _signature.c.id == leaves.c.fact_id,
        _signature.c.purpose != Purpose.ORIGIN.value,
    )
    signature = (
        select(_signature.c.posting_id.label("about"))
        .where(added)
        .offset(literal_column("0"))
        .lateral("signature")
    )
    seen = _seen(look, leaves, signature.c.about)
    statement = (
        select(
            leaves.c.log_index, leaves.c.sequenced_at, seen.c.posting_id, leaves.c.tenant_id, leaves.c.fact_id
        )
        .join_from(leaves, signature, true())
        .join(seen, true())
    )
    rows = await _rows(look, statement, leaves.c.log_index)
    return [Found(row[0], LeafKind.SIGNATURE, row[1], (row[2], row[3], row[4])) for row in rows]


async def _read_marks(look: Look) -> list[Found]:
    leaves = look.leaves(LeafKind.READ)
    to = _receiver.alias("to")
    of_mark = and_(
        to.c.tenant_id == _history.c.tenant_id,
        to.c.posting_id == _history.c.posting_id,
        to.c.system_id == _history.c.system_id,
    )
    mark = (
        select(
            _history.c.posting_id.label("about"),
            _history.c.change,
            _history.c.at,
            to.c.system,
            to.c.system_id,
            to.c.agency_id,
        )
        .select_from(_history.join(to, of_mark))
        .where(_history.c.tenant_id == leaves.c.tenant_id, _history.c.id == leaves.c.fact_id)
        .offset(literal_column("0"))
        .lateral("mark")
    )
    seen = _seen(look, leaves, mark.c.about)
    statement = (
        select(
            leaves.c.log_index,
            leaves.c.sequenced_at,
            seen.c.posting_id,
            mark.c.system,
            mark.c.change,
            mark.c.at,
        )
        .join_from(leaves, mark, true())
        .join(seen, true())
        .where(inbox.concerns(look.caller, seen, mark))
    )
    rows = await _rows(look, statement, leaves.c.log_index)
    return [
        Found(row[0], LeafKind.READ, row[1], (row[2], row.system, row.change == "READ", row.at))
        for row in rows
    ]


async def _load_postings(read: Read, caller: Caller, found: Sequence[Found]) -> Mapping[int, Posting]:
    postings = await reading.find_many(read, caller, {each.fact for each in found})
    return {each.log_index: postings[each.fact] for each in found}


async def _load_signatures(
    read: Read, caller: Caller, found: Sequence[Found]
) -> Mapping[int, AddedSignature]:
    postings = await reading.find_many(read, caller, {each.fact[0] for each in found})
    signatures = await _added(read, [each.fact[1:] for each in found])
    return {
        each.log_index: AddedSignature(signatures[each.fact[2]], postings[each.fact[0]]) for each in found
    }


async def _added(read: Read, signed: Collection[tuple[uuid.UUID, uuid.UUID]]) -> dict[uuid.UUID, Signature]:
    """Added signatures by their ids; the caller was let see their postings."""
    among = tuple_(_signature.c.tenant_id, _signature.c.id).in_(signed)
    rows = await read.rows(select(_signature).where(among, _signature.c.purpose != Purpose.ORIGIN.value))
    return {row.id: store.signature_of(row) for row in rows}


async def _load_read_marks(read: Read, caller: Caller, found: Sequence[Found]) -> Mapping[int, ReadMark]:
    postings = await reading.find_many(read, caller, {each.fact[0] for each in found})
    return {each.log_index: ReadMark(postings[each.fact[0]], *each.fact[1:]) for each in found}


FEED = (
    Family(POSTINGS, (Posting,), _postings, _load_postings),
    Family(frozenset({LeafKind.SIGNATURE}), (AddedSignature,), _signatures, _load_signatures, is_status=True),
    Family(frozenset({LeafKind.READ}), (ReadMark,), _read_marks, _load_read_marks, is_status=True),
)
