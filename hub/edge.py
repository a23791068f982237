"""GraphQL over HTTP: one endpoint that reads requests strictly and writes answers by the media type asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
from starlette.types import Message, Receive, Scope, Send

from hub import failures
from hub.api import Api, refused
from hub.calls import Answer, Call
from hub.codes import Code
from hub.errors import Refusal
from hub.kit import strict_json
from hub.observe import Metrics, RequestLog
from hub.replica import read_position, write_position
from hub.resolvers.registration import BROWSER_COOKIE, SESSION_COOKIE

GRAPHQL_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream"
CONTENT_TYPES = {name: f"{name}; charset=utf-8".encode() for name in (GRAPHQL_TYPE, JSON_TYPE)}
AFTER_POSITION = b"hub-after-position"
BODY_SECONDS_MAX = 60.0
# Reading a large body costs seconds of this process: only callers we know are given them.
STRANGERS_BYTES_MAX = 128 * 1024
LIST_ENTRIES_MAX = 20_000
# Reading as many holds the process up for about 0.3 s.
VALUES_MAX = 500_000
OWN_COOKIES = frozenset({SESSION_COOKIE, BROWSER_COOKIE})
LENGTH_DIGITS_MAX = 18
UNDECLARED = 10**19


MEMORABLE_CHARS_MAX = 200


class Headers:
    """The headers of one request, read in one pass: the first value of each name, and all its cookies."""

    __slots__ = ("_first", "cookies")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._first: dict[bytes, bytes] = {}
        self.cookies: list[str] = []
        for name, value in raw:
            self._first.setdefault(name, value)
            if name == b"cookie":
                self.cookies.append(value.decode("latin-1"))

    def get(self, name: bytes) -> str | None:
        """The first value of a header, its name in lower case."""
        value = self._first.get(name)
        return None if value is None else value.decode("latin-1")


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


class Stream(Protocol):
    """Answers a request as an event stream: what it answered, or None once it has sent all of it itself."""

    def __call__(
        self, call: Call, headers: Headers, receive: Receive, send: Send
    ) -> Awaitable[Answer | None]:
        """Stream until either side ends it."""
        ...


class Endpoint:
    """``POST /graphql`` as a plain ASGI app."""

    def __init__(self, api: Api, metrics: Metrics, manners: Manners, stream: Stream | None = None) -> None:
        self._api = api
        self._metrics = metrics
        self._manners = manners
        self._stream = stream
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and say so in one log line."""
        started = time.perf_counter()
        trace_id: str = scope["state"]["trace_id"]
        headers = Headers(scope["headers"])
        media_type = GRAPHQL_TYPE
        try:
            _check_method(scope)
            media_type = accepted(headers.get(b"accept"))
            call = await self._read(scope, headers, receive, trace_id)
        except Refusal as refusal:
            answer = refused(failures.of_refusal(refusal))
            await _send(send, answer, _of_errors(media_type), [])
        except BadRequest as bad:
            failure = failures.Failure(failures.plain(bad.code, str(bad)))
            body = orjson.dumps({"errors": [failure.body]})
            answer = Answer(body, executed=False, status=bad.status, outcome=bad.code.value)
            extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in bad.headers.items()]
            await _send(send, answer, _of_errors(media_type), extra)
        else:
            if media_type == STREAM_TYPE:
                streamed = await self._streamed(call, headers, receive, send)
                if streamed is None:
                    return
                answer, media_type = streamed, GRAPHQL_TYPE
            else:
                answer = await self._answer(call)
            await _send(send, answer, media_type, [])
        self._observe(answer, trace_id, time.perf_counter() - started)

    async def _streamed(self, call: Call, headers: Headers, receive: Receive, send: Send) -> Answer | None:
        if self._stream is None:
            message = f"answers come as {GRAPHQL_TYPE} or {JSON_TYPE}"
            failure = failures.Failure(failures.plain(Code.BAD_REQUEST, message))
            return Answer(orjson.dumps({"errors": [failure.body]}), executed=False, status=406)
        return await self._stream(call, headers, receive, send)

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
        self._log.write(trace_id, answer.caller, answer.fields, answer.outcome, seconds)

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, trace_id: str) -> Call:
        _check_content_type(headers)
        cookies = own_cookies(headers.cookies) if headers.cookies else {}
        session = cookies.get(SESSION_COOKIE)
        authorization = headers.get(b"authorization")
        if authorization is None:
            check_origin(headers, session, self._manners.public_url)
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
            agent=headers.get(b"user-agent") or "",
            after=_position(headers.get(AFTER_POSITION)),
        )
        body = await read_body(headers, receive, await self._bytes_max(headers, call))
        request = parse_body(body)
        return replace(
            call,
            document=request["query"],
            variables=request["variables"],
            operation_name=request["operationName"],
            is_large=len(body) > STRANGERS_BYTES_MAX,
        )

    async def _bytes_max(self, headers: Headers, call: Call) -> int:
        """How much of a body is read: as much as strangers may send, or all of it for callers we know."""
        most = self._manners.body_bytes_max
        declared = headers.get(b"content-length") or ""
        if most <= STRANGERS_BYTES_MAX or _length(declared) <= STRANGERS_BYTES_MAX:
            return min(most, STRANGERS_BYTES_MAX)
        return most if await self._api.knows(call) else STRANGERS_BYTES_MAX


def check_origin(headers: Headers, session: str | None, public_url: str | None) -> None:
    """A browser carries the session wherever it goes, so a request must show that it comes from us."""
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site")
    foreign = (origin is not None and not _is_own(origin, headers.get(b"host") or "", public_url)) or (
        site is not None and site != "same-origin"
    )
    unproven = session is not None and origin is None and site is None
    if foreign or unproven:
        raise BadRequest(403, Code.ORIGIN_NOT_ALLOWED, Code.ORIGIN_NOT_ALLOWED.summary)


def _is_own(origin: str, host: str, public_url: str | None) -> bool:
    if public_url is not None:
        own = urlsplit(public_url)
        return origin == f"{own.scheme}://{own.netloc}"
    # No parsing of what a stranger wrote: the origin is one of the two that our own pages can have.
    return host != "" and origin in {f"http://{host}", f"https://{host}"}


def _position(text: str | None) -> int | None:
    if text is None:
        return None
    position = read_position(text)
    if position is None:
        raise BadRequest(400, Code.BAD_REQUEST, "hub-after-position must be what hub-position said")
    return position


def _check_method(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise BadRequest(405, Code.BAD_REQUEST, "GraphQL requests are POSTed", allow="POST")


def accepted(accept: str | None) -> str:
    """The media type to answer in, by GraphQL over HTTP; 406 when the caller takes neither."""
    if accept is None:
        return GRAPHQL_TYPE
    return _chosen_again(accept) if len(accept) <= MEMORABLE_CHARS_MAX else _chosen(accept)


def _chosen(accept: str) -> str:
    best, chosen = 0.0, ""
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = _weight(parameters)
        offer = {
            GRAPHQL_TYPE: GRAPHQL_TYPE,
            JSON_TYPE: JSON_TYPE,
            STREAM_TYPE: STREAM_TYPE,
            "*/*": GRAPHQL_TYPE,
            "application/*": GRAPHQL_TYPE,
        }
        if name in offer and weight > best:
            best, chosen = weight, offer[name]
    if not chosen:
        raise BadRequest(406, Code.BAD_REQUEST, f"answers come as {GRAPHQL_TYPE} or {JSON_TYPE}")
    return chosen


_chosen_again = lru_cache(maxsize=256)(_chosen)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _check_content_type(headers: Headers) -> None:
    declared = headers.get(b"content-type") or ""
    if declared != JSON_TYPE and not _is_json(declared):
        raise BadRequest(415, Code.BAD_REQUEST, f"the content type must be {JSON_TYPE} in UTF-8")
    if headers.get(b"content-encoding") not in {None, "identity"}:
        raise BadRequest(415, Code.BAD_REQUEST, "compressed requests are not accepted")


def _is_json(content_type: str) -> bool:
    name, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    charsets = [p[8:].strip('"') for p in parameters if p.startswith("charset=")]
    return name == JSON_TYPE and all(charset in {"utf-8", "utf8"} for charset in charsets)


def own_cookies(headers: Iterable[str]) -> dict[str, str]:
    """The hub's own cookies, whose values are never quoted; one that comes twice is not believed.

    Read by hand: the standard library takes seconds over a header of hostile quoting (CVE-2024-7592).
    """
    found: dict[str, str] = {}
    for header in headers:
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
    if bytes_max < _length(headers.get(b"content-length") or "") < UNDECLARED:
        raise _too_large(bytes_max)
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
                    raise _too_large(bytes_max)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise BadRequest(408, Code.BAD_REQUEST, "the request took too long to arrive") from None


def _too_large(bytes_max: int) -> BadRequest:
    return BadRequest(413, Code.BODY_TOO_LARGE, f"a request has at most {bytes_max} bytes")


def load_json(body: bytes) -> Any:
    """Strict JSON, with numbers as they are; 400 for anything else, and for more than is ever read."""
    if len(body) > STRANGERS_BYTES_MAX and not strict_json.is_modest(body, VALUES_MAX):
        message = f"the body holds more than {VALUES_MAX} values, or an endless number"
        raise BadRequest(400, Code.INPUT, message)
    try:
        return strict_json.load(body)
    except strict_json.NotStrict as refused_because:
        raise BadRequest(400, Code.BAD_REQUEST, f"the body {refused_because}") from None


def parse_body(body: bytes) -> dict[str, Any]:
    """The members of a GraphQL request; unknown ones are left alone."""
    value = load_json(body)
    if isinstance(value, list):
        raise BadRequest(400, Code.BATCHING_NOT_ALLOWED, Code.BATCHING_NOT_ALLOWED.summary)
    if not isinstance(value, dict):
        raise BadRequest(400, Code.BAD_REQUEST, "the body must be a JSON object")
    request = parse_request(value)
    if len(body) > STRANGERS_BYTES_MAX:
        _check_lists(request["variables"])
    return request


def parse_request(value: dict[str, Any]) -> dict[str, Any]:
    """The members of a GraphQL request: query, variables, operationName."""
    query, variables, name = value.get("query"), value.get("variables"), value.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest(400, Code.BAD_REQUEST, "query must be a string")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, Code.BAD_REQUEST, "variables must be an object")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, Code.BAD_REQUEST, "operationName must be a string")
    return {"query": query, "variables": variables or {}, "operationName": name or None}


def _check_lists(variables: Any) -> None:
    """Refuse longer lists than any input takes before each entry is coerced, which is the costly part."""
    stack = [variables] if variables else []
    while stack:
        value = stack.pop()
        if type(value) is dict:
            value = value.values()
        elif len(value) > LIST_ENTRIES_MAX:
            raise BadRequest(400, Code.INPUT, f"a list has at most {LIST_ENTRIES_MAX} entries")
        stack += [entry for entry in value if type(entry) is dict or type(entry) is list]


def _of_errors(media_type: str) -> str:
    """What is refused before a stream begins is no stream."""
    return GRAPHQL_TYPE if media_type == STREAM_TYPE else media_type


def _status(answer: Answer, media_type: str) -> int:
    """By GraphQL over HTTP: 4xx for what was not executed, unless plain JSON was asked for."""
    if answer.status is not None:
        return answer.status
    return 200 if answer.executed or media_type == JSON_TYPE else 400


async def _send(send: Send, answer: Answer, media_type: str, extra: list[tuple[bytes, bytes]]) -> None:
    status = _status(answer, media_type)
    headers = [
        (b"content-type", CONTENT_TYPES[media_type]),
        (b"content-length", str(len(answer.body)).encode()),
        *extra,
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.position is not None:
        headers.append((b"hub-position", write_position(answer.position).encode()))
    if answer.retry_after_seconds is not None:
        headers.append((b"retry-after", str(answer.retry_after_seconds).encode()))
    headers.extend((b"set-cookie", cookie.encode()) for cookie in answer.cookies)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
