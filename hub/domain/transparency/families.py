"""Families of facts: how a room tells the readers of the log about its facts, each kind under its own policy.

A room declares its families once, as ``FEED`` beside its ``LEAVES``; ``hub/domain/feed.py`` puts all rooms' together,
and queries, subscriptions and webhooks read them there.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Subquery

from hub.db import Read
from hub.domain.transparency.model import LeafKind
from hub.domain.transparency.stretches import Announcement, Stretch, announcements, leaves


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a stretch: who looks, for which kinds, in which governments, and how many facts will do.

    ``caller`` is the registry's, which lies above this room. ``about`` is what the reader asks of postings and what is
    done to them; families that are about none pass it over.
    """

    read: Read
    caller: Any
    kinds: frozenset[LeafKind]
    tenants: frozenset[uuid.UUID] | None
    stretch: Stretch
    first: int
    about: Any = None

    def leaves(self, *kinds: LeafKind) -> Subquery:
        """The leaves of these kinds, as far as they are wanted."""
        return leaves(self.stretch, self.tenants, self.kinds & set(kinds))

    def no_further_than(self, log_index: int) -> Look:
        """The same look, ending here."""
        return replace(self, stretch=replace(self.stretch, until=log_index))


@dataclass(frozen=True, slots=True)
class Found:
    """A fact the caller may see, with its place in the log; ``fact`` is itself, or what ``load`` finds it by."""

    log_index: int
    kind: LeafKind
    sequenced_at: datetime
    fact: Any


Find = Callable[[Look], Awaitable[list[Found]]]
Load = Callable[[Read, Any, Sequence[Found]], Awaitable[Mapping[int, object]]]


@dataclass(frozen=True, slots=True)
class Family:
    """Kinds of facts that are found together.

    ``find`` answers, in the log's order, at most ``first`` of those that the caller may see: the policy is part of its
    SQL, default deny. ``load`` answers the facts by their numbers; without it ``find`` gave the facts themselves.
    ``facts`` are the types of what comes out, for which GraphQL has a shape each. ``is_status``: it tells what becomes
    of the caller's own, and belongs to the subscription ``statuses``.
    """

    kinds: frozenset[LeafKind]
    facts: tuple[type, ...]
    find: Find
    load: Load | None = None
    is_status: bool = False


def together(*groups: tuple[Family, ...], untold: Collection[LeafKind] = frozenset()) -> tuple[Family, ...]:
    """All rooms' families; raises ValueError for a kind told twice, or neither told nor said to be untold."""
    families = tuple(family for group in groups for family in group)
    told = [kind for family in families for kind in family.kinds] + list(untold)
    if sorted(told) != sorted(LeafKind):
        odd = set(LeafKind) ^ set(told) | {kind for kind in told if told.count(kind) > 1}
        raise ValueError(f"kinds told twice or not at all: {sorted(odd)}")
    return families


async def _announced(look: Look) -> list[Found]:
    """Everybody the hub knows may read what the log says of itself."""
    said = await announcements(look.read, look.stretch, look.first)
    return [Found(each.log_index, LeafKind.LOG_KEY, each.sequenced_at, each) for each in said]


FEED = (Family(frozenset({LeafKind.LOG_KEY}), (Announcement,), _announced),)
