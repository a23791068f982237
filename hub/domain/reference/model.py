"""Nouns of the reference registries: what an entry is, what may be asked for, what a change says."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any

from msgspec import Struct

BEGINNING = date(1950, 1, 1)
CODES_MAX = 50
GOVERNMENT_LENGTH = range(2, 65)
LANGUAGE_LENGTH = range(2, 36)
NAME_LENGTH = range(1, 257)
YEARS = range(1900, 9999)
DEPTH_MAX = 32
HIERARCHY_DEPTH_MAX = 10
PATH_LENGTH_MAX = 2_000
ATTRIBUTES_BYTES_MAX = 16_384
LINKS_MAX = 200
ROWS_MAX = 50_000
CSV_BYTES_MAX = 10 * 1024 * 1024
PATH_SEPARATOR = "/"


class Registry(StrEnum):
    """The registries; each is a tree of its own (a line per department for LEVEL)."""

    LOCATION = "LOCATION"
    DEPARTMENT = "DEPARTMENT"
    LEVEL = "LEVEL"
    ADMIN = "ADMIN"
    COA = "COA"
    PROGRAM = "PROGRAM"
    PROJECT = "PROJECT"


PREFIXES: Mapping[Registry, str] = {
    Registry.LOCATION: "loc",
    Registry.DEPARTMENT: "dep",
    Registry.LEVEL: "lvl",
    Registry.ADMIN: "adm",
    Registry.COA: "coa",
    Registry.PROGRAM: "prg",
    Registry.PROJECT: "prj",
}
SCOPED = frozenset({Registry.LEVEL, Registry.ADMIN})


class Status(StrEnum):
    """A retired entry stays readable and keeps its place; new postings may not use it."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class Lifecycle(StrEnum):
    """How far a project is; a closed one takes no postings."""

    PROPOSED = "PROPOSED"
    SANCTIONED = "SANCTIONED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"


class Keep(Enum):
    """Left out of a change: what is there stays."""

    KEEP = "KEEP"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True)
class SaveEntry:
    """One entry to create, or one new version of it.

    ``expected_version`` None means "this is new"; ``upsert`` (imports) means "whichever it is". Links and the
    parent are given by code, by path or by public id. ``children`` are codes with "is a child from now on".
    ``heads`` are the six heads of a head of account given one by one, ``ancestor_names`` the names above it.
    ``row`` says where in the input it stands, for problems.
    """

    registry: Registry
    code: str | None = None
    entry_id: uuid.UUID | None = None
    expected_version: int | None = None
    scope: str = ""
    name: str | Keep | None = KEEP
    names: Mapping[str, str] | Keep = KEEP
    parent: str | Keep | None = KEEP
    level: int | Keep = KEEP
    status: Status | Keep = KEEP
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[Registry, tuple[str, ...]] = field(default_factory=dict)
    children: tuple[tuple[str, bool], ...] | Keep = ()
    heads: tuple[str | None, ...] = ()
    valid_from: date | None = None
    valid_to: date | Keep | None = KEEP
    ancestor_names: tuple[str | None, ...] = ()
    create_ancestors: bool = False
    upsert: bool = False
    implied: bool = False
    row: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stood on a day: its version, its place in the tree, and the days both hold."""

    registry: Registry
    tenant_id: uuid.UUID
    entry_id: uuid.UUID
    version_id: uuid.UUID
    version_no: int
    scope: str
    code: str
    name: str
    names: Mapping[str, str]
    parent_id: uuid.UUID | None
    path: str
    depth: int
    level: int | None
    status: Status
    attributes: Mapping[str, Any]
    valid_from: date
    valid_to: date | None
    recorded_at: datetime

    @property
    def parent_code(self) -> str | None:
        """The code of the node above, which the path names."""
        above = self.path.split(PATH_SEPARATOR)[:-1]
        return above[-1] if above else None


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it was declared; ``valid_to`` is what was said then, not where it was cut later."""

    version_id: uuid.UUID
    version_no: int
    name: str
    names: Mapping[str, str]
    parent_code: str | None
    level: int | None
    status: Status
    attributes: Mapping[str, Any]
    valid_from: date
    valid_to: date | None
    recorded_at: datetime
    recorded_by: str


class ResolvedEntry(Struct, frozen=True, gc=False):
    """What a posting pins: the version of an entry in force on a day, normalised code and path."""

    registry: Registry
    entry_id: uuid.UUID
    version_id: uuid.UUID
    version_no: int
    code: str
    name: str
    path: str
    depth: int
    level: int | None
    status: Status
    attributes: Mapping[str, Any]
    department_code: str | None
    department_path: str | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer of ``resolve``: look entries up by the spelling that was asked for."""

    entries: Mapping[tuple[Registry, str], ResolvedEntry]

    def get(self, registry: Registry, code: str) -> ResolvedEntry | None:
        """The entry under this spelling on the day asked for, or None."""
        return self.entries.get((registry, code))


@dataclass(frozen=True, slots=True)
class Moment:
    """From where a question is asked: the day in the world, and what was known when."""

    on: date
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """A search; everything given must hold."""

    ids: tuple[uuid.UUID, ...] | None = None
    codes: tuple[str, ...] | None = None
    name: str | None = None
    name_prefix: str | None = None
    text: str | None = None
    parent: str | None = None
    roots: bool = False
    under: str | None = None
    department: str | None = None
    level: int | None = None
    label: str | None = None
    status: Status | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    heads: tuple[str | None, ...] = ()
    links: Mapping[Registry, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """A government's rules for its own registries."""

    version_no: int = 0
    approval_required: bool = False
    hierarchy_depth_max: int = HIERARCHY_DEPTH_MAX


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for, or has had, a second person's decision."""

    proposal_id: uuid.UUID
    registry: Registry
    commands: tuple[SaveEntry, ...]
    recorded_at: datetime
    approved: bool | None
    comment: str | None
