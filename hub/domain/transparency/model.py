"""What the log is made of: kinds of facts, where each kind's parts are read, leaves, checkpoints, proofs. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.errors import Fault, NotFound
from hub.signing.leaves import Record, part_digest


class LeafKind(StrEnum):
    """What a leaf stands for. LOG_KEY is the log's own word about its keys, readable by everybody."""

    EVENT = "EVENT"
    MESSAGE = "MESSAGE"
    SIGNATURE = "SIGNATURE"
    READ = "READ"
    REGISTRY = "REGISTRY"
    KEY = "KEY"
    REFERENCE = "REFERENCE"
    DECISION = "DECISION"
    RETENTION = "RETENTION"
    PROGRAM = "PROGRAM"
    ALLOCATION = "ALLOCATION"
    FUNDS = "FUNDS"
    LOG_KEY = "LOG_KEY"


@dataclass(frozen=True, slots=True)
class FactSource:
    """How a room's facts of some kinds are read for the log.

    ``sql`` takes arrays of tenant ids ($1) and fact ids ($2), and answers one row per fact that is there: tenant_id,
    fact_id, then one column per part, text or bytes, null where the fact has no such part. ``parts`` names those
    columns; those in ``digests`` are SHA-256 digests already. What a part's text is never changes for facts that are
    in the log: a new column is a new part. ``facts`` is a statement for all such facts (fact_id, kind), for audits;
    ``contradictions`` one for those whose rows contradict themselves (fact_id, kind, reason).
    """

    kinds: frozenset[LeafKind]
    parts: tuple[str, ...]
    sql: str
    facts: str
    digests: frozenset[str] = frozenset()
    contradictions: str | None = None

    def record(self, kind: LeafKind, row: Any) -> Record:
        """What the leaf of this row commits to."""
        parts = {
            name: row[name] if name in self.digests else part_digest(row[name])
            for name in self.parts
            if row[name] is not None
        }
        return Record(kind.value, row["tenant_id"], row["fact_id"], parts)


Sources = Mapping[LeafKind, FactSource]


def gather(*groups: tuple[FactSource, ...]) -> Sources:
    """All rooms' sources by kind; raises ValueError for a kind told twice or, but for LOG_KEY, not at all."""
    found: dict[LeafKind, FactSource] = {}
    for source in [source for group in groups for source in group]:
        if double := found.keys() & source.kinds:
            raise ValueError(f"sources given twice: {sorted(double)}")
        found.update(dict.fromkeys(source.kinds, source))
    if missing := set(LeafKind) - found.keys() - {LeafKind.LOG_KEY}:
        raise ValueError(f"facts without a source: {sorted(missing)}")
    return found


@dataclass(frozen=True, slots=True)
class Pending:
    """A committed fact that waits for its number."""

    kind: LeafKind
    tenant_id: uuid.UUID
    fact_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Leaf:
    """A numbered fact. ``statement`` is what an announcement says to everybody; None for facts."""

    log_index: int
    kind: LeafKind
    tenant_id: uuid.UUID | None
    fact_id: uuid.UUID
    nonce: bytes
    commitment: bytes
    statement: bytes | None
    sequenced_at: datetime


@dataclass(frozen=True, slots=True)
class LogCheckpoint:
    """A signed tree head as published: ``note`` is a C2SP signed note, its bytes never change."""

    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where a leaf stands in the tree of a checkpoint: its index, and the path from its hash to the root."""

    leaf: Leaf
    checkpoint: LogCheckpoint
    path: tuple[bytes, ...]


class NotInLog(NotFound):
    """The fact has no number yet, or nobody knows it."""


class LogKeyUnknown(Fault):
    """The configured log key is not the one that signed so far, and the previous one is not there to vouch for it."""


class LogForked(Fault):
    """The rows of the log do not continue the tree this process has built: nothing is signed any more."""
