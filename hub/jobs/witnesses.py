"""Sending checkpoints to witnesses: a task for each, so that a slow one delays neither the log nor the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from hub.db import Database
from hub.domain import transparency
from hub.domain.transparency import Said, Witness, WitnessDesk
from hub.signing import NoteRefused

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
PAUSE_SECONDS_MAX = 60.0


async def follow(db: Database, desk: WitnessDesk, witnesses: Sequence[Witness]) -> None:
    """Keep every witness up to date, for ever; nothing else waits for it."""
    if not witnesses:
        await asyncio.Event().wait()
    await asyncio.gather(*(_follow(db, desk, witness) for witness in witnesses))


async def _follow(db: Database, desk: WitnessDesk, witness: Witness) -> None:
    pause = LOOK_SECONDS
    while True:
        is_well = await submit(db, desk, witness)
        pause = LOOK_SECONDS if is_well else min(pause * 2, PAUSE_SECONDS_MAX)
        await asyncio.sleep(pause)


async def submit(db: Database, desk: WitnessDesk, witness: Witness) -> bool:
    """Send the last checkpoint unless this witness has cosigned it; False when it could not be had.

    No transaction is open while the witness thinks. One that remembers another size is asked once more from there.
    """
    async with db.read() as read:
        submission = await transparency.next_submission(read, witness)
    if submission is None:
        return True
    reply = await desk.add_checkpoint(witness, submission)
    if reply.said is Said.OTHER_SIZE:
        async with db.read() as read:
            submission = await transparency.next_submission(read, witness, reply.size)
        if submission is None:
            log.error("witness_knows_more", witness=witness.key.name, size=reply.size)
            return False
        reply = await desk.add_checkpoint(witness, submission)
    if reply.said is not Said.COSIGNED:
        log.warning("witness_refused", witness=witness.key.name, said=reply.said.value, reason=reply.reason)
        return False
    try:
        async with db.transaction() as tx:
            await transparency.take_cosignature(tx, witness, submission.checkpoint, reply.lines)
    except NoteRefused as refused:
        log.error("witness_cosignature_refused", witness=witness.key.name, reason=str(refused))  # noqa: TRY400
        return False
    return True
