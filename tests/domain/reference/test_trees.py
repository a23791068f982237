"""Trees over time: whatever is created, moved, retired or refused, paths and chains agree on every day."""

from __future__ import annotations

import random
import uuid
from datetime import date, timedelta

import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from hub.codes import Code
from hub.db import Database
from hub.domain import reference
from hub.domain.reference import Criteria, Moment, Registry, SaveEntry, Status
from hub.domain.reference.forest import Forest, Node, Outcome, Surroundings
from hub.domain.reference.plan import plan
from hub.domain.reference.timeline import Overlap, Place, Span, at, write
from hub.errors import Refusal
from tests.factories.reference import FACTORY

TENANT = uuid.UUID("0199f1c0-0000-7000-8000-000000000001")
FIRST = date(2026, 1, 1)
CODES = tuple("abcdefg")
AROUND = Surroundings(today=date(2026, 6, 1), depth_max=10)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(-1, 13))

change = st.builds(
    lambda code, parent, start, length, retired: SaveEntry(
        Registry.LOCATION,
        code,
        name=code,
        parent=parent,
        status=Status.RETIRED if retired else Status.ACTIVE,
        valid_from=FIRST + timedelta(days=start),
        valid_to=FIRST + timedelta(days=start + length) if length else None,
        upsert=True,
    ),
    st.sampled_from(CODES),
    st.one_of(st.none(), st.sampled_from(CODES)),
    st.integers(0, 10),
    st.one_of(st.just(0), st.integers(1, 10)),
    st.integers(0, 5).map(lambda number: number == 0),
)


def settle(forest: Forest, outcome: Outcome) -> None:
    """What writing the rows would do."""
    placed: dict[uuid.UUID, list[tuple[uuid.UUID, Place]]] = {}
    for node, place in outcome.placed:
        placed.setdefault(node.entry_id, []).append((uuid.uuid4(), place))
    gone = set(outcome.superseded)
    for node in forest.nodes.values():
        kept = [row for row in node.rows if row[0] not in gone]
        node.rows = tuple(sorted([*kept, *placed.get(node.entry_id, ())], key=lambda row: row[1].start))
        node.number = 1


def place_on(node: Node, day: date) -> Place | None:
    """Where a node stands on a day, by its rows."""
    standing = [
        place for _, place in node.rows if place.start <= day and (place.end is None or day < place.end)
    ]
    assert len(standing) <= 1
    return standing[0] if standing else None


def check_trees(forest: Forest) -> None:
    """On every day a node's path is its parent's and its code, and its version the one that holds."""
    for node in forest.nodes.values():
        for day in DAYS:
            place, span = place_on(node, day), at(node.spans, day)
            assert (place is None) == (span is None)
            if place is None or span is None:
                continue
            assert (place.version_id, place.parent_id) == (span.version_id, span.parent_id)
            if place.parent_id is None:
                assert (place.path, place.depth) == (node.code, 0)
            else:
                above = place_on(forest.nodes[place.parent_id], day)
                assert above is not None
                assert (place.path, place.depth) == (f"{above.path}/{node.code}", above.depth + 1)
                parent_span = at(forest.nodes[place.parent_id].spans, day)
                assert parent_span is not None
                assert parent_span.active or not span.active


@given(st.lists(st.lists(change, min_size=1, max_size=4), max_size=25))
@hypothesis_settings(max_examples=150, deadline=None)
def test_every_day_a_path_is_the_parents_path_and_the_code(batches: list[list[SaveEntry]]) -> None:
    forest = Forest(Registry.LOCATION)
    for commands in batches:
        trial = forest.copy()
        outcome, problems = plan(trial, AROUND, commands)
        if not problems:
            settle(trial, outcome)
            forest = trial
        check_trees(forest)


def test_a_change_in_the_middle_comes_to_an_end_and_the_old_version_returns() -> None:
    old, new = uuid.uuid4(), uuid.uuid4()
    line = write((Span(DAYS[0], None, old),), Span(DAYS[3], DAYS[5], new))
    assert [(span.start, span.end, span.version_id) for span in line] == [
        (DAYS[0], DAYS[3], old),
        (DAYS[3], DAYS[5], new),
        (DAYS[5], None, old),
    ]
    with pytest.raises(Overlap):
        write(line, Span(DAYS[2], None, uuid.uuid4()))


Oracle = dict[tuple[str, date], tuple[str | None, int]]
EXPECTED = {Code.INVALID_PARENT_ID, Code.HAS_CHILDREN, Code.VALIDITY_OVERLAP}


def mirror(oracle: Oracle, command: SaveEntry, number: int) -> None:
    """The command day by day: from its first day to the end of the version it changes, or to the next one."""
    code, start = str(command.code), command.valid_from
    assert start is not None
    old = oracle.get((code, start))
    if old is not None and old[0] == command.parent:
        return
    for day in DAYS:
        if day < start:
            continue
        if oracle.get((code, day)) != old:
            break
        oracle[(code, day)] = (str(command.parent) if command.parent else None, number)


async def apply_at_random(database: Database, seed: int, oracle: Oracle) -> int:
    """Random creates and moves by the real verbs, mirrored in ``oracle``; how many were refused."""
    rng = random.Random(seed)
    refused: list[Refusal] = []
    for number in range(40):
        code, parent, start = rng.choice(CODES), rng.choice([None, *CODES]), rng.choice(DAYS)
        command = SaveEntry(Registry.LOCATION, code, name=code, parent=parent, valid_from=start, upsert=True)
        try:
            async with database.transaction() as tx:
                await reference.save(tx, FACTORY, TENANT, [command])
        except Refusal as refusal:
            refused.append(refusal)
        else:
            mirror(oracle, command, number)
    assert {problem.code for refusal in refused for problem in refusal.problems} <= EXPECTED
    return len(refused)


def chain_of(oracle: Oracle, code: str, day: date) -> list[str]:
    chain = [code]
    while (above := oracle[(chain[0], day)][0]) is not None:
        chain.insert(0, above)
    return chain


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_read_back_is_what_was_written_on_every_day(database: Database, seed: int) -> None:
    oracle: Oracle = {}
    refused = await apply_at_random(database, seed, oracle)
    assert 0 < refused < 40
    async with database.read() as read:
        for day in DAYS[::3]:
            moment = Moment(day)
            entries = await reference.search(
                read, FACTORY, TENANT, Registry.LOCATION, Criteria(), moment=moment, limit=100
            )
            ids = {entry.entry_id: entry.code for entry in entries}
            chains = await reference.list_ancestors(read, FACTORY, TENANT, list(ids), moment)
            below: set[tuple[str, str]] = set()
            for entry in entries:
                found = await reference.list_descendants(read, FACTORY, entry, moment=moment, limit=100)
                below |= {(entry.code, one.code) for one in found}
                codes = [above.code for above in chains[entry.entry_id]]
                assert entry.path.split("/") == codes
            above_pairs = {
                (above.code, ids[entry_id]) for entry_id, chain in chains.items() for above in chain[:-1]
            }
            assert below == above_pairs
            expected = {code: chain_of(oracle, code, day) for code, on in oracle if on == day}
            assert {entry.code: entry.path.split("/") for entry in entries} == expected
