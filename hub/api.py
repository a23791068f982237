"""THE GraphQL schema and how an operation is answered: authentication, limits, execution, masked errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from inspect import isawaitable
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, TypeGuard, cast
from uuid import UUID

import orjson
import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, execute, get_variable_values
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from hub import failures
from hub.calls import Answer, Authenticate, Call, Rated, Ready
from hub.codes import Code
from hub.context import Context
from hub.db import Database, utc_now
from hub.decoding import Mutations, complete
from hub.domain import registry
from hub.domain.fiscal_events import PostGroups
from hub.domain.registry.callers import Anonymous, Caller, HubCaller, PersonCaller, SystemCaller
from hub.errors import Refusal
from hub.failures import Failure
from hub.limits import Documents, Limits, Operation, Prepared
from hub.means import Means
from hub.reads import Reads
from hub.replica import UNKNOWN_POSITION, Positions, reads_after
from hub.resolvers import posting_reads
from hub.resolvers.roots import MUTATIONS, QUERIES, SUBSCRIPTIONS
from hub.schema.scalars import SCALARS

log = structlog.get_logger(__name__)

ERRORS_MAX = 100
INTROSPECTIONS_MAX = 8


def build_schema() -> strawberry.Schema:
    """Every room's roots merged into one schema."""
    return strawberry.Schema(
        query=merge_types("Query", QUERIES),
        mutation=merge_types("Mutation", MUTATIONS) if MUTATIONS else None,
        subscription=merge_types("Subscription", SUBSCRIPTIONS),
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def print_schema() -> str:
    """The schema as ``schema.graphql`` keeps it."""
    return build_schema().as_str() + "\n"


class Api:
    """From a GraphQL request to its answer; whatever goes wrong is a coded error in it."""

    def __init__(
        self,
        schema: strawberry.Schema,
        db: Database,
        means: Means,
        *,
        limits: Limits | None = None,
        rated: Rated | None = None,
        authenticate: Authenticate | None = None,
        posts: PostGroups | None = None,
    ) -> None:
        self.schema = schema
        self.db = db
        self.means = means
        self.posts = posts or PostGroups(db, means)
        self.limits = limits or Limits()
        self.documents = Documents(schema, self.limits)
        self.reads = Reads(schema, posting_reads.storage())
        self._mutations = Mutations(schema, self.reads)
        self._rated = rated
        self._authenticate = authenticate or registry.authenticate
        self._positions = Positions()
        self._noting: asyncio.Task[None] | None = None
        self._introspected: dict[int, tuple[Operation, bytes]] = {}

    async def answer(self, call: Call) -> Answer:
        """Authenticate, count, check the limits, execute; in this order, as each step costs more."""
        try:
            caller = await self.identify(call)
        except Refusal as refusal:
            return refused(failures.of_refusal(refusal))
        except Exception as fault:  # noqa: BLE001 - an edge: whatever it is, the caller gets a trace id
            return refused(failures.of_fault(fault, call.trace_id))
        if self.db.replica is None:
            answer = await self._answer(call, caller)
        else:
            answer = await self._answer_beside_replica(call, caller)
        answer.caller = _label(caller)
        if self._noting is None and registry.has_uses_to_write(utc_now()):
            self._noting = asyncio.create_task(self._note_uses())
        return answer

    async def _answer_beside_replica(self, call: Call, caller: Caller) -> Answer:
        """The same, so that a system's reads see what it committed, wherever they are answered (decision 0012)."""
        try:
            answer = await self._answer(call, caller)
        finally:
            reads_after.set(None)
        if answer.kind == "mutation":
            try:
                answer.position = await self.db.position()
            except Exception as fault:  # noqa: BLE001 - the mutation is done; only where it lies is unknown
                log.warning("position_unknown", fault=type(fault).__name__)
            if isinstance(caller, SystemCaller):
                position = UNKNOWN_POSITION if answer.position is None else answer.position
                self._positions.note(caller.system_id, position)
        return answer

    def _let_lag(self, operation: Operation, call: Call, caller: Caller) -> None:
        """Queries of systems may be answered by a replica that has seen enough; all else stays on the primary."""
        if self.db.replica is not None and operation.kind == "query" and isinstance(caller, SystemCaller):
            reads_after.set(max(self._positions.of(caller.system_id), call.after or 0))

    async def _note_uses(self) -> None:
        """Beside the requests, once a minute: when keys and sessions were last used."""
        try:
            await registry.write_uses(self.db, utc_now())
        except Exception as fault:  # noqa: BLE001 - an edge: what is lost is a date for the eye
            log.warning("uses_not_written", fault=type(fault).__name__)
        finally:
            self._noting = None

    async def close(self) -> None:
        """Let what was begun beside the requests end."""
        await self.posts.close()
        if self._noting is not None:
            await self._noting

    async def knows(self, call: Call) -> bool:
        """Whether somebody we know sends this, before its body is read; raises as an answer would refuse it."""
        return not isinstance(await self.identify(call), Anonymous)

    async def identify(self, call: Call, *, may_remember: bool = True) -> Caller:
        """Who calls, within the rate; failed attempts count against the address they come from.

        Without ``may_remember`` the database is asked in any case, as for those who are then let stay.
        """
        if call.authorization is None and call.session is None:
            caller: Caller = Anonymous(call.address)
        else:
            try:
                caller = await self._look_up(call, may_remember=may_remember)
            except Refusal:
                await self.count(Anonymous(call.address))
                raise
        await self.count(caller)
        return caller

    async def _look_up(self, call: Call, *, may_remember: bool) -> Caller:
        """The caller of a key or a session; a key seen a moment ago needs no database."""
        if self._authenticate is registry.authenticate and call.authorization is not None:
            if not may_remember:
                registry.forget_verified(self.means, call.authorization, utc_now())
            known = registry.recall(self.means, call.authorization, utc_now())
            if known is not None:
                return known
        async with self.db.read() as read:
            return await self._authenticate(
                read,
                self.means,
                authorization=call.authorization,
                session=call.session,
                address=call.address,
            )

    async def count(self, caller: Caller) -> None:
        """Count one more request; raises TooMany beyond the caller's rate."""
        rated = self._rated
        if rated is None:
            return
        match caller:
            case SystemCaller():
                await rated.rates.spend(_identity(caller.key_id), rated.known)
            case PersonCaller():
                await rated.rates.spend(f"session:{caller.session_id}", rated.known)
            case Anonymous():
                hashed = self.means.keyed_hash("rate-address", _place(caller.address).encode()).hex()[:32]
                await rated.rates.spend(f"address:{hashed}", rated.anonymous)
            case HubCaller():
                return

    def ready(self, call: Call) -> Ready | Answer:
        """The operation to run, within every limit of documents and cost; else the answer that refuses it."""
        prepared = self.documents.prepare(call.document)
        if prepared.document is None:
            return _unprepared(prepared)
        operation = prepared.operation(call.operation_name)
        if operation is None:
            message = "operationName must name one of the document's operations"
            return refused(Failure(failures.plain(Code.DOCUMENT_INVALID, message)))
        cost = {"requested": operation.cost.of(call.variables), "budget": self.limits.cost_max}
        if cost["requested"] > self.limits.cost_max:
            message = f"the operation costs {cost['requested']}; the budget is {self.limits.cost_max}"
            failure = Failure(failures.plain(Code.COST_LIMIT, message))
            return _about(operation, refused(failure, extensions={"cost": cost}))
        return Ready(prepared.document, operation, cost)

    async def _answer(self, call: Call, caller: Caller) -> Answer:
        ready = self.ready(call)
        if isinstance(ready, Answer):
            return ready
        operation, cost = ready.operation, ready.cost
        if operation.kind == "subscription":
            message = "a subscription needs a WebSocket, or `Accept: text/event-stream`"
            return _about(operation, refused(Failure(failures.plain(Code.SUBSCRIPTION_TRANSPORT, message))))
        self._let_lag(operation, call, caller)
        kept = self._introspected.get(id(operation))
        if kept is not None and kept[0] is operation:
            return _about(operation, Answer(kept[1], executed=True))
        if operation.kind == "query" and not call.plain:
            compiled = await self._compiled(operation, call, caller, cost)
            if compiled is not None:
                return _about(operation, compiled)
        context = Context(
            db=self.db,
            caller=caller,
            means=self.means,
            posts=self.posts,
            trace_id=call.trace_id,
            browser_session=call.browser_session,
            address=call.address,
            agent=call.agent,
        )
        result = await self._execute(ready.document, operation, call, context)
        finishing = (result, operation, call, {"cost": cost})
        # Naming what is wrong with a large input takes as long as coercing it.
        answer = (
            await asyncio.to_thread(self.finish, *finishing) if call.is_large else self.finish(*finishing)
        )
        answer.cookies = context.cookies_to_set
        return _about(operation, answer)

    async def _compiled(
        self, operation: Operation, call: Call, caller: Caller, cost: dict[str, int]
    ) -> Answer | None:
        """The answer of a query that compiles (hub.reads); None where ordinary execution has to answer."""
        found = await self.reads.answer(operation, call.variables, caller, self.db)
        if found is None:
            return None
        extensions = f'"extensions":{{"cost":{{"requested":{cost["requested"]},"budget":{cost["budget"]}}}}}'
        if not found.failed:
            return Answer(f'{{"data":{found.data},{extensions}}}'.encode(), executed=True, compiled=True)
        failed = [
            failures.of_field(
                GraphQLError("", path=[failure.answer], original_error=failure.fault), call.trace_id
            )
            for failure in found.failed
        ]
        errors = orjson.dumps([failure.body for failure in failed]).decode()
        text = f'{{"data":{found.data},{extensions},"errors":{errors}}}'
        answer = Answer(text.encode(), executed=True, outcome=failed[0].code, compiled=True)
        if found.is_nothing:
            _set_status(answer, failed)
        return answer

    async def _execute(
        self, document: Any, operation: Operation, call: Call, context: Context
    ) -> ExecutionResult:
        """Run a prepared document; strawberry's own ``execute`` would parse and validate it again."""
        if not call.plain:
            planned = await self._mutations.execute(operation, call.variables, context)
            if planned is not None:
                return planned
        if call.is_large:
            return await self._execute_large(operation, call, context)
        result = execute(
            self.documents.core,
            document,
            context_value=context,
            variable_values=dict(call.variables),
            operation_name=operation.node.name.value if operation.node.name else None,
            is_awaitable=cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable),
            executor_class=self.schema.execution_context_class,
            operation_extensions=None,
        )
        return await result if isawaitable(result) else result

    async def _execute_large(self, operation: Operation, call: Call, context: Context) -> ExecutionResult:
        """Coercing a large input takes seconds of Python: in a thread, so that others are served meanwhile."""
        values = await asyncio.to_thread(
            get_variable_values,
            self.documents.core,
            operation.node.variable_definitions or (),
            dict(call.variables),
            max_errors=failures.PROBLEMS_MAX,
        )
        if isinstance(values, list):
            return ExecutionResult(None, values)
        return await complete(self.documents.core, operation, values, context)

    def finish(
        self, result: ExecutionResult, operation: Operation, call: Call, extensions: dict[str, Any]
    ) -> Answer:
        """The answer of an execution: its data, and its errors as the caller may see them."""
        errors = result.errors or []
        if result.data is None and errors and all(error.path is None for error in errors):
            return refused(*self._input_failures(errors, operation, call), extensions=extensions)
        failed = [failures.of_field(error, call.trace_id) for error in errors[:ERRORS_MAX]]
        body: dict[str, Any] = {"data": result.data, "extensions": extensions}
        if failed:
            body["errors"] = [failure.body for failure in failed]
        try:
            text = orjson.dumps(body)
        except (orjson.JSONEncodeError, ValueError) as fault:
            return refused(failures.of_fault(fault, call.trace_id), status=500)
        if operation.introspection_only and not failed:
            self._keep_introspected(operation, text)
        answer = Answer(text, executed=True, outcome=_outcome(operation, result.data, failed))
        if result.data is None or all(value is None for value in result.data.values()):
            _set_status(answer, failed)
        return answer

    def _input_failures(self, errors: list[GraphQLError], operation: Operation, call: Call) -> list[Failure]:
        problems = failures.input_problems(self.documents.core, operation.node, call.variables)
        if problems:
            return [failures.of_problem(problem) for problem in problems]
        return [failures.of_document(error) for error in errors[:ERRORS_MAX]]

    def _keep_introspected(self, operation: Operation, text: bytes) -> None:
        """The schema cannot change while the process lives: the tools' introspection is answered once."""
        if len(self._introspected) >= INTROSPECTIONS_MAX:
            self._introspected.clear()
        self._introspected[id(operation)] = (operation, text)


@lru_cache(maxsize=10_000)
def _identity(key_id: UUID) -> str:
    return f"key:{key_id}"


def _place(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, as everybody gets at least that many."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64)))


def _unprepared(prepared: Prepared) -> Answer:
    if prepared.refusal is not None:
        return refused(failures.of_refusal(prepared.refusal))
    return refused(*(failures.of_document(error) for error in prepared.errors[:ERRORS_MAX]))


def _about(operation: Operation, answer: Answer) -> Answer:
    answer.kind = operation.kind
    answer.fields = operation.roots
    return answer


def refused(*failed: Failure, extensions: dict[str, Any] | None = None, status: int | None = None) -> Answer:
    """An answer to a request that was not executed: errors and no data."""
    body: dict[str, Any] = {"errors": [failure.body for failure in failed]}
    if extensions:
        body["extensions"] = extensions
    answer = Answer(orjson.dumps(body), executed=False, status=status, outcome=failed[0].code)
    _set_status(answer, list(failed))
    return answer


def _set_status(answer: Answer, failed: list[Failure]) -> None:
    for failure in failed:
        if failure.status is not None:
            answer.status = failure.status
            answer.retry_after_seconds = failure.retry_after_seconds
            return


def _outcome(operation: Operation, data: dict[str, Any] | None, failed: list[Failure]) -> str:
    """One word for metrics: OK, or the first code; a mutation payload's own errors count, if they are ours."""
    if failed:
        return failed[0].code
    if operation.kind != "mutation":
        # A query may call any of its lists "errors".
        return "OK"
    for value in (data or {}).values():
        problems = value.get("errors") if isinstance(value, dict) else None
        if isinstance(problems, list) and problems and isinstance(problems[0], dict):
            code = problems[0].get("code")
            return code if isinstance(code, str) and code in CODES else "REFUSED"
    return "OK"


CODES = frozenset(code.value for code in Code)


def _label(caller: Caller) -> str:
    """How logs name a caller: a system by its unique id, a person by a number that says nothing."""
    match caller:
        case SystemCaller():
            return caller.unique_id
        case PersonCaller():
            return str(caller.person_id)
        case _:
            return "-"
