"""Enums of postings: the domain's own, under the names the API gives them."""

from __future__ import annotations

from enum import StrEnum

import strawberry

from hub.domain.fiscal_events.aggregates import Dimension
from hub.domain.fiscal_events.chains import Direction
from hub.domain.fiscal_events.filters import ReversalView
from hub.domain.fiscal_events.inbox import InboxState, ReadMode
from hub.domain.fiscal_events.model import AttachmentKind, BatchMode, PostOutcome
from hub.domain.fiscal_events.reading import Order
from hub.domain.fiscal_events.vocabulary import (
    Classification,
    MajorType,
    PostingKind,
    Purpose,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)

# The classes themselves become GraphQL enums, so annotations name the domain's types.
NAMED: dict[type[StrEnum], str] = {
    AttachmentKind: "AttachmentKind",
    BatchMode: "BatchMode",
    Classification: "Classification",
    Dimension: "Dimension",
    Direction: "LineageDirection",
    InboxState: "InboxState",
    MajorType: "MajorType",
    Order: "PostingOrder",
    PostOutcome: "PostOutcome",
    PostingKind: "PostingKind",
    Purpose: "SignaturePurpose",
    Qualifier: "Qualifier",
    ReadMode: "ReadMode",
    Relation: "Relation",
    ReversalMode: "ReversalMode",
    ReversalReason: "ReversalReason",
    ReversalView: "ReversalView",
    SubType: "SubType",
    Type: "FiscalType",
}
for _enum, _name in NAMED.items():
    strawberry.enum(_enum, name=_name, description=_enum.__doc__)

__all__ = [
    "AttachmentKind",
    "BatchMode",
    "Classification",
    "Dimension",
    "Direction",
    "InboxState",
    "MajorType",
    "Order",
    "PostOutcome",
    "PostingKind",
    "Purpose",
    "Qualifier",
    "ReadMode",
    "Relation",
    "ReversalMode",
    "ReversalReason",
    "ReversalView",
    "SubType",
    "Type",
]
