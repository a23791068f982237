"""Rows of second factors and their recovery codes."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.db import Read, Transaction
from hub.domain.registry.tables import recovery_code, second_factor, session


async def begin(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Write a factor that is not enrolled yet, in place of another such one; False when one is enrolled."""
    changed = {name: value for name, value in values.items() if name != "person_id"}
    statement = (
        upsert(second_factor)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["person_id"], set_=changed, where=second_factor.c.enrolled_at.is_(None)
        )
        .returning(second_factor.c.person_id)
    )
    return await tx.scalar(statement) is not None


async def find(read: Read, person_id: uuid.UUID, *, lock: bool = False) -> RowMapping | None:
    """A person's factor, enrolled or not; with ``lock`` tries queue up behind each other."""
    query = select(second_factor).where(second_factor.c.person_id == person_id)
    if lock:
        query = query.with_for_update()
    return (await read.rows(query)).mappings().one_or_none()


async def change(tx: Transaction, person_id: uuid.UUID, **values: Any) -> None:
    """Change a factor whose row is held."""
    await tx.execute(update(second_factor).where(second_factor.c.person_id == person_id).values(**values))


async def remove(tx: Transaction, person_id: uuid.UUID) -> bool:
    """Delete a person's factor with its recovery codes; False when there was none that was enrolled."""
    await tx.execute(delete(recovery_code).where(recovery_code.c.person_id == person_id))
    gone = delete(second_factor).where(second_factor.c.person_id == person_id)
    return await tx.scalar(gone.returning(second_factor.c.enrolled_at)) is not None


async def replace_codes(tx: Transaction, person_id: uuid.UUID, hashes: Collection[bytes]) -> None:
    """These recovery codes in place of all others."""
    await tx.execute(delete(recovery_code).where(recovery_code.c.person_id == person_id))
    rows = [{"person_id": person_id, "code_hash": each, "used_at": None} for each in hashes]
    await tx.execute(insert(recovery_code), rows)


async def spend_code(tx: Transaction, person_id: uuid.UUID, code_hash: bytes) -> bool:
    """Use a recovery code up; False when there is no such unused one."""
    statement = (
        update(recovery_code)
        .where(
            recovery_code.c.person_id == person_id,
            recovery_code.c.code_hash == code_hash,
            recovery_code.c.used_at.is_(None),
        )
        .values(used_at=tx.now)
        .returning(recovery_code.c.person_id)
    )
    return await tx.scalar(statement) is not None


async def count_codes(read: Read, person_id: uuid.UUID) -> int:
    """How many recovery codes are left."""
    query = (
        select(func.count())
        .select_from(recovery_code)
        .where(recovery_code.c.person_id == person_id, recovery_code.c.used_at.is_(None))
    )
    found: int = await read.scalar(query)
    return found


async def note_proof(tx: Transaction, session_id: uuid.UUID) -> None:
    """The second factor was shown in this session now."""
    await tx.execute(update(session).where(session.c.id == session_id).values(factor_at=tx.now))
