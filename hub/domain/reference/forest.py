"""The part of one registry's tree that a change can touch, as loaded under the tenant's lock: plain data."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from hub.domain.reference.model import Registry, Status
from hub.domain.reference.timeline import Place, Span


@dataclass(frozen=True, slots=True)
class Content:
    """What a version says, apart from its days; two versions that say the same are no change."""

    name: str
    names: Mapping[str, str]
    parent_id: uuid.UUID | None
    level: int | None
    status: Status
    attributes: Mapping[str, Any]
    links: frozenset[tuple[Registry, uuid.UUID]]


@dataclass(slots=True)
class Node:
    """An entry with its line of versions, the rows that say so, and how many versions it ever had."""

    entry_id: uuid.UUID
    scope: str
    code: str
    spans: tuple[Span, ...] = ()
    rows: tuple[tuple[uuid.UUID, Place], ...] = ()
    contents: dict[uuid.UUID, Content] = field(default_factory=dict)
    number: int | None = None
    version_no: int = 0
    recorded_at: datetime | None = None

    @property
    def is_new(self) -> bool:
        """Not in the database yet."""
        return self.number is None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version row to write."""

    version_id: uuid.UUID
    entry_id: uuid.UUID
    version_no: int
    content: Content
    valid_from: date
    valid_to: date | None


@dataclass(slots=True)
class Forest:
    """Loaded nodes by id and by code within their scope."""

    registry: Registry
    nodes: dict[uuid.UUID, Node] = field(default_factory=dict)
    by_code: dict[tuple[str, str], uuid.UUID] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Make a node findable."""
        self.nodes[node.entry_id] = node
        self.by_code[(node.scope, node.code)] = node.entry_id

    def find(self, scope: str, code: str) -> Node | None:
        """The node with this code, if it was loaded."""
        entry_id = self.by_code.get((scope, code))
        return self.nodes[entry_id] if entry_id is not None else None

    def copy(self) -> Forest:
        """A forest of its own to plan on; what was loaded stays as it was."""
        nodes = {key: replace(node, contents=dict(node.contents)) for key, node in self.nodes.items()}
        return Forest(self.registry, nodes, dict(self.by_code))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies outside the tree but decides whether a change is good."""

    today: date
    depth_max: int
    departments: frozenset[str] = frozenset()
    levels: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    roots: Mapping[str, tuple[tuple[uuid.UUID, Span], ...]] = field(default_factory=dict)
    targets: Mapping[tuple[Registry, str], uuid.UUID] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """Everything a plan wants written, and what became of each command."""

    entries: list[Node] = field(default_factory=list)
    versions: list[NewVersion] = field(default_factory=list)
    superseded: list[uuid.UUID] = field(default_factory=list)
    placed: list[tuple[Node, Place]] = field(default_factory=list)
    targets: list[Node | None] = field(default_factory=list)
    created: int = 0
    changed: int = 0
    unchanged: int = 0
