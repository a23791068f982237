"""Plans of mutations: variables decoded by C, the same resolvers, and the payload written without the engine.

A plan calls the resolver itself with the decoded input, so refusals, faults and what is committed are those of the
resolver. A payload whose selected fields are plain values is written at once. Any other (lists loaded beside a
posting, a null where none may be) is completed by graphql-core's executor, from the payload that is already there:
nothing is ever executed twice.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import strawberry
import structlog
from graphql import (
    BooleanValueNode,
    ExecutionResult,
    FieldNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_non_null_type,
    located_error,
    type_from_ast,
)
from graphql.execution.values import VariableValues

from hub.decoding.arguments import ArgumentDecoder, argument_decoder, variables_of
from hub.decoding.completing import Payload, complete
from hub.decoding.nodes import PayloadWriter
from hub.decoding.structs import Declined, Structs
from hub.domain.registry import Anonymous
from hub.limits import Operation
from hub.reads import Reads
from hub.reads.compiling import is_open
from hub.reads.mapping import NotCompilable
from hub.reads.selections import Selections, switches_of

log = structlog.get_logger(__name__)

PLANS_MAX = 4
ARGUMENT = "input"
MUTATION = "Mutation"


@dataclass(frozen=True, slots=True)
class Door:
    """What a resolver is given in place of Strawberry's info: the context, which is all it may ask for."""

    context: Any


@dataclass(frozen=True, slots=True)
class Root:
    """One root field: its resolver, how its input is decoded, and how its payload is written, if it can be.

    ``__typename`` has neither resolver nor input.
    """

    answer: str
    nodes: Sequence[FieldNode]
    resolver: Callable[..., Awaitable[Any]] | None
    variables: tuple[str, ...]
    decode: ArgumentDecoder | None
    writer: PayloadWriter | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The root fields of an operation in order, under given values of directives."""

    switches: Mapping[str, bool]
    roots: tuple[Root, ...]
    is_written: bool


@dataclass(slots=True)
class Plans:
    """What is kept about an operation: nothing to plan when ``switches`` is None."""

    switches: Mapping[str, bool | None] | None
    by_switches: dict[tuple[bool, ...], Plan | None] = field(default_factory=dict)


class Mutations:
    """Plans and runs the mutations of one schema."""

    def __init__(self, schema: strawberry.Schema, reads: Reads) -> None:
        self._reads = reads
        self._core: GraphQLSchema = schema._schema  # noqa: SLF001 - strawberry publishes no other way to it
        self._structs = Structs(self._core)

    async def execute(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> ExecutionResult | None:
        """The result, as ordinary execution would give it; None, with nothing done, for what is left to that."""
        if isinstance(context.caller, Anonymous):  # writing plans costs more than nobody is given
            return None
        plan = self._plan(operation, variables)
        if plan is None:
            return None
        try:
            inputs = [root.decode(variables) if root.decode else None for root in plan.roots]
        except Declined:
            return None
        run = _Run(
            context, {root.answer: (root, given) for root, given in zip(plan.roots, inputs, strict=True)}
        )
        if plan.is_written:
            result = await run.write(plan)
            if result is not None:
                return result
        values = VariableValues({}, dict(plan.switches))
        return await complete(self._core, operation, values, context, run.payloads())

    # From an operation to its plan

    def _plan(self, operation: Operation, variables: Mapping[str, Any]) -> Plan | None:
        plans: Plans | None = operation.compiled.get("mutations")
        if plans is None:
            plans = operation.compiled["mutations"] = Plans(self._switches(operation))
        if plans.switches is None:
            return None
        values = {name: variables.get(name, default) for name, default in plans.switches.items()}
        if not all(type(value) is bool for value in values.values()):
            return None
        key = tuple(values.values())
        if key not in plans.by_switches:
            if len(plans.by_switches) >= PLANS_MAX:
                return None
            plans.by_switches[key] = self._compile(operation, values)
        return plans.by_switches[key]

    def _switches(self, operation: Operation) -> dict[str, bool | None] | None:
        """The variables that directives name, with their defaults; None when nothing can be planned."""
        if operation.kind != "mutation":
            return None
        named = switches_of(operation.node, operation.fragments)
        switches: dict[str, bool | None] = {}
        for definition in operation.node.variable_definitions or ():
            name = definition.variable.name.value
            if name not in named:
                continue
            kind: Any = type_from_ast(self._core, definition.type)
            if get_nullable_type(kind) is not GraphQLBoolean or definition.directives:
                return None
            default = definition.default_value
            switches[name] = default.value if isinstance(default, BooleanValueNode) else None
        return switches

    def _compile(self, operation: Operation, switches: Mapping[str, bool]) -> Plan | None:
        mutation = self._core.mutation_type
        assert mutation is not None
        selections = Selections(self._core, operation.fragments, switches)
        try:
            roots = [
                self._root(mutation, answer, nodes, operation, selections)
                for answer, nodes in selections.root(mutation, operation.node).items()
            ]
        except (NotCompilable, Declined, KeyError):
            return None
        used = {name for root in roots for name in root.variables}
        declared = {it.variable.name.value for it in operation.node.variable_definitions or ()}
        if declared - used - switches.keys():
            # A variable that only a switched-off field reads: it would have to be coerced all the same.
            return None
        return Plan(dict(switches), tuple(roots), all(root.writer or not root.resolver for root in roots))

    def _root(
        self,
        mutation: GraphQLObjectType,
        answer: str,
        nodes: list[FieldNode],
        operation: Operation,
        selections: Selections,
    ) -> Root:
        name = nodes[0].name.value
        if name == "__typename":
            return Root(answer, nodes, None, (), None, None)
        definition = mutation.fields[name]
        argument = definition.args.get(ARGUMENT)
        resolver = _resolver(definition)
        if argument is None or len(definition.args) != 1 or not nodes[0].arguments or resolver is None:
            raise NotCompilable
        value = nodes[0].arguments[0].value
        decode = argument_decoder(self._structs, self._core, operation.node, value, argument.type)
        return Root(
            answer,
            nodes,
            resolver,
            variables_of(value),
            decode,
            self._writer(definition, nodes, operation, selections),
        )

    def _writer(
        self,
        definition: GraphQLField,
        nodes: Sequence[FieldNode],
        operation: Operation,
        selections: Selections,
    ) -> PayloadWriter | None:
        """What writes a payload without the executor; None when that cannot be done."""
        kind = get_named_type(definition.type)
        if not isinstance(kind, GraphQLObjectType):
            return None
        try:
            return PayloadWriter(self._reads, operation, selections, kind, nodes)
        except NotCompilable:
            return None


class _Run:
    """One request's way through a plan: each resolver is called once, whoever writes its payload."""

    def __init__(self, context: Any, roots: Mapping[str, tuple[Root, Any]]) -> None:
        self._door = Door(context)
        self._roots = roots
        self._done: dict[str, Any] = {}

    async def write(self, plan: Plan) -> ExecutionResult | None:
        """All payloads, one after the other; None when the executor has to word what cannot be written."""
        data: dict[str, Any] = {}
        for root in plan.roots:
            if root.resolver is None:
                data[root.answer] = MUTATION
                continue
            assert root.writer is not None
            try:
                payload = await self._payload(root.answer)
            except Exception as raised:  # noqa: BLE001 - as graphql-core does: whatever it is, it is located
                return ExecutionResult(None, [located_error(raised, list(root.nodes), [root.answer])])
            try:
                data[root.answer] = await root.writer.write(payload, self._door.context)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the executor meets it again
                log.info(
                    "payload_left_to_executor", field=root.nodes[0].name.value, fault=type(fault).__name__
                )
                return None
        return ExecutionResult(data, None)

    def payloads(self) -> dict[str, Payload]:
        """How the executor gets each root field's payload."""
        return {
            answer: functools.partial(self._payload, answer)
            for answer, (root, _) in self._roots.items()
            if root.resolver is not None
        }

    async def _payload(self, answer: str) -> Any:
        if answer not in self._done:
            root, given = self._roots[answer]
            self._done[answer] = (
                await root.resolver(None, self._door, input=given) if root.resolver is not None else None
            )
        return self._done[answer]


def _resolver(definition: GraphQLField) -> Callable[..., Awaitable[Any]] | None:
    """The resolver behind a mutation, if nothing stands around it and it takes what a plan can give."""
    field = definition.extensions["strawberry-definition"]
    if not (is_open(definition) and is_non_null_type(definition.type) and field.is_async):
        return None
    found: Callable[..., Awaitable[Any]] = field.base_resolver.wrapped_func
    parameters = list(inspect.signature(found).parameters)
    return found if parameters == ["self", "info", ARGUMENT] else None
