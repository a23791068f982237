"""What a resolver or a job may hold: the database, the caller, and the hub's own means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import strawberry

from hub.arrivals import Arrivals
from hub.db import Database
from hub.domain.fiscal_events import PostGroups
from hub.domain.registry.callers import Caller
from hub.means import Means


@dataclass
class Context:
    """One request's context; built by ``api`` after authentication."""

    db: Database
    caller: Caller
    means: Means
    posts: PostGroups
    trace_id: str
    browser_session: str = ""
    address: str = ""
    agent: str = ""
    cookies_to_set: list[str] = field(default_factory=list)
    loaders: dict[str, Any] = field(default_factory=dict)
    # Of subscriptions alone: how they hear of news, and the index from which a broken stream goes on.
    arrivals: Arrivals | None = None
    resumed_after: int | None = None


Info = strawberry.Info[Context, Any]
