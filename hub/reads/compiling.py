"""From a selection to the SQL that writes its JSON: objects, lists beside them, and the policy wherever rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type, is_non_null_type
from sqlalchemy import ColumnElement, case, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import func

from hub.reads.mapping import Each, Leaf, Many, NotCompilable, One, Rows, Shape, Storage, Within
from hub.reads.selections import Selections
from hub.reads.texts import NEVER, NULL, Part, joined, literal, written


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one operation's selections for one kind of reader."""

    storage: Storage
    selections: Selections
    reader: Any

    def object(self, name: str, nodes: Sequence[FieldNode], row: Any) -> list[Part]:
        """The JSON object of a row, as parts."""
        kind = self.selections.schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        shape = self.storage.shapes[name]
        parts: list[Part] = ["{"]
        for answer, found in self.selections.of(kind, nodes).items():
            parts.append(f'{"" if len(parts) == 1 else ","}"{answer}":')
            parts += self._field(kind, shape, found, row)
        parts.append("}")
        return parts

    def _field(
        self, kind: GraphQLObjectType, shape: Shape, nodes: Sequence[FieldNode], row: Any
    ) -> list[Part]:
        name = nodes[0].name.value
        if name == "__typename":
            return [f'"{kind.name}"']
        mapped = shape.fields.get(name)
        definition = kind.fields.get(name)
        if mapped is None or definition is None or nodes[0].arguments or not is_open(definition):
            raise NotCompilable
        match mapped:
            case Leaf():
                nullable = not is_non_null_type(definition.type)
                return written(mapped, self.reader, row, nullable=nullable)
            case Many():
                return self._many(mapped, nodes, row)
            case One():
                rows = mapped.rows(self.reader, row)
                text = joined(self.object(mapped.of, nodes, rows.row))
                found = self._below(mapped.of, rows, text)
                return [func.coalesce(found.scalar_subquery(), literal_column(f"chr({ord(NEVER)})"))]
            case Within():
                return self._within(mapped, nodes, row)
            case Each():
                return self._each(mapped, nodes, row)

    def _many(self, mapped: Many, nodes: Sequence[FieldNode], row: Any) -> list[Part]:
        rows = mapped.rows(self.reader, row)
        if isinstance(mapped.of, Leaf):
            name, parts = "", written(mapped.of, self.reader, rows.row, nullable=False)
        else:
            name, parts = mapped.of, self.object(mapped.of, nodes, rows.row)
        listed = func.string_agg(joined(parts), aggregate_order_by(literal(","), *rows.order))
        found: ColumnElement[Any] = self._below(name, rows, listed).scalar_subquery()
        if rows.is_empty is not None:
            found = case((rows.is_empty, literal_column("NULL")), else_=found)
        return ["[", found, "]"]

    def _below(self, name: str, rows: Rows, value: ColumnElement[Any]) -> Any:
        """A statement inside a statement: everything but its own tables belongs to what is around it."""
        statement = select(value).select_from(rows.source).where(*rows.where)
        return statement.where(*self.guard(name, rows)).correlate_except(*rows.tables)

    def guard(self, name: str, rows: Rows) -> list[ColumnElement[bool]]:
        """The policy over these rows; guarded shapes are not read without one."""
        if rows.policy is not None:
            return [rows.policy]
        if name and self.storage.shapes[name].guarded:
            raise TypeError(f"{name} is read without a policy")
        return []

    def _within(self, mapped: Within, nodes: Sequence[FieldNode], row: Any) -> list[Part]:
        parts = self.object(mapped.of, nodes, getattr(row, mapped.row) if mapped.row else row)
        if mapped.present is None:
            return parts
        return [case((mapped.present(self.reader, row), joined(parts)), else_=NULL)]

    def _each(self, mapped: Each, nodes: Sequence[FieldNode], row: Any) -> list[Part]:
        parts: list[Part] = ["["]
        for i, each in enumerate(getattr(row, mapped.rows)):
            parts += ["," if i else "", *self.object(mapped.of, nodes, each)]
        return [*parts, "]"]


def is_open(definition: GraphQLField) -> bool:
    """Whether nothing stands around the field that compiling would pass by: permissions, extensions."""
    field = definition.extensions.get("strawberry-definition")
    return field is None or not (field.extensions or field.permission_classes)


def named(definition: GraphQLField) -> GraphQLObjectType | None:
    """The object type of a field, or None for leaves and abstract types."""
    kind = get_named_type(definition.type)
    return kind if isinstance(kind, GraphQLObjectType) else None
