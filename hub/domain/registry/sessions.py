"""Verbs on one's own sessions: which browsers are signed in, and ending what one does not know or need."""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, and_

from hub.db import Read, Transaction
from hub.domain.registry import access, history, store_codes
from hub.domain.registry.callers import Caller, PersonCaller
from hub.domain.registry.model import OpenSession
from hub.domain.registry.tables import session

SESSIONS_MAX = 100


async def list_sessions(read: Read, caller: Caller) -> list[OpenSession]:
    """The caller's own sessions that still open something, the last used one first; systems have none.

    Raises NotAuthenticated for nobody.
    """
    if not isinstance(access.require_known(caller), PersonCaller):
        return []
    person = access.require_person(caller)
    used_after = read.now - access.SESSION_IDLE_MAX
    rows = await store_codes.list_live_sessions(read, person.person_id, used_after, SESSIONS_MAX)
    return [
        OpenSession(
            id=row["id"],
            agency_id=row["agency_id"],
            started_at=row["created_at"],
            last_used_at=row["last_used_at"],
            expires_at=row["expires_at"],
            network=row["network"],
            agent=row["agent"],
            is_current=row["id"] == person.session_id,
        )
        for row in rows
    ]


async def end_session(tx: Transaction, caller: Caller, session_id: uuid.UUID) -> None:
    """One of the caller's own sessions ends at once, the current one too. Raises NotFound for any other."""
    if not await _end(tx, access.require_person(caller), session.c.id == session_id):
        raise access.absent("id")


async def end_other_sessions(tx: Transaction, caller: Caller) -> int:
    """All of the caller's own sessions but the current one end at once; answers how many these were."""
    person = access.require_person(caller)
    return await _end(tx, person, session.c.id != person.session_id)


async def _end(tx: Transaction, person: PersonCaller, which: ColumnElement[bool]) -> int:
    """End those that still open something; of what ran out by itself there is nothing to tell."""
    live = and_(
        session.c.person_id == person.person_id,
        session.c.expires_at > tx.now,
        session.c.last_used_at > tx.now - access.SESSION_IDLE_MAX,
        which,
    )
    ended = await store_codes.revoke_sessions(tx, live)
    tenant_id = person.tenant_id or min(person.operator_of, default=None)
    if tenant_id is not None:
        for session_id in sorted(ended):
            await history.record(tx, person, "SESSION", session_id, "ENDED", tenant_id=tenant_id)
    return len(ended)
