"""Doors to webhooks: endpoints, their secrets, deliveries, and sending again."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.domain import registry, webhooks
from hub.domain.webhooks import DeliveryState, Redeliver
from hub.errors import InvalidInput, NotFound
from hub.kit import cursors
from hub.kit.ids import public_id
from hub.resolvers.doors import door
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.registry_inputs import wanted
from hub.schema.webhooks import (
    ConfirmWebhookInput,
    NewWebhookPayload,
    RedeliverWebhookInput,
    RegisterWebhookInput,
    RotateWebhookSecretInput,
    TestWebhookInput,
    UpdateWebhookInput,
    Webhook,
    WebhookDeliveriesPayload,
    WebhookDelivery,
    WebhookInput,
    WebhookPayload,
)


def _system(info: Info, given: strawberry.ID | None) -> uuid.UUID:
    """The system that is meant: the one named, else the caller itself."""
    if given is not None:
        return wanted("sys", given, "systemId")
    known = registry.require_known(info.context.caller)
    if isinstance(known, registry.SystemCaller):
        return known.system_id
    raise NotFound.because(Code.NOT_FOUND, "people name the system they mean", "systemId")


def _endpoint(given: strawberry.ID) -> uuid.UUID:
    return wanted("whk", given, "id")


@strawberry.type
class WebhooksQuery:
    @strawberry.field(description="The endpoints of the calling system, or of a person's agency's systems.")
    async def webhooks(
        self,
        info: Info,
        system_id: strawberry.ID | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[Webhook]:
        limit = page_size(first) + 1
        system = None if system_id is None else wanted("sys", system_id, "systemId")
        since = None if after is None else cursors.decode_id("webhooks", after)
        async with info.context.db.read() as read:
            rows = await webhooks.list_webhooks(
                read, info.context.caller, system_id=system, after=since, limit=limit
            )
        return Connection[Webhook].of(
            rows, first, Webhook.of, lambda row: cursors.encode("webhooks", str(row.id))
        )

    @strawberry.field(description="What was sent to an endpoint, newest first, with every try.")
    async def webhook_deliveries(
        self,
        info: Info,
        endpoint: strawberry.ID,
        state: DeliveryState | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[WebhookDelivery]:
        context, limit = info.context, page_size(first) + 1
        webhook_id = wanted("whk", endpoint, "endpoint")
        name = f"webhookDeliveries:{webhook_id}"
        before = None if after is None else int(cursors.decode(name, after, int)[0])
        async with context.db.read() as read:
            rows = await webhooks.list_deliveries(
                read, context.means, context.caller, webhook_id, state=state, before=before, limit=limit
            )
        return Connection[WebhookDelivery].of(
            rows, first, WebhookDelivery.of, lambda row: cursors.encode(name, row.position)
        )


@strawberry.type
class WebhooksMutation:
    @strawberry.mutation(
        description="Register an address; it gets nothing but a challenge until its receiver has answered that."
    )
    @door
    async def register_webhook(self, info: Info, input: RegisterWebhookInput) -> NewWebhookPayload:
        context, system_id = info.context, _system(info, input.system_id)
        async with context.db.transaction() as tx:
            made = await webhooks.register(tx, context.means, context.caller, system_id, input.to_command())
        return NewWebhookPayload(webhook=Webhook.of(made.webhook), secret=made.secret)

    @strawberry.mutation(description="Send a pending endpoint a new challenge.")
    @door
    async def resend_webhook_challenge(self, info: Info, input: WebhookInput) -> WebhookPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await webhooks.resend_challenge(tx, context.means, context.caller, _endpoint(input.id))
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(
        description="Answer the challenge on behalf of a receiver that cannot answer at once."
    )
    @door
    async def confirm_webhook(self, info: Info, input: ConfirmWebhookInput) -> WebhookPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await webhooks.confirm(tx, context.caller, _endpoint(input.id), input.challenge)
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(description="Change an endpoint that still has this version.")
    @door
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> WebhookPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await webhooks.update(
                tx, context.means, context.caller, _endpoint(input.id), input.to_command()
            )
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(description="New secrets; the old ones sign beside them for a while.")
    @door
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> NewWebhookPayload:
        context = info.context
        async with context.db.transaction() as tx:
            made = await webhooks.rotate_secret(
                tx,
                context.means,
                context.caller,
                _endpoint(input.id),
                overlap=input.overlap,
                idempotency_key=input.idempotency_key,
            )
        return NewWebhookPayload(webhook=Webhook.of(made.webhook), secret=made.secret)

    @strawberry.mutation(
        description="Send an endpoint nothing until it is enabled; the log keeps what it misses."
    )
    @door
    async def disable_webhook(self, info: Info, input: WebhookInput) -> WebhookPayload:
        async with info.context.db.transaction() as tx:
            changed = await webhooks.disable(tx, info.context.caller, _endpoint(input.id))
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(description="Let a disabled endpoint go on where it stopped.")
    @door
    async def enable_webhook(self, info: Info, input: WebhookInput) -> WebhookPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await webhooks.enable(tx, context.means, context.caller, _endpoint(input.id))
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(description="End an endpoint for ever; its log of deliveries stays.")
    @door
    async def remove_webhook(self, info: Info, input: WebhookInput) -> WebhookPayload:
        async with info.context.db.transaction() as tx:
            changed = await webhooks.remove(tx, info.context.caller, _endpoint(input.id))
        return WebhookPayload(webhook=Webhook.of(changed))

    @strawberry.mutation(
        description="Send one delivery again, or all an endpoint hears of a range of the log."
    )
    @door
    async def redeliver_webhook(self, info: Info, input: RedeliverWebhookInput) -> WebhookDeliveriesPayload:
        context = info.context
        is_one = input.delivery_id is not None
        if is_one in {input.range is not None, input.id is not None}:
            raise InvalidInput.because(Code.INPUT, "name either a delivery, or an endpoint and a range")
        async with context.db.transaction() as tx:
            if input.delivery_id is not None:
                delivery_id = wanted("whd", input.delivery_id, "deliveryId")
                made = await webhooks.redeliver(
                    tx, context.means, context.caller, delivery_id, input.idempotency_key
                )
            else:
                assert input.range is not None  # checked above, as is the endpoint
                assert input.id is not None
                command = Redeliver(None, input.range.from_, input.range.to, input.idempotency_key)
                made = await webhooks.redeliver_range(
                    tx, context.means, context.caller, _endpoint(input.id), command
                )
        return _made(made)

    @strawberry.mutation(description="Send an active endpoint a message that means nothing.")
    @door
    async def send_test_webhook(self, info: Info, input: TestWebhookInput) -> WebhookDeliveriesPayload:
        context = info.context
        async with context.db.transaction() as tx:
            made = await webhooks.send_test(
                tx, context.means, context.caller, _endpoint(input.id), input.idempotency_key
            )
        return _made(made)


def _made(ids: list[uuid.UUID]) -> WebhookDeliveriesPayload:
    return WebhookDeliveriesPayload(
        count=len(ids), deliveries=[strawberry.ID(public_id("whd", each)) for each in ids]
    )


async def _webhook(info: Info, webhook_id: uuid.UUID) -> Node | None:
    async with info.context.db.read() as read:
        found = await webhooks.find_webhook(read, info.context.caller, webhook_id)
    return Webhook.of(found) if found is not None else None


async def _delivery(info: Info, delivery_id: uuid.UUID) -> Node | None:
    context = info.context
    async with context.db.read() as read:
        found = await webhooks.find_delivery(read, context.means, context.caller, delivery_id)
    return WebhookDelivery.of(found) if found is not None else None


NODES: dict[str, Callable[[Info, uuid.UUID], Awaitable[Node | None]]] = {
    "whk": _webhook,
    "whd": _delivery,
}
