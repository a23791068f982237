"""What a webhook is: endpoints, deliveries, when a try is repeated, and when an endpoint is switched off. Pure."""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from hub.domain.fiscal_events.filters import Filter
from hub.kit.ids import public_id

# The pause before each try, in seconds: twelve tries within a little more than three days.
SCHEDULE_SECONDS = (0, 5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 91_500)
CHALLENGE_TRIES = 5
TEST_TRIES = 1
# A pause is lengthened by up to this share of it, so that deliveries that failed together do not return together.
JITTER = 0.05
RETRY_AFTER_SECONDS_MAX = 3_600
WARN_AFTER = timedelta(hours=24)
OFF_AFTER = timedelta(hours=72)

IN_FLIGHT_MAX = 4  # requests at once to one endpoint; one where the order counts, or while it fails
RESPONSE_BYTES_MAX = 2_048
ENDPOINTS_MAX = 10  # of one system
URL_CHARACTERS_MAX = 2_000
DESCRIPTION_CHARACTERS_MAX = 256
OVERLAP_DEFAULT = timedelta(hours=24)
OVERLAP_MAX = timedelta(days=7)
BACKLOG_MAX = 10_000  # unfinished deliveries, beyond which the log waits for the endpoint
PAGE_MAX = 200  # deliveries written in one transaction
RANGE_MAX = 10_000  # log indexes in one redelivery
REDELIVERED_MAX = 1_000
PAYLOAD_BYTES_MAX = 1024 * 1024  # a full payload beyond this is sent thin
KEPT_FOR = timedelta(days=30)  # how long the payload of a finished delivery can be read and sent again

GONE = 410
PUSH_BACK = frozenset({429, 503})


class WebhookState(StrEnum):
    """PENDING until the receiver answers the challenge; a removed endpoint never comes back."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    REMOVED = "REMOVED"


class DisabledReason(StrEnum):
    """Why an endpoint is switched off: its keeper asked, it answered 410 Gone, or it failed for three days."""

    ASKED = "ASKED"
    GONE = "GONE"
    FAILING = "FAILING"


class FactKind(StrEnum):
    """What an endpoint can be told of; the words are those of the log's leaves."""

    EVENT = "EVENT"
    MESSAGE = "MESSAGE"
    SIGNATURE = "SIGNATURE"


class PayloadForm(StrEnum):
    """THIN: ids to ask for; FULL: the posting as this system may see it."""

    THIN = "THIN"
    FULL = "FULL"


class Scheme(StrEnum):
    """How deliveries are signed (Standard Webhooks: v1 and v1a)."""

    HMAC = "HMAC"
    ED25519 = "ED25519"


class DeliveryKind(StrEnum):
    """What is delivered: a fact of the log, a test, or the challenge."""

    FACT = "FACT"
    TEST = "TEST"
    CHALLENGE = "CHALLENGE"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Change(StrEnum):
    """What an endpoint's history tells."""

    REGISTERED = "REGISTERED"
    CHALLENGED = "CHALLENGED"
    CONFIRMED = "CONFIRMED"
    UPDATED = "UPDATED"
    SECRET_ROTATED = "SECRET_ROTATED"  # noqa: S105 - a word, not a secret
    WARNED = "WARNED"
    DISABLED = "DISABLED"
    ENABLED = "ENABLED"
    REMOVED = "REMOVED"


TRIES = {
    DeliveryKind.FACT: len(SCHEDULE_SECONDS),
    DeliveryKind.TEST: TEST_TRIES,
    DeliveryKind.CHALLENGE: CHALLENGE_TRIES,
}


@dataclass(frozen=True, slots=True)
class Webhook:
    """A registered endpoint of a system. ``dispatched_to`` is the index of the next leaf to be looked at."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    system_id: uuid.UUID
    agency_id: uuid.UUID
    url: str
    description: str
    state: WebhookState
    disabled_reason: DisabledReason | None
    kinds: frozenset[FactKind]
    filter: Filter
    payload: PayloadForm
    is_ordered: bool
    schemes: frozenset[Scheme]
    dispatched_to: int
    positions: int
    challenge: str = field(repr=False)
    confirmed_at: datetime | None
    failing_since: datetime | None
    warned_at: datetime | None
    paused_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return public_id("whk", self.id)


@dataclass(frozen=True, slots=True)
class SecretMark:
    """What may be seen of a signing secret: its scheme and dates, and of Ed25519 the public key."""

    webhook_id: uuid.UUID
    scheme: Scheme
    public_key: bytes | None
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in the clear, for the moment of signing: the HMAC key, or the seed of an Ed25519 key."""

    scheme: Scheme
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A fresh endpoint with its HMAC secret (``whsec_…``), which exists in the clear in this value alone.

    None where the endpoint does not use HMAC, or where the same request was answered before.
    """

    webhook: Webhook
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A fact an endpoint is to hear of: its place in the log, its kind and ids."""

    log_index: int
    kind: FactKind
    fact_id: uuid.UUID
    posting_id: uuid.UUID
    sequenced_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What is about to be delivered: the receiver's id for it, its type, and its bytes."""

    kind: DeliveryKind
    type: str
    message_id: str
    body: bytes = field(repr=False)
    log_index: int | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One try, written down before it is sent: where to, the bytes, and what signs them."""

    tenant_id: uuid.UUID
    webhook_id: uuid.UUID
    delivery_id: uuid.UUID
    kind: DeliveryKind
    attempt: int
    attempts_max: int
    url: str
    message_id: str
    body: bytes = field(repr=False)
    secrets: tuple[Secret, ...] = field(repr=False)

    @property
    def delivery(self) -> str:
        """The delivery's id on the wire."""
        return public_id("whd", self.delivery_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a try: what was sent, and the answer or the class of error that came instead of one."""

    started_at: datetime
    duration_ms: int
    request_headers: Mapping[str, str]
    status: int | None = None
    response_headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A recorded try."""

    delivery_id: uuid.UUID
    attempt: int
    started_at: datetime
    duration_ms: int
    url: str
    request_headers: Mapping[str, str]
    status: int | None
    response_headers: Mapping[str, str]
    response_body: bytes
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery and where it stands; ``payload`` is None once it was forgotten, and always for a challenge."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    webhook_id: uuid.UUID
    position: int
    kind: DeliveryKind
    type: str
    message_id: str
    log_index: int | None
    is_redelivery: bool
    payload: bytes | None = field(repr=False)
    payload_sha256: bytes
    state: DeliveryState
    tries: int
    tries_max: int
    next_try_at: datetime
    finished_at: datetime | None
    created_at: datetime
    attempts: tuple[Attempt, ...] = ()

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return public_id("whd", self.id)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of an endpoint."""

    id: uuid.UUID
    change: Change
    actor: str
    at: datetime
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a try means: the delivery's next state, when it is tried again, and until when its endpoint rests."""

    state: DeliveryState
    next_try_at: datetime | None = None
    pause_until: datetime | None = None
    is_gone: bool = False


def judge(letter: Letter, reply: Reply, now: datetime, chance: float) -> Verdict:
    """What this reply to this try means. ``chance`` is in [0, 1) and spreads the retries.

    2xx is success (of a challenge: with the challenge in the answer); all else is tried again by the schedule, not
    before a Retry-After of at most an hour, until the tries are used up. 410 Gone ends it.
    """
    is_taken = reply.error is None and reply.status is not None and 200 <= reply.status < 300  # noqa: PLR2004 - HTTP's own
    is_proof = letter.kind is DeliveryKind.CHALLENGE
    if is_taken and (not is_proof or answers_challenge(letter.body, reply.body)):
        return Verdict(DeliveryState.SUCCEEDED)
    if reply.status == GONE:
        return Verdict(DeliveryState.FAILED, is_gone=True)
    if letter.attempt >= letter.attempts_max:
        return Verdict(DeliveryState.FAILED)
    pause = pause_seconds(letter.attempt, chance)
    asked = retry_after_seconds(reply.response_headers.get("retry-after", ""), now)
    again = now + timedelta(seconds=max(pause, asked or 0.0))
    rest = now + timedelta(seconds=asked) if asked and reply.status in PUSH_BACK else None
    return Verdict(DeliveryState.WAITING, again, rest)


def pause_seconds(tries: int, chance: float) -> float:
    """The pause after so many tries."""
    planned = SCHEDULE_SECONDS[min(tries, len(SCHEDULE_SECONDS) - 1)]
    return planned * (1 + JITTER * chance)


def retry_after_seconds(text: str, now: datetime) -> float | None:
    """What a Retry-After header asks for, seconds or a date, bounded; None when it asks for nothing one understands."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        wanted = float(text[:9])
    else:
        try:
            at = parsedate_to_datetime(text)
            wanted = (at - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(wanted, float(RETRY_AFTER_SECONDS_MAX)) if wanted > 0 else None


def answers_challenge(sent: bytes, answered: bytes) -> bool:
    """Whether an answer holds the challenge that was sent: as plain text, or as the member of a JSON object."""
    challenge = str(json.loads(sent)["challenge"])
    try:
        text = answered.decode().strip()
    except UnicodeDecodeError:
        return False
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return False
        text = str(found.get("challenge", ""))
    return hmac.compare_digest(text.encode(), challenge.encode())
