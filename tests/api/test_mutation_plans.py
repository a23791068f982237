"""Mutations answered from decoded input and written without the engine: the same bytes as by ordinary execution."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from hub.api import Api, build_schema
from hub.calls import Answer, Call
from hub.db import Database
from hub.kit import strict_json
from hub.means import Means
from hub.resolvers import fiscal_events as doors
from hub.settings import Settings
from hub.wiring import connect
from tests.api.conftest import Cast
from tests.client import Client
from tests.decoding.payloads import PayloadSelections
from tests.decoding.test_structs import inputs
from tests.factories import outside, postings
from tests.factories.registry import TestSystem

pytestmark = pytest.mark.anyio

SELECTIONS = 60
ODD_INPUTS = 40


@dataclass(frozen=True)
class Seen:
    """All of an answer that anybody can see, logs and metrics included."""

    body: bytes
    rest: tuple[Any, ...]

    @classmethod
    def of(cls, answer: Answer) -> Seen:
        """What is compared."""
        told = (answer.executed, answer.status, answer.retry_after_seconds, tuple(answer.cookies))
        return cls(answer.body, (*told, answer.caller, answer.kind, answer.fields, answer.outcome))


@dataclass
class Both:
    """One hub asked in both ways, as one system."""

    api: Api
    system: TestSystem

    async def ask(
        self, document: str, variables: Mapping[str, Any], *, plain: bool, key: str | None = ""
    ) -> Seen:
        """An answer, from the variables as they come over the wire."""
        received = strict_json.load(json.dumps(dict(variables)).encode())
        authorization = f"Bearer {self.system.api_key if key == '' else key}" if key is not None else None
        call = Call(document, received, None, "trace", authorization=authorization, plain=plain)
        return Seen.of(await self.api.answer(call))

    async def same(self, document: str, **variables: Any) -> Any:
        """Ask in both ways; the answer, which must be one."""
        planned = await self.ask(document, variables, plain=False)
        plain = await self.ask(document, variables, plain=True)
        assert planned == plain, document
        return json.loads(planned.body)

    def is_written(self, document: str) -> bool:
        """Whether the last such request was written without the engine."""
        operation = self.api.documents.prepare(document).operation(None)
        assert operation is not None
        plans = operation.compiled["mutations"].by_switches.values()
        return any(plan is not None and plan.is_written for plan in plans)


@pytest.fixture
async def both(settings: Settings, means: Means, cast: Cast) -> AsyncIterator[Both]:
    db, wakeups = connect(settings)
    api = Api(build_schema(), db, means)
    yield Both(api, cast.provider)
    await api.close()
    await db.close()
    await wakeups.close()


async def test_a_repeated_post_is_answered_by_the_same_bytes(client: Client, both: Both) -> None:
    core = both.api.documents.core
    body = postings.content(
        lines=[postings.line(1, "10.00"), postings.line(2, "5.50", attributes={"note": 'é"\\'})],
        attachments=[{"kind": "KEY_VALUE", "key": "note", "value": "x"}],
        attributes={"net_amount": "15.50"},
    )
    event = await postings.event_input(client, both.system, body)
    again = await postings.event_input(client, both.system, postings.content())
    message = await postings.message_input(
        client, both.system, [both.system.unique_id.replace("mgramseva", "dashboard")]
    )
    cases = [
        ("postFiscalEvent", "PostFiscalEventInput", event),
        (
            "postFiscalEvents",
            "PostFiscalEventsInput",
            {"items": [event, again, {**event, "idempotencyKey": "odd"}]},
        ),
        ("postFiscalMessage", "PostFiscalMessageInput", message),
    ]
    written = 0
    for seed in range(SELECTIONS):
        root, kind, made = cases[seed % 3]
        document = PayloadSelections(core, seed).document(root, kind, deep=seed % 2 == 0)
        answer = await both.same(document, input=made, yes=True)
        assert "errors" not in answer, answer
        written += both.is_written(document)
    assert written > SELECTIONS * 0.6


async def test_what_is_posted_is_answered_as_it_is_read_later(client: Client, both: Both) -> None:
    fields = """id from government to postedAt referenceId eventTime totalAmount netAmount reversedAmount fiscalYear
      currency contentDigest content attributes approvalState reversalState links { state } receipt { statement }
      lineItems { lineNo amount coaCode periodStart tags { share } attributes } signatures { id purpose eSign }"""
    made = await postings.event_input(client, both.system, postings.content())
    document = f"mutation($input: PostFiscalEventInput!) {{ postFiscalEvent(input: $input) {{ event {{ {fields} }} }} }}"
    posted = json.loads((await both.ask(document, {"input": made}, plain=False)).body)["data"][
        "postFiscalEvent"
    ]["event"]
    assert both.is_written(document)
    assert posted["lineItems"][0]["amount"] == "1000.00"
    query = f"query($id: ID!) {{ fiscalEvent(id: $id) {{ {fields} }} }}"
    read = json.loads((await both.ask(query, {"id": posted["id"]}, plain=True)).body)["data"]["fiscalEvent"]
    assert posted == read


def _kind(root: str) -> str:
    return f"{root[0].upper()}{root[1:]}Input"


ROOTS = ["postFiscalEvent", "postFiscalMessage", "reverse", "correct", "addSignature"]
cases = st.tuples(st.sampled_from(ROOTS), st.booleans()).flatmap(
    lambda case: st.tuples(st.just(case[0]), inputs(_kind(case[0]), right=case[1]))
)


@given(case=cases)
@hypothesis_settings(
    max_examples=ODD_INPUTS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
async def test_odd_input_is_answered_by_the_same_bytes_and_writes_nothing(
    both: Both, database: Database, case: tuple[str, Any]
) -> None:
    root, made = case
    kind = _kind(root)
    if isinstance(made, dict) and root != "addSignature":
        for each in (made, made.get("reversal"), made.get("replacement")):
            if isinstance(each, dict) and "idempotencyKey" in each:
                each["validateOnly"] = True
    before = await outside.counts(database)
    selected = {"addSignature": "signature { id }", "correct": "reversal { outcome }"}.get(root, "outcome")
    answer = await both.same(
        f"mutation($input: {kind}!) {{ {root}(input: $input) {{ {selected} errors {{ code path message }} }} }}",
        input=made,
    )
    assert answer
    assert await outside.counts(database) == before


POST = "mutation($input: PostFiscalEventInput!) { postFiscalEvent(input: $input) { outcome errors { code path } } }"
MEMBERS = """mutation($items: [PostFiscalEventInput!]!, $mode: BatchMode!) {
  postFiscalEvents(input: {items: $items, mode: $mode}) { results { outcome event { referenceId } } errors { code path } }
}"""


async def test_nobody_is_told_so_at_the_top(client: Client, both: Both) -> None:
    made = await postings.event_input(client, both.system, postings.content())
    for key in (None, "fhub_test_wrong"):
        planned = await both.ask(POST, {"input": made}, plain=False, key=key)
        assert planned == await both.ask(POST, {"input": made}, plain=True, key=key)
        answer = json.loads(planned.body)
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_input_written_member_by_member_is_planned(client: Client, both: Both) -> None:
    made = [await postings.event_input(client, both.system, postings.content()) for _ in range(2)]
    answer = await both.same(MEMBERS, items=made, mode="ATOMIC")
    assert [it["outcome"] for it in answer["data"]["postFiscalEvents"]["results"]] == ["ACCEPTED"] * 2
    assert both.is_written(MEMBERS)
    for variables in (
        {"items": made},
        {"items": made, "mode": None},
        {"items": made, "mode": "NEITHER"},
        {"items": None, "mode": "ATOMIC"},
        {"items": [None], "mode": "ATOMIC"},
        {"items": made[0], "mode": "ATOMIC"},
        {"items": [], "mode": "ATOMIC"},
        {"items": made, "mode": "ATOMIC", "unasked": 1},
    ):
        await both.same(MEMBERS, **variables)


DECLARED = (
    "$input: PostFiscalEventInput!, $odd: Int",
    "$input: PostFiscalEventInput!, $odd: Int! = 3, $on: Boolean = true",
    "$input: PostFiscalEventInput!, $on: Boolean!",
)


async def test_other_variables_are_coerced_as_ever(both: Both, client: Client) -> None:
    made = await postings.event_input(client, both.system, postings.content(), validateOnly=True)
    for declared, on in itertools.product(DECLARED, [True, False, None, 1, "true", ...]):
        used = " @include(if: $on)" if "$on" in declared else ""
        skipped = " a: readMessages(input: {first: $odd}) @skip(if: true) { __typename }"
        odd = skipped if "$odd" in declared else ""
        document = (
            f"mutation({declared}) {{ postFiscalEvent(input: $input) {{ outcome{used} __typename }}{odd} }}"
        )
        await both.same(document, input=made, odd="x", **({} if on is ... else {"on": on}))


async def test_several_roots_run_one_after_the_other_until_one_fails(client: Client, both: Both) -> None:
    first, second = [await postings.event_input(client, both.system, postings.content()) for _ in range(2)]
    document = """mutation($one: PostFiscalEventInput!, $two: PostFiscalEventInput!) {
      a: postFiscalEvent(input: $one) { outcome event { id } } __typename
      b: postFiscalEvent(input: $two) { outcome event { id lineItems { amount } } } }"""
    answer = await both.same(document, one=first, two=second)
    assert answer["data"]["a"]["outcome"] == answer["data"]["b"]["outcome"] == "ACCEPTED"
    assert both.is_written(document)


async def test_a_fault_is_masked_and_stops_the_rest(
    client: Client, both: Both, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(type(both.api.posts), "post", fails)
    before = await outside.counts(database)
    made = await postings.event_input(client, both.system, postings.content())
    document = POST.replace(
        "postFiscalEvent(", "a: postFiscalEvent(input: $input) { outcome } b: postFiscalEvent("
    )
    answer = await both.same(document, input=made)
    assert answer["data"] is None
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["a"], "INTERNAL")
    ]
    assert "secret" not in json.dumps(answer)
    assert await outside.counts(database) == before


async def test_a_payload_that_cannot_be_written_is_completed_and_never_posted_twice(
    client: Client, both: Both, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(*_: Any) -> Any:
        raise ConnectionError

    made = await postings.event_input(client, both.system, postings.content())
    before = (await outside.counts(database))["posting"]
    document = POST.replace("outcome", "outcome event { lineItems { amount } }")
    monkeypatch.setattr(both.api.db, "fetch", fetch)
    answer = json.loads((await both.ask(document, {"input": made}, plain=False)).body)
    assert answer["data"]["postFiscalEvent"]["event"] == {"lineItems": [{"amount": "1000.00"}]}
    assert (await outside.counts(database))["posting"] == before + 1


def test_doors_ask_their_info_for_the_context_alone() -> None:
    folder = Path(doors.__file__).parent
    for path in sorted(folder.glob("*.py")):
        found = re.findall(r"\binfo\.(?!context\b)\w+", path.read_text())
        assert found == [], path.name
