"""Shapes of webhooks: endpoints, their deliveries and tries, and the inputs and payloads around them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

import msgspec
import strawberry

from hub.context import Info
from hub.domain import webhooks
from hub.domain.fiscal_events.filters import Filter
from hub.domain.webhooks import (
    Change,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    FactKind,
    PayloadForm,
    RegisterWebhook,
    Scheme,
    UpdateWebhook,
    WebhookState,
)
from hub.kit.ids import public_id
from hub.schema.nodes import Node
from hub.schema.posting_filters import FiscalEventFilter
from hub.schema.problems import Payload
from hub.schema.scalars import Attributes, BigInt, Bytes, Instant

NAMED: dict[type[StrEnum], str] = {
    Change: "WebhookChange",
    DeliveryKind: "WebhookDeliveryKind",
    DeliveryState: "WebhookDeliveryState",
    DisabledReason: "WebhookDisabledReason",
    FactKind: "WebhookFactKind",
    PayloadForm: "WebhookPayloadForm",
    Scheme: "WebhookSignatureScheme",
    WebhookState: "WebhookState",
}
for _enum, _name in NAMED.items():
    strawberry.enum(_enum, name=_name, description=_enum.__doc__)

OVERLAP_SECONDS = 86_400
# The criteria whose names in the API are not the domain's in camel case.
RENAMED = {"parents": "childrenOf", "since": "from", "until": "to"}


@strawberry.type(
    description="What a secret shows of itself; deliveries carry one signature by each that is listed."
)
class WebhookSecret:
    scheme: Scheme
    public_key: str | None = strawberry.field(description="Of Ed25519: `whpk_...`, to verify by.")
    created_at: Instant
    expires_at: Instant | None = strawberry.field(description="Null for the present one.")

    @classmethod
    def of(cls, mark: webhooks.SecretMark) -> Self:
        return cls(
            scheme=mark.scheme,
            public_key=webhooks.public_text(mark.public_key) if mark.public_key is not None else None,
            created_at=Instant(mark.created_at),
            expires_at=_instant(mark.expires_at),
        )


@strawberry.type(description="One change of an endpoint.")
class WebhookHistoryEntry:
    change: Change
    actor: str = strawberry.field(description="SYSTEM, PERSON or HUB.")
    at: Instant
    details: Attributes

    @classmethod
    def of(cls, entry: webhooks.HistoryEntry) -> Self:
        return cls(
            change=entry.change,
            actor=entry.actor,
            at=Instant(entry.at),
            details=Attributes(dict(entry.details)),
        )


@strawberry.type(description="An address a system asked the hub to send to what the log brings it.")
class Webhook(Node):
    row: strawberry.Private[webhooks.Webhook]
    system_id: strawberry.ID
    url: str
    description: str
    state: WebhookState
    disabled_reason: DisabledReason | None
    kinds: list[FactKind] = strawberry.field(metadata={"list_size": 3})
    filter: Attributes = strawberry.field(
        description="The criteria that are set, by their names in the input."
    )
    payload: PayloadForm
    ordered: bool = strawberry.field(description="One delivery at a time, in the log's order.")
    signatures: list[Scheme] = strawberry.field(metadata={"list_size": 2})
    next_log_index: BigInt = strawberry.field(
        description="The first leaf it has not been considered for yet."
    )
    failing_since: Instant | None
    warned_at: Instant | None
    paused_until: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant

    @strawberry.field(description="Newest first.", metadata={"list_size": 4})
    async def secrets(self, info: Info) -> list[WebhookSecret]:
        async with info.context.db.read() as read:
            found = await webhooks.secrets_of(read, info.context.caller, [self.row])
        return [WebhookSecret.of(mark) for mark in found.get(self.row.id, ())]

    @strawberry.field(description="The last hundred changes, newest first.", metadata={"list_size": 20})
    async def history(self, info: Info) -> list[WebhookHistoryEntry]:
        async with info.context.db.read() as read:
            found = await webhooks.history_of(read, info.context.caller, self.row)
        return [WebhookHistoryEntry.of(entry) for entry in found]

    @classmethod
    def of(cls, row: webhooks.Webhook) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.public_id),
            system_id=strawberry.ID(public_id("sys", row.system_id)),
            url=row.url,
            description=row.description,
            state=row.state,
            disabled_reason=row.disabled_reason,
            kinds=sorted(row.kinds),
            filter=Attributes(filter_document(row.filter)),
            payload=row.payload,
            ordered=row.is_ordered,
            signatures=sorted(row.schemes),
            next_log_index=BigInt(row.dispatched_to),
            failing_since=_instant(row.failing_since),
            warned_at=_instant(row.warned_at),
            paused_until=_instant(row.paused_until),
            version=row.version,
            created_at=Instant(row.created_at),
            updated_at=Instant(row.updated_at),
        )


@strawberry.type(description="One try of a delivery: what was sent, and what came back.")
class WebhookAttempt:
    attempt: int
    started_at: Instant
    duration_ms: int
    url: str
    request_headers: Attributes
    status: int | None = strawberry.field(description="Of the answer; null when none came.")
    response_headers: Attributes
    response_body: str = strawberry.field(description="The first 2,048 bytes, as text.")
    error: str | None = strawberry.field(
        description="TIMEOUT, CONNECT, TLS, NAME_UNKNOWN, URL_REFUSED, PROTOCOL, or LOST with the hub's own process."
    )

    @classmethod
    def of(cls, row: webhooks.Attempt) -> Self:
        return cls(
            attempt=row.attempt,
            started_at=Instant(row.started_at),
            duration_ms=row.duration_ms,
            url=row.url,
            request_headers=Attributes(dict(row.request_headers)),
            status=row.status,
            response_headers=Attributes(dict(row.response_headers)),
            response_body=row.response_body.decode(errors="replace"),
            error=row.error,
        )


@strawberry.type(description="Something that was, or is to be, sent to an endpoint.")
class WebhookDelivery(Node):
    endpoint_id: strawberry.ID
    kind: DeliveryKind
    type: str
    webhook_id: str = strawberry.field(
        description="The header of that name: the same however often it is sent."
    )
    log_index: BigInt | None
    redelivery: bool
    state: DeliveryState
    tries: int
    next_try_at: Instant | None = strawberry.field(description="While it waits.")
    finished_at: Instant | None
    created_at: Instant
    payload: Bytes | None = strawberry.field(
        description="The very bytes of every try; null for challenges, and a month after the delivery ended."
    )
    payload_digest: str = strawberry.field(description="sha256:<hex> of these bytes.")
    attempts: list[WebhookAttempt] = strawberry.field(metadata={"list_size": 12})

    @classmethod
    def of(cls, row: webhooks.Delivery) -> Self:
        return cls(
            id=strawberry.ID(row.public_id),
            endpoint_id=strawberry.ID(public_id("whk", row.webhook_id)),
            kind=row.kind,
            type=row.type,
            webhook_id=row.message_id,
            log_index=BigInt(row.log_index) if row.log_index is not None else None,
            redelivery=row.is_redelivery,
            state=row.state,
            tries=row.tries,
            next_try_at=Instant(row.next_try_at) if row.state is DeliveryState.WAITING else None,
            finished_at=_instant(row.finished_at),
            created_at=Instant(row.created_at),
            payload=Bytes(row.payload) if row.payload is not None else None,
            payload_digest=f"sha256:{row.payload_sha256.hex()}",
            attempts=[WebhookAttempt.of(each) for each in row.attempts],
        )


# Inputs


def _all_kinds() -> list[FactKind]:
    return list(FactKind)


def _hmac() -> list[Scheme]:
    return [Scheme.HMAC]


@strawberry.input(
    description="The filter's words are those of a search; a signature passes when its posting does."
)
class RegisterWebhookInput:
    url: str
    system_id: strawberry.ID | None = strawberry.field(default=None, description="Systems mean themselves.")
    description: str = ""
    kinds: list[FactKind] = strawberry.field(default_factory=_all_kinds)
    filter: FiscalEventFilter | None = None
    payload: PayloadForm = PayloadForm.THIN
    ordered: bool = False
    signatures: list[Scheme] = strawberry.field(default_factory=_hmac)
    idempotency_key: str | None = None

    def to_command(self) -> RegisterWebhook:
        return RegisterWebhook(
            url=self.url,
            kinds=frozenset(self.kinds),
            filter=self.filter.to_filter() if self.filter is not None else Filter(),
            payload=self.payload,
            is_ordered=self.ordered,
            schemes=frozenset(self.signatures),
            description=self.description,
            idempotency_key=self.idempotency_key,
        )


@strawberry.input(description="What is not given stays. Another URL has to answer a challenge first.")
class UpdateWebhookInput:
    id: strawberry.ID
    version: int
    url: str | None = None
    description: str | None = None
    kinds: list[FactKind] | None = None
    filter: FiscalEventFilter | None = None
    payload: PayloadForm | None = None
    ordered: bool | None = None

    def to_command(self) -> UpdateWebhook:
        return UpdateWebhook(
            version=self.version,
            url=self.url,
            description=self.description,
            kinds=None if self.kinds is None else frozenset(self.kinds),
            filter=None if self.filter is None else self.filter.to_filter(),
            payload=self.payload,
            is_ordered=self.ordered,
        )


@strawberry.input
class WebhookInput:
    id: strawberry.ID


@strawberry.input
class ConfirmWebhookInput:
    id: strawberry.ID
    challenge: str = strawberry.field(description="As the receiver was sent it last.")


@strawberry.input
class RotateWebhookSecretInput:
    id: strawberry.ID
    overlap_seconds: int = strawberry.field(
        default=OVERLAP_SECONDS,
        description="How long the old secret signs beside the new one; at most a week.",
    )
    idempotency_key: str | None = None

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)


@strawberry.input(
    description="Leaves of the log, both ends included; at most 10,000 of them and 1,000 deliveries."
)
class LogRangeInput:
    from_: BigInt = strawberry.field(name="from")
    to: BigInt


@strawberry.input(description="Either one delivery, or an endpoint and a range of the log.")
class RedeliverWebhookInput:
    delivery_id: strawberry.ID | None = None
    id: strawberry.ID | None = strawberry.field(default=None, description="The endpoint.")
    range: LogRangeInput | None = None
    idempotency_key: str | None = None


@strawberry.input
class TestWebhookInput:
    id: strawberry.ID
    idempotency_key: str | None = None


# Payloads


@strawberry.type
class WebhookPayload(Payload):
    webhook: Webhook | None = None


@strawberry.type(description="The secret is shown here and never again.")
class NewWebhookPayload(Payload):
    webhook: Webhook | None = None
    secret: str | None = strawberry.field(
        default=None,
        description="`whsec_...`; null without HMAC, or when the same idempotency key was used before.",
    )


@strawberry.type
class WebhookDeliveriesPayload(Payload):
    count: int = 0
    deliveries: list[strawberry.ID] = strawberry.field(default_factory=list, metadata={"list_size": 10})


def filter_document(wanted: Filter) -> dict[str, Any]:
    """The criteria that are set, by the names of the input."""
    plain: dict[str, Any] = msgspec.to_builtins(wanted)
    renamed = {_camel(name): _inner(value) for name, value in plain.items() if value is not None}
    if renamed.get("reversal") == "ALL":
        del renamed["reversal"]
    if wanted.parents is not None:
        renamed["childrenOf"] = [public_id("evt", each) for each in wanted.parents]
    if wanted.ids is not None:
        renamed["ids"] = [public_id("evt", each) for each in wanted.ids]
    return renamed


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): inner for name, inner in value.items() if inner is not None}
    return value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return RENAMED.get(name) or head + "".join(part.title() for part in rest)


def _instant(value: Any) -> Instant | None:
    return None if value is None else Instant(value)
