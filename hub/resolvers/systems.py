"""Doors to systems and their keys."""

from __future__ import annotations

import uuid

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.domain import registry
from hub.errors import NotFound
from hub.resolvers.doors import door
from hub.schema.registry import ApiKey, KeyChallenge, SigningKey, System
from hub.schema.registry_inputs import (
    ActivateSigningKeyInput,
    AddSigningKeyInput,
    ApiKeyInput,
    CompromiseSigningKeyInput,
    MakeApiKeyInput,
    RegisterSystemInput,
    RequestKeyChallengeInput,
    RetireSigningKeyInput,
    SystemInput,
    wanted,
)
from hub.schema.registry_payloads import (
    ApiKeyPayload,
    KeyChallengePayload,
    NewApiKeyPayload,
    RegisterSystemPayload,
    SigningKeyPayload,
    SystemPayload,
)


def _system(info: Info, given: strawberry.ID | None) -> uuid.UUID:
    """The system that is meant: the one named, else the caller itself."""
    if given is not None:
        return wanted("sys", given, "systemId")
    known = registry.require_known(info.context.caller)
    if isinstance(known, registry.SystemCaller):
        return known.system_id
    raise NotFound.because(Code.NOT_FOUND, "people name the system they mean", "systemId")


@strawberry.type
class SystemsMutation:
    @strawberry.mutation(
        description="Add a system to one's agency; its API key is shown in this answer only."
    )
    @door
    async def register_system(
        self,
        info: Info,
        input: RegisterSystemInput,
    ) -> RegisterSystemPayload:
        context = info.context
        agency_id = wanted("agy", input.agency_id, "agencyId")
        async with context.db.transaction() as tx:
            made, key = await registry.register_system(
                tx, context.means, context.caller, agency_id, input.to_command()
            )
        if key is None:
            return RegisterSystemPayload(system=System.of(made))
        return RegisterSystemPayload(system=System.of(made), api_key=ApiKey.of(key.key), secret=key.secret)

    @strawberry.mutation(description="Stop a system, as its owner or as an operator.")
    @door
    async def suspend_system(self, info: Info, input: SystemInput) -> SystemPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.suspend_system(tx, info.context.caller, input.uuid)
        return SystemPayload(system=System.of(changed))

    @strawberry.mutation(description="Let a suspended system act again, as whoever suspended it.")
    @door
    async def resume_system(self, info: Info, input: SystemInput) -> SystemPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.resume_system(tx, info.context.caller, input.uuid)
        return SystemPayload(system=System.of(changed))

    @strawberry.mutation(description="End a system for ever, as its owner or as an operator.")
    @door
    async def close_system(self, info: Info, input: SystemInput) -> SystemPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.close_system(tx, info.context.caller, input.uuid)
        return SystemPayload(system=System.of(changed))

    @strawberry.mutation(description="A new active API key; the old one stops at once.")
    @door
    async def regenerate_api_key(self, info: Info, input: MakeApiKeyInput) -> NewApiKeyPayload:
        context = info.context
        system_id = wanted("sys", input.system_id, "systemId")
        async with context.db.transaction() as tx:
            made = await registry.regenerate_api_key(tx, context.means, context.caller, system_id)
        return NewApiKeyPayload(api_key=ApiKey.of(made.key), secret=made.secret)

    @strawberry.mutation(description="A pending API key, which authenticates nothing until it is activated.")
    @door
    async def prepare_api_key(self, info: Info, input: MakeApiKeyInput) -> NewApiKeyPayload:
        context = info.context
        system_id = wanted("sys", input.system_id, "systemId")
        async with context.db.transaction() as tx:
            made = await registry.prepare_api_key(tx, context.means, context.caller, system_id)
        return NewApiKeyPayload(api_key=ApiKey.of(made.key), secret=made.secret)

    @strawberry.mutation(description="Swap the pending API key in; the old one stops at the same instant.")
    @door
    async def activate_api_key(self, info: Info, input: ApiKeyInput) -> ApiKeyPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.activate_api_key(tx, info.context.caller, input.uuid)
        return ApiKeyPayload(api_key=ApiKey.of(changed))

    @strawberry.mutation(description="End an API key.")
    @door
    async def revoke_api_key(self, info: Info, input: ApiKeyInput) -> ApiKeyPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.revoke_api_key(tx, info.context.caller, input.uuid)
        return ApiKeyPayload(api_key=ApiKey.of(changed))

    @strawberry.mutation(description="What a new signing key must sign before it is registered.")
    @door
    async def request_key_challenge(
        self,
        info: Info,
        input: RequestKeyChallengeInput,
    ) -> KeyChallengePayload:
        system_id = _system(info, input.system_id)
        async with info.context.db.transaction() as tx:
            made = await registry.request_key_challenge(tx, info.context.caller, system_id, input.public_key)
        return KeyChallengePayload(challenge=KeyChallenge.of(made))

    @strawberry.mutation(description="Register a public signing key, proving that its private half is there.")
    @door
    async def add_signing_key(
        self,
        info: Info,
        input: AddSigningKeyInput,
    ) -> SigningKeyPayload:
        system_id = _system(info, input.system_id)
        async with info.context.db.transaction() as tx:
            made = await registry.add_signing_key(tx, info.context.caller, system_id, input.to_command())
        return SigningKeyPayload(signing_key=SigningKey.of(made))

    @strawberry.mutation(description="Take a pending signing key into use.")
    @door
    async def activate_signing_key(
        self,
        info: Info,
        input: ActivateSigningKeyInput,
    ) -> SigningKeyPayload:
        key_id = wanted("sgk", input.id, "id")
        async with info.context.db.transaction() as tx:
            changed = await registry.activate_signing_key(tx, info.context.caller, key_id)
        return SigningKeyPayload(signing_key=SigningKey.of(changed))

    @strawberry.mutation(
        description="End a signing key's use, now or at an instant ahead; past signatures stand."
    )
    @door
    async def retire_signing_key(
        self,
        info: Info,
        input: RetireSigningKeyInput,
    ) -> SigningKeyPayload:
        key_id = wanted("sgk", input.id, "id")
        async with info.context.db.transaction() as tx:
            changed = await registry.retire_signing_key(tx, info.context.caller, key_id, at=input.at)
        return SigningKeyPayload(signing_key=SigningKey.of(changed))

    @strawberry.mutation(description="Report that somebody else may have a signing key's private half.")
    @door
    async def compromise_signing_key(
        self,
        info: Info,
        input: CompromiseSigningKeyInput,
    ) -> SigningKeyPayload:
        key_id = wanted("sgk", input.id, "id")
        async with info.context.db.transaction() as tx:
            changed = await registry.compromise_signing_key(
                tx, info.context.caller, key_id, since=input.since
            )
        return SigningKeyPayload(signing_key=SigningKey.of(changed))
