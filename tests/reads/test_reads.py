"""Compiled queries: the same bytes as ordinary execution, one statement for each root field, the policy inside."""

from __future__ import annotations

import itertools
from typing import Any

import asyncpg
import orjson
import pytest

from hub.domain.fiscal_events import shapes
from hub.reads.compiling import Writer
from hub.reads.selections import Selections
from tests.decoding.samples import PROVIDER_INPUTS
from tests.reads.conftest import ODD, Scene

pytestmark = pytest.mark.anyio

LISTS = """
  to attributes content contentDigest warnings { code path message __typename }
  lineItems { lineNo amount coaCode periodStart periodEnd tags { scheme share } attributes reversesLineNo }
  signatures { id system keyId purpose comments signedAt receivedAt eSign statement batch { index path root } }
  approvalState receipt { issuedAt keyId statement signature }
  attachments { kind key value name role mediaType sizeBytes sha256 }
  links { relation state id system referenceId } reversal { reverses mode reason comment }
  reversedAmount netAmount reversalState
"""
EVERYTHING = f"""
  __typename id from government postedAt referenceId eventTime type majorType subType qualifier process
  attributeGroup classification schemaVersion currency totalAmount fiscalYear {LISTS}
"""
EVENT = f"query ($id: ID!) {{ fiscalEvent(id: $id) {{ {EVERYTHING} reversals {{ id {LISTS} }} }} }}"
MESSAGE = f"""
query ($id: ID!) {{
  fiscalMessage(id: $id) {{ {EVERYTHING} topic correlationId deliveries {{ system deliveredAt readAt }} }}
}}"""
COMPILED = {
    "page": "{ fiscalEvents { __typename edges { cursor node { id } __typename } pageInfo { hasNextPage endCursor } } }",
    "one row of a page": "{ fiscalEvents(first: 1, order: OLDEST_FIRST) { edges { cursor } pageInfo { hasNextPage endCursor } } }",
    "no rows": "{ fiscalEvents(filter: {senders: []}) { edges { node { id } } pageInfo { endCursor __typename } } }",
    "aliases": "{ a: fiscalEvents(first: 2) { e: edges { n: node { x: id y: lineItems { amount } } } p: pageInfo { h: hasNextPage } } }",
    "merged": "{ fiscalEvents { edges { node { lineItems { amount } id lineItems { lineNo } } } edges { cursor } } }",
    "fragments": """{ fiscalEvents { edges { node { ...P ... on Node { id } ... on Posting { government } ...P } } } }
        fragment P on Posting { from ...Q } fragment Q on FiscalEvent { reversals { ...R } currency }
        fragment R on FiscalEvent { id }""",
    "roots": """{ __typename a: fiscalEvents(first: 1) { edges { node { id } } }
        inbox(state: ALL) { edges { cursor node { deliveredAt readAt message { id } } } } t: __typename }""",
    "sent": "{ sentMessages { edges { cursor node { id topic } } pageInfo { hasNextPage } } }",
    "filter": """{ fiscalEvents(filter: {types: [EXPENDITURE], reversal: EFFECTIVE, coaPrefix: "4215", amountMin: "1.00",
        period: {from: "2026-01-01"}, relations: [FOLLOWS], postedAt: {from: "2020-01-01T00:00:00Z"}})
        { edges { node { id links { id } } } } }""",
    "totals": """{ fiscalEventTotals(groupBy: [{dimension: FISCAL_YEAR}, {dimension: COA_TIER, level: 2}], first: 1)
        { edges { cursor node { keys { label value level dimension } gross reversed net events lines __typename } }
          pageInfo { hasNextPage endCursor } } }""",
}
PLAIN = {
    "another root beside": "{ hub { domain } fiscalEvents { edges { node { id } } } }",
    "introspection beside": "{ __schema { queryType { name } } fiscalEvents { edges { node { id } } } }",
    "page size": "{ fiscalEvents(first: 0) { edges { node { id } } } }",
    "cursor": '{ fiscalEvents(after: "x") { edges { node { id } } } }',
    "not an id": '{ fiscalEvent(id: "evt_1") { id } }',
    "an id of another kind": '{ node(id: "sys_01a20a4c-2668-732c-8b2e-b7d0c9b289a9") { id } }',
    "criteria": '{ fiscalEvents(filter: {amountMin: "x"}) { edges { node { id } } } }',
}


async def test_a_compiled_answer_is_the_ordinary_one(scene: Scene) -> None:
    for name, document in COMPILED.items():
        for system in (scene.cast.both, scene.cast.consumer):
            found = await scene.both(system, document)
            assert found.compiled, name
            assert orjson.loads(found.body).get("errors") is None, name


async def test_what_cannot_be_compiled_is_answered_all_the_same(scene: Scene) -> None:
    for name, document in PLAIN.items():
        assert not (await scene.both(scene.cast.both, document)).compiled, name


async def test_every_field_is_the_same_for_every_caller(scene: Scene) -> None:
    cast = scene.cast
    for system in (cast.provider, cast.consumer, cast.both):
        for id_ in (scene.event, scene.reversed, scene.reversal):
            await scene.data(system, EVENT, id=id_)
        await scene.data(system, MESSAGE, id=scene.message)
    assert not (await scene.both(None, EVENT, id=scene.event)).compiled


async def test_odd_texts_come_back_as_they_were_sent(scene: Scene) -> None:
    event = (await scene.data(scene.cast.provider, EVENT, id=scene.event))["fiscalEvent"]
    assert event["attributes"]["note"] == ODD
    assert event["lineItems"][0]["attributes"] == {"note": ODD, "parts": ["a, b", {"c: d": "1"}]}
    assert event["attachments"][1]["value"] == ODD


async def test_personal_values_are_masked_for_others_than_the_parties(scene: Scene) -> None:
    def values(event: dict[str, Any]) -> list[str]:
        return [
            event["attributes"]["vendor_name"],
            event["lineItems"][1]["attributes"]["vendor_name"],
            event["attachments"][0]["value"],
        ]

    own = (await scene.data(scene.cast.provider, EVENT, id=scene.event))["fiscalEvent"]
    assert values(own) == ["Asha Devi"] * 3
    assert own["content"] is not None
    answer = await scene.both(scene.cast.consumer, EVENT, id=scene.event)
    assert answer.compiled
    others = orjson.loads(answer.body)["data"]["fiscalEvent"]
    assert "Asha" not in "".join(values(others))
    assert others["content"] is None
    assert others["attributes"]["note"] == ODD
    assert b"Asha Devi" not in answer.body


async def test_what_is_not_visible_is_null(scene: Scene) -> None:
    document = "query ($id: ID!) { node(id: $id) { id } fiscalMessage(id: $id) { id } }"
    assert await scene.data(scene.cast.both, document, id=scene.message) == {
        "node": None,
        "fiscalMessage": None,
    }
    assert await scene.data(scene.cast.consumer, document, id=scene.message) == {
        "node": {"id": scene.message},
        "fiscalMessage": {"id": scene.message},
    }


async def test_each_root_is_one_statement_that_holds_the_policy(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[Any, ...]]] = []

    def counting(ask: Any) -> Any:
        async def count(sql: str, *args: Any) -> Any:
            asked.append((sql, args))
            return await ask(sql, *args)

        return count

    for way in ("fetch", "search"):
        monkeypatch.setattr(scene.api.db, way, counting(getattr(scene.api.db, way)))
    both = scene.cast.both
    documents = [*COMPILED.values(), f'{{ node(id: "{scene.event}") {{ id }} }}']
    for document in documents:
        asked.clear()
        found = await scene.answer(both, document)
        roots = [name for name in found.fields if name != "__typename"]
        assert len(asked) == len(roots), document
        for sql, args in asked:
            assert "posting.tenant_id = $" in sql
            assert "posting.environment = $" in sql
            assert both.tenant_id in args
            assert both.system_id in args


async def test_directives_make_plans_of_their_own_up_to_a_bound(scene: Scene) -> None:
    names = "abcde"
    document = (
        f"query ({', '.join(f'${name}: Boolean!' for name in names)}) {{ fiscalEvents {{ edges {{ node {{ __typename "
        + " ".join(f"{name}: id @include(if: ${name})" for name in names)
        + " } } } }"
    )
    compiled = 0
    for values in itertools.product((True, False), repeat=len(names)):
        answer = await scene.both(scene.cast.both, document, **dict(zip(names, values, strict=True)))
        compiled += answer.compiled
    assert compiled == 16


async def test_variables_are_coerced_as_ordinary_execution_does(scene: Scene) -> None:
    document = """query ($first: Int = 1, $order: PostingOrder!, $after: String, $filter: FiscalEventFilter) {
      fiscalEvents(first: $first, order: $order, after: $after, filter: $filter) { edges { cursor } } }"""
    both = scene.cast.both
    for variables in (
        {"order": "OLDEST_FIRST"},
        {"order": "NEWEST_FIRST", "first": 2, "after": None},
        {"order": "OLDEST_FIRST", "filter": {"types": "EXPENDITURE", "reversal": "ORIGINALS"}},
    ):
        assert (await scene.both(both, document, **variables)).compiled
    page = orjson.loads((await scene.both(both, document, order="OLDEST_FIRST")).body)["data"]["fiscalEvents"]
    after = page["edges"][-1]["cursor"]
    assert (await scene.both(both, document, order="OLDEST_FIRST", first=2, after=after)).compiled
    for refused in ({}, {"order": "UP"}, {"order": "OLDEST_FIRST", "first": "2"}, {"order": 1}):
        assert not (await scene.both(both, document, **refused)).compiled


async def test_a_fault_of_the_database_is_told_as_always(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = f'{{ node(id: "{scene.event}") {{ id }} }}'
    for fault, code in (
        (asyncpg.QueryCanceledError("slow"), "TIMEOUT"),
        (asyncpg.TooManyConnectionsError("full"), "BUSY"),
        (RuntimeError("secret detail"), "INTERNAL"),
    ):

        async def fail(_: str, *__: Any, fault: Exception = fault) -> Any:
            raise fault

        monkeypatch.setattr(scene.api.db, "fetch", fail)
        answer = await scene.answer(scene.cast.both, "{ a: fiscalEvents { edges { cursor } } }")
        body = orjson.loads(answer.body)
        assert body["data"] is None
        assert [(error["path"], error["extensions"]["code"]) for error in body["errors"]] == [(["a"], code)]
        assert answer.outcome == code
        assert b"secret" not in answer.body
        assert orjson.loads((await scene.answer(scene.cast.both, node)).body)["data"] == {"node": None}


async def test_guarded_rows_are_not_read_without_a_policy(scene: Scene) -> None:
    reads = scene.api.reads
    writer = Writer(reads.storage, Selections(scene.api.documents.core, {}, {}), None)
    rows = reads.storage.nodes["FiscalEvent"](reads.storage.trial.caller)
    open_rows = shapes.Rows(rows.row, rows.source, rows.tables, rows.where)
    with pytest.raises(TypeError, match="without a policy"):
        writer.guard("FiscalEvent", open_rows)


async def test_plain_calls_are_never_compiled(scene: Scene) -> None:
    answer = await scene.answer(scene.cast.both, COMPILED["page"], plain=True)
    assert not answer.compiled


async def test_for_nobody_no_mutation_is_planned(scene: Scene) -> None:
    document = """mutation ($input: PostFiscalEventInput!) {
      postFiscalEvent(input: $input) { event { reversals { lineItems { amount } reversals { id } } } }
    }"""
    given = PROVIDER_INPUTS["PostFiscalEventInput"]
    operation = scene.api.documents.prepare(document).operation(None)
    assert operation is not None
    answer = await scene.answer(None, document, input=given)
    assert answer.outcome == "UNAUTHENTICATED"
    assert "mutations" not in operation.compiled
    await scene.answer(scene.cast.provider, document, input=given)
    assert operation.compiled["mutations"].by_switches
