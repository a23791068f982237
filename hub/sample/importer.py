"""Posts budget figures to a hub as any provider would: signed, in batches, over HTTP; may be repeated at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from hub.client import Hub, HubRefused, Signer
from hub.sample.budget import Figure, contents

BATCH_SIZE = 250
TRIES = 5
PAUSE_SECONDS = 2.0
PASSING = frozenset({"INTERNAL", "TIMEOUT", "RATE_LIMIT", "UNAVAILABLE"})
ERRORS_SHOWN = 5

COUNT = """
query Count($senders: [String!]) {
  fiscalEventTotals(filter: {senders: $senders}, groupBy: [{dimension: TYPE}], first: 1) { edges { node { events } } }
}"""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many events were asked for, how many of them are new, and whether it went to the end."""

    events: int
    new: int
    is_complete: bool


def count_events(hub: Hub, sender: str) -> int:
    """How many events of this system are on record."""
    edges = hub.run(COUNT, senders=[sender])["fiscalEventTotals"]["edges"]
    return sum(int(edge["node"]["events"]) for edge in edges)


def import_figures(
    hub: Hub,
    signer: Signer,
    government: str,
    figures: Sequence[Figure],
    *,
    progress: Callable[[int], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> ImportResult:
    """
    Post every figure, in order; ``progress`` hears the size of each batch that is on record, ``stop`` ends early.

    A figure's reference is its idempotency key, so an import that broke off is simply begun again: what is there is
    answered as before, the rest is posted. Raises HubRefused when the hub refuses an event.
    """
    before = count_events(hub, signer.system)
    posted = 0
    pending = contents(figures, sender=signer.system, government=government)
    while batch := list(islice(pending, BATCH_SIZE)):
        if stop is not None and stop.is_set():
            break
        results = _post(hub, signer, batch)
        refused = [error for result in results for error in result["errors"]]
        if refused:
            raise HubRefused(refused[:ERRORS_SHOWN])
        posted += len(batch)
        progress(len(batch))
    return ImportResult(posted, count_events(hub, signer.system) - before, posted == len(figures))


def _post(hub: Hub, signer: Signer, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One batch, tried again while the hub is restarted or busy: repeating it posts nothing twice."""
    for attempt in range(1, TRIES + 1):
        try:
            return hub.post_events(signer, batch)
        except (HubRefused, httpx.TransportError) as error:
            is_passing = not isinstance(error, HubRefused) or PASSING.issuperset(error.codes)
            if attempt == TRIES or not is_passing:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError
