"""The kinds of work that are measured, and what a right answer to each looks like whoever gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from bench import peerrows

PAGE = 100
INBOX_PAGE = 50
GROUPS = 100
BATCH = 500
CURSORS = 48
IDS = 2_000


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work: how many connections ask for it, and how many events one answer stands for."""

    name: str
    title: str
    connections: int
    writes: bool = False
    events: int = 1


WORKS = (
    Work("deep_page", "page of 100, all fields, lines, signatures", 16),
    Work("flat_page", "page of 100, own fields", 16),
    Work("by_id", "one event by id, all fields, lines, signatures", 32),
    Work("aggregate", "net by head and month, one year", 4),
    Work("inbox", "inbox page of 50, fields and lines", 16),
    Work("post", "post one signed event of three lines", 64, writes=True),
    Work("post_500", "post 500 events, each signed", 4, writes=True, events=BATCH),
    Work("post_500_once", "post 500 events under one signature", 4, writes=True, events=BATCH),
)
BY_NAME = {work.name: work for work in WORKS}
READS = tuple(work.name for work in WORKS if not work.writes)


@dataclass(frozen=True)
class Questions:
    """The values all servers are asked for: the same ids, pages, year and head."""

    ids: Sequence[str]
    page_ends: Sequence[str]
    year: int
    head: str
    consumer_id: str


async def draw_questions(db: asyncpg.Connection, last_id: str, consumer: str) -> Questions:
    """Ids over the whole range of events, the same in every run over the same rows, and the busiest year and minor head."""
    tenant = await db.fetchval("SELECT tenant_id FROM system WHERE unique_id = $1", consumer)
    first, last = [
        await db.fetchval(
            f"SELECT id::text FROM posting WHERE tenant_id = $1 AND id <= $2::uuid ORDER BY id {way} LIMIT 1",
            tenant,
            last_id,
        )
        for way in ("", "DESC")
    ]
    begun, ended = (int(text.replace("-", "")[:12], 16) for text in (first, last))
    ids: list[str] = []
    for step in range(IDS):
        # Spread by a stride that visits the range in a mixed order.
        at = f"{begun + (ended - begun) * ((step * 733) % IDS) // IDS:012x}"
        found = await db.fetchval(
            "SELECT id::text FROM posting WHERE tenant_id = $2 AND kind = 'EVENT' AND id >= $1::uuid "
            "ORDER BY id LIMIT 1",
            f"{at[:8]}-{at[8:]}-7000-8000-000000000000",
            tenant,
        )
        if found is not None:
            ids.append(found)
    busiest = await db.fetch(
        "SELECT p.fiscal_year, substring(l.coa_code FROM $1) FROM posting p JOIN posting_line l "
        "ON l.tenant_id = p.tenant_id AND l.posting_id = p.id WHERE p.tenant_id = $4 "
        "AND p.id = ANY($3::uuid[]) GROUP BY 1, 2 HAVING count(DISTINCT (l.coa_code, p.month)) <= $2 "
        "ORDER BY count(*) DESC, 1, 2 LIMIT 1",
        peerrows.HEAD,
        GROUPS,
        ids,
        tenant,
    )
    year, head = busiest[0]
    consumer_id = await db.fetchval("SELECT id::text FROM system WHERE unique_id = $1", consumer)
    # A page ends where a whole page of older events follows: not among the oldest tenth.
    late = sorted(ids)[len(ids) // 10 :]
    middle = late[:: max(1, len(late) // CURSORS)][:CURSORS]
    return Questions(ids, middle, year, head, consumer_id)
