"""From commands to rows: writes versions on the lines of a loaded forest and finds everything that forbids it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from hub.codes import Code
from hub.domain.reference import structure
from hub.domain.reference.forest import Content, Forest, NewVersion, Node, Outcome, Surroundings
from hub.domain.reference.model import (
    BEGINNING,
    PATH_SEPARATOR,
    PREFIXES,
    Keep,
    Registry,
    SaveEntry,
    Status,
)
from hub.domain.reference.rules import FIELDS, LINK_CODES
from hub.domain.reference.timeline import Overlap, Span, at, write
from hub.errors import Problem
from hub.kit.ids import new_id, uuid_of

Found = tuple[int, Problem]


def plan(forest: Forest, around: Surroundings, commands: Sequence[SaveEntry]) -> tuple[Outcome, list[Found]]:
    """What to write so that the commands hold, and every problem with the number of its command.

    With problems the outcome is worthless: nothing may be written from it.
    """
    planner = Planner(forest, around, commands)
    planner.find_targets()
    for number in planner.parents_first():
        planner.apply(number)
    return planner.finish()


class Planner:
    """One run; the forest is changed in place."""

    def __init__(self, forest: Forest, around: Surroundings, commands: Sequence[SaveEntry]) -> None:
        self.forest = forest
        self.around = around
        self.commands = commands
        self.fields = FIELDS[forest.registry]
        self.outcome = Outcome(targets=[None] * len(commands))
        self.problems: list[Found] = []
        self.writers: dict[uuid.UUID, int] = {}
        self.makers: dict[uuid.UUID, int] = {}

    def wrong(self, number: int, code: Code, message: str, *path: str | int) -> None:
        """Note a problem of a command."""
        self.problems.append((number, Problem(code, message, path)))

    def find_targets(self) -> None:
        """Which entry each command is about; new entries come to be here, so that order does not matter."""
        for number, command in enumerate(self.commands):
            node = self._target(number, command)
            self.outcome.targets[number] = node
            if node is not None and node.is_new:
                self.makers.setdefault(node.entry_id, number)

    def _target(self, number: int, command: SaveEntry) -> Node | None:
        if command.entry_id is not None:
            node = self.forest.nodes.get(command.entry_id)
            if node is None or (command.code is not None and command.code != node.code):
                words = (
                    "there is no such entry" if node is None else "codes never change; this id has another"
                )
                self.wrong(number, self.fields.unknown, words, "id")
                return None
        else:
            node = self.forest.find(command.scope, command.code or "")
        if node is None:
            if command.expected_version is not None:
                self.wrong(number, self.fields.unknown, "there is no such entry to change", "code")
                return None
            node = Node(new_id(), command.scope, command.code or "")
            self.forest.add(node)
            return node
        if command.upsert or command.implied:
            return node
        if command.expected_version == node.version_no:
            return node
        if command.expected_version is not None:
            words = f"the current version is {node.version_no}, not {command.expected_version}"
            self.wrong(number, Code.VERSION_CONFLICT, words, "expectedVersion")
        elif command.entry_id is not None:
            self.wrong(number, Code.EXPECTED_VERSION, Code.EXPECTED_VERSION.summary, "expectedVersion")
        else:
            where = "label" if self.forest.registry is Registry.LEVEL else "code"
            words = f"{node.code} exists already; to change it, state expectedVersion"
            self.wrong(number, self.fields.exists, words, where)
        return None

    def parents_first(self) -> Iterable[int]:
        """Command numbers by first day, each after the command that makes its parent."""
        done: set[int] = set()
        order: list[int] = []
        by_day = sorted(range(len(self.commands)), key=lambda n: self.commands[n].valid_from or date.min)
        for number in by_day:
            chain: list[int] = []
            following: int | None = number
            while following is not None and following not in done:
                done.add(following)
                chain.append(following)
                parent = self._named_parent(self.commands[following])
                following = self.makers.get(parent.entry_id) if parent is not None else None
            order.extend(reversed(chain))
        return order

    def _named_parent(self, command: SaveEntry) -> Node | None:
        if not isinstance(command.parent, str):
            return None
        entry_id = uuid_of(PREFIXES[self.forest.registry], command.parent)
        if entry_id is not None:
            node = self.forest.nodes.get(entry_id)
            return node if node is not None and node.scope == command.scope else None
        return self.forest.find(command.scope, command.parent.rpartition(PATH_SEPARATOR)[2])

    def apply(self, number: int) -> None:
        """Write one command's version on its entry's line."""
        command, node = self.commands[number], self.outcome.targets[number]
        if node is None:
            return
        if command.implied and not (node.is_new and not node.spans):
            return
        parent = self._named_parent(command)
        if isinstance(command.parent, str) and parent is None:
            self.wrong(number, self.fields.parent, f"{command.parent} is unknown", "parentCode")
            return
        start = command.valid_from or self._first_day(node, parent)
        base = at(node.spans, start)
        content = self._content(number, command, node, base or _nearest(node.spans, start), parent)
        if content is None:
            return
        end = self._last_day(command, node, start, base)
        if self._holds(command, node, content, base):
            self.outcome.unchanged += 1
            self.writers.setdefault(node.entry_id, number)
        else:
            self._write(number, node, content, (start, end))
        self._adopt(number, command, node, content, start)

    def _holds(self, command: SaveEntry, node: Node, content: Content, base: Span | None) -> bool:
        """Whether the command only says what is already so."""
        if base is None or node.contents[base.version_id] != content:
            return False
        return isinstance(command.valid_to, Keep) or command.valid_to == base.end

    def _write(self, number: int, node: Node, content: Content, days: tuple[date, date | None]) -> None:
        start, end = days
        if end is not None and end <= start:
            words = f"the change would hold from {start.isoformat()} on, but ends before"
            self.wrong(number, Code.VALIDITY_ORDER, words, "validTo")
            return
        is_first = node.is_new and not node.spans
        version_id = new_id()
        span = Span(start, end, version_id, content.parent_id, content.level, content.status is Status.ACTIVE)
        try:
            node.spans = write(node.spans, span)
        except Overlap as overlap:
            self.wrong(number, Code.VALIDITY_OVERLAP, str(overlap), "validTo")
            return
        node.version_no += 1
        node.contents[version_id] = content
        version = NewVersion(version_id, node.entry_id, node.version_no, content, start, end)
        self.outcome.versions.append(version)
        self.writers[node.entry_id] = number
        if is_first:
            self.outcome.entries.append(node)
            self.outcome.created += 1
        else:
            self.outcome.changed += 1

    def _first_day(self, node: Node, parent: Node | None) -> date:
        """When nobody says: a new entry holds as long as its parent does, a change from today on."""
        if not node.spans:
            return max(BEGINNING, parent.spans[0].start) if parent is not None and parent.spans else BEGINNING
        if at(node.spans, self.around.today) is None and node.spans[0].start > self.around.today:
            return node.spans[0].start
        return self.around.today

    def _last_day(self, command: SaveEntry, node: Node, start: date, base: Span | None) -> date | None:
        """When nobody says: as long as what is changed, or until the next planned version."""
        if not isinstance(command.valid_to, Keep):
            return command.valid_to
        if base is not None:
            return base.end
        return min((span.start for span in node.spans if span.start > start), default=None)

    def _content(
        self, number: int, command: SaveEntry, node: Node, base: Span | None, parent: Node | None
    ) -> Content | None:
        old = node.contents[base.version_id] if base is not None else None
        links = self._links(number, command, old)
        if links is None:
            return None
        name = command.name if isinstance(command.name, str) and command.name else None
        if isinstance(command.parent, Keep):
            parent_id = old.parent_id if old is not None else None
        else:
            parent_id = parent.entry_id if parent is not None else None
        merged = {**(old.attributes if old is not None else {}), **command.attributes}
        return Content(
            name=name or (old.name if old is not None else node.code),
            names=(old.names if old is not None else {})
            if isinstance(command.names, Keep)
            else dict(command.names),
            parent_id=parent_id,
            level=(old.level if old is not None else None)
            if isinstance(command.level, Keep)
            else command.level,
            status=(old.status if old is not None else Status.ACTIVE)
            if isinstance(command.status, Keep)
            else command.status,
            attributes={key: value for key, value in merged.items() if value is not None},
            links=links,
        )

    def _links(
        self, number: int, command: SaveEntry, old: Content | None
    ) -> frozenset[tuple[Registry, uuid.UUID]] | None:
        """The links after the command: kinds it names are replaced, others stay; None when one is unknown."""
        kept = {link for link in (old.links if old is not None else ()) if link[0] not in command.links}
        is_whole = True
        for kind, spellings in command.links.items():
            code, where = LINK_CODES[kind]
            for position, spelling in enumerate(spellings):
                target = self.around.targets.get((kind, spelling))
                if target is None:
                    self.wrong(number, code, f"{spelling} is unknown", where, position)
                    is_whole = False
                else:
                    kept.add((kind, target))
        return frozenset(kept) if is_whole else None

    def _adopt(self, number: int, command: SaveEntry, node: Node, content: Content, start: date) -> None:
        """Make and unmake children, as named by their parent."""
        named = () if isinstance(command.children, Keep) else command.children
        codes = [code for code, _ in named]
        for position, (code, is_child) in enumerate(named):
            child = self.forest.find(node.scope, code)
            span = at(child.spans, start) if child is not None else None
            where = ("children", position)
            if child is None or span is None or codes.count(code) > 1 or child is node:
                self.wrong(number, Code.DEPARTMENT_CHILDREN, f"{code} is unknown or repeated", *where)
            elif not is_child:
                if span.parent_id != node.entry_id:
                    self.wrong(
                        number, Code.DEPARTMENT_CHILDREN, f"{code} is not a child of this node", *where
                    )
                else:
                    self._rehang(number, child, span, start, None)
            elif span.level is None or content.level is None or span.level != content.level + 1:
                words = f"{code} stands at level {span.level}, a child's is {(content.level or 0) + 1}"
                self.wrong(number, Code.DEPARTMENT_CHILDREN, words, *where)
            elif span.parent_id not in (None, node.entry_id):
                self.wrong(number, Code.PARENT_EXISTS, f"{code} has a parent on that day", *where)
            elif span.parent_id is None:
                self._rehang(number, child, span, start, node.entry_id)

    def _rehang(self, number: int, child: Node, span: Span, start: date, parent_id: uuid.UUID | None) -> None:
        content = replace(child.contents[span.version_id], parent_id=parent_id)
        if child.is_new and span.start == start:
            self._replace_fresh(child, span, content)
        else:
            self._write(number, child, content, (start, span.end))

    def _replace_fresh(self, child: Node, span: Span, content: Content) -> None:
        """A child made by the same request gets its parent in its first version."""
        child.contents[span.version_id] = content
        child.spans = tuple(
            replace(s, parent_id=content.parent_id) if s.version_id == span.version_id else s
            for s in child.spans
        )
        self.outcome.versions = [
            replace(v, content=content) if v.version_id == span.version_id else v
            for v in self.outcome.versions
        ]

    def finish(self) -> tuple[Outcome, list[Found]]:
        """Place everything that is touched, apply the rules over the tree, and note which rows change."""
        placed = structure.place(self.forest, self.writers, self.around)
        self.problems += placed.problems
        if not placed.problems:
            self.problems += structure.check(self.forest, self.writers, self.around)
        for node, places in placed.places:
            wanted = set(places)
            self.outcome.superseded += [row for row, place in node.rows if place not in wanted]
            standing = {place for _, place in node.rows}
            self.outcome.placed += [(node, place) for place in places if place not in standing]
        return self.outcome, self.problems


def _nearest(spans: tuple[Span, ...], day: date) -> Span | None:
    """What an entry was last before a gap, else what it will be first."""
    before = [span for span in spans if span.start <= day]
    return before[-1] if before else (spans[0] if spans else None)
