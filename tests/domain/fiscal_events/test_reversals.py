"""The arithmetic of taking back, without a database."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from hub.codes import Code
from hub.domain.fiscal_events.model import (
    Balance,
    Line,
    Posting,
    ReversalRequest,
    ReversedLine,
)
from hub.domain.fiscal_events.reversals import build, is_used_up, parts, undone
from hub.domain.fiscal_events.vocabulary import (
    Classification,
    MajorType,
    PostingKind,
    ReversalMode,
    ReversalReason,
    SubType,
    Type,
)
from hub.errors import InvalidInput

ID = uuid.UUID(int=1)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
money = st.decimals(-1000, 1000, places=2)


def line(line_no: int, amount: Decimal) -> Line:
    """A stored line."""
    return Line(
        ID, line_no, amount, "INR", date(2026, 4, 1), date(2027, 3, 31),
        ({"scheme": "sdg", "share": "0.5"},), {}, None,
        "4215", None, None, None, None, None, None, None, None, None, None, None, None, None, None,
    )  # fmt: skip


def posting(lines: list[Line]) -> Posting:
    """A stored posting with these lines."""
    return Posting(
        tenant_id=ID, id=ID, kind=PostingKind.EVENT, environment="LIVE", government="pb", sender_id=ID,
        sender_agency_id=ID, sender="a@punjab.ifix.org", narrowed=False, schema_version="3.0",
        classification=Classification.OPEN, topic=None, correlation_id=None, type=Type.EXPENDITURE,
        major_type=MajorType.CAPITAL_EXPENDITURE, sub_type=SubType.BILL, qualifier=None, process=None,
        attribute_group=None, reference_id="R", event_time=NOW, posted_at=NOW, fiscal_year=2026,
        month=date(2026, 11, 1), currency="INR", total_amount=sum((x.amount for x in lines), Decimal(0)),
        line_count=len(lines), period_start=None, period_end=None, attributes={}, warnings=(),
        reverses_id=None, reversal_mode=None, reversal_reason=None, reversal_comment=None, content=b"",
        content_digest=b"",
    )  # fmt: skip


def request(mode: ReversalMode, *taken: tuple[int, str]) -> ReversalRequest:
    """Take back."""
    wanted = tuple(ReversedLine(n, amount) for n, amount in taken)
    return ReversalRequest(ID, "evt", mode, ReversalReason.ERROR, "REV", NOW, lines=wanted)


@given(st.lists(st.tuples(money, st.integers(0, 100)), min_size=1, max_size=6))
def test_a_full_reversal_takes_exactly_what_is_left(amounts: list[tuple[Decimal, int]]) -> None:
    lines = [line(n, amount) for n, (amount, _) in enumerate(amounts, 1)]
    taken = {
        n: (amount * share / 100).quantize(Decimal("0.01")) for n, (amount, share) in enumerate(amounts, 1)
    }
    balances = {x.line_no: Balance(ID, x.line_no, x.amount, taken[x.line_no]) for x in lines}
    content = build(request(ReversalMode.FULL), posting(lines), lines, balances, ["b@punjab.ifix.org"])
    back = parts(content)
    assert content.receivers == ("b@punjab.ifix.org",)
    for x in lines:
        assert taken[x.line_no] + back.get(x.line_no, Decimal(0)) == x.amount
        assert (x.line_no in back) is (taken[x.line_no] != x.amount or x.amount == 0)
    assert [x.line_no for x in content.lines] == list(range(1, len(content.lines) + 1))


def test_a_reversal_s_lines_repeat_codes_period_and_tags() -> None:
    source = line(7, Decimal("5.00"))
    content = build(request(ReversalMode.FULL), posting([source]), [source], {}, [])
    (mirrored,) = content.lines
    assert (mirrored.line_no, mirrored.reverses_line_no, mirrored.amount) == (1, 7, "-5.00")
    assert (mirrored.coa_code, mirrored.period_start, mirrored.period_end) == (
        source.coa_code,
        source.period_start,
        source.period_end,
    )
    assert [(tag.scheme, tag.share) for tag in mirrored.tags] == [("sdg", "0.5")]


@pytest.mark.parametrize(
    ("mode", "taken", "code"),
    [
        (ReversalMode.FULL, [(1, "1.00")], Code.REVERSAL_LINE),
        (ReversalMode.PARTIAL, [], Code.REVERSAL_LINE),
        (ReversalMode.PARTIAL, [(2, "1.00")], Code.REVERSAL_LINE),
        (ReversalMode.PARTIAL, [(1, "1.00"), (1, "1.00")], Code.REVERSAL_LINE),
        (ReversalMode.PARTIAL, [(1, "one")], Code.AMOUNT),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    mode: ReversalMode, taken: list[tuple[int, str]], code: Code
) -> None:
    lines = [line(1, Decimal("5.00"))]
    with pytest.raises(InvalidInput) as refused:
        build(request(mode, *taken), posting(lines), lines, {}, [])
    assert [problem.code for problem in refused.value.problems] == [code]


@given(st.lists(money, min_size=1, max_size=5), st.data())
def test_what_was_taken_back_is_undone_exactly(amounts: list[Decimal], data: st.DataObject) -> None:
    before = {
        n: Balance(ID, n, amount, data.draw(st.sampled_from([Decimal(0), amount])))
        for n, amount in enumerate(amounts, 1)
    }
    reversal = [replace(line(n, -(b.amount - b.reversed)), reverses_line_no=n) for n, b in before.items()]
    after = {n: Balance(ID, n, b.amount, b.amount) for n, b in before.items()}
    assert undone(after, reversal) == before


@pytest.mark.parametrize(
    ("balances", "used"),
    [
        ([], False),
        ([("5", "5")], True),
        ([("5", "4.99")], False),
        ([("5", "5"), ("-5", "-5")], True),
        ([("5", "0"), ("-5", "0")], False),
        ([("0", "0")], False),
        ([("0", "0"), ("5", "5")], True),
    ],
)
def test_used_up_means_every_line(balances: list[tuple[str, str]], *, used: bool) -> None:
    made = {n: Balance(ID, n, Decimal(a), Decimal(r)) for n, (a, r) in enumerate(balances, 1)}
    assert is_used_up(made) is used
