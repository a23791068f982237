"""The cost of an operation, known before it runs: objects count one, lists multiply, leaves are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)

# A list whose length nobody states is taken to have this many entries.
LIST_SIZE = 10
PAGE_SIZE_MAX = 100
BATCH_SIZE_MAX = 500
MUTATION_COST = 10
# Introspecting the whole schema takes about as much time as this many objects from the database.
INTROSPECTION_COST = 5_000
COST_CEILING = 10**9


@dataclass(frozen=True, slots=True)
class Size:
    """How many entries a list will have: known from the document, or stated by a variable.

    ``page`` tells the two meanings of a value apart: a page's ``first`` counts entries itself, a batch's
    input has as many entries as the longest list in it.
    """

    value: Any
    variable: str | None = None
    page: bool = False
    # The other variables inside an input object's literal, each with its default: any may hold the longest list.
    others: tuple[Size, ...] = ()

    def entries(self, variables: Mapping[str, Any]) -> int:
        """The number of entries, within what any resolver would serve."""
        value = variables.get(self.variable, self.value) if self.variable is not None else self.value
        if self.page:
            sound = isinstance(value, int) and not isinstance(value, bool)
            return max(1, min(value, PAGE_SIZE_MAX)) if sound else PAGE_SIZE_MAX
        longest = max([_longest(value), *(other.entries(variables) for other in self.others)])
        return max(1, min(longest, BATCH_SIZE_MAX))


ONE = Size(1, page=True)


@dataclass(frozen=True, slots=True)
class Step:
    """``base + entries * (item + sum of earlier steps)``."""

    base: int
    item: int
    size: Size
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CostProgram:
    """Steps in the order of computing, the last is the whole; a constant when no variable matters."""

    steps: tuple[Step, ...]
    constant: int | None = None

    def of(self, variables: Mapping[str, Any]) -> int:
        """The cost under these variables."""
        return self.constant if self.constant is not None else _run(self.steps, variables)


def _run(steps: tuple[Step, ...], variables: Mapping[str, Any]) -> int:
    costs: list[int] = []
    for step in steps:
        inner = step.item
        for part in step.parts:
            inner += costs[part]
        entries = step.size.entries(variables) if step.size is not ONE else 1
        # A chain of fragments that doubles at each step must not grow thousand-digit numbers.
        costs.append(min(step.base + entries * inner, COST_CEILING))
    return costs[-1] if costs else 0


def _longest(value: Any) -> int:
    """The length of the longest list in an argument: itself, or a member of the input object."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return max((len(member) for member in value.values() if isinstance(member, list)), default=0)
    return 0


def compile_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> CostProgram:
    """The cost program of a validated operation."""
    compiler = _Compiler(schema, fragments, operation)
    root = schema.get_root_type(operation.operation)
    if root is not None:
        compiler.selection(operation.selection_set, root, None)
    steps = tuple(compiler.steps)
    if any(step.size.variable is not None or step.size.others for step in steps):
        return CostProgram(steps)
    return CostProgram((), _run(steps, {}))


class _Compiler:
    """Writes each fragment's steps once for each size of the list it stands in."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.mutation_root = schema.mutation_type if operation.operation is OperationType.MUTATION else None
        self.defaults: dict[str, Any] = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        self.steps: list[Step] = []
        self._done: dict[tuple[str, str], int] = {}
        self._aliased: dict[str, int] = {}

    def _add(self, base: int, item: int, size: Size, parts: list[int]) -> int:
        self.steps.append(Step(base, item, size, tuple(parts)))
        return len(self.steps) - 1

    def selection(self, selections: SelectionSetNode, parent: Any, size: Size | None) -> int:
        """The step of a selection on ``parent``; ``size`` is that of the lists right below it."""
        parts: list[int] = []
        for node in selections.selections:
            if isinstance(node, FieldNode):
                step = self._field(node, parent, size)
                if step is not None:
                    parts.append(step)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = self.schema.get_type(condition.name.value) if condition else parent
                parts.append(self.selection(node.selection_set, kind, size))
            else:
                spread = cast("FragmentSpreadNode", node)
                parts.append(self._fragment(self.fragments[spread.name.value], size))
        return self._add(0, 0, ONE, parts)

    def _fragment(self, fragment: FragmentDefinitionNode, size: Size | None) -> int:
        name = fragment.name.value
        key = (name, repr(size))
        if key not in self._done:
            kind = self.schema.get_type(fragment.type_condition.name.value)
            self._done[key] = self.selection(fragment.selection_set, kind, size)
        return self._done[key]

    def _field(self, node: FieldNode, parent: Any, size: Size | None) -> int | None:
        name = node.name.value
        if name == "__typename":
            return None
        if name in ("__schema", "__type"):
            # An alias inside repeats a walk over the whole schema; no tool asks for any.
            return self._add(INTROSPECTION_COST * (1 + self._aliases(node.selection_set)), 0, ONE, [])
        definition = self.schema.get_field(parent, name)
        if definition is None:
            return None
        mutation = parent is self.mutation_root
        stated, listed = _declared(definition)
        leaf = is_leaf_type(get_named_type(definition.type))
        weight = stated if stated is not None else MUTATION_COST if mutation else 0 if leaf else 1
        below = self._size_below(node, definition, batch=mutation)
        parts: list[int] = []
        if node.selection_set is not None and is_composite_type(get_named_type(definition.type)):
            parts.append(self.selection(node.selection_set, get_named_type(definition.type), below))
        if is_list_type(get_nullable_type(definition.type)):
            entries = below or (Size(listed, page=True) if listed is not None else None) or size
            return self._add(0, weight, entries or Size(LIST_SIZE, page=True), parts)
        if mutation and below is not None:
            # A batch is work by itself, however little of its answer is asked for.
            parts.append(self._add(0, 1, below, []))
        return self._add(weight, 0, ONE, parts) if weight or parts else None

    def _aliases(self, selections: SelectionSetNode | None) -> int:
        """The aliases in a selection, those of its fragments at every spread; fragments are counted once each."""
        found = 0
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in self._aliased:
                    self._aliased[name] = self._aliases(self.fragments[name].selection_set)
                found += self._aliased[name]
            else:
                found += isinstance(node, FieldNode) and node.alias is not None
                found += self._aliases(cast("FieldNode | InlineFragmentNode", node).selection_set)
        return min(found, COST_CEILING // INTROSPECTION_COST)

    def _size_below(self, node: FieldNode, definition: GraphQLField, *, batch: bool) -> Size | None:
        """What a field's arguments say about the length of the lists in its answer."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if "first" in definition.args:
            value = given.get("first")
            fallback = _default(definition.args["first"])
            if value is None:
                return Size(fallback, page=True)
            return self._stated(value, page=True, fallback=fallback)
        for name, value in given.items():
            # A query's lists are filters and say nothing about its answer, except for the ids to look up.
            if (batch or name == "ids") and _holds_list(definition.args[name].type):
                return self._stated(value, page=False)
        return None

    def _stated(self, value: ValueNode, *, page: bool, fallback: Any = None) -> Size:
        if isinstance(value, VariableNode):
            name = value.name.value
            return Size(self.defaults.get(name, fallback), name, page)
        if page:
            return Size(int(value.value) if isinstance(value, IntValueNode) else None, page=True)
        return self._literal(value)

    def _literal(self, value: ValueNode) -> Size:
        """A literal's longest list; variables inside it stand for their members."""
        if isinstance(value, ListValueNode):
            return Size([None] * len(value.values or ()))
        if not isinstance(value, ObjectValueNode):
            return Size(None)
        lists = (one.value for one in value.fields or () if isinstance(one.value, ListValueNode))
        longest = max((len(one.values or ()) for one in lists), default=0)
        variables = (one.value for one in value.fields or () if isinstance(one.value, VariableNode))
        names = [variable.name.value for variable in variables]
        return Size([None] * longest, others=tuple(Size(self.defaults.get(name), name) for name in names))


def _default(argument: Any) -> Any:
    """What an argument is when nobody states it, whichever way the schema keeps it."""
    default = argument.default
    if default is not None:
        literal = default.literal
        value = int(literal.value) if isinstance(literal, IntValueNode) else default.value
        return value if isinstance(value, int) else None
    return argument.default_value if isinstance(argument.default_value, int) else None


def _declared(definition: GraphQLField) -> tuple[int | None, int | None]:
    """``strawberry.field(metadata={"cost": 50, "list_size": 5})``: what the author knows better."""
    metadata = getattr(definition.extensions.get("strawberry-definition"), "metadata", None) or {}
    return metadata.get("cost"), metadata.get("list_size")


def _holds_list(kind: Any) -> bool:
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        return True
    fields = getattr(kind, "fields", None) or {}
    return any(is_list_type(get_nullable_type(member.type)) for member in fields.values())
