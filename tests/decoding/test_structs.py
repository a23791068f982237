"""Decoded inputs against GraphQL's and Strawberry's own coercion: never accepted where that refuses, always equal."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLSchema,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Undefined
from graphql.utilities import coerce_input_value
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.types.arguments import convert_argument

from hub.api import build_schema
from hub.decoding import Declined, Structs
from hub.kit import strict_json
from tests.decoding.samples import PROVIDER_INPUTS

EXAMPLES = 250
EXAMPLES_LONG = 10_000
SCHEMA = build_schema()
CORE: GraphQLSchema = SCHEMA._schema
STRUCTS = Structs(CORE)
INPUTS: dict[str, GraphQLInputObjectType] = {
    name: kind for name, kind in CORE.type_map.items() if is_input_object_type(kind)
}
POSTING = [
    "PostFiscalEventInput",
    "PostFiscalEventsInput",
    "PostFiscalMessageInput",
    "ReverseInput",
    "CorrectInput",
]

# What anybody may send where something else is expected.
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    2.0**31,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    10**30,
    1e300,
    -0.0,
    "",
    "1",
    "x",
    "\x00",
    "ACCEPTED",
    "BILL",
    "bill",
    " BILL",
    "e\u0301",
    [],
    [[]],
    [None],
    {},
    {"id": 1},
    ["x"],
]
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "String": st.text(max_size=5),
    "ID": st.sampled_from(["evt_0199f1c0-0002-7000-8000-000000000002", "x", ""]),
    "Boolean": st.booleans(),
    "Int": st.integers(-(2**31), 2**31 - 1),
    "Date": st.dates().map(lambda day: day.isoformat()),
    "Instant": st.datetimes().map(lambda at: at.isoformat() + "Z") | st.just("2026-09-28T15:10:00+05:30"),
    "Amount": st.sampled_from(["1250.00", "-0", "1e5", "", "NaN"]),
    "Bytes": st.binary(max_size=70).map(lambda value: base64.b64encode(value).decode()),
    "BigInt": st.integers(0, 10**18 - 1).map(str),
    "Attributes": st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=3)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=4,
    ),
}
ODD_TEXTS: list[Any] = (
    # dates and instants in spellings that one reader or the other might take
    [
        "2026-02-29",
        "2026-2-1",
        "20260928",
        "2026-W01-1",
        "2026-09-28T00:00:00",
        "2026-09-28 ",
        " 2026-09-28",
        "0000-01-01",
        "10000-01-01",
        "2026-09-28T15:10:00",
        "2026-09-28t15:10:00z",
        "2026-09-28 15:10:00Z",
        "2026-09-28T15:10Z",
        "2026-09-28T15:10:60Z",
        "2026-09-28T24:00:00Z",
        "2026-09-28T15:10:00.1234567Z",
        "2026-09-28T15:10:00,5Z",
        "2026-09-28T15:10:00+0530",
        "2026-09-28T15:10:00+05",
        "2026-09-28T15:10:00-00:00",
        "20260928T151000Z",
        1790000000,
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "2026-09-28T15:10:00+24:00",
        "2026-09-28T15:10:00Zx",
        # base64 in other alphabets, unpadded, with loose bits or line feeds
        "QQ==",
        "QQ",
        "QR==",
        "QQ==\n",
        "-_==",
        "Q===",
        "====",
        "QQ=",
        "QUJD",
        "é",
        "Q Q==",
        "٣",
        "1" * 18,
        "1" * 19,
        "-1",
    ]
)

odd: st.SearchStrategy[Any] = st.sampled_from(ODD)
ODD_SCALARS = st.sampled_from(ODD_TEXTS)


def of(kind: Any, *, right: bool) -> st.SearchStrategy[Any]:
    """Values of an input type: all of them right, or now and then something else in their place."""
    if is_non_null_type(kind):
        return present(get_nullable_type(kind), right=right)
    return st.none() | present(kind, right=right)


def present(kind: Any, *, right: bool) -> st.SearchStrategy[Any]:
    """Values of a type, null not among them."""
    made = _present(kind, right=right)
    if right:
        return made
    return st.integers(0, 24).flatmap(lambda dice: odd | ODD_SCALARS if dice == 0 else made)


def _present(kind: Any, *, right: bool) -> st.SearchStrategy[Any]:
    if is_list_type(kind):
        return st.lists(of(kind.of_type, right=right), max_size=2)
    if is_input_object_type(kind):
        return inputs(kind.name, right=right)
    if is_enum_type(kind):
        return st.sampled_from(sorted(kind.values))
    return RIGHT[kind.name]


@cache
def inputs(name: str, *, right: bool) -> st.SearchStrategy[Any]:
    """Input objects of one type; where not all is right, members are missing, misnamed or unknown as well."""
    kind = INPUTS[name]
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for member, definition in kind.fields.items():
        is_required = is_non_null_type(definition.type) and definition.default_value is Undefined
        (required if is_required else optional)[member] = st.deferred(
            lambda it=definition.type: of(it, right=right)  # type: ignore[misc]
        )
    if kind.extensions["strawberry-definition"].is_one_of:
        each = [
            st.fixed_dictionaries({member: present(kind.fields[member].type, right=right)})
            for member in kind.fields
        ]
        if right:
            return st.one_of(each)
        return st.one_of(*each, st.fixed_dictionaries({}, optional={**optional, **required}))
    whole: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=optional)
    return whole if right else st.builds(_disturbed, whole, st.integers(0, 80), odd)


def _disturbed(value: dict[str, Any], dice: int, other: Any) -> dict[str, Any]:
    if dice == 0 and value:
        value.pop(next(iter(value)))
    elif dice == 1:
        value["unknown"] = other
    elif dice == 2:
        value["from_"] = other
    elif dice == 3 and value:
        value[next(reversed(value))] = other
    return value


def plain(value: Any, kind: Any) -> Any:
    """By graphql-core and Strawberry; Undefined where they refuse."""
    try:
        coerced = coerce_input_value(value, kind)
    except StrawberryInputCoercionError:
        return Undefined
    if coerced is Undefined:
        return Undefined
    wanted = get_nullable_type(kind).extensions["strawberry-definition"].origin
    return convert_argument(coerced, wanted, SCHEMA.schema_converter.scalar_registry, SCHEMA.config)


def told(value: Any) -> Any:
    """A value taken apart, types included, so that a struct and a Strawberry object can be compared."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, {
            it.name: told(getattr(value, it.name)) for it in dataclasses.fields(value)
        }
    if hasattr(value, "__struct_fields__"):
        return type(value).__name__, {name: told(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, dict):
        return {name: told(each) for name, each in value.items()}
    if isinstance(value, datetime):
        return datetime, value.isoformat()
    return type(value), value


def decoded(value: Any, kind: Any) -> Any:
    return STRUCTS.decode(strict_json.load(json.dumps(value).encode()), STRUCTS.of(kind))


@hypothesis_settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_accepted_is_what_coercion_accepts_and_equal(data: st.DataObject) -> None:
    compare_one(data)


@pytest.mark.long
@hypothesis_settings(max_examples=EXAMPLES_LONG, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_ten_thousand_inputs_are_never_accepted_where_coercion_refuses(data: st.DataObject) -> None:
    compare_one(data)


def compare_one(data: st.DataObject) -> None:
    """Any input: declined, or equal to what coercion gives."""
    name = data.draw(st.sampled_from(POSTING * 4 + sorted(INPUTS)))
    value = data.draw(inputs(name, right=False))
    kind = GraphQLNonNull(INPUTS[name])
    try:
        found = decoded(value, kind)
    except Declined:
        return
    assert told(found) == told(plain(value, kind))


@hypothesis_settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_rightly_written_is_not_declined(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(INPUTS)))
    value = data.draw(inputs(name, right=True))
    kind = GraphQLNonNull(INPUTS[name])
    expected = plain(value, kind)
    assert expected is not Undefined or "Instant" in str(INPUTS[name].fields)
    if expected is not Undefined:
        assert told(decoded(value, kind)) == told(expected)
    else:
        with pytest.raises(Declined):
            decoded(value, kind)


@pytest.mark.parametrize(
    "name", ["PostFiscalEventInput", "PostFiscalMessageInput", "ReverseInput", "CorrectInput"]
)
def test_commands_are_equal(name: str) -> None:
    kind, value = GraphQLNonNull(INPUTS[name]), PROVIDER_INPUTS[name]
    assert decoded(value, kind).to_command() == plain(value, kind).to_command()


@pytest.mark.parametrize(
    ("over", "accepted"),
    [
        ({}, True),
        ({"validateOnly": None}, False),
        ({"validateOnly": 1}, False),
        ({"validateOnly": "true"}, False),
        ({"idempotencyKey": 5}, False),
        ({"idempotencyKey": None}, False),
        ({"unknown": 1}, False),
        ({"validate_only": True}, False),
    ],
)
def test_members_are_read_strictly(over: Mapping[str, Any], accepted: bool) -> None:
    value = {**PROVIDER_INPUTS["PostFiscalEventInput"], **over}
    kind = GraphQLNonNull(INPUTS["PostFiscalEventInput"])
    assert (plain(value, kind) is not Undefined) is accepted
    if accepted:
        decoded(value, kind)
    else:
        with pytest.raises(Declined):
            decoded(value, kind)


@pytest.mark.parametrize("name", [*RIGHT, "BatchMode", "SubType"])
def test_each_leaf_takes_nothing_that_coercion_refuses(name: str) -> None:
    taken = 0
    for kind in (GraphQLNonNull(CORE.type_map[name]), CORE.type_map[name]):  # type: ignore[type-var]
        for value in [*ODD, *ODD_TEXTS, "ATOMIC"]:
            try:
                found = decoded(value, kind)
            except Declined:
                continue
            taken += 1
            expected = coerce_input_value(value, kind)  # type: ignore[arg-type]
            assert told(found) == told(expected), (name, value)
    assert taken
