"""Shapes of the attribute catalogue: processes of the budget cycle, their attribute groups, and attributes."""

from __future__ import annotations

import strawberry

from hub.domain.fiscal_events import catalogue
from hub.domain.fiscal_events.attribute_values import ValueType
from hub.domain.fiscal_events.vocabulary import MajorType, SubType
from hub.schema import fiscal_events as _registers_the_enums  # noqa: F401  an enum may be registered once

strawberry.enum(
    ValueType,
    name="AttributeValueType",
    description="STRING is text; DECIMAL a decimal string; DATE as 2026-10-06, or an instant with offset where "
    "hasTime; INTEGER a whole number; DOCUMENT an attachment whose role is the key, or text naming it.",
)


@strawberry.type(description="One named value of a posting: what it holds and where it lives as a rule.")
class CatalogueAttribute:
    key: str
    label: str
    value_type: ValueType
    carrier: str = strawberry.field(
        description="Field of the posting that holds the value; a filled carrier counts as the attribute."
    )
    registry: str | None = strawberry.field(
        description="The registry whose codes it takes, where there is one."
    )
    repeats: bool = strawberry.field(description="Takes one value or a list of them.")
    choices: list[str] = strawberry.field(description="The only values allowed; empty for any.")
    pattern: str | None = strawberry.field(description="Regular expression the whole text matches.")
    minimum: int | None
    maximum: int | None
    has_time: bool = strawberry.field(description="The date is an instant with offset.")
    members: list[str] = strawberry.field(
        description="The value is a list of objects with exactly these members."
    )
    parts: list[str] = strawberry.field(
        description="The text may be given as an object of some of these parts."
    )
    unit: str | None
    check: str | None = strawberry.field(description="What the value must equal when its operands are given.")
    is_masked: bool = strawberry.field(description="Personal: shown in clear only to readers with a grant.")
    masked_when: str | None = strawberry.field(description="On what condition the value is personal at all.")
    used_in: list[str] = strawberry.field(description="Keys of the groups that name it.")

    @classmethod
    def of(cls, attribute: catalogue.Attribute) -> CatalogueAttribute:
        return cls(
            key=attribute.key,
            label=attribute.label,
            value_type=attribute.value_type,
            carrier=attribute.carrier,
            registry=attribute.registry,
            repeats=attribute.repeats,
            choices=list(attribute.choices),
            pattern=attribute.pattern,
            minimum=attribute.minimum,
            maximum=attribute.maximum,
            has_time=attribute.has_time,
            members=list(attribute.members),
            parts=list(attribute.composite),
            unit=attribute.unit,
            check=attribute.check,
            is_masked=attribute.personal,
            masked_when=attribute.personal_when,
            used_in=list(attribute.used_in),
        )


@strawberry.type(description="What the postings of one step of a process say about themselves.")
class AttributeGroup:
    key: str
    name: str
    process: str = strawberry.field(description="Key of the process it belongs to.")
    budget_stage: str
    major_types: list[MajorType]
    sub_type: SubType
    label: str | None = strawberry.field(description="What the step is called beside its sub-type.")
    core: list[CatalogueAttribute] = strawberry.field(
        description="Must be there, under their key or through their carrier."
    )
    ancillary: list[CatalogueAttribute] = strawberry.field(description="Given when known.")
    line_amount_from: str = strawberry.field(
        description="The attribute whose value the lines' amounts carry."
    )
    expected_predecessors: list[str] = strawberry.field(description="Groups a posting of this one follows.")
    expected_successors: list[str]
    notes: list[str]

    @classmethod
    def of(cls, group: catalogue.AttributeGroup) -> AttributeGroup:
        attributes = catalogue.load().attributes
        return cls(
            key=group.key,
            name=group.name,
            process=group.process,
            budget_stage=group.budget_stage,
            major_types=list(group.major_types),
            sub_type=group.sub_type,
            label=group.label,
            core=[CatalogueAttribute.of(attributes[key]) for key in group.core],
            ancillary=[CatalogueAttribute.of(attributes[key]) for key in group.ancillary],
            line_amount_from=group.line_amount_from,
            expected_predecessors=list(group.expected_predecessors),
            expected_successors=list(group.expected_successors),
            notes=list(group.notes),
        )


@strawberry.type(description="One process of the budget cycle, from planning to audit.")
class BudgetProcess:
    key: str
    title: str
    budget_stage: str
    major_types: list[MajorType]

    @classmethod
    def of(cls, process: catalogue.Process) -> BudgetProcess:
        return cls(
            key=process.key,
            title=process.title,
            budget_stage=process.budget_stage,
            major_types=list(process.major_types),
        )

    @strawberry.field(description="Its attribute groups in the order of its steps; none where no step posts.")
    def groups(self) -> list[AttributeGroup]:
        return [AttributeGroup.of(group) for group in catalogue.load().groups_of(self.key)]
