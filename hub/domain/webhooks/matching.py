"""Which leaves of the log an endpoint hears of: the feed, read as the endpoint's system, by the endpoint's filter."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from hub.db import Read
from hub.domain import feed
from hub.domain.fiscal_events import AddedSignature
from hub.domain.fiscal_events.model import Posting, Signature
from hub.domain.registry import SystemCaller
from hub.domain.transparency import LeafKind
from hub.domain.webhooks.model import PAGE_MAX, FactKind, Leaf, Webhook


@dataclass(frozen=True, slots=True)
class Page:
    """What of some leaves concerns an endpoint, in the log's order; ``end`` is the index of the next leaf to look at."""

    leaves: tuple[Leaf, ...]
    postings: Mapping[uuid.UUID, Posting]
    signatures: Mapping[uuid.UUID, Signature]
    end: int
    has_more: bool


async def page(read: Read, system: SystemCaller, of: Webhook, *, start: int, end: int | None = None) -> Page:
    """Look at leaves from ``start`` on, as far as PAGE_MAX facts were found, the log goes, or ``end`` is reached."""
    wanted = feed.Wanted(frozenset(LeafKind(kind.value) for kind in of.kinds), of.filter)
    found = await feed.read_on(read, system, wanted, first=PAGE_MAX, after=start - 1)
    reached = found.scanned_to + 1
    if end is not None:
        reached = min(reached, end)
    leaves: list[Leaf] = []
    postings: dict[uuid.UUID, Posting] = {}
    signatures: dict[uuid.UUID, Signature] = {}
    for item in found.items:
        if item.log_index >= reached:
            break
        fact_id: uuid.UUID
        match item.fact:
            case Posting():
                fact_id, posting = item.fact.id, item.fact
            case AddedSignature():
                fact_id, posting = item.fact.signature.id, item.fact.posting
                signatures[fact_id] = item.fact.signature
            case _:
                continue
        postings[posting.id] = posting
        leaves.append(Leaf(item.log_index, FactKind(item.kind.value), fact_id, posting.id, item.sequenced_at))
    return Page(tuple(leaves), postings, signatures, reached, found.has_more)
