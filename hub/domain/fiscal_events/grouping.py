"""Group commit: posts that arrive together share a transaction and its one commit, each with its own verdict.

What the queue promises:

- an answer means committed, and says about an item what it would have said had the item come alone;
- a lone post goes at once; groups form while earlier ones are being stored;
- what is wrong with one item costs its neighbours at most one further round: the group is taken apart, and each
  item has a transaction of its own;
- nobody waits without an end: who would wait too long, or comes when too many wait, is told `BUSY` and when to
  come again, and nothing of it was written.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from hub.codes import Code
from hub.db import Database, Transaction
from hub.domain import registry
from hub.domain.fiscal_events import service, storing
from hub.domain.fiscal_events.model import BatchMode, Post, Verdict
from hub.domain.registry import Caller, SystemCaller, SystemRole
from hub.errors import Busy, Problem
from hub.means import Means

log = structlog.get_logger(__name__)

QUEUE_MAX = 2_000
GROUP_MAX = 128
FLUSHERS = 2
LINKED_AT_ONCE = 3
ALONE_AT_ONCE = 4
BATCHES_AT_ONCE = 2
BATCHES_WAITING_MAX = 16
GROUP_ROUNDS_MAX = 3
# New posts are refused once the queue looks this long; who is in it gives up at the latest after the second figure.
WAIT_SECONDS_MAX = 2.0
QUEUED_SECONDS_MAX = 5.0
CLOSING_SECONDS_MAX = 10.0
# A group does not wait for somebody else's lock as long as a single post may: its neighbours would wait with it.
GROUP_LOCK_TIMEOUT = "1000ms"
# SQLSTATE classes that say something of the database and nothing of an item: connection, resources, operator.
OUTAGES = frozenset({"08", "53", "57"})
STATEMENT_TIMEOUT = "57014"


def _unheard(_: int, __: float) -> None:
    return None


class _Waiting:
    """One post between its arrival and its answer."""

    __slots__ = ("answer", "command", "giving_up", "sender", "since")

    def __init__(self, sender: SystemCaller, command: Post, loop: asyncio.AbstractEventLoop) -> None:
        self.sender = sender
        self.command = command
        self.answer: asyncio.Future[Verdict] = loop.create_future()
        self.since = loop.time()
        self.giving_up: asyncio.TimerHandle | None = None

    def settle(self, outcome: Verdict | BaseException) -> None:
        """Answer the caller, unless the caller has gone or was answered."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def give_up(self) -> None:
        """Refuse what has waited too long for its turn; nothing of it was begun."""
        self.settle(busy(QUEUED_SECONDS_MAX))


class _Lane:
    """Posts that may share a transaction, and how many transactions may serve them at once."""

    def __init__(
        self, flushers_max: int, group_max: int, turn: AbstractAsyncContextManager[None] | None = None
    ) -> None:
        self.flushers_max = flushers_max
        self.group_max = group_max
        self.turn = turn or nullcontext()
        self.waiting: deque[_Waiting] = deque()
        self.flushers = 0
        self.flush_seconds = 0.0

    def put(self, item: _Waiting, loop: asyncio.AbstractEventLoop, *, first: bool = False) -> None:
        """Let a post wait here, with an end to it."""
        item.giving_up = loop.call_later(QUEUED_SECONDS_MAX, item.give_up)
        if first:
            self.waiting.appendleft(item)
        else:
            self.waiting.append(item)

    def take(self) -> list[_Waiting]:
        """Those whose turn it is; who has gone, or given up, is left out."""
        group: list[_Waiting] = []
        while self.waiting and len(group) < self.group_max:
            item = self.waiting.popleft()
            if item.giving_up is not None:
                item.giving_up.cancel()
            if not item.answer.done():
                group.append(item)
        return group

    def wait_seconds(self, now: float) -> float:
        """How long a post that came now would wait for its turn, going by the latest groups."""
        if not self.waiting:
            return 0.0
        groups = len(self.waiting) // self.group_max + 1
        return max(now - self.waiting[0].since, groups * self.flush_seconds / self.flushers_max)

    def measured(self, seconds: float) -> None:
        """Learn from a finished group."""
        self.flush_seconds += (seconds - self.flush_seconds) / 4


def busy(seconds: float) -> Busy:
    """The refusal of what would wait too long; nothing of it was written."""
    return Busy(Problem(Code.BUSY, Code.BUSY.summary), retry_after_seconds=max(1, math.ceil(seconds)))


class PostGroups:
    """The one door of single posts, and the bound on batches, of one process.

    ``queue_max``: how many posts may wait; ``group_max``: how many share a transaction (1: none does);
    ``flushed`` hears of every group's size and seconds.
    """

    def __init__(
        self,
        db: Database,
        means: Means,
        *,
        queue_max: int = QUEUE_MAX,
        group_max: int = GROUP_MAX,
        flushed: Callable[[int, float], None] = _unheard,
    ) -> None:
        self._db = db
        self._means = means
        self._queue_max = queue_max
        self._group_max = group_max
        self._flushed = flushed
        self._plain = _Lane(FLUSHERS, group_max)
        self._alone = _Lane(ALONE_AT_ONCE, 1)
        self._linked: dict[uuid.UUID, _Lane] = {}
        self._linked_turns = asyncio.Semaphore(LINKED_AT_ONCE)
        self._batch_turns = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._batches_waiting = 0
        self._flushing: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many single posts wait for their turn."""
        return sum(len(lane.waiting) for lane in self._lanes())

    async def post(self, caller: Caller, command: Post) -> Verdict:
        """Post one event or message: what `service.post` promises, in a transaction shared with others.

        Raises Busy, with nothing written, when too many wait.
        """
        sender = registry.require_system(caller, SystemRole.PROVIDER)
        loop = asyncio.get_running_loop()
        lane = self._lane_of(sender, command)
        wait_seconds = lane.wait_seconds(loop.time())
        if self._closing or wait_seconds > WAIT_SECONDS_MAX or self.waiting >= self._queue_max:
            raise busy(wait_seconds)
        item = _Waiting(sender, command, loop)
        lane.put(item, loop)
        self._serve(lane)
        return await item.answer

    async def post_batch(self, caller: Caller, commands: Sequence[Post], mode: BatchMode) -> list[Verdict]:
        """Post 1 to 500 items in a transaction of their own: `service.post_many`, few at a time.

        Raises Busy, with nothing written, when too many batches wait or this one has waited too long.
        """
        if self._closing or self._batches_waiting >= BATCHES_WAITING_MAX:
            raise busy(WAIT_SECONDS_MAX)
        self._batches_waiting += 1
        try:
            async with asyncio.timeout(QUEUED_SECONDS_MAX):
                await self._batch_turns.acquire()
        except TimeoutError:
            raise busy(QUEUED_SECONDS_MAX) from None
        finally:
            self._batches_waiting -= 1
        try:
            return await self._db.run(
                lambda tx: service.post_many(tx, self._means, caller, commands, mode=mode)
            )
        finally:
            self._batch_turns.release()

    async def close(self) -> None:
        """Take nothing more; finish what waits within ten seconds, and refuse the rest."""
        self._closing = True
        if self._flushing:
            _, late = await asyncio.wait(self._flushing, timeout=CLOSING_SECONDS_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for lane in self._lanes():
            for item in lane.waiting:
                item.settle(busy(1))
            lane.waiting.clear()

    def _lanes(self) -> Iterator[_Lane]:
        yield self._plain
        yield self._alone
        yield from self._linked.values()

    def _lane_of(self, sender: SystemCaller, command: Post) -> _Lane:
        """Who may share a transaction with whom.

        What links to others may lock, and its sums are checked on one sender's view: it shares with its own
        sender's alone. A reversal, and what is only validated, shares with nobody.
        """
        if command.validate_only or command.content.reversal is not None:
            return self._alone
        if not command.content.links:
            return self._plain
        lane = self._linked.get(sender.system_id)
        if lane is None:
            lane = self._linked[sender.system_id] = _Lane(1, self._group_max, self._linked_turns)
        return lane

    def _serve(self, lane: _Lane) -> None:
        """See to it that somebody works on the lane."""
        if lane.flushers < lane.flushers_max:
            lane.flushers += 1
            task = asyncio.get_running_loop().create_task(self._work(lane))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _work(self, lane: _Lane) -> None:
        """Store group after group until nobody waits."""
        loop = asyncio.get_running_loop()
        try:
            while lane.waiting:
                await asyncio.sleep(0)  # whoever else is ready in this turn of the loop comes along
                async with lane.turn:
                    group = lane.take()
                    if group:
                        begun = loop.time()
                        await self._flush(lane, group)
                        lane.measured(loop.time() - begun)
                        self._flushed(len(group), loop.time() - begun)
        finally:
            lane.flushers -= 1
            if not lane.waiting and not lane.flushers:
                self._linked = {key: each for key, each in self._linked.items() if each is not lane}

    async def _flush(self, lane: _Lane, group: Sequence[_Waiting]) -> None:
        """Store one group and answer each of its callers; whatever happens, nobody is left without an answer."""
        loop = asyncio.get_running_loop()
        try:
            outcomes = await self._store(group)
        except Exception as fault:  # noqa: BLE001 - every fault reaches the callers it concerns
            if len(group) == 1 or not _may_be_of_one(fault):
                for item in group:
                    item.settle(fault)
                return
            log.warning(
                "group_taken_apart", size=len(group), fault=type(fault).__name__, sqlstate=_state(fault)
            )
            for item in group:
                self._alone.put(item, loop)
                self._serve(self._alone)
            return
        except BaseException:
            for item in group:
                item.settle(ConnectionAbortedError())  # the process ends; what became of it is not known
            raise
        for item, outcome in reversed(list(zip(group, outcomes, strict=True))):
            if outcome is None:
                lane.put(item, loop, first=True)
            else:
                item.settle(outcome)

    async def _store(self, group: Sequence[_Waiting]) -> list[service.Outcome]:
        """One outcome per item, committed. Begins anew when others took a key or a reference in between."""
        places: dict[uuid.UUID, list[int]] = {}
        for place, item in enumerate(group):
            places.setdefault(item.sender.system_id, []).append(place)
        parts = [
            (group[mine[0]].sender, [group[place].command for place in mine]) for mine in places.values()
        ]
        work = self._work_of(parts, hurried=len(group) > 1)
        for _ in range(GROUP_ROUNDS_MAX if len(group) > 1 else service.ROUNDS_MAX):
            try:
                answered = await self._db.run(work)
            except storing.Raced:
                continue
            outcomes: list[service.Outcome] = [None] * len(group)
            for mine, found in zip(places.values(), answered, strict=True):
                for place, outcome in zip(mine, found, strict=True):
                    outcomes[place] = outcome
            return outcomes
        raise busy(1)

    def _work_of(
        self, parts: Sequence[tuple[SystemCaller, Sequence[Post]]], *, hurried: bool
    ) -> Callable[[Transaction], Awaitable[list[list[service.Outcome]]]]:
        async def work(tx: Transaction) -> list[list[service.Outcome]]:
            if hurried:
                await tx.fetch("SELECT set_config('lock_timeout', $1, true)", GROUP_LOCK_TIMEOUT)
            return await service.post_groups(tx, self._means, parts)

        return work


def _may_be_of_one(fault: Exception) -> bool:
    """Whether one item alone may have caused this; a database that is away or full fails everybody alike."""
    if isinstance(fault, OSError | PoolTimeout):
        return False
    if isinstance(fault, DBAPIError) and fault.connection_invalidated:
        return False
    if isinstance(fault, asyncpg.InterfaceError):
        return False
    state = _state(fault)
    return state == STATEMENT_TIMEOUT or state[:2] not in OUTAGES


def _state(fault: Exception) -> str:
    """PostgreSQL's own word for what went wrong; empty when it did not say."""
    return getattr(getattr(fault, "orig", fault), "sqlstate", None) or ""
