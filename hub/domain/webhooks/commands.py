"""What callers ask of endpoints: the commands their verbs take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

from hub.domain.fiscal_events.filters import Filter
from hub.domain.webhooks.model import FactKind, PayloadForm, Scheme


@dataclass(frozen=True, slots=True)
class RegisterWebhook:
    """Register an endpoint."""

    url: str
    kinds: frozenset[FactKind]
    filter: Filter
    payload: PayloadForm
    is_ordered: bool
    schemes: frozenset[Scheme]
    description: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateWebhook:
    """Change an endpoint that still has ``version``; None leaves a value as it is."""

    version: int
    url: str | None = None
    description: str | None = None
    kinds: frozenset[FactKind] | None = None
    filter: Filter | None = None
    payload: PayloadForm | None = None
    is_ordered: bool | None = None


@dataclass(frozen=True, slots=True)
class Redeliver:
    """Send again: one delivery, or what an endpoint hears of a range of the log, both ends included."""

    delivery_id: str | None = None
    first: int | None = None
    last: int | None = None
    idempotency_key: str | None = None


def fingerprint(command: RegisterWebhook | Redeliver | None, *subject: object) -> bytes:
    """What makes two requests the same: whom they concern, and every field but the idempotency key."""
    parts = [type(command).__name__, *map(str, subject)]
    for each in fields(command) if command is not None else ():
        value = getattr(command, each.name)
        if each.name != "idempotency_key":
            parts.append(repr(sorted(value) if isinstance(value, frozenset) else value))
    return hashlib.sha256("\x00".join(parts).encode()).digest()
