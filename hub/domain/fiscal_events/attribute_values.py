"""One attribute of the catalogue: what it says of itself, and exactly which JSON values it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from hub.signing import TextRefused, Value, instant_of

AMOUNT_WHOLE_DIGITS_MAX = 15
AMOUNT_SCALE = 2
RATE_SCALE_MAX = 6
MASK = "••••"

# Decimals that are no money: rates and quantities, which may be finer than a currency.
RATES = frozenset(
    {
        "contract_rate",
        "demand_projection",
        "electricity_tariff",
        "existing_rate",
        "interest_rate",
        "proposed_rate_change",
    }
)

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.(?P<fraction>[0-9]+))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHAPE = re.compile(r"list of \{(?P<members>\w+(?:, \w+)*)\}", re.ASCII)
_KEEP_LAST = re.compile(r"keep last (?P<count>[0-9]+)")
_AMOUNT_MEMBER = "amount"


class ValueType(StrEnum):
    """The kinds of value the catalogue knows."""

    STRING = "string"
    DECIMAL = "decimal"
    DATE = "date"
    INTEGER = "integer"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One entry of the catalogue. ``carrier`` is the field of a posting where the value lives as a rule."""

    key: str
    label: str
    value_type: ValueType
    carrier: str
    registry: str | None = None
    repeats: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    has_time: bool = False
    members: tuple[str, ...] = ()
    composite: tuple[str, ...] = ()
    unit: str | None = None
    signed: bool = False
    check: str | None = None
    personal: bool = False
    personal_when: str | None = None
    keep_last: int = 0
    used_in: tuple[str, ...] = ()
    defined_by_hub: bool = False

    @classmethod
    def of(cls, entry: Mapping[str, object], *, defined_by_hub: bool = False) -> Attribute:
        """The attribute an entry of the catalogue's file describes; ValueError for a form we cannot check."""
        pii = entry.get("pii", False)
        return cls(
            key=str(entry["key"]),
            label=str(entry["label"]),
            value_type=ValueType(str(entry["value_type"])),
            carrier=str(entry["carrier"]),
            registry=_text(entry, "registry"),
            repeats=entry.get("repeats") is True,
            choices=_texts(entry, "enum"),
            pattern=_text(entry, "pattern"),
            minimum=_integer(entry, "minimum"),
            maximum=_integer(entry, "maximum"),
            has_time=entry.get("has_time") is True,
            members=_members(_text(entry, "shape")),
            composite=_texts(entry, "composite"),
            unit=_text(entry, "unit"),
            signed="sign" in entry,
            check=_text(entry, "check"),
            personal=bool(pii),
            personal_when=pii if isinstance(pii, str) else None,
            keep_last=_keep_last(_text(entry, "mask")),
            used_in=_texts(entry, "used_in"),
            defined_by_hub=defined_by_hub,
        )

    def masked(self, value: Value) -> Value:
        """What a reader without a grant sees of a value: its last characters where the catalogue keeps some.

        Text too short for that, and anything but text, is hidden whole; of a composite only the first part
        (the account number) keeps its end. Lists and objects keep their form.
        """
        if isinstance(value, list):
            return [self.masked(entry) for entry in value]
        if isinstance(value, dict):
            return {
                name: self.masked(part) if name in self.composite[:1] else MASK
                for name, part in value.items()
            }
        if not isinstance(value, str) or not self.keep_last or len(value) < 2 * self.keep_last:
            return MASK
        return MASK + value[-self.keep_last :]


def _text(entry: Mapping[str, object], name: str) -> str | None:
    value = entry.get(name)
    return None if value is None else str(value)


def _texts(entry: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = entry.get(name)
    return tuple(str(text) for text in value) if isinstance(value, list) else ()


def _integer(entry: Mapping[str, object], name: str) -> int | None:
    value = entry.get(name)
    return value if isinstance(value, int) else None


def _members(shape: str | None) -> tuple[str, ...]:
    if shape is None:
        return ()
    found = _SHAPE.fullmatch(shape)
    if found is None:
        raise ValueError(f"an attribute shape nobody can check: {shape}")
    return tuple(found["members"].split(", "))


def _keep_last(mask: str | None) -> int:
    if mask is None:
        return 0
    found = _KEEP_LAST.fullmatch(mask)
    if found is None:
        raise ValueError(f"a mask nobody can apply: {mask}")
    return int(found["count"])


# Values


def decimal_of(value: Value, *, scale: int) -> Decimal | None:
    """The exact number a decimal string writes (``-12.50``): below 10^15, at most ``scale`` decimals; or None."""
    if not isinstance(value, str) or len(value) > AMOUNT_WHOLE_DIGITS_MAX + RATE_SCALE_MAX + 2:
        return None
    found = _DECIMAL.fullmatch(value)
    if found is None or len(found["fraction"] or "") > scale:
        return None
    number = Decimal(value)
    return number if abs(number) < 10**AMOUNT_WHOLE_DIGITS_MAX else None


def value_problem(attribute: Attribute, value: Value, *, scale: int = AMOUNT_SCALE) -> str | None:
    """Why a JSON value is not one of this attribute, in words that do not quote it; None when it is.

    - string: text that is not blank; within ``enum`` or ``pattern`` where the catalogue has one; a composite
      (a bank account) also as an object of some of its named parts.
    - decimal: a decimal string with at most ``scale`` decimals (rates and quantities: six), below 10^15.
    - date: ``2026-10-06``; with ``has_time`` an instant with offset, ``2026-10-06T09:30:00+05:30``.
    - integer: a JSON integer within minimum and maximum. Booleans are none.
    - document: text that names the document (its digest, number or title); the file itself is an attachment
      whose role is the key.
    - repeats: one such value, or a list of at least one.
    - a shape ``list of {a, b}``: a list of objects with exactly these members, ``amount`` a decimal, others text.
    """
    if attribute.members:
        return _entries_problem(attribute.members, value, scale)
    if attribute.repeats and isinstance(value, list):
        if not value:
            return "an empty list; leave the attribute out"
        return next((told for entry in value if (told := _single_problem(attribute, entry, scale))), None)
    return _single_problem(attribute, value, scale)


def _single_problem(attribute: Attribute, value: Value, scale: int) -> str | None:
    return _BY_TYPE[attribute.value_type](attribute, value, scale)


def _string_problem(attribute: Attribute, value: Value, _scale: int) -> str | None:
    if attribute.composite and isinstance(value, dict):
        return _composite_problem(attribute.composite, value)
    if not isinstance(value, str) or not value.strip():
        return "expected text that is not blank"
    if attribute.choices and value not in attribute.choices:
        return f"expected one of {', '.join(attribute.choices)}"
    if attribute.pattern and not re.fullmatch(attribute.pattern, value):
        return f"expected text of the form {attribute.pattern}"
    return None


def _composite_problem(parts: tuple[str, ...], value: dict[str, Value]) -> str | None:
    filled = all(isinstance(part, str) and part.strip() for part in value.values())
    if value and filled and value.keys() <= set(parts):
        return None
    return f"expected text, or an object of {', '.join(parts)}"


def _decimal_problem(attribute: Attribute, value: Value, scale: int) -> str | None:
    finest = RATE_SCALE_MAX if attribute.key in RATES else scale
    if decimal_of(value, scale=finest) is None:
        return f"expected a decimal string with at most {finest} decimals"
    return None


def _date_problem(attribute: Attribute, value: Value, _scale: int) -> str | None:
    if attribute.has_time:
        return None if _is_instant(value) else "expected an instant with offset, as 2026-10-06T09:30:00+05:30"
    return None if _is_day(value) else "expected a date, as 2026-10-06"


def _is_instant(value: Value) -> bool:
    try:
        return isinstance(value, str) and bool(instant_of(value))
    except TextRefused:
        return False


def _is_day(value: Value) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _integer_problem(attribute: Attribute, value: Value, _scale: int) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "expected a whole number, not text"
    low, high = attribute.minimum, attribute.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return f"expected a whole number from {low} to {high}"
    return None


def _entries_problem(members: tuple[str, ...], value: Value, scale: int) -> str | None:
    if isinstance(value, list) and value and all(_is_entry(members, entry, scale) for entry in value):
        return None
    return f"expected a list of objects of {', '.join(members)}, each amount a decimal string"


def _is_entry(members: tuple[str, ...], entry: Value, scale: int) -> bool:
    if not isinstance(entry, dict) or entry.keys() != set(members):
        return False
    return all(
        decimal_of(part, scale=scale) is not None
        if name == _AMOUNT_MEMBER
        else isinstance(part, str) and bool(part.strip())
        for name, part in entry.items()
    )


_BY_TYPE: Mapping[ValueType, Callable[[Attribute, Value, int], str | None]] = {
    ValueType.STRING: _string_problem,
    ValueType.DOCUMENT: _string_problem,
    ValueType.DECIMAL: _decimal_problem,
    ValueType.DATE: _date_problem,
    ValueType.INTEGER: _integer_problem,
}
