"""One request's way out: a connection to an address that was judged, and to no other.

TLS name, certificate and Host header stay the URL's; only where the connection goes is settled beforehand. Nothing
resolves a name here, so an answer of a name server that changes between the check and the use changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from hub.adapters.outbound.guard import Target
from hub.adapters.outbound.hosts import Address

ADDRESSES_TRIED_MAX = 4


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the given addresses in turn, whatever name it is asked for."""

    def __init__(self, target: Target, addresses: Sequence[Address]) -> None:
        self._target = target
        self._addresses = tuple(addresses)[:ADDRESSES_TRIED_MAX]
        self._tcp = httpcore.AnyIOBackend()
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that takes one; they share the time."""
        if (host, port) != (str(self._target.host), self._target.port):
            raise httpcore.ConnectError("another host than the one that was judged")
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        failure: Exception = httpcore.ConnectError("no address")
        for place, address in enumerate(self._addresses):
            share = None if until is None else (until - loop.time()) / (len(self._addresses) - place)
            try:
                stream = await self._tcp.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                self._opened.append(stream)
                return stream
        raise failure

    async def aclose(self) -> None:
        """Close what was opened: a request that is cancelled amid the TLS handshake leaves its connection to nobody."""
        for stream in self._opened:
            await stream.aclose()

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        del path, timeout, socket_options
        raise httpcore.ConnectError("no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Between tries, of which there are none."""
        await asyncio.sleep(seconds)


class PinnedTransport(httpx.AsyncBaseTransport):
    """httpx's transport for one request to one target. Its failures are httpcore's."""

    def __init__(self, target: Target, addresses: Sequence[Address], tls: ssl.SSLContext) -> None:
        self._backend = PinnedBackend(target, addresses)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=self._backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it and read the head of the answer."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_AnswerStream(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close the connection."""
        try:
            await self._pool.aclose()
        finally:
            await self._backend.aclose()


class _AnswerStream(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()
