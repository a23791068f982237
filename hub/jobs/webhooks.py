"""The webhooks' jobs: following the log, sending what is due, and telling keepers what became of their endpoints."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from hub.db import Database
from hub.domain import registry, webhooks
from hub.domain.jobs import Mail
from hub.domain.registry import HubCaller
from hub.domain.webhooks import Letter
from hub.jobs.doors import Handler, JobContext
from hub.means import Means

log = structlog.get_logger(__name__)

LOG_TOPIC = "log"
TOPIC = webhooks.TOPIC
SWEEP_SECONDS = 2.0
FOLLOWED_MAX = 500  # endpoints looked after in one sweep
FOLLOWED_AT_ONCE = 4
SEND_SECONDS_MAX = 45.0
FOLLOWER = HubCaller("webhooks follow the log")

NOTICES = {
    "WARNED": (
        "Your webhook endpoint does not answer",
        (
            "No delivery to this endpoint has succeeded for a day. Deliveries are tried again; if none succeeds\n"
            "within three days of the first failure, the endpoint is switched off."
        ),
    ),
    "FAILING": (
        "Your webhook endpoint was switched off",
        (
            "No delivery to this endpoint has succeeded for three days, so it gets nothing more. Nothing is lost:\n"
            "repair it and enable it again, and it goes on where it stopped."
        ),
    ),
    "GONE": (
        "Your webhook endpoint was switched off",
        (
            "The endpoint answered 410 Gone, so it gets nothing more. If that was a mistake, enable it again:\n"
            "it goes on where it stopped."
        ),
    ),
}
NOTICE_TEXT = "{what}\n\nEndpoint {id}\nAddress {url}\nHub {domain}\n"


class Waiting(Protocol):
    """How a loop waits for a wake-up call, or for the time to look again."""

    async def wait(self, topic: str, timeout_seconds: float) -> bool:
        """Whether somebody called in time."""
        ...


async def follow(db: Database, means: Means, wakeups: Waiting) -> None:
    """Turn the log into deliveries, for ever: on the log's wake-up call, and every two seconds whatever happens."""
    while True:
        if not await follow_once(db, means):
            await wakeups.wait(LOG_TOPIC, SWEEP_SECONDS)


async def follow_once(db: Database, means: Means) -> bool:
    """One sweep: each endpoint behind the log moves on a step, and what is due is called for; whether more is to do."""
    async with db.read() as read:
        behind = await webhooks.list_behind(read, FOLLOWED_MAX)
    few = asyncio.Semaphore(FOLLOWED_AT_ONCE)

    async def step(webhook_id: uuid.UUID) -> bool:
        async with few:
            try:
                async with db.transaction() as tx:
                    return await webhooks.dispatch(tx, means, FOLLOWER, webhook_id)
            except Exception as error:  # noqa: BLE001 - one endpoint's trouble must not stop the others
                log.warning("webhook_not_followed", webhook=str(webhook_id), error=type(error).__name__)
                return False

    has_more = any(await asyncio.gather(*map(step, behind)))
    async with db.transaction() as tx:
        await webhooks.call_due(tx, FOLLOWER, FOLLOWED_MAX)
    return has_more


async def deliver(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Send what is due at one endpoint, a few at a time, until nothing is or the time is up."""
    webhook_id = uuid.UUID(arguments["webhook_id"])
    until = time.monotonic() + SEND_SECONDS_MAX
    while time.monotonic() < until:
        async with context.db.transaction() as tx:
            letters = await webhooks.begin(tx, context.means, context.caller, webhook_id)
        if not letters:
            return
        # All of them end, whatever becomes of one: what was sent is recorded.
        ended = await asyncio.gather(*(_send(context, letter) for letter in letters), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error


async def _send(context: JobContext, letter: Letter) -> None:
    """The request goes out between two transactions: the intent is written, then the reply."""
    assert context.courier is not None  # the worker wires it
    reply = await context.courier.send(letter)
    async with context.db.transaction() as tx:
        verdict = await webhooks.record(tx, context.caller, letter, reply)
    log.info(
        "webhook_tried",
        webhook=str(letter.webhook_id),
        delivery=str(letter.delivery_id),
        attempt=letter.attempt,
        status=reply.status,
        error=reply.error,
        milliseconds=reply.duration_ms,
        outcome=verdict.state.value if verdict is not None else "SUPERSEDED",
    )


async def send_notice(context: JobContext, arguments: Mapping[str, Any]) -> None:
    """Mail one keeper a warning, or that an endpoint was switched off."""
    webhook_id, person_id = uuid.UUID(arguments["webhook_id"]), uuid.UUID(arguments["person_id"])
    async with context.db.read() as read:
        found = await webhooks.find_webhook(read, context.caller, webhook_id)
        to = await registry.find_email(read, person_id)
    if found is None or to is None:
        return
    subject, what = NOTICES[arguments["notice"]]
    text = NOTICE_TEXT.format(what=what, id=found.public_id, url=found.url, domain=context.means.domain)
    await context.mailer.send(Mail(context.message_id, to, subject, text))


async def forget(context: JobContext, _: Mapping[str, Any]) -> None:
    """Throw away the keys of old payloads."""
    has_more = True
    while has_more:
        async with context.db.transaction() as tx:
            has_more = await webhooks.forget(tx, context.caller)


HANDLERS: dict[str, Handler] = {"webhooks.send_notice": send_notice, "webhooks.forget": forget}
# Run by a runner of its own, with many slots: endpoints that are slow must not keep other jobs waiting.
SENDING: dict[str, Handler] = {"webhooks.deliver": deliver}
