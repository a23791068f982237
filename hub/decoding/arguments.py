"""One argument of a root field, from the request's variables: ``input: $input`` or ``input: {items: $items}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNonNull,
    GraphQLSchema,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    type_from_ast,
)

from hub.decoding.structs import Declined, Structs

ArgumentDecoder = Callable[[Mapping[str, Any]], Any]


def variables_of(value: ValueNode) -> tuple[str, ...]:
    """The variables an argument is made of."""
    if isinstance(value, VariableNode):
        return (value.name.value,)
    members = value.fields if isinstance(value, ObjectValueNode) else ()
    return tuple(member.value.name.value for member in members if isinstance(member.value, VariableNode))


def argument_decoder(
    structs: Structs, schema: GraphQLSchema, operation: OperationDefinitionNode, value: ValueNode, kind: Any
) -> ArgumentDecoder:
    """From variables to the argument's value; raises Declined now for a literal, or later for a value.

    The document is valid: a variable's type fits where it stands. Nothing here reads a literal, as literals have
    rules of their own (an amount is never a number, an enum has no quotes).
    """
    declared = {
        definition.variable.name.value: definition for definition in operation.variable_definitions or ()
    }
    if isinstance(value, VariableNode):
        return _whole(structs, schema, declared[value.name.value], kind)
    if isinstance(value, ObjectValueNode):
        return _by_members(structs, schema, declared, value, kind)
    raise Declined


def _whole(structs: Structs, schema: GraphQLSchema, declared: Any, kind: GraphQLInputType) -> ArgumentDecoder:
    name = declared.variable.name.value
    own = _must_be_the_type(schema, declared, kind)
    wanted, decode = structs.of(own if isinstance(own, GraphQLNonNull) else kind), structs.decode

    def whole(variables: Mapping[str, Any]) -> Any:
        if name not in variables:
            raise Declined
        return decode(variables[name], wanted)

    return whole


def _by_members(
    structs: Structs, schema: GraphQLSchema, declared: Mapping[str, Any], value: ObjectValueNode, kind: Any
) -> ArgumentDecoder:
    present = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if not isinstance(present, GraphQLInputObjectType):
        raise Declined
    stated: list[tuple[str, str, bool]] = []
    for member in value.fields:
        if not isinstance(member.value, VariableNode):
            raise Declined
        definition = declared[member.value.name.value]
        own = _must_be_the_type(schema, definition, present.fields[member.name.value].type)
        required = isinstance(own, GraphQLNonNull)
        stated.append((member.name.value, member.value.name.value, required))
    wanted, decode = structs.of(kind), structs.decode

    def by_members(variables: Mapping[str, Any]) -> Any:
        given: dict[str, Any] = {}
        for member, name, required in stated:
            if name in variables:
                if required and variables[name] is None:
                    raise Declined
                given[member] = variables[name]
            elif required:
                raise Declined
        return decode(given, wanted)

    return by_members


def _must_be_the_type(schema: GraphQLSchema, declared: Any, kind: GraphQLInputType) -> Any:
    """A variable may be declared narrower than where it stands; only "never null" can be checked beside the struct."""
    own = type_from_ast(schema, declared.type)
    bare = own.of_type if isinstance(own, GraphQLNonNull) else own
    wanted = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if declared.default_value is not None or str(bare) != str(wanted):
        raise Declined
    return own
