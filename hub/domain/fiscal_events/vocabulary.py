"""The closed sets of words a posting is built from, and the pure rules on which of them go together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from hub.codes import Code
from hub.errors import Problem
from hub.signing import Purpose

__all__ = [
    "AttributePolicy",
    "Classification",
    "LinkEnd",
    "MajorType",
    "PostingKind",
    "Purpose",
    "Qualifier",
    "Relation",
    "ReversalMode",
    "ReversalReason",
    "SubType",
    "Type",
    "TypesVerdict",
    "check_types",
    "coa_side_matches",
    "relation_problem",
]


class PostingKind(StrEnum):
    """For every entitled reader, or for named systems alone (spec 5.1)."""

    EVENT = "EVENT"
    MESSAGE = "MESSAGE"


class Type(StrEnum):
    """The coarse type (spec 1.3)."""

    REVENUE = "REVENUE"
    EXPENDITURE = "EXPENDITURE"
    DEBT = "DEBT"


class MajorType(StrEnum):
    """The type with the distinction between revenue and capital (spec 1.3)."""

    REVENUE_RECEIPT = "REVENUE_RECEIPT"
    CAPITAL_RECEIPT = "CAPITAL_RECEIPT"
    REVENUE_EXPENDITURE = "REVENUE_EXPENDITURE"
    CAPITAL_EXPENDITURE = "CAPITAL_EXPENDITURE"


class SubType(StrEnum):
    """The step of the money on its way (spec 1.4)."""

    ESTIMATE = "ESTIMATE"
    PLAN = "PLAN"
    DEMAND = "DEMAND"
    BILL = "BILL"
    RECEIPT = "RECEIPT"
    PAYMENT = "PAYMENT"
    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class Qualifier(StrEnum):
    """What kind of estimate or plan it is (spec 1.4)."""

    PROPOSED = "PROPOSED"
    VOTED = "VOTED"
    APPROVED = "APPROVED"
    REVISED = "REVISED"
    SUPPLEMENTARY = "SUPPLEMENTARY"
    SURRENDER = "SURRENDER"


class Relation(StrEnum):
    """How a posting stands to an earlier one (spec 10.2)."""

    FOLLOWS = "FOLLOWS"
    PART_OF = "PART_OF"
    FUNDED_BY = "FUNDED_BY"
    IMPLEMENTS = "IMPLEMENTS"
    DRAWS_ON = "DRAWS_ON"
    SETTLES = "SETTLES"
    REPLACES = "REPLACES"
    ACCOUNTED = "ACCOUNTED"
    CONCERNS = "CONCERNS"


class ReversalMode(StrEnum):
    """All that is left, or a part of it (spec 8)."""

    FULL = "FULL"
    PARTIAL = "PARTIAL"


class ReversalReason(StrEnum):
    """Why a posting is taken back (spec 8); OTHER asks for a comment."""

    ERROR = "ERROR"
    DUPLICATE = "DUPLICATE"
    CANCELLED = "CANCELLED"
    PAYMENT_REJECTED_BY_BANK = "PAYMENT_REJECTED_BY_BANK"
    PAYMENT_RETURNED = "PAYMENT_RETURNED"
    REFUND = "REFUND"
    SURRENDER = "SURRENDER"
    OTHER = "OTHER"


class Classification(StrEnum):
    """Open to every consumer of the government, or by grant only (spec 3.2)."""

    OPEN = "OPEN"
    RESTRICTED = "RESTRICTED"


class AttributePolicy(StrEnum):
    """What a government makes of postings that break the attribute catalogue: nothing, warnings, or errors."""

    OFF = "OFF"
    WARN = "WARN"
    ENFORCE = "ENFORCE"


MAJOR_TYPES: Mapping[Type, frozenset[MajorType]] = {
    Type.REVENUE: frozenset({MajorType.REVENUE_RECEIPT, MajorType.CAPITAL_RECEIPT}),
    Type.EXPENDITURE: frozenset({MajorType.REVENUE_EXPENDITURE, MajorType.CAPITAL_EXPENDITURE}),
}
SUB_TYPES: Mapping[Type, frozenset[SubType]] = {
    Type.REVENUE: frozenset(
        {SubType.ESTIMATE, SubType.PLAN, SubType.DEMAND, SubType.RECEIPT, SubType.CREDIT}
    ),
    Type.EXPENDITURE: frozenset(
        {SubType.ESTIMATE, SubType.PLAN, SubType.BILL, SubType.PAYMENT, SubType.DEBIT}
    ),
}
# Spec 1.4 (a) and (b): sub-types that one process alone may use, and what they are stored as.
PROCESS_SUB_TYPES: Mapping[tuple[Type, SubType, str], SubType] = {
    (Type.REVENUE, SubType.PAYMENT, "revenue_collection"): SubType.RECEIPT,
    (Type.EXPENDITURE, SubType.DEMAND, "release_of_funds"): SubType.DEMAND,
}
QUALIFIED = frozenset({SubType.ESTIMATE, SubType.PLAN})


_ALIASING_PROCESSES = frozenset(process for _, _, process in PROCESS_SUB_TYPES)


class TypesVerdict(NamedTuple):
    """The sub-type to store (after aliasing), and what is wrong or worth a warning."""

    sub_type: SubType
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check_types(
    type_: Type,
    major_type: MajorType,
    sub_type: SubType,
    *,
    qualifier: Qualifier | None,
    process: str | None,
) -> TypesVerdict:
    """Whether type, major type, sub-type and qualifier go together (spec 1.3, 1.4); every violation at once.

    TYPE_NOT_OPEN (debt, whose rules are not laid down, so nothing else is said about it), MAJOR_TYPE,
    SUBTYPE_NOT_ALLOWED (judged by the type), QUALIFIER. Warning SUBTYPE_ALIASED where the sub-type is stored
    under its standard name.
    """
    return _check_types(
        type_, major_type, sub_type, qualifier, process if process in _ALIASING_PROCESSES else None
    )


@lru_cache(maxsize=4096)  # of the vocabulary's own words alone: a batch asks the same four times an item
def _check_types(
    type_: Type, major_type: MajorType, sub_type: SubType, qualifier: Qualifier | None, process: str | None
) -> TypesVerdict:
    if type_ not in MAJOR_TYPES:
        reserved = Problem(Code.TYPE_NOT_OPEN, f"{type_} is reserved and not open yet", ("type",))
        return TypesVerdict(sub_type, (reserved,), ())
    errors: list[Problem] = []
    if major_type not in MAJOR_TYPES[type_]:
        allowed = _listed(MAJOR_TYPES[type_])
        errors.append(
            Problem(Code.MAJOR_TYPE, f"{type_} goes with {allowed}, not {major_type}", ("majorType",))
        )
    by_process = PROCESS_SUB_TYPES.get((type_, sub_type, process or ""))
    stored = by_process or sub_type
    if sub_type not in SUB_TYPES[type_] and by_process is None:
        told = f"{sub_type} is not allowed for {type_}{_opening_process(type_, sub_type)}"
        errors.append(Problem(Code.SUBTYPE_NOT_ALLOWED, told, ("subType",)))
    errors += _qualifier_problems(stored, qualifier)
    return TypesVerdict(stored, tuple(errors), _alias_warnings(sub_type, stored))


def _qualifier_problems(sub_type: SubType, qualifier: Qualifier | None) -> list[Problem]:
    if sub_type is SubType.ESTIMATE and qualifier is None:
        told = f"an estimate needs a qualifier: {_listed(Qualifier)}"
    elif qualifier is not None and sub_type not in QUALIFIED:
        told = f"a qualifier refines estimates and plans, not a {sub_type}"
    else:
        return []
    return [Problem(Code.QUALIFIER, told, ("qualifier",))]


def _alias_warnings(sent: SubType, stored: SubType) -> tuple[Problem, ...]:
    if sent is stored:
        return ()
    return (Problem(Code.SUBTYPE_ALIASED, f"{sent} is stored as {stored}", ("subType",)),)


def _opening_process(type_: Type, sub_type: SubType) -> str:
    processes = [name for held, sub, name in PROCESS_SUB_TYPES if (held, sub) == (type_, sub_type)]
    return f" unless the process is {' or '.join(processes)}" if processes else ""


def _listed(words: Iterable[StrEnum]) -> str:
    return ", ".join(sorted(str(word) for word in words))


# Links


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """What a relation looks at in a posting at either end of a link."""

    type: Type
    sub_type: SubType
    kind: PostingKind = PostingKind.EVENT


# Spec 10.2, child to parent. These relations carry arithmetic or mean a stage of the budget: both ends are
# events of one type.
RELATED_SUB_TYPES: Mapping[Relation, frozenset[tuple[SubType, SubType]]] = {
    Relation.PART_OF: frozenset({(SubType.ESTIMATE, SubType.ESTIMATE)}),
    Relation.FUNDED_BY: frozenset({(SubType.ESTIMATE, SubType.PLAN)}),
    Relation.IMPLEMENTS: frozenset({(SubType.PLAN, SubType.PLAN)}),
    Relation.DRAWS_ON: frozenset(
        {
            (SubType.DEMAND, SubType.ESTIMATE),
            (SubType.BILL, SubType.DEMAND),
            (SubType.BILL, SubType.ESTIMATE),
            (SubType.PLAN, SubType.ESTIMATE),
        }
    ),
    Relation.SETTLES: frozenset(
        {
            (SubType.PAYMENT, SubType.BILL),
            (SubType.DEBIT, SubType.PAYMENT),
            (SubType.RECEIPT, SubType.DEMAND),
            (SubType.CREDIT, SubType.RECEIPT),
        }
    ),
}
# No sub-type is an accounting entry of its own: any event may account for a completed transfer.
ACCOUNTABLE = frozenset({SubType.DEBIT, SubType.CREDIT})


def _both_events(child: LinkEnd, parent: LinkEnd) -> bool:
    return child.kind is PostingKind.EVENT and parent.kind is PostingKind.EVENT


_FREE_RELATIONS: Mapping[Relation, Callable[[LinkEnd, LinkEnd], bool]] = {
    Relation.FOLLOWS: lambda _child, _parent: True,
    Relation.REPLACES: lambda child, parent: child.kind is parent.kind,
    Relation.ACCOUNTED: lambda child, parent: _both_events(child, parent) and parent.sub_type in ACCOUNTABLE,
    Relation.CONCERNS: lambda child, parent: (
        (child.kind, parent.kind) == (PostingKind.MESSAGE, PostingKind.EVENT)
    ),
}


def relation_problem(relation: Relation, child: LinkEnd, parent: LinkEnd) -> Problem | None:
    """RELATION_NOT_ALLOWED for a pair that spec 10.2 does not list; the path is for the caller to prefix."""
    free = _FREE_RELATIONS.get(relation)
    if free is not None:
        allowed = free(child, parent)
    else:
        pair = (child.sub_type, parent.sub_type)
        same_type = child.type is parent.type
        allowed = same_type and _both_events(child, parent) and pair in RELATED_SUB_TYPES[relation]
    if allowed:
        return None
    told = f"{relation} is not allowed from {_told(child)} to {_told(parent)}"
    return Problem(Code.RELATION_NOT_ALLOWED, told, ("relation",))


def _told(end: LinkEnd) -> str:
    return f"{end.kind.lower()} {end.type}/{end.sub_type}"


# Heads of account

_MAJOR_HEAD = re.compile(r"[0-9]{4}")
_CAPITAL = frozenset({MajorType.CAPITAL_RECEIPT, MajorType.CAPITAL_EXPENDITURE})
_SIDES: Mapping[str, frozenset[MajorType]] = {
    "0": frozenset({MajorType.REVENUE_RECEIPT}),
    "1": frozenset({MajorType.REVENUE_RECEIPT}),
    "2": frozenset({MajorType.REVENUE_EXPENDITURE}),
    "3": frozenset({MajorType.REVENUE_EXPENDITURE}),
    "4": frozenset({MajorType.CAPITAL_EXPENDITURE}),
    "5": frozenset({MajorType.CAPITAL_EXPENDITURE}),
    # Public debt, loans and advances: raised and recovered on the receipt side, repaid and lent on the other.
    "6": _CAPITAL,
    "7": _CAPITAL,
}
_CAPITAL_RECEIPTS_HEAD = "4000"


@lru_cache(maxsize=1024)
def coa_side_matches(major_head: str, major_type: MajorType) -> bool | None:
    """Whether a major head lies on the major type's side of the accounts (spec 3.4).

    None where the head does not tell: not four digits, or 8 and 9, the public account and beyond, which no
    major type covers.
    """
    if not _MAJOR_HEAD.fullmatch(major_head):
        return None
    if major_head == _CAPITAL_RECEIPTS_HEAD:
        return major_type is MajorType.CAPITAL_RECEIPT
    side = _SIDES.get(major_head[0])
    return None if side is None else major_type in side
