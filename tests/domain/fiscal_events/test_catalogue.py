"""The attribute catalogue: what it holds, which values it takes, and what it finds in a posting."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from hub.codes import Code
from hub.domain.fiscal_events import catalogue
from hub.domain.fiscal_events.attribute_rules import (
    FORMULAS,
    SIZE_BYTES_MAX,
    STANDS_FOR,
    Attributed,
    Findings,
    carried_fields,
    check_attributes,
)
from hub.domain.fiscal_events.attribute_values import RATES, Attribute, ValueType, value_problem
from hub.domain.fiscal_events.vocabulary import AttributePolicy, MajorType, SubType, check_types
from hub.errors import Problem
from hub.signing import Value
from tests.factories import worked_example

CATALOGUE = catalogue.load()
ENFORCE, WARN, OFF = AttributePolicy.ENFORCE, AttributePolicy.WARN, AttributePolicy.OFF
SHAPE_CODES = {Code.ATTRIBUTE_KEY, Code.ATTRIBUTES_SIZE}

BILL_CARRIED = frozenset(
    {
        "body.eventTime",
        "body.referenceId",
        "line.amount",
        "line.coaCode",
        "line.period",
        "line.administrativeHierarchyCode",
    }
)
BILL: dict[str, Value] = {
    "vendor_name": "Sutlej Jal Engineering LLP",
    "vendor_bank_account": "••••7721",
    "bill_type": "WORKS_RUNNING",
    "reference_no": "RA-01/AGR-118",
    "gross_amount": "1850000.00",
    "deduction_amount": "148000.00",
    "net_amount": "1702000.00",
}


def _bill(attributes: Mapping[str, Value] | None = None, /, **changes: Any) -> Attributed:
    """A posting of group ddo_work_bill that lacks nothing, with the given attributes on top."""
    posting = Attributed(
        process="work_bill_payment",
        attribute_group="ddo_work_bill",
        major_type=MajorType.CAPITAL_EXPENDITURE,
        sub_type=SubType.BILL,
        attributes={**BILL, **(attributes or {})},
        carried=BILL_CARRIED,
    )
    return dataclasses.replace(posting, **changes)


def _without(*keys: str) -> dict[str, Value]:
    return {key: value for key, value in BILL.items() if key not in keys}


def _codes(problems: list[Problem]) -> list[tuple[Code, tuple[str | int, ...]]]:
    return [(problem.code, problem.path) for problem in problems]


# The catalogue itself


def test_catalogue_is_complete() -> None:
    assert len(CATALOGUE.processes) == 16
    assert len(CATALOGUE.groups) == 27
    assert len(CATALOGUE.attributes) == 121 + 6


def test_every_key_of_a_group_is_in_the_catalogue() -> None:
    for group in CATALOGUE.groups.values():
        assert {*group.core, *group.ancillary, group.line_amount_from} <= CATALOGUE.attributes.keys()
        assert group.process in CATALOGUE.processes
        assert set(group.major_types) <= set(CATALOGUE.processes[group.process].major_types)
        assert not set(group.core) & set(group.ancillary)


def test_every_check_of_the_catalogue_has_a_formula() -> None:
    checks = {attribute.check for attribute in CATALOGUE.attributes.values() if attribute.check}

    assert checks == FORMULAS.keys()
    terms = {term.key for formula in FORMULAS.values() for term in formula}
    assert terms <= CATALOGUE.attributes.keys()


def test_decisions_of_ours_name_attributes_of_the_catalogue() -> None:
    assert {CATALOGUE.attributes[key].value_type for key in RATES} == {ValueType.DECIMAL}
    assert {*STANDS_FOR, *STANDS_FOR.values()} <= CATALOGUE.attributes.keys()


def test_sanction_number_date_amount_and_head_are_core() -> None:
    group = CATALOGUE.groups["financial_sanction"]

    assert group.core[-4:] == ("sanction_number", "sanction_date", "sanction_amount", "coa_code")


def test_groups_of_a_process_come_in_the_order_of_its_steps() -> None:
    keys = [group.key for group in CATALOGUE.groups_of("work_bill_payment")]

    assert keys == ["vendor_bill", "ddo_work_bill", "work_payment_advice", "work_payment_completion"]
    assert CATALOGUE.groups_of("audit") == []
    assert len(CATALOGUE.groups_of(None)) == 27


def test_shipped_file_parses_into_attributes_that_can_all_be_checked() -> None:
    file = resources.files("hub.domain.fiscal_events").joinpath("fiscal-attributes.json")
    raw = json.loads(file.read_text("utf-8"))

    assert {entry["key"] for entry in raw["attributes"]} | {e["key"] for e in raw["hub_attributes"]} == set(
        CATALOGUE.attributes
    )


@pytest.mark.parametrize(
    "form", [{"shape": "a map of things"}, {"mask": "keep first 2"}, {"value_type": "float"}]
)
def test_an_attribute_nobody_could_check_is_refused(form: dict[str, object]) -> None:
    entry = {"key": "k", "label": "K", "value_type": "string", "carrier": "body.attributes", **form}

    with pytest.raises(ValueError):  # noqa: PT011  each form has its own words
        Attribute.of(entry)


# Personal data


def test_every_value_flagged_personal_is_masked() -> None:
    assert catalogue.masked_keys() == {
        "announced_by",
        "approved_by",
        "employee_bank_account",
        "employee_name",
        "payer_bank_account",
        "vendor_bank_account",
        "vendor_name",
    }


def test_masking_keeps_the_end_of_an_account_number_alone() -> None:
    account: Value = {"account_number": "004400117721", "ifsc": "SBIN0001122", "account_holder": "Asha Devi"}

    shown = catalogue.masked_values(
        {
            "employee_name": "Asha Devi",
            "employee_bank_account": "004400117721",
            "payer_bank_account": account,
            "vendor_bank_account": "7721",
            "bill_type": "WORKS_RUNNING",
        }
    )

    assert shown == {
        "employee_name": "••••",
        "employee_bank_account": "••••7721",
        "payer_bank_account": {"account_number": "••••7721", "ifsc": "••••", "account_holder": "••••"},
        "vendor_bank_account": "••••",
        "bill_type": "WORKS_RUNNING",
    }


def test_masking_reaches_into_lists_and_other_values() -> None:
    shown = catalogue.masked_values({"vendor_name": ["Asha Devi", {"surname": "Devi"}, 7]})

    assert shown == {"vendor_name": ["••••", {"surname": "••••"}, "••••"]}


# Values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bill_type", "WORKS_RUNNING"),
        ("net_amount", "0"),
        ("net_amount", "-12.5"),
        ("net_amount", "999999999999999.99"),
        ("contract_rate", "0.9500"),
        ("interest_rate", "7.125000"),
        ("award_date", "2026-07-09"),
        ("payment_datetime", "2026-10-06T09:30:00+05:30"),
        ("payment_datetime", "2026-10-06T04:00:00Z"),
        ("employee_count", 12),
        ("salary_month", 12),
        ("financial_year", "2026-27"),
        ("transfer", "INTRA"),
        ("work_plan", "sha256:3f0c9a"),
        ("major_milestones", "Tube well"),
        ("major_milestones", ["Tube well", "Taps"]),
        ("activity_costs", ["10.00", "20.00"]),
        ("vendor_bank_account", "••••7721"),
        ("vendor_bank_account", {"account_number": "004400117721", "ifsc": "SBIN0001122"}),
        ("deductions", [{"code": "TDS", "amount": "37000.00", "coaCode": "8658-00-112-00-00-00"}]),
    ],
)
def test_well_typed_value_is_taken(key: str, value: Value) -> None:
    assert value_problem(CATALOGUE.attributes[key], value) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("employee_count", "many", id="N-13"),
        ("employee_count", "12"),
        ("employee_count", True),
        ("employee_count", 1.0),
        ("employee_count", None),
        ("salary_month", 0),
        ("salary_month", 13),
        ("bill_type", ""),
        ("bill_type", " \n"),
        ("bill_type", 7),
        ("bill_type", ["WORKS_RUNNING"]),
        ("bill_type", {"account_number": "1"}),
        ("transfer", "intra"),
        ("financial_year", "2026-2027"),
        ("financial_year", "2026-27\n"),
        ("net_amount", 1702000),
        ("net_amount", 1702000.0),
        ("net_amount", "1702000.001"),
        ("net_amount", "1,702,000"),
        ("net_amount", "1e3"),
        ("net_amount", "007"),
        ("net_amount", "+7"),
        ("net_amount", ".5"),
        ("net_amount", "5."),
        ("net_amount", "NaN"),
        ("net_amount", "१७"),
        ("net_amount", "1000000000000000"),
        ("net_amount", "9" * 5000),
        ("net_amount", ["1.00"]),
        ("contract_rate", "0.9500001"),
        ("award_date", "2026-02-30"),
        ("award_date", "20260709"),
        ("award_date", "2026-07-09T00:00:00Z"),
        ("payment_datetime", "2026-10-06T09:30:00"),
        ("payment_datetime", "2026-10-06"),
        ("work_plan", ""),
        ("major_milestones", []),
        ("major_milestones", ["Tube well", ""]),
        ("major_milestones", [["Tube well"]]),
        ("vendor_bank_account", {}),
        ("vendor_bank_account", {"account_number": ""}),
        ("vendor_bank_account", {"account_number": "1", "pin": "1234"}),
        ("deductions", "148000.00"),
        ("deductions", []),
        ("deductions", [{"code": "TDS", "amount": "37000.00"}]),
        ("deductions", [{"code": "TDS", "amount": 37000, "coaCode": "8658"}]),
        ("deductions", [{"code": "TDS", "amount": "1.00", "coaCode": "8658", "note": "x"}]),
        ("deductions", ["37000.00"]),
    ],
)
def test_ill_typed_value_is_found_and_not_quoted(key: str, value: Any) -> None:
    findings = check_attributes(_bill({key: value}), ENFORCE)

    typed = [problem for problem in findings.errors if problem.code is Code.ATTRIBUTE_TYPE]
    assert _codes(typed) == [(Code.ATTRIBUTE_TYPE, ("attributes", key))]
    assert "many" not in typed[0].message
    assert "1702000" not in typed[0].message


def test_amounts_keep_the_scale_of_the_currency() -> None:
    assert value_problem(CATALOGUE.attributes["net_amount"], "1.5", scale=0) is not None
    assert value_problem(CATALOGUE.attributes["net_amount"], "1.505", scale=3) is None


# Core attributes


def test_a_complete_bill_has_no_findings() -> None:
    assert check_attributes(_bill(), ENFORCE) == Findings([], [])


def test_n09_bill_without_bill_type_misses_a_core_attribute() -> None:
    findings = check_attributes(_bill(attributes=_without("bill_type")), ENFORCE)

    assert _codes(findings.errors) == [(Code.CORE_ATTRIBUTE_MISSING, ("attributes", "bill_type"))]
    assert "bill_type" in findings.errors[0].message


def test_n10_department_may_come_through_the_administrative_code_of_the_line() -> None:
    without_node = BILL_CARRIED - {"line.administrativeHierarchyCode"}

    assert check_attributes(_bill(), ENFORCE).errors == []
    assert _codes(check_attributes(_bill(carried=without_node), ENFORCE).errors) == [
        (Code.CORE_ATTRIBUTE_MISSING, ("attributes", "ddo_code")),
        (Code.CORE_ATTRIBUTE_MISSING, ("attributes", "department_code")),
    ]
    by_department = without_node | {"line.departmentCode"}
    assert _codes(check_attributes(_bill(carried=by_department), ENFORCE).errors) == [
        (Code.CORE_ATTRIBUTE_MISSING, ("attributes", "ddo_code"))
    ]
    named: dict[str, Value] = {"ddo_code": "DDO-4471", "department_code": "DWSS"}
    assert check_attributes(_bill(named, carried=without_node), ENFORCE).errors == []


def test_core_attribute_counts_when_every_line_has_it() -> None:
    kept = _without("bill_type")
    lines: tuple[Mapping[str, Value], ...] = ({"bill_type": "A"}, {"bill_type": "B"})

    assert check_attributes(_bill(attributes=kept, line_attributes=lines), ENFORCE).errors == []
    partly = check_attributes(_bill(attributes=kept, line_attributes=(lines[0], {})), ENFORCE)
    assert _codes(partly.errors) == [(Code.CORE_ATTRIBUTE_MISSING, ("attributes", "bill_type"))]


def test_exempt_postings_may_leave_core_attributes_out() -> None:
    posting = _bill(attributes={}, carried=frozenset(), exempt=True)

    assert check_attributes(posting, ENFORCE) == Findings([], [])
    assert len(check_attributes(dataclasses.replace(posting, exempt=False), ENFORCE).errors) == 11


def test_payee_reference_stands_for_name_and_account_of_an_employee() -> None:
    group = CATALOGUE.groups["establishment_bill"]
    given_keys = set(group.core) - {"employee_name", "employee_bank_account"}
    values = {key: _SAMPLES[CATALOGUE.attributes[key].value_type] for key in given_keys}
    values |= {"establishment_bill_type": "SALARY", "salary_month": 9, "net_amount": "0"}
    posting = Attributed(None, group.key, MajorType.REVENUE_EXPENDITURE, SubType.BILL, values)

    missing = check_attributes(posting, ENFORCE).errors
    assert [problem.path[-1] for problem in missing] == ["employee_name", "employee_bank_account"]
    referred = dataclasses.replace(posting, line_attributes=({"payee_reference": "EMP-1"},))
    assert check_attributes(referred, ENFORCE).errors == []


def test_a_document_counts_by_its_role_alone() -> None:
    sanction = worked_example.content(worked_example.record("sanction"))
    others = tuple(structs.replace(each, role="multi_year_plan") for each in sanction.attachments)

    posting = Attributed.of(structs.replace(sanction, attachments=others), sub_type=SubType.PLAN)

    assert _codes(check_attributes(posting, ENFORCE).errors) == [
        (Code.CORE_ATTRIBUTE_MISSING, ("attributes", "work_plan"))
    ]


def test_a_field_is_carried_when_every_line_has_it() -> None:
    bill = worked_example.content(worked_example.record("bill"))
    first, second = bill.lines
    bare = structs.replace(
        second, administrative_hierarchy_code=None, department_code="DWSS", period_end=None
    )

    assert carried_fields(bill) == {
        "body.attachments.physical_report",
        "body.eventTime",
        "body.referenceId",
        "line.administrativeHierarchyCode",
        "line.amount",
        "line.coaCode",
        "line.period",
        "line.projectCode",
    }
    partly = carried_fields(structs.replace(bill, lines=(first, bare)))
    assert carried_fields(bill) - partly == {"line.administrativeHierarchyCode", "line.period"}
    assert carried_fields(structs.replace(bill, lines=(), attachments=())) == {
        "body.eventTime",
        "body.referenceId",
    }


# Groups and processes


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        pytest.param({"sub_type": SubType.PAYMENT}, "attributeGroup", id="N-11"),
        pytest.param({"major_type": MajorType.REVENUE_RECEIPT}, "attributeGroup", id="major-type"),
        pytest.param({"process": "work_award"}, "attributeGroup", id="other-process"),
        pytest.param({"process": "no_such"}, "process", id="unknown-process-of-a-group"),
        pytest.param({"attribute_group": "no_such"}, "attributeGroup", id="unknown-group"),
        pytest.param({"attribute_group": None, "process": "no_such"}, "process", id="unknown-process"),
        pytest.param({"attribute_group": None, "sub_type": SubType.PLAN}, "process", id="process-sub-type"),
        pytest.param(
            {"attribute_group": None, "major_type": MajorType.CAPITAL_RECEIPT},
            "process",
            id="process-major-type",
        ),
    ],
)
def test_group_and_process_must_be_known_and_fit(changes: dict[str, Any], path: str) -> None:
    findings = check_attributes(_bill(**changes), ENFORCE)

    assert (Code.ATTRIBUTE_GROUP, (path,)) in _codes(findings.errors)
    assert {problem.code for problem in findings.errors} == {Code.ATTRIBUTE_GROUP}


@pytest.mark.parametrize(
    "changes", [{"process": None}, {"attribute_group": None}, {"attribute_group": "vendor_bill"}]
)
def test_group_or_process_alone_will_do(changes: dict[str, Any]) -> None:
    errors = check_attributes(_bill({"work_order_reference": "AGR"}, **changes), ENFORCE).errors

    assert errors == []


def test_a_process_without_event_steps_takes_any_sub_type() -> None:
    posting = Attributed("budget_approval", None, MajorType.CAPITAL_EXPENDITURE, SubType.ESTIMATE)

    assert check_attributes(posting, ENFORCE) == Findings([], [])


def test_n05_collection_group_takes_the_stored_sub_type() -> None:
    group = CATALOGUE.groups["collection_initiation"]

    assert group.sub_type is SubType.RECEIPT


# Unknown keys, shape


@pytest.mark.parametrize("policy", [WARN, ENFORCE])
def test_n12_unknown_key_is_a_warning_only(policy: AttributePolicy) -> None:
    findings = check_attributes(
        _bill({"colour_of_form": "blue"}, line_attributes=({"shade": {"a": [1]}},)), policy
    )

    assert findings.errors == []
    assert _codes(findings.warnings) == [
        (Code.ATTRIBUTE_UNKNOWN, ("attributes", "colour_of_form")),
        (Code.ATTRIBUTE_UNKNOWN, ("lines", 0, "attributes", "shade")),
    ]


@pytest.mark.parametrize("policy", AttributePolicy)
@pytest.mark.parametrize("key", ["", "Colour", "1st", "_x", "a-b", "a b", "é", "a" * 65, "ok\n"])
def test_malformed_key_is_an_error_under_every_policy(key: str, policy: AttributePolicy) -> None:
    findings = check_attributes(_bill({key: "x"}), policy)

    assert _codes(findings.errors) == [(Code.ATTRIBUTE_KEY, ("attributes", key[:64]))]
    assert findings.warnings == []


@pytest.mark.parametrize("policy", AttributePolicy)
def test_size_is_bounded_at_64_kib_of_canonical_json(policy: AttributePolicy) -> None:
    frame = len('{"bill_type":""}')
    fits: dict[str, Value] = {"bill_type": "é" * ((SIZE_BYTES_MAX - frame) // 2)}
    too_large: dict[str, Value] = {"bill_type": f"{fits['bill_type']}ab"}
    posting = Attributed(None, None, MajorType.CAPITAL_EXPENDITURE, SubType.BILL, fits)

    assert check_attributes(posting, policy).errors == []
    body = check_attributes(dataclasses.replace(posting, attributes=too_large), policy)
    assert _codes(body.errors) == [(Code.ATTRIBUTES_SIZE, ("attributes",))]
    line = check_attributes(dataclasses.replace(posting, line_attributes=({}, too_large)), policy)
    assert _codes(line.errors) == [(Code.ATTRIBUTES_SIZE, ("lines", 1, "attributes"))]


# Formulas


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        pytest.param({"net_amount": "1702000.00"}, None, id="N-14"),
        pytest.param({"net_amount": "1702001.00"}, "net_amount", id="N-14-off-by-one"),
        pytest.param({"net_amount": "1702000.01"}, "net_amount", id="a-paisa"),
        pytest.param({"net_amount": "1702000"}, None, id="same-number-other-scale"),
        pytest.param(
            {"deductions": [{"code": "A", "amount": "148000", "coaCode": "8658"}]}, None, id="deductions"
        ),
        pytest.param(
            {
                "deductions": [
                    {"code": "A", "amount": "100000.00", "coaCode": "8658"},
                    {"code": "B", "amount": "47999.99", "coaCode": "8658"},
                ]
            },
            "deduction_amount",
            id="deductions-off-by-a-paisa",
        ),
        pytest.param(
            {"amount_sanctioned": "1500000", "amount_utilised": "930000", "balance_amount": "570000"}, None,
            id="balance",
        ),
        pytest.param(
            {"amount_sanctioned": "1500000", "amount_utilised": "930000", "balance_amount": "570001"},
            "balance_amount", id="balance-off",
        ),
        pytest.param({"amount_sanctioned": "1500000", "balance_amount": "1"}, None, id="an-operand-is-missing"),
        pytest.param(
            {"activity_costs": ["0.10", "0.20"], "project_total_cost": "0.30"}, None, id="exact-tenths"
        ),
        pytest.param(
            {"activity_costs": ["0.10", "0.20"], "project_total_cost": "0.31"}, "project_total_cost",
            id="total-cost-off",
        ),
    ],
)  # fmt: skip
def test_formulas_hold_exactly(attributes: dict[str, Value], path: str | None) -> None:
    errors = check_attributes(_bill(attributes), ENFORCE).errors

    assert _codes(errors) == ([(Code.ATTRIBUTE_CHECK, ("attributes", path))] if path else [])


def test_an_ill_typed_operand_is_told_once_as_its_type() -> None:
    errors = check_attributes(_bill({"gross_amount": 1850000}), ENFORCE).errors

    assert _codes(errors) == [(Code.ATTRIBUTE_TYPE, ("attributes", "gross_amount"))]


def test_formulas_hold_on_lines_too() -> None:
    line: Mapping[str, Value] = {"gross_amount": "10.00", "deduction_amount": "1.00", "net_amount": "9.01"}

    errors = check_attributes(_bill(line_attributes=({}, line)), ENFORCE).errors

    assert _codes(errors) == [(Code.ATTRIBUTE_CHECK, ("lines", 1, "attributes", "net_amount"))]


def test_an_amount_left_to_the_lines_counts_as_their_total() -> None:
    kept = _without("gross_amount")

    right = _bill(attributes=kept, amount_total=Decimal("1850000.00"))
    wrong = _bill(attributes=kept, amount_total=Decimal("1850000.01"))

    assert check_attributes(right, ENFORCE).errors == []
    assert _codes(check_attributes(wrong, ENFORCE).errors) == [
        (Code.ATTRIBUTE_CHECK, ("attributes", "net_amount"))
    ]
    assert check_attributes(dataclasses.replace(wrong, exempt=True), ENFORCE).errors == []


def test_a_stated_gross_amount_is_the_total_of_the_lines() -> None:
    wrong = _bill(amount_total=Decimal("1850000.01"))

    assert _codes(check_attributes(wrong, ENFORCE).errors) == [
        (Code.ATTRIBUTE_CHECK, ("attributes", "gross_amount"))
    ]
    assert check_attributes(dataclasses.replace(wrong, exempt=True), ENFORCE).errors == []


# Policy


def test_policy_decides_what_becomes_of_findings() -> None:
    posting = _bill(
        attributes={"employee_count": "many", "colour": "blue", "Bad": "x"}, sub_type=SubType.PAYMENT
    )

    enforced, warned, off = (check_attributes(posting, policy) for policy in (ENFORCE, WARN, OFF))

    catalogue_codes = {Code.ATTRIBUTE_GROUP, Code.ATTRIBUTE_TYPE, Code.CORE_ATTRIBUTE_MISSING}
    assert {problem.code for problem in enforced.errors} == {*catalogue_codes, Code.ATTRIBUTE_KEY}
    assert [problem.code for problem in enforced.warnings] == [Code.ATTRIBUTE_UNKNOWN]
    assert [problem.code for problem in warned.errors] == [Code.ATTRIBUTE_KEY]
    assert {problem.code for problem in warned.warnings} == {*catalogue_codes, Code.ATTRIBUTE_UNKNOWN}
    assert [problem.code for problem in off.errors] == [Code.ATTRIBUTE_KEY]
    assert off.warnings == []


# The worked example


@pytest.mark.parametrize("record", worked_example.example()["records"], ids=lambda record: record["section"])
def test_worked_example_passes_enforced(record: Mapping[str, Any]) -> None:
    content = worked_example.content(record)

    types = check_types(
        content.type,
        content.major_type,
        content.sub_type,
        qualifier=content.qualifier,
        process=content.process,
    )
    findings = check_attributes(Attributed.of(content, sub_type=types.sub_type), ENFORCE)

    assert types.errors == ()
    assert findings == Findings([], [])


@pytest.mark.parametrize(
    "record",
    [
        each
        for each in worked_example.example()["records"]
        if each["name"] not in ("observation", "payment_reversal")
    ],
    ids=lambda record: record["section"],
)
def test_worked_example_stripped_of_its_attributes_does_not_pass(record: Mapping[str, Any]) -> None:
    content = structs.replace(
        worked_example.content(record), attributes={}, attachments=(), reference_id="", lines=()
    )

    errors = check_attributes(Attributed.of(content, sub_type=content.sub_type), ENFORCE).errors

    core = CATALOGUE.groups[record["body"]["attributeGroup"]].core
    dated = {key for key in core if CATALOGUE.attributes[key].carrier == "body.eventTime"}
    assert {problem.path for problem in errors} == {("attributes", key) for key in set(core) - dated}


def test_worked_example_documents_have_the_digests_its_attachments_name() -> None:
    documents = worked_example.example()["documents"].values()
    stored = {each["sha256"]: (each["sizeBytes"], each["mediaType"]) for each in documents}
    named = {
        attachment["sha256"]: (attachment["sizeBytes"], attachment["mediaType"])
        for record in worked_example.example()["records"]
        for attachment in record["body"].get("attachments", ())
        if attachment["kind"] == "DOCUMENT"
    }

    assert {hashlib.sha256(each["text"].encode()).hexdigest() for each in documents} == stored.keys()
    assert stored == named


def test_worked_example_amounts_are_those_of_the_table() -> None:
    totals = {
        record["name"]: sum((Decimal(line["amount"]) for line in record["body"]["lines"]), Decimal(0))
        for record in worked_example.example()["records"]
    }

    assert totals == {
        "dpr": 12_000_000,
        "sanction": 12_000_000,
        "allotment": 6_000_000,
        "award": 11_400_000,
        "tranche": 2_400_000,
        "bill": 1_850_000,
        "observation": 0,
        "payment": 1_850_000,
        "payment_reversal": -1_850_000,
        "second_payment": 1_850_000,
        "debit": 1_850_000,
    }


# Properties

_SAMPLES: dict[ValueType, Value] = {
    ValueType.STRING: "2026-27",
    ValueType.DECIMAL: "0.00",
    ValueType.DATE: "2026-10-06",
    ValueType.INTEGER: 2026,
    ValueType.DOCUMENT: "Work plan",
}
_AMOUNTS = st.integers(-(10**12), 10**12).map(lambda paise: format(Decimal(paise).scaleb(-2), "f"))
_WORDS = st.text("abcdefghij XYZ09·é", min_size=1).filter(str.strip)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(sorted(CATALOGUE.attributes)) | st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)


def _values(attribute: Attribute) -> st.SearchStrategy[Any]:
    """Every value the attribute takes, from its own description."""
    if attribute.choices:
        one: st.SearchStrategy[Any] = st.sampled_from(attribute.choices)
    elif attribute.pattern:
        one = st.from_regex(re.compile(attribute.pattern, re.ASCII), fullmatch=True).map(str.strip)
    elif attribute.value_type is ValueType.DECIMAL:
        one = _AMOUNTS
    elif attribute.value_type is ValueType.INTEGER:
        one = st.integers(attribute.minimum or 0, attribute.maximum or 9999)
    elif attribute.value_type is ValueType.DATE and attribute.has_time:
        one = (
            st.datetimes().map(lambda at: f"{at:%Y-%m-%d}T{at:%H:%M:%S}+05:30").filter(lambda t: t[0] != "0")
        )
    elif attribute.value_type is ValueType.DATE:
        one = st.dates().map(str)
    else:
        one = _WORDS
    return one | st.lists(one, min_size=1, max_size=3) if attribute.repeats else one


def _total(value: Any) -> Decimal:
    return sum((Decimal(each) for each in (value if isinstance(value, list) else [value])), Decimal(0))


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with the results of the catalogue's formulas worked out."""
    if {"gross_amount", "deduction_amount"} <= values.keys():
        values["net_amount"] = str(Decimal(values["gross_amount"]) - Decimal(values["deduction_amount"]))
    if "project_total_cost" in values:
        values["project_total_cost"] = str(_total(values["activity_costs"]))
    return values


@st.composite
def _complete(draw: st.DrawFn) -> Attributed:
    """A posting of any group with all its core attributes under their keys."""
    group = draw(st.sampled_from(list(CATALOGUE.groups.values())))
    values = {key: draw(_values(CATALOGUE.attributes[key])) for key in group.core}
    return Attributed(
        process=draw(st.sampled_from([None, group.process])),
        attribute_group=group.key,
        major_type=draw(st.sampled_from(group.major_types)),
        sub_type=group.sub_type,
        attributes=_consistent(values),
    )


@given(_complete())
def test_all_core_attributes_well_typed_pass(posting: Attributed) -> None:
    assert check_attributes(posting, ENFORCE) == Findings([], [])


@given(_complete(), st.data())
def test_removing_one_core_attribute_misses_exactly_that(posting: Attributed, data: st.DataObject) -> None:
    removed = data.draw(st.sampled_from(sorted(posting.attributes)))
    kept = {key: value for key, value in posting.attributes.items() if key != removed}

    errors = check_attributes(dataclasses.replace(posting, attributes=kept), ENFORCE).errors

    assert _codes(errors) == [(Code.CORE_ATTRIBUTE_MISSING, ("attributes", removed))]


_ANYTHING = st.builds(
    Attributed,
    process=st.none() | st.sampled_from([*CATALOGUE.processes, "no_such"]),
    attribute_group=st.none() | st.sampled_from([*CATALOGUE.groups, "no_such"]),
    major_type=st.sampled_from(MajorType),
    sub_type=st.sampled_from(SubType),
    attributes=st.dictionaries(_KEYS | st.text(), _JSON, max_size=4),
    line_attributes=st.lists(st.dictionaries(_KEYS, _JSON, max_size=2), max_size=2).map(tuple),
    carried=st.frozensets(st.sampled_from(sorted(BILL_CARRIED))),
    amount_total=st.none() | _AMOUNTS.map(Decimal),
    exempt=st.booleans(),
)


@given(_ANYTHING)
@settings(max_examples=200)
def test_off_finds_shape_alone_and_the_policies_agree(posting: Attributed) -> None:
    enforced, warned, off = (check_attributes(posting, policy) for policy in (ENFORCE, WARN, OFF))

    assert off.warnings == []
    assert {problem.code for problem in off.errors} <= SHAPE_CODES
    assert off.errors == warned.errors
    assert warned.errors + warned.warnings == enforced.errors + enforced.warnings
    assert {problem.code for problem in enforced.warnings} <= {Code.ATTRIBUTE_UNKNOWN}
