"""From whatever was raised to what the caller may see: a code, a path, a message, and no inner text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    assert_leaf_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    type_from_ast,
)
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from hub.codes import Code
from hub.errors import Busy, InvalidInput, NotAuthenticated, Problem, Refusal, TooMany

log = structlog.get_logger(__name__)

PROBLEMS_MAX = 50
BUSY_RETRY_SECONDS = 2
UNAVAILABLE_RETRY_SECONDS = 5
# PostgreSQL's own words for what went wrong (SQLSTATE).
STATEMENT_TIMEOUT = "57014"
BUSY_STATES = frozenset({"55P03", "40P01", "40001", "53300"})
UNAVAILABLE_STATES = frozenset({"57P01", "57P02", "57P03", "25P03"})
# U+0000, which no text (nor JSON) in PostgreSQL can hold: whatever it was sent for, the caller sent it.
UNSTORABLE_TEXT = frozenset({"22021", "22P05"})


@dataclass(frozen=True, slots=True)
class Failure:
    """One error as the caller sees it, with what the HTTP answer must say about it."""

    body: dict[str, Any]
    status: int | None = None
    retry_after_seconds: int | None = None

    @property
    def code(self) -> str:
        """The code, for logs and metrics."""
        return str(self.body["extensions"]["code"])


def plain(code: Code, message: str, **extensions: Any) -> dict[str, Any]:
    """An error entry that belongs to the request as a whole."""
    return {"message": message, "extensions": {"code": code.value, **extensions}}


def of_refusal(refusal: Refusal, path: Sequence[str | int] | None = None) -> Failure:
    """A refusal with its code and every problem it carries."""
    first = refusal.problems[0]
    problems = [
        {"code": p.code.value, "path": [str(part) for part in p.path], "message": p.message}
        for p in refusal.problems
    ]
    body = plain(first.code, first.message, problems=problems)
    if path is not None:
        body["path"] = list(path)
    if isinstance(refusal, TooMany):
        return Failure(body, 503 if isinstance(refusal, Busy) else 429, refusal.retry_after_seconds)
    if isinstance(refusal, NotAuthenticated):
        return Failure(body, 401)
    return Failure(body)


def of_fault(fault: BaseException, trace_id: str, path: Sequence[str | int] | None = None) -> Failure:
    """Anything nobody expected: the caller gets a code and the trace id, the log gets the rest."""
    code, status, retry_after = _trouble(fault)
    message = "Unexpected error." if code is Code.INTERNAL else code.summary
    log.error("fault", trace_id=trace_id, code=code.value, path=_dotted(path), exc_info=fault)
    body = plain(code, message, traceId=trace_id)
    if path is not None:
        body["path"] = list(path)
    return Failure(body, status, retry_after)


def passes(fault: BaseException) -> bool:
    """Whether it is trouble that passes by itself: the database is away, or has too much to do."""
    while isinstance(fault, GraphQLError) and fault.original_error is not None:
        fault = fault.original_error
    return _trouble(fault)[1] is not None


def _trouble(fault: BaseException) -> tuple[Code, int | None, int | None]:
    """Which code a fault has: trouble with the database has its own, as the caller can act on it."""
    for cause in _causes(fault):
        if isinstance(cause, PoolTimeout):
            return Code.BUSY, 503, BUSY_RETRY_SECONDS
        state = getattr(cause, "sqlstate", None) or ""
        if state == STATEMENT_TIMEOUT:
            return Code.TIMEOUT, None, None
        if state in BUSY_STATES:
            return Code.BUSY, 503, BUSY_RETRY_SECONDS
        if _is_lost(cause) or state in UNAVAILABLE_STATES or state.startswith("08"):
            return Code.UNAVAILABLE, 503, UNAVAILABLE_RETRY_SECONDS
        if isinstance(cause, OSError) and cause.filename is None:
            return Code.UNAVAILABLE, 503, UNAVAILABLE_RETRY_SECONDS
    return Code.INTERNAL, None, None


def _is_lost(cause: BaseException) -> bool:
    """A connection that broke, as SQLAlchemy or the driver itself tells it."""
    if isinstance(cause, DBAPIError):
        return bool(cause.connection_invalidated)
    return isinstance(cause, asyncpg.InterfaceError) and "closed" in str(cause)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = fault
    for _ in range(10):
        if current is None:
            return
        yield current
        current = getattr(current, "orig", None) or current.__cause__


def _dotted(path: Sequence[str | int] | None) -> str | None:
    return None if path is None else ".".join(str(part) for part in path)


def of_document(error: GraphQLError) -> Failure:
    """A document that does not parse or validate; a scalar's own code wins over the general one."""
    code = (error.extensions or {}).get("code", Code.DOCUMENT_INVALID.value)
    body: dict[str, Any] = {"message": without_values(error.message), "extensions": {"code": code}}
    if error.locations:
        body["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return Failure(body)


_VALUE = re.compile(
    r"(?:[;,]? found|(?<=\.) Found|(?<= value)): .*$|(?<=^Value )'.*'(?= does not exist)"
    r"|, but encountered error '.*$"
    r"|(?<=^Syntax Error: )(?P<at>.*?(?:BlockString|String)) .*$",
    re.DOTALL,
)


def without_values(message: str) -> str:
    """graphql-core quotes the offending value, and what Python said of it; neither is anybody's business."""
    return _VALUE.sub(lambda found: found["at"] or "", message).rstrip(" :")


def of_field(error: GraphQLError, trace_id: str) -> Failure:
    """An error of a field that ran: a refusal as itself, an argument's fault as such, all else masked."""
    original: BaseException | None = error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, Refusal):
        return of_refusal(original, error.path)
    if any(getattr(cause, "sqlstate", None) in UNSTORABLE_TEXT for cause in _causes(original or error)):
        return of_refusal(InvalidInput.because(Code.INPUT, "text must not hold U+0000"), error.path)
    if isinstance(original, GraphQLError) and _is_of_argument(original):
        code = (original.extensions or {}).get("code", Code.INPUT.value)
        message = without_values(original.message)
        return Failure({"message": message, "path": error.path, "extensions": {"code": code}})
    return of_fault(original or error, trace_id, error.path)


def _is_of_argument(error: GraphQLError) -> bool:
    """Whether graphql-core refused an argument at run time: only then does the error know its node itself."""
    return bool(error.nodes) and error.path is None


def input_problems(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> list[Problem]:
    """Every fault of the variables, each with the path that names it; up to fifty."""
    found: list[Problem] = []
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        kind: Any = type_from_ast(schema, definition.type)
        if name in variables:
            _check(variables[name], kind, (name,), found)
        elif is_non_null_type(kind) and definition.default_value is None:
            found.append(Problem(Code.INPUT, f"{name} is required", (name,)))
        if len(found) >= PROBLEMS_MAX:
            break
    return found[:PROBLEMS_MAX]


def _check(value: Any, kind: Any, path: tuple[str | int, ...], found: list[Problem]) -> None:
    if len(found) >= PROBLEMS_MAX:
        return
    if is_non_null_type(kind):
        if value is None:
            found.append(Problem(Code.INPUT, f"{path[-1]} must not be null", path))
            return
        kind = kind.of_type
    if value is None:
        return
    if is_list_type(kind):
        for index, entry in enumerate(value if isinstance(value, list) else [value]):
            _check(entry, kind.of_type, (*path, index), found)
    elif is_input_object_type(kind):
        _check_object(value, kind, path, found)
    else:
        _check_leaf(value, kind, path, found)


def _check_object(value: Any, kind: Any, path: tuple[str | int, ...], found: list[Problem]) -> None:
    if not isinstance(value, dict):
        found.append(Problem(Code.INPUT, f"an object of type {kind} is expected", path))
        return
    for name, member in kind.fields.items():
        if name in value:
            _check(value[name], member.type, (*path, name), found)
        elif is_required_input_field(member):
            found.append(Problem(Code.INPUT, f"{name} is required", (*path, name)))
    unknown = [name for name in value if name not in kind.fields]
    found.extend(Problem(Code.INPUT, f"{kind} has no such member", (*path, name[:64])) for name in unknown)
    if kind.is_one_of and (len(value) != 1 or None in value.values()):
        found.append(Problem(Code.INPUT, f"exactly one member of {kind} is expected", path))


def _check_leaf(value: Any, kind: Any, path: tuple[str | int, ...], found: list[Problem]) -> None:
    try:
        assert_leaf_type(kind).coerce_input_value(value)
    except GraphQLError as error:
        code = (error.extensions or {}).get("code")
        if code is not None:
            found.append(Problem(Code(code), error.message, path))
            return
    except Exception:  # noqa: BLE001 - whatever a scalar raises, the value is what is wrong
        log.debug("scalar_refused", scalar=str(kind))
    else:
        return
    found.append(Problem(Code.INPUT, f"not a value of type {kind}", path))


def of_problem(problem: Problem) -> Failure:
    """A fault of the variables as an error of its own, its path under ``extensions``."""
    return Failure(plain(problem.code, problem.message, path=[str(part) for part in problem.path]))
