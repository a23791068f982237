"""The one place where the hub makes HTTP clients to other systems.

Each request: 1. The URL is judged as written. 2. Its name is resolved, once. 3. Every address must be outside. 4. The
connection goes to one of these addresses. 5. The answer is read within the time, up to its size. Redirects are not
followed, cookies not kept, the environment's proxies not asked, and no connection serves two requests.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpcore
import httpx

from hub.adapters.outbound.guard import Policy, Target, check_answers, check_url
from hub.adapters.outbound.hosts import Address
from hub.adapters.outbound.resolving import Resolver, SystemResolver
from hub.adapters.outbound.transport import PinnedTransport
from hub.errors import OutsideUnavailable, OutsideUnreadable

CONNECT_SECONDS_MAX = 5.0
RESOLVE_SECONDS_MAX = 5.0
TIMEOUT_SECONDS = 15.0
ANSWER_BYTES_MAX = 1024 * 1024
REQUESTS_MAX = 100

USER_AGENT = "fiscal-hub/1"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
# What frames the request or names the host is made from the target alone.
_OURS = frozenset(
    {
        "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "expect",
        "keep-alive", "proxy-connection", "proxy-authorization", "accept-encoding", "cookie",
    }
)  # fmt: skip


class Trouble(StrEnum):
    """What kept a request from being answered, in one word."""

    NAME = "NAME"
    CONNECT = "CONNECT"
    TLS = "TLS"
    TIMEOUT = "TIMEOUT"
    BROKEN = "BROKEN"


class NotSent(OutsideUnavailable):
    """Nothing of the request left the hub: it may be sent again without harm."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class NoAnswer(OutsideUnavailable):
    """The request, or some of it, went out and no whole answer came: whether it took effect is not known."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status; header names in lower case.

    ``cut`` when the body is not all there is: it went on beyond its limit, or does not unpack.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    cut: bool

    def whole(self) -> bytes:
        """The body, to be understood. Raises OutsideUnreadable when it was cut."""
        if self.cut:
            raise OutsideUnreadable("an answer larger than allowed, or one that does not unpack")
        return self.body


class Outbound:
    """Sends requests under one policy. ``tls`` and ``resolver`` are the system's unless given."""

    def __init__(
        self,
        policy: Policy,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        requests_max: int = REQUESTS_MAX,
    ) -> None:
        self.policy = policy
        self._resolver = resolver or SystemResolver()
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._slots = asyncio.Semaphore(requests_max)

    async def check(self, url: str) -> Target:
        """Whether the URL could be called now, without calling it. Raises UrlRefused or, without address, NotSent."""
        target = check_url(url, policy=self.policy)
        await self._addresses(target)
        return target

    async def post(
        self,
        url: str,
        *,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Reply:
        """``request`` with the method POST."""
        return await self.request(
            "POST",
            url,
            content=content,
            headers=headers,
            timeout_seconds=timeout_seconds,
            answer_bytes_max=answer_bytes_max,
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Reply:
        """Send once, and read the answer; whatever its status, it is a reply.

        Raises UrlRefused (the URL, or where it leads now), NotSent, and NoAnswer (the outcome is not known).
        ValueError for headers that are not the caller's to set.
        """
        target = check_url(url, policy=self.policy)
        request = httpx.Request(
            method,
            target.url,
            content=content,
            headers={
                "user-agent": USER_AGENT,
                "accept": "*/*",
                **_checked(headers or {}),
                "accept-encoding": "identity",
                "connection": "close",
            },
        )
        progress = _Progress()
        request.extensions = {
            "timeout": {"connect": CONNECT_SECONDS_MAX, "read": None, "write": None, "pool": None},
            "trace": progress.note,
        }
        began = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_seconds), self._slots:
                addresses = await self._addresses(target)
                status, answered, body, cut = await self._exchange(
                    request, target, addresses, answer_bytes_max
                )
        except (TimeoutError, httpcore.TimeoutException):
            raise progress.failure(Trouble.TIMEOUT) from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError, OSError) as error:
            raise progress.failure(_trouble_of(error)) from None
        return Reply(status, answered, body, time.perf_counter() - began, cut)

    async def _addresses(self, target: Target) -> tuple[Address, ...]:
        """Every address of the target, each of them allowed."""
        if not isinstance(target.host, str):
            return (target.host,)
        # With the root's dot no search domain of this machine is tried; a local network's names may need one.
        policy = self.policy
        is_local = policy.allow_private or policy.private_networks or target.origin in policy.origins
        name = target.host if is_local else target.host + "."
        try:
            async with asyncio.timeout(RESOLVE_SECONDS_MAX):
                answers = await self._resolver(name, target.port)
        except OSError:  # TimeoutError is one
            raise NotSent(Trouble.NAME) from None
        if not answers:
            raise NotSent(Trouble.NAME)
        return check_answers(target, answers, policy=policy)

    async def _exchange(
        self, request: httpx.Request, target: Target, addresses: tuple[Address, ...], answer_bytes_max: int
    ) -> tuple[int, dict[str, str], bytes, bool]:
        async with PinnedTransport(target, addresses, self._tls) as transport:
            response = await transport.handle_async_request(request)
            try:
                body, cut = await _read(response, answer_bytes_max)
            finally:
                await response.aclose()
        return response.status_code, dict(response.headers.items()), body, cut


class _Progress:
    """How far a request got, as httpcore tells it."""

    def __init__(self) -> None:
        self._is_sent = False

    async def note(self, event: str, _info: Mapping[str, Any]) -> None:
        """From the first byte of the head on, the other side may have acted."""
        if event == "http11.send_request_headers.started":
            self._is_sent = True

    def failure(self, trouble: Trouble) -> NotSent | NoAnswer:
        """What to raise: the two differ in whether repeating can do harm."""
        return NoAnswer(trouble) if self._is_sent else NotSent(trouble)


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in _OURS or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} is not the caller's to set, or cannot be sent")
    return {name.lower(): value for name, value in headers.items()}


def _trouble_of(error: Exception) -> Trouble:
    if isinstance(error, httpcore.ConnectError | ConnectionRefusedError):
        causes = (error.__cause__, error.__context__)
        return Trouble.TLS if any(isinstance(cause, ssl.SSLError) for cause in causes) else Trouble.CONNECT
    return Trouble.BROKEN


async def _read(response: httpx.Response, bytes_max: int) -> tuple[bytes, bool]:
    """The body and whether it was cut. What is packed is unpacked no further than the limit, which counts both forms."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip", "deflate", ""}:
        return b"", True
    unpack = None if encoding in {"identity", ""} else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    body, received = bytearray(), 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        try:
            body += chunk if unpack is None else unpack.decompress(chunk, bytes_max + 1 - len(body))
        except zlib.error:
            return bytes(body), True
        if len(body) > bytes_max or received > bytes_max:
            return bytes(body[:bytes_max]), True
    return bytes(body), unpack is not None and not unpack.eof and received > 0
