"""Filters of the reference registries: every criterion a list can be searched by."""

from __future__ import annotations

import uuid
from typing import Any

import strawberry

from hub.domain import reference
from hub.domain.reference import PREFIXES, Criteria, Lifecycle, Profile, Registry, Side, Status
from hub.kit.ids import uuid_of

NOBODY = uuid.UUID(int=0)


@strawberry.input(description="Everything given must hold. An empty filter finds everything.")
class ReferenceFilter:
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="At most 50.")
    codes: list[str] | None = strawberry.field(default=None, description="At most 50.")
    name: str | None = strawberry.field(default=None, description="The whole name, in any case.")
    name_prefix: str | None = None
    text: str | None = strawberry.field(default=None, description="Part of a name, a translation or a code.")
    parent: str | None = strawberry.field(
        default=None, description="Code, path or id of the entry just above."
    )
    roots: bool = strawberry.field(default=False, description="Only entries with nothing above them.")
    under: str | None = strawberry.field(
        default=None, description="Code, path or id of an entry anywhere above."
    )
    status: Status | None = None

    def to_criteria(self, registry: Registry) -> Criteria:
        """The search in the room's words."""
        ids = None if self.ids is None else tuple(uuid_of(PREFIXES[registry], i) or NOBODY for i in self.ids)
        return Criteria(
            ids=ids,
            codes=None if self.codes is None else tuple(self.codes),
            name=self.name,
            name_prefix=self.name_prefix,
            text=self.text,
            parent=self.parent,
            roots=self.roots,
            under=self.under,
            status=self.status,
            **self.more(),
        )

    def more(self) -> dict[str, Any]:
        """What only this registry can be searched by."""
        return {}


@strawberry.input
class LocationFilter(ReferenceFilter):
    type: str | None = None

    def more(self) -> dict[str, Any]:
        return {"attributes": {"type": self.type} if self.type is not None else {}}


@strawberry.input
class DepartmentFilter(ReferenceFilter):
    is_nodal: bool | None = None

    def more(self) -> dict[str, Any]:
        return {"attributes": {"isNodal": self.is_nodal} if self.is_nodal is not None else {}}


@strawberry.input
class HierarchyLevelFilter(ReferenceFilter):
    department: str | None = strawberry.field(default=None, description="Code or id.")
    label: str | None = None
    level: int | None = None

    def more(self) -> dict[str, Any]:
        return {"department": self.department, "level": self.level, "label": self.label}


@strawberry.input
class AdministrativeNodeFilter(ReferenceFilter):
    department: str | None = strawberry.field(default=None, description="Code or id.")
    level: int | None = None
    location: str | None = strawberry.field(
        default=None, description="Code or id of a place the office serves."
    )

    def more(self) -> dict[str, Any]:
        links = {Registry.LOCATION: self.location} if self.location is not None else {}
        return {"department": self.department, "level": self.level, "links": links}


@strawberry.input(description="The six heads combine freely: a minor head without its major head is fine.")
class ChartOfAccountFilter(ReferenceFilter):
    major_head: str | None = None
    sub_major_head: str | None = None
    minor_head: str | None = None
    sub_head: str | None = None
    group_head: str | None = None
    object_head: str | None = None
    major_head_type: str | None = None
    side: Side | None = None
    profile: Profile | None = strawberry.field(
        default=None, description="OPEN lets heads be of any length, as such charts publish them."
    )

    def more(self) -> dict[str, Any]:
        heads = (
            self.major_head,
            self.sub_major_head,
            self.minor_head,
            self.sub_head,
            self.group_head,
            self.object_head,
        )
        wanted = {"majorHeadType": self.major_head_type, "side": self.side, "profile": self.profile}
        return {
            "heads": heads,
            "attributes": {key: str(value) for key, value in wanted.items() if value is not None},
        }


@strawberry.input
class ProgramFilter(ReferenceFilter):
    type: str | None = strawberry.field(default=None, description="Scheme or Non-Scheme.")
    sponsorship: str | None = None
    department: str | None = strawberry.field(default=None, description="Code or id.")

    def more(self) -> dict[str, Any]:
        kind = reference.SCHEME_SPELLINGS.get(self.type, self.type) if self.type is not None else None
        wanted = {"kind": kind, "sponsorship": self.sponsorship}
        return {
            "department": self.department,
            "attributes": {key: value for key, value in wanted.items() if value is not None},
        }


@strawberry.input
class ProjectFilter(ReferenceFilter):
    lifecycle: Lifecycle | None = None
    program: str | None = strawberry.field(default=None, description="Code or id.")
    administrative_node: str | None = strawberry.field(default=None, description="Code or id.")
    location: str | None = strawberry.field(default=None, description="Code or id.")
    department: str | None = strawberry.field(
        default=None, description="Code or id of the department whose offices carry it out."
    )

    def more(self) -> dict[str, Any]:
        links = {
            Registry.PROGRAM: self.program,
            Registry.ADMIN: self.administrative_node,
            Registry.LOCATION: self.location,
        }
        return {
            "department": self.department,
            "links": {kind: value for kind, value in links.items() if value is not None},
            "attributes": {"lifecycle": self.lifecycle.value} if self.lifecycle is not None else {},
        }
