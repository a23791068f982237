"""Sends one letter by HTTP: signed, to the address that was judged, within fifteen seconds, without redirects."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import time
from datetime import UTC, datetime

import httpx

from hub.adapters.webhooks.guard import Guard, NameUnknown, Target, UrlRefused
from hub.domain.webhooks import Letter, Reply, Scheme, Secret
from hub.signing import HubKey

SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 2_048
USER_AGENT = "fiscal-hub-webhooks/1"
KEPT_HEADERS = ("content-type", "retry-after", "location", "server", "date")
HEADER_CHARACTERS_MAX = 200


def signature(letter: Letter, timestamp: int) -> str:
    """The header `webhook-signature`: over id, timestamp and body, once by each secret that signs now."""
    signed = f"{letter.message_id}.{timestamp}.".encode() + letter.body
    return " ".join(_sign(secret, signed) for secret in letter.secrets)


def _sign(secret: Secret, signed: bytes) -> str:
    if secret.scheme is Scheme.HMAC:
        return "v1," + base64.b64encode(hmac.digest(secret.raw, signed, hashlib.sha256)).decode()
    return "v1a," + base64.b64encode(HubKey.from_seed(secret.raw).sign(signed)).decode()


class HttpCourier:
    """Carries letters. One connection for each: two names at one address must not share what one of them proved."""

    def __init__(self, guard: Guard, *, seconds_max: float = SECONDS_MAX) -> None:
        self._guard = guard
        self._seconds_max = seconds_max
        self._tls = ssl.create_default_context()

    async def send(self, letter: Letter) -> Reply:
        """Send it; whatever goes wrong is a reply with the class of the error."""
        started_at, began = datetime.now(UTC), time.monotonic()
        timestamp = int(started_at.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": letter.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(letter, timestamp),
            "hub-delivery-id": letter.delivery,
            "hub-attempt": str(letter.attempt),
        }
        status: int | None = None
        answered: dict[str, str] = {}
        body, error = b"", None
        try:
            async with asyncio.timeout(self._seconds_max):
                target = await self._guard.resolve(letter.url)
                status, answered, body = await self._post(target, headers, letter.body)
        except TimeoutError:
            error = "TIMEOUT"
        except UrlRefused:
            error = "URL_REFUSED"
        except NameUnknown:
            error = "NAME_UNKNOWN"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            error = _class_of(failure)
        elapsed = int((time.monotonic() - began) * 1_000)
        return Reply(started_at, elapsed, headers, status, answered, body, error)

    async def _post(
        self, target: Target, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Connect to the first judged address that takes the connection, under the host's own name."""
        failure: httpx.ConnectError | None = None
        for address in target.addresses[:2]:
            host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IP's own
            query = f"?{target.url.query}" if target.url.query else ""
            url = f"{target.url.scheme}://{host}:{target.port}{target.url.path or '/'}{query}"
            request = httpx.Request(
                "POST",
                url,
                headers={**headers, "host": target.url.netloc},
                content=body,
                extensions={
                    "sni_hostname": target.host,
                    "timeout": httpx.Timeout(self._seconds_max).as_dict(),
                },
            )
            try:
                return await self._exchange(request)
            except httpx.ConnectError as error:
                failure = error
        assert failure is not None  # there is at least one address
        raise failure

    async def _exchange(self, request: httpx.Request) -> tuple[int, dict[str, str], bytes]:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits) as transport:
            response = await transport.handle_async_request(request)
            try:
                answered = {
                    name: response.headers[name][:HEADER_CHARACTERS_MAX]
                    for name in KEPT_HEADERS
                    if name in response.headers
                }
                body = b""
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= ANSWER_BYTES_MAX:
                        break
            finally:
                await response.aclose()
        return response.status_code, answered, body[:ANSWER_BYTES_MAX]


def _class_of(failure: Exception) -> str:
    """A word for the log of deliveries; never the error's text, which may name inner addresses."""
    causes = [failure, failure.__cause__, failure.__context__]
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "SSL" in str(failure)[:200]:
        return "TLS"
    if isinstance(failure, httpx.ConnectError | ConnectionError):
        return "CONNECT"
    return "TIMEOUT" if isinstance(failure, httpx.TimeoutException) else "PROTOCOL"
