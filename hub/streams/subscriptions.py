"""One subscription from its document to its answers: the same limits as queries, pages of the log executed together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

import structlog
from graphql import ExecutionResult
from graphql.execution import Executor, create_source_event_stream, execute_subscription_event

from hub import failures
from hub.api import Api, refused
from hub.arrivals import Arrivals
from hub.calls import Answer, Call, Ready
from hub.codes import Code
from hub.context import Context
from hub.errors import Refusal
from hub.failures import Failure
from hub.resolvers.feed import Followed
from hub.streams.seats import Seats
from hub.streams.standing import Standing

log = structlog.get_logger(__name__)

TRY_AGAIN_SECONDS = 1.0


class Refused(Exception):
    """The subscription does not begin, or cannot go on; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.outcome)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of a subscription, and the number of the fact it is about."""

    body: bytes
    log_index: int


class Subscriptions:
    """Begins subscriptions; made once for each process."""

    def __init__(self, api: Api, arrivals: Arrivals, seats: Seats) -> None:
        self._api = api
        self._arrivals = arrivals
        self._seats = seats

    @asynccontextmanager
    async def begin(
        self, call: Call, standing: Standing, resumed_after: int | None = None
    ) -> AsyncIterator[Running]:
        """A subscription on a seat of its own; raises Refused with the answer to give."""
        api = self._api
        ready = api.ready(call)
        if isinstance(ready, Answer):
            raise Refused(ready)
        if ready.operation.kind != "subscription":
            raise Refused(_refused(Code.SUBSCRIPTION_TRANSPORT))
        context = Context(
            db=api.db,
            caller=standing.caller,
            means=api.means,
            posts=api.posts,
            trace_id=call.trace_id,
            arrivals=self._arrivals,
            resumed_after=resumed_after,
        )
        executor, source = await self._source(ready, call, context)
        try:
            async with self._seats.seat(standing.credential):
                yield Running(api, self._arrivals, ready, call, standing, executor, source, source.scanned_to)
        except Refusal as refusal:
            raise Refused(refused(failures.of_refusal(refusal))) from refusal

    async def _source(
        self, ready: Ready, call: Call, context: Context
    ) -> tuple[Executor[Any], Followed[Any]]:
        """Let the root field's door say what is to be followed."""
        api = self._api
        name = ready.operation.node.name
        executor = Executor.build(
            api.documents.core,
            ready.document,
            context_value=context,
            raw_variable_values=dict(call.variables),
            operation_name=name.value if name else None,
            max_coercion_errors=failures.PROBLEMS_MAX,
        )
        found: Any = executor
        if isinstance(executor, list):
            found = ExecutionResult(None, executor)
        else:
            found = create_source_event_stream(executor)
            if isawaitable(found):
                found = await found
        if isinstance(found, ExecutionResult):
            raise Refused(api.finish(found, ready.operation, call, {"cost": ready.cost}))
        assert isinstance(executor, Executor)
        assert isinstance(found, Followed)
        return executor, found


@dataclass(slots=True)
class Running:
    """A subscription that has begun.

    ``told_to`` is the index the reader has come to; whoever tells moves it, as a page is told fact by fact.
    """

    _api: Api
    _arrivals: Arrivals
    _ready: Ready
    _call: Call
    _standing: Standing
    _executor: Executor[Any]
    _source: Followed[Any]
    told_to: int

    async def pages(self) -> AsyncIterator[list[Told]]:
        """Answers in the log's order, page by page, for ever; raises Refused when it cannot go on.

        A page is made while a turn is held and given away after it: who takes it slowly keeps nobody else waiting.
        """
        while True:
            before = self._source.scanned_to
            if not self._standing.is_known:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                continue
            try:
                async with self._arrivals.turn():
                    told = await self._next()
            except Refusal as refusal:
                raise Refused(refused(failures.of_refusal(refusal))) from refusal
            except Exception as fault:
                if not failures.passes(fault):
                    raise Refused(refused(failures.of_fault(fault, self._call.trace_id))) from fault
                log.warning("subscription_waits", trace_id=self._call.trace_id, fault=type(fault).__name__)
                self._source.scanned_to = before
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                continue
            if told:
                yield told
            self.told_to = self._source.scanned_to
            if not self._source.has_more:
                await self._source.wait()

    async def _next(self) -> list[Told]:
        """The next page, executed as one: what its facts load is loaded together. Raises what passes by itself."""
        context = self._source.renew(self._standing.caller)
        items = await self._source.read()
        results = await asyncio.gather(*(self._execute(item, context) for item in items))
        for result in results:
            for error in result.errors or ():
                if failures.passes(error):
                    raise error
        return [
            Told(self._body(result), int(item.log_index)) for item, result in zip(items, results, strict=True)
        ]

    async def _execute(self, item: Any, context: Context) -> ExecutionResult:
        executor = self._executor.build_per_event_executor(item)
        executor.context_value = context
        result: Any = execute_subscription_event(executor)
        found: ExecutionResult = await result if isawaitable(result) else result
        return found

    def _body(self, result: ExecutionResult) -> bytes:
        cost = {"cost": self._ready.cost}
        return self._api.finish(result, self._ready.operation, self._call, cost).body


def _refused(code: Code) -> Answer:
    return refused(Failure(failures.plain(code, code.summary)))
