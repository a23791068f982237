"""Rows of postings to values, and looking up what the rules need to know."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from hub.db import Read, Transaction
from hub.domain import retention
from hub.domain.fiscal_events import tables
from hub.domain.fiscal_events.model import (
    Balance,
    Line,
    Posting,
    Signature,
    StoredReceipt,
)
from hub.domain.fiscal_events.rules import takes
from hub.domain.fiscal_events.vocabulary import (
    Classification,
    LinkEnd,
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
    relation_problem,
)
from hub.kit.ids import new_id
from hub.signing import Purpose

_posting = tables.posting
_POSTING_FIELDS = Posting.__struct_fields__
POSTING_COLUMNS = [_posting.c[name] for name in _POSTING_FIELDS]
_LINE_FIELDS = Line.__struct_fields__
LINE_COLUMNS = [tables.posting_line.c[name] for name in _LINE_FIELDS]
_ENUMS: dict[str, type[StrEnum]] = {
    "kind": PostingKind,
    "classification": Classification,
    "type": Type,
    "major_type": MajorType,
    "sub_type": SubType,
    "qualifier": Qualifier,
    "reversal_mode": ReversalMode,
    "reversal_reason": ReversalReason,
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What an idempotency key answered with."""

    posting_id: uuid.UUID
    outcome: str


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What is known of a system's keys and references already; both are empty as a rule."""

    keys: dict[str, Answered]
    references: dict[str, uuid.UUID]


def posting_of(row: Any) -> Posting:
    """The value of a row that selects ``POSTING_COLUMNS``."""
    values = {name: getattr(row, name) for name in _POSTING_FIELDS}
    for name, kind in _ENUMS.items():
        if values[name] is not None:
            values[name] = kind(values[name])
    values["warnings"] = tuple(values["warnings"])
    return Posting(**values)


def line_of(row: Any) -> Line:
    """The value of a row that selects ``LINE_COLUMNS``."""
    values = {name: getattr(row, name) for name in _LINE_FIELDS}
    values["tags"] = tuple(values["tags"])
    return Line(**values)


def signature_of(row: Any) -> Signature:
    """The value of a row of ``posting_signature``."""
    values = {name: getattr(row, name) for name in Signature.__struct_fields__}
    values["purpose"] = Purpose(values["purpose"])
    return Signature(**values)


def receipt_of(row: Any) -> StoredReceipt:
    """The value of a row of ``receipt``."""
    return StoredReceipt(**{name: getattr(row, name) for name in StoredReceipt.__struct_fields__})


ON_RECORD = """
SELECT k.idempotency_key AS key, NULL AS reference, k.posting_id, k.outcome FROM posting_key k
WHERE k.tenant_id = $1 AND k.system_id = $2 AND k.idempotency_key = ANY($3::text[])
UNION ALL
SELECT NULL, p.reference_id, p.id, NULL FROM posting p
WHERE p.tenant_id = $1 AND p.sender_id = $2 AND p.reference_id = ANY($4::text[])
"""


async def on_record(
    read: Read,
    tenant_id: uuid.UUID,
    system_id: uuid.UUID,
    *,
    keys: Collection[str],
    references: Collection[str],
) -> OnRecord:
    """What one system's idempotency keys have answered with, and the postings under its own references."""
    found = OnRecord({}, {})
    for row in await read.fetch(ON_RECORD, tenant_id, system_id, list(keys), list(references)):
        if row["key"] is not None:
            found.keys[row["key"]] = Answered(row["posting_id"], row["outcome"])
        else:
            found.references[row["reference"]] = row["posting_id"]
    return found


async def find_postings(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID], where: ColumnElement[bool]
) -> dict[uuid.UUID, Posting]:
    """Postings by id, those that also meet ``where``."""
    if not ids:
        return {}
    rows = await read.rows(
        select(*POSTING_COLUMNS).where(_posting.c.tenant_id == tenant_id, _posting.c.id.in_(ids), where)
    )
    return {row.id: posting_of(row) for row in rows}


async def find_by_reference(
    read: Read,
    tenant_id: uuid.UUID,
    references: Collection[tuple[uuid.UUID, str]],
    where: ColumnElement[bool],
) -> dict[tuple[uuid.UUID, str], Posting]:
    """Postings by sender and the sender's own reference, those that also meet ``where``."""
    if not references:
        return {}
    rows = await read.rows(
        select(*POSTING_COLUMNS).where(
            _posting.c.tenant_id == tenant_id,
            tuple_(_posting.c.sender_id, _posting.c.reference_id).in_(list(references)),
            where,
        )
    )
    return {(row.sender_id, row.reference_id): posting_of(row) for row in rows}


async def ids_by_reference(
    read: Read, tenant_id: uuid.UUID, references: Collection[tuple[uuid.UUID, str]]
) -> dict[tuple[uuid.UUID, str], uuid.UUID]:
    """Ids alone, by sender and reference, whoever may see them: for the check against circles only."""
    if not references:
        return {}
    rows = await read.rows(
        select(_posting.c.sender_id, _posting.c.reference_id, _posting.c.id).where(
            _posting.c.tenant_id == tenant_id,
            tuple_(_posting.c.sender_id, _posting.c.reference_id).in_(list(references)),
        )
    )
    return {(row.sender_id, row.reference_id): row.id for row in rows}


async def find_receipts(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, StoredReceipt]:
    """The hub's receipts of these postings."""
    if not ids:
        return {}
    t = tables.receipt
    rows = await read.rows(select(t).where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids)))
    return {row.posting_id: receipt_of(row) for row in rows}


async def lines_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Line]]:
    """All lines of these postings, by line number."""
    found: dict[uuid.UUID, list[Line]] = {}
    if ids:
        t = tables.posting_line
        rows = await read.rows(
            select(*LINE_COLUMNS)
            .where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids))
            .order_by(t.c.posting_id, t.c.line_no)
        )
        for row in rows:
            found.setdefault(row.posting_id, []).append(line_of(row))
    return found


async def balances_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, dict[int, Balance]]:
    """What was reversed of each line; postings never reversed have no entry."""
    found: dict[uuid.UUID, dict[int, Balance]] = {}
    if ids:
        t = tables.line_balance
        rows = await read.rows(
            select(t.c.posting_id, t.c.line_no, t.c.amount, t.c.reversed).where(
                t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids)
            )
        )
        for row in rows:
            found.setdefault(row.posting_id, {})[row.line_no] = Balance(
                row.posting_id, row.line_no, row.amount, row.reversed
            )
    return found


def children_of(tenant_id: uuid.UUID, parents: Sequence[Posting]) -> sa.Subquery:
    """(parent_id, relation, child_id) of every link that names one of these postings, by id or reference."""
    link = tables.posting_link
    parent = _posting.alias("parent")
    by_id = select(link.c.parent_id.label("parent_id"), link.c.relation, link.c.posting_id).where(
        link.c.tenant_id == tenant_id, link.c.parent_id.in_([p.id for p in parents])
    )
    by_reference = (
        select(parent.c.id.label("parent_id"), link.c.relation, link.c.posting_id)
        .select_from(
            link.join(
                parent,
                and_(
                    parent.c.tenant_id == link.c.tenant_id,
                    parent.c.sender_id == link.c.parent_system_id,
                    parent.c.reference_id == link.c.parent_reference,
                ),
            )
        )
        .where(
            link.c.tenant_id == tenant_id,
            tuple_(link.c.parent_system_id, link.c.parent_reference).in_(
                [(p.sender_id, p.reference_id) for p in parents]
            ),
        )
    )
    return sa.union(by_id, by_reference).subquery("children")


async def drawn_on(
    read: Read, tenant_id: uuid.UUID, parents: Sequence[Posting]
) -> dict[tuple[uuid.UUID, Relation], Decimal]:
    """How much the children of each relation take of each parent, net of the children's own reversals.

    A link by reference may turn out to stand where its relation is not allowed; it takes nothing then.
    """
    if not parents:
        return {}
    children = children_of(tenant_id, parents)
    child, back = _posting.alias("child"), _posting.alias("back")
    taken_back = (
        select(func.coalesce(func.sum(back.c.total_amount), 0))
        .where(back.c.tenant_id == tenant_id, back.c.reverses_id == child.c.id)
        .scalar_subquery()
    )
    ends = (child.c.type, child.c.sub_type, child.c.kind)
    rows = await read.rows(
        select(children.c.parent_id, children.c.relation, *ends, func.sum(child.c.total_amount + taken_back))
        .select_from(
            children.join(child, and_(child.c.tenant_id == tenant_id, child.c.id == children.c.posting_id))
        )
        .where(child.c.reverses_id.is_(None))
        .group_by(children.c.parent_id, children.c.relation, *ends)
    )
    parent_ends = {p.id: LinkEnd(type=p.type, sub_type=p.sub_type, kind=p.kind) for p in parents}
    drawn: dict[tuple[uuid.UUID, Relation], Decimal] = {}
    for row in rows:
        parent_id, relation, type_, sub_type, kind, amount = tuple(row)
        end = LinkEnd(type=Type(type_), sub_type=SubType(sub_type), kind=PostingKind(kind))
        counts = takes(Relation(relation), end.sub_type)
        if counts and relation_problem(Relation(relation), end, parent_ends[parent_id]) is None:
            key = (parent_id, Relation(relation))
            drawn[key] = drawn.get(key, Decimal(0)) + amount
    return drawn


async def parents_of(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, set[tuple[uuid.UUID, Relation]]]:
    """For each posting the parents its links resolve to, by id or by reference, with the relation."""
    found: dict[uuid.UUID, set[tuple[uuid.UUID, Relation]]] = {}
    if ids:
        link = tables.posting_link
        parent = _posting.alias("parent")
        by_reference = and_(
            parent.c.tenant_id == link.c.tenant_id,
            parent.c.sender_id == link.c.parent_system_id,
            parent.c.reference_id == link.c.parent_reference,
        )
        parent_id = func.coalesce(link.c.parent_id, parent.c.id).label("parent_id")
        rows = await read.rows(
            select(link.c.posting_id, parent_id, link.c.relation)
            .select_from(link.outerjoin(parent, by_reference))
            .where(link.c.tenant_id == tenant_id, link.c.posting_id.in_(ids), parent_id.is_not(None))
        )
        for row in rows:
            found.setdefault(row.posting_id, set()).add((row.parent_id, Relation(row.relation)))
    return found


async def reversed_in_full(read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these postings that a FULL reversal has taken back."""
    if not ids:
        return set()
    rows = await read.rows(
        select(_posting.c.reverses_id).where(
            _posting.c.tenant_id == tenant_id,
            _posting.c.reverses_id.in_(ids),
            _posting.c.reversal_mode == ReversalMode.FULL.value,
        )
    )
    return {row.reverses_id for row in rows}


async def pending_ancestors(
    read: Read, tenant_id: uuid.UUID, starts: Collection[uuid.UUID]
) -> dict[uuid.UUID, set[tuple[uuid.UUID, str]]]:
    """For each start, the (sender, reference) pairs not yet posted that it or any of its ancestors wait for."""
    if not starts:
        return {}
    statement = sa.text(
        """
        WITH RECURSIVE up(start, id) AS (
            SELECT s, s FROM unnest(CAST(:starts AS uuid[])) s
            UNION
            SELECT up.start, COALESCE(l.parent_id, p.id)
            FROM up
            JOIN posting_link l ON l.tenant_id = :tenant AND l.posting_id = up.id
            LEFT JOIN posting p ON p.tenant_id = l.tenant_id
                AND p.sender_id = l.parent_system_id AND p.reference_id = l.parent_reference
            WHERE COALESCE(l.parent_id, p.id) IS NOT NULL
        )
        SELECT DISTINCT up.start, l.parent_system_id, l.parent_reference
        FROM up JOIN posting_link l ON l.tenant_id = :tenant AND l.posting_id = up.id
        LEFT JOIN posting p ON p.tenant_id = l.tenant_id
            AND p.sender_id = l.parent_system_id AND p.reference_id = l.parent_reference
        WHERE l.parent_reference IS NOT NULL AND p.id IS NULL
        """
    )
    found: dict[uuid.UUID, set[tuple[uuid.UUID, str]]] = {}
    for row in await read.rows(statement, {"starts": list(starts), "tenant": tenant_id}):
        found.setdefault(row.start, set()).add((row.parent_system_id, row.parent_reference))
    return found


async def find_documents(
    read: Read, tenant_id: uuid.UUID, system_id: uuid.UUID, digests: Collection[bytes]
) -> dict[bytes, tuple[str, int]]:
    """Media type and size of the documents this system has uploaded, by digest; erased ones are not there."""
    if not digests:
        return {}
    t = tables.document
    rows = await read.rows(
        select(t.c.sha256, t.c.media_type, t.c.size_bytes).where(
            t.c.tenant_id == tenant_id, t.c.system_id == system_id, t.c.sha256.in_(digests)
        )
    )
    found = {row.sha256: (row.media_type, row.size_bytes) for row in rows}
    keys = await retention.find_keys(read, tenant_id, [system_id], [each.hex() for each in found])
    return {sha256: each for sha256, each in found.items() if (system_id, sha256.hex()) in keys}


async def insert_rows(tx: Transaction, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert many rows by one statement; none is none."""
    if rows:
        await tx.execute(sa.insert(table), rows)


def row_of(value: Struct) -> dict[str, Any]:
    """A value as a row of its table."""
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


async def note_inbox(tx: Transaction, changes: Sequence[dict[str, Any]]) -> None:
    """Write what happened to inbox entries into their history."""
    await insert_rows(
        tx, tables.inbox_history, [{**change, "id": new_id(), "at": tx.now} for change in changes]
    )


async def receiver_names(
    read: Read, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, set[str]]:
    """The unique ids of the systems each posting is addressed to."""
    found: dict[uuid.UUID, set[str]] = {}
    if ids:
        t = tables.posting_receiver
        rows = await read.rows(
            select(t.c.posting_id, t.c.system).where(t.c.tenant_id == tenant_id, t.c.posting_id.in_(ids))
        )
        for row in rows:
            found.setdefault(row.posting_id, set()).add(row.system)
    return found


async def insert_signature(tx: Transaction, tenant_id: uuid.UUID, signature: Signature) -> bool:
    """Store an added signature; False when the system has signed for this purpose already."""
    t = tables.posting_signature
    stored = await tx.rows(
        insert(t)
        .values({"tenant_id": tenant_id, **row_of(signature)})
        .on_conflict_do_nothing(constraint="uq_posting_signature_purpose")
        .returning(t.c.id)
    )
    return stored.first() is not None
