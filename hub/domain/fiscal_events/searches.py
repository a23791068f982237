"""Searches for postings as rows with their policy: what pages, single postings and the inbox read, in one place.

Each takes the caller (or who stands in for one, see ``readers``) and names its parameters ``asked_…``: the SQL of
a search depends on which criteria there are, never on their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from hub.domain.fiscal_events import access, reading, tables
from hub.domain.fiscal_events.aggregates import Dimension, GroupBy, figures
from hub.domain.fiscal_events.inbox import InboxState
from hub.domain.fiscal_events.reading import Order
from hub.domain.fiscal_events.shapes import Rows
from hub.domain.fiscal_events.tables import INSTANT
from hub.domain.fiscal_events.vocabulary import PostingKind
from hub.domain.registry import Caller, SystemCaller

# The parameter that says how many rows a page reads.
ROWS_ASKED = "asked_rows"
_posting, _entry = tables.posting, tables.inbox_entry
_id, _after = bindparam("asked_id", type_=UUID), bindparam("asked_after", type_=UUID)
_rows_asked = bindparam(ROWS_ASKED, type_=Integer)
_ids, _now = bindparam("asked_ids", type_=ARRAY(UUID)), bindparam("asked_now", type_=INSTANT)


def _is_kind(kind: PostingKind) -> ColumnElement[bool]:
    return _posting.c.kind == literal_column(f"'{kind.value}'")


def _rows(caller: Caller, *where: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> Rows:
    return Rows(
        _posting.c, _posting, (_posting,), where, tuple(order), policy=access.visible(caller, _posting)
    )


def single(caller: Caller, kind: PostingKind) -> Rows:
    """One posting by ``asked_id``."""
    return _rows(caller, _posting.c.id == _id, _is_kind(kind))


def several(caller: Caller, kind: PostingKind) -> Rows:
    """Postings by ``asked_ids``."""
    return _rows(caller, _posting.c.id == any_(_ids), _is_kind(kind))


def events(
    caller: Caller, conditions: Sequence[ColumnElement[bool]], order: Order, *, is_after: bool
) -> Rows:
    """Visible events that meet the conditions (``filters.on_postings``), behind ``asked_after`` if there is one."""
    where = [_is_kind(PostingKind.EVENT), *conditions]
    return _rows(
        caller,
        *where,
        *reading.paged(caller, where, order, _after if is_after else None, _rows_asked),
        order=[reading.ordered(_posting.c.id, order)],
    )


def sent(system: SystemCaller, *, is_after: bool) -> Rows:
    """Messages the calling system sent, newest first."""
    behind = [_posting.c.id < _after] if is_after else []
    return _rows(
        system,
        _posting.c.sender_id == system.system_id,
        _is_kind(PostingKind.MESSAGE),
        *behind,
        order=[_posting.c.id.desc()],
    )


def inbox(system: SystemCaller, state: InboxState, *, is_after: bool) -> Rows:
    """The calling system's entries in this state at ``asked_now``, oldest first, each with its message."""
    where: list[ColumnElement[bool]] = [
        _entry.c.tenant_id == system.tenant_id,
        _entry.c.system_id == system.system_id,
    ]
    if state is InboxState.UNREAD:
        is_free = or_(_entry.c.leased_until.is_(None), _entry.c.leased_until <= _now)
        where += [_entry.c.read_at.is_(None), is_free]
    elif state is InboxState.READ:
        where.append(_entry.c.read_at.is_not(None))
    if is_after:
        where.append(_entry.c.posting_id > _after)
    joined = _entry.join(
        _posting, and_(_posting.c.tenant_id == _entry.c.tenant_id, _posting.c.id == _entry.c.posting_id)
    )
    row = SimpleNamespace(
        id=_entry.c.posting_id,
        message=_posting.c,
        delivered_at=_entry.c.delivered_at,
        read_at=_entry.c.read_at,
    )
    return Rows(
        row,
        joined,
        (_entry, _posting),
        tuple(where),
        (_entry.c.posting_id,),
        policy=access.visible(system, _posting),
    )


def totals(
    caller: Caller, criteria: Sequence[ColumnElement[bool]], by: Sequence[GroupBy], *, is_after: bool
) -> Rows:
    """Figures of visible events that meet the criteria (``aggregates.conditions``), behind ``asked_key_…`` if asked so.

    Their ``id`` is the list of a group's keys and its currency, as JSON.
    """
    found = figures(caller, criteria, by)
    behind = [bindparam(f"asked_key_{i}", type_=Text) for i in range(len(by) + 1)] if is_after else []
    row = SimpleNamespace(
        id=func.json_build_array(*found.keys, found.currency),
        keys=[_key_of(group, value) for group, value in zip(by, found.keys, strict=True)],
        currency=found.currency,
        **found.values,
    )
    where = (found.behind([cast(part, Text) for part in behind]),) if is_after else ()
    # The policy stands inside, over the events that are summed.
    return Rows(row, found.source, (found.source,), where, found.order, policy=true())


def _key_of(group: GroupBy, value: ColumnElement[str]) -> SimpleNamespace:
    """One key of a group as the API shows it; the fiscal year 2021 is labelled 2021-22."""
    label = value
    if group.dimension is Dimension.FISCAL_YEAR:
        following = func.right(cast(cast(value, Integer) + literal_column("1"), Text), literal_column("2"))
        label = value.concat(literal_column("'-'", Text)).concat(following)
    return SimpleNamespace(
        dimension=literal_column(f"'{group.dimension.value}'", Text),
        level=null() if group.level is None else literal_column(str(int(group.level)), Integer),
        value=value,
        label=label,
    )
