"""Replacing the vault's key: data keys that the previous one wraps are wrapped anew, a few hundred at a time."""

from __future__ import annotations

import asyncio

import structlog

from hub.db import Database
from hub.domain import retention
from hub.means import Means

log = structlog.get_logger(__name__)

BATCH_MAX = 500
LOOK_SECONDS = 300.0


async def rewrap(db: Database, means: Means) -> None:
    """Look now and every five minutes, for ever; without a previous key there is nothing to do."""
    while True:
        if means.vault_key_previous is not None:
            count = await rewrap_all(db, means)
            log.info("vault_keys_wrapped_anew", count=count)
        await asyncio.sleep(LOOK_SECONDS)


async def rewrap_all(db: Database, means: Means) -> int:
    """Wrap all of them by the present key; how many that were."""
    total = 0
    while True:
        async with db.transaction() as tx:
            count = await retention.rewrap(tx, means, BATCH_MAX)
        total += count
        if count < BATCH_MAX:
            return total
