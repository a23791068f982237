"""What has canonical bytes and what has not, where JSON vectors cannot say it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum

import pytest

from hub.signing import (
    DEPTH_MAX,
    INTEGER_MAX,
    SIZE_BYTES_MAX,
    NotCanonical,
    Path,
    canonical,
    compact,
    parse,
)
from hub.signing.canonical import VIOLATIONS_MAX, _Enough, _Survey


class Colour(StrEnum):
    RED = "red"


class Rank(IntEnum):
    FIRST = 1


def refusal_of(value: object) -> NotCanonical:
    with pytest.raises(NotCanonical) as caught:
        canonical(value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "code", "path", "neighbour"),
    [
        ({"a": Decimal("1.50")}, "CANONICAL_DECIMAL", ("a",), {"a": "1.50"}),
        ([1, 1.0], "CANONICAL_FLOAT", (1,), [1, 1]),
        ([float("nan")], "CANONICAL_FLOAT", (0,), ["NaN"]),
        ([float("inf")], "CANONICAL_FLOAT", (0,), ["Infinity"]),
        (-0.0, "CANONICAL_FLOAT", (), 0),
        (b"x", "CANONICAL_TYPE", (), "x"),
        ({"x"}, "CANONICAL_TYPE", (), ["x"]),
        ({"on": date(2026, 1, 1)}, "CANONICAL_TYPE", ("on",), {"on": "2026-01-01"}),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "CANONICAL_TYPE", ("at",), {"at": "2026-01-01T00:00:00Z"}),
        ({"a": {1: "x"}}, "CANONICAL_NAME_TYPE", ("a", "1"), {"a": {"1": "x"}}),
        ({None: "x"}, "CANONICAL_NAME_TYPE", ("None",), {"null": "x"}),
        ({(1, 2): "x"}, "CANONICAL_NAME_TYPE", ("<tuple>",), {"(1, 2)": "x"}),
        ({True: "x"}, "CANONICAL_NAME_TYPE", ("True",), {"true": "x"}),
        ("\ud800", "CANONICAL_SURROGATE", (), "\U00010000"),
        ("\udfff", "CANONICAL_SURROGATE", (), "\ue000"),
        ("\ud83d\ude00", "CANONICAL_SURROGATE", (), "\U0001f600"),
        ({"\udc00": 1}, "CANONICAL_SURROGATE", ("\udc00",), {"\ufffd": 1}),
        (INTEGER_MAX + 1, "CANONICAL_INTEGER", (), INTEGER_MAX),
        (-INTEGER_MAX - 1, "CANONICAL_INTEGER", (), -INTEGER_MAX),
    ],
)
def test_refusal_names_code_and_path_and_the_neighbour_passes(
    value: object, code: str, path: Path, neighbour: object
) -> None:
    error = refusal_of(value)
    assert [(found.code, found.path) for found in error.violations] == [(code, path)]
    assert (error.code, error.path) == (code, path)
    assert parse(canonical(neighbour)) == neighbour


def test_integer_of_five_thousand_digits_is_refused_without_being_written_out() -> None:
    error = refusal_of({"a": 10**5000, 10**5000: "b"})
    assert [(found.code, found.path) for found in error.violations] == [
        ("CANONICAL_INTEGER", ("a",)),
        ("CANONICAL_NAME_TYPE", ("<int>",)),
    ]


def test_every_violation_is_collected_in_the_order_met() -> None:
    error = refusal_of({"lines": [{"amount": 1.5, "note": "e\u0301\x00"}, {7: Decimal(1)}], "big": 2**53})
    assert [(found.code, found.path) for found in error.violations] == [
        ("CANONICAL_FLOAT", ("lines", 0, "amount")),
        ("CANONICAL_NUL", ("lines", 0, "note")),
        ("CANONICAL_NFC", ("lines", 0, "note")),
        ("CANONICAL_NAME_TYPE", ("lines", 1, "7")),
        ("CANONICAL_DECIMAL", ("lines", 1, "7")),
        ("CANONICAL_INTEGER", ("big",)),
    ]


def test_search_ends_at_a_thousand_violations() -> None:
    assert len(refusal_of([0.5] * (VIOLATIONS_MAX - 1)).violations) == VIOLATIONS_MAX - 1
    assert len(refusal_of([0.5] * (VIOLATIONS_MAX + 1)).violations) == VIOLATIONS_MAX


def test_pointer_escapes_slash_tilde_and_what_cannot_be_printed() -> None:
    assert refusal_of({"a/b~c": [{"\udc00é": 1.5}]}).violations[1].pointer == "/a~1b~0c/0/\\udc00\\xe9"


def test_message_quotes_no_value_and_stays_short() -> None:
    error = refusal_of({"k" * 10_000: 12345.678})
    assert "12345" not in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("unit", "escaped_size_bytes"), [("a", 1), ("\n", 2), ("\x01", 6), ("é", 2), ("\U0001f600", 4)]
)
def test_size_bound_counts_canonical_bytes_exactly(unit: str, escaped_size_bytes: int) -> None:
    room = SIZE_BYTES_MAX - 2
    fitting = unit * (room // escaped_size_bytes) + "a" * (room % escaped_size_bytes)
    data = canonical(fitting)
    assert len(data) == SIZE_BYTES_MAX
    assert parse(data) == fitting
    assert [found.code for found in refusal_of(fitting + "a").violations] == ["CANONICAL_SIZE"]


def test_parse_refuses_a_byte_more_than_the_bound() -> None:
    with pytest.raises(NotCanonical, match="CANONICAL_SIZE"):
        parse(b'"' + b"a" * (SIZE_BYTES_MAX - 1) + b'"')


def test_parse_looks_at_the_size_before_anything_else() -> None:
    with pytest.raises(NotCanonical, match="CANONICAL_SIZE"):
        parse(b" " * (SIZE_BYTES_MAX + 1))
    with pytest.raises(NotCanonical, match="PARSE_SYNTAX"):
        parse(b" " * SIZE_BYTES_MAX)


@pytest.mark.parametrize(
    "value",
    ["x" * (SIZE_BYTES_MAX - 1), [[]] * (SIZE_BYTES_MAX // 2), [None] * (SIZE_BYTES_MAX // 4)],
    ids=["text", "lists", "nulls"],
)
def test_survey_ends_by_itself_before_anything_is_written(value: object) -> None:
    with pytest.raises(_Enough):
        _Survey().visit(value)


@pytest.mark.long
def test_shared_references_cannot_make_a_small_value_endless() -> None:
    shared: list[object] = ["x"]
    for _ in range(DEPTH_MAX - 2):
        shared = [shared, shared]
    assert refusal_of(shared).violations[-1].code == "CANONICAL_SIZE"
    assert canonical([["x"], ["x"]]) == b'[["x"],["x"]]'


def test_value_that_holds_itself_is_too_deep() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert refusal_of(ring).code == "CANONICAL_DEPTH"


def test_scalar_below_the_deepest_container_is_fine() -> None:
    value: object = 1
    for _ in range(DEPTH_MAX):
        value = [value]
    assert canonical(value) == b"[" * DEPTH_MAX + b"1" + b"]" * DEPTH_MAX
    assert refusal_of([value]).code == "CANONICAL_DEPTH"


def test_tuple_is_a_list_and_enums_are_their_values() -> None:
    assert canonical({"t": (1, 2), "c": Colour.RED, "r": Rank.FIRST}) == b'{"c":"red","r":1,"t":[1,2]}'


def test_bool_is_not_a_number() -> None:
    assert canonical([True, 1, False, 0]) == b"[true,1,false,0]"


def test_compact_drops_what_says_nothing_on_one_level() -> None:
    members = {
        "a": None,
        "b": [],
        "c": {},
        "d": (),
        "e": "",
        "f": 0,
        "g": False,
        "h": {"i": None},
        "j": [None],
    }
    assert compact(members) == {"e": "", "f": 0, "g": False, "h": {"i": None}, "j": [None]}


def test_one_typed_input_has_one_byte_string_whether_absent_null_or_empty() -> None:
    assert canonical(compact({"a": 1, "b": None, "c": []})) == canonical(compact({"a": 1}))


def test_all_bad_numbers_and_names_of_a_text_are_named() -> None:
    with pytest.raises(NotCanonical) as caught:
        parse(b'{"a":1.5,"b":[1e3,{"c":1,"c":2}]}')
    assert [(found.code, found.path) for found in caught.value.violations] == [
        ("PARSE_NUMBER", ("a",)),
        ("PARSE_NUMBER", ("b", 0)),
        ("PARSE_DUPLICATE_NAME", ("b", 1, "c")),
    ]
