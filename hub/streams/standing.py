"""Whether those who keep a connection open may still do so: one look every two seconds at all their keys and sessions."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from hub.db import Database
from hub.domain import registry
from hub.domain.registry import Caller, PersonCaller, SystemCaller
from hub.errors import NotAuthenticated

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 2.0
# For so long a look counts: when later ones failed, nothing more is told until one succeeds.
KNOWN_SECONDS_MAX = 4.5


@dataclass(eq=False)
class Standing:
    """A caller as it is now; ``ended`` is set when its connection must end, ``refusal`` says why if it is refused."""

    caller: SystemCaller | PersonCaller
    credential: uuid.UUID
    refusal: NotAuthenticated | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    known_at: float = field(default_factory=time.monotonic)

    @property
    def is_known(self) -> bool:
        """Whether it was looked at so lately that it may be told more."""
        return self.refusal is None and time.monotonic() - self.known_at < KNOWN_SECONDS_MAX

    def end(self, refusal: NotAuthenticated | None) -> None:
        """The caller may not go on; without a refusal it may come back at once."""
        self.refusal = refusal
        self.ended.set()


class Standings:
    """Looks after everybody who is connected to this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: defaultdict[uuid.UUID, set[Standing]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def count(self, caller: SystemCaller | PersonCaller) -> int:
        """How many connections a key or session has to this process."""
        return len(self._held.get(_credential(caller), ()))

    @contextmanager
    def hold(self, caller: SystemCaller | PersonCaller) -> Iterator[Standing]:
        """Look after a caller while its connection lives."""
        credential = _credential(caller)
        standing = Standing(caller, credential)
        self._held[credential].add(standing)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_after(), name="standings")
        try:
            yield standing
        finally:
            self._held[credential].discard(standing)
            if not self._held[credential]:
                del self._held[credential]

    def end_all(self) -> None:
        """Send everybody away, as the process ends: to another one, or to the next."""
        for standing in [each for held in self._held.values() for each in held]:
            standing.end(None)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=LOOK_EVERY_SECONDS)

    async def _look_after(self) -> None:
        while self._held:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await self._look()
            except Exception as fault:  # noqa: BLE001 - while the database is away nothing is read from it either
                log.warning("standings_unknown", fault=type(fault).__name__)

    async def _look(self) -> None:
        asked_at = time.monotonic()
        keys = {each for each in self._held if isinstance(self._sample(each), SystemCaller)}
        async with self._db.read() as read:
            found = await registry.recheck(read, keys, self._held.keys() - keys)
        for credential, now in found.items():
            for standing in self._held.get(credential, ()):
                if isinstance(now, NotAuthenticated):
                    standing.end(now)
                else:
                    standing.caller = _known(now)
                    standing.known_at = asked_at

    def _sample(self, credential: uuid.UUID) -> Caller:
        return next(iter(self._held[credential])).caller


def _known(caller: Caller) -> SystemCaller | PersonCaller:
    assert isinstance(caller, SystemCaller | PersonCaller)
    return caller


def require_standing(caller: Caller) -> SystemCaller | PersonCaller:
    """Somebody who may keep a connection open; raises NotAuthenticated for nobody."""
    known = registry.require_known(caller)
    return _known(known)


def _credential(caller: SystemCaller | PersonCaller) -> uuid.UUID:
    credential = registry.credential_of(caller)
    assert credential is not None  # those who are known by one have it
    return credential
