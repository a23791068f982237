"""Webhooks for tests: endpoints registered by GraphQL, and the worker's part of the work done in this process."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from hub.adapters.outbound import Policy
from hub.adapters.webhooks import HttpCourier
from hub.db import Database
from hub.domain.jobs import Mail
from hub.domain.registry import HubCaller
from hub.jobs.doors import JobContext
from hub.jobs.transparency import sequence_all
from hub.jobs.webhooks import HANDLERS, deliver, follow_once
from hub.means import Means
from tests.client import Client
from tests.factories.registry import TestSystem

LOCAL = "127.0.0.0/8"
WEBHOOK = """
  id url state disabledReason kinds filter payload ordered signatures nextLogIndex failingSince warnedAt version
  secrets { scheme publicKey expiresAt } history { change actor details }
"""
REGISTER = f"""
mutation($input: RegisterWebhookInput!) {{
  registerWebhook(input: $input) {{ secret errors {{ code path message }} webhook {{ {WEBHOOK} }} }}
}}"""
WEBHOOKS = f"{{ webhooks {{ edges {{ node {{ {WEBHOOK} }} }} }} }}"
DELIVERIES = """
query($endpoint: ID!, $state: WebhookDeliveryState, $first: Int! = 50, $after: String) {
  webhookDeliveries(endpoint: $endpoint, state: $state, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node {
      id endpointId kind type webhookId logIndex redelivery state tries nextTryAt payload payloadDigest
      attempts { attempt url requestHeaders status responseHeaders responseBody error durationMs }
    } }
  }
}"""


@dataclass
class Desk:
    """The worker's part, step by step, in the test's own hands."""

    database: Database
    means: Means
    courier: HttpCourier = field(default_factory=lambda: HttpCourier(Policy.of(LOCAL)))
    mails: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        """Take one mail, as a mail system does."""
        self.mails.append(mail)

    async def number(self) -> None:
        """Give every committed fact its place in the log."""
        await sequence_all(self.database, self.means)

    async def follow(self) -> None:
        """Number what waits and turn the log into deliveries."""
        await self.number()
        while await follow_once(self.database, self.means):
            pass

    def context(self) -> JobContext:
        """What a job holds."""
        return JobContext(self.database, self.means, self, HubCaller("tests"), uuid.uuid4(), 1, self.courier)

    async def deliver(self, webhook: str) -> None:
        """Send what is due at this endpoint."""
        await deliver(self.context(), {"webhook_id": webhook.removeprefix("whk_")})

    async def run(self, webhook: str) -> None:
        """Follow the log and send what is due at this endpoint."""
        await self.follow()
        await self.deliver(webhook)

    async def mail(self) -> list[Mail]:
        """Run the notices' jobs; the mails that went out."""
        async with self.database.transaction() as tx:
            query = text(
                "UPDATE job SET state='DONE', attempt=1, started_at=now(), finished_at=now() "
                "WHERE name='webhooks.send_notice' AND state='READY' RETURNING arguments"
            )
            rows = list((await tx.rows(query)).scalars())
        before = len(self.mails)
        for arguments in rows:
            await HANDLERS["webhooks.send_notice"](self.context(), arguments)
        return self.mails[before:]

    async def time_passes(self, hours: float) -> None:
        """What waits has waited so long, and what fails has failed so long."""
        async with self.database.transaction() as tx:
            past = {"past": f"{hours} hours"}
            for column, table in (
                ("next_try_at", "webhook_delivery_state"),
                ("failing_since", "webhook"),
                ("paused_until", "webhook"),
            ):
                change = f"UPDATE {table} SET {column} = {column} - CAST(CAST(:past AS text) AS interval)"
                await tx.execute(text(change), past)


async def register(client: Client, system: TestSystem, url: str, **over: Any) -> dict[str, Any]:
    """Register an endpoint as the system; the whole payload."""
    answer = await client.acting(system.api_key).run(REGISTER, input={"url": url, **over})
    payload: dict[str, Any] = answer["registerWebhook"]
    return payload


async def register_ok(client: Client, system: TestSystem, url: str, **over: Any) -> dict[str, Any]:
    """Register an endpoint that must be taken; the whole payload."""
    payload = await register(client, system, url, **over)
    assert payload["errors"] == []
    return payload


async def active(
    client: Client, desk: Desk, system: TestSystem, url: str, **over: Any
) -> tuple[str, str | None]:
    """An endpoint that has answered its challenge: its id and secret. What was there before is not sent to it."""
    await desk.number()
    made = await register_ok(client, system, url, **over)
    webhook: str = made["webhook"]["id"]
    await desk.deliver(webhook)
    assert (await find(client, system, webhook))["state"] == "ACTIVE"
    return webhook, made["secret"]


async def find(client: Client, system: TestSystem, webhook: str) -> dict[str, Any]:
    """An endpoint as its system sees it."""
    found = await client.acting(system.api_key).run(
        f"query($id: ID!) {{ node(id: $id) {{ ... on Webhook {{ {WEBHOOK} }} }} }}", id=webhook
    )
    node: dict[str, Any] = found["node"]
    return node


async def deliveries(client: Client, system: TestSystem, webhook: str, **over: Any) -> list[dict[str, Any]]:
    """An endpoint's deliveries of facts, newest first."""
    page = await client.acting(system.api_key).run(DELIVERIES, endpoint=webhook, **over)
    nodes = [edge["node"] for edge in page["webhookDeliveries"]["edges"]]
    return [node for node in nodes if node["kind"] != "CHALLENGE"]
