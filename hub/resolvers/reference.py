"""Doors of the reference registries: lists, look-ups, changes and imports."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import strawberry

from hub.codes import Code
from hub.context import Info
from hub.domain import reference
from hub.domain.reference import Moment, Registry, Status
from hub.errors import InvalidInput
from hub.kit import cursors
from hub.kit.ids import parse_public_id
from hub.resolvers.doors import door
from hub.schema import reference as shapes, reference_filters as filters, reference_inputs as inputs
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.scalars import Instant

REGISTRY_OF = {prefix: registry for registry, prefix in reference.PREFIXES.items()}


def _moment(on: date | None, known_at: datetime | None, today: date) -> Moment:
    return Moment(on or today, known_at)


@strawberry.input(description="As of which day, and as known when; both left out: now.")
class ReferenceMoment:
    tenant: str | None = strawberry.field(
        default=None, description="Code of the government, for who has several."
    )
    as_of: date | None = strawberry.field(default=None, description="The day in the world.")
    as_known_at: Instant | None = strawberry.field(
        default=None, description="What the hub knew at this instant."
    )


async def _list(
    info: Info,
    registry: Registry,
    criteria: filters.ReferenceFilter | None,
    at: ReferenceMoment | None,
    page: tuple[int, str | None],
) -> Connection[Any]:
    """The one list door of all registries."""
    caller, at = info.context.caller, at or ReferenceMoment()
    first, after = page_size(page[0]), shapes.cursor_key(registry.value, page[1])
    async with info.context.db.read() as read:
        tenant_id = await reference.find_government(read, caller, at.tenant, length=Code.TENANT_ID_LENGTH)
        if criteria is None:
            raise InvalidInput.because(
                Code.INVALID_SEARCH_CRITERIA, Code.INVALID_SEARCH_CRITERIA.summary, "filter"
            )
        moment = _moment(at.as_of, at.as_known_at, read.now.date())
        found = await reference.search(
            read,
            caller,
            tenant_id,
            registry,
            criteria.to_criteria(registry),
            moment=moment,
            after=after,
            limit=first + 1,
        )
    return Connection[Any].of(
        found,
        first,
        lambda one: shapes.shown(one, moment),
        lambda one: cursors.encode(registry.value, one.code, str(one.entry_id)),
    )


@strawberry.type
class ReferenceQuery:
    @strawberry.field(description="Places, by code.")
    async def locations(
        self,
        info: Info,
        filter: filters.LocationFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.Location]:
        return await _list(info, Registry.LOCATION, filter, at, (first, after))

    @strawberry.field(description="Departments, by code.")
    async def departments(
        self,
        info: Info,
        filter: filters.DepartmentFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.Department]:
        return await _list(info, Registry.DEPARTMENT, filter, at, (first, after))

    @strawberry.field(description="Hierarchy levels, by label.")
    async def hierarchy_levels(
        self,
        info: Info,
        filter: filters.HierarchyLevelFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.HierarchyLevel]:
        return await _list(info, Registry.LEVEL, filter, at, (first, after))

    @strawberry.field(description="Offices of departments, by code.")
    async def administrative_nodes(
        self,
        info: Info,
        filter: filters.AdministrativeNodeFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.AdministrativeNode]:
        return await _list(info, Registry.ADMIN, filter, at, (first, after))

    @strawberry.field(description="Heads of account, by code.")
    async def chart_of_accounts(
        self,
        info: Info,
        filter: filters.ChartOfAccountFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.ChartOfAccount]:
        return await _list(info, Registry.COA, filter, at, (first, after))

    @strawberry.field(description="Programs: schemes and other expenditure, by code.")
    async def programs(
        self,
        info: Info,
        filter: filters.ProgramFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.Program]:
        return await _list(info, Registry.PROGRAM, filter, at, (first, after))

    @strawberry.field(description="Projects, by code.")
    async def projects(
        self,
        info: Info,
        filter: filters.ProjectFilter | None = None,
        at: ReferenceMoment | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Connection[shapes.Project]:
        return await _list(info, Registry.PROJECT, filter, at, (first, after))

    @strawberry.field(
        description="A head of account by any spelling: with hyphens, 15 digits, 13 digits, a receipt without group."
    )
    async def lookup_chart_of_account(
        self, info: Info, code: str, at: ReferenceMoment | None = None
    ) -> shapes.ChartOfAccount | None:
        caller, at = info.context.caller, at or ReferenceMoment()
        async with info.context.db.read() as read:
            tenant_id = await reference.find_government(read, caller, at.tenant, length=Code.TENANT_ID_LENGTH)
            moment = _moment(at.as_of, at.as_known_at, read.now.date())
            found = await reference.lookup_head(read, caller, tenant_id, code, moment)
        return shapes.shown(found, moment) if found is not None else None

    @strawberry.field(description="A government's rules for its own registries.")
    async def reference_policy(self, info: Info, tenant: str | None = None) -> shapes.ReferencePolicy:
        async with info.context.db.read() as read:
            tenant_id = await reference.find_government(read, info.context.caller, tenant)
            policy = await reference.get_policy(read, info.context.caller, tenant_id)
        return shapes.ReferencePolicy(
            approval_required=policy.approval_required, hierarchy_depth_max=policy.hierarchy_depth_max
        )

    @strawberry.field(description="Changes that wait for a second person, oldest first; for operators.")
    async def reference_proposals(
        self, info: Info, tenant: str | None = None, first: int = PAGE_DEFAULT
    ) -> list[shapes.ReferenceProposal]:
        async with info.context.db.read() as read:
            tenant_id = await reference.find_government(read, info.context.caller, tenant)
            found = await reference.list_open(read, info.context.caller, tenant_id, page_size(first))
        return [shapes.ReferenceProposal.of(one) for one in found]


async def _save(info: Info, change: inputs.SaveReferenceInput) -> dict[str, Any]:
    """The one save door of all registries: the entry as it now stands, or the proposal it became."""
    command, caller = change.to_command(), info.context.caller
    reference.require_known(caller)
    async with info.context.db.transaction() as tx:
        saved = await reference.submit_for(
            tx, caller, change.tenant, command, idempotency_key=change.idempotency_key
        )
        if isinstance(saved, reference.Proposal):
            return {"proposal": shapes.ReferenceProposal.of(saved)}
        moment = Moment(max(tx.now.date(), command.valid_from or date.min))
        entry = await reference.find(tx, caller, command.registry, saved.entry_ids[0], moment)
    return {"entry": shapes.shown(entry, moment)} if entry is not None else {}


def _renamed(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {(name if key == "entry" else key): value for key, value in found.items()}


@strawberry.type
class ReferenceMutation:
    @strawberry.mutation(description="Create a place, or change one.")
    @door
    async def save_location(self, info: Info, input: inputs.SaveLocationInput) -> shapes.SaveLocationPayload:
        return shapes.SaveLocationPayload(**_renamed(await _save(info, input), "location"))

    @strawberry.mutation(description="Create a department, or change one.")
    @door
    async def save_department(
        self,
        info: Info,
        input: inputs.SaveDepartmentInput,
    ) -> shapes.SaveDepartmentPayload:
        return shapes.SaveDepartmentPayload(**_renamed(await _save(info, input), "department"))

    @strawberry.mutation(description="Create a hierarchy level, or change one.")
    @door
    async def save_hierarchy_level(
        self,
        info: Info,
        input: inputs.SaveHierarchyLevelInput,
    ) -> shapes.SaveHierarchyLevelPayload:
        return shapes.SaveHierarchyLevelPayload(**_renamed(await _save(info, input), "hierarchy_level"))

    @strawberry.mutation(description="Create an office, or change or move one.")
    @door
    async def save_administrative_node(
        self,
        info: Info,
        input: inputs.SaveAdministrativeNodeInput,
    ) -> shapes.SaveAdministrativeNodePayload:
        return shapes.SaveAdministrativeNodePayload(
            **_renamed(await _save(info, input), "administrative_node")
        )

    @strawberry.mutation(description="Create a head of account, or change one.")
    @door
    async def save_chart_of_account(
        self,
        info: Info,
        input: inputs.SaveChartOfAccountInput,
    ) -> shapes.SaveChartOfAccountPayload:
        return shapes.SaveChartOfAccountPayload(**_renamed(await _save(info, input), "chart_of_account"))

    @strawberry.mutation(description="Create a program, or change one.")
    @door
    async def save_program(self, info: Info, input: inputs.SaveProgramInput) -> shapes.SaveProgramPayload:
        return shapes.SaveProgramPayload(**_renamed(await _save(info, input), "program"))

    @strawberry.mutation(description="Create a project, or change one.")
    @door
    async def save_project(self, info: Info, input: inputs.SaveProjectInput) -> shapes.SaveProjectPayload:
        return shapes.SaveProjectPayload(**_renamed(await _save(info, input), "project"))

    @strawberry.mutation(description="From a day on an entry of any registry is retired; it stays readable.")
    @door
    async def retire_reference_entry(
        self,
        info: Info,
        input: inputs.RetireReferenceEntryInput,
    ) -> shapes.RetireReferenceEntryPayload:
        prefix, entry_id = parse_public_id(str(input.id)) or ("", filters.NOBODY)
        registry = REGISTRY_OF.get(prefix)
        if registry is None:
            raise InvalidInput.because(Code.INVALID_ID, Code.INVALID_ID.summary, "id")
        command = reference.SaveEntry(
            registry,
            entry_id=entry_id,
            expected_version=input.expected_version,
            status=Status.RETIRED,
            children=reference.KEEP,
            valid_from=input.on,
            valid_to=None,
        )
        async with info.context.db.transaction() as tx:
            saved = await reference.submit_for(tx, info.context.caller, input.tenant, command)
            if isinstance(saved, reference.Proposal):
                return shapes.RetireReferenceEntryPayload(proposal=shapes.ReferenceProposal.of(saved))
            moment = Moment(max(tx.now.date(), input.on or date.min))
            entry = await reference.find(tx, info.context.caller, registry, entry_id, moment)
        return shapes.RetireReferenceEntryPayload(entry=shapes.shown(entry, moment) if entry else None)

    @strawberry.mutation(description="Approve or reject a proposed change; nobody approves their own.")
    @door
    async def decide_reference_proposal(
        self,
        info: Info,
        input: inputs.DecideReferenceProposalInput,
    ) -> shapes.DecideReferenceProposalPayload:
        caller = info.context.caller
        async with info.context.db.transaction() as tx:
            tenant_id = await reference.find_government(tx, caller, input.tenant)
            proposal, saved = await reference.decide(
                tx, caller, tenant_id, _uuid(input.id), is_approved=input.approve, comment=input.comment
            )
            moment = Moment(tx.now.date())
            ids = saved.entry_ids if saved is not None else ()
            entries = [await reference.find(tx, caller, proposal.registry, one, moment) for one in ids]
        return shapes.DecideReferenceProposalPayload(
            proposal=shapes.ReferenceProposal.of(proposal),
            entries=[shapes.shown(entry, moment) for entry in entries if entry is not None],
        )

    @strawberry.mutation(description="Set a government's rules for its own registries.")
    @door
    async def set_reference_policy(
        self,
        info: Info,
        input: inputs.SetReferencePolicyInput,
    ) -> shapes.SetReferencePolicyPayload:
        async with info.context.db.transaction() as tx:
            tenant_id = await reference.find_government(tx, info.context.caller, input.tenant)
            policy = await reference.set_policy(
                tx,
                info.context.caller,
                tenant_id,
                approval_required=input.approval_required,
                hierarchy_depth_max=input.hierarchy_depth_max,
            )
        return shapes.SetReferencePolicyPayload(
            policy=shapes.ReferencePolicy(
                approval_required=policy.approval_required, hierarchy_depth_max=policy.hierarchy_depth_max
            )
        )

    @strawberry.mutation(description="Create and change entries from CSV; tells every bad row.")
    @door
    async def import_reference_data(
        self,
        info: Info,
        input: inputs.ImportReferenceDataInput,
    ) -> shapes.ImportReferenceDataPayload:
        options = reference.ImportOptions(
            dry_run=input.dry_run,
            skip_bad_rows=input.skip_bad_rows,
            create_missing_ancestors=input.create_missing_ancestors,
            profile=input.profile,
        )
        async with info.context.db.transaction() as tx:
            tenant_id = await reference.find_government(tx, info.context.caller, input.tenant)
            report = await reference.import_csv(
                tx,
                info.context.caller,
                tenant_id,
                input.registry,
                input.csv,
                options=options,
                idempotency_key=input.idempotency_key,
            )
        return shapes.ImportReferenceDataPayload(
            rows=report.rows,
            created=report.created,
            changed=report.changed,
            unchanged=report.unchanged,
            written=report.is_written,
            bad_rows=[
                shapes.ReferenceImportProblem(row=b.row, column=b.column, code=b.code, message=b.message)
                for b in report.bad_rows
            ],
        )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return filters.NOBODY


def _loader(registry: Registry) -> Callable[[Info, uuid.UUID], Awaitable[Node | None]]:
    async def load(info: Info, entry_id: uuid.UUID) -> Node | None:
        async with info.context.db.read() as read:
            entry = await reference.find(read, info.context.caller, registry, entry_id)
            moment = Moment(read.now.date())
        return shapes.shown(entry, moment) if entry is not None else None

    return load


NODES = {prefix: _loader(registry) for registry, prefix in reference.PREFIXES.items()}
