"""The feed: what is in the log, once each and in the log's order, as far as the caller may see it.

A reader remembers one number, the index it has come to. Numbers are given without gaps and become visible in order,
so what lies behind that number is all that is new. Each room says of its facts who may see them (``FEED`` in its
front door, beside ``LEAVES``); a room that comes later is told of by its name in FAMILIES, and by a shape for each
type of its facts in ``hub/schema/feed.py``.

One call looks at a bounded number of leaves of the caller's governments; a page that found nothing says how far it
looked, so that who may see little comes on as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.codes import Code
from hub.db import Read
from hub.domain import fiscal_events, reference, registry, transparency
from hub.domain.fiscal_events.feed import About, Side
from hub.domain.fiscal_events.filters import Filter
from hub.domain.fiscal_events.reading import require_reader
from hub.domain.registry import Caller, PersonCaller, SystemCaller
from hub.domain.transparency import Found, LeafKind, Look
from hub.errors import Corrupted, InvalidInput

LOOKED_AT_MAX = 20_000
# Of so few leaves it is worth asking first which kinds there are: a feed at the log's end mostly sees one.
SHORT = 1_000
BEGINNING = -1

# Decisions on proposals are read where the proposals are kept, erasures and holds where operators keep them, money
# in the ledger of its sanction.
FAMILIES = transparency.together(
    fiscal_events.FEED,
    registry.FEED,
    reference.FEED,
    transparency.FEED,
    untold={
        LeafKind.DECISION,
        LeafKind.RETENTION,
        LeafKind.PROGRAM,
        LeafKind.ALLOCATION,
        LeafKind.FUNDS,
    },
)
FED = frozenset(kind for family in FAMILIES for kind in family.kinds)
STATUSES = frozenset(kind for family in FAMILIES if family.is_status for kind in family.kinds)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asks for. ``filter`` and ``side`` are about postings, and what was done to them."""

    kinds: frozenset[LeafKind] = FED
    filter: Filter = field(default_factory=Filter)
    side: Side = Side.ALL


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A fact with its place in the log; ``fact`` is of one of the types its family names."""

    log_index: int
    kind: LeafKind
    sequenced_at: datetime
    fact: Any


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


async def read_on(
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
    require_reader(caller, wanted.filter)
    tenants = readable_tenants(caller)
    stretch = await transparency.measure(read, tenants, after, looked_at_max)
    if after >= max(stretch.size, BEGINNING + 1):
        raise InvalidInput.because(Code.LOG_SIZE, f"the log has {stretch.size} leaves", "after")
    if stretch.until <= after:
        return FeedPage((), after, stretch.size)
    kinds = wanted.kinds
    if stretch.until - after <= SHORT:
        kinds &= await transparency.kinds_in(read, stretch, tenants)
    about = About(wanted.filter, wanted.side)
    found = await _find(Look(read, caller, kinds, tenants, stretch, first, about))
    is_full = len(found) >= first
    items = await _load(read, caller, found[:first])
    return FeedPage(items, items[-1].log_index if is_full else stretch.until, stretch.size)


async def _find(look: Look) -> list[Found]:
    """The numbers of all families in order; once there are enough, the others need not look further than those."""
    found: list[Found] = []
    for family in FAMILIES:
        if not look.kinds & family.kinds:
            continue
        found = sorted(found + await family.find(look), key=lambda each: each.log_index)
        if len(found) >= look.first:
            look = look.no_further_than(found[look.first - 1].log_index)
    return found


async def _load(read: Read, caller: Caller, found: Sequence[Found]) -> tuple[FeedItem, ...]:
    """The facts themselves. One that is not there is a fault: passing over it would be a gap nobody notices."""
    facts: dict[int, object] = {}
    try:
        for family in FAMILIES:
            mine = [each for each in found if each.kind in family.kinds]
            if family.load is None:
                facts.update((each.log_index, each.fact) for each in mine)
            elif mine:
                facts.update(await family.load(read, caller, mine))
        return tuple(
            FeedItem(each.log_index, each.kind, each.sequenced_at, facts[each.log_index]) for each in found
        )
    except KeyError as missing:
        raise Corrupted("a fact of the feed is not there") from missing


def readable_tenants(caller: Caller) -> frozenset[uuid.UUID] | None:
    """The governments whose leaves concern a caller; None: all."""
    match caller:
        case SystemCaller():
            return frozenset({caller.tenant_id})
        case PersonCaller():
            return caller.operator_of | (frozenset({caller.tenant_id}) if caller.tenant_id else frozenset())
        case _:
            return None
