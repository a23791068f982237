"""The feed: what is in the log, once each and in the log's order, as far as the caller may see it.

A reader remembers one number, the index it has come to. Numbers are given without gaps and become visible in order,
so what lies behind that number is all that is new. Each kind of fact has its own policy, as SQL (default deny):

    events, messages     as every posting: access.visible
    added signatures     who sees the posting
    read marks           the sender for all receivers, a receiver its own (for persons their agency's)
    registry, keys       as the registry says; reference data as that room says
    the log's own keys   everybody the hub knows

One call looks at a bounded number of leaves of the caller's governments; a page that found nothing says how far it
looked, so that who may see little comes on as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, literal_column, select, true, tuple_
from sqlalchemy.sql.selectable import LateralFromClause

from hub.codes import Code
from hub.db import Read
from hub.domain import reference, registry, transparency
from hub.domain.fiscal_events import access, inbox, reading, store, tables
from hub.domain.fiscal_events.filters import Filter, on_postings
from hub.domain.fiscal_events.model import Posting, Signature
from hub.domain.registry import Caller, HubCaller, PersonCaller, SystemCaller
from hub.domain.transparency import LeafKind, Stretch
from hub.errors import Corrupted, InvalidInput
from hub.signing import Purpose

LOOKED_AT_MAX = 20_000
# Of so few leaves it is worth asking first which kinds there are: a feed at the log's end mostly sees one.
SHORT = 1_000
BEGINNING = -1

POSTINGS = frozenset({LeafKind.EVENT, LeafKind.MESSAGE})
REGISTRY = frozenset({LeafKind.REGISTRY, LeafKind.KEY})
FED = POSTINGS | REGISTRY | {LeafKind.SIGNATURE, LeafKind.READ, LeafKind.REFERENCE, LeafKind.LOG_KEY}

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
class Wanted:
    """What a reader asks for. ``filter`` and ``side`` are about postings, and what was done to them."""

    kinds: frozenset[LeafKind] = FED
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


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A signing key was registered or changed its state; the key is as it is now."""

    change: registry.Change
    key: registry.SigningKey


Fact = (
    Posting
    | AddedSignature
    | ReadMark
    | KeyChange
    | registry.Change
    | reference.EntryChange
    | transparency.Announcement
)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A fact with its place in the log."""

    log_index: int
    kind: LeafKind
    sequenced_at: datetime
    fact: Fact


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Facts in the log's order. All up to and including ``scanned_to`` was looked at (-1: nothing yet)."""

    items: tuple[FeedItem, ...]
    scanned_to: int
    size: int

    @property
    def has_more(self) -> bool:
        """Whether the log goes on behind what was looked at."""
        return self.scanned_to < self.size - 1


@dataclass(frozen=True, slots=True)
class _Found:
    """A fact by its ids, before it is loaded."""

    log_index: int
    kind: LeafKind
    sequenced_at: datetime
    posting_id: uuid.UUID | None = None
    fact: Any = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a stretch: who looks, for what, in which governments, and how many items will do."""

    read: Read
    caller: Caller
    wanted: Wanted
    tenants: frozenset[uuid.UUID] | None
    stretch: Stretch
    first: int

    def leaves(self, *kinds: LeafKind) -> Any:
        """The leaves of these kinds, as far as they are wanted."""
        return transparency.leaves(self.stretch, self.tenants, self.wanted.kinds & set(kinds))


async def feed(
    read: Read,
    caller: Caller,
    wanted: Wanted,
    *,
    first: int,
    after: int = BEGINNING,
    looked_at_max: int = LOOKED_AT_MAX,
) -> FeedPage:
    """Up to ``first`` facts behind index ``after``. Raises InvalidInput LOG_SIZE when the log is not so long.

    Raises NotAuthenticated for nobody, NotAllowed for a provider that asks for others' postings.
    """
    reading.require_reader(caller, wanted.filter)
    tenants = readable_tenants(caller)
    stretch = await transparency.measure(read, tenants, after, looked_at_max)
    if after >= max(stretch.size, BEGINNING + 1):
        raise InvalidInput.because(Code.LOG_SIZE, f"the log has {stretch.size} leaves", "after")
    if stretch.until <= after:
        return FeedPage((), after, stretch.size)
    kinds = wanted.kinds
    if stretch.until - after <= SHORT:
        kinds &= await transparency.kinds_in(read, stretch, tenants)
    found = await _find(_Look(read, caller, wanted, tenants, stretch, first), kinds)
    is_full = len(found) >= first
    items = await _load(read, caller, found[:first])
    return FeedPage(items, items[-1].log_index if is_full else stretch.until, stretch.size)


async def _find(look: _Look, kinds: frozenset[LeafKind]) -> list[_Found]:
    """The numbers of all families in order; once there are enough, the others need not look further than those."""
    found: list[_Found] = []
    for family_kinds, family in FAMILIES:
        if not kinds & family_kinds:
            continue
        found = sorted(found + await family(look), key=lambda each: each.log_index)
        if len(found) >= look.first:
            until = found[look.first - 1].log_index
            look = replace(look, stretch=replace(look.stretch, until=until))
    return found


def readable_tenants(caller: Caller) -> frozenset[uuid.UUID] | None:
    """The governments whose leaves concern a caller; None: all."""
    match caller:
        case SystemCaller():
            return frozenset({caller.tenant_id})
        case PersonCaller():
            return caller.operator_of | (frozenset({caller.tenant_id}) if caller.tenant_id else frozenset())
        case _:
            return None


# Each family of facts: its numbers in a stretch, at most ``first`` of them, in order.


def _seen(
    look: _Look, leaves: Any, about: ColumnElement[Any], *more: ColumnElement[bool]
) -> LateralFromClause:
    """The posting with this id if the caller may see it and asks for it; one look-up for each leaf, in their order."""
    wanted = look.wanted
    return (
        select(_posting.c.id.label("posting_id"), _posting.c.sender_id, _posting.c.sender_agency_id)
        .where(
            _posting.c.tenant_id == leaves.c.tenant_id,
            _posting.c.id == about,
            access.visible(look.caller),
            *_of_side(look.caller, wanted.side),
            *on_postings(look.caller, wanted.filter),
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


async def _rows(look: _Look, statement: Select[Any], order: ColumnElement[Any]) -> Any:
    return await look.read.rows(statement.order_by(order).limit(look.first))


async def _postings(look: _Look) -> list[_Found]:
    leaves = look.leaves(*POSTINGS)
    seen = _seen(look, leaves, leaves.c.fact_id)
    statement = select(
        leaves.c.log_index, leaves.c.leaf_kind, leaves.c.sequenced_at, seen.c.posting_id
    ).join_from(leaves, seen, true())
    rows = await _rows(look, statement, leaves.c.log_index)
    return [_Found(row[0], LeafKind(row[1]), row[2], row[3]) for row in rows]


async def _signatures(look: _Look) -> list[_Found]:
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
    return [_Found(row[0], LeafKind.SIGNATURE, row[1], row[2], (row[3], row[4])) for row in rows]


async def _read_marks(look: _Look) -> list[_Found]:
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
        _Found(row[0], LeafKind.READ, row[1], row[2], (row.system, row.change == "READ", row.at))
        for row in rows
    ]


async def _registry(look: _Look) -> list[_Found]:
    changes = await registry.list_changes(look.read, look.caller, look.leaves(*REGISTRY), look.first)
    return [
        _Found(
            each.log_index,
            LeafKind.KEY if each.subject is registry.Subject.SIGNING_KEY else LeafKind.REGISTRY,
            each.sequenced_at,
            fact=each,
        )
        for each in changes
    ]


async def _reference(look: _Look) -> list[_Found]:
    leaves = look.leaves(LeafKind.REFERENCE)
    changes = await reference.list_changes(look.read, look.caller, leaves, look.first)
    return [_Found(each.log_index, LeafKind.REFERENCE, each.sequenced_at, fact=each) for each in changes]


async def _announcements(look: _Look) -> list[_Found]:
    said = await transparency.announcements(look.read, look.stretch, look.first)
    return [_Found(each.log_index, LeafKind.LOG_KEY, each.sequenced_at, fact=each) for each in said]


FAMILIES: tuple[tuple[frozenset[LeafKind], Callable[[_Look], Awaitable[list[_Found]]]], ...] = (
    (POSTINGS, _postings),
    (frozenset({LeafKind.SIGNATURE}), _signatures),
    (frozenset({LeafKind.READ}), _read_marks),
    (REGISTRY, _registry),
    (frozenset({LeafKind.REFERENCE}), _reference),
    (frozenset({LeafKind.LOG_KEY}), _announcements),
)


async def _load(read: Read, caller: Caller, found: list[_Found]) -> tuple[FeedItem, ...]:
    """The facts themselves. One that is not there is a fault: passing over it would be a gap nobody notices."""
    ids = {each.posting_id for each in found if each.posting_id is not None}
    postings = await reading.find_many(read, caller, ids) if ids else {}
    signed = [each.fact for each in found if each.kind is LeafKind.SIGNATURE]
    signatures = await _added(read, signed) if signed else {}
    keys = await registry.signing_keys(
        read, {each.fact.subject_id for each in found if each.kind is LeafKind.KEY}
    )
    try:
        return tuple(
            FeedItem(each.log_index, each.kind, each.sequenced_at, _fact(each, postings, signatures, keys))
            for each in found
        )
    except KeyError as missing:
        raise Corrupted("a fact of the feed is not there") from missing


async def _added(read: Read, signed: Collection[tuple[uuid.UUID, uuid.UUID]]) -> dict[uuid.UUID, Signature]:
    """Added signatures by their ids; the caller was let see their postings."""
    among = tuple_(_signature.c.tenant_id, _signature.c.id).in_(signed)
    rows = await read.rows(select(_signature).where(among, _signature.c.purpose != Purpose.ORIGIN.value))
    return {row.id: store.signature_of(row) for row in rows}


def _fact(
    found: _Found,
    postings: dict[uuid.UUID, Posting],
    signatures: dict[uuid.UUID, Signature],
    keys: dict[uuid.UUID, registry.SigningKey],
) -> Fact:
    posting = postings[found.posting_id] if found.posting_id is not None else None
    match found.kind:
        case LeafKind.SIGNATURE:
            assert posting is not None
            return AddedSignature(signatures[found.fact[1]], posting)
        case LeafKind.READ:
            assert posting is not None
            return ReadMark(posting, *found.fact)
        case LeafKind.KEY:
            return KeyChange(found.fact, keys[found.fact.subject_id])
        case _:
            fact: Fact = posting if posting is not None else found.fact
            return fact
