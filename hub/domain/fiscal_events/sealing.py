"""The hub's receipts: its own word that it took bytes in, at an instant, under an id; many are signed in threads.

libsodium runs without the interpreter's lock, so that a large batch's receipts are signed while the database stores
the postings they speak of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hub.domain.fiscal_events.model import Package, StoredReceipt
from hub.domain.fiscal_events.verifying import AT_ONCE_MAX, CHUNKS_MAX
from hub.means import Means
from hub.signing import HubKey


async def issue(means: Means, packages: Sequence[Package]) -> list[StoredReceipt]:
    """The receipt of each package, in order."""
    key, messages = means.signing_key, [package.receipt for package in packages]
    if len(messages) <= AT_ONCE_MAX:
        signatures = _sign(key, messages)
    else:
        signatures = [b""] * len(messages)
        chunks = [messages[i::CHUNKS_MAX] for i in range(CHUNKS_MAX)]
        signed = await asyncio.gather(*(asyncio.to_thread(_sign, key, chunk) for chunk in chunks))
        for i, chunk in enumerate(signed):
            signatures[i::CHUNKS_MAX] = chunk
    return [
        StoredReceipt(
            package.posting.id, package.posting.posted_at, key.key_id, package.receipt, signature=signature
        )
        for package, signature in zip(packages, signatures, strict=True)
    ]


def _sign(key: HubKey, messages: Sequence[bytes]) -> list[bytes]:
    return [key.sign(message) for message in messages]
