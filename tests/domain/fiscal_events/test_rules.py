"""Rules of postings that need no database, by table and by property."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from hub.codes import Code
from hub.domain.fiscal_events.content import read_amount
from hub.domain.fiscal_events.model import Attachment, AttachmentKind, Content, LineDraft, Link, Tag
from hub.domain.fiscal_events.rules import at_scale, check_content, check_idempotency_key, fiscal_year
from hub.domain.fiscal_events.vocabulary import (
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    SubType,
    Type,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINE = LineDraft(1, "10.00", "INR", "4215", period_start=date(2026, 4, 1), period_end=date(2027, 3, 31))
EVENT = Content(
    kind=PostingKind.EVENT,
    type=Type.EXPENDITURE,
    major_type=MajorType.CAPITAL_EXPENDITURE,
    sub_type=SubType.BILL,
    reference_id="R-1",
    event_time=NOW,
    sender="a@punjab.ifix.org",
    government="pb",
    lines=(LINE,),
)


def codes(content: Content) -> set[Code]:
    """What is wrong with it."""
    return {problem.code for problem in check_content(content, NOW)}


def with_line(**over: object) -> Content:
    """The event with one changed line."""
    return replace(EVENT, lines=(replace(LINE, **over),))


def test_a_sound_event_has_no_problem() -> None:
    assert codes(EVENT) == set()


@pytest.mark.parametrize(
    ("start", "end", "sub_type", "fits"),
    [
        (date(2026, 4, 1), date(2031, 3, 31), SubType.BILL, True),
        (date(2026, 4, 1), date(2031, 4, 1), SubType.BILL, False),
        (date(2026, 4, 1), date(2036, 3, 31), SubType.PLAN, True),
        (date(2026, 4, 1), date(2036, 4, 1), SubType.PLAN, False),
        (date(2024, 2, 29), date(2029, 2, 28), SubType.BILL, True),
        (date(2024, 2, 29), date(2029, 3, 1), SubType.BILL, False),
        (date(9999, 12, 31), date(9999, 12, 31), SubType.BILL, True),
        (date(9996, 1, 1), date(9999, 12, 31), SubType.BILL, True),
        (date(1, 1, 1), date(1, 1, 1), SubType.BILL, True),
    ],
)
def test_a_period_spans_five_years_or_ten_for_a_plan(
    start: date, end: date, sub_type: SubType, *, fits: bool
) -> None:
    content = replace(with_line(period_start=start, period_end=end), sub_type=sub_type)
    assert (Code.PERIOD_SPAN not in codes(content)) is fits


@pytest.mark.parametrize(
    ("day", "start", "year"),
    [
        (date(2026, 3, 31), (4, 1), 2025),
        (date(2026, 4, 1), (4, 1), 2026),
        (date(2026, 1, 1), (1, 1), 2026),
        (date(2024, 2, 29), (3, 1), 2023),
        (date(2026, 7, 1), (7, 1), 2026),
        (date(2026, 6, 30), (7, 1), 2025),
    ],
)
def test_fiscal_year(day: date, start: tuple[int, int], year: int) -> None:
    assert fiscal_year(day, start) == year


@given(st.dates(date(1950, 1, 2)), st.integers(1, 12))
def test_a_fiscal_year_holds_its_days(day: date, month: int) -> None:
    year = fiscal_year(day, (month, 1))
    assert date(year, month, 1) <= day
    assert year + 1 > date.max.year or day < date(year + 1, month, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", "12.50"),
        ("-12.50", "-12.50"),
        ("007", "7"),
        ("0", "0"),
        *((bad, None) for bad in ("", "-", ".", "1.", ".5", "+1", "--1", "1e3", "1_0", "1,0", " 1", "1\n")),
        *((bad, None) for bad in ("NaN", "Infinity", "٣", "1" * 41, "0x1", "1.2.3", "-.1")),
    ],
)
def test_amounts_are_read_in_plain_notation_alone(text: str, value: str | None) -> None:
    assert read_amount(text) == (Decimal(value) if value is not None else None)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**15) + 1, max_value=10**15 - 1, places=2
    )
)
def test_at_scale_keeps_the_value(amount: Decimal) -> None:
    assert at_scale(amount, "INR") == amount
    assert format(at_scale(amount, "INR"), "f").rpartition(".")[2].__len__() == 2


@given(st.integers(0, 10**15 - 1), st.integers(1, 22), st.integers(1, 9))
def test_no_digit_beyond_the_scale_is_overlooked(whole: int, zeros: int, digit: int) -> None:
    text = f"{whole}.{'0' * (zeros + 1)}{digit}"
    assert Code.AMOUNT_SCALE in codes(with_line(amount=text))


@given(st.integers(1, 10**15 - 1), st.integers(0, 24))
def test_trailing_zeros_are_no_digits(whole: int, zeros: int) -> None:
    assert codes(with_line(amount=f"{whole}.{'0' * (zeros + 1)}")) <= {Code.AMOUNT}
    assert Code.AMOUNT_SCALE not in codes(with_line(amount=f"{whole}.1{'0' * zeros}"))


@pytest.mark.parametrize(
    ("amount", "sub_type", "qualifier", "found"),
    [
        ("-1", SubType.BILL, None, {Code.NEGATIVE_AMOUNT}),
        ("-1", SubType.PLAN, Qualifier.REVISED, {Code.NEGATIVE_AMOUNT}),
        ("-1", SubType.ESTIMATE, Qualifier.REVISED, set()),
        ("-1", SubType.ESTIMATE, Qualifier.SURRENDER, set()),
        ("-1", SubType.ESTIMATE, Qualifier.VOTED, {Code.NEGATIVE_AMOUNT}),
        ("0", SubType.BILL, None, {Code.ZERO_AMOUNT}),
        ("0", SubType.PLAN, None, set()),
        ("0", SubType.ESTIMATE, Qualifier.VOTED, set()),
        ("999999999999999.99", SubType.BILL, None, set()),
        ("1000000000000000", SubType.BILL, None, {Code.AMOUNT}),
    ],
)
def test_signs_and_sizes(
    amount: str, sub_type: SubType, qualifier: Qualifier | None, found: set[Code]
) -> None:
    assert codes(replace(with_line(amount=amount), sub_type=sub_type, qualifier=qualifier)) == found


@pytest.mark.parametrize(
    ("currency", "amount", "fits"),
    [("JPY", "1", True), ("JPY", "1.1", False), ("KWD", "1.123", True), ("KWD", "1.1234", False)],
)
def test_each_currency_has_its_scale(currency: str, amount: str, *, fits: bool) -> None:
    assert (Code.AMOUNT_SCALE not in codes(with_line(currency=currency, amount=amount))) is fits


@pytest.mark.parametrize(
    ("event_time", "found"),
    [
        (NOW + timedelta(minutes=5), set()),
        (NOW + timedelta(minutes=5, microseconds=1), {Code.EVENT_TIME_FUTURE}),
        (datetime(1950, 1, 1, tzinfo=UTC), set()),
        (datetime(1949, 12, 31, 23, 59, 59, tzinfo=UTC), {Code.EVENT_TIME}),
        (datetime.min.replace(tzinfo=UTC), {Code.EVENT_TIME}),
        (datetime.max.replace(tzinfo=UTC), {Code.EVENT_TIME_FUTURE}),
    ],
)
def test_event_times(event_time: datetime, found: set[Code]) -> None:
    assert codes(replace(EVENT, event_time=event_time)) == found


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        (Tag("sdg", "1"), set()),
        (Tag("sdg", "1.0000"), set()),
        (Tag("sdg", "0.0001"), set()),
        *(
            (Tag("sdg", share), {Code.TAG_SHARE})
            for share in ("0", "0.0000", "1.1", "0.00001", "1e-1", "", "-0.5")
        ),
        (Tag("", "1"), {Code.TEXT}),
        (Tag("gender-budget", "1"), {Code.TAG_SEGMENT}),
        (Tag("gender-budget", "1", "households", " "), {Code.TAG_SEGMENT}),
        (Tag("gender-budget", "1", "households", "women"), set()),
        (Tag("sdg", "1", "x" * 257), {Code.TAG_SEGMENT}),
    ],
)
def test_tags(tag: Tag, found: set[Code]) -> None:
    assert codes(with_line(tags=(tag,))) == found


@given(
    st.builds(
        Link,
        st.just(Relation.FOLLOWS),
        st.none() | st.uuids(),
        st.none(),
        st.none() | st.just("s"),
        st.none() | st.just("r"),
    )
)
def test_a_link_names_one_thing(link: Link) -> None:
    named = (link.posting_id is not None, link.system is not None, link.reference_id is not None)
    fine = named in {(True, False, False), (False, True, True)}
    assert (codes(replace(EVENT, links=(link,))) == set()) is fine


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(AttachmentKind.KEY_VALUE, "k", "v", sha256="zz"),
        Attachment(AttachmentKind.KEY_VALUE, "k", "v", name="n"),
        Attachment(AttachmentKind.KEY_VALUE, "k", ""),
        Attachment(AttachmentKind.KEY_VALUE, "k" * 65, "v"),
        Attachment(AttachmentKind.DOCUMENT, "k", None, "n", None, "application/pdf", 1, "0" * 64),
    ],
)
def test_an_attachment_is_one_kind_alone(attachment: Attachment) -> None:
    assert codes(replace(EVENT, attachments=(attachment,))) == {Code.ATTACHMENT_KEY}


@given(st.text(max_size=300))
def test_idempotency_keys_are_1_to_255_printable_characters(key: str) -> None:
    assert (check_idempotency_key(key) == []) is (1 <= len(key) <= 255 and key.isprintable())
