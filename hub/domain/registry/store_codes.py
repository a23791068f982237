"""Rows of one-time codes and sessions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.db import Read, Transaction
from hub.domain.registry.tables import (
    agency,
    code_allowance,
    membership,
    one_time_code,
    second_factor,
    session,
)


async def take_allowance(tx: Transaction, account_hash: bytes, asked_before: datetime) -> bool:
    """Note that an account asks for a code now, unless it did after ``asked_before``; holds the account's row."""
    statement = (
        upsert(code_allowance)
        .values(account_hash=account_hash, last_at=tx.now)
        .on_conflict_do_update(
            index_elements=["account_hash"],
            set_={"last_at": tx.now},
            where=code_allowance.c.last_at <= asked_before,
        )
        .returning(code_allowance.c.account_hash)
    )
    return await tx.scalar(statement) is not None


async def count_codes(read: Read, account_hash: bytes, since: datetime) -> int:
    """How many codes an account asked for after an instant."""
    found: int = await read.scalar(
        select(func.count())
        .select_from(one_time_code)
        .where(one_time_code.c.account_hash == account_hash, one_time_code.c.created_at > since)
    )
    return found


async def insert_code(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write a one-time code."""
    await tx.execute(insert(one_time_code).values(**values))


async def find_code(read: Read, account_hash: bytes, browser_hash: bytes | None = None) -> RowMapping | None:
    """An account's latest code, of one browser or of any."""
    query = (
        select(one_time_code)
        .where(one_time_code.c.account_hash == account_hash)
        .order_by(one_time_code.c.created_at.desc(), one_time_code.c.id.desc())
        .limit(1)
    )
    if browser_hash is not None:
        query = query.where(one_time_code.c.browser_hash == browser_hash)
    return (await read.rows(query)).mappings().one_or_none()


async def find_code_by_id(read: Read, code_id: uuid.UUID) -> RowMapping | None:
    """One code for the job that mails it."""
    query = select(one_time_code).where(one_time_code.c.id == code_id)
    return (await read.rows(query)).mappings().one_or_none()


async def count_try(tx: Transaction, code_id: uuid.UUID, tries_max: int) -> bool:
    """Count one try if any is left; holds the code's row, so that tries queue up behind each other."""
    statement = (
        update(one_time_code)
        .where(
            one_time_code.c.id == code_id,
            one_time_code.c.used_at.is_(None),
            one_time_code.c.tries < tries_max,
            one_time_code.c.expires_at >= tx.now,
        )
        .values(tries=one_time_code.c.tries + 1)
        .returning(one_time_code.c.id)
    )
    return await tx.scalar(statement) is not None


async def spend_code(tx: Transaction, code_id: uuid.UUID) -> None:
    """Mark a code as used; the caller holds its row."""
    await tx.execute(update(one_time_code).where(one_time_code.c.id == code_id).values(used_at=tx.now))


async def forget_codes(tx: Transaction, before: datetime) -> int:
    """Delete codes and allowances that no limit counts any more."""
    await tx.execute(delete(code_allowance).where(code_allowance.c.last_at < before))
    gone = await tx.execute(delete(one_time_code).where(one_time_code.c.created_at < before))
    return gone.rowcount


# Sessions


async def insert_session(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Write a session."""
    await tx.execute(insert(session).values(**values))


async def find_live_session(read: Read, which: bytes | uuid.UUID, used_after: datetime) -> RowMapping | None:
    """A session that is neither revoked, expired nor idle for too long, with the roles it carries now.

    ``which`` is the hash of its token, or its id.
    """
    named = session.c.id == which if isinstance(which, uuid.UUID) else session.c.token_hash == which
    query = (
        select(
            session,
            membership.c.roles,
            membership.c.status.label("member_status"),
            agency.c.state,
            second_factor.c.enrolled_at,
        )
        .join_from(
            session,
            membership,
            and_(
                membership.c.tenant_id == session.c.tenant_id,
                membership.c.agency_id == session.c.agency_id,
                membership.c.person_id == session.c.person_id,
            ),
            isouter=True,
        )
        .join(
            agency,
            and_(agency.c.tenant_id == session.c.tenant_id, agency.c.id == session.c.agency_id),
            isouter=True,
        )
        .join(second_factor, second_factor.c.person_id == session.c.person_id, isouter=True)
        .where(
            named,
            session.c.revoked_at.is_(None),
            session.c.expires_at > read.now,
            session.c.last_used_at > used_after,
        )
    )
    return (await read.rows(query)).mappings().one_or_none()


async def list_live_sessions(
    read: Read, person_id: uuid.UUID, used_after: datetime, limit: int
) -> list[RowMapping]:
    """A person's sessions that are neither revoked, expired nor idle for too long, the last used one first."""
    query = (
        select(session)
        .where(
            session.c.person_id == person_id,
            session.c.revoked_at.is_(None),
            session.c.expires_at > read.now,
            session.c.last_used_at > used_after,
        )
        .order_by(session.c.last_used_at.desc(), session.c.id.desc())
        .limit(limit)
    )
    return list((await read.rows(query)).mappings())


async def revoke_sessions(tx: Transaction, where: ColumnElement[bool]) -> list[uuid.UUID]:
    """End sessions; answers those that were still running."""
    statement = (
        update(session)
        .where(where, session.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
        .returning(session.c.id)
    )
    return list((await tx.rows(statement)).scalars())


async def touch_sessions(tx: Transaction, used: Mapping[uuid.UUID, datetime]) -> None:
    """Note when sessions were last used; never backwards, and in one order."""
    if not used:
        return
    statement = update(session).where(
        session.c.id == bindparam("session_id"), session.c.last_used_at < bindparam("used_at")
    )
    rows = [{"session_id": session_id, "used_at": used[session_id]} for session_id in sorted(used)]
    await tx.execute(statement.values(last_used_at=bindparam("used_at")), rows)


async def forget_sessions(tx: Transaction, before: datetime) -> int:
    """Delete sessions that ended before an instant."""
    ended = or_(session.c.expires_at < before, session.c.revoked_at < before)
    return (await tx.execute(delete(session).where(ended))).rowcount
