"""Doors to a person's own account: ending sessions, and the second factor."""

from __future__ import annotations

import strawberry

from hub.context import Info
from hub.domain import registry
from hub.errors import Refusal
from hub.resolvers.doors import door
from hub.schema.accounts import (
    BeginSecondFactorPayload,
    EndSessionInput,
    EndSessionsPayload,
    ProveSecondFactorPayload,
    RecoveryCodesPayload,
    ResetSecondFactorInput,
    SecondFactorCodeInput,
    SecondFactorRemovedPayload,
)
from hub.schema.scalars import Instant


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

    @strawberry.mutation(description="Begin to enrol a second factor; confirm it with the app's first code.")
    @door
    async def begin_second_factor(self, info: Info) -> BeginSecondFactorPayload:
        context = info.context
        async with context.db.transaction() as tx:
            made = await registry.begin_second_factor(tx, context.means, context.caller)
        return BeginSecondFactorPayload(secret=made.secret, uri=made.uri)

    @strawberry.mutation(description="Enrol the second factor begun before, with a code of the app.")
    @door
    async def confirm_second_factor(self, info: Info, input: SecondFactorCodeInput) -> RecoveryCodesPayload:
        context = info.context
        async with context.db.transaction() as tx:
            outcome = await registry.confirm_second_factor(tx, context.means, context.caller, input.code)
        # Only now, after the commit: the try that failed stays counted.
        if isinstance(outcome, Refusal):
            raise outcome
        return RecoveryCodesPayload(recovery_codes=list(outcome))

    @strawberry.mutation(description="Show the second factor; weighty steps may be taken for ten minutes.")
    @door
    async def prove_second_factor(self, info: Info, input: SecondFactorCodeInput) -> ProveSecondFactorPayload:
        context = info.context
        async with context.db.transaction() as tx:
            outcome = await registry.prove_second_factor(tx, context.means, context.caller, input.code)
        if isinstance(outcome, Refusal):
            raise outcome
        return ProveSecondFactorPayload(fresh_until=Instant(outcome))

    @strawberry.mutation(description="Ten new recovery codes; the old ones count no more.")
    @door
    async def renew_recovery_codes(self, info: Info) -> RecoveryCodesPayload:
        context = info.context
        async with context.db.transaction() as tx:
            made = await registry.renew_recovery_codes(tx, context.means, context.caller)
        return RecoveryCodesPayload(recovery_codes=list(made))

    @strawberry.mutation(description="Give one's own second factor up, after showing it.")
    @door
    async def remove_second_factor(self, info: Info) -> SecondFactorRemovedPayload:
        async with info.context.db.transaction() as tx:
            await registry.remove_second_factor(tx, info.context.caller)
        return SecondFactorRemovedPayload(removed=True)

    @strawberry.mutation(
        description="Take away the lost second factor of a member of one's agency (as an owner) or of one's "
        "government (as an operator), who is signed out everywhere."
    )
    @door
    async def reset_second_factor(
        self, info: Info, input: ResetSecondFactorInput
    ) -> SecondFactorRemovedPayload:
        async with info.context.db.transaction() as tx:
            await registry.reset_second_factor(tx, info.context.caller, input.email)
        return SecondFactorRemovedPayload(removed=True)
