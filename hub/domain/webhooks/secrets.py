"""What deliveries are signed with: made here, shown once, sealed at rest, replaced with an overlap."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterable
from datetime import timedelta

from hub.codes import Code
from hub.db import Read, Transaction
from hub.domain.webhooks import store
from hub.domain.webhooks.model import OVERLAP_MAX, Scheme, Secret
from hub.errors import InvalidInput
from hub.kit.ids import new_id
from hub.means import Means
from hub.signing import HubKey, sealed

SECRET_PURPOSE = "webhooks.secret"  # noqa: S105 - what a seal is for
PAYLOAD_KEY_PURPOSE = "webhooks.payload_key"
PAYLOAD_PURPOSE = "webhooks.payload"
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - the standard's own
PUBLIC_PREFIX = "whpk_"


async def issue(
    tx: Transaction, means: Means, tenant_id: uuid.UUID, webhook_id: uuid.UUID, schemes: Iterable[Scheme]
) -> str | None:
    """Make a secret of each scheme; the text of the HMAC one (``whsec_…``), which nobody can be told again."""
    shown: str | None = None
    for scheme in sorted(schemes):
        secret_id, raw = new_id(), os.urandom(SECRET_BYTES)
        public = HubKey.from_seed(raw).public.raw if scheme is Scheme.ED25519 else None
        envelope = sealed.seal_bytes(means.master_key, SECRET_PURPOSE, raw, owner=secret_id.bytes)
        await store.insert_secret(
            tx,
            {
                "tenant_id": tenant_id,
                "id": secret_id,
                "webhook_id": webhook_id,
                "scheme": scheme.value,
                "sealed": envelope,
                "public_key": public,
                "created_at": tx.now,
                "expires_at": None,
            },
        )
        if scheme is Scheme.HMAC:
            shown = SECRET_PREFIX + base64.b64encode(raw).decode()
    return shown


async def replace(
    tx: Transaction,
    means: Means,
    tenant_id: uuid.UUID,
    webhook_id: uuid.UUID,
    schemes: Iterable[Scheme],
    overlap: timedelta,
) -> str | None:
    """New secrets; the old ones sign beside them for ``overlap``. Raises InvalidInput WEBHOOK_OPTIONS beyond a week."""
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        message = f"an overlap lasts 0 to {int(OVERLAP_MAX.total_seconds())} seconds"
        raise InvalidInput.because(Code.WEBHOOK_OPTIONS, message, "overlapSeconds")
    await store.expire_secrets(tx, tenant_id, webhook_id, tx.now + overlap)
    return await issue(tx, means, tenant_id, webhook_id, schemes)


async def open_secrets(
    read: Read, means: Means, tenant_id: uuid.UUID, webhook_id: uuid.UUID
) -> tuple[Secret, ...]:
    """The secrets that sign now, newest first, in the clear."""
    return tuple(
        Secret(
            Scheme(row["scheme"]),
            sealed.open_bytes(means.master_key, SECRET_PURPOSE, row["sealed"], owner=row["id"].bytes),
        )
        for row in await store.list_signing_secrets(read, tenant_id, webhook_id, read.now)
    )


def public_text(public_key: bytes) -> str:
    """A public key as receivers configure it: ``whpk_…``."""
    return PUBLIC_PREFIX + base64.b64encode(public_key).decode()


def seal_payload(means: Means, delivery_id: uuid.UUID, body: bytes) -> tuple[bytes, bytes]:
    """The sealed payload, and the sealed key that opens it: without the key, the payload is forgotten for good."""
    key, owner = os.urandom(sealed.KEY_BYTES), delivery_id.bytes
    payload = sealed.seal_bytes(key, PAYLOAD_PURPOSE, body, owner=owner)
    return payload, sealed.seal_bytes(means.master_key, PAYLOAD_KEY_PURPOSE, key, owner=owner)


def open_payload(means: Means, delivery_id: uuid.UUID, payload: bytes, payload_key: bytes) -> bytes:
    """The very bytes that were sealed."""
    owner = delivery_id.bytes
    key = sealed.open_bytes(means.master_key, PAYLOAD_KEY_PURPOSE, payload_key, owner=owner)
    return sealed.open_bytes(key, PAYLOAD_PURPOSE, payload, owner=owner)
