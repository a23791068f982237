"""The log: every fact gets a gap-free number and a place in a Merkle tree whose heads the hub signs."""

from hub.domain.transparency.auditing import Audit, Finding
from hub.domain.transparency.model import (
    FactSource,
    Inclusion,
    Leaf,
    LeafKind,
    LogCheckpoint,
    LogForked,
    LogKeyUnknown,
    NotInLog,
    Sources,
    gather,
)
from hub.domain.transparency.sequencing import (
    BATCH_MAX,
    Sequenced,
    begin_leading,
    entry_of,
    sequence,
    take_up,
)
from hub.domain.transparency.service import (
    find_bundle,
    find_checkpoint,
    find_leaf,
    find_published,
    find_tile,
    get_consistency,
    get_inclusion,
    lag,
    list_leaves,
)
from hub.domain.transparency.store import has_pending

__all__ = [
    "BATCH_MAX",
    "Audit",
    "FactSource",
    "Finding",
    "Inclusion",
    "Leaf",
    "LeafKind",
    "LogCheckpoint",
    "LogForked",
    "LogKeyUnknown",
    "NotInLog",
    "Sequenced",
    "Sources",
    "begin_leading",
    "entry_of",
    "find_bundle",
    "find_checkpoint",
    "find_leaf",
    "find_published",
    "find_tile",
    "gather",
    "get_consistency",
    "get_inclusion",
    "has_pending",
    "lag",
    "list_leaves",
    "sequence",
    "take_up",
]
