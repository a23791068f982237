"""Dated versions on a line of days, and where they put an entry in its tree: pure, no rows, no registry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from hub.domain.reference.model import DEPTH_MAX, PATH_SEPARATOR


@dataclass(frozen=True, slots=True)
class Span:
    """Days [start, end) on which one version of an entry holds; end None means open."""

    start: date
    end: date | None
    version_id: uuid.UUID
    parent_id: uuid.UUID | None = None
    level: int | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Days [start, end) on which an entry stands at one path under one version."""

    start: date
    end: date | None
    version_id: uuid.UUID
    parent_id: uuid.UUID | None
    path: str
    depth: int


class Overlap(Exception):
    """A later version is already planned for the days asked for."""

    def __init__(self, since: date) -> None:
        self.since = since
        super().__init__(f"another version is planned from {since.isoformat()}")


class NoParent(Exception):
    """The parent does not exist on some of the days its child does."""

    def __init__(self, since: date) -> None:
        self.since = since
        super().__init__(f"the parent does not exist on {since.isoformat()}")


class TooDeep(Exception):
    """The chain upward is longer than any tree may be."""


class Circle(Exception):
    """On some day an entry would stand below itself."""


def earlier(one: date | None, other: date | None) -> date | None:
    """The earlier of two ends, None being never."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def overlaps(start: date, end: date | None, other_start: date, other_end: date | None) -> bool:
    """Whether two half-open ranges share a day."""
    return (end is None or other_start < end) and (other_end is None or start < other_end)


def at(spans: tuple[Span, ...], day: date) -> Span | None:
    """The span that holds on a day."""
    for span in spans:
        if span.start <= day and (span.end is None or day < span.end):
            return span
    return None


def write(spans: tuple[Span, ...], new: Span) -> tuple[Span, ...]:
    """The line with a new version written on it.

    What held on the new version's first day ends there (and comes back after the new one's last day, when it
    reached beyond); a version that starts on that very day is replaced. A version that starts later, within
    the new one's days, is a plan somebody made: that is refused with Overlap.
    """
    kept: list[Span] = []
    for span in spans:
        if not overlaps(span.start, span.end, new.start, new.end):
            kept.append(span)
            continue
        if span.start > new.start:
            raise Overlap(span.start)
        if span.start < new.start:
            kept.append(replace(span, end=new.start))
        if new.end is not None and (span.end is None or span.end > new.end):
            kept.append(replace(span, start=new.end))
    return tuple(sorted([*kept, new], key=lambda span: span.start))


def places(
    entry_id: uuid.UUID, lines: Mapping[uuid.UUID, tuple[Span, ...]], codes: Mapping[uuid.UUID, str]
) -> tuple[Place, ...]:
    """Where an entry stands on all its days, split where an ancestor moves; neighbours that agree are one.

    Raises NoParent when a parent is missing on some of those days, Circle when an entry
    would be its own ancestor, and TooDeep when the chain is too long.
    """
    merged: list[Place] = []
    for place in _climb(entry_id, (None, None), lines, codes, ()):
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.end == place.start
            and replace(place, start=last.start) == replace(last, end=place.end)
        ):
            merged[-1] = replace(last, end=place.end)
        else:
            merged.append(place)
    return tuple(merged)


def _climb(
    entry_id: uuid.UUID,
    within: tuple[date | None, date | None],
    lines: Mapping[uuid.UUID, tuple[Span, ...]],
    codes: Mapping[uuid.UUID, str],
    trail: tuple[uuid.UUID, ...],
) -> Iterator[Place]:
    """The places of an entry within [since, until); gaps are left out. ``trail`` is the way up so far."""
    if entry_id in trail:
        raise Circle
    if len(trail) > DEPTH_MAX:
        raise TooDeep
    since, until = within
    for span in lines.get(entry_id, ()):
        start = span.start if since is None else max(since, span.start)
        end = earlier(until, span.end)
        if end is not None and start >= end:
            continue
        if span.parent_id is None:
            yield Place(start, end, span.version_id, None, codes[entry_id], 0)
        else:
            above = _climb(span.parent_id, (start, end), lines, codes, (*trail, entry_id))
            yield from _under(span, (start, end), above, codes[entry_id])


def _under(span: Span, days: tuple[date, date | None], above: Iterator[Place], code: str) -> Iterator[Place]:
    """A child's places below its parent's, which must cover the child's days without a gap."""
    covered: date | None = days[0]
    for parent in above:
        if covered is None or parent.start != covered:
            break
        path = f"{parent.path}{PATH_SEPARATOR}{code}"
        yield Place(parent.start, parent.end, span.version_id, span.parent_id, path, parent.depth + 1)
        covered = parent.end
    if covered != days[1]:
        raise NoParent(covered or days[0])
