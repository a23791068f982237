"""Strict JSON against the slow way to the same promise: the standard library, watching every object it makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from hub.kit.strict_json import DIGITS_MAX, WINDOW_BYTES, NotStrict, is_modest, load

EXAMPLES = 600
# What decides is how quotation marks and backslashes stand beside each other, so most characters are these.
ODD_CHARACTERS = '"\\' * 12 + "/\n\t\x00\x7fé\u2028😀u02,:[]{}" * 2 + "\ud800"
characters = st.sampled_from(ODD_CHARACTERS)
names = st.sampled_from(["a", "b", "", "A", "é", '"', "\\", "a"]) | st.text(characters, max_size=3)
numbers = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "-7",
        "1.0",
        "1e3",
        "1E-2",
        "-0.0",
        "9" * 19,
        "9" * 20,
        "9" * 400,
        "1e400",
        "-1e999",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "Infinity",
        "-Infinity",
        "0x1",
        "--1",
    ]
) | st.floats(allow_nan=False, allow_infinity=False).map(repr)


@st.composite
def literals(draw: st.DrawFn) -> str:
    """A JSON text literal, each character as itself or escaped in one of the ways there are."""
    written = []
    for character in draw(st.text(characters, max_size=6)):
        plain = character if character not in '"\\' and ord(character) >= 32 else json.dumps(character)[1:-1]
        units = character.encode("utf-16-be", "surrogatepass")
        escaped = "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
        written.append(draw(st.sampled_from([plain, plain, escaped, escaped.upper().replace("U", "u")])))
    return '"' + "".join(written) + '"'


texts = literals()
scalars = texts | numbers | st.sampled_from(["null", "true", "false", "True", "nul"])
documents: st.SearchStrategy[str] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda entries: "[" + ", ".join(entries) + "]")
        | st.lists(st.tuples(texts | names.map(json.dumps), inner), max_size=4).map(
            lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"
        )
    ),
    max_leaves=12,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON, or something near it: bytes put in, taken out or changed."""
    body = draw(documents).encode(errors="surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(body)))
        put = draw(st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b"\\\\", b'\\"', b",", b"\\u0022"]))
        body = body[:at] + put + body[at + draw(st.integers(0, 2)) :]
    return body


class Twice(ValueError):
    """An object names a member twice."""


def reference(body: bytes) -> Any:
    """The slow way."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Twice
        return dict(pairs)

    def refused(_: str) -> Any:
        raise ValueError

    value = json.loads(body.decode(), object_pairs_hook=made, parse_constant=refused)
    json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    return value


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all through; with infinity nothing is."""
    return repr(one) == repr(other)


@hypothesis_settings(max_examples=EXAMPLES, deadline=None)
@given(bodies())
def test_reads_what_the_slow_way_reads_and_refuses_what_it_refuses(body: bytes) -> None:
    problem = ""
    try:
        expected = reference(body)
    except Twice:
        problem = "names"
    except (ValueError, RecursionError):
        problem = "is"
    if problem:
        with pytest.raises(NotStrict) as told:
            load(body)
        # Of two things that are wrong either may be told, but no body is blamed for a name it does not repeat.
        assert str(told.value).startswith((problem, "is", "holds"))
        return
    if "inf" in repr(expected):
        with pytest.raises(NotStrict, match="out of range"):
            load(body)
        return
    assert same(load(body), expected)


@pytest.mark.parametrize(
    "body",
    [
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '[{"b":{"a":"x","a":"x"}}]',
        '{"a":"\\"","a":"\\""}',
        '{"a\\\\":1,"a\\\\":2}',
        '{"\\u0022":1,"\\"":2}',
        '{"":0,"":0}',
        '{"a":{"x":"\\u0022"},"a":"\\u0022\\u0022"}',
    ],
)
def test_a_member_named_twice_is_told(body: str) -> None:
    with pytest.raises(NotStrict, match="twice"):
        load(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'"\xed\xa0\x80"',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[1,]",
        b"",
    ],
)
def test_what_is_no_json_in_utf_8_is_told(body: bytes) -> None:
    with pytest.raises(NotStrict, match="not valid JSON"):
        load(body)


@pytest.mark.parametrize(
    "body", [r'{"\u0022":"\\"}', r'["\u005c\"", "\\\\"]', r'{"a\\":1,"a\"":2,"a\u005c\u0022":"\""}']
)
def test_escapes_make_nothing_out_of_two_different_names(body: str) -> None:
    assert load(body.encode()) == json.loads(body)


def test_values_are_exact() -> None:
    assert load(b'{"a":18446744073709551616,"b":-0,"c":1.0,"d":"\\u0000\\u2028"}') == {
        "a": 2**64,
        "b": 0,
        "c": 1.0,
        "d": "\x00\u2028",
    }


def test_deep_nesting_is_refused_and_no_fault() -> None:
    with pytest.raises(NotStrict):
        load(b"[" * 100_000 + b"]" * 100_000)


def counted(value: Any) -> int:
    """All members and entries."""
    if isinstance(value, dict):
        return len(value) + sum(counted(each) for each in value.values())
    return len(value) + sum(counted(each) for each in value) if isinstance(value, list) else 0


def containers(value: Any) -> int:
    """All lists and objects, the outermost too."""
    if isinstance(value, dict):
        return 1 + sum(containers(each) for each in value.values())
    return 1 + sum(containers(each) for each in value) if isinstance(value, list) else 0


@hypothesis_settings(max_examples=250, deadline=None)
@given(documents, st.integers(0, 12))
def test_modest_never_means_more_values_than_allowed(document: str, most: int) -> None:
    body = document.encode(errors="surrogatepass")
    try:
        value = reference(body)
    except ValueError:
        is_modest(body, most)
        return
    if counted(value) > most:
        assert not is_modest(body, most)
    if counted(value) + containers(value) <= most and "9" * DIGITS_MAX not in document:
        assert is_modest(body, most)


@pytest.mark.parametrize("shift", range(9))
def test_commas_inside_texts_are_no_values_wherever_a_window_ends(shift: int) -> None:
    text = '["' + "x" * shift + ',\\",' * WINDOW_BYTES + '","' + "[" * 20 + '\\\\",1]'
    assert counted(json.loads(text)) == 3
    assert is_modest(text.encode(), 4)
    assert not is_modest(text.encode(), 2)


def test_an_endless_number_is_not_modest_and_a_text_of_digits_is() -> None:
    assert not is_modest(b"[" + b"7" * DIGITS_MAX + b"]", 10)
    assert not is_modest(b"[0." + b"123" * DIGITS_MAX + b"]", 10)
    assert is_modest(b'["' + b"7" * DIGITS_MAX + b'"]', 10)
