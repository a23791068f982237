"""The reads compiler: from a validated query to SQL that writes the JSON of its answer.

Knows no room and no type of the API: a ``Storage`` tells where each GraphQL type's values are stored and which root
fields there are. Whatever cannot be compiled is left to ordinary execution as a whole, with the same result.
"""

from hub.reads.mapping import (
    Ask,
    Each,
    Leaf,
    Many,
    One,
    Page,
    Root,
    Shape,
    Storage,
    Wire,
    Within,
)
from hub.reads.nodes import NodePlan
from hub.reads.reads import Reads

__all__ = [
    "Ask",
    "Each",
    "Leaf",
    "Many",
    "NodePlan",
    "One",
    "Page",
    "Reads",
    "Root",
    "Shape",
    "Storage",
    "Wire",
    "Within",
]
