"""The arguments a resolver would get: coerced by graphql-core and converted by Strawberry, or faster and the same.

Variables of leaf types are coerced by the type's own function, as graphql-core does; arguments without variables are
converted once. Everything else takes graphql-core's way. Whatever is refused is left to ordinary execution, which
words the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    type_from_ast,
)
from graphql.execution.values import get_argument_values, get_variable_values
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe

from hub.reads.mapping import NotCompilable


class Variables:
    """One operation's variables: from the request's JSON to coerced values."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._leaves: list[tuple[str, GraphQLLeafType]] | None = []
        for definition in self._definitions:
            kind: Any = type_from_ast(schema, definition.type)
            leaf = get_nullable_type(kind)
            if not is_leaf_type(leaf):
                self._leaves = None
                break
            self._leaves.append((definition.variable.name.value, leaf))
        self.names = frozenset(definition.variable.name.value for definition in self._definitions)

    def quickly(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """All values, when every variable is of a leaf type and given; else None."""
        if self._leaves is None:
            return None
        values: dict[str, Any] = {}
        for name, leaf in self._leaves:
            value = given.get(name)
            if value is None:
                return None
            try:
                values[name] = leaf.coerce_input_value(value)
            except Exception:  # noqa: BLE001 - whatever a scalar raises, ordinary execution words it
                raise NotCompilable from None
            if values[name] is Undefined:
                raise NotCompilable
        return values

    def carefully(self, given: Mapping[str, Any]) -> Any:
        """graphql-core's own values."""
        values = get_variable_values(self._schema, self._definitions, dict(given))
        if isinstance(values, list):
            raise NotCompilable
        return values


@dataclass(frozen=True, slots=True)
class Given:
    """A request's variables; graphql-core's own are made when somebody needs them."""

    variables: Variables
    raw: Mapping[str, Any]
    quick: dict[str, Any] | None
    careful: list[Any]

    @classmethod
    def of(cls, variables: Variables, raw: Mapping[str, Any]) -> Given:
        """Coerce once; raises NotCompilable where a value is refused."""
        quick = variables.quickly(raw)
        return cls(variables, raw, quick, [variables.carefully(raw)] if quick is None else [])

    @property
    def core(self) -> Any:
        """As graphql-core wants them."""
        if not self.careful:
            self.careful.append(self.variables.carefully(self.raw))
        return self.careful[0]

    def value(self, name: str) -> Any:
        """One coerced value; None when it was not given."""
        return self.quick.get(name) if self.quick is not None else self.core.coerced.get(name)


class Arguments:
    """The arguments of one field in one operation."""

    def __init__(
        self, definition: GraphQLField, node: FieldNode, config: StrawberryConfig, scalars: Any
    ) -> None:
        self._definition = definition
        self._node = node
        self._config = config
        self._scalars = scalars
        self._own = definition.extensions["strawberry-definition"].arguments
        self._converters = [self._converter(own) for own in self._own]
        self._constant: dict[str, Any] | None = None
        self._constants: dict[str, Any] = {}
        self._slots: list[tuple[str, str]] | None = None
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if not any(_has_variable(value) for value in given.values()):
            self._constant = self._convert(get_argument_values(definition, node))
            return
        names = {config.name_converter.from_argument(own): own.python_name for own in self._own}
        slots: list[tuple[str, str]] = []
        for name, value in given.items():
            if isinstance(value, VariableNode) and _is_leaf(definition.args[name].type):
                slots.append((names[name], value.name.value))
            elif _has_variable(value):
                return
        self._constants = self._without({name for name in given if _has_variable(given[name])})
        self._slots = slots

    def _without(self, names: set[str]) -> dict[str, Any]:
        """The arguments other than these, which hold no variables, with the defaults of those left out."""
        rest = {name: argument for name, argument in self._definition.args.items() if name not in names}
        kept = tuple(one for one in self._node.arguments or () if one.name.value not in names)
        node = replace(self._node, arguments=kept)
        return self._convert(get_argument_values(GraphQLField(self._definition.type, rest), node))

    def of(self, given: Given) -> Mapping[str, Any]:
        """By the resolver's own names; raises NotCompilable where graphql-core refuses."""
        if self._constant is not None:
            return self._constant
        if given.quick is not None and self._slots is not None:
            return {**self._constants, **{name: given.quick[variable] for name, variable in self._slots}}
        try:
            return self._convert(get_argument_values(self._definition, self._node, given.core))
        except GraphQLError:
            raise NotCompilable from None

    def _convert(self, values: dict[str, Any]) -> dict[str, Any]:
        return {python: convert(values[name]) for name, python, convert in self._converters if name in values}

    def _converter(self, own: Any) -> tuple[str, str, Convert]:
        name = self._config.name_converter.from_argument(own)
        convert = converter(self._definition.args[name].type)
        if convert is not None:
            return name, own.python_name, convert

        def carefully(value: Any) -> Any:
            return convert_argument(value, own.type, self._scalars, self._config, path=(name,))

        return name, own.python_name, carefully


Convert = Callable[[Any], Any]


def converter(kind: Any) -> Convert | None:
    """Strawberry's conversion of a coerced value, with all that depends on the type alone done before.

    None for types that build themselves in ways of their own, and for recursive ones: Strawberry converts these.
    """
    try:
        return _converter(kind)
    except (NotCompilable, RecursionError):
        return None


def _converter(kind: Any) -> Convert:
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        if is_leaf_type(get_nullable_type(kind.of_type)):
            return lambda value: None if value is None else list(value)
        each = _converter(kind.of_type)
        return lambda value: None if value is None else [each(one) for one in value]
    if is_leaf_type(kind):
        return lambda value: value
    definition = kind.extensions["strawberry-definition"]
    if definition.from_input is not None:
        raise NotCompilable
    members = [_member(name, member) for name, member in kind.fields.items()]
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    origin = definition.origin

    def convert(value: Any) -> Any:
        if value is None:
            return None
        given = {python: change(value[name]) for name, python, change in members if name in value}
        return origin(**{**absent, **given})

    return convert


def _member(name: str, member: Any) -> tuple[str, str, Convert]:
    field = member.extensions["strawberry-definition"]
    if isinstance(field.type, StrawberryMaybe):
        raise NotCompilable
    return name, field.python_name, _converter(member.type)


def _is_leaf(kind: Any) -> bool:
    return not is_list_type(get_nullable_type(kind)) and is_leaf_type(get_named_type(kind))


def _has_variable(node: Any) -> bool:
    if isinstance(node, VariableNode):
        return True
    children: Sequence[Any] = getattr(node, "values", None) or [
        field.value for field in getattr(node, "fields", None) or ()
    ]
    return any(_has_variable(child) for child in children)
