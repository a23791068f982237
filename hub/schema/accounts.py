"""Shapes of a person's own account: where one is signed in."""

from __future__ import annotations

from typing import Self
from uuid import UUID

import strawberry

from hub.domain.registry import model
from hub.kit.ids import public_id
from hub.schema.problems import Payload
from hub.schema.registry_inputs import wanted
from hub.schema.scalars import Instant


@strawberry.type(description="A browser the person is signed in with; its address is kept shortened.")
class Session:
    id: strawberry.ID
    agency_id: strawberry.ID | None = strawberry.field(description="The agency acted for there.")
    created_at: Instant
    last_seen_at: Instant = strawberry.field(description="To the minute.")
    expires_at: Instant = strawberry.field(description="Twelve hours without use end it earlier.")
    network: str = strawberry.field(
        description="Where it was opened: the network of the address, such as 203.0.113.0/24; may be empty."
    )
    agent: str = strawberry.field(description="Browser and system, such as `Firefox, Linux`; may be empty.")
    is_current: bool = strawberry.field(description="Whether this very request came with it.")

    @classmethod
    def of(cls, session: model.OpenSession) -> Self:
        agency_id = session.agency_id
        return cls(
            id=strawberry.ID(public_id("ses", session.id)),
            agency_id=None if agency_id is None else strawberry.ID(public_id("agy", agency_id)),
            created_at=Instant(session.started_at),
            last_seen_at=Instant(session.last_used_at),
            expires_at=Instant(session.expires_at),
            network=session.network,
            agent=session.agent,
            is_current=session.is_current,
        )


@strawberry.input
class EndSessionInput:
    id: strawberry.ID

    @property
    def uuid(self) -> UUID:
        return wanted("ses", self.id, "id")


@strawberry.type
class EndSessionsPayload(Payload):
    ended: int = strawberry.field(default=0, description="How many sessions ended.")
