"""Tells those who follow the log that it has grown: one task for the whole process asks, however many wait.

Who waits holds no database connection. The task listens for the sequencer's wake-up call and asks at least once a
second, so that without Redis news comes later but comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from hub.db import Database
from hub.domain import transparency
from hub.wakeups import UNREACHABLE, Ear, Wakeups

log = structlog.get_logger(__name__)

TOPIC = "log"
ASK_EVERY_SECONDS = 1.0
# Followers that read at the same time, each on one connection; the others wait for their turn.
READING_MAX = 4
CANCELS_MAX = 4


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits for leaves of some governments (None: of any)."""

    tenants: Collection[uuid.UUID] | None
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Arrivals:
    """The log's growth, as this process knows it."""

    def __init__(
        self, db: Database, wakeups: Wakeups, *, ask_every_seconds: float = ASK_EVERY_SECONDS
    ) -> None:
        self._db = db
        self._wakeups = wakeups
        self._ask_every_seconds = ask_every_seconds
        self._size = 0
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._turns = asyncio.Semaphore(READING_MAX)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One of the few turns to read; followers must not take the connections that requests need."""
        async with self._turns:
            yield

    async def beyond(self, size: int, tenants: Collection[uuid.UUID] | None) -> None:
        """Wait until the log may hold leaves of these governments behind the first ``size``; now and then it does not."""
        if self._size > size:
            return
        waiter = _Waiter(tenants)
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow(), name="arrivals")
        try:
            await waiter.news.wait()
        finally:
            self._waiters.discard(waiter)

    async def close(self) -> None:
        """End the task."""
        if self._task is not None:
            for _ in range(CANCELS_MAX):  # redis-py swallows a cancellation now and then
                self._task.cancel()
                _, pending = await asyncio.wait((self._task,), timeout=ASK_EVERY_SECONDS)
                if not pending:
                    break

    async def _follow(self) -> None:
        """Ask while anybody waits. Listening goes on while it asks, so that no call falls between the two.

        Who comes while the connection is given back finds this task still there: it looks again before it ends.
        """
        while self._waiters:
            async with self._wakeups.listening(TOPIC) as ear:
                while self._waiters:
                    await self._listen(ear)

    async def _listen(self, ear: Ear) -> None:
        with contextlib.suppress(*UNREACHABLE):
            await ear.open()
        try:
            await self._ask()
        except Exception as fault:  # noqa: BLE001 - whatever it is: those who wait go on waiting
            log.warning("arrivals_unknown", fault=type(fault).__name__)
        if self._waiters:
            await ear.wait(self._ask_every_seconds)

    async def _ask(self) -> None:
        async with self._db.read() as read:
            known, size = self._size, await transparency.get_size(read)
            if size <= known:
                return
            grown = transparency.Stretch(known - 1, size - 1, size)
            tenants = await transparency.tenants_in(read, grown)
        self._size = size
        for waiter in self._waiters:
            if waiter.tenants is None or tenants is None or not tenants.isdisjoint(waiter.tenants):
                waiter.news.set()
