"""Doors to a person's own account: ending sessions."""

from __future__ import annotations

import strawberry

from hub.context import Info
from hub.domain import registry
from hub.resolvers.doors import door
from hub.schema.accounts import EndSessionInput, EndSessionsPayload


@strawberry.type
class AccountsMutation:
    @strawberry.mutation(description="End one of one's own sessions, at once.")
    @door
    async def end_session(self, info: Info, input: EndSessionInput) -> EndSessionsPayload:
        async with info.context.db.transaction() as tx:
            await registry.end_session(tx, info.context.caller, input.uuid)
        return EndSessionsPayload(ended=1)

    @strawberry.mutation(description="End all of one's own sessions but this one, at once.")
    @door
    async def end_other_sessions(self, info: Info) -> EndSessionsPayload:
        async with info.context.db.transaction() as tx:
            ended = await registry.end_other_sessions(tx, info.context.caller)
        return EndSessionsPayload(ended=ended)
