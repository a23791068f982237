"""Large batches: the signatures of their items are verified in threads, while the event loop serves others.

libsodium runs without the interpreter's lock, so that the chunks of a batch share the cores. What a thread finds
is written down in the draft; the rules read it there (``checks``), and verify by themselves what nobody has verified.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from hub.domain.fiscal_events import checks
from hub.domain.fiscal_events.drafts import Draft
from hub.domain.fiscal_events.facts import Facts
from hub.signing import PublicKey, SignatureInvalid, verify

# Up to here a thread costs more than it saves.
AT_ONCE_MAX = 8
CHUNKS_MAX = min(4, os.cpu_count() or 1)

Task = tuple[Draft, PublicKey, bytes]


async def verify_ahead(facts: Facts, drafts: Sequence[Draft]) -> None:
    """Verify the items' own signatures off the event loop, when there are more than a few; decides nothing else."""
    tasks = [task for item in drafts if (task := _task(facts, item)) is not None]
    if len(tasks) <= AT_ONCE_MAX:
        return
    chunks = [tasks[i::CHUNKS_MAX] for i in range(CHUNKS_MAX)]
    await asyncio.gather(*(asyncio.to_thread(_verify, chunk) for chunk in chunks))


def _task(facts: Facts, item: Draft) -> Task | None:
    key = facts.keys.get(item.command.signature.key_id)
    if key is None or item.digest is None or item.seal is not None:
        return None
    return item, key.key, checks.statement_of(item, facts)


def _verify(tasks: Sequence[Task]) -> None:
    for item, key, message in tasks:
        try:
            verify(key, message, item.command.signature.e_sign)
        except SignatureInvalid:
            item.holds = False
        else:
            item.holds = True
