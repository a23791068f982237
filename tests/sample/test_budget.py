"""How rows of a budget file become figures, references, events and heads of account."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hub.sample import chart, content, figures, read_rows, sample_path
from hub.sample.budget import Column, contents, reference_id

HEADER = (
    "grant,budget_year,head_codes,head_title,actuals_two_years_before_crore,budget_estimate_previous_year_crore,"
    "revised_estimate_previous_year_crore,budget_estimate_budget_year_crore\n"
)
ROW = "jails,2019-20,2056-0-1-172-0-1,Jails -> Direction -> Head Quarters -> Salaries,1.5877,1.9095,2.1121,2.106712"


def write(folder: Path, *rows: str) -> Path:
    """A file with these rows."""
    path = folder / "figures.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def test_columns_speak_of_three_fiscal_years(tmp_path: Path) -> None:
    found, skipped = figures(read_rows(write(tmp_path, ROW)))
    said = [(figure.fiscal_year, figure.column, figure.rupees) for figure in found]
    assert said == [
        (2017, Column.ACTUALS, Decimal("15877000.00")),
        (2018, Column.VOTED, Decimal("19095000.00")),
        (2018, Column.REVISED, Decimal("21121000.00")),
        (2019, Column.PROPOSED, Decimal("21067120.00")),
    ]
    assert skipped == []


@pytest.mark.parametrize(
    ("column", "sub_type", "qualifier", "time"),
    [
        (Column.ACTUALS, "DEBIT", None, "2018-03-31T18:29:59Z"),
        (Column.VOTED, "ESTIMATE", "VOTED", "2018-03-31T18:30:00Z"),
        (Column.REVISED, "ESTIMATE", "REVISED", "2019-01-31T18:30:00Z"),
        (Column.PROPOSED, "ESTIMATE", "PROPOSED", "2019-03-31T18:30:00Z"),
    ],
)
def test_an_amount_is_dated_in_the_year_it_speaks_of(
    tmp_path: Path, column: Column, sub_type: str, qualifier: str | None, time: str
) -> None:
    found, _ = figures(read_rows(write(tmp_path, ROW)))
    figure = next(each for each in found if each.column is column)
    event = content(figure, sender="treasury@assam.ifix.org", government="as")
    assert (event["subType"], event.get("qualifier"), event["eventTime"]) == (sub_type, qualifier, time)
    assert event["lines"][0]["periodStart"] == f"{figure.fiscal_year}-04-01"
    assert event["lines"][0]["periodEnd"] == f"{figure.fiscal_year + 1}-03-31"
    assert event["majorType"] == "REVENUE_EXPENDITURE"
    assert event["classification"] == "OPEN"


def test_zero_actuals_are_left_out_and_zero_estimates_are_not(tmp_path: Path) -> None:
    found, skipped = figures(
        read_rows(write(tmp_path, "jails,2019-20,4059-1,Capital -> Offices,0,0,0.0,0.00"))
    )
    assert [figure.column for figure in found] == [Column.VOTED, Column.REVISED, Column.PROPOSED]
    assert [each.column for each in skipped] == [Column.ACTUALS]
    assert content(found[0], sender="a@b.c", government="as")["majorType"] == "CAPITAL_EXPENDITURE"


def test_an_empty_cell_is_not_published(tmp_path: Path) -> None:
    found, skipped = figures(read_rows(write(tmp_path, "jails,2019-20,4059-1,Capital -> Offices,,,,1")))
    assert [figure.column for figure in found] == [Column.PROPOSED]
    assert skipped == []


@pytest.mark.parametrize("crore", ["0.0000000001", "1.1234567891", "-0.5"])
def test_what_is_no_whole_number_of_paise_or_negative_is_refused(tmp_path: Path, crore: str) -> None:
    rows = read_rows(write(tmp_path, f"jails,2019-20,4059-1,Capital -> Offices,,,,{crore}"))
    with pytest.raises(ValueError, match="cannot be posted"):
        figures(rows)


def test_a_paisa_is_not_lost(tmp_path: Path) -> None:
    found, _ = figures(
        read_rows(write(tmp_path, "jails,2019-20,4059-1,Capital -> Offices,,,,1047.422700001"))
    )
    assert content(found[0], sender="a@b.c", government="as")["lines"][0]["amount"] == "10474227000.01"


def test_two_rows_for_one_head_grant_and_year_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two rows for jails 2019-20 2056-0-1-172-0-1"):
        read_rows(write(tmp_path, ROW, ROW))


def test_the_same_head_under_two_grants_stays_two_figures(tmp_path: Path) -> None:
    found, _ = figures(read_rows(write(tmp_path, ROW, ROW.replace("jails,", "police,"))))
    assert len({figure.reference_id for figure in found}) == 8


def test_references_are_short_stable_and_unlike_each_other() -> None:
    found, _ = figures(read_rows(sample_path()))
    references = {figure.reference_id for figure in found}
    assert len(references) == len(found)
    assert max(len(each) for each in references) <= 64
    assert "AS/jails/2018-19/2056-0-1-172-0-1/REV" in references


def test_a_long_reference_keeps_its_start_and_stays_unique() -> None:
    one, two = (
        reference_id("jails", "2019-20", "2056" + "-123456" * 9 + tail, Column.VOTED) for tail in ("-1", "-2")
    )
    assert len(one) == len(two) == 64
    assert one != two
    assert one.startswith("AS/jails/2019-20/2056-123456")


def test_each_stage_follows_the_one_before(tmp_path: Path) -> None:
    next_year = ROW.replace("2019-20", "2020-21")
    after_next = ROW.replace("2019-20", "2021-22")
    found, _ = figures(read_rows(write(tmp_path, ROW, next_year, after_next)))
    events = {each["referenceId"]: each for each in contents(found, sender="a@b.c", government="as")}
    followed = {
        name: [link["referenceId"] for link in event["links"]]
        for name, event in events.items()
        if event["lines"][0]["periodStart"] == "2019-04-01"
    }
    head = "2056-0-1-172-0-1"
    assert followed == {
        f"AS/jails/2019-20/{head}/BE": [],
        f"AS/jails/2020-21/{head}/BEP": [f"AS/jails/2019-20/{head}/BE"],
        f"AS/jails/2020-21/{head}/REV": [f"AS/jails/2020-21/{head}/BEP"],
        f"AS/jails/2021-22/{head}/ACT": [f"AS/jails/2020-21/{head}/REV"],
    }


def test_the_chart_names_every_tier_from_the_title(tmp_path: Path) -> None:
    assert chart(read_rows(write(tmp_path, ROW))) == [
        {"code": "2056", "name": "Jails"},
        {"code": "2056-0", "name": "Not subdivided"},
        {"code": "2056-0-1", "name": "Direction"},
        {"code": "2056-0-1-172", "name": "Head Quarters"},
        {"code": "2056-0-1-172-0", "name": "Not subdivided"},
        {"code": "2056-0-1-172-0-1", "name": "Salaries"},
    ]


def test_the_latest_published_name_stands(tmp_path: Path) -> None:
    renamed = ROW.replace("2019-20", "2020-21").replace("Salaries", "Pay")
    names = {each["code"]: each["name"] for each in chart(read_rows(write(tmp_path, renamed, ROW)))}
    assert names["2056-0-1-172-0-1"] == "Pay"
