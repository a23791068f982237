"""Who sees which posting: one policy, default deny, as a predicate inside the SQL (design.md, idea 8).

    an open event        every consumer of the tenant and environment, and its sender
    a restricted event   its sender and its receivers
    a narrowed event     its sender and its receivers        (narrowed: it has a `to`)
    a message            its sender and its receivers
    persons              what their agency's systems sent or were sent; operators: events of their tenant
    the hub itself       everything
    anybody else         nothing

Parties to a posting are its sender and its receivers, and for persons those of their agency. Personal values
(catalogue.masked_keys) are in clear for parties alone; see masking.py and docs/decisions/0006-reading.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, literal_column, or_, select, true

from hub.domain.fiscal_events.tables import posting, posting_receiver
from hub.domain.fiscal_events.vocabulary import Classification, PostingKind
from hub.domain.registry import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller, SystemRole


def visible(caller: Caller, of: FromClause = posting) -> ColumnElement[bool]:
    """The predicate over ``of`` (the posting table or an alias of it) for this caller."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            return _to_system(caller, of)
        case PersonCaller():
            return _to_person(caller, of)
        case Anonymous():
            return false()


def is_party(caller: Caller, of: FromClause = posting) -> ColumnElement[bool]:
    """Whether the caller sent the posting or was sent it: who sees personal values in clear."""
    match caller:
        case HubCaller():
            return true()
        case SystemCaller():
            mine = [of.c.sender_id == caller.system_id, _received(of, system_id=caller.system_id)]
            return and_(_home(caller, of), or_(*mine))
        case PersonCaller():
            return _of_agency(caller, of)
        case Anonymous():
            return false()


def ways(caller: Caller) -> Sequence[ColumnElement[bool]]:
    """A caller's reasons to see events, where no one index serves them together; none where reading on is quick.

    Together they hold of every event that ``visible`` lets through; ``visible`` alone decides. A consumer sees nearly
    everything and needs no way; who sees only what is theirs would else have all of the others' rows read past.
    """
    match caller:
        case SystemCaller() if SystemRole.CONSUMER not in caller.roles:
            home, me = _home(caller, posting), caller.system_id
            return [and_(home, posting.c.sender_id == me), _along_receivers(home, system_id=me)]
        case PersonCaller():
            operated = [posting.c.tenant_id == tenant for tenant in caller.operator_of]
            if caller.agency_id is None or caller.tenant_id is None or not caller.roles:
                return operated if len(operated) > 1 else []
            home, agency = posting.c.tenant_id == caller.tenant_id, caller.agency_id
            own = and_(home, posting.c.sender_agency_id == agency)
            return [own, _along_receivers(home, agency_id=agency), *operated]
        case _:
            return []


def _along_receivers(home: ColumnElement[bool], **by: uuid.UUID) -> ColumnElement[bool]:
    """Narrowed events, which have an index of their own; messages, of which an agency gets many more, are not read."""
    is_event = posting.c.kind == literal_column(f"'{PostingKind.EVENT.value}'")
    return and_(home, is_event, _received(posting, **by))


def _home(caller: SystemCaller, of: FromClause) -> ColumnElement[bool]:
    return and_(of.c.tenant_id == caller.tenant_id, of.c.environment == caller.environment.value)


def _to_system(caller: SystemCaller, of: FromClause) -> ColumnElement[bool]:
    if SystemRole.CONSUMER not in caller.roles:
        return is_party(caller, of)
    is_open = and_(
        of.c.kind == PostingKind.EVENT.value,
        of.c.narrowed.is_(False),
        of.c.classification == Classification.OPEN.value,
    )
    received = _received(of, system_id=caller.system_id)
    return and_(_home(caller, of), or_(of.c.sender_id == caller.system_id, is_open, received))


def _to_person(caller: PersonCaller, of: FromClause) -> ColumnElement[bool]:
    operated = and_(of.c.tenant_id.in_(caller.operator_of), of.c.kind == PostingKind.EVENT.value)
    return or_(_of_agency(caller, of), operated) if caller.operator_of else _of_agency(caller, of)


def _of_agency(caller: PersonCaller, of: FromClause) -> ColumnElement[bool]:
    if caller.agency_id is None or caller.tenant_id is None or not caller.roles:
        return false()
    return and_(
        of.c.tenant_id == caller.tenant_id,
        or_(
            of.c.sender_agency_id == caller.agency_id,
            _received(of, agency_id=caller.agency_id),
        ),
    )


def _received(of: FromClause, **by: uuid.UUID) -> ColumnElement[bool]:
    """An alias of its own, or the EXISTS would take the receivers of a statement around it for its own.

    OFFSET 0 keeps PostgreSQL from reading all that the caller ever received to answer one page.
    """
    receiver = posting_receiver.alias()
    found: Select[Any] = select(literal_column("1")).where(
        receiver.c.tenant_id == of.c.tenant_id,
        receiver.c.posting_id == of.c.id,
        *(receiver.c[name] == value for name, value in by.items()),
    )
    found = found.correlate_except(receiver).offset(literal_column("0"))
    return and_(of.c.narrowed, found.exists())
