"""JSON of the schema's own objects, for the few answers that Python makes of rows: figures, labels, keys.

Only fields that are plain attributes or methods without arguments; nothing here waits or reads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from graphql import (
    FieldNode,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from hub.reads.compiling import is_open
from hub.reads.mapping import NotCompilable
from hub.reads.selections import Selections

Dump = Callable[[Any], Any]
# How objects of a type are written in another way; None: as all others.
Instead = Callable[[GraphQLObjectType, Sequence[FieldNode]], Dump | None]


def dump_object(
    kind: GraphQLObjectType,
    nodes: Sequence[FieldNode],
    selections: Selections,
    instead: Instead = lambda _kind, _nodes: None,
) -> Dump:
    """From an object of this type to what orjson writes, members in the order of the selection."""
    members: list[tuple[str, Dump, Dump]] = []
    for answer, found in selections.of(kind, nodes).items():
        name = found[0].name.value
        if name == "__typename":
            members.append((answer, lambda _, text=kind.name: text, lambda value: value))  # type: ignore[misc]
            continue
        definition = kind.fields[name]
        if found[0].arguments or not is_open(definition):
            raise NotCompilable
        members.append((answer, _getter(definition), _dump(definition.type, found, selections, instead)))

    def dump(value: Any) -> dict[str, Any]:
        return {answer: write(get(value)) for answer, get, write in members}

    return dump


def _getter(definition: Any) -> Dump:
    field = definition.extensions["strawberry-definition"]
    if field.is_basic_field:
        return attrgetter(field.python_name)
    method = field.base_resolver.wrapped_func
    if field.is_async or field.arguments or list(inspect.signature(method).parameters) != ["self"]:
        raise NotCompilable
    return method  # type: ignore[no-any-return]


def _dump(kind: Any, nodes: Sequence[FieldNode], selections: Selections, instead: Instead) -> Dump:
    inner = kind.of_type if is_non_null_type(kind) else kind
    if is_list_type(inner):
        each = _dump(inner.of_type, nodes, selections, instead)
        write: Dump = lambda value: [each(one) for one in value]  # noqa: E731
    elif is_leaf_type(inner):
        write = inner.coerce_output_value
    else:
        named = get_named_type(inner)
        if not isinstance(named, GraphQLObjectType):
            raise NotCompilable
        write = instead(named, nodes) or dump_object(named, nodes, selections, instead)
    if is_non_null_type(kind):
        return _never_null(write)
    return lambda value: None if value is None else write(value)


def _never_null(write: Dump) -> Dump:
    def checked(value: Any) -> Any:
        if value is None:
            raise NotCompilable
        return write(value)

    return checked
