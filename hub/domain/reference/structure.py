"""Rules over whole trees: where everything touched by a change stands afterwards, and whether it may."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from hub.codes import Code
from hub.domain.reference.forest import Forest, Node, Surroundings
from hub.domain.reference.model import DEPTH_MAX, PATH_LENGTH_MAX, Registry
from hub.domain.reference.rules import FIELDS
from hub.domain.reference.timeline import Circle, NoParent, Place, Span, TooDeep, overlaps, places
from hub.errors import Problem

Found = tuple[int, Problem]
Writers = Mapping[uuid.UUID, int]


@dataclass(slots=True)
class Placed:
    """The new places of every node a change touches, and what stands in the way."""

    places: list[tuple[Node, tuple[Place, ...]]] = field(default_factory=list)
    problems: list[Found] = field(default_factory=list)


def place(forest: Forest, writers: Writers, around: Surroundings) -> Placed:
    """Places of the changed nodes and of everything below them; parents must cover their children's days."""
    lines = {entry_id: node.spans for entry_id, node in forest.nodes.items()}
    codes = {entry_id: node.code for entry_id, node in forest.nodes.items()}
    placed = Placed()
    for entry_id, number in _touched(forest, writers).items():
        node = forest.nodes[entry_id]
        try:
            found = places(entry_id, lines, codes)
        except (NoParent, Circle, TooDeep) as reason:
            problem = _why(forest.registry, node, reason, is_own=entry_id in writers)
            placed.problems.append((number, problem))
            continue
        depth_max = around.depth_max if forest.registry is Registry.LEVEL else DEPTH_MAX
        if any(where.depth > depth_max or len(where.path) > PATH_LENGTH_MAX for where in found):
            placed.problems.append(
                (number, Problem(Code.HIERARCHY_TOO_DEEP, f"{node.code} lies too deep", _PARENT))
            )
        placed.places.append((node, found))
    return placed


_PARENT = ("parentCode",)


def _why(registry: Registry, node: Node, reason: Exception, *, is_own: bool) -> Problem:
    if isinstance(reason, TooDeep):
        return Problem(Code.HIERARCHY_TOO_DEEP, f"{node.code} lies too deep", _PARENT)
    if isinstance(reason, Circle):
        code = Code.DEPARTMENT_PARENT if registry is Registry.DEPARTMENT else Code.INVALID_PARENT_ID
        return Problem(code, f"{node.code} would stand below itself", _PARENT)
    if is_own:
        return Problem(FIELDS[registry].parent, f"{node.code}: {reason}", _PARENT)
    return Problem(
        Code.HAS_CHILDREN, f"{node.code} below would be left without its parent: {reason}", ("validTo",)
    )


def _touched(forest: Forest, writers: Writers) -> dict[uuid.UUID, int]:
    """The changed nodes and all below them on any day, each with the command that touches it."""
    children: dict[uuid.UUID, list[uuid.UUID]] = {}
    for entry_id, node in forest.nodes.items():
        for parent_id in {span.parent_id for span in node.spans}:
            if parent_id is not None:
                children.setdefault(parent_id, []).append(entry_id)
    touched = dict(writers)
    waiting = list(writers)
    while waiting:
        entry_id = waiting.pop()
        for child in children.get(entry_id, ()):
            if child not in touched:
                touched[child] = touched[entry_id]
                waiting.append(child)
    return touched


def check(forest: Forest, writers: Writers, around: Surroundings) -> list[Found]:
    """What the registry forbids although every node has its place."""
    problems = list(_check_retired_parents(forest, writers))
    if forest.registry is Registry.LEVEL:
        problems += _check_line(forest, writers)
    if forest.registry is Registry.ADMIN:
        problems += _check_levels(forest, writers, around)
        problems += _check_roots(forest, writers, around)
    return problems


def _pairs(forest: Forest) -> Iterator[tuple[Node, Span, Node, Span]]:
    """Every child's span with every span of its parent that shares a day with it."""
    for node in forest.nodes.values():
        for span in node.spans:
            parent = forest.nodes.get(span.parent_id) if span.parent_id is not None else None
            for above in parent.spans if parent is not None else ():
                if parent is not None and overlaps(span.start, span.end, above.start, above.end):
                    yield node, span, parent, above


def _writer(writers: Writers, child: Node, parent: Node) -> tuple[int, bool] | None:
    """Who caused a problem between a child and its parent: the child's command before the parent's."""
    if child.entry_id in writers:
        return writers[child.entry_id], True
    return (writers[parent.entry_id], False) if parent.entry_id in writers else None


def _check_retired_parents(forest: Forest, writers: Writers) -> Iterator[Found]:
    for child, span, parent, above in _pairs(forest):
        cause = _writer(writers, child, parent)
        if cause is None or not span.active or above.active:
            continue
        if cause[1]:
            words = f"{parent.code} is retired while {child.code} is active"
            yield cause[0], Problem(FIELDS[forest.registry].parent, words, _PARENT)
        else:
            yield cause[0], Problem(Code.HAS_CHILDREN, f"{child.code} below is still active", ("status",))


def _check_line(forest: Forest, writers: Writers) -> Iterator[Found]:
    """The levels of a department form a line: one root, one child each."""
    groups: dict[tuple[str, uuid.UUID | None], list[tuple[Node, Span]]] = {}
    for node in forest.nodes.values():
        for span in node.spans:
            if span.active:
                groups.setdefault((node.scope, span.parent_id), []).append((node, span))
    for (scope, parent_id), members in groups.items():
        for (one, span), (other, across) in combinations(members, 2):
            if one is other or not overlaps(span.start, span.end, across.start, across.end):
                continue
            number = writers.get(other.entry_id, writers.get(one.entry_id))
            if number is None:
                continue
            if parent_id is None:
                yield (
                    number,
                    Problem(Code.HIERARCHY_ROOT_EXISTS, f"{scope} has a root level already", _PARENT),
                )
            else:
                words = f"{forest.nodes[parent_id].code} has a child level already"
                yield number, Problem(Code.HIERARCHY_LEVEL_TAKEN, words, _PARENT)


def _check_levels(forest: Forest, writers: Writers, around: Surroundings) -> Iterator[Found]:
    """A node's level is defined for its department and is its parent's plus one."""
    where = ("hierarchyLevel",)
    for entry_id, number in writers.items():
        node = forest.nodes[entry_id]
        for span in node.spans:
            if span.level is None:
                yield (
                    number,
                    Problem(Code.DEPARTMENT_HIERARCHY_ID, f"{node.code}: the level is missing", where),
                )
            elif not _is_defined(around, node.scope, span):
                words = f"{node.scope} has no level {span.level}"
                yield number, Problem(Code.INVALID_HIERARCHY_LEVEL, words, where)
            if span.level == 0 and span.parent_id is not None:
                yield number, Problem(Code.LEVEL_MISMATCH, f"{node.code}: level 0 has no parent", where)
    for child, span, parent, above in _pairs(forest):
        cause = _writer(writers, child, parent)
        if cause is None or span.level is None or above.level is None or span.level == above.level + 1:
            continue
        words = f"{child.code} at level {span.level} stands below {parent.code} at level {above.level}"
        yield cause[0], Problem(Code.LEVEL_MISMATCH, words, where)


def _is_defined(around: Surroundings, department: str, span: Span) -> bool:
    return any(
        level.depth == span.level and overlaps(level.start, level.end, span.start, span.end)
        for level in around.levels.get(department, ())
    )


def _check_roots(forest: Forest, writers: Writers, around: Surroundings) -> Iterator[Found]:
    """One active node at level 0 per department on any day."""
    roots = {
        scope: [(entry_id, span) for entry_id, span in members if entry_id not in forest.nodes]
        for scope, members in around.roots.items()
    }
    for node in forest.nodes.values():
        standing = [(node.entry_id, span) for span in node.spans if span.level == 0 and span.active]
        roots.setdefault(node.scope, []).extend(standing)
    for scope, members in roots.items():
        for (one, span), (other, across) in combinations(members, 2):
            number = writers.get(other, writers.get(one))
            if one == other or number is None or not overlaps(span.start, span.end, across.start, across.end):
                continue
            words = f"{scope} has a node at level 0 already"
            yield number, Problem(Code.HIERARCHY_ROOT_EXISTS, words, ("hierarchyLevel",))
