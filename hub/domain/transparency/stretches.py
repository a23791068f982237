"""Stretches of the log: how far one look of a reader goes, and the leaves in it as other rooms join them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Subquery, Text, any_, literal, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from hub.db import Read
from hub.domain.transparency.model import LeafKind
from hub.domain.transparency.tables import leaf

TENANTS_OF_MAX = 10_000
_SIZE = "SELECT coalesce((SELECT log_index + 1 FROM log_leaf ORDER BY log_index DESC LIMIT 1), 0) AS size"
_CUT = (
    f"{_SIZE}, (SELECT min(past.log_index) FROM unnest($1::uuid[]) AS t (id), LATERAL ("  # noqa: S608 - own names
    "SELECT log_index FROM log_leaf WHERE tenant_id = t.id AND log_index > $2 "
    "ORDER BY log_index OFFSET $3 LIMIT 1) AS past) AS cut"
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The leaves behind index ``after`` up to and including ``until``, of a log of ``size`` leaves."""

    after: int
    until: int
    size: int

    @property
    def is_last(self) -> bool:
        """Whether it reaches the end of the log."""
        return self.until >= self.size - 1


async def get_size(read: Read) -> int:
    """How many leaves have a number."""
    size: int = (await read.fetch(_SIZE))[0]["size"]
    return size


async def measure(read: Read, tenants: Collection[uuid.UUID] | None, after: int, leaves_max: int) -> Stretch:
    """The stretch behind ``after`` that holds at most ``leaves_max`` leaves of any of these governments (None: at all).

    What lies in it is committed: numbers are given in order, so nothing appears in it later.
    """
    if tenants is None:
        size = await get_size(read)
        return Stretch(after, max(after, min(size - 1, after + leaves_max)), size)
    row = (await read.fetch(_CUT, list(tenants), after, leaves_max))[0]
    size, cut = row["size"], row["cut"]
    return Stretch(after, max(after, size - 1 if cut is None else min(size, cut) - 1), size)


async def kinds_in(
    read: Read, stretch: Stretch, tenants: Collection[uuid.UUID] | None
) -> frozenset[LeafKind]:
    """The kinds of leaves there are in a stretch, the log's own included; for short ones."""
    rows = await read.fetch(
        "SELECT DISTINCT kind FROM log_leaf WHERE log_index > $1 AND log_index <= $2 "
        "AND ($3::uuid[] IS NULL OR tenant_id IS NULL OR tenant_id = ANY($3))",
        stretch.after,
        stretch.until,
        None if tenants is None else list(tenants),
    )
    return frozenset(LeafKind(row[0]) for row in rows)


async def tenants_in(read: Read, stretch: Stretch) -> frozenset[uuid.UUID] | None:
    """The governments that have leaves in a stretch; None (any may) where it is long or the log speaks for itself."""
    if stretch.until - stretch.after > TENANTS_OF_MAX:
        return None
    rows = await read.fetch(
        "SELECT DISTINCT tenant_id FROM log_leaf WHERE log_index > $1 AND log_index <= $2",
        stretch.after,
        stretch.until,
    )
    found = frozenset(row[0] for row in rows)
    return None if None in found else found


def leaves(stretch: Stretch, tenants: Collection[uuid.UUID] | None, kinds: Collection[LeafKind]) -> Subquery:
    """The leaves of these kinds in a stretch, in order, one row each: log_index, leaf_kind, tenant_id, fact_id, sequenced_at.

    OFFSET 0 makes PostgreSQL walk them in this order, whatever is joined to them: a LIMIT ends the walk.
    """
    found = select(
        leaf.c.log_index,
        leaf.c.kind.label("leaf_kind"),
        leaf.c.tenant_id,
        leaf.c.fact_id,
        leaf.c.sequenced_at,
    ).where(
        leaf.c.log_index > stretch.after,
        leaf.c.log_index <= stretch.until,
        leaf.c.kind == any_(literal(sorted(kind.value for kind in kinds), ARRAY(Text))),
    )
    if tenants is not None:
        one = next(iter(tenants)) if len(tenants) == 1 else None
        found = found.where(
            leaf.c.tenant_id == one if one else leaf.c.tenant_id == any_(literal(list(tenants), ARRAY(UUID)))
        )
    return found.order_by(leaf.c.log_index).offset(literal_column("0")).subquery("leaf")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A leaf in which the log speaks for itself: which key signs its checkpoints from here on."""

    log_index: int
    sequenced_at: datetime
    statement: bytes


async def announcements(read: Read, stretch: Stretch, limit: int) -> list[Announcement]:
    """The log's own announcements in a stretch, in order; everybody may read them."""
    rows = await read.fetch(
        "SELECT l.log_index, l.sequenced_at, l.statement FROM log_key k JOIN log_leaf l USING (log_index) "
        "WHERE k.log_index > $1 AND k.log_index <= $2 ORDER BY k.log_index LIMIT $3",
        stretch.after,
        stretch.until,
        limit,
    )
    return [Announcement(*row) for row in rows]
