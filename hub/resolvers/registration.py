"""Doors to registering and signing in: governments, agencies and people."""

from __future__ import annotations

from datetime import timedelta

import strawberry

from hub.context import Context, Info
from hub.domain import registry
from hub.errors import Refusal
from hub.kit.ids import public_id
from hub.resolvers.doors import door
from hub.schema.registry import Agency, Operator, Person, Tenant
from hub.schema.registry_inputs import (
    AddOperatorInput,
    AgencyInput,
    ChangePersonRolesInput,
    CreateTenantInput,
    InvitePersonInput,
    RegisterAgencyInput,
    RemoveOperatorInput,
    RemovePersonInput,
    RequestSignInCodeInput,
    SignInInput,
    UpdateTenantInput,
    wanted,
)
from hub.schema.registry_payloads import (
    AgencyPayload,
    OperatorPayload,
    PersonPayload,
    RemovedPayload,
    RequestCodePayload,
    SignInPayload,
    SignOutPayload,
    TenantPayload,
)
from hub.schema.scalars import Instant

SESSION_COOKIE = "hub_session"
BROWSER_COOKIE = "hub_browser"
BROWSER_COOKIE_AGE = timedelta(days=1)


def _set_cookie(context: Context, name: str, value: str, age: timedelta) -> None:
    secure = "" if context.means.development else "; Secure"
    context.cookies_to_set.append(
        f"{name}={value}; Path=/; Max-Age={int(age.total_seconds())}; HttpOnly; SameSite=Lax{secure}"
    )


def _browser(context: Context) -> str:
    """What names the browser that asks for a code; a new one gets its name here."""
    if not registry.is_token(context.browser_session):
        context.browser_session = registry.new_token()
        _set_cookie(context, BROWSER_COOKIE, context.browser_session, BROWSER_COOKIE_AGE)
    return context.browser_session


def _seen(context: Context) -> registry.Browser:
    """The browser a code is entered in."""
    return registry.Browser(context.browser_session, context.address, context.agent)


@strawberry.type
class RegistrationMutation:
    @strawberry.mutation(description="Bring a government onto the hub, as an operator of its parent.")
    @door
    async def create_tenant(self, info: Info, input: CreateTenantInput) -> TenantPayload:
        async with info.context.db.transaction() as tx:
            made = await registry.create_tenant(tx, info.context.caller, input.to_command())
        return TenantPayload(tenant=Tenant.of(made))

    @strawberry.mutation(description="Change a government, as one of its operators.")
    @door
    async def update_tenant(self, info: Info, input: UpdateTenantInput) -> TenantPayload:
        async with info.context.db.transaction() as tx:
            changed = await registry.update_tenant(tx, info.context.caller, input.to_command())
        return TenantPayload(tenant=Tenant.of(changed))

    @strawberry.mutation(description="Put an agency forward; its contact is mailed a code to sign in with.")
    @door
    async def register_agency(self, info: Info, input: RegisterAgencyInput) -> AgencyPayload:
        context = info.context
        async with context.db.transaction() as tx:
            made = await registry.register_agency(tx, context.means, _browser(context), input.to_command())
        return AgencyPayload(agency=Agency.of(made))

    @strawberry.mutation(description="A new code for an agency whose address is not confirmed yet.")
    @door
    async def request_agency_code(self, info: Info, input: AgencyInput) -> RequestCodePayload:
        context = info.context
        async with context.db.transaction() as tx:
            await registry.request_agency_code(tx, context.means, _browser(context), input.uuid)
        return RequestCodePayload(accepted=True)

    @strawberry.mutation(description="Let an agency in, as an operator; live providers need a second one.")
    @door
    async def approve_agency(self, info: Info, input: AgencyInput) -> AgencyPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await registry.approve_agency(tx, context.means, context.caller, input.uuid)
        return AgencyPayload(agency=Agency.of(changed))

    @strawberry.mutation(description="Stop an agency and its systems, as an operator.")
    @door
    async def suspend_agency(self, info: Info, input: AgencyInput) -> AgencyPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await registry.suspend_agency(tx, context.means, context.caller, input.uuid)
        return AgencyPayload(agency=Agency.of(changed))

    @strawberry.mutation(description="Let a suspended agency act again, as an operator.")
    @door
    async def resume_agency(self, info: Info, input: AgencyInput) -> AgencyPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await registry.resume_agency(tx, context.means, context.caller, input.uuid)
        return AgencyPayload(agency=Agency.of(changed))

    @strawberry.mutation(description="End an agency for ever, with its systems and keys.")
    @door
    async def close_agency(self, info: Info, input: AgencyInput) -> AgencyPayload:
        context = info.context
        async with context.db.transaction() as tx:
            changed = await registry.close_agency(tx, context.means, context.caller, input.uuid)
        return AgencyPayload(agency=Agency.of(changed))

    @strawberry.mutation(description="Ask for a one-time code by mail; the answer never tells who is known.")
    @door
    async def request_sign_in_code(
        self,
        info: Info,
        input: RequestSignInCodeInput,
    ) -> RequestCodePayload:
        context = info.context
        async with context.db.transaction() as tx:
            await registry.request_sign_in_code(tx, context.means, _browser(context), input.email)
        return RequestCodePayload(accepted=True)

    @strawberry.mutation(description="Enter a one-time code in the browser that asked for it.")
    @door
    async def sign_in(self, info: Info, input: SignInInput) -> SignInPayload:
        context = info.context
        agency_id = None if input.agency_id is None else wanted("agy", input.agency_id, "agencyId")
        async with context.db.transaction() as tx:
            outcome = await registry.sign_in(
                tx, context.means, _seen(context), input.email, input.code, agency_id=agency_id
            )
            if not isinstance(outcome, Refusal):
                await registry.sign_out(tx, context.caller)
        # Only now, after the commit: the try that failed stays counted.
        if isinstance(outcome, Refusal):
            raise outcome
        _set_cookie(context, SESSION_COOKIE, outcome.token, outcome.expires_at - outcome.started_at)
        home = None if outcome.agency_id is None else strawberry.ID(public_id("agy", outcome.agency_id))
        return SignInPayload(agency_id=home, expires_at=Instant(outcome.expires_at))

    @strawberry.mutation(description="End the session.")
    @door
    async def sign_out(self, info: Info) -> SignOutPayload:
        context = info.context
        async with context.db.transaction() as tx:
            await registry.sign_out(tx, context.caller)
        _set_cookie(context, SESSION_COOKIE, "", timedelta(0))
        return SignOutPayload(signed_out=True)

    @strawberry.mutation(description="Make a person a member of one's own agency, as an owner.")
    @door
    async def invite_person(self, info: Info, input: InvitePersonInput) -> PersonPayload:
        async with info.context.db.transaction() as tx:
            member = await registry.invite_person(tx, info.context.caller, input.to_command())
        return PersonPayload(person=Person.of(member))

    @strawberry.mutation(description="Change what a member of one's own agency may do, as an owner.")
    @door
    async def change_person_roles(
        self,
        info: Info,
        input: ChangePersonRolesInput,
    ) -> PersonPayload:
        person_id = wanted("per", input.person_id, "personId")
        async with info.context.db.transaction() as tx:
            member = await registry.change_person_roles(
                tx, info.context.caller, person_id, frozenset(input.roles)
            )
        return PersonPayload(person=Person.of(member))

    @strawberry.mutation(description="End a membership of one's own agency, as an owner.")
    @door
    async def remove_person(self, info: Info, input: RemovePersonInput) -> RemovedPayload:
        person_id = wanted("per", input.person_id, "personId")
        async with info.context.db.transaction() as tx:
            await registry.remove_person(tx, info.context.caller, person_id)
        return RemovedPayload(removed=True)

    @strawberry.mutation(description="Make a person an operator of a government, as one of its operators.")
    @door
    async def add_operator(self, info: Info, input: AddOperatorInput) -> OperatorPayload:
        async with info.context.db.transaction() as tx:
            made = await registry.add_operator(tx, info.context.caller, input.government, input.email)
        return OperatorPayload(operator=Operator.of(made))

    @strawberry.mutation(description="End an operator's office, as one of the government's operators.")
    @door
    async def remove_operator(self, info: Info, input: RemoveOperatorInput) -> RemovedPayload:
        person_id = wanted("per", input.person_id, "personId")
        async with info.context.db.transaction() as tx:
            await registry.remove_operator(tx, info.context.caller, input.government, person_id)
        return RemovedPayload(removed=True)
