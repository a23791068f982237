"""Plans of objects by their ids: for selections that stand inside another answer, such as a mutation's payload."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode
from sqlalchemy import Text, cast, select

from hub.reads.compiling import Writer
from hub.reads.mapping import Fetch, NotCompilable, Storage
from hub.reads.selections import Selections
from hub.reads.statements import Written, write
from hub.reads.texts import finished, joined

IDS = "asked_ids"


@dataclass
class NodePlan:
    """The selection below one field whose object is found by id; the policy is part of the statement."""

    storage: Storage
    selections: Selections
    name: str
    nodes: Sequence[FieldNode]
    texts: dict[Any, Written] = field(default_factory=dict)

    def check(self) -> None:
        """Raise NotCompilable now rather than at the first run."""
        reader = self.storage.trial
        self.texts[reader.shape] = self._write(reader)

    async def fetch(self, fetch: Fetch, caller: Any, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, bytes]:
        """The JSON of each object the caller can see; raises NotCompilable when ordinary execution has to answer.

        ``fetch`` runs one statement with ``$1`` parameters: ``Database.fetch``, or ``Read.fetch`` inside a
        transaction that must see its own rows.
        """
        reader = self.storage.reader_of(caller)
        if reader is None:
            raise NotCompilable
        text = self.texts.get(reader.shape)
        if text is None:
            self.selections.seen = 0
            text = self.texts[reader.shape] = self._write(reader)
        named = {**self.storage.values_of(caller), IDS: list(ids)}
        rows = await fetch(text.sql, *text.arguments(named, ()))
        return {uuid.UUID(row[0]): finished(row[1], self.storage.masked).encode() for row in rows}

    def _write(self, reader: Any) -> Written:
        rows = self.storage.nodes[self.name](reader.caller)
        if rows.policy is None:
            raise TypeError(f"{self.name} is read without a policy")
        writer = Writer(self.storage, self.selections, reader.caller)
        text = joined(writer.object(self.name, self.nodes, rows.row))
        statement = (
            select(cast(rows.row.id, Text), text).select_from(rows.source).where(rows.policy, *rows.where)
        )
        return write(statement)
