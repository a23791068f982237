"""Pages of connections: which columns the rows need, and the JSON around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLObjectType, get_named_type

from hub.reads.mapping import NotCompilable, Page
from hub.reads.selections import Selections

# A place in the text of an edge: the cursor of its row, or the node in a column.
CURSOR = -1
Node = Callable[[GraphQLObjectType, Sequence[FieldNode]], Any]


def _forgotten(_: GraphQLObjectType, __: Sequence[FieldNode]) -> Any:
    raise NotCompilable


def child(kind: GraphQLObjectType, name: str) -> GraphQLObjectType:
    """The object type of a field; anything else has no mapping."""
    found = get_named_type(kind.fields[name].type)
    if not isinstance(found, GraphQLObjectType):
        raise NotCompilable
    return found


@dataclass
class PageWriter:
    """The JSON of one connection: literal text and places for cursors and nodes."""

    selections: Selections
    node: Node
    columns: list[Any] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)

    def compile(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> None:
        """Read the selection; ``columns`` are the nodes that each row has to give, after its mark."""
        for answer, found in self.selections.of(kind, nodes).items():
            name = found[0].name.value
            match name:
                case "__typename":
                    value: Any = f'"{kind.name}"'
                case "edges":
                    value = self._edge(child(kind, name), found)
                case "pageInfo":
                    value = self._page_info(child(kind, name), found)
                case _:
                    raise NotCompilable
            self.parts.append((answer, value))

    def forget(self) -> None:
        """Drop what only writing the statement needed: expressions are large."""
        self.columns = []
        self.node = _forgotten

    def _edge(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> list[tuple[str, int]]:
        places: list[tuple[str, int]] = []
        text = "{"
        for i, (answer, found) in enumerate(self.selections.of(kind, nodes).items()):
            name = found[0].name.value
            text += f'{"," if i else ""}"{answer}":'
            if name == "__typename":
                text += f'"{kind.name}"'
            elif name == "cursor":
                places.append((text + '"', CURSOR))
                text = '"'
            elif name == "node":
                self.columns.append(self.node(child(kind, name), found))
                places.append((text, len(self.columns)))
                text = ""
            else:
                raise NotCompilable
        places.append((text + "}", 0))
        return places

    def _page_info(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Callable[[bool, str], str]:
        fields = [(answer, found[0].name.value) for answer, found in self.selections.of(kind, nodes).items()]
        if not {name for _, name in fields} <= {"__typename", "hasNextPage", "endCursor"}:
            raise NotCompilable

        def write(has_next: bool, end: str) -> str:
            values = {
                "__typename": f'"{kind.name}"',
                "hasNextPage": "true" if has_next else "false",
                "endCursor": end,
            }
            return "{" + ",".join(f'"{answer}":{values[name]}' for answer, name in fields) + "}"

        return write

    def write(self, rows: Sequence[Any], page: Page) -> str:
        """The JSON of up to ``size`` + 1 rows: the mark of each, then its nodes."""
        shown = rows[: page.size]
        texts: list[str] = []
        for answer, value in self.parts:
            if isinstance(value, str):
                text = value
            elif isinstance(value, list):
                text = _edges(shown, value, page)
            else:
                end = f'"{page.cursor(shown[-1][0])}"' if shown else "null"
                text = value(len(rows) > page.size, end)
            texts.append(f'"{answer}":{text}')
        return "{" + ",".join(texts) + "}"


def _edges(rows: Sequence[Any], places: list[tuple[str, int]], page: Page) -> str:
    texts: list[str] = []
    *inner, (last, _) = places
    for row in rows:
        for text, place in inner:
            texts.append(text)
            texts.append(page.cursor(row[0]) if place == CURSOR else row[place])
        texts.append(last)
        texts.append(",")
    return "[" + "".join(texts[:-1]) + "]"
