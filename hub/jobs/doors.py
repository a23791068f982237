"""What a job handler is and what it may hold: the thin doors by which time, not a caller, enters the rooms."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.db import Database
from hub.domain.jobs import Mailer
from hub.domain.registry.callers import HubCaller
from hub.domain.webhooks import Courier
from hub.means import Means


@dataclass(frozen=True, slots=True)
class JobContext:
    """One attempt's context; handlers open their own transactions and call outside only between them."""

    db: Database
    means: Means
    mailer: Mailer
    caller: HubCaller
    job_id: uuid.UUID
    attempt: int
    courier: Courier | None = None

    @property
    def message_id(self) -> str:
        """The id of the mail this job sends: the same in every attempt, so that a receiver can drop a double."""
        return f"{self.job_id}@{self.means.domain}"


Handler = Callable[[JobContext, Mapping[str, Any]], Awaitable[None]]


def merge(*registries: Mapping[str, Handler]) -> dict[str, Handler]:
    """All rooms' handlers under their explicit names (``room.verb_noun``); a name given twice is refused."""
    merged: dict[str, Handler] = {}
    for handlers in registries:
        if doubles := merged.keys() & handlers.keys():
            raise ValueError(f"job names given twice: {', '.join(sorted(doubles))}")
        merged.update(handlers)
    return merged
