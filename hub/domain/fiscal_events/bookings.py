"""What one item of a batch takes is gone for the next: booked on the gathered facts, stored or only validated."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from hub.domain.fiscal_events import packing, reversals
from hub.domain.fiscal_events.checks import total_of
from hub.domain.fiscal_events.drafts import Draft
from hub.domain.fiscal_events.facts import Facts, Reference
from hub.domain.fiscal_events.model import Balance
from hub.domain.fiscal_events.rules import takes
from hub.domain.fiscal_events.vocabulary import Relation, ReversalMode


def named_in_batch(drafts: Sequence[Draft], facts: Facts) -> set[Reference]:
    """References that links of the batch name: such an item is a parent for those that follow it."""
    found = (facts.reference_of(link) for item in drafts for link in item.content.links)
    return {each for each in found if each is not None}


def book(item: Draft, facts: Facts, named: set[Reference]) -> None:
    """Book an item without problems: what it takes back, what it draws, and itself as a parent."""
    own = (facts.caller.system_id, item.content.reference_id)
    if item.content.reversal is not None:
        _take_back(item, facts)
    elif not (item.content.links or facts.waiting or own in named):
        return
    else:
        for key, amount in drawn_by(item, facts):
            facts.drawn[key] = facts.drawn.get(key, Decimal(0)) + amount
    waits = {each for link in item.content.links for each in facts.waits(link)}
    for waiting in facts.waiting.values():
        if own in waiting:
            waiting.discard(own)
            waiting.update(waits)
    if own in named:
        posting = packing.posting_of(item, facts)
        facts.by_reference[own] = posting
        facts.named_ids[own] = posting.id
        facts.waiting[posting.id] = waits


def drawn_by(item: Draft, facts: Facts) -> Iterable[tuple[tuple[uuid.UUID, Relation], Decimal]]:
    """What an item takes of its parents: of each once for each relation, however often it is linked."""
    total = total_of(item)
    if total is None:
        return []
    parents = ((facts.parent(link), link.relation) for link in item.content.links)
    keys = {
        (parent.id, relation)
        for parent, relation in parents
        if parent and takes(relation, item.content.sub_type)
    }
    return [(key, total) for key in keys]


def _take_back(item: Draft, facts: Facts) -> None:
    reversal = item.content.reversal
    assert reversal is not None
    original = reversal.posting_id
    taken = reversals.parts(item.content)
    before = facts.balances.get(original, {})
    facts.balances[original] = {
        line.line_no: _less(
            before.get(line.line_no, Balance(original, line.line_no, line.amount, Decimal(0))),
            taken.get(line.line_no, Decimal(0)),
        )
        for line in facts.lines.get(original, [])
    }
    if reversal.mode is ReversalMode.FULL:
        facts.taken_whole.add(original)
    for key in facts.draws_on.get(original, ()):
        if key in facts.drawn:
            facts.drawn[key] -= sum(taken.values(), Decimal(0))


def _less(balance: Balance, part: Decimal) -> Balance:
    return replace(balance, reversed=balance.reversed + part)


def parts_of(items: Sequence[Draft]) -> dict[tuple[uuid.UUID, int], Decimal]:
    """What the reversals among these items take of each line in all."""
    parts: dict[tuple[uuid.UUID, int], Decimal] = {}
    for item in items:
        if item.content.reversal is not None:
            for line_no, amount in reversals.parts(item.content).items():
                key = (item.content.reversal.posting_id, line_no)
                parts[key] = parts.get(key, Decimal(0)) + amount
    return parts
