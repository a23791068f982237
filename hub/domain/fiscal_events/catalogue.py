"""The attribute catalogue of the budget cycle: its processes, groups and attributes, loaded once and looked up by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hub.domain.fiscal_events.attribute_values import Attribute
from hub.domain.fiscal_events.vocabulary import MajorType, SubType
from hub.signing import Value

__all__ = [
    "Attribute",
    "AttributeGroup",
    "Catalogue",
    "Process",
    "load",
    "masked_keys",
    "masked_values",
]

_FILE = "fiscal-attributes.json"

# A decision the file makes in the notes of a group and not in its lists.
ALSO_CORE: Mapping[str, tuple[str, ...]] = {
    "financial_sanction": ("sanction_number", "sanction_date", "sanction_amount", "coa_code"),
}


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the budget cycle."""

    key: str
    title: str
    budget_stage: str
    major_types: tuple[MajorType, ...]


@dataclass(frozen=True, slots=True)
class AttributeGroup:
    """What the postings of one step of a process say: core attributes always, ancillary ones when known."""

    key: str
    name: str
    process: str
    budget_stage: str
    major_types: tuple[MajorType, ...]
    sub_type: SubType
    label: str | None
    core: tuple[str, ...]
    ancillary: tuple[str, ...]
    line_amount_from: str
    expected_predecessors: tuple[str, ...]
    expected_successors: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole catalogue, by key."""

    version: str
    processes: Mapping[str, Process]
    groups: Mapping[str, AttributeGroup]
    attributes: Mapping[str, Attribute]

    def groups_of(self, process: str | None) -> list[AttributeGroup]:
        """The groups of a process in the order of its steps; all of them for None."""
        return [group for group in self.groups.values() if process in (None, group.process)]


@cache
def load() -> Catalogue:
    """The catalogue shipped with the hub, read once."""
    text = resources.files(__package__).joinpath(_FILE).read_text("utf-8")
    raw: dict[str, Any] = json.loads(text)
    listed = [Attribute.of(entry) for entry in raw["attributes"]]
    listed += [Attribute.of(entry, defined_by_hub=True) for entry in raw["hub_attributes"]]
    return Catalogue(
        version=raw["version"],
        processes={entry["key"]: _process(entry) for entry in raw["processes"]},
        groups={entry["key"]: _group(entry) for entry in raw["groups"]},
        attributes={attribute.key: attribute for attribute in listed},
    )


def _process(entry: Mapping[str, Any]) -> Process:
    return Process(entry["key"], entry["title"], entry["budget_stage"], _major_types(entry))


def _major_types(entry: Mapping[str, Any]) -> tuple[MajorType, ...]:
    return tuple(MajorType(name) for name in entry["major_types"])


def _group(entry: Mapping[str, Any]) -> AttributeGroup:
    core = dict.fromkeys([*(listed["key"] for listed in entry["core"]), *ALSO_CORE.get(entry["key"], ())])
    others = [*entry["ancillary"], *entry["additional_row_attributes"]]
    return AttributeGroup(
        key=entry["key"],
        name=entry["name"],
        process=entry["process"],
        budget_stage=entry["budget_stage"],
        major_types=_major_types(entry),
        sub_type=SubType(entry["sub_type"]),
        label=entry["sub_type_qualifier"],
        core=tuple(core),
        ancillary=tuple(dict.fromkeys(listed["key"] for listed in others if listed["key"] not in core)),
        line_amount_from=entry["line_amount_from"],
        expected_predecessors=tuple(entry["expected_predecessors"]),
        expected_successors=tuple(entry["expected_successors"]),
        notes=tuple(entry["notes"]),
    )


# Personal data


@cache
def masked_keys() -> frozenset[str]:
    """Attributes that only a reader with a grant sees in clear (spec 7): all that may name a natural person."""
    return frozenset(key for key, attribute in load().attributes.items() if attribute.personal)


def masked_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same attributes with every personal value masked."""
    attributes, personal = load().attributes, masked_keys()
    return {key: attributes[key].masked(value) if key in personal else value for key, value in values.items()}
