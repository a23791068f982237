"""What goes into the API and what comes out of it: a request as it came, an answer as it goes, before any transport."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphql import DocumentNode

from hub.db import Read
from hub.domain.registry.callers import Caller
from hub.limits import Operation
from hub.means import Means
from hub.rates import Rates


class Authenticate(Protocol):
    """The registry's front door: who sent this, or NotAuthenticated."""

    def __call__(
        self, read: Read, means: Means, *, authorization: str | None, session: str | None, address: str
    ) -> Awaitable[Caller]:
        """Look the key or the session up."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One GraphQL request as it came over HTTP."""

    document: str
    variables: Mapping[str, Any]
    operation_name: str | None
    trace_id: str
    authorization: str | None = None
    session: str | None = None
    browser_session: str = ""
    address: str = ""
    agent: str = ""  # what the browser says it is
    after: int | None = (
        None  # the position in the database's log that its reads must have seen (decision 0012)
    )
    is_large: bool = False  # more than strangers may send: whatever takes long over it is done aside
    plain: bool = False  # execute field by field, whatever could be compiled: what tests compare with


@dataclass(slots=True)
class Answer:
    """What goes back, and what logs and metrics may say about it."""

    body: bytes
    executed: bool
    status: int | None = None
    retry_after_seconds: int | None = None
    position: int | None = None  # where the database's log stood after a mutation, when a replica is in use
    cookies: list[str] = field(default_factory=list)
    caller: str = "-"
    kind: str = "none"
    fields: tuple[str, ...] = ()
    outcome: str = "OK"
    compiled: bool = False  # written by the database from a plan (hub.reads)


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that may run, and what it costs."""

    document: DocumentNode
    operation: Operation
    cost: dict[str, int]


@dataclass(frozen=True)
class Rated:
    """Requests a minute, for callers we know and for those we do not."""

    rates: Rates
    known: int = 6_000
    anonymous: int = 120
