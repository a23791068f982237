"""The chain of custody around a posting: from plan to debit and back, through visible postings alone (spec 10.4)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import and_, select

from hub.codes import Code
from hub.db import Read
from hub.domain.fiscal_events import access, reading, store, tables
from hub.domain.fiscal_events.model import Posting
from hub.domain.fiscal_events.store import POSTING_COLUMNS, posting_of
from hub.domain.fiscal_events.vocabulary import Relation
from hub.domain.registry import Caller
from hub.errors import InvalidInput

DEPTH_MAX = 20
NODES_MAX = 500
LINKS_MAX = 5_000

_posting = tables.posting


class Direction(StrEnum):
    """UP: towards plans and estimates; DOWN: towards debits and credits."""

    UP = "UP"
    DOWN = "DOWN"
    BOTH = "BOTH"


STEPS = {Direction.UP: (-1,), Direction.DOWN: (1,), Direction.BOTH: (-1, 1)}


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A link between two postings of a lineage; ``parent`` is None while the reference is not posted yet."""

    child_id: uuid.UUID
    relation: Relation
    parent_id: uuid.UUID | None
    parent_system: str | None
    parent_reference: str | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Postings linked to one, with depth (0 is the start, negative is up), and the links between them."""

    nodes: tuple[tuple[Posting, int], ...]
    edges: tuple[LineageEdge, ...]
    truncated: bool


@dataclass(slots=True)
class _Walk:
    """What was found so far."""

    tenant_id: uuid.UUID
    nodes: dict[uuid.UUID, tuple[Posting, int]]
    edges: dict[tuple[uuid.UUID, Relation, object], LineageEdge] = field(default_factory=dict)
    truncated: bool = False

    def add(self, edge: LineageEdge) -> None:
        target = edge.parent_id or (edge.parent_system, edge.parent_reference)
        self.edges[(edge.child_id, edge.relation, target)] = edge

    def keep(self, found: Sequence[Posting], depth: int) -> list[Posting]:
        """Those not met before, as far as there is room; what a cycle leads back to is known already."""
        new = [posting for posting in found if posting.id not in self.nodes]
        room = NODES_MAX - len(self.nodes)
        self.truncated = self.truncated or len(new) > room
        for posting in new[:room]:
            self.nodes[posting.id] = (posting, depth)
        return new[:room]


async def lineage(read: Read, caller: Caller, start: Posting, *, direction: Direction, depth: int) -> Lineage:
    """Up to 500 postings linked to ``start``, breadth first; ``truncated`` when more are linked.

    Up to ``depth`` steps in each direction; what lies beyond the last step is not looked at.
    """
    if not 0 <= depth <= DEPTH_MAX:
        raise InvalidInput.because(Code.INPUT, f"depth is 0 to {DEPTH_MAX}", "depth")
    walk = _Walk(start.tenant_id, {start.id: (start, 0)})
    for step in STEPS[direction]:
        level = [start]
        for distance in range(1, depth + 1):
            found = await (_up if step < 0 else _down)(read, caller, walk, level)
            level = walk.keep(found, step * distance)
            if not level:
                break
    edges = (e for e in walk.edges.values() if e.child_id in walk.nodes)
    kept = tuple(edge for edge in edges if edge.parent_id is None or edge.parent_id in walk.nodes)
    ordered = sorted(walk.nodes.values(), key=lambda node: (node[1], node[0].id))
    return Lineage(tuple(ordered), kept, walk.truncated)


async def _up(read: Read, caller: Caller, walk: _Walk, level: Sequence[Posting]) -> list[Posting]:
    links = await reading.links_of(read, caller, walk.tenant_id, [posting.id for posting in level])
    parents: dict[uuid.UUID, None] = {}
    for child_id, named in links.items():
        for link in named:
            walk.add(
                LineageEdge(
                    child_id, link.relation, link.parent_id, link.parent_system, link.parent_reference
                )
            )
            if link.parent_id is not None:
                parents[link.parent_id] = None
    found = await reading.find_many(read, caller, parents) if parents else {}
    return [found[parent_id] for parent_id in parents if parent_id in found]


async def _down(read: Read, caller: Caller, walk: _Walk, level: Sequence[Posting]) -> list[Posting]:
    children = store.children_of(walk.tenant_id, level)
    rows = await read.rows(
        select(children.c.parent_id, children.c.relation, *POSTING_COLUMNS)
        .select_from(
            children.join(
                _posting, and_(_posting.c.tenant_id == walk.tenant_id, _posting.c.id == children.c.posting_id)
            )
        )
        .where(access.visible(caller))
        .order_by(_posting.c.id)
        .limit(LINKS_MAX + 1)
    )
    by_id = {posting.id: posting for posting in level}
    found: dict[uuid.UUID, Posting] = {}
    all_rows = rows.all()
    walk.truncated = walk.truncated or len(all_rows) > LINKS_MAX
    for row in all_rows[:LINKS_MAX]:
        parent = by_id[row.parent_id]
        found[row.id] = posting_of(row)
        walk.add(LineageEdge(row.id, Relation(row.relation), parent.id, parent.sender, parent.reference_id))
    return list(found.values())
