"""Compiled doors to postings: what each root field asks of the database, with the same refusals as its resolver.

The functions take the arguments that the resolvers in ``fiscal_events`` take. What they raise, and what they answer
with None, is answered by the resolvers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields
from functools import lru_cache, partial
from typing import Any

import orjson

from hub.db import utc_now
from hub.domain import fiscal_events, registry
from hub.domain.fiscal_events import readers, reading, searches
from hub.domain.fiscal_events.aggregates import check_after, conditions
from hub.domain.fiscal_events.filters import Filter, KeyValue, on_postings
from hub.domain.fiscal_events.vocabulary import PostingKind as Kind
from hub.domain.registry import Caller
from hub.kit import cursors
from hub.kit.ids import parse_public_id, uuid_of
from hub.reads import Ask, Page, Root, Storage
from hub.reads.mapping import unnamed_of
from hub.resolvers.fiscal_events import after_id
from hub.schema.paging import PAGE_DEFAULT, page_size
from hub.schema.posting_enums import InboxState, Order
from hub.schema.posting_filters import FiscalEventFilter, GroupByInput
from hub.schema.posting_storage import SHAPES

# Criteria of searches that are kept ready, those of up to so many characters.
CRITERIA_KEPT = 256
CRITERIA_CHARACTERS_MAX = 2_000
_CRITERIA = tuple(field.name for field in fields(Filter))
_Criteria = tuple[Sequence[Any], Hashable, Sequence[Any]]
_KINDS = {"evt": (Kind.EVENT, "FiscalEvent"), "msg": (Kind.MESSAGE, "FiscalMessage")}


def _page(name: str, size: int) -> Page:
    return Page(size, cursors.encoder(name))


def _single(prefix: str, value: uuid.UUID, caller: Caller) -> Ask:
    registry.require_known(caller)
    kind, shape = _KINDS[prefix]
    return Ask(shape, prefix, lambda reader: searches.single(reader, kind), {"asked_id": value})


def _by_id(prefix: str, caller: Caller, *, id: str) -> Ask | None:
    value = uuid_of(prefix, id)
    return _single(prefix, value, caller) if value is not None else None


def _node(caller: Caller, *, id: str) -> Ask | None:
    found = parse_public_id(id)
    return _single(*found, caller) if found is not None and found[0] in _KINDS else None


def _fiscal_events(
    caller: Caller,
    *,
    filter: FiscalEventFilter | None = None,
    first: int = PAGE_DEFAULT,
    after: str | None = None,
    order: Order = Order.NEWEST_FIRST,
) -> Ask | None:
    size, name = page_size(first), f"events:{order.value}"
    wanted = filter.to_filter() if filter is not None else _EVERYTHING
    behind = after_id(name, after)
    reading.require_reader(caller, wanted)
    reader = readers.reader_of(caller)
    if reader is None:
        return None
    conditions, criteria, unnamed = _criteria(reader, wanted)
    return Ask(
        "FiscalEvent",
        (order.value, behind is None, criteria),
        lambda stand_in: searches.events(stand_in, conditions, order, is_after=behind is not None),
        {"asked_after": behind},
        page=_page(name, size),
        unnamed=unnamed,
    )


_EVERYTHING = Filter()


def _built(reader: readers.Reader, wanted: Filter) -> _Criteria:
    conditions = on_postings(reader.caller, wanted)
    return (conditions, *unnamed_of(conditions))


def _built_totals(reader: readers.Reader, wanted: Filter) -> _Criteria:
    criteria = conditions(reader.caller, wanted)
    return (criteria, *unnamed_of(criteria))


_built_before = lru_cache(maxsize=CRITERIA_KEPT)(_built)
_built_totals_before = lru_cache(maxsize=CRITERIA_KEPT)(_built_totals)


def _criteria(reader: readers.Reader, wanted: Filter) -> _Criteria:
    """Building SQL expressions takes a millisecond; what dashboards ask again and again is kept."""
    return (_built_before if _is_small(wanted) else _built)(reader, wanted)


def _is_small(wanted: Filter) -> bool:
    """Whether criteria are worth keeping: a bound on what the kept ones take in memory."""
    size = 0
    for name in _CRITERIA:
        value = getattr(wanted, name)
        if isinstance(value, tuple):
            size += sum(len(one) if isinstance(one, str) else 16 for one in value)
        elif isinstance(value, str):
            size += len(value)
        elif isinstance(value, KeyValue):
            size += len(value.key) + len(value.value or "")
    return size <= CRITERIA_CHARACTERS_MAX


def _inbox(
    caller: Caller,
    *,
    state: InboxState = InboxState.UNREAD,
    first: int = PAGE_DEFAULT,
    after: str | None = None,
) -> Ask:
    size, behind = page_size(first), after_id("inbox", after)
    registry.require_system(caller)
    return Ask(
        "InboxEntry",
        (state.value, behind is None),
        lambda stand_in: searches.inbox(stand_in, state, is_after=behind is not None),
        {"asked_after": behind, "asked_now": utc_now()},
        page=_page("inbox", size),
    )


def _sent_messages(caller: Caller, *, first: int = PAGE_DEFAULT, after: str | None = None) -> Ask:
    size, behind = page_size(first), after_id("sent", after)
    registry.require_system(caller)
    return Ask(
        "FiscalMessage",
        behind is None,
        lambda stand_in: searches.sent(stand_in, is_after=behind is not None),
        {"asked_after": behind},
        page=_page("sent", size),
    )


def _totals(
    caller: Caller,
    *,
    group_by: list[GroupByInput],
    filter: FiscalEventFilter | None = None,
    first: int = PAGE_DEFAULT,
    after: str | None = None,
) -> Ask | None:
    size, by = page_size(first), tuple(group.to_group() for group in group_by)
    name = "totals:" + ",".join(f"{group.dimension.value}{group.level or ''}" for group in by)
    keys = cursors.decode(name, after, *[str] * (len(by) + 1)) if after is not None else None
    wanted = filter.to_filter() if filter is not None else _EVERYTHING
    reader = readers.reader_of(caller)
    if reader is None:
        return None
    reading.require_reader(caller, wanted)
    behind = [str(key) for key in keys or ()]
    check_after(behind)
    criteria, key, unnamed = (_built_totals_before if _is_small(wanted) else _built_totals)(reader, wanted)
    return Ask(
        "EventTotal",
        (by, keys is None, key),
        lambda stand_in: searches.totals(stand_in, criteria, by, is_after=keys is not None),
        {f"asked_key_{i}": part for i, part in enumerate(behind)},
        page=Page(size, lambda parts: cursors.encode(name, *orjson.loads(parts))),
        unnamed=unnamed,
        is_sum=True,
    )


_ROOTS: dict[str, Callable[..., Any]] = {
    "node": _node,
    "fiscalEvent": partial(_by_id, "evt"),
    "fiscalMessage": partial(_by_id, "msg"),
    "fiscalEvents": _fiscal_events,
    "inbox": _inbox,
    "sentMessages": _sent_messages,
    "fiscalEventTotals": _totals,
}


def storage() -> Storage:
    """The mapping of postings: their shapes, their root fields, their readers."""
    return Storage(
        shapes={shape.name: shape for shape in SHAPES},
        roots={name: Root(ask) for name, ask in _ROOTS.items()},
        reader_of=readers.reader_of,
        values_of=readers.values_of,
        masked=fiscal_events.masked_values,
        trial=readers.TRIAL,
        nodes={shape: partial(_several, kind) for kind, shape in _KINDS.values()},
    )


def _several(kind: Kind, reader: Caller) -> Any:
    return searches.several(reader, kind)
