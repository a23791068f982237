"""The sequencer's loop: one leader among all that run it numbers what was committed and signs checkpoints."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from hub.db import Database, Session
from hub.domain import fiscal_events, programs, reference, registry, retention, transparency
from hub.domain.transparency import LogForked, LogKeyUnknown, Sequenced, gather
from hub.means import Means

log = structlog.get_logger(__name__)

SOURCES = gather(fiscal_events.LEAVES, programs.LEAVES, reference.LEAVES, registry.LEAVES, retention.LEAVES)
WAKE = "log"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the leader looks for new facts, how long it lets them gather under load, how often others look for it."""

    look_seconds: float = 0.1
    gather_seconds: float = 0.3
    follow_seconds: float = 0.5


async def sequence(db: Database, means: Means, rhythm: Rhythm = Rhythm()) -> None:
    """Follow until this process can lead, then lead until cancelled; raises what the database raises.

    The lock belongs to the session that writes: whoever loses the one has lost the other.
    """
    async with db.session() as session:
        await _until_leading(session, rhythm)
        async with session.transaction() as tx:
            state = await transparency.take_up(tx)
        log.info("log_leading", size=state.edge.size)
        while True:
            done = await _step(session, means, state)
            if done is None:
                await asyncio.sleep(rhythm.look_seconds)
                continue
            state = done
            log.debug("log_grown", size=state.edge.size, count=state.count)
            if state.count < transparency.BATCH_MAX:
                await asyncio.sleep(rhythm.gather_seconds)


async def sequence_all(db: Database, means: Means) -> int:
    """Number everything that waits now, as leader, and return how many facts that were; for tools and tests."""
    total = 0
    async with db.session() as session:
        await _until_leading(session, Rhythm(follow_seconds=0.1))
        async with session.transaction() as tx:
            state = await transparency.take_up(tx)
        while (done := await _step(session, means, state)) is not None:
            state, total = done, total + done.count
    return total


async def _until_leading(session: Session, rhythm: Rhythm) -> None:
    while True:
        async with session.transaction() as tx:
            if await transparency.begin_leading(tx):
                return
        await asyncio.sleep(rhythm.follow_seconds)


async def _step(session: Session, means: Means, state: Sequenced) -> Sequenced | None:
    """One batch in one transaction; None when nothing waits."""
    async with session.transaction() as tx:
        if state.is_announced and not await transparency.has_pending(tx):
            return None
        try:
            done = await transparency.sequence(tx, means, SOURCES, state)
        except (LogKeyUnknown, LogForked) as fault:
            log.error("log_stopped", reason=str(fault))  # noqa: TRY400 - the reason says all there is
            raise
        if done is not None:
            tx.after_commit(WAKE)
        return done
