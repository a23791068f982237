"""Shapes of the reference registries: entries of seven kinds over one tree, and their lists."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Self

import strawberry
from strawberry.dataloader import DataLoader

from hub.context import Info
from hub.domain import reference
from hub.domain.reference import (
    DEPTH_MAX,
    PREFIXES,
    Entry,
    Lifecycle,
    Moment,
    Profile,
    Registry,
    Side,
    Status,
)
from hub.kit import cursors
from hub.kit.ids import public_id
from hub.schema.nodes import Node
from hub.schema.paging import PAGE_DEFAULT, Connection, page_size
from hub.schema.problems import Payload
from hub.schema.scalars import Attributes, Instant

# The classes themselves become GraphQL enums, so annotations name the domain's types.
NAMED: dict[type[StrEnum], str] = {
    Lifecycle: "ProjectLifecycle",
    Profile: "CoaProfile",
    Registry: "ReferenceRegistry",
    Side: "CoaSide",
    Status: "ReferenceStatus",
}
for _enum, _name in NAMED.items():
    strawberry.enum(_enum, name=_name)


def cursor_key(name: str, after: str | None) -> tuple[str, uuid.UUID] | None:
    """The sort key a cursor of the list ``name`` stands for."""
    if after is None:
        return None
    text, entry_id = cursors.decode(name, after, str, str)
    try:
        return str(text), uuid.UUID(str(entry_id))
    except ValueError:
        return cursor_key(name, cursors.encode(name))


def _loaded(info: Info, name: str, moment: Moment, tenant_id: uuid.UUID, load: Any) -> DataLoader[Any, Any]:
    """A batch loader of this request for one government and moment; each batch opens its own read."""
    key = f"reference.{name}:{tenant_id}:{moment.on}:{moment.known_at}"
    if key not in info.context.loaders:

        async def batch(keys: list[uuid.UUID]) -> Sequence[list[Entry]]:
            async with info.context.db.read() as read:
                found = await load(read, info.context.caller, tenant_id, keys, moment)
            return [found[key] for key in keys]

        info.context.loaders[key] = DataLoader(load_fn=batch)
    return info.context.loaders[key]  # type: ignore[no-any-return]


@strawberry.type(
    description="One version of an entry as it was declared; later versions may have cut it short."
)
class ReferenceVersion:
    version: int
    name: str
    names: Attributes
    parent_code: str | None
    status: Status
    attributes: Attributes
    valid_from: date
    valid_to: date | None = strawberry.field(description="The first day it no longer holds; null for open.")
    recorded_at: Instant

    @classmethod
    def of(cls, version: reference.Version) -> Self:
        return cls(
            version=version.version_no,
            name=version.name,
            names=Attributes(dict(version.names)),
            parent_code=version.parent_code,
            status=version.status,
            attributes=Attributes(dict(version.attributes)),
            valid_from=version.valid_from,
            valid_to=version.valid_to,
            recorded_at=Instant(version.recorded_at),
        )


@strawberry.interface(
    description="An entry of a registry as it stood on the day asked for (and as known then, when that was asked)."
)
class ReferenceEntry(Node):
    entry: strawberry.Private[Entry]
    moment: strawberry.Private[Moment]

    @strawberry.field
    def code(self) -> str:
        return self.entry.code

    @strawberry.field
    def name(self) -> str:
        return self.entry.name

    @strawberry.field(description="The name in other languages, by language tag.")
    def names(self) -> Attributes:
        return Attributes(dict(self.entry.names))

    @strawberry.field
    def status(self) -> Status:
        return self.entry.status

    @strawberry.field(description="Number of this version; state it as expectedVersion to change the entry.")
    def version(self) -> int:
        return self.entry.version_no

    @strawberry.field(description="First day on which all of this holds: name, attributes, parent and path.")
    def valid_from(self) -> date:
        return self.entry.valid_from

    @strawberry.field(description="First day on which it no longer holds; null for open.")
    def valid_to(self) -> date | None:
        return self.entry.valid_to

    @strawberry.field(description="When the hub learned of this version.")
    def recorded_at(self) -> Instant:
        return Instant(self.entry.recorded_at)

    @strawberry.field(description="Codes from the root down to this entry, joined by slashes.")
    def path(self) -> str:
        return self.entry.path

    @strawberry.field(description="0 for a root.")
    def depth(self) -> int:
        return self.entry.depth

    @strawberry.field
    def parent_code(self) -> str | None:
        return self.entry.parent_code

    @strawberry.field(description="Everything else that is kept about the entry.")
    def attributes(self) -> Attributes:
        return Attributes(dict(self.entry.attributes))

    @strawberry.field
    async def parent(self, info: Info) -> ReferenceEntry | None:
        chain = await _chain(self, info)
        return shown(chain[-2], self.moment) if len(chain) > 1 else None

    @strawberry.field(description="The chain from the root down to this entry, which comes last.")
    async def ancestors(self, info: Info) -> list[ReferenceEntry]:
        return [shown(one, self.moment) for one in await _chain(self, info)]

    @strawberry.field
    async def children(
        self, info: Info, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[ReferenceEntry]:
        return await _below(self, info, 1, first, after)

    @strawberry.field(description="Everything below, each entry after its parent, at most `levels` deep.")
    async def descendants(
        self, info: Info, levels: int = DEPTH_MAX, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Connection[ReferenceEntry]:
        return await _below(self, info, levels, first, after)

    @strawberry.field(description="Every version, newest first.")
    async def history(self, info: Info) -> list[ReferenceVersion]:
        async with info.context.db.read() as read:
            versions = await reference.list_versions(read, info.context.caller, self.entry)
        return [ReferenceVersion.of(version) for version in versions]


async def _chain(of: ReferenceEntry, info: Info) -> list[Entry]:
    loader = _loaded(info, "ancestors", of.moment, of.entry.tenant_id, reference.list_ancestors)
    return await loader.load(of.entry.entry_id)  # type: ignore[no-any-return]


async def _below(
    of: ReferenceEntry, info: Info, levels: int, first: int, after: str | None
) -> Connection[ReferenceEntry]:
    async with info.context.db.read() as read:
        found = await reference.list_descendants(
            read,
            info.context.caller,
            of.entry,
            moment=of.moment,
            levels=max(0, min(levels, DEPTH_MAX)),
            after=cursor_key("descendants", after),
            limit=page_size(first) + 1,
        )
    return Connection[ReferenceEntry].of(
        found,
        first,
        lambda one: shown(one, of.moment),
        lambda one: cursors.encode("descendants", one.path, str(one.entry_id)),
    )


async def _links(of: ReferenceEntry, info: Info, registry: Registry) -> list[Any]:
    loader = _loaded(info, "links", of.moment, of.entry.tenant_id, reference.list_links)
    return [
        shown(one, of.moment) for one in await loader.load(of.entry.version_id) if one.registry is registry
    ]


def _text(of: ReferenceEntry, key: str) -> str | None:
    value = of.entry.attributes.get(key)
    return value if isinstance(value, str) else None


@strawberry.type(description="A place: state, district, block, gram panchayat, village, ward.")
class Location(ReferenceEntry):
    @strawberry.field(description="STATE, DISTRICT, BLOCK, GRAM_PANCHAYAT, VILLAGE, WARD, …")
    def type(self) -> str | None:
        return _text(self, "type")

    @strawberry.field(
        description="Codes of this place in other directories, such as the local government directory."
    )
    def external_codes(self) -> Attributes:
        return Attributes(self.entry.attributes.get("externalCodes", {}))


@strawberry.type(description="A department of the government; departments may stand below each other.")
class Department(ReferenceEntry):
    @strawberry.field(description="Whether central scheme money arrives here.")
    def is_nodal(self) -> bool:
        return self.entry.attributes.get("isNodal") is True


@strawberry.type(description="A level of a department's hierarchy; levels form a line from 0.")
class HierarchyLevel(ReferenceEntry):
    @strawberry.field(description="0 for the root, which is the department itself.")
    def level(self) -> int:
        return self.entry.depth

    @strawberry.field
    def label(self) -> str:
        return self.entry.name

    @strawberry.field
    def department_code(self) -> str:
        return self.entry.scope


@strawberry.type(description="An office of a department: a zone, a division, a section.")
class AdministrativeNode(ReferenceEntry):
    @strawberry.field
    def level(self) -> int | None:
        return self.entry.level

    @strawberry.field
    def department_code(self) -> str:
        return self.entry.scope

    @strawberry.field(description="The places this office serves.")
    async def locations(self, info: Info) -> list[Location]:
        return await _links(self, info, Registry.LOCATION)


@strawberry.type(description="A head of account, at any tier.")
class ChartOfAccount(ReferenceEntry):
    @strawberry.field
    def profile(self) -> Profile:
        return Profile(self.entry.attributes.get("profile", "STRICT"))

    @strawberry.field(description="By the major head; null where that is not a four-digit number.")
    def side(self) -> Side | None:
        side = _text(self, "side")
        return Side(side) if side else None

    @strawberry.field
    def major_head_type(self) -> str | None:
        return _text(self, "majorHeadType")

    @strawberry.field(description="The heads from the major head down, however many there are.")
    def heads(self) -> list[str]:
        return self.entry.code.split("-")

    @strawberry.field
    def major_head(self) -> str:
        return self.entry.code.split("-")[0]

    @strawberry.field
    def sub_major_head(self) -> str | None:
        return _head(self, 1)

    @strawberry.field
    def minor_head(self) -> str | None:
        return _head(self, 2)

    @strawberry.field
    def sub_head(self) -> str | None:
        return _head(self, 3)

    @strawberry.field
    def group_head(self) -> str | None:
        return _head(self, 4)

    @strawberry.field
    def object_head(self) -> str | None:
        return _head(self, 5)


def _head(of: ReferenceEntry, position: int) -> str | None:
    heads = of.entry.code.split("-")
    return heads[position] if position < len(heads) else None


@strawberry.type(description="A program: a scheme or other expenditure; sub-schemes stand below schemes.")
class Program(ReferenceEntry):
    @strawberry.field(description="SCHEME or NON_SCHEME.")
    def type(self) -> str | None:
        return _text(self, "kind")

    @strawberry.field
    def sponsorship(self) -> str | None:
        return _text(self, "sponsorship")

    @strawberry.field
    def objective(self) -> str | None:
        return _text(self, "objective")

    @strawberry.field
    async def department(self, info: Info) -> Department | None:
        return next(iter(await _links(self, info, Registry.DEPARTMENT)), None)

    @strawberry.field
    async def chart_of_accounts(self, info: Info) -> list[ChartOfAccount]:
        return await _links(self, info, Registry.COA)


@strawberry.type(description="A project, carried out by offices, at places, under programs.")
class Project(ReferenceEntry):
    @strawberry.field(
        description="PROPOSED, SANCTIONED, ACTIVE, COMPLETED or CLOSED; a closed one takes no postings."
    )
    def lifecycle(self) -> str | None:
        return _text(self, "lifecycle")

    @strawberry.field(description="Decimal string.")
    def total_cost(self) -> str | None:
        return _text(self, "totalCost")

    @strawberry.field
    def currency(self) -> str | None:
        return _text(self, "currency")

    @strawberry.field
    def sanction_reference(self) -> str | None:
        return _text(self, "sanctionReference")

    @strawberry.field
    async def programs(self, info: Info) -> list[Program]:
        return await _links(self, info, Registry.PROGRAM)

    @strawberry.field
    async def administrative_nodes(self, info: Info) -> list[AdministrativeNode]:
        return await _links(self, info, Registry.ADMIN)

    @strawberry.field
    async def locations(self, info: Info) -> list[Location]:
        return await _links(self, info, Registry.LOCATION)


TYPES: dict[Registry, type[ReferenceEntry]] = {
    Registry.LOCATION: Location,
    Registry.DEPARTMENT: Department,
    Registry.LEVEL: HierarchyLevel,
    Registry.ADMIN: AdministrativeNode,
    Registry.COA: ChartOfAccount,
    Registry.PROGRAM: Program,
    Registry.PROJECT: Project,
}


def shown(entry: Entry, moment: Moment) -> Any:
    """An entry in its registry's shape."""
    entry_id = strawberry.ID(public_id(PREFIXES[entry.registry], entry.entry_id))
    return TYPES[entry.registry](id=entry_id, entry=entry, moment=moment)


@strawberry.type(description="A change that waits for a second person.")
class ReferenceProposal:
    id: strawberry.ID
    registry: Registry
    codes: list[str]
    proposed_at: Instant
    approved: bool | None = strawberry.field(description="null while undecided.")
    comment: str | None

    @classmethod
    def of(cls, proposal: reference.Proposal) -> Self:
        return cls(
            id=strawberry.ID(str(proposal.proposal_id)),
            registry=proposal.registry,
            codes=[command.code or "" for command in proposal.commands],
            proposed_at=Instant(proposal.recorded_at),
            approved=proposal.approved,
            comment=proposal.comment,
        )


@strawberry.type(description="A government's rules for its own registries.")
class ReferencePolicy:
    approval_required: bool = strawberry.field(description="Whether every change needs a second person.")
    hierarchy_depth_max: int = strawberry.field(description="The deepest hierarchy level, the root being 0.")


@strawberry.type(description="Why a row was not taken. The header is row 1.")
class ReferenceImportProblem:
    row: int
    column: str | None
    code: str
    message: str


@strawberry.type
class SaveLocationPayload(Payload):
    location: Location | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveDepartmentPayload(Payload):
    department: Department | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveHierarchyLevelPayload(Payload):
    hierarchy_level: HierarchyLevel | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveAdministrativeNodePayload(Payload):
    administrative_node: AdministrativeNode | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveChartOfAccountPayload(Payload):
    chart_of_account: ChartOfAccount | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveProgramPayload(Payload):
    program: Program | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class SaveProjectPayload(Payload):
    project: Project | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class RetireReferenceEntryPayload(Payload):
    entry: ReferenceEntry | None = None
    proposal: ReferenceProposal | None = None


@strawberry.type
class DecideReferenceProposalPayload(Payload):
    proposal: ReferenceProposal | None = None
    entries: list[ReferenceEntry] | None = strawberry.field(
        default=None, description="What an approval saved."
    )


@strawberry.type
class SetReferencePolicyPayload(Payload):
    policy: ReferencePolicy | None = None


@strawberry.type(description="What an import did; with bad rows and without skipBadRows nothing was written.")
class ImportReferenceDataPayload(Payload):
    rows: int | None = None
    created: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    written: bool | None = None
    bad_rows: list[ReferenceImportProblem] | None = None
