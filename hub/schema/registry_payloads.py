"""What the registry's mutations answer."""

from __future__ import annotations

import strawberry

from hub.schema.problems import Payload
from hub.schema.registry import Agency, ApiKey, KeyChallenge, Operator, Person, SigningKey, System, Tenant
from hub.schema.scalars import Instant


@strawberry.type
class TenantPayload(Payload):
    tenant: Tenant | None = None


@strawberry.type
class AgencyPayload(Payload):
    agency: Agency | None = None


@strawberry.type(description="The same for known and unknown addresses.")
class RequestCodePayload(Payload):
    accepted: bool = strawberry.field(
        default=False, description="If the address may sign in, a code is on its way to it."
    )


@strawberry.type(description="The session itself comes as a cookie.")
class SignInPayload(Payload):
    agency_id: strawberry.ID | None = strawberry.field(default=None, description="The agency acted for.")
    expires_at: Instant | None = strawberry.field(
        default=None, description="The session's end; twelve hours without use end it earlier."
    )


@strawberry.type
class SignOutPayload(Payload):
    signed_out: bool = False


@strawberry.type
class PersonPayload(Payload):
    person: Person | None = None


@strawberry.type
class RemovedPayload(Payload):
    removed: bool = False


@strawberry.type
class OperatorPayload(Payload):
    operator: Operator | None = None


@strawberry.type
class SystemPayload(Payload):
    system: System | None = None


@strawberry.type(description="The secret is shown here and never again.")
class RegisterSystemPayload(Payload):
    system: System | None = None
    api_key: ApiKey | None = strawberry.field(
        default=None, description="Null when the same idempotency key was used before."
    )
    secret: str | None = strawberry.field(
        default=None, description="The API key itself, for Authorization: Bearer. Keep it now."
    )


@strawberry.type(description="The secret is shown here and never again.")
class NewApiKeyPayload(Payload):
    api_key: ApiKey | None = None
    secret: str | None = strawberry.field(
        default=None, description="The API key itself, for Authorization: Bearer. Keep it now."
    )


@strawberry.type
class ApiKeyPayload(Payload):
    api_key: ApiKey | None = None


@strawberry.type
class KeyChallengePayload(Payload):
    challenge: KeyChallenge | None = None


@strawberry.type
class SigningKeyPayload(Payload):
    signing_key: SigningKey | None = None
