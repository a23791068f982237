"""Inputs that change the reference registries, each turned into the room's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import strawberry
from strawberry import UNSET

from hub.codes import Code
from hub.domain import reference
from hub.domain.reference import (
    KEEP,
    PREFIXES,
    TIERS,
    Keep,
    Lifecycle,
    Profile,
    Registry,
    SaveEntry,
    Status,
)
from hub.errors import InvalidInput
from hub.kit.ids import uuid_of
from hub.schema.reference_filters import NOBODY
from hub.schema.scalars import Attributes


def _kept(value: Any) -> Any:
    return KEEP if value is UNSET else value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """An object with text keys; anything else is refused."""
    if value is None or value is UNSET:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput.because(Code.INPUT, "an object is expected", where)
    return value


def _names(value: Any) -> Mapping[str, str] | Keep:
    if value is UNSET:
        return KEEP
    names = _mapping(value, "names")
    if not all(isinstance(name, str) for name in names.values()):
        raise InvalidInput.because(Code.INPUT, "names are texts by language tag", "names")
    return names


def _given(**values: Any) -> dict[str, Any]:
    """Attributes that were given; null takes one away."""
    return {key: value for key, value in values.items() if value is not UNSET}


def _links(**values: list[str] | None) -> dict[Registry, tuple[str, ...]]:
    kinds = {
        "locations": Registry.LOCATION,
        "administrative_nodes": Registry.ADMIN,
        "programs": Registry.PROGRAM,
        "chart_of_accounts": Registry.COA,
    }
    return {kinds[key]: tuple(value or ()) for key, value in values.items() if value is not UNSET}


@strawberry.input(
    description="A new entry, or with expectedVersion a new version of one. In a change, what is left out stays."
)
class SaveReferenceInput:
    tenant: str | None = strawberry.field(
        default=None, description="Code of the government; may be left out by who has one."
    )
    id: strawberry.ID | None = strawberry.field(default=None, description="Instead of the code, in a change.")
    code: str | None = strawberry.field(default=None, description="Never changes.")
    name: str | None = UNSET
    names: Attributes | None = strawberry.field(default=UNSET, description='Other languages: {"pa": "…"}.')
    parent_code: str | None = strawberry.field(
        default=UNSET, description="Code, path or id of the entry above; null for none."
    )
    valid_from: date | None = strawberry.field(
        default=None, description="Left out: since always for a new entry, from today for a change."
    )
    valid_to: date | None = strawberry.field(
        default=UNSET, description="The first day it no longer holds. Null: open. Left out: as before."
    )
    status: Status | None = None
    expected_version: int | None = strawberry.field(
        default=None, description="The version this change was made from; leave out to create."
    )
    attributes: Attributes | None = strawberry.field(default=None, description="Anything else worth keeping.")
    idempotency_key: str | None = None

    def to_command(self) -> SaveEntry:
        """The change in the room's words."""
        registry = self.registry()
        return SaveEntry(
            registry,
            code=self.code,
            entry_id=None if self.id is None else uuid_of(PREFIXES[registry], self.id) or NOBODY,
            expected_version=self.expected_version,
            name=_kept(self.name),
            names=_names(self.names),
            parent=_kept(self.parent_code),
            status=self.status or KEEP,
            valid_from=self.valid_from,
            valid_to=_kept(self.valid_to),
            **self.more(_mapping(self.attributes, "attributes")),
        )

    def registry(self) -> Registry:
        """Which registry this is for."""
        raise NotImplementedError

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """What only this registry keeps."""
        return {"attributes": attributes}


@strawberry.input
class SaveLocationInput(SaveReferenceInput):
    type: str | None = UNSET
    external_codes: Attributes | None = UNSET

    def registry(self) -> Registry:
        return Registry.LOCATION

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        return {"attributes": attributes | _given(type=self.type, externalCodes=self.external_codes)}


@strawberry.input
class SaveDepartmentInput(SaveReferenceInput):
    is_nodal: bool | None = UNSET

    def registry(self) -> Registry:
        return Registry.DEPARTMENT

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        return {"attributes": attributes | _given(isNodal=self.is_nodal)}


@strawberry.input(description="Levels are built from the root down; the number follows from the parent.")
class SaveHierarchyLevelInput(SaveReferenceInput):
    department: str | None = strawberry.field(default=None, description="Code.")
    label: str | None = strawberry.field(
        default=None, description="Its code and name, unique in the department."
    )

    def registry(self) -> Registry:
        return Registry.LEVEL

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        return {"attributes": attributes, "scope": self.department or ""}

    def to_command(self) -> SaveEntry:
        """The change, the label being the code."""
        command = SaveReferenceInput.to_command(self)
        return command if self.label is None else replace(command, code=self.label)


@strawberry.input
class AdministrativeChildInput:
    code: str
    active: bool = strawberry.field(default=True, description="false: from now on not a child any more.")


@strawberry.input
class SaveAdministrativeNodeInput(SaveReferenceInput):
    department: str | None = strawberry.field(default=None, description="Code.")
    hierarchy_level: int | None = strawberry.field(
        default=None, description="The parent's plus one; 0 for the root."
    )
    children: list[AdministrativeChildInput] | None = strawberry.field(
        default=UNSET, description="Nodes below this one; required for a new node, may be empty."
    )
    locations: list[str] | None = strawberry.field(
        default=UNSET, description="The places it serves: codes, paths or ids."
    )

    def registry(self) -> Registry:
        return Registry.ADMIN

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        children: Any = KEEP
        if self.children is not None and self.children is not UNSET:
            children = tuple((child.code, child.active) for child in self.children)
        return {
            "attributes": attributes,
            "scope": self.department or "",
            "level": KEEP if self.hierarchy_level is None else self.hierarchy_level,
            "children": children,
            "links": _links(locations=self.locations),
        }


@strawberry.input(
    description="Six heads with their names, or a whole code in any spelling. Names of heads above are used for "
    "those that this call creates; existing heads keep theirs."
)
class SaveChartOfAccountInput(SaveReferenceInput):
    major_head: str | None = None
    major_head_name: str | None = None
    major_head_type: str | None = UNSET
    sub_major_head: str | None = None
    sub_major_head_name: str | None = None
    minor_head: str | None = None
    minor_head_name: str | None = None
    sub_head: str | None = None
    sub_head_name: str | None = None
    group_head: str | None = strawberry.field(
        default=None, description="May be left out for receipts: stored as 00."
    )
    group_head_name: str | None = None
    object_head: str | None = None
    object_head_name: str | None = None
    profile: Profile = strawberry.field(
        default=Profile.STRICT,
        description="OPEN takes heads as published: 1 to 12 segments of any tier.",
    )
    create_missing_ancestors: bool = strawberry.field(
        default=True, description="false: heads above must exist, else COA_PARENT_MISSING."
    )

    def registry(self) -> Registry:
        return Registry.COA

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        heads = (
            self.major_head,
            self.sub_major_head,
            self.minor_head,
            self.sub_head,
            self.group_head,
            self.object_head,
        )
        names = (
            self.major_head_name,
            self.sub_major_head_name,
            self.minor_head_name,
            self.sub_head_name,
            self.group_head_name,
        )
        own = {"profile": self.profile.value}
        found: dict[str, Any] = {
            "attributes": attributes | own | _given(majorHeadType=self.major_head_type),
            "heads": heads if any(heads) or not self.code else (),
            "ancestor_names": names[: len(TIERS) - 1] if any(names) else (),
            "create_ancestors": self.create_missing_ancestors,
        }
        return found

    def to_command(self) -> SaveEntry:
        """The change; the object head's name is the name of the whole."""
        if self.name is UNSET and self.object_head_name is not None:
            self.name = self.object_head_name
        return SaveReferenceInput.to_command(self)


@strawberry.input
class SaveProgramInput(SaveReferenceInput):
    type: str | None = strawberry.field(default=UNSET, description="Scheme or Non-Scheme.")
    sponsorship: str | None = strawberry.field(
        default=UNSET, description="CENTRAL, CENTRALLY_SPONSORED or STATE."
    )
    objective: str | None = UNSET
    department: str | None = strawberry.field(default=UNSET, description="Code or id.")
    chart_of_accounts: list[str] | None = strawberry.field(
        default=UNSET, description="Heads of account it is paid from."
    )

    def registry(self) -> Registry:
        return Registry.PROGRAM

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        kind = UNSET
        if self.type is not UNSET:
            kind = reference.SCHEME_SPELLINGS.get(self.type or "", self.type or "")
        links = _links(chart_of_accounts=self.chart_of_accounts)
        if self.department is not UNSET:
            links[Registry.DEPARTMENT] = (self.department,) if self.department is not None else ()
        own = _given(kind=kind, sponsorship=self.sponsorship, objective=self.objective)
        return {"attributes": attributes | own, "links": links}


@strawberry.input
class SaveProjectInput(SaveReferenceInput):
    lifecycle: Lifecycle | None = None
    total_cost: str | None = strawberry.field(default=UNSET, description="Decimal string.")
    currency: str | None = UNSET
    sanction_reference: str | None = UNSET
    programs: list[str] | None = strawberry.field(default=UNSET, description="Codes or ids.")
    administrative_nodes: list[str] | None = strawberry.field(
        default=UNSET, description="Codes, paths or ids."
    )
    locations: list[str] | None = strawberry.field(default=UNSET, description="Codes, paths or ids.")

    def registry(self) -> Registry:
        return Registry.PROJECT

    def more(self, attributes: dict[str, Any]) -> dict[str, Any]:
        own = _given(
            totalCost=self.total_cost, currency=self.currency, sanctionReference=self.sanction_reference
        )
        if self.lifecycle is not None:
            own["lifecycle"] = self.lifecycle.value
        elif self.expected_version is None:
            own["lifecycle"] = Lifecycle.PROPOSED.value
        links = _links(
            programs=self.programs, administrative_nodes=self.administrative_nodes, locations=self.locations
        )
        return {"attributes": attributes | own, "links": links}


@strawberry.input
class RetireReferenceEntryInput:
    id: strawberry.ID
    expected_version: int
    on: date | None = strawberry.field(
        default=None, description="First day it is retired; today when left out."
    )
    tenant: str | None = None


@strawberry.input
class DecideReferenceProposalInput:
    id: strawberry.ID
    approve: bool
    comment: str | None = None
    tenant: str | None = None


@strawberry.input
class SetReferencePolicyInput:
    approval_required: bool | None = None
    hierarchy_depth_max: int | None = None
    tenant: str | None = None


@strawberry.input
class ImportReferenceDataInput:
    registry: Registry
    csv: str = strawberry.field(
        description="CSV text with a header row; rows in any order; at most 50,000 and 10 MiB."
    )
    dry_run: bool = False
    skip_bad_rows: bool = False
    create_missing_ancestors: bool = strawberry.field(default=True, description="For heads of account.")
    profile: Profile = strawberry.field(
        default=Profile.STRICT, description="For heads of account without a column `profile`."
    )
    tenant: str | None = None
    idempotency_key: str | None = None
