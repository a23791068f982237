"""Relay connections with keyset cursors: the one paging shape of the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar

import strawberry

from hub.codes import Code
from hub.errors import InvalidInput

PAGE_MAX = 100
PAGE_DEFAULT = 50

NodeType = TypeVar("NodeType")
Row = TypeVar("Row")


@strawberry.type(description="Where this page ends. Pages go forward only.")
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[NodeType]):
    cursor: str
    node: NodeType


@strawberry.type
class Connection(Generic[NodeType]):
    edges: list[Edge[NodeType]]
    page_info: PageInfo

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        first: int,
        node: Callable[[Row], NodeType],
        cursor: Callable[[Row], str],
    ) -> Self:
        """A page from up to ``first + 1`` rows: the extra one only tells that there is more."""
        edges = [Edge(cursor=cursor(row), node=node(row)) for row in rows[:first]]
        return cls(
            edges=edges,
            page_info=PageInfo(
                has_next_page=len(rows) > first,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )


def page_size(first: int) -> int:
    """``first`` when it lies within 1 to 100, else refused with PAGE_SIZE."""
    if not 1 <= first <= PAGE_MAX:
        raise InvalidInput.because(Code.PAGE_SIZE, f"first must be 1 to {PAGE_MAX}, not {first}", "first")
    return first
