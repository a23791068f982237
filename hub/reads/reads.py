"""Plans of queries: kept with the prepared document, run with one statement for each root field.

An operation is compiled as a whole or not at all. Its plans are kept by the values of the variables that ``@skip``
and ``@include`` name; the SQL of a plan's root by the kind of reader and what else its text depends on. All are
bounded: what is beyond the bound is not kept, or left to ordinary execution.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType, is_non_null_type
from graphql.type import introspection_types
from sqlalchemy import Integer, Text, bindparam, cast, select
from strawberry import Schema

from hub.errors import Refusal
from hub.limits import Operation
from hub.reads.arguments import Arguments, Given, Variables
from hub.reads.compiling import Writer, is_open
from hub.reads.mapping import Ask, NotCompilable, Root, Sources, Storage
from hub.reads.nodes import NodePlan
from hub.reads.pages import PageWriter
from hub.reads.selections import Selections, switches_of
from hub.reads.statements import Written, write
from hub.reads.texts import finished, joined

PLANS_MAX = 16
LIMIT = "asked_rows"


@dataclass
class RootPlan:
    """One root field of a plan and the SQL texts written for it so far."""

    answer: str
    root: Root
    definition: GraphQLField
    nodes: Sequence[FieldNode]
    arguments: Arguments
    texts: dict[Any, Any] = field(default_factory=dict)

    @property
    def is_required(self) -> bool:
        """Whether the answer as a whole is null when this field fails."""
        return is_non_null_type(self.definition.type)


@dataclass
class Plan:
    """The root fields of one operation under given directive values; texts stand for ``__typename``."""

    switches: Mapping[str, bool]
    roots: list[RootPlan | tuple[str, str]]


@dataclass
class Plans:
    """What is kept about an operation; ``variables`` is None when it can never be compiled."""

    variables: Variables | None
    switches: tuple[str, ...] = ()
    room: int = 0
    by_switches: dict[tuple[bool, ...], Plan | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A root field whose statement failed."""

    answer: str
    fault: Exception
    is_required: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The JSON of each root field in order, None for those that failed."""

    members: list[tuple[str, str | None]]
    failed: list[Failed]

    @property
    def is_nothing(self) -> bool:
        """Whether no root field has a value."""
        return any(failure.is_required for failure in self.failed) or not any(
            text not in (None, "null") for _, text in self.members
        )

    @property
    def data(self) -> str:
        """The value of ``data``."""
        if any(failure.is_required for failure in self.failed):
            return "null"
        return "{" + ",".join(f'"{name}":{text or "null"}' for name, text in self.members) + "}"


class Reads:
    """Compiles and runs the queries of one schema over one storage mapping."""

    def __init__(self, schema: Schema, storage: Storage) -> None:
        self._schema = schema
        self._core = schema._schema  # noqa: SLF001 - strawberry publishes no other way to it
        self.storage = storage

    async def answer(
        self, operation: Operation, variables: Mapping[str, Any], caller: Any, database: Sources
    ) -> Answered | None:
        """The answer of a query, or None for what is left to ordinary execution; nothing is written by trying."""
        try:
            given, plan = self._plan(operation, variables)
            reader = self.storage.reader_of(caller)
            if reader is None:
                return None
            values = self.storage.values_of(caller)
            runs = [
                root
                if isinstance(root, tuple)
                else self._prepare(operation, plan, root, _Run(caller, reader, values, given))
                for root in plan.roots
            ]
            return await self._run(runs, database)
        except (NotCompilable, Refusal):
            return None

    def node_plan(
        self, operation: Operation, name: str, nodes: Sequence[FieldNode], around: Selections
    ) -> NodePlan | None:
        """A plan for objects of this type by their ids, for selections inside other answers (a mutation's payload).

        None when it cannot be compiled. Directives that name variables are not compiled here. Its fields count
        with those of the answer ``around`` it, all of whose plans share one bound.
        """
        selections = Selections(self._core, operation.fragments, {}, around.seen)
        plan = NodePlan(self.storage, selections, name, list(nodes))
        try:
            plan.check()
        except (NotCompilable, KeyError):
            return None
        finally:
            around.seen = selections.seen
        return plan

    # From an operation to its plan

    def _plan(self, operation: Operation, variables: Mapping[str, Any]) -> tuple[Given, Plan]:
        plans: Plans | None = operation.compiled.get("reads")
        if plans is None:
            plans = operation.compiled["reads"] = self._plans(operation)
        if plans.variables is None:
            raise NotCompilable
        given = Given.of(plans.variables, variables)
        key = tuple([given.value(name) for name in plans.switches])
        if key not in plans.by_switches:
            if len(plans.by_switches) >= PLANS_MAX or None in key:
                raise NotCompilable
            plans.by_switches[key] = self._compile(operation, dict(zip(plans.switches, key, strict=True)))
        plan = plans.by_switches[key]
        if plan is None:
            raise NotCompilable
        return given, plan

    def _plans(self, operation: Operation) -> Plans:
        known = set(self.storage.roots) | {"__typename"}
        if operation.kind != "query" or not known.issuperset(operation.roots):
            return Plans(None)
        variables = Variables(self._core, operation.node)
        named = switches_of(operation.node, operation.fragments)
        return Plans(variables, tuple(name for name in named if name in variables.names), operation.room)

    def _compile(self, operation: Operation, switches: Mapping[str, bool]) -> Plan | None:
        query = self._core.query_type
        assert query is not None
        try:
            selections = Selections(self._core, operation.fragments, switches)
            roots = [
                self._root(query, answer, nodes)
                for answer, nodes in selections.root(query, operation.node).items()
            ]
        except (NotCompilable, KeyError, GraphQLError):
            return None
        return Plan(switches, roots)

    def _root(
        self, query: GraphQLObjectType, answer: str, nodes: list[FieldNode]
    ) -> RootPlan | tuple[str, str]:
        name = nodes[0].name.value
        if name == "__typename":
            return (answer, f'"{query.name}"')
        definition = query.fields[name]
        if not is_open(definition):
            raise NotCompilable
        scalars = self._schema.schema_converter.scalar_registry
        arguments = Arguments(definition, nodes[0], self._schema.config, scalars)
        return RootPlan(answer, self.storage.roots[name], definition, nodes, arguments)

    # From a plan to statements

    def _prepare(self, operation: Operation, plan: Plan, root: RootPlan, run: _Run) -> _Ready:
        ask = root.root.ask(run.caller, **root.arguments.of(run.given))
        if ask is None:
            raise NotCompilable
        key = (run.reader.shape, ask.shape, ask.key)
        text: _Text | None = root.texts.get(key)
        if text is None:
            plans: Plans = operation.compiled["reads"]
            if plans.room <= 0:
                raise NotCompilable
            selections = Selections(self._core, operation.fragments, plan.switches)
            try:
                text = root.texts[key] = self._write(root, ask, selections, run)
            except NotCompilable:
                plans.variables = None  # for good: trying takes longer than answering
                raise
            plans.room -= len(text.written.sql)
        named = {**run.values, **ask.values}
        if ask.page is not None:
            named[LIMIT] = ask.page.size + 1
        return _Ready(root, ask, text, text.written.arguments(named, ask.unnamed))

    def _write(self, root: RootPlan, ask: Ask, selections: Selections, run: _Run) -> _Text:
        writer = Writer(self.storage, selections, run.reader.caller)
        rows = ask.rows(run.reader.caller)
        if rows.policy is None:
            raise TypeError(f"{root.answer} is read without a policy")
        page: PageWriter | None = None
        if ask.page is None:
            columns = [joined(writer.object(ask.shape, root.nodes, rows.row))]
        else:
            page = PageWriter(
                selections, lambda kind, nodes: joined(writer.object(kind.name, nodes, rows.row))
            )
            page.compile(_object(self._core, root.definition), root.nodes)
            columns = [cast(rows.row.id, Text), *page.columns]
        statement = (
            select(*columns).select_from(rows.source).where(rows.policy, *rows.where).order_by(*rows.order)
        )
        if page is not None:
            statement = statement.limit(bindparam(LIMIT, type_=Integer))
            page.forget()
        return _Text(write(statement, ask.unnamed), page)

    async def _run(self, runs: Sequence[_Ready | tuple[str, str]], database: Sources) -> Answered:
        if len(runs) == 1:
            found: list[Any] = [await self._fetch(runs[0], database)]
        else:
            found = await asyncio.gather(*(self._fetch(run, database) for run in runs))
        for outcome in found:
            if isinstance(outcome, NotCompilable):
                raise outcome
        failed = [outcome for outcome in found if isinstance(outcome, Failed)]
        members = [(outcome.answer, None) if isinstance(outcome, Failed) else outcome for outcome in found]
        return Answered(members, failed)

    async def _fetch(self, run: _Ready | tuple[str, str], database: Sources) -> Any:
        if isinstance(run, tuple):
            return run
        try:
            fetch = database.search if run.ask.has_criteria else database.fetch
            rows = await fetch(run.text.written.sql, *run.arguments)
        except Exception as fault:  # noqa: BLE001 - the edge words it
            return Failed(run.plan.answer, fault, run.plan.is_required)
        try:
            return (run.plan.answer, self._text(run, rows))
        except NotCompilable as stopped:
            return stopped

    def _text(self, run: _Ready, rows: Sequence[Any]) -> str:
        ask, page = run.ask, run.text.page
        if page is None:
            return finished(rows[0][0], self.storage.masked) if rows else "null"
        assert ask.page is not None
        return finished(page.write(rows, ask.page), self.storage.masked)


@dataclass(frozen=True, slots=True)
class _Run:
    """Who asks, and with which variables."""

    caller: Any
    reader: Any
    values: dict[str, Any]
    given: Given


@dataclass(frozen=True, slots=True)
class _Text:
    """The SQL of one root, and the page around its rows."""

    written: Written
    page: PageWriter | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A root field ready to run."""

    plan: RootPlan
    ask: Ask
    text: _Text
    arguments: list[Any]


def _object(core: Any, definition: GraphQLField) -> GraphQLObjectType:
    kind = definition.type.of_type if is_non_null_type(definition.type) else definition.type
    if not isinstance(kind, GraphQLObjectType) or kind.name in introspection_types:
        raise NotCompilable
    found: GraphQLObjectType = core.type_map[kind.name]
    return found
