"""What the rules need to know, gathered for a whole batch in a fixed number of statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from hub.db import Read, Transaction
from hub.domain import reference, registry
from hub.domain.fiscal_events import access, reversals, store, storing
from hub.domain.fiscal_events.drafts import Draft
from hub.domain.fiscal_events.model import (
    PREFIXES,
    AttachmentKind,
    Balance,
    Line,
    Link,
    Posting,
)
from hub.domain.fiscal_events.placing import REGISTRIES, Codes, Places, codes_of
from hub.domain.fiscal_events.vocabulary import Relation
from hub.domain.reference import Spans
from hub.domain.registry import SigningKey, System, SystemCaller, Tenant
from hub.signing import ReceiptForm, StatementForm

SHA256_HEX = 64
Reference = tuple[uuid.UUID, str]


@dataclass(slots=True)
class Facts:
    """Everything looked up for one batch; what one item of it takes is booked here for the next."""

    tenant: Tenant
    caller: SystemCaller
    now: datetime
    systems: dict[str, System] = field(default_factory=dict)
    keys: dict[uuid.UUID, SigningKey] = field(default_factory=dict)
    by_id: dict[uuid.UUID, Posting] = field(default_factory=dict)
    by_reference: dict[Reference, Posting] = field(default_factory=dict)
    named_ids: dict[Reference, uuid.UUID] = field(default_factory=dict)
    lines: dict[uuid.UUID, list[Line]] = field(default_factory=dict)
    balances: dict[uuid.UUID, dict[int, Balance]] = field(default_factory=dict)
    taken_whole: set[uuid.UUID] = field(default_factory=set)
    receivers: dict[uuid.UUID, set[str]] = field(default_factory=dict)
    drawn: dict[tuple[uuid.UUID, Relation], Decimal] = field(default_factory=dict)
    draws_on: dict[uuid.UUID, set[tuple[uuid.UUID, Relation]]] = field(default_factory=dict)
    waiting: dict[uuid.UUID, set[Reference]] = field(default_factory=dict)
    documents: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    statements: dict[tuple[uuid.UUID, datetime], StatementForm] = field(default_factory=dict)
    receipts: dict[str, ReceiptForm] = field(default_factory=dict)
    places: Places = field(default_factory=lambda: Places(Spans({})))

    def local_day(self, instant: datetime) -> date:
        """The government's own calendar day of an instant (its UTC day at the ends of the calendar)."""
        return _local_day(instant, self.tenant.time_zone)

    def parent(self, link: Link) -> Posting | None:
        """The posting a link names, if the sender can see one."""
        if link.posting_id is not None:
            found = self.by_id.get(link.posting_id)
            return found if found is not None and PREFIXES[found.kind] == link.posting_prefix else None
        reference_key = self.reference_of(link)
        return self.by_reference.get(reference_key) if reference_key is not None else None

    def reference_of(self, link: Link) -> Reference | None:
        """Sender and reference that a link by reference names; None when there is no such system."""
        system = self.systems.get(link.system or "")
        if system is None or link.reference_id is None:
            return None
        return system.id, link.reference_id

    def waits(self, link: Link) -> set[Reference]:
        """What a link waits for: the posting it names, or what that and its ancestors wait for.

        Circles are found whether or not the sender can see what it names; nothing else is told about it.
        """
        named = self.reference_of(link)
        target = link.posting_id if named is None else self.named_ids.get(named)
        if target is not None:
            return self.waiting.get(target, set())
        return {named} if named is not None else set()

    def reversed_of(self, posting: Posting) -> Decimal:
        """How much of a posting was taken back so far."""
        return sum((b.reversed for b in self.balances.get(posting.id, {}).values()), Decimal(0))

    def net(self, posting: Posting) -> Decimal:
        """A posting's total less what was taken back."""
        return posting.total_amount - self.reversed_of(posting)

    def is_reversed(self, posting: Posting) -> bool:
        """Whether nothing is left of a posting, line by line."""
        if posting.id in self.taken_whole:
            return True
        return reversals.is_used_up(self.balances.get(posting.id, {}))


@lru_cache(maxsize=4096)
def _local_day(instant: datetime, time_zone: str) -> date:
    try:
        return instant.astimezone(ZoneInfo(time_zone)).date()
    except OverflowError:
        return instant.astimezone(UTC).date()


async def gather(tx: Transaction, caller: SystemCaller, tenant: Tenant, drafts: Sequence[Draft]) -> Facts:
    """Look everything up; what a posting takes from another is locked first, in one order."""
    facts = Facts(tenant, caller, tx.now)
    names = {name for d in drafts for name in d.content.receivers} | {caller.unique_id}
    names |= {link.system for d in drafts for link in d.content.links if link.system}
    facts.systems = await registry.systems_by_unique_id(tx, tenant.id, names)
    facts.keys = await registry.signing_keys(tx, {d.command.signature.key_id for d in drafts})
    await _find_targets(tx, facts, drafts)
    if await storing.lock(tx, _lock_names(facts, drafts)):
        await _find_targets(tx, facts, drafts)
    await _find_balances(tx, facts, drafts)
    facts.documents = await store.find_documents(
        tx,
        tenant.id,
        caller.system_id,
        {
            bytes.fromhex(a.sha256)
            for d in drafts
            for a in d.content.attachments
            if a.kind is AttachmentKind.DOCUMENT and a.sha256 and _is_hex(a.sha256)
        },
    )
    await _resolve_codes(tx, facts, drafts)
    return facts


def _is_hex(text: str) -> bool:
    return len(text) == SHA256_HEX and all(c in "0123456789abcdef" for c in text)


async def _find_targets(read: Read, facts: Facts, drafts: Sequence[Draft]) -> None:
    """Postings named by links and reversals, as far as the sender can see them, and what they wait for."""
    ids = {link.posting_id for d in drafts for link in d.content.links if link.posting_id}
    ids |= {d.content.reversal.posting_id for d in drafts if d.content.reversal}
    found = (facts.reference_of(link) for d in drafts for link in d.content.links)
    references = {each for each in found if each is not None}
    if not ids and not references:
        return
    seen = access.visible(facts.caller)
    facts.by_id = await store.find_postings(read, facts.tenant.id, ids, seen)
    facts.by_reference = await store.find_by_reference(read, facts.tenant.id, references, seen)
    facts.named_ids = await store.ids_by_reference(read, facts.tenant.id, references)
    targets = {*facts.by_id, *facts.named_ids.values()}
    facts.waiting = await store.pending_ancestors(read, facts.tenant.id, targets)


def _lock_names(facts: Facts, drafts: Sequence[Draft]) -> set[str]:
    """What must not move while it is checked.

    A posting that is settled or reversed goes by its sender and reference, which name it even before it is
    posted. One name per tenant guards against cycles: it is taken whenever a link, or an ancestor of what is
    linked, waits for a posting that is not there yet (spec L-02).
    """
    names: set[str] = set()
    for item in drafts:
        for posting_id in _reversed_ids(item):
            if (original := facts.by_id.get(posting_id)) is not None:
                names.add(f"taken:{original.sender_id}:{original.reference_id}")
        for link in item.content.links:
            parent = facts.parent(link)
            if facts.waits(link):
                names.add(f"links:{facts.tenant.id}")
            key = (parent.sender_id, parent.reference_id) if parent else facts.reference_of(link)
            if link.relation is Relation.SETTLES and key is not None:
                names.add(f"taken:{key[0]}:{key[1]}")
    return names


def _reversed_ids(item: Draft) -> Iterator[uuid.UUID]:
    if item.content.reversal is not None:
        yield item.content.reversal.posting_id


async def _find_balances(read: Read, facts: Facts, drafts: Sequence[Draft]) -> None:
    tenant_id = facts.tenant.id
    targets = {**facts.by_id, **{posting.id: posting for posting in facts.by_reference.values()}}
    if not targets:
        return
    originals = {posting_id for d in drafts for posting_id in _reversed_ids(d)} & targets.keys()
    facts.balances = await store.balances_of(read, tenant_id, targets.keys())
    facts.taken_whole = await store.reversed_in_full(read, tenant_id, targets.keys())
    facts.drawn = await store.drawn_on(read, tenant_id, list(targets.values()))
    facts.lines = await store.lines_of(read, tenant_id, originals)
    facts.receivers = await store.receiver_names(read, tenant_id, originals)
    facts.draws_on = await store.parents_of(read, tenant_id, originals)


async def _resolve_codes(read: Read, facts: Facts, drafts: Sequence[Draft]) -> None:
    """Registry codes, checked as of each posting's own day (spec 11.2); a reversal keeps its original's."""
    days: set[date] = set()
    combined: set[Codes] = set()
    for item in drafts:
        if item.content.reversal is None:
            days.add(facts.local_day(item.content.event_time))
            combined.update(map(codes_of, item.content.lines))
    if not days:
        return
    wanted = {
        kind: {code for code in codes if code}
        for kind, codes in zip(REGISTRIES, zip(*combined, strict=True), strict=False)
    }
    spans = await reference.resolve_span(read, facts.tenant.id, wanted, min(days), max(days))
    facts.places = Places(spans)
