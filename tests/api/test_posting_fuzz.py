"""Odd input meets a typed refusal: never an internal error, never half a posting."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from hub.db import Database
from hub.means import Means
from hub.settings import Settings
from tests.client import serve
from tests.factories import outside, postings
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system

pytestmark = pytest.mark.anyio

EXAMPLES = 250
ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "a\x00b",
        "\u0001",
        "e\u0301",
        "\ud800",
        "\U0010ffff",
        "'; --",
        "%s",
        "x" * 70_000,
        "é" * 65,
        "-",
        "0",
        "1e5",
        "NaN",
        "\uff19",
        "pb",
        "IN R",
        "INR",
        "../..",
        "R-1",
        "__proto__",
        "\u202e",
        "a" * 64,
        "a" * 65,
    ]
)
odd = ODD_TEXT | st.text(max_size=20)
integers = st.sampled_from(
    [-(2**31), -1, 0, 1, 2, 1_000_000, 1_000_001, 2**31 - 1, 2**31, 2**63, 2**64, 10**400]
)
instants = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-12:00",
    ]
    + ["1950-01-01T00:00:00Z", "1949-12-31T23:59:59Z", "2026-02-29T00:00:00Z", "2026-09-28", "now", ""]
    + ["2026-09-28T15:10:00+05:30"] * 4
)
dates = st.sampled_from(
    ["0001-01-01", "9999-12-31", "2024-02-29", "2026-02-30", "", "2026-08-01", "2026-09-25"]
)
ids = st.sampled_from(
    [
        "evt_0199f1c0-0002-7000-8000-000000000002",
        "msg_0199f1c0-0002-7000-8000-000000000002",
        "evt_",
        "",
        "x" * 500,
        "evt_0199F1C0-0002-7000-8000-000000000002",
        "sgk_0199f1c0-0002-7000-8000-000000000002",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd, inner, max_size=3),
    max_leaves=5,
)
attributes = (
    st.dictionaries(odd | st.sampled_from(["net_amount", "a", "employee_count"]), values, max_size=3) | values
)
amounts = odd | st.sampled_from(
    [
        "1.00",
        "0.00",
        "-1.00",
        "-0",
        "1." + "0" * 28 + "1",
        "9" * 15,
        "9" * 16,
        "9" * 40,
        "0." + "0" * 37 + "1",
        "1.005",
    ]
)


@st.composite
def some(draw: st.DrawFn, /, **members: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Up to two of these members, each with any of its values: one oddity shall not hide another."""
    names = draw(st.lists(st.sampled_from(sorted(members)), max_size=2, unique=True))
    return {name: draw(members[name]) for name in names}


lines = some(
    lineNo=integers,
    amount=amounts | values,
    currency=odd | st.sampled_from(["JPY", "KWD", "USD"]),
    coaCode=odd | st.sampled_from(["421501102080053", "4215"]),
    locationCode=odd,
    programCode=odd,
    projectCode=odd,
    administrativeHierarchyCode=odd,
    departmentCode=odd,
    periodStart=dates,
    periodEnd=dates,
    tags=st.lists(some(scheme=odd, share=amounts, beneficiaryRegistry=odd, targetSegment=odd), max_size=2),
    attributes=attributes,
    reversesLineNo=integers,
)
RELATIONS = ["FOLLOWS", "SETTLES", "REPLACES", "CONCERNS", "DRAWS_ON", "ACCOUNTED", "?"]
bodies = some(
    type=st.sampled_from(["REVENUE", "EXPENDITURE", "DEBT"]),
    majorType=st.sampled_from(
        ["REVENUE_RECEIPT", "CAPITAL_RECEIPT", "REVENUE_EXPENDITURE", "CAPITAL_EXPENDITURE"]
    ),
    subType=st.sampled_from(["ESTIMATE", "PLAN", "DEMAND", "BILL", "RECEIPT", "PAYMENT", "DEBIT", "CREDIT"]),
    qualifier=st.sampled_from(["PROPOSED", "REVISED", "SURRENDER", "?"]),
    classification=st.sampled_from(["OPEN", "RESTRICTED"]),
    referenceId=odd,
    eventTime=instants,
    government=odd,
    schemaVersion=odd,
    process=odd | st.sampled_from(["release_of_funds", "revenue_collection", "work_bill_payment"]),
    attributeGroup=odd | st.sampled_from(["dpr", "ddo_work_bill"]),
    to=st.lists(odd | st.sampled_from(["mgramseva@punjab.ifix.org"]), max_size=3),
    links=st.lists(
        some(relation=st.sampled_from(RELATIONS), id=ids, system=odd, referenceId=odd)
        | st.just({"relation": "FOLLOWS", "system": "mgramseva@punjab.ifix.org", "referenceId": "R-1"}),
        max_size=3,
    ),
    reversal=some(
        reverses=ids, mode=st.sampled_from(["FULL", "PARTIAL"]), reason=st.just("OTHER"), comment=odd
    ),
    attributes=attributes,
    attachments=st.lists(
        some(
            kind=st.sampled_from(["KEY_VALUE", "DOCUMENT"]),
            key=odd,
            value=odd,
            name=odd,
            role=odd,
            mediaType=odd | st.just("application/pdf"),
            sizeBytes=integers,
            sha256=odd | st.just("0" * 64),
        ),
        max_size=2,
    ),
)


@given(
    body=bodies,
    line=lines,
    key=odd,
    signature=some(keyId=ids, signedAt=instants, eSign=odd),
    honest=st.booleans(),
)
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
async def test_odd_input_is_refused_by_code_and_leaves_nothing_half_done(
    world: tuple[Any, TestSystem, Database],
    body: dict[str, Any],
    line: dict[str, Any],
    key: str,
    signature: dict[str, Any],
    honest: bool,
) -> None:
    client, system, database = world
    content = {**outside.bill(), **body, "lines": [{**postings.line(), **line}]}
    made = {
        "idempotencyKey": postings.reference() if honest else key,
        "content": content,
        "signature": outside.sign(system, b"x") | ({} if honest else signature),
    }
    before = await outside.counts(database)
    if honest:
        subject, statement = (
            {"event": content},
            {"keyId": system.signing_key_public_id, "signedAt": postings.now_text()},
        )
        asked = await _send(client, postings.BYTES_TO_SIGN, subject=subject, statement=statement)
        if asked.get("data"):
            made["signature"] = await _seal(system, asked["data"]["bytesToSign"]["statement"], statement)
    answer = await _send(client, postings.POST_EVENT, input=made)
    payload = (answer.get("data") or {}).get("postFiscalEvent")
    stored = (await outside.counts(database))["posting"] - before["posting"]
    if payload is not None and payload["outcome"] == "ACCEPTED":
        assert stored == 1
    else:
        assert await outside.counts(database) == before


requests = some(
    id=ids,
    mode=st.sampled_from(["FULL", "PARTIAL", "?"]),
    reason=st.sampled_from(["ERROR", "OTHER"]),
    referenceId=odd,
    eventTime=instants,
    comment=odd,
    lines=st.lists(some(lineNo=integers, amount=amounts), max_size=3),
    attributes=attributes,
)


@given(over=requests, key=odd | st.just("k"))
@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
async def test_odd_reversals_are_refused_by_code_and_move_nothing(
    world: tuple[Any, TestSystem, Database], over: dict[str, Any], key: str
) -> None:
    client, system, database = world
    event = await postings.post_ok(client, system, outside.bill())
    request = {
        "id": event["id"],
        "mode": "FULL",
        "reason": "ERROR",
        "referenceId": postings.reference(),
        "eventTime": "2026-10-07T17:45:00Z",
        **over,
    }
    made = {"idempotencyKey": key, "reversal": request, "signature": outside.sign(system, b"x")}
    statement = {"keyId": system.signing_key_public_id, "signedAt": postings.now_text()}
    asked = await _send(client, postings.BYTES_TO_SIGN, subject={"reversal": request}, statement=statement)
    if asked.get("data"):
        made["signature"] = await _seal(system, asked["data"]["bytesToSign"]["statement"], statement)
    before = await outside.counts(database)
    answer = await _send(client, postings.REVERSE, input=made)
    payload = (answer.get("data") or {}).get("reverse")
    if payload is None or payload["outcome"] != "ACCEPTED":
        assert await outside.counts(database) == before


async def _seal(system: TestSystem, statement: str, said: dict[str, Any]) -> dict[str, Any]:
    seal = system.signing.sign(base64.b64decode(statement)).signature
    return {"keyId": said["keyId"], "signedAt": said["signedAt"], "eSign": base64.b64encode(seal).decode()}


async def _send(client: Any, document: str, **variables: Any) -> dict[str, Any]:
    """One POST of pure ASCII JSON, so that halves of surrogate pairs arrive as well; no error is internal."""
    response = await client.http.post(
        "/graphql",
        content=json.dumps({"query": document, "variables": variables}),
        headers={"content-type": "application/json", "authorization": f"Bearer {client.token}"},
    )
    answer: dict[str, Any] = response.json()
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    assert not {"INTERNAL", "TIMEOUT", "UNAVAILABLE"} & set(codes), answer["errors"]
    assert "RATE_LIMIT" not in codes
    return answer


@pytest.fixture
async def world(settings: Settings, database: Database, means: Means) -> Any:
    """A served hub with one provider."""
    system = await make_system(database, means, name="mGramSeva")
    await make_reference(database, system.tenant_id)
    async with serve(settings) as client:
        yield client.acting(system.api_key), system, database
    await database.close()
