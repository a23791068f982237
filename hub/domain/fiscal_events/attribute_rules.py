"""What the attribute catalogue asks of a posting: keys, value types, core attributes, and formulas between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from hub.codes import Code
from hub.domain.fiscal_events.attribute_values import AMOUNT_SCALE, Attribute, decimal_of, value_problem
from hub.domain.fiscal_events.catalogue import AttributeGroup, Process, load
from hub.domain.fiscal_events.content import read_amount
from hub.domain.fiscal_events.model import AttachmentKind, Content, LineDraft
from hub.domain.fiscal_events.vocabulary import AttributePolicy, MajorType, PostingKind, SubType
from hub.errors import Problem
from hub.kit.money import minor_units
from hub.signing import NotCanonical, Value, canonical

# A character written as an escape, with its share of quotation marks and separators.
CHARACTER_BYTES_MAX = 12
SIZE_BYTES_MAX = 64 * 1024
KEY_LENGTH_MAX = 64
# Stands for every process that the catalogue does not know; no key of the catalogue looks like this.
NOT_KNOWN = "?"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")

# A decision in the notes of establishment_bill: a reference in place of the employee's name and account.
STANDS_FOR: Mapping[str, str] = {
    "employee_name": "payee_reference",
    "employee_bank_account": "payee_reference",
}


class Findings(NamedTuple):
    """What refuses a posting, and what is only told."""

    errors: list[Problem]
    warnings: list[Problem]


@dataclass(frozen=True, slots=True)
class Attributed:
    """What of a posting the catalogue looks at.

    ``sub_type`` is the one to be stored, after aliasing. ``carried`` names the carrier fields that are filled
    (``carried_fields``). ``line_attributes`` holds one mapping per line. ``amount_total`` is the sum of the
    lines, None where there is none to compare with. Both are empty where no group is named, which alone asks for them. ``exempt``: reversals and messages inherit, so that core
    attributes may be missing and amounts are not compared with the lines.
    """

    process: str | None
    attribute_group: str | None
    major_type: MajorType
    sub_type: SubType
    attributes: Mapping[str, Value] = field(default_factory=dict)
    line_attributes: tuple[Mapping[str, Value], ...] = ()
    carried: frozenset[str] = frozenset()
    amount_total: Decimal | None = None
    exempt: bool = False
    scale: int = AMOUNT_SCALE

    @classmethod
    def of(cls, content: Content, *, sub_type: SubType) -> Attributed:
        """What the catalogue looks at in a posting's content; ``sub_type`` as ``check_types`` returned it."""
        # Carriers and totals are compared with what a group asks for; without one nobody looks at them.
        is_grouped = content.attribute_group is not None
        amounts = [read_amount(line.amount) for line in content.lines] if is_grouped else []
        known = [amount for amount in amounts if amount is not None]
        currency = content.lines[0].currency if content.lines else None
        scale = minor_units(currency) if currency else None
        return cls(
            process=content.process,
            attribute_group=content.attribute_group,
            major_type=content.major_type,
            sub_type=sub_type,
            attributes=content.attributes,
            line_attributes=tuple(line.attributes for line in content.lines),
            carried=carried_fields(content) if is_grouped else frozenset(),
            amount_total=sum(known, Decimal(0)) if known and len(known) == len(amounts) else None,
            exempt=content.reversal is not None or content.kind is PostingKind.MESSAGE,
            scale=AMOUNT_SCALE if scale is None else scale,
        )


# Each asks a line for two fields, as only then the answer is always a tuple.
_LINE_CARRIERS: Mapping[str, Callable[[LineDraft], tuple[object, object]]] = {
    "line.amount": attrgetter("amount", "amount"),
    "line.coaCode": attrgetter("coa_code", "coa_code"),
    "line.projectCode": attrgetter("project_code", "project_code"),
    "line.administrativeHierarchyCode": attrgetter(
        "administrative_hierarchy_code", "administrative_hierarchy_code"
    ),
    "line.departmentCode": attrgetter("department_code", "department_code"),
    "line.period": attrgetter("period_start", "period_end"),
}


def carried_fields(content: Content) -> frozenset[str]:
    """The carrier fields that are filled in a posting; a line's field counts when every line has it.

    A document counts under ``body.attachments.<role>``: the role says which attribute it is.
    """
    carried = {
        f"body.attachments.{attachment.role}"
        for attachment in content.attachments
        if attachment.kind is AttachmentKind.DOCUMENT and attachment.role
    }
    carried.add("body.eventTime")
    if content.reference_id:
        carried.add("body.referenceId")
    if content.lines:
        carried.update(
            name for name, filled in _LINE_CARRIERS.items() if all(map(all, map(filled, content.lines)))
        )
    return frozenset(carried)


def check_attributes(posting: Attributed, policy: AttributePolicy) -> Findings:
    """Whether a posting's attributes are what the catalogue asks for; every finding at once.

    Always errors: ATTRIBUTE_KEY, ATTRIBUTES_SIZE (values without canonical bytes are left to the signing
    rules). By policy, errors under ENFORCE, warnings under WARN, not looked for under OFF: ATTRIBUTE_GROUP,
    ATTRIBUTE_TYPE, ATTRIBUTE_CHECK, CORE_ATTRIBUTE_MISSING (one per key). ATTRIBUTE_UNKNOWN is always a
    warning, except under OFF.
    """
    errors = [problem for path, values in _places(posting) for problem in _shape_problems(path, values)]
    if policy is AttributePolicy.OFF:
        return Findings(errors, [])
    found = [*_group_problems(posting), *_type_problems(posting), *_contradictions(posting)]
    found += _missing_core(posting)
    unknown = _unknown(posting)
    if policy is AttributePolicy.WARN:
        return Findings(errors, found + unknown)
    return Findings(errors + found, unknown)


def _places(posting: Attributed) -> list[tuple[tuple[str | int, ...], Mapping[str, Value]]]:
    """Where there are attributes at all."""
    found: list[tuple[tuple[str | int, ...], Mapping[str, Value]]] = []
    if posting.attributes:
        found.append((("attributes",), posting.attributes))
    if any(posting.line_attributes):
        found += [
            (("lines", index, "attributes"), values)
            for index, values in enumerate(posting.line_attributes)
            if values
        ]
    return found


def _shape_problems(path: tuple[str | int, ...], values: Mapping[str, Value]) -> list[Problem]:
    told = "keys are lower-case letters, digits and underscores, a letter first, at most 64 characters"
    problems = [
        Problem(Code.ATTRIBUTE_KEY, told, (*path, key[:KEY_LENGTH_MAX]))
        for key in values
        if key not in load().attributes and not _KEY.fullmatch(key)
    ]
    if _is_too_large(values):
        problems.append(Problem(Code.ATTRIBUTES_SIZE, f"more than {SIZE_BYTES_MAX} bytes of JSON", path))
    return problems


def _is_too_large(values: Mapping[str, Value]) -> bool:
    texts = [text for pair in values.items() for text in pair if isinstance(text, str)]
    if len(texts) == 2 * len(values) and sum(map(len, texts)) * CHARACTER_BYTES_MAX <= SIZE_BYTES_MAX:
        return False  # texts alone, and few: no need to write them out
    try:
        return len(canonical(dict(values))) > SIZE_BYTES_MAX
    except NotCanonical as refused:
        return any(violation.code == "CANONICAL_SIZE" for violation in refused.violations)


def _unknown(posting: Attributed) -> list[Problem]:
    told = "the catalogue does not know this attribute; it is kept as sent"
    return [
        Problem(Code.ATTRIBUTE_UNKNOWN, told, (*path, key))
        for path, values in _places(posting)
        for key in values
        if key not in load().attributes and _KEY.fullmatch(key)
    ]


def _group_problems(posting: Attributed) -> Sequence[Problem]:
    """Process and group must be known, belong together, and fit sub-type and major type (spec 3.3)."""
    unknown: list[Problem] = []
    process, group = posting.process, posting.attribute_group
    if process is not None and process not in load().processes:
        told = "the catalogue does not know this process"
        unknown.append(Problem(Code.ATTRIBUTE_GROUP, told, ("process",)))
        # What is not known fits no group, and asks for nothing by itself.
        process = NOT_KNOWN
    if group is not None and group not in load().groups:
        told = "the catalogue does not know this attribute group"
        unknown.append(Problem(Code.ATTRIBUTE_GROUP, told, ("attributeGroup",)))
        group = None
    return [*unknown, *_misfits(process, group, posting.major_type, posting.sub_type)]


@lru_cache(maxsize=4096)  # of the catalogue's own names alone
def _misfits(
    process_key: str | None, group_key: str | None, major_type: MajorType, sub_type: SubType
) -> tuple[Problem, ...]:
    group, process = load().groups.get(group_key or ""), load().processes.get(process_key or "")
    told: list[tuple[str, str]] = []
    if group is not None:
        told += [
            ("attributeGroup", each) for each in _group_misfits(process_key, group, major_type, sub_type)
        ]
    elif process is not None:
        told += [("process", each) for each in _process_misfits(process, major_type, sub_type)]
    return tuple(Problem(Code.ATTRIBUTE_GROUP, message, (name,)) for name, message in told)


def _group_misfits(
    process: str | None, group: AttributeGroup, major_type: MajorType, sub_type: SubType
) -> Iterator[str]:
    if process not in (None, group.process):
        yield f"{group.key} belongs to the process {group.process}"
    if sub_type is not group.sub_type:
        yield f"{group.key} is for the sub-type {group.sub_type}, not {sub_type}"
    if major_type not in group.major_types:
        yield f"{group.key} is not for {major_type}"


def _process_misfits(process: Process, major_type: MajorType, sub_type: SubType) -> Iterator[str]:
    sub_types = {group.sub_type for group in load().groups_of(process.key)}
    if sub_types and sub_type not in sub_types:
        yield f"no step of {process.key} posts a {sub_type}"
    if major_type not in process.major_types:
        yield f"{process.key} is not for {major_type}"


def _type_problems(posting: Attributed) -> list[Problem]:
    problems = []
    for path, values in _places(posting):
        for key, value in values.items():
            attribute = load().attributes.get(key)
            told = value_problem(attribute, value, scale=posting.scale) if attribute else None
            if told is not None:
                problems.append(Problem(Code.ATTRIBUTE_TYPE, f"{key}: {told}", (*path, key)))
    return problems


def _missing_core(posting: Attributed) -> list[Problem]:
    group = load().groups.get(posting.attribute_group or "")
    if group is None or posting.exempt:
        return []
    told = f"a core attribute of {group.key} is missing"
    return [
        Problem(Code.CORE_ATTRIBUTE_MISSING, f"{told}: {key}", ("attributes", key))
        for key in group.core
        if not _is_present(posting, load().attributes[key])
    ]


def _is_present(posting: Attributed, attribute: Attribute) -> bool:
    """Under its key in the body or on every line, through its carrier field, or through its stand-in."""
    carrier = attribute.carrier
    if carrier == "body.attachments":
        carrier = f"body.attachments.{attribute.key}"
    if carrier in posting.carried or _is_given(posting, attribute.key):
        return True
    if attribute.registry == "department" and "line.departmentCode" in posting.carried:
        return True
    stand_in = STANDS_FOR.get(attribute.key)
    return stand_in is not None and _is_given(posting, stand_in)


def _is_given(posting: Attributed, key: str) -> bool:
    lines = posting.line_attributes
    return key in posting.attributes or (bool(lines) and all(key in values for values in lines))


# Formulas: the catalogue's `check` texts, each as a sum of signed terms that the attribute must equal.


@dataclass(frozen=True, slots=True)
class Term:
    """Adds or subtracts an attribute; a list counts as the sum of its entries."""

    sign: int
    key: str


FORMULAS: Mapping[str, tuple[Term, ...]] = {
    "gross_amount - deduction_amount": (Term(1, "gross_amount"), Term(-1, "deduction_amount")),
    "amount_sanctioned - amount_utilised": (Term(1, "amount_sanctioned"), Term(-1, "amount_utilised")),
    "sum of deductions when listed": (Term(1, "deductions"),),
    "equals sum of activity_costs": (Term(1, "activity_costs"),),
    # The mirror of deduction_amount's own formula, which tells the contradiction once.
    "sum of amount = deduction_amount": (),
}


def _contradictions(posting: Attributed) -> list[Problem]:
    """ATTRIBUTE_CHECK where a formula of the catalogue does not hold between the values that are there."""
    problems = []
    for path, values in _places(posting):
        carried = _carried_amounts(posting) if path == ("attributes",) else {}
        for key in values:
            told = _contradiction(key, values, carried, posting.scale)
            if told is not None:
                problems.append(Problem(Code.ATTRIBUTE_CHECK, told, (*path, key)))
    return problems + _line_total_problems(posting)


def _contradiction(
    key: str, values: Mapping[str, Value], carried: Mapping[str, Decimal], scale: int
) -> str | None:
    attribute = load().attributes.get(key)
    formula = FORMULAS[attribute.check] if attribute and attribute.check else ()
    if not formula:
        return None
    stated = _number(values[key], scale)
    terms = [(term, _number(values.get(term.key), scale, carried.get(term.key))) for term in formula]
    if stated is None or any(number is None for _, number in terms):
        return None
    due = sum((term.sign * number for term, number in terms if number is not None), Decimal(0))
    if stated == due:
        return None
    return f"{key} is not {_told(formula)}: {due:f} is due"


def _told(formula: Sequence[Term]) -> str:
    return " ".join((f"- {term.key}" if term.sign < 0 else term.key) for term in formula)


def _number(value: Value, scale: int, otherwise: Decimal | None = None) -> Decimal | None:
    """A decimal, the sum of a list of decimals or of its entries' amounts; ``otherwise`` for what is not there."""
    if value is None:
        return otherwise
    if not isinstance(value, list):
        return decimal_of(value, scale=scale)
    numbers = [
        decimal_of(entry.get("amount") if isinstance(entry, dict) else entry, scale=scale) for entry in value
    ]
    known = [number for number in numbers if number is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(numbers) else None


def _carried_amounts(posting: Attributed) -> dict[str, Decimal]:
    """Amounts that the group's core leaves to the lines: their total is the attribute's value."""
    group = load().groups.get(posting.attribute_group or "")
    if group is None or posting.exempt or posting.amount_total is None:
        return {}
    return {
        key: posting.amount_total for key in group.core if load().attributes[key].carrier == "line.amount"
    }


def _line_total_problems(posting: Attributed) -> list[Problem]:
    """The attribute that the group's line amounts come from, when stated as well, is their total."""
    group = load().groups.get(posting.attribute_group or "")
    if group is None or posting.exempt or posting.amount_total is None:
        return []
    key = group.line_amount_from
    stated = _number(posting.attributes.get(key), posting.scale)
    if stated is None or stated == posting.amount_total or load().attributes[key].signed:
        return []
    told = f"{key} is not the total of the lines: {posting.amount_total:f} is due"
    return [Problem(Code.ATTRIBUTE_CHECK, told, ("attributes", key))]
