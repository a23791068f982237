"""Values for arguments: of the world where the name says which, of the type elsewhere, now and then of neither."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)

IDS = ("id:evt", "id:msg", "id:none", "id:bad", "id:odd", "id:sys", "id:sgk", "id:agency", "id:ten", "id:prs")
USUAL_SIZES = (1, 2, 3, 3, 5, 5, 8)
OTHER_SIZES = (20, 50, 100, 101, 0, -1, 2**31 - 1)
GROUPS = ("COA_TIER", "LOCATION_LEVEL", "ADMINISTRATIVE_LEVEL")
# By the name of an argument or of a member of an input: the values that mean something there.
NAMED: Mapping[str, str] = {
    "referenceIds": "reference",
    "senders": "sender",
    "processes": "process",
    "process": "process",
    "attributeGroups": "group",
    "fiscalYears": "year",
    "coaPrefix": "coa",
    "location": "location",
    "administrativeNode": "node",
    "department": "department",
    "programCodes": "program",
    "projectCodes": "project",
    "tag": "tag",
    "amountMin": "amount",
    "amountMax": "amount",
    "currency": "currency",
    "system": "sender",
    "systemId": "id:sys",
    "agencyId": "id:agency",
    "code": "tenant",
    "tenant": "tenant",
    "government": "tenant",
    "sha256": "sha256",
    "posting": "id:evt",
}


@dataclass(frozen=True, slots=True)
class Enum:
    """A value that is written as a name in a document and as a text among variables."""

    name: str


def written(value: Any) -> str:
    """A value as a document writes it."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return "[" + ", ".join(written(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {written(each)}" for name, each in value.items()) + "}"
    # The same letters as JSON, but for what GraphQL 2021 has no way to write.
    return json.dumps(value, ensure_ascii=False)


def sent(value: Any) -> Any:
    """A value as variables carry it."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return [sent(each) for each in value]
    if isinstance(value, dict):
        return {name: sent(each) for name, each in value.items()}
    return value


class Values:
    """Draws a value for any argument of the schema."""

    def __init__(self, dice: random.Random, known: Mapping[str, Sequence[Any]]) -> None:
        self.dice = dice
        self.known = known

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.dice.random() < share

    def one(self, name: str) -> Any:
        """A value of the world that goes by this name."""
        return self.dice.choice(self.known[name])

    def argument(self, root: str, name: str, kind: Any) -> Any:
        """A value for a root field's argument."""
        special: Callable[[], Any] | None = {
            "first": self._first,
            "after": lambda: self._after(root),
            "id": lambda: self._id(root),
            "ids": lambda: [self._id(root) for _ in range(self.dice.choice((0, 1, 2, 2, 3)))],
            "groupBy": self._groups,
            "filter": lambda: self._filter(kind),
        }.get(name)
        return special() if special is not None else self.of(kind, name)

    def of(self, kind: Any, name: str = "") -> Any:
        """A value of an input type, as the name suggests."""
        nullable = get_nullable_type(kind)
        if not is_non_null_type(kind) and self.chance(0.06):
            return None
        if self.chance(0.004):
            return self.dice.choice((7, "x", True, 1.5, [], {}, Enum("NONSENSE"), [None]))
        if is_list_type(nullable):
            return self._list(nullable, name)
        if is_input_object_type(nullable):
            return self._object(nullable)
        if is_enum_type(nullable):
            return self._enum(nullable)
        return self._scalar(nullable.name, name)

    def _list(self, kind: GraphQLList[Any], name: str) -> Any:
        found = [self.of(kind.of_type, name) for _ in range(self.dice.choice((0, 1, 1, 1, 2, 2, 3)))]
        # A single value stands for a list of one.
        return found[0] if len(found) == 1 and self.chance(0.2) else found

    def _enum(self, kind: GraphQLEnumType) -> Enum:
        return Enum(self.dice.choice(sorted(kind.values)))

    def _object(self, kind: GraphQLInputObjectType) -> Any:
        if kind.name == "KeyValueInput":
            return self._pair("attribute")
        made: dict[str, Any] = {}
        for name, member in kind.fields.items():
            if is_required_input_field(member) or self.chance(0.5 if len(kind.fields) < 4 else 0.15):
                made[name] = self.of(member.type, name)
        return made

    def _pair(self, name: str) -> Any:
        key, value = self.one(name)
        made: dict[str, Any] = {"key": key}
        if self.chance(0.6):
            made["value"] = value
        return made

    def _scalar(self, kind: str, name: str) -> Any:
        if name in NAMED:
            return self.one(NAMED[name])
        if kind == "Int":
            return self.dice.choice((0, 1, 1, 2, 3, 5, -1, 20, 21, 2**31 - 1))
        if kind == "Boolean":
            return self.chance(0.5)
        if kind == "ID":
            return self._id("")
        return self.one({"Date": "day", "Instant": "instant", "Amount": "amount"}.get(kind, "text"))

    def _first(self) -> int:
        return self.dice.choice(USUAL_SIZES if self.chance(0.95) else OTHER_SIZES)

    def _after(self, root: str) -> str | None:
        lot = self.dice.random()
        own = f"cursor:{root}"
        if lot < 0.5 and self.known.get(own):
            return str(self.one(own))
        if lot < 0.8:
            return None
        return str(self.one("cursor" if lot < 0.92 else "cursor:bad"))

    def _id(self, root: str) -> str:
        likely = {"fiscalEvent": "id:evt", "fiscalMessage": "id:msg"}.get(root)
        if likely is None:
            likely = "id:evt" if self.chance(0.6) else "id:msg"
        name = likely if self.chance(0.85) else self.dice.choice(IDS)
        return str(self.one(name))

    def _groups(self) -> list[Any]:
        names = [
            "SENDER",
            "MONTH",
            "FISCAL_YEAR",
            "SUB_TYPE",
            "QUALIFIER",
            "PROJECT",
            "TYPE",
            "DEPARTMENT",
            *GROUPS,
        ]
        names += ["COA_CODE", "PROGRAM", "MAJOR_TYPE"]
        made = []
        for name in self.dice.sample(names, self.dice.choice((0, 1, 1, 1, 2, 2, 3, 3, 7))):
            group: dict[str, Any] = {"dimension": Enum(name)}
            if (name in GROUPS) is not self.chance(0.03):
                group["level"] = self.dice.choice((1, 1, 2, 2, 3, 6, 12, 13, 0))
            made.append(group)
        return made

    def _filter(self, kind: Any) -> Any:
        if self.chance(0.35):
            return None if not is_non_null_type(kind) and self.chance(0.5) else {}
        fields = get_nullable_type(kind).fields
        made = {}
        for name in self.dice.sample(sorted(fields), min(len(fields), self.dice.choice((1, 1, 1, 2, 2, 3)))):
            if name == "attachment":
                made[name] = self._pair("attachment")
            elif name in ("ids", "childrenOf") and self.chance(0.9):
                made[name] = [self.one("id:evt") for _ in range(self.dice.choice((0, 1, 2, 20, 101)))]
            elif get_nullable_type(fields[name].type) is not None:
                made[name] = self.of(fields[name].type, name)
        return made
