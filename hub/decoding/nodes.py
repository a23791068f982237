"""Objects of a payload whose selected fields have to be read: one statement for all of them, after the resolver.

The statement is the reads compiler's, with the access policy in it. What it does not find is left to the executor.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import orjson
from graphql import FieldNode, GraphQLObjectType

from hub.limits import Operation
from hub.reads import NodePlan, Reads
from hub.reads.mapping import NotCompilable
from hub.reads.objects import Dump, dump_object
from hub.reads.selections import Selections

Key = tuple[int, uuid.UUID]

# What was read for the payload being written: set around each writing, which never waits.
_FOUND: ContextVar[Mapping[Key, orjson.Fragment | None]] = ContextVar("found")


class PayloadWriter:
    """Writes one root field's payload: plain values at once, postings beside them by ``NodePlan``."""

    def __init__(
        self,
        reads: Reads,
        operation: Operation,
        selections: Selections,
        kind: GraphQLObjectType,
        nodes: Sequence[FieldNode],
    ) -> None:
        self._reads = reads
        self._operation = operation
        self._selections = selections
        self._plans: list[NodePlan] = []
        self._dump = dump_object(kind, nodes, selections, self._node)

    def _node(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Dump | None:
        """How an object that can be read by its id is written; None for all others, and where its row suffices."""
        if kind.name not in self._reads.storage.nodes:
            return None
        try:
            return dump_object(kind, nodes, self._selections)
        except NotCompilable:
            plan = self._reads.node_plan(self._operation, kind.name, list(nodes), self._selections)
        if plan is None:
            raise NotCompilable
        index = len(self._plans)
        self._plans.append(plan)
        return lambda value: _FOUND.get()[index, value.row.id]

    async def write(self, payload: Any, context: Any) -> dict[str, Any]:
        """What orjson writes for the payload; raises whatever is in the way, with nothing done."""
        if not self._plans:
            return self._dump(payload)  # type: ignore[no-any-return]
        asked = _Asked()
        data = self._with(asked, payload)
        if not asked.wanted:
            return data
        found: dict[Key, orjson.Fragment | None] = {}
        for index, plan in enumerate(self._plans):
            ids = {key[1] for key in asked.wanted if key[0] == index}
            texts = await plan.fetch(context.db.fetch, context.caller, ids) if ids else {}
            found.update({(index, id_): orjson.Fragment(text) for id_, text in texts.items()})
        return self._with(found, payload)

    def _with(self, found: Mapping[Key, orjson.Fragment | None], payload: Any) -> dict[str, Any]:
        token = _FOUND.set(found)
        try:
            return self._dump(payload)  # type: ignore[no-any-return]
        finally:
            _FOUND.reset(token)


class _Asked(dict[Key, orjson.Fragment | None]):
    """Notes what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[Key] = []

    def __missing__(self, key: Key) -> None:
        self.wanted.append(key)
