"""Which types, sub-types, qualifiers, links and heads of account go together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.codes import Code
from hub.domain.fiscal_events.vocabulary import (
    LinkEnd,
    MajorType,
    PostingKind,
    Qualifier,
    Relation,
    SubType,
    Type,
    check_types,
    coa_side_matches,
    relation_problem,
)
from hub.errors import Problem

REVENUE, EXPENDITURE = Type.REVENUE, Type.EXPENDITURE
RECEIPTS = (MajorType.REVENUE_RECEIPT, MajorType.CAPITAL_RECEIPT)
SPENDING = (MajorType.REVENUE_EXPENDITURE, MajorType.CAPITAL_EXPENDITURE)


def _found(problems: Sequence[Problem]) -> list[tuple[Code, tuple[str | int, ...]]]:
    return [(problem.code, problem.path) for problem in problems]


@pytest.mark.parametrize(
    ("type_", "major_type", "sub_type", "qualifier", "process", "errors"),
    [
        pytest.param(
            REVENUE, RECEIPTS[0], SubType.BILL, None, None,
            [(Code.SUBTYPE_NOT_ALLOWED, ("subType",))], id="N-01",
        ),
        pytest.param(
            EXPENDITURE, SPENDING[0], SubType.RECEIPT, None, None,
            [(Code.SUBTYPE_NOT_ALLOWED, ("subType",))], id="N-02",
        ),
        pytest.param(EXPENDITURE, SPENDING[1], SubType.DEMAND, None, "release_of_funds", [], id="N-03"),
        pytest.param(
            EXPENDITURE, SPENDING[1], SubType.DEMAND, None, None,
            [(Code.SUBTYPE_NOT_ALLOWED, ("subType",))], id="N-04",
        ),
        pytest.param(
            EXPENDITURE, SPENDING[1], SubType.DEMAND, None, "work_bill_payment",
            [(Code.SUBTYPE_NOT_ALLOWED, ("subType",))], id="N-04-other-process",
        ),
        pytest.param(
            REVENUE, RECEIPTS[0], SubType.PAYMENT, None, "release_of_funds",
            [(Code.SUBTYPE_NOT_ALLOWED, ("subType",))], id="N-05-other-process",
        ),
        pytest.param(
            Type.DEBT, RECEIPTS[1], SubType.RECEIPT, None, None,
            [(Code.TYPE_NOT_OPEN, ("type",))], id="N-06",
        ),
        pytest.param(
            REVENUE, SPENDING[1], SubType.DEMAND, None, None,
            [(Code.MAJOR_TYPE, ("majorType",))], id="N-07",
        ),
        pytest.param(
            EXPENDITURE, SPENDING[1], SubType.ESTIMATE, None, None,
            [(Code.QUALIFIER, ("qualifier",))], id="N-08",
        ),
        pytest.param(EXPENDITURE, SPENDING[1], SubType.PLAN, None, None, [], id="plan-needs-no-qualifier"),
        pytest.param(
            EXPENDITURE, SPENDING[1], SubType.PLAN, Qualifier.REVISED, None, [], id="plan-may-have-qualifier",
        ),
        pytest.param(
            EXPENDITURE, SPENDING[0], SubType.BILL, Qualifier.APPROVED, None,
            [(Code.QUALIFIER, ("qualifier",))], id="bill-has-no-qualifier",
        ),
        pytest.param(
            REVENUE, SPENDING[0], SubType.BILL, Qualifier.VOTED, None,
            [
                (Code.MAJOR_TYPE, ("majorType",)),
                (Code.SUBTYPE_NOT_ALLOWED, ("subType",)),
                (Code.QUALIFIER, ("qualifier",)),
            ],
            id="every-violation-at-once",
        ),
    ],
)  # fmt: skip
def test_types_are_judged(
    *,
    type_: Type,
    major_type: MajorType,
    sub_type: SubType,
    qualifier: Qualifier | None,
    process: str | None,
    errors: list[tuple[Code, tuple[str | int, ...]]],
) -> None:
    verdict = check_types(type_, major_type, sub_type, qualifier=qualifier, process=process)

    assert _found(verdict.errors) == errors
    assert verdict.warnings == ()
    assert verdict.sub_type is sub_type


@pytest.mark.parametrize("major_type", RECEIPTS)
def test_n05_payment_in_collection_is_stored_as_receipt(major_type: MajorType) -> None:
    verdict = check_types(REVENUE, major_type, SubType.PAYMENT, qualifier=None, process="revenue_collection")

    assert verdict.sub_type is SubType.RECEIPT
    assert verdict.errors == ()
    assert _found(verdict.warnings) == [(Code.SUBTYPE_ALIASED, ("subType",))]


ALLOWED = {
    REVENUE: "ESTIMATE PLAN DEMAND RECEIPT CREDIT",
    EXPENDITURE: "ESTIMATE PLAN BILL PAYMENT DEBIT",
}


@pytest.mark.parametrize("sub_type", SubType)
@pytest.mark.parametrize(
    ("type_", "major_type"), [(REVENUE, m) for m in RECEIPTS] + [(EXPENDITURE, m) for m in SPENDING]
)
def test_table_of_sub_types_by_major_type(type_: Type, major_type: MajorType, sub_type: SubType) -> None:
    verdict = check_types(type_, major_type, sub_type, qualifier=Qualifier.PROPOSED, process=None)

    refused = Code.SUBTYPE_NOT_ALLOWED in {problem.code for problem in verdict.errors}
    assert refused is (sub_type not in ALLOWED[type_].split())


def _event(type_: Type, sub_type: SubType) -> LinkEnd:
    return LinkEnd(type_, sub_type)


LISTED = {
    (Relation.PART_OF, "ESTIMATE", "ESTIMATE"),
    (Relation.FUNDED_BY, "ESTIMATE", "PLAN"),
    (Relation.IMPLEMENTS, "PLAN", "PLAN"),
    (Relation.DRAWS_ON, "DEMAND", "ESTIMATE"),
    (Relation.DRAWS_ON, "BILL", "DEMAND"),
    (Relation.DRAWS_ON, "BILL", "ESTIMATE"),
    (Relation.DRAWS_ON, "PLAN", "ESTIMATE"),
    (Relation.SETTLES, "PAYMENT", "BILL"),
    (Relation.SETTLES, "DEBIT", "PAYMENT"),
    (Relation.SETTLES, "RECEIPT", "DEMAND"),
    (Relation.SETTLES, "CREDIT", "RECEIPT"),
}


@pytest.mark.parametrize(
    "relation",
    [Relation.PART_OF, Relation.FUNDED_BY, Relation.IMPLEMENTS, Relation.DRAWS_ON, Relation.SETTLES],
)
def test_exactly_the_listed_pairs_are_allowed(relation: Relation) -> None:
    for child in SubType:
        for parent in SubType:
            problem = relation_problem(relation, _event(EXPENDITURE, child), _event(EXPENDITURE, parent))
            if (relation, child.value, parent.value) in LISTED:
                assert problem is None, (relation, child, parent)
            else:
                assert problem is not None, (relation, child, parent)
                assert problem.code is Code.RELATION_NOT_ALLOWED


def test_a_receipt_does_not_settle_a_demand_between_departments() -> None:
    receipt, tranche = _event(REVENUE, SubType.RECEIPT), _event(EXPENDITURE, SubType.DEMAND)

    assert relation_problem(Relation.SETTLES, receipt, tranche) is not None
    assert relation_problem(Relation.SETTLES, receipt, _event(REVENUE, SubType.DEMAND)) is None


def test_follows_is_allowed_between_any_two() -> None:
    message = LinkEnd(REVENUE, SubType.CREDIT, PostingKind.MESSAGE)

    assert relation_problem(Relation.FOLLOWS, _event(EXPENDITURE, SubType.BILL), message) is None
    assert relation_problem(Relation.FOLLOWS, message, _event(EXPENDITURE, SubType.BILL)) is None


def test_concerns_leads_from_a_message_to_an_event() -> None:
    event = _event(EXPENDITURE, SubType.BILL)
    message = LinkEnd(EXPENDITURE, SubType.BILL, PostingKind.MESSAGE)

    assert relation_problem(Relation.CONCERNS, message, event) is None
    assert relation_problem(Relation.CONCERNS, event, event) is not None
    assert relation_problem(Relation.CONCERNS, message, message) is not None


def test_a_message_settles_nothing() -> None:
    bill = _event(EXPENDITURE, SubType.BILL)
    message = LinkEnd(EXPENDITURE, SubType.PAYMENT, PostingKind.MESSAGE)

    assert relation_problem(Relation.SETTLES, message, bill) is not None


def test_replaces_stays_within_a_kind_and_may_change_the_sub_type() -> None:
    payment, bill = _event(EXPENDITURE, SubType.PAYMENT), _event(EXPENDITURE, SubType.BILL)
    message = LinkEnd(EXPENDITURE, SubType.BILL, PostingKind.MESSAGE)

    assert relation_problem(Relation.REPLACES, payment, bill) is None
    assert relation_problem(Relation.REPLACES, message, bill) is not None


@pytest.mark.parametrize("parent", SubType)
def test_accounted_leads_to_completed_transfers(parent: SubType) -> None:
    problem = relation_problem(
        Relation.ACCOUNTED, _event(EXPENDITURE, SubType.DEBIT), _event(EXPENDITURE, parent)
    )

    assert (problem is None) is (parent in {SubType.DEBIT, SubType.CREDIT})


@pytest.mark.parametrize(
    ("major_head", "sides"),
    [
        ("0215", {"REVENUE_RECEIPT"}),
        ("1601", {"REVENUE_RECEIPT"}),
        ("2215", {"REVENUE_EXPENDITURE"}),
        ("3604", {"REVENUE_EXPENDITURE"}),
        ("4000", {"CAPITAL_RECEIPT"}),
        ("4215", {"CAPITAL_EXPENDITURE"}),
        ("5054", {"CAPITAL_EXPENDITURE"}),
        ("6003", {"CAPITAL_RECEIPT", "CAPITAL_EXPENDITURE"}),
        ("7610", {"CAPITAL_RECEIPT", "CAPITAL_EXPENDITURE"}),
    ],
)
def test_side_of_a_major_head(major_head: str, sides: set[str]) -> None:
    assert {m.value for m in MajorType if coa_side_matches(major_head, m)} == sides
    assert all(coa_side_matches(major_head, m) is not None for m in MajorType)


@pytest.mark.parametrize("major_head", ["8658", "9001", "221", "22150", "22A5", "", "२२१५", "2215\n"])
def test_some_heads_do_not_tell_their_side(major_head: str) -> None:
    assert coa_side_matches(major_head, MajorType.REVENUE_EXPENDITURE) is None


def test_n17_revenue_head_under_capital_expenditure_does_not_match() -> None:
    assert coa_side_matches("2215", MajorType.CAPITAL_EXPENDITURE) is False
