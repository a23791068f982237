"""Personal values in postings: in clear for sender and receivers, masked for other readers (spec 6, S-20).

The signed bytes hold the values too, so other readers do not get the bytes: they check signatures and receipt
by the digest alone. A search by a personal value finds only what the caller sees in clear, or it would tell.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Text, cast, exists, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from hub.db import Read
from hub.domain.fiscal_events import access, tables
from hub.domain.fiscal_events.catalogue import masked_keys, masked_values
from hub.domain.fiscal_events.model import AttachmentKind, StoredAttachment
from hub.domain.registry import Caller

__all__ = ["holds_personal", "masked_value", "masked_values", "withheld"]

_posting, _line, _attachment = tables.posting, tables.posting_line, tables.posting_attachment


def holds_personal(values: Mapping[str, Any]) -> bool:
    """Whether any of these attributes is personal."""
    return not masked_keys().isdisjoint(values)


def masked_value(stored: StoredAttachment) -> str | None:
    """An attachment's value as others see it; a key that the catalogue calls personal hides it."""
    attachment = stored.attachment
    if attachment.kind is not AttachmentKind.KEY_VALUE or attachment.key is None or attachment.value is None:
        return attachment.value
    return str(masked_values({attachment.key: attachment.value})[attachment.key])


async def withheld(
    read: Read, caller: Caller, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, bool]:
    """Those of the postings that hold personal values this caller does not see in clear."""
    keys = cast(sorted(masked_keys()), ARRAY(Text))
    personal = or_(
        _posting.c.attributes.has_any(keys),
        exists().where(
            _line.c.tenant_id == _posting.c.tenant_id,
            _line.c.posting_id == _posting.c.id,
            _line.c.attributes.has_any(keys),
        ),
        exists().where(
            _attachment.c.tenant_id == _posting.c.tenant_id,
            _attachment.c.posting_id == _posting.c.id,
            _attachment.c.key.in_(masked_keys()),
        ),
    )
    rows = await read.rows(
        select(_posting.c.id).where(
            _posting.c.tenant_id == tenant_id, _posting.c.id.in_(ids), ~access.is_party(caller), personal
        )
    )
    return dict.fromkeys(rows.scalars(), True)
