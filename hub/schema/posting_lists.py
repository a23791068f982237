"""The lists beside postings, loaded once per batch and request: each batch is one short read."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader

from hub.context import Info
from hub.db import Read
from hub.domain import fiscal_events
from hub.domain.fiscal_events.inbox import Delivery
from hub.domain.fiscal_events.model import (
    Line,
    Posting,
    Receiver,
    Signature,
    StoredAttachment,
    StoredLink,
    StoredReceipt,
)
from hub.domain.fiscal_events.reading import TakenBack
from hub.schema.scalars import Attributes

T = TypeVar("T")


def _loader(
    info: Info,
    name: str,
    fetch: Callable[[Read, uuid.UUID, list[uuid.UUID]], Awaitable[dict[uuid.UUID, T]]],
    default: Callable[[], T],
) -> DataLoader[tuple[uuid.UUID, uuid.UUID], T]:
    """One loader per list and request; keys are (tenant, posting)."""

    async def load(keys: list[tuple[uuid.UUID, uuid.UUID]]) -> Sequence[T]:
        found: dict[uuid.UUID, T] = {}
        async with info.context.db.read() as read:
            for tenant_id in {key[0] for key in keys}:
                ids = [key[1] for key in keys if key[0] == tenant_id]
                found.update(await fetch(read, tenant_id, ids))
        return [found[key[1]] if key[1] in found else default() for key in keys]

    loaders = info.context.loaders
    if name not in loaders:
        loaders[name] = DataLoader(load_fn=load)
    loader: DataLoader[tuple[uuid.UUID, uuid.UUID], T] = loaders[name]
    return loader


async def _get(
    info: Info,
    name: str,
    fetch: Callable[[Read, uuid.UUID, list[uuid.UUID]], Awaitable[dict[uuid.UUID, T]]],
    default: Callable[[], T],
    row: Posting,
) -> T:
    found: T = await _loader(info, name, fetch, default).load((row.tenant_id, row.id))
    return found


async def lines(info: Info, row: Posting) -> list[Line]:
    """Line items, by number."""
    return await _get(info, "lines", fiscal_events.lines_of, list, row)


async def receivers(info: Info, row: Posting) -> list[Receiver]:
    """Addressees, in order."""
    return await _get(info, "receivers", fiscal_events.receivers_of, list, row)


async def signatures(info: Info, row: Posting) -> list[Signature]:
    """Signatures, oldest first."""
    return await _get(info, "signatures", fiscal_events.signatures_of, list, row)


async def attachments(info: Info, row: Posting) -> list[StoredAttachment]:
    """Attachments, in order."""
    return await _get(info, "attachments", fiscal_events.attachments_of, list, row)


async def receipt(info: Info, row: Posting) -> StoredReceipt:
    """The hub's receipt; every posting has one."""

    def missing() -> StoredReceipt:
        raise LookupError("a posting without a receipt")

    return await _get(info, "receipt", fiscal_events.receipts_of, missing, row)


async def taken_back(info: Info, row: Posting) -> TakenBack | None:
    """What reversals took, or None when there are none."""

    def nothing() -> TakenBack | None:
        return None

    async def fetch(read: Read, tenant: uuid.UUID, ids: list[uuid.UUID]) -> dict[uuid.UUID, TakenBack | None]:
        return {**await fiscal_events.taken_back(read, tenant, ids)}

    return await _get(info, "taken_back", fetch, nothing, row)


async def reversed_total(info: Info, row: Posting) -> Decimal:
    """What was taken back so far, at the scale of the posting's own total."""
    back = await taken_back(info, row)
    return back.amount if back is not None and back.amount else row.total_amount - row.total_amount


async def is_withheld(info: Info, row: Posting) -> bool:
    """Whether the posting holds personal values that the caller does not see in clear."""
    caller = info.context.caller

    async def fetch(read: Read, tenant: uuid.UUID, ids: list[uuid.UUID]) -> dict[uuid.UUID, bool]:
        return await fiscal_events.withheld(read, caller, tenant, ids)

    return await _get(info, "withheld", fetch, bool, row)


async def is_masked(info: Info, row: Posting, *shown: Mapping[str, Any]) -> bool:
    """The same, asked only where one of the values about to be shown is personal."""
    return any(fiscal_events.holds_personal(values) for values in shown) and await is_withheld(info, row)


def attributes(values: Mapping[str, Any], *, is_masked: bool) -> Attributes:
    """Attributes as the caller may see them."""
    return Attributes(fiscal_events.masked_values(values) if is_masked else values)


async def links(info: Info, row: Posting) -> list[StoredLink]:
    """Links as the caller may see them resolved."""
    caller = info.context.caller

    async def fetch(read: Read, tenant: uuid.UUID, ids: list[uuid.UUID]) -> dict[uuid.UUID, list[StoredLink]]:
        return await fiscal_events.links_of(read, caller, tenant, ids)

    return await _get(info, "links", fetch, list, row)


async def reversals(info: Info, row: Posting) -> list[Posting]:
    """Reversals the caller may see."""
    caller = info.context.caller

    async def fetch(read: Read, tenant: uuid.UUID, ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Posting]]:
        return await fiscal_events.reversals_of(read, caller, tenant, ids)

    return await _get(info, "reversals", fetch, list, row)


async def deliveries(info: Info, row: Posting) -> list[Delivery]:
    """All entries for the sender, the own one for a receiver."""
    caller = info.context.caller

    async def fetch(read: Read, tenant: uuid.UUID, ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Delivery]]:
        return await fiscal_events.deliveries_of(read, caller, tenant, ids)

    return await _get(info, "deliveries", fetch, list, row)
