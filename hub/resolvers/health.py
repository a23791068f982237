"""The hub about itself: version, public keys."""

from __future__ import annotations

import strawberry

import hub as package
from hub.context import Info
from hub.signing import NoteKey


@strawberry.type(description="The hub itself.")
class Hub:
    version: str
    domain: str
    signing_key_id: str = strawberry.field(description="Names the key that signs receipts.")
    signing_public_key: str = strawberry.field(description="Ed25519, 32 bytes in base64.")
    log_key: str = strawberry.field(
        description="Verifies the log's checkpoints: name+hash+base64 (C2SP signed-note)."
    )


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
            log_key=NoteKey(means.log_origin, means.log_key.public).text,
        )
