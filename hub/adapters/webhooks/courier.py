"""Sends one letter by HTTP: signed, to the address that was judged, within fifteen seconds, without redirects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

from hub.adapters import outbound
from hub.adapters.outbound import NoAnswer, NotSent, Outbound, Policy, Trouble, UrlRefused
from hub.domain.webhooks import Letter, Reply, Scheme, Secret
from hub.signing import HubKey

SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 2_048
USER_AGENT = "fiscal-hub-webhooks/1"
KEPT_HEADERS = ("content-type", "retry-after", "location", "server", "date")
HEADER_CHARACTERS_MAX = 200
# A word for the log of deliveries; never the error's text, which may name inner addresses.
ERRORS = {
    Trouble.NAME: "NAME_UNKNOWN",
    Trouble.CONNECT: "CONNECT",
    Trouble.TLS: "TLS",
    Trouble.TIMEOUT: "TIMEOUT",
    Trouble.BROKEN: "PROTOCOL",
}


def signature(letter: Letter, timestamp: int) -> str:
    """The header `webhook-signature`: over id, timestamp and body, once by each secret that signs now."""
    signed = f"{letter.message_id}.{timestamp}.".encode() + letter.body
    return " ".join(_sign(secret, signed) for secret in letter.secrets)


def _sign(secret: Secret, signed: bytes) -> str:
    if secret.scheme is Scheme.HMAC:
        return "v1," + base64.b64encode(hmac.digest(secret.raw, signed, hashlib.sha256)).decode()
    return "v1a," + base64.b64encode(HubKey.from_seed(secret.raw).sign(signed)).decode()


class HttpCourier:
    """Carries letters to where the policy allows."""

    def __init__(self, policy: Policy, *, seconds_max: float = SECONDS_MAX) -> None:
        self._outbound = Outbound(policy)
        self._seconds_max = seconds_max

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
        reply: outbound.Reply | None = None
        error: str | None = None
        try:
            reply = await self._outbound.post(
                letter.url,
                content=letter.body,
                headers=headers,
                timeout_seconds=self._seconds_max,
                answer_bytes_max=ANSWER_BYTES_MAX,
            )
        except UrlRefused:
            error = "URL_REFUSED"
        except (NotSent, NoAnswer) as failure:
            error = ERRORS[failure.trouble]
        elapsed = int((time.monotonic() - began) * 1_000)
        if reply is None:
            return Reply(started_at, elapsed, headers, error=error)
        answered = {
            name: reply.headers[name][:HEADER_CHARACTERS_MAX]
            for name in KEPT_HEADERS
            if name in reply.headers
        }
        return Reply(started_at, elapsed, headers, reply.status, answered, reply.body)
