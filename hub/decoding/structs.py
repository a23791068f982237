"""Structs written from the schema's input types, with the methods of the Strawberry classes behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from typing import Annotated, Any

import msgspec
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
)
from graphql.type import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

Parser = Callable[[Any], Any]

# Where the reader's own check is the scalar's, in C. An ID or Int in another spelling, and a date that is not
# YYYY-MM-DD, is declined, not refused.
NATIVE: Mapping[str, Any] = {
    "String": str,
    "ID": str,
    "Boolean": bool,
    "Int": Annotated[int, msgspec.Meta(ge=GRAPHQL_MIN_INT, le=GRAPHQL_MAX_INT)],
    "Date": date,
    "Amount": str,
    "Attributes": Any,
}
# Taken over from the Strawberry class: what it can do, not how it is made.
OWN_NAMES = frozenset(
    {
        "__dict__",
        "__doc__",
        "__weakref__",
        "__annotations__",
        "__init__",
        "__repr__",
        "__eq__",
        "__hash__",
        "__match_args__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__strawberry_definition__",
        "__module__",
        "__qualname__",
    }
)


class Declined(Exception):
    """Not for this decoder: the ordinary coercion decides, and words what is wrong."""


class _Parsed(type):
    """Of classes that stand for a scalar: whatever its parser answered is one of them."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Structs:
    """The Python types of one schema's inputs, each written once."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._made: dict[str, Any] = {}
        self._parsers: dict[Any, Parser] = {}

    def of(self, kind: GraphQLInputType) -> Any:
        """What ``decode`` takes for a GraphQL type; raises Declined for a type that cannot be written."""
        if isinstance(kind, GraphQLNonNull):
            present = self._of_present(kind.of_type)
            if present is Any:  # would let null in
                raise Declined
            return present
        present = self._of_present(kind)
        return present if present is Any else present | None

    def decode(self, value: Any, wanted: Any) -> Any:
        """The value as ``wanted``, as GraphQL's and Strawberry's coercion would give it; or raises Declined."""
        try:
            return msgspec.convert(value, wanted, dec_hook=self._parse)
        except (msgspec.ValidationError, GraphQLError, RecursionError):
            raise Declined from None

    def _parse(self, wanted: Any, value: Any) -> Any:
        return self._parsers[wanted](value)

    def _of_present(self, kind: Any) -> Any:
        if isinstance(kind, GraphQLList):
            return list[self.of(kind.of_type)]  # type: ignore[misc]
        if kind.name not in self._made:
            self._made[kind.name] = None
            self._made[kind.name] = self._write(kind)
        made = self._made[kind.name]
        if made is None:  # a type that holds itself, or that was declined before
            raise Declined
        return made

    def _write(self, kind: Any) -> Any:
        if isinstance(kind, GraphQLInputObjectType):
            return self._struct(kind)
        if isinstance(kind, GraphQLEnumType):
            return _enum(kind)
        assert isinstance(kind, GraphQLScalarType)
        if kind.name in NATIVE:
            return NATIVE[kind.name]
        stands = _Parsed(kind.name, (), {})
        self._parsers[stands] = kind.coerce_input_value
        return stands

    def _struct(self, kind: GraphQLInputObjectType) -> Any:
        definition: Any = kind.extensions.get("strawberry-definition")
        if not isinstance(definition, StrawberryObjectDefinition) or definition.from_input is not None:
            raise Declined
        names: dict[str, str] = {}
        members: list[Any] = []
        for name, member in kind.fields.items():
            field: StrawberryField = member.extensions["strawberry-definition"]
            names[field.python_name] = name
            members.append((field.python_name, self.of(member.type), *_default(field, member.type)))
        without = OWN_NAMES | names.keys()
        namespace = {
            name: it
            for each in reversed(definition.origin.__mro__[:-1])
            for name, it in vars(each).items()
            if name not in without
        }
        if any("__class__" in _cells(it) for it in namespace.values()):  # super() would not know the struct
            raise Declined
        if definition.is_one_of:
            namespace["__post_init__"] = _exactly_one
        return msgspec.defstruct(
            definition.origin.__name__,
            members,
            namespace=namespace,
            module=definition.origin.__module__,
            kw_only=True,
            forbid_unknown_fields=True,
            gc=False,
            rename=names,
        )


def _cells(member: Any) -> tuple[str, ...]:
    """What a method closes over."""
    code = getattr(member, "__code__", None)
    return code.co_freevars if code is not None else ()


def _default(field: StrawberryField, kind: GraphQLInputType) -> tuple[Any, ...]:
    """What stands for a member that is left out, as Strawberry fills it in; nothing if it may not be."""
    if field.default_factory is not dataclasses.MISSING:
        return (msgspec.field(default_factory=field.default_factory),)
    if field.default is not dataclasses.MISSING:
        return (field.default,)
    return () if isinstance(kind, GraphQLNonNull) else (None,)


def _enum(kind: GraphQLEnumType) -> type[Enum]:
    """The Python enum, whose values must be the names that GraphQL knows its members by."""
    definition: Any = kind.extensions.get("strawberry-definition")
    made: type[Enum] = definition.wrapped_cls
    if {member.value for member in made} != set(kind.values):
        raise Declined
    return made


def _exactly_one(struct: Any) -> None:
    """Of an input that is one of several: one member is there, and it is not null."""
    given = [getattr(struct, name) for name in struct.__struct_fields__]
    stated = [value for value in given if value is not strawberry.UNSET]
    if len(stated) != 1 or stated[0] is None:
        raise ValueError("exactly one member is expected")
