"""Which fields a validated selection asks for, in the order of the answer, under given values of directives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from hub.reads.mapping import NotCompilable

# Fields of one plan, each counted as often as fragments bring it in: the text of the SQL stays within some 100 kB.
FIELDS_MAX = 1_000


@dataclass
class Selections:
    """One operation's fragments and the values of the variables that directives name."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    switches: Mapping[str, bool]
    seen: int = field(default=0)

    def of(self, kind: GraphQLObjectType, nodes: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
        """The fields below these fields of one answer name, by answer name, in the order of graphql-core."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for node in nodes:
            if node.selection_set is not None:
                self._collect(kind, node.selection_set, found, spread)
        self.seen += len(found)
        if self.seen > FIELDS_MAX:
            raise NotCompilable
        return found

    def root(self, kind: GraphQLObjectType, operation: OperationDefinitionNode) -> dict[str, list[FieldNode]]:
        """The root fields of an operation."""
        found: dict[str, list[FieldNode]] = {}
        self._collect(kind, operation.selection_set, found, set())
        return found

    def _collect(
        self,
        kind: GraphQLObjectType,
        selections: SelectionSetNode,
        found: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for node in selections.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._fits(kind, node.type_condition.name.value):
                    self._collect(kind, node.selection_set, found, spread)
            else:
                name = node.name.value  # type: ignore[attr-defined]
                if name in spread:
                    continue
                spread.add(name)
                fragment = self.fragments[name]
                if self._fits(kind, fragment.type_condition.name.value):
                    self._collect(kind, fragment.selection_set, found, spread)

    def _fits(self, kind: GraphQLObjectType, name: str) -> bool:
        if name == kind.name:
            return True
        wanted = self.schema.type_map.get(name)
        return isinstance(wanted, GraphQLAbstractType) and self.schema.is_sub_type(wanted, kind)

    def _is_included(self, node: Any) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name not in ("skip", "include"):
                raise NotCompilable
            value = directive.arguments[0].value
            if isinstance(value, VariableNode):
                is_on = self.switches[value.name.value]
            elif isinstance(value, BooleanValueNode):
                is_on = value.value
            else:
                raise NotCompilable
            if is_on is (name == "skip"):
                return False
        return True


def switches_of(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that directives of an operation and its fragments name, each once."""
    names: dict[str, None] = {}
    stack: list[Any] = [operation, *fragments.values()]
    while stack:
        node = stack.pop()
        for directive in node.directives or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    names[argument.value.name.value] = None
        if getattr(node, "selection_set", None) is not None:
            stack.extend(node.selection_set.selections)
    return tuple(names)
