"""Shapes of a person's own account: where one is signed in, and the second factor."""

from __future__ import annotations

from datetime import datetime
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


@strawberry.type(description="The person's second factor: an authenticator app (RFC 6238).")
class SecondFactor:
    is_required: bool = strawberry.field(
        description="Whether weighty steps are refused to this person without one."
    )
    enrolled_at: Instant | None = strawberry.field(description="Null: none is enrolled.")
    last_used_at: Instant | None
    locked_until: Instant | None = strawberry.field(description="After too many wrong codes.")
    recovery_codes_left: int
    fresh_until: Instant | None = strawberry.field(
        description="Until when this session may take weighty steps without another code."
    )

    @classmethod
    def of(cls, factor: model.SecondFactor) -> Self:
        return cls(
            is_required=factor.is_required,
            enrolled_at=_instant(factor.enrolled_at),
            last_used_at=_instant(factor.last_used_at),
            locked_until=_instant(factor.locked_until),
            recovery_codes_left=factor.recovery_codes_left,
            fresh_until=_instant(factor.fresh_until),
        )


@strawberry.input
class EndSessionInput:
    id: strawberry.ID

    @property
    def uuid(self) -> UUID:
        return wanted("ses", self.id, "id")


@strawberry.input
class SecondFactorCodeInput:
    code: str = strawberry.field(description="Six digits of the app, or one of the recovery codes.")


@strawberry.input
class ResetSecondFactorInput:
    email: str = strawberry.field(description="Whose lost second factor is taken away.")


@strawberry.type
class EndSessionsPayload(Payload):
    ended: int = strawberry.field(default=0, description="How many sessions ended.")


@strawberry.type(description="The secret is shown here and never again.")
class BeginSecondFactorPayload(Payload):
    secret: str | None = strawberry.field(default=None, description="Base32, to be typed into the app.")
    uri: str | None = strawberry.field(
        default=None, description="otpauth://…, to be read by the app as a QR code."
    )


@strawberry.type(description="Recovery codes are shown here and never again; each works once.")
class RecoveryCodesPayload(Payload):
    recovery_codes: list[str] = strawberry.field(default_factory=list)


@strawberry.type
class ProveSecondFactorPayload(Payload):
    fresh_until: Instant | None = strawberry.field(
        default=None, description="Until then this session may take weighty steps."
    )


@strawberry.type
class SecondFactorRemovedPayload(Payload):
    removed: bool = False


def _instant(value: datetime | None) -> Instant | None:
    return None if value is None else Instant(value)
