"""From typed content to its one byte string: nothing is lost, and no two contents share their bytes."""

from __future__ import annotations

import string
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from hub.domain.fiscal_events.content import content_bytes, members, normal_amount
from hub.domain.fiscal_events.model import Attachment, AttachmentKind, Content, LineDraft, Link, Reversal, Tag
from hub.domain.fiscal_events.vocabulary import (
    Classification,
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.errors import InvalidInput
from hub.signing.canonical import parse
from tests.factories import worked_example

texts = st.text(string.ascii_letters + " _/-é水", min_size=1, max_size=12).filter(str.strip)
maybe = st.none() | texts
amounts = st.decimals(-(10**12), 10**12, places=2).map(lambda d: format(d, "f"))
days = st.dates(date(1950, 1, 1), date(2100, 1, 1))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(texts, values, max_size=3)
tags = st.builds(Tag, texts, st.sampled_from(["0.5", "1"]), maybe, maybe)
lines = st.builds(
    LineDraft,
    line_no=st.integers(1, 1000),
    amount=amounts,
    currency=st.just("INR"),
    coa_code=maybe,
    location_code=maybe,
    program_code=maybe,
    project_code=maybe,
    administrative_hierarchy_code=maybe,
    department_code=maybe,
    period_start=days,
    period_end=days,
    tags=st.lists(tags, max_size=2).map(tuple),
    attributes=attributes,
    reverses_line_no=st.none() | st.integers(1, 9),
)
links = st.builds(Link, st.sampled_from(Relation), st.uuids(), st.sampled_from(["evt", "msg"])) | st.builds(
    Link, st.sampled_from(Relation), system=texts, reference_id=texts
)
reversal = st.builds(
    Reversal,
    st.uuids(),
    st.sampled_from(["evt", "msg"]),
    st.sampled_from(ReversalMode),
    st.sampled_from(ReversalReason),
    maybe,
)
attachments = st.builds(
    Attachment,
    st.sampled_from(AttachmentKind),
    *[maybe] * 5,
    st.none() | st.integers(1, 9),
    maybe,
)
contents = st.builds(
    Content,
    kind=st.sampled_from(PostingKind),
    type=st.sampled_from(Type),
    major_type=st.sampled_from(MajorType),
    sub_type=st.sampled_from(SubType),
    reference_id=texts,
    event_time=st.datetimes(  # Hypothesis takes naive bounds and adds the zone itself
        datetime(1950, 1, 1),  # noqa: DTZ001
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    sender=texts,
    receivers=st.lists(texts, max_size=3, unique=True).map(lambda names: tuple(sorted(names))),
    government=texts,
    classification=st.none() | st.sampled_from(Classification),
    topic=maybe,
    correlation_id=maybe,
    qualifier=st.none() | st.sampled_from(Qualifier),
    process=maybe,
    attribute_group=maybe,
    links=st.lists(links, max_size=2).map(tuple),
    reversal=st.none() | reversal,
    lines=st.lists(lines, max_size=3).map(tuple),
    attributes=attributes,
    attachments=st.lists(attachments, max_size=2).map(tuple),
)


@given(contents)
def test_bytes_read_back_are_the_members(content: Content) -> None:
    line, _, body = content_bytes(content).partition(b"\n")
    assert line == f"FXH-{content.kind}-V1".encode()
    assert parse(body) == members(content)


@given(contents, contents)
def test_different_contents_have_different_bytes(one: Content, other: Content) -> None:
    assert (content_bytes(one) == content_bytes(other)) is (one == other)


@given(contents, contents, st.sampled_from(Content.__struct_fields__))
def test_every_field_is_in_the_bytes(one: Content, other: Content, name: str) -> None:
    changed = replace(one, **{name: getattr(other, name)})
    assert (content_bytes(changed) == content_bytes(one)) is (changed == one)


@given(contents, lines, lines, st.sampled_from(LineDraft.__struct_fields__))
def test_every_field_of_a_line_is_in_the_bytes(
    content: Content, line: LineDraft, other: LineDraft, name: str
) -> None:
    one = replace(content, lines=(line,))
    changed = replace(content, lines=(replace(line, **{name: getattr(other, name)}),))
    assert (content_bytes(changed) == content_bytes(one)) is (changed == one)


@given(contents)
def test_the_order_of_receivers_says_nothing(content: Content) -> None:
    assert content_bytes(replace(content, receivers=content.receivers[::-1])) == content_bytes(content)


@given(st.decimals(-(10**12), 10**12, places=2), st.integers(0, 6), st.integers(0, 3))
def test_an_amount_has_one_spelling(amount: Decimal, zeros: int, leading: int) -> None:
    sign, digits = ("-", format(-amount, "f")) if amount < 0 else ("", format(amount, "f"))
    spelled = f"{sign}{'0' * leading}{digits}{'0' * zeros}"
    assert normal_amount(spelled, "INR") == normal_amount(format(amount, "f"), "INR")
    assert Decimal(normal_amount(spelled, "INR") or "x") == amount


@pytest.mark.parametrize(
    ("text", "currency", "normal"),
    [
        ("1.005", "INR", "1.005"),
        ("x", "INR", "x"),
        ("1", "???", "1"),
        ("-0", "INR", "0.00"),
        ("5", "JPY", "5"),
    ],
)
def test_what_has_no_normal_form_stays_for_the_rules(text: str, currency: str, normal: str) -> None:
    assert normal_amount(text, currency) == normal


@pytest.mark.parametrize("text", ["a\x00", "e\u0301", "\ud800"])
def test_texts_without_canonical_bytes_are_refused_by_their_path(text: str) -> None:
    content = worked_example.content(worked_example.record("bill"))
    with pytest.raises(InvalidInput) as refused:
        content_bytes(replace(content, reference_id=text))
    assert [problem.path for problem in refused.value.problems] == [("referenceId",)]


@pytest.mark.parametrize("name", [record["name"] for record in worked_example.example()["records"]])
def test_the_worked_example_reads_back(name: str) -> None:
    content = worked_example.content(worked_example.record(name))
    assert parse(content_bytes(content).partition(b"\n")[2]) == members(content)
