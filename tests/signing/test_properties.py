"""What holds for every value, found by trying many."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import assume, given, settings, strategies as st

from hub.signing import (
    INTEGER_MAX,
    Digest,
    Domain,
    HubKey,
    NotCanonical,
    Purpose,
    SignatureInvalid,
    SigningError,
    Statement,
    TextRefused,
    amount_text,
    base64_of,
    canonical,
    frame,
    instant_of,
    instant_text,
    parse,
    public_key,
    seal,
    signature_text,
    unframe,
    verify,
)
from hub.signing.canonical import SIZE_BYTES_MAX, exact
from tests.signing.book import own_canonical

settings.register_profile("signing", deadline=None, max_examples=150, derandomize=True)
TRIED = settings.get_profile("signing")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12).map(
    lambda text: unicodedata.normalize("NFC", text)
)
SCALARS = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
WILD = st.recursive(
    SCALARS | st.floats() | st.decimals() | st.integers() | st.text(max_size=6) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.integers(10**6, 10**7), inner, max_size=4)
    ),
    max_leaves=12,
)
KEY = HubKey.from_seed(bytes(range(32)))
INSTANTS = st.datetimes(
    min_value=datetime(1950, 1, 1),  # noqa: DTZ001 - hypothesis wants bounds without an offset
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
STATEMENTS = st.builds(
    Statement,
    body_digest=st.binary(min_size=32, max_size=32).map(Digest),
    comments=TEXTS,
    key_id=TEXTS.filter(bool),
    purpose=st.sampled_from(Purpose),
    signed_at=INSTANTS.map(instant_text),
    system=TEXTS.filter(bool),
)


def reordered(value: Any, order: Any) -> Any:
    """The same value with the names of every object in another order."""
    if isinstance(value, dict):
        names = list(value)
        order.shuffle(names)
        return {name: reordered(value[name], order) for name in names}
    if isinstance(value, list):
        return [reordered(member, order) for member in value]
    return value


@TRIED
@given(VALUES, st.randoms(use_true_random=False))
def test_order_of_names_does_not_matter(value: Any, order: Any) -> None:
    assert canonical(reordered(value, order)) == canonical(value)


@TRIED
@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    back = parse(canonical(value))
    assert back == value
    assert own_canonical(back) == own_canonical(value)  # True == 1 in Python, and not here


@TRIED
@given(VALUES)
def test_other_canonicalisers_agree(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value) == own_canonical(value).encode()


ANY_TEXT = st.text(max_size=6) | st.sampled_from(
    [
        "\x00",
        "\\u0000",
        "\n\u0301",
        "e\u0301",
        "\u0301",
        "\ud83d\ude00",
        "\uffff",
        "\ud800",
        '"',
        "\x7f",
        "\u1e9b\u0323",
    ]
)


class Word(StrEnum):
    """Text of another type."""

    A = "a"


ODD = st.recursive(
    SCALARS
    | ANY_TEXT
    | st.sampled_from(
        [1.0, Decimal(1), Word.A, UUID(int=0), datetime(2026, 1, 1, tzinfo=UTC), True, 2**53 - 1, 2**53]
    )
    | st.integers(-(2**70), 2**70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(ANY_TEXT | st.sampled_from([Word.A, 7, None]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(TRIED, max_examples=1_500)
@given(ODD)
def test_the_quick_writer_and_the_exact_one_agree(value: Any) -> None:
    assert _said_by(canonical, value) == _said_by(exact, value)


@pytest.mark.parametrize("depth", [31, 32, 33, 34])
def test_the_quick_writer_stops_at_the_same_depth(depth: int) -> None:
    value: Any = "leaf"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value, "b": 1}
    assert _said_by(canonical, value) == _said_by(exact, value)


def test_the_quick_writer_stops_at_the_same_size() -> None:
    for length in (SIZE_BYTES_MAX - 2, SIZE_BYTES_MAX - 1):
        assert _said_by(canonical, "a" * length) == _said_by(exact, "a" * length)


def _said_by(write: Callable[[object], bytes], value: object) -> object:
    try:
        return write(value)
    except NotCanonical as refused:
        return [(each.code, each.path, each.message) for each in refused.violations]


@TRIED
@given(WILD)
def test_any_value_is_written_or_refused_with_paths_that_lead_somewhere(value: Any) -> None:
    try:
        data = canonical(value)
    except NotCanonical as error:
        for found in error.violations:
            place = value
            for step in found.path[:-1]:
                place = place[step] if isinstance(step, int) or step in place else place[int(step)]
    else:
        assert parse(data) == value


@TRIED
@given(
    st.binary(max_size=40)
    | st.text(alphabet='{}[]",:0123456789.eE-+ \\untrfalse\n', max_size=40).map(str.encode)
)
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    try:
        value = parse(data)
    except NotCanonical:
        return
    assert canonical(value) == data


@TRIED
@given(VALUES, st.data())
def test_no_changed_byte_reads_as_the_same_value(value: Any, data: st.DataObject) -> None:
    written = canonical(value)
    position = data.draw(st.integers(0, len(written) - 1))
    changed = bytearray(written)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        back = parse(bytes(changed))
    except NotCanonical:
        return
    assert own_canonical(back) != own_canonical(value)


@TRIED
@given(st.sampled_from(Domain), VALUES)
def test_frames_are_taken_apart_again(domain: Domain, value: Any) -> None:
    assert unframe(frame(domain, value)) == (domain, value)


@TRIED
@given(st.sampled_from(Domain), VALUES, st.sampled_from(Domain), VALUES)
def test_frames_of_two_domains_never_collide(one: Domain, value: Any, two: Domain, other: Any) -> None:
    same = one is two and own_canonical(value) == own_canonical(other)
    assert (frame(one, value) == frame(two, other)) is same


def test_no_domain_line_begins_another() -> None:
    lines = [domain.line for domain in Domain]
    assert [(a, b) for a in lines for b in lines if a is not b and b.startswith(a)] == []


@TRIED
@given(STATEMENTS, st.data())
def test_any_flipped_bit_of_message_or_signature_fails(statement: Statement, data: st.DataObject) -> None:
    message, signature = statement.bytes(), seal(KEY, statement)
    verify(KEY.public, message, signature)
    flip = 1 << data.draw(st.integers(0, 7))
    other_message, other_signature = bytearray(message), bytearray(signature)
    other_message[data.draw(st.integers(0, len(message) - 1))] ^= flip
    other_signature[data.draw(st.integers(0, len(signature) - 1))] ^= flip
    with pytest.raises(SignatureInvalid):
        verify(KEY.public, bytes(other_message), signature)
    with pytest.raises(SignatureInvalid):
        verify(KEY.public, message, bytes(other_signature))


def test_each_single_bit_of_a_signature_counts() -> None:
    signature = KEY.sign(b"pay 10.00 INR")
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureInvalid):
            verify(KEY.public, b"pay 10.00 INR", bytes(changed))


@TRIED
@given(st.binary(min_size=32, max_size=32))
def test_signature_of_another_key_fails(seed: bytes) -> None:
    other = HubKey.from_seed(seed)
    assume(other.public != KEY.public)
    assert public_key(other.public.base64) == other.public  # every seed makes a sound key
    with pytest.raises(SignatureInvalid):
        verify(KEY.public, b"x", other.sign(b"x"))


@TRIED
@given(
    STATEMENTS,
    STATEMENTS,
    st.sets(st.sampled_from([field.name for field in fields(Statement) if field.init])),
)
def test_statements_that_differ_have_different_bytes(one: Statement, two: Statement, taken: set[str]) -> None:
    mixed = replace(one, **{name: getattr(two, name) for name in taken})
    assert (mixed.bytes() == one.bytes()) is (mixed == one)
    assert Statement.read(mixed.bytes()) == mixed


@TRIED
@given(st.text(max_size=90))
def test_base64_and_signature_text_have_one_spelling(text: str) -> None:
    try:
        data = base64_of(text)
    except TextRefused:
        return
    assert signature_text(data) == text


@TRIED
@given(st.integers(-(10**30) + 1, 10**30 - 1), st.integers(0, 6), st.integers(0, 9))
def test_amount_is_exact_and_knows_one_spelling(unscaled: int, scale: int, zeros: int) -> None:
    amount = Decimal(f"{unscaled}E-{scale}")
    text = amount_text(amount, scale)
    assert Decimal(text) == amount
    assert amount_text(Decimal(text), scale) == text
    assert amount_text(Decimal(f"{unscaled * 10**zeros}E-{scale + zeros}"), scale) == text
    assert len(text.partition(".")[2]) == scale
    assert not text.startswith("-0") or amount < 0


@TRIED
@given(st.decimals(allow_nan=True, allow_infinity=True), st.integers(-2, 20))
def test_amount_is_exact_or_refused(amount: Decimal, scale: int) -> None:
    try:
        text = amount_text(amount, scale)
    except TextRefused:
        lossless = amount.is_finite() and 0 <= scale <= 18 and abs(amount) < 10**30
        exponent = amount.normalize().as_tuple().exponent if amount.is_finite() else 0
        assert not lossless or -int(exponent) > scale
    else:
        assert Decimal(text) == amount


@TRIED
@given(INSTANTS)
def test_instant_has_one_text_whatever_its_offset(instant: datetime) -> None:
    text = instant_text(instant)
    assert text == instant_text(instant.astimezone(UTC))
    assert instant_of(text) == instant
    assert text.endswith("Z")
    assert not text.endswith("0Z") or "." not in text


@TRIED
@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_or_refused_with_a_code(raw: bytes) -> None:
    try:
        key = public_key(raw)
    except SigningError as error:
        code = error.code
    else:
        code = "SOUND" if key.raw == raw else "OTHER"
    assert code in {"SOUND", "KEY_NOT_ON_CURVE", "KEY_MIXED_ORDER", "KEY_SMALL_ORDER", "KEY_ENCODING"}
