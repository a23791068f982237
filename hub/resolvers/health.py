"""The hub about itself: version, public keys."""

from __future__ import annotations

import strawberry

import hub as package
from hub.context import Info


@strawberry.type(description="The hub itself.")
class Hub:
    version: str
    domain: str
    signing_key_id: str = strawberry.field(description="Names the key that signs receipts.")
    signing_public_key: str = strawberry.field(description="Ed25519, 32 bytes in base64.")


@strawberry.type
class HealthQuery:
    @strawberry.field(description="Version and public key of the hub.")
    async def hub(self, info: Info) -> Hub:
        means = info.context.means
        return Hub(
            version=package.__version__,
            domain=means.domain,
            signing_key_id=means.signing_key.key_id,
            signing_public_key=means.signing_key.public.base64,
        )
