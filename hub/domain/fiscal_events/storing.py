"""Storing what was accepted: locks, balances, and whole packages; all of it or none."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import asyncpg
import sqlalchemy as sa
from msgspec import structs

from hub.db import Transaction
from hub.domain.fiscal_events import columns, copying, store, tables
from hub.domain.fiscal_events.model import Package, StoredReceipt
from hub.domain.fiscal_events.vocabulary import PostingKind

# From here on COPY costs less than one statement for all tables (docs/decisions/0011).
COPY_FROM = 16


class Raced(Exception):
    """Another transaction stored the same key or reference in between: look again."""


async def lock(tx: Transaction, names: Iterable[str]) -> bool:
    """Take the advisory locks of these names until the commit, always in the same order; False: none to take.

    Facts cannot be locked as rows: the application's role has no UPDATE on them. Lock order: by name.
    """
    ordered = sorted(set(names))
    if not ordered:
        return False
    await tx.execute(
        sa.text(
            "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) "
            "FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS n(name, i) ORDER BY i"
        ),
        {"names": ordered},
    )
    return True


async def insert_packages(
    tx: Transaction,
    packages: Sequence[Package],
    bindings: Sequence[Mapping[str, Any]],
    receipts: Awaitable[Sequence[StoredReceipt]],
) -> None:
    """Store accepted postings with all their lists, and bind keys (of these and ``bindings``) for ever.

    ``receipts``: one per package, in order; asked for as late as possible, as they are signed meanwhile.

    Raises Raced when a key or reference was taken in between. References, then keys, each in order: two
    batches that overlap wait for each other in one direction alone.
    """
    ordered = sorted(packages, key=lambda p: (p.posting.reference_id, p.posting.sender_id))
    keys = [*bindings, *map(_binding, packages)]
    keys.sort(key=lambda row: (row["idempotency_key"], row["system_id"]))
    if len(ordered) >= COPY_FROM:
        await _copy(tx, ordered, keys, receipts)
    elif ordered:
        issued = _issued(packages, await receipts)
        (stored,) = await tx.fetch(columns.INSERT_WHOLE, *columns.whole_columns(ordered, keys, issued))
        if stored["postings"] != len(packages) or stored["keys"] != len(keys):
            raise Raced
    elif keys:
        (stored,) = await tx.fetch(columns.INSERT_KEYS, *columns.key_columns(keys))
        if stored["keys"] != len(keys):
            raise Raced
    await store.insert_rows(tx, tables.posting_receiver, _listed(packages, lambda p: p.receivers))
    await store.insert_rows(tx, tables.posting_link, [row for p in packages for row in _link_rows(p)])
    await store.insert_rows(
        tx, tables.posting_attachment, [row for p in packages for row in _attachment_rows(p)]
    )
    await _deliver(tx, [p for p in packages if p.posting.kind is PostingKind.MESSAGE])


async def _copy(
    tx: Transaction,
    packages: Sequence[Package],
    keys: Sequence[Mapping[str, Any]],
    receipts: Awaitable[Sequence[StoredReceipt]],
) -> None:
    """Postings, keys, and their lists by COPY; raises Raced."""
    try:
        for each in copying.postings_and_keys(packages, keys):
            await tx.copy(*each)
    except asyncpg.UniqueViolationError:
        raise Raced from None
    lists = copying.Lists(packages)
    await tx.copy(*lists.lines())
    await tx.copy(*lists.signatures())
    await tx.copy(*lists.receipts(await receipts))


def _issued(packages: Sequence[Package], receipts: Sequence[StoredReceipt]) -> list[columns.Issued]:
    return [(package.posting.tenant_id, receipt) for package, receipt in zip(packages, receipts, strict=True)]


def _listed(packages: Sequence[Package], pick: Callable[[Package], Iterable[Any]]) -> list[dict[str, Any]]:
    return [{"tenant_id": p.posting.tenant_id, **store.row_of(value)} for p in packages for value in pick(p)]


def _binding(package: Package) -> dict[str, Any]:
    return {
        "tenant_id": package.posting.tenant_id,
        "system_id": package.posting.sender_id,
        "idempotency_key": package.idempotency_key,
        "posting_id": package.posting.id,
        "content_digest": package.posting.content_digest,
        "outcome": "ACCEPTED",
    }


async def take_back(
    tx: Transaction, tenant_id: uuid.UUID, parts: Mapping[tuple[uuid.UUID, int], Decimal]
) -> None:
    """Book what reversals take: posting and line number to the amount, in the original's sign.

    The update is conditional and the table has a CHECK: never read, subtract, write. Raises Raced when a
    line has less left; the savepoint around then undoes the rest.
    """
    if not parts:
        return
    ordered = sorted(parts)
    await tx.execute(
        sa.text(
            "INSERT INTO line_balance (tenant_id, posting_id, line_no, amount, reversed) "
            "SELECT tenant_id, posting_id, line_no, amount, 0 FROM posting_line "
            "WHERE tenant_id = :tenant AND posting_id = ANY(CAST(:postings AS uuid[])) "
            "ORDER BY posting_id, line_no ON CONFLICT DO NOTHING"
        ),
        {"tenant": tenant_id, "postings": sorted({posting_id for posting_id, _ in ordered})},
    )
    booked = await tx.execute(
        sa.text(
            "UPDATE line_balance b SET reversed = b.reversed + p.part "
            "FROM unnest(CAST(:postings AS uuid[]), CAST(:lines AS int[]), CAST(:parts AS numeric[])) "
            "AS p(posting_id, line_no, part) "
            "WHERE b.tenant_id = :tenant AND b.posting_id = p.posting_id AND b.line_no = p.line_no "
            "AND abs(b.reversed + p.part) <= abs(b.amount) "
            "AND (b.reversed + p.part = 0 OR sign(b.reversed + p.part) = sign(b.amount))"
        ),
        {
            "tenant": tenant_id,
            "postings": [posting_id for posting_id, _ in ordered],
            "lines": [line_no for _, line_no in ordered],
            "parts": [parts[key] for key in ordered],
        },
    )
    if booked.rowcount != len(ordered):
        raise Raced


def _link_rows(package: Package) -> list[dict[str, Any]]:
    return [
        {
            "tenant_id": package.posting.tenant_id,
            "posting_id": package.posting.id,
            "ordinal": ordinal,
            "relation": link.relation.value,
            "parent_id": link.posting_id,
            "parent_system_id": system_id,
            "parent_system": link.system,
            "parent_reference": link.reference_id,
        }
        for ordinal, (link, system_id) in enumerate(package.links, 1)
    ]


def _attachment_rows(package: Package) -> list[dict[str, Any]]:
    return [
        {
            "tenant_id": package.posting.tenant_id,
            "posting_id": package.posting.id,
            "ordinal": ordinal,
            **structs.asdict(attachment),
            "kind": attachment.kind.value,
            "sha256": bytes.fromhex(attachment.sha256) if attachment.sha256 else None,
        }
        for ordinal, attachment in enumerate(package.attachments, 1)
    ]


async def _deliver(tx: Transaction, messages: Sequence[Package]) -> None:
    """One unread inbox entry per receiver, with its first history row."""
    entries = [
        {"tenant_id": p.posting.tenant_id, "system_id": r.system_id, "posting_id": p.posting.id}
        for p in messages
        for r in p.receivers
    ]
    await store.insert_rows(tx, tables.inbox_entry, [{**entry, "delivered_at": tx.now} for entry in entries])
    await store.note_inbox(tx, [{**entry, "change": "DELIVERED", "key_id": None} for entry in entries])
