"""Compiled and plain execution answer every document alike, byte for byte, whoever asks (hub/reads)."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import false

from hub.api import Api
from hub.reads import Reads
from hub.reads.mapping import Leaf, Shape
from tests.sameness.comparing import Tally, compare, told
from tests.sameness.conftest import Stage
from tests.sameness.documents import Document, Writer
from tests.sameness.scene import UNKNOWN, Caller

pytestmark = [
    pytest.mark.anyio,
    # Where one root field is refused at once, graphql-core leaves the others' coroutines to the collector.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings(
        # Which of its coroutines that is depends on where the collector finds them.
        "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"
    ),
]

SEEDS = 6
EVERYDAY = 500
LONG, BATCH = 20_000, 1_000
# Of the documents that ask for nothing but postings and were answered: what is plain only by a coercion's finer
# points may fall back, most of them may not.
COMPILED_MIN = 0.8
# Of all documents: the others test refusals, of which a few kinds are enough.
ANSWERED_MIN = 0.35
PAGE = 7


async def _compare(stage: Stage, api: Api, seed: int, count: int, *, until_found: bool = False) -> Tally:
    """So many documents, each as one of the callers; or no more than it takes to find a difference."""
    writer, dice, tally = Writer(api.documents.core, stage.scene.values, seed), random.Random(seed), Tally()
    for _ in range(count):
        await compare(api, tally, dice.choice(stage.scene.callers), writer.document())
        if until_found and tally.differences:
            break
    return tally


def _assert_meaningful(tally: Tally) -> None:
    assert tally.answered >= ANSWERED_MIN * tally.documents, tally.outcomes
    assert tally.share_compiled >= COMPILED_MIN, (tally.compiled, tally.about_postings)
    assert {"OK", "CURSOR", "ROLE_NOT_ALLOWED", "UNAUTHENTICATED", "DOCUMENT_INVALID"} <= set(tally.outcomes)


async def test_every_document_is_answered_alike_compiled_and_plain(stage: Stage) -> None:
    tally = await _compare(stage, stage.api, 1, EVERYDAY)
    assert not tally.differences, told(tally.differences)
    assert tally.documents == EVERYDAY
    _assert_meaningful(tally)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 100 + LONG // BATCH))
async def test_many_documents_are_answered_alike(stage: Stage, seed: int) -> None:
    tally = await _compare(stage, stage.api, seed, BATCH)
    assert not tally.differences, told(tally.differences)
    _assert_meaningful(tally)


NODE = "id referenceId lineItems { lineNo amount } signatures { id } attributes"
LISTS = {
    "fiscalEvents newest": ("fiscalEvents", "", f"cursor node {{ {NODE} reversals {{ id }} }}"),
    "fiscalEvents oldest": ("fiscalEvents", ", order: OLDEST_FIRST", f"cursor node {{ {NODE} }}"),
    "fiscalEvents filtered": (
        "fiscalEvents",
        ', filter: {reversal: ORIGINALS, coaPrefix: "4215"}',
        f"cursor node {{ {NODE} }}",
    ),
    "inbox": ("inbox", ", state: ALL", f"cursor node {{ deliveredAt readAt message {{ {NODE} }} }}"),
    "sentMessages": ("sentMessages", "", f"cursor node {{ {NODE} deliveries {{ system readAt }} }}"),
    "totals": (
        "fiscalEventTotals",
        ", groupBy: [{dimension: SENDER}, {dimension: MONTH}]",
        "cursor node { keys { dimension value label } currency gross reversed net events lines }",
    ),
}


async def _walk(stage: Stage, caller: Caller, name: str, size: int, *, plain: bool) -> list[Any] | None:
    """All edges of a list from its first page to its last; None where the caller may not ask."""
    root, arguments, edge = LISTS[name]
    document = (
        f"query ($after: String) {{ {root}(first: {size}, after: $after{arguments})"
        f" {{ edges {{ {edge} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    found: list[Any] = []
    after = None
    for _ in range(200):
        answer = await stage.api.answer(caller.call(document, {"after": after}, None, plain=plain))
        body = orjson.loads(answer.body)
        if not body.get("data"):
            return None
        assert answer.compiled is not plain
        page = body["data"][root]
        found += page["edges"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
    pytest.fail("a list without an end")


@pytest.mark.parametrize("name", ["B0", "C1", "P0", "B3", "T0", "owner0", "operator-pb"])
async def test_walking_a_list_by_cursors_gives_the_same_rows(stage: Stage, name: str) -> None:
    caller, walked = stage.scene.caller(name), 0
    for each in LISTS:
        whole = await _walk(stage, caller, each, 100, plain=True)
        assert await _walk(stage, caller, each, PAGE, plain=False) == whole
        walked += len(whole or ())
    assert walked > PAGE


# The test tested: a mapping that is wrong in one place is found


def _mapped(stage: Stage, shape: str, **fields: Leaf) -> Api:
    """An API of its own whose mapping has other fields in one shape."""
    api = Api(stage.api.schema, stage.db, stage.means)
    storage = api.reads.storage
    old = storage.shapes[shape]
    wrong = Shape(old.name, {**old.fields, **fields}, guarded=old.guarded)
    api.reads = Reads(api.schema, replace(storage, shapes={**storage.shapes, shape: wrong}))
    return api


@pytest.mark.parametrize(
    ("shape", "field", "change"),
    [
        ("FiscalEvent", "referenceId", {"value": "sender"}),
        ("LineItem", "locationPath", {"value": "location_code"}),
        ("Signature", "keyId", {"prefix": "sig_"}),
    ],
)
async def test_a_wrong_mapping_is_found(stage: Stage, shape: str, field: str, change: dict[str, Any]) -> None:
    right = stage.api.reads.storage.shapes[shape].fields[field]
    assert isinstance(right, Leaf)
    wrong = replace(right, **change)
    assert wrong != right
    api = _mapped(stage, shape, **{field: wrong})
    # Which documents a seed makes changes with the schema: a field may need more of them to be met.
    for seed in range(1, SEEDS + 1):
        found = await _compare(stage, api, seed, EVERYDAY, until_found=True)
        if found.differences:
            break
    await api.close()
    (difference,) = found.differences
    assert field in difference.document.text


async def test_a_masked_value_that_leaks_is_found(stage: Stage) -> None:
    right = stage.api.reads.storage.shapes["FiscalEvent"].fields["attributes"]
    assert isinstance(right, Leaf)
    api = _mapped(stage, "FiscalEvent", attributes=replace(right, masked=lambda *_: false()))
    tally = Tally()
    document = Document("{ fiscalEvents(first: 100) { edges { node { id attributes } } } }", {}, None, True)
    await compare(api, tally, stage.scene.caller("B1"), document)
    await api.close()
    assert len(tally.differences) == 1


async def test_a_document_for_an_unknown_id_is_the_same_nothing(stage: Stage) -> None:
    document = f'{{ fiscalEvent(id: "evt_{UNKNOWN}") {{ id }} }}'
    caller = stage.scene.caller("C1")
    answers = [
        await stage.api.answer(caller.call(document, {}, None, plain=plain)) for plain in (True, False)
    ]
    assert [answer.compiled for answer in answers] == [False, True]
    assert answers[0].body == answers[1].body
    assert orjson.loads(answers[0].body)["data"] == {"fiscalEvent": None}
