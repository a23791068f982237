"""GraphQL over HTTP: one endpoint that reads requests strictly and writes answers by the media type asked for."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from hub import failures
from hub.api import Answer, Api, Call, refused
from hub.codes import Code
from hub.errors import Refusal
from hub.observe import Metrics
from hub.resolvers.registration import BROWSER_COOKIE, SESSION_COOKIE

log = structlog.get_logger("hub.request")

GRAPHQL_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
BODY_SECONDS_MAX = 60.0
# Reading a large body costs seconds of this process: only callers we know are given them.
STRANGERS_BYTES_MAX = 128 * 1024
LIST_ENTRIES_MAX = 20_000
VALUES_MAX = 1_000_000
OWN_COOKIES = frozenset({SESSION_COOKIE, BROWSER_COOKIE})
LENGTH_DIGITS_MAX = 18
UNDECLARED = 10**19


class BadRequest(Exception):
    """The request is not one of ours; answered before anything is looked up."""

    def __init__(self, status: int, code: Code, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Manners:
    """What the endpoint accepts, by settings."""

    body_bytes_max: int
    public_url: str | None = None


class Endpoint:
    """``POST /graphql`` as a plain ASGI app."""

    def __init__(self, api: Api, metrics: Metrics, manners: Manners) -> None:
        self._api = api
        self._metrics = metrics
        self._manners = manners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and say so in one log line."""
        started = time.perf_counter()
        trace_id: str = scope["state"]["trace_id"]
        headers = Headers(scope=scope)
        media_type = GRAPHQL_TYPE
        try:
            _check_method(scope)
            media_type = accepted(headers.get("accept"))
            call = await self._read(scope, headers, receive, trace_id)
        except Refusal as refusal:
            answer = refused(failures.of_refusal(refusal))
            await _send(send, answer, media_type, [])
        except BadRequest as bad:
            failure = failures.Failure(failures.plain(bad.code, str(bad)))
            body = orjson.dumps({"errors": [failure.body]})
            answer = Answer(body, executed=False, status=bad.status, outcome=bad.code.value)
            extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in bad.headers.items()]
            await _send(send, answer, media_type, extra)
        else:
            answer = await self._answer(call)
            await _send(send, answer, media_type, [])
        self._observe(answer, trace_id, time.perf_counter() - started)

    async def _answer(self, call: Call) -> Answer:
        try:
            return await self._api.answer(call)
        except Exception as fault:  # noqa: BLE001 - the outer edge: nothing inner gets past it
            failure = failures.of_fault(fault, call.trace_id)
            body = orjson.dumps({"errors": [failure.body]})
            return Answer(
                body,
                executed=False,
                status=failure.status or 500,
                retry_after_seconds=failure.retry_after_seconds,
                outcome=failure.code,
            )

    def _observe(self, answer: Answer, trace_id: str, seconds: float) -> None:
        self._metrics.answered(answer.kind, answer.fields, answer.outcome, seconds)
        log.info(
            "request",
            trace_id=trace_id,
            caller=answer.caller,
            fields=answer.fields,
            outcome=answer.outcome,
            ms=round(seconds * 1000, 1),
        )

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, trace_id: str) -> Call:
        _check_content_type(headers)
        cookies = _cookies(headers)
        session = cookies.get(SESSION_COOKIE)
        authorization = headers.get("authorization")
        if authorization is None:
            self._check_origin(headers, session)
        client = scope.get("client")
        call = Call(
            document="",
            variables={},
            operation_name=None,
            trace_id=trace_id,
            authorization=authorization,
            session=session if authorization is None else None,
            browser_session=cookies.get(BROWSER_COOKIE, ""),
            address=client[0] if client else "",
        )
        body = await read_body(headers, receive, await self._bytes_max(headers, call))
        request = parse_body(body)
        return replace(
            call,
            document=request["query"],
            variables=request["variables"],
            operation_name=request["operationName"],
        )

    async def _bytes_max(self, headers: Headers, call: Call) -> int:
        """How much of a body is read: as much as strangers may send, or all of it for callers we know."""
        most = self._manners.body_bytes_max
        declared = headers.get("content-length", "")
        if most <= STRANGERS_BYTES_MAX or _length(declared) <= STRANGERS_BYTES_MAX:
            return min(most, STRANGERS_BYTES_MAX)
        return most if await self._api.knows(call) else STRANGERS_BYTES_MAX

    def _check_origin(self, headers: Headers, session: str | None) -> None:
        """A browser carries the session wherever it goes, so a request must show that it comes from us."""
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        foreign = (origin is not None and not self._is_own(origin, headers.get("host", ""))) or (
            site is not None and site != "same-origin"
        )
        unproven = session is not None and origin is None and site is None
        if foreign or unproven:
            raise BadRequest(403, Code.ORIGIN_NOT_ALLOWED, Code.ORIGIN_NOT_ALLOWED.summary)

    def _is_own(self, origin: str, host: str) -> bool:
        if self._manners.public_url is not None:
            own = urlsplit(self._manners.public_url)
            return origin == f"{own.scheme}://{own.netloc}"
        # No parsing of what a stranger wrote: the origin is one of the two that our own pages can have.
        return host != "" and origin in {f"http://{host}", f"https://{host}"}


def _check_method(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise BadRequest(405, Code.BAD_REQUEST, "GraphQL requests are POSTed", allow="POST")


def accepted(accept: str | None) -> str:
    """The media type to answer in, by GraphQL over HTTP; 406 when the caller takes neither."""
    if accept is None:
        return GRAPHQL_TYPE
    best, chosen = 0.0, ""
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = _weight(parameters)
        offer = {
            GRAPHQL_TYPE: GRAPHQL_TYPE,
            JSON_TYPE: JSON_TYPE,
            "*/*": GRAPHQL_TYPE,
            "application/*": GRAPHQL_TYPE,
        }
        if name in offer and weight > best:
            best, chosen = weight, offer[name]
    if not chosen:
        raise BadRequest(406, Code.BAD_REQUEST, f"answers come as {GRAPHQL_TYPE} or {JSON_TYPE}")
    return chosen


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _check_content_type(headers: Headers) -> None:
    name, *parameters = (piece.strip().lower() for piece in headers.get("content-type", "").split(";"))
    charsets = [p[8:].strip('"') for p in parameters if p.startswith("charset=")]
    if name != JSON_TYPE or any(charset not in {"utf-8", "utf8"} for charset in charsets):
        raise BadRequest(415, Code.BAD_REQUEST, f"the content type must be {JSON_TYPE} in UTF-8")
    if headers.get("content-encoding", "identity") != "identity":
        raise BadRequest(415, Code.BAD_REQUEST, "compressed requests are not accepted")


def _cookies(headers: Headers) -> dict[str, str]:
    """The hub's own cookies, whose values are never quoted; one that comes twice is not believed.

    Read by hand: the standard library takes seconds over a header of hostile quoting (CVE-2024-7592).
    """
    found: dict[str, str] = {}
    for header in headers.getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name in OWN_COOKIES:
                found[name] = value if found.get(name, value) == value else ""
    return found


def _length(declared: str) -> int:
    """The stated length of a body, or UNDECLARED."""
    digits = declared.lstrip("0") or declared[:1]
    if not (digits.isascii() and digits.isdigit()):
        return UNDECLARED
    return int(digits) if len(digits) <= LENGTH_DIGITS_MAX else UNDECLARED - 1


async def read_body(headers: Headers, receive: Receive, bytes_max: int) -> bytes:
    """The whole body, counted as it streams in; 413 as soon as it is too large."""
    too_large = BadRequest(413, Code.BODY_TOO_LARGE, f"a request has at most {bytes_max} bytes")
    if bytes_max < _length(headers.get("content-length", "")) < UNDECLARED:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest(400, Code.BAD_REQUEST, "the request ended early")
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > bytes_max:
                    raise too_large
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise BadRequest(408, Code.BAD_REQUEST, "the request took too long to arrive") from None


class _DuplicateKey(ValueError):
    """An object names a member twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _DuplicateKey
    return made


def _not_a_number(_: str) -> Any:
    raise ValueError


def load_json(body: bytes) -> Any:
    """Strict JSON: no duplicate keys, no NaN, no lone surrogates, numbers as they are."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_not_a_number)
        if b"\\u" in body:
            orjson.loads(body)  # refuses lone surrogates, which json lets through
    except _DuplicateKey:
        raise BadRequest(400, Code.BAD_REQUEST, "the body names a member of an object twice") from None
    except (ValueError, RecursionError):
        raise BadRequest(400, Code.BAD_REQUEST, "the body is not valid JSON in UTF-8") from None
    return value


def parse_body(body: bytes) -> dict[str, Any]:
    """The members of a GraphQL request; unknown ones are left alone."""
    value = load_json(body)
    if isinstance(value, list):
        raise BadRequest(400, Code.BATCHING_NOT_ALLOWED, Code.BATCHING_NOT_ALLOWED.summary)
    if not isinstance(value, dict):
        raise BadRequest(400, Code.BAD_REQUEST, "the body must be a JSON object")
    query, variables, name = value.get("query"), value.get("variables"), value.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest(400, Code.BAD_REQUEST, "query must be a string")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, Code.BAD_REQUEST, "variables must be an object")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, Code.BAD_REQUEST, "operationName must be a string")
    if len(body) > STRANGERS_BYTES_MAX:
        _check_counts(variables)
    return {"query": query, "variables": variables or {}, "operationName": name or None}


def _check_counts(variables: object) -> None:
    """Refuse more values than any input takes before each of them is coerced, which is the costly part."""
    stack, values = [variables], 0
    while stack:
        value = stack.pop()
        if isinstance(value, list) and len(value) > LIST_ENTRIES_MAX:
            raise BadRequest(400, Code.INPUT, f"a list has at most {LIST_ENTRIES_MAX} entries")
        if isinstance(value, list | dict):
            values += len(value)
            stack.extend(value.values() if isinstance(value, dict) else value)
        if values > VALUES_MAX:
            raise BadRequest(400, Code.INPUT, f"the variables hold more than {VALUES_MAX} values")


def _status(answer: Answer, media_type: str) -> int:
    """By GraphQL over HTTP: 4xx for what was not executed, unless plain JSON was asked for."""
    if answer.status is not None:
        return answer.status
    return 200 if answer.executed or media_type == JSON_TYPE else 400


async def _send(send: Send, answer: Answer, media_type: str, extra: list[tuple[bytes, bytes]]) -> None:
    status = _status(answer, media_type)
    headers = [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *extra,
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.retry_after_seconds is not None:
        headers.append((b"retry-after", str(answer.retry_after_seconds).encode()))
    headers.extend((b"set-cookie", cookie.encode()) for cookie in answer.cookies)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
