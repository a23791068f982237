"""The attribute catalogue as callers read it."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from hub.domain.fiscal_events import catalogue
from hub.resolvers.catalogue import CatalogueQuery
from hub.schema.scalars import SCALARS

SCHEMA = strawberry.Schema(query=CatalogueQuery, config=StrawberryConfig(scalar_map=SCALARS))


def _run(document: str, **variables: Any) -> dict[str, Any]:
    """The catalogue needs neither database nor caller: its part of the schema answers alone."""
    result = SCHEMA.execute_sync(document, variable_values=variables)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


def test_processes_come_with_their_groups() -> None:
    processes = _run("{ processes { key title budgetStage majorTypes groups { key } } }")["processes"]

    assert len(processes) == 16
    assert processes[0] == {
        "key": "new_scheme_planning",
        "title": "Planning of a new project or scheme",
        "budgetStage": "BUDGET_PLANNING",
        "majorTypes": ["REVENUE_EXPENDITURE", "CAPITAL_EXPENDITURE"],
        "groups": [{"key": "dpr"}, {"key": "financial_sanction"}],
    }
    assert sum(len(process["groups"]) for process in processes) == 27


def test_groups_of_a_process_name_their_core_attributes() -> None:
    document = """query ($process: String) {
      attributeGroups(process: $process) {
        key process subType majorTypes lineAmountFrom expectedPredecessors
        core { key carrier } ancillary { key }
      }
    }"""

    groups = _run(document, process="release_of_funds")["attributeGroups"]

    assert [group["key"] for group in groups] == ["tranche_demand"]
    assert groups[0]["subType"] == "DEMAND"
    assert groups[0]["lineAmountFrom"] == "release_amount"
    assert groups[0]["expectedPredecessors"] == ["ddo_approved_budget"]
    assert groups[0]["core"][1] == {"key": "department_code", "carrier": "line.administrativeHierarchyCode"}
    assert {"key": "amount_requested"} in groups[0]["ancillary"]


def test_without_a_process_all_groups_are_told_and_none_for_an_unknown_one() -> None:
    document = "query ($process: String) { attributeGroups(process: $process) { key } }"

    assert len(_run(document)["attributeGroups"]) == 27
    assert _run(document, process="no_such")["attributeGroups"] == []
    assert _run(document, process="")["attributeGroups"] == []


def test_every_field_of_every_attribute_can_be_read() -> None:
    document = """query ($key: String!) {
      attribute(key: $key) {
        key label valueType carrier registry repeats choices pattern minimum maximum hasTime members parts
        unit check isMasked maskedWhen usedIn
      }
    }"""

    read = {key: _run(document, key=key)["attribute"] for key in catalogue.load().attributes}

    assert all(attribute["key"] == key for key, attribute in read.items())
    assert read["net_amount"]["check"] == "gross_amount - deduction_amount"
    assert read["net_amount"]["valueType"] == "DECIMAL"
    assert read["deductions"]["members"] == ["code", "amount", "coaCode"]
    assert read["transfer"]["choices"] == ["INTRA", "INTER"]
    assert read["salary_month"] == {
        "key": "salary_month",
        "label": read["salary_month"]["label"],
        "valueType": "INTEGER",
        "carrier": "line.period",
        "registry": None,
        "repeats": False,
        "choices": [],
        "pattern": None,
        "minimum": 1,
        "maximum": 12,
        "hasTime": False,
        "members": [],
        "parts": [],
        "unit": None,
        "check": None,
        "isMasked": False,
        "maskedWhen": None,
        "usedIn": ["establishment_bill"],
    }
    assert {key for key, attribute in read.items() if attribute["isMasked"]} == catalogue.masked_keys()
    assert read["vendor_name"]["maskedWhen"] == "if a natural person"


def test_unknown_attribute_is_null() -> None:
    assert _run('{ attribute(key: "no_such") { key } }') == {"attribute": None}
