"""Evidence from outside: one file, checked without the hub, in which nothing can be changed unnoticed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.client.evidence import Trust, check
from hub.db import Database
from hub.domain import registry
from hub.jobs.transparency import sequence_all
from hub.means import Means
from hub.signing import HubKey, NoteKey, base64_text
from hub.signing.evidence import evidence_statement
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import HUB

pytestmark = pytest.mark.anyio

EVIDENCE = "query($id: ID!) { evidence(id: $id) { fileName json } }"
PARTS = ["file", "checkpoint", "leaves", "receipt", "posting", "keys", "signatures", "whole"]


async def _approve(client: Client, cast: Cast, event: dict[str, Any]) -> None:
    statement = {"purpose": "APPROVAL", "comments": 'as "agreed", \\ all of it'}
    signature = await postings.sign(client, cast.consumer, {"posting": event["id"]}, **statement)
    sent = {"id": event["id"], **statement, **signature}
    answer = await client.acting(cast.consumer.api_key).run(postings.ADD_SIGNATURE, input=sent)
    assert answer["addSignature"]["errors"] == []


def _trust(means: Means) -> Trust:
    return Trust(means.signing_key.public, NoteKey(means.log_origin, means.log_key.public))


@pytest.fixture
async def file(client: Client, cast: Cast, database: Database, means: Means) -> str:
    """The evidence of an event somebody else approved."""
    event = await postings.post_ok(client, cast.provider)
    await _approve(client, cast, event)
    asker = client.acting(cast.consumer.api_key)
    assert await asker.codes(EVIDENCE, id=event["id"]) == ["NOT_IN_LOG"]
    await sequence_all(database, means)
    found: dict[str, str] = (await asker.run(EVIDENCE, id=event["id"]))["evidence"]
    assert found["fileName"] == f"evidence-{event['id'][4:]}.json"
    return found["json"]


async def test_a_good_file_holds_in_every_step(file: str, means: Means) -> None:
    steps = check(file, _trust(means))
    assert [(step.part, step.fault) for step in steps] == [(part, None) for part in PARTS]
    assert len(json.loads(file)["signatures"]) == 2


def _changes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every place of the file with another value for it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _changes(inner, (*path, name))
            yield (*path, name), None
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _changes(inner, (*path, at))
        if value:
            yield path, value[:-1]
            yield path, [*value, value[0]]
    elif isinstance(value, str):
        middle = len(value) // 2
        for at in {0, middle, max(0, len(value) - 3)}:
            other = "B" if value[at : at + 1] == "A" else "A"
            yield path, value[:at] + other + value[at + 1 :]
        yield path, value + "A"


async def test_no_change_of_any_part_holds(file: str, means: Means) -> None:
    trust, tried = _trust(means), 0
    for path, other in _changes(json.loads(file)):
        changed = json.loads(file)
        place = changed
        for name in path[:-1]:
            place = place[name]
        # A file may leave the content out; everything else has one form.
        if place[path[-1]] == other or (path == ("posting", "content") and other is None):
            continue
        place[path[-1]] = other
        tried += 1
        assert not all(step.holds for step in check(json.dumps(changed), trust)), path
        # Not the signature over the whole alone: every step looks at its own.
        if path != ("signature",):
            statement = evidence_statement(changed, means.signing_key.key_id)
            changed["signature"] = base64_text(means.signing_key.sign(statement))
            assert check(json.dumps(changed), trust)[-1].part != "whole", path
    assert tried > 150


async def test_other_keys_are_not_believed(file: str, means: Means) -> None:
    trust, other = _trust(means), HubKey.from_seed(bytes(range(32))).public
    assert check(file, Trust(other, trust.log))[-1].part == "receipt"
    assert check(file, Trust(trust.hub, NoteKey(means.log_origin, other)))[-1].part == "checkpoint"
    key = json.loads(file)["keys"][0]["id"]
    assert check(file, Trust(trust.hub, trust.log, {key: other}))[-1].part == "keys"


async def test_the_command_tells_every_step(file: str, means: Means, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(file)
    keys = ["--hub-key", means.signing_key.public.base64, "--log-key", _trust(means).log.text]
    for file_name, key, said in (
        ("absent.json", keys, "does not exist"),
        ("evidence.json", ["--hub-key", "AAAA", *keys[2:]], "--hub-key 'AAAA'"),
        ("evidence.json", [*keys, "--system-key", "sgk_1"], "not of the form"),
    ):
        wrong = CliRunner().invoke(app, ["verify", "evidence", str(tmp_path / file_name), *key])
        assert wrong.exit_code == 2
        assert said in " ".join(wrong.output.replace("│", " ").split())
        assert isinstance(wrong.exception, SystemExit)
    good = CliRunner().invoke(app, ["verify", "evidence", str(path), *keys, "--json"])
    assert good.exit_code == 0, good.output
    assert [json.loads(line)["part"] for line in good.stdout.splitlines()] == PARTS
    path.write_text(file.replace('"logIndex":"', '"logIndex":"1', 1))
    bad = CliRunner().invoke(app, ["verify", "evidence", str(path), *keys])
    assert bad.exit_code == 1
    assert "THE EVIDENCE DOES NOT HOLD" in bad.stdout


async def test_evidence_of_a_message(client: Client, cast: Cast, database: Database, means: Means) -> None:
    sent = await postings.send(client, cast.provider, [cast.consumer.unique_id])
    await sequence_all(database, means)
    for system in (cast.provider, cast.consumer):
        asker = client.acting(system.api_key)
        found = (await asker.run(EVIDENCE, id=sent["message"]["id"]))["evidence"]["json"]
        assert all(step.holds for step in check(found, _trust(means)))
    stranger = client.acting(cast.both.api_key)
    assert await stranger.codes(EVIDENCE, id=sent["message"]["id"]) == ["NOT_FOUND"]


async def test_who_may_not_read_the_content_gets_the_proof_without_it(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(
        client, cast.provider, postings.content(attributes={"vendor_name": "Kamla Devi"})
    )
    await sequence_all(database, means)
    own, others = [
        (await client.acting(system.api_key).run(EVIDENCE, id=event["id"]))["evidence"]["json"]
        for system in (cast.provider, cast.consumer)
    ]
    for found in (own, others):
        assert all(step.holds for step in check(found, _trust(means)))
    assert b"Kamla" in base64.b64decode(json.loads(own)["posting"]["content"])
    assert json.loads(others)["posting"]["content"] is None
    same = {"posting": None, "signature": None}
    assert {**json.loads(own), **same} == {**json.loads(others), **same}


async def test_a_key_that_was_compromised_before_the_posting_came_proves_nothing(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(client, cast.provider)
    key = cast.provider.signing_key_id
    for since, fault in ((0, None), (-3600, "signatures")):
        async with database.transaction() as tx:
            at = datetime.now(UTC) + timedelta(seconds=since)
            await registry.compromise_signing_key(tx, HUB, key, since=min(at, tx.now))
        await sequence_all(database, means)
        found = (await client.acting(cast.consumer.api_key).run(EVIDENCE, id=event["id"]))["evidence"]["json"]
        last = check(found, _trust(means))[-1]
        assert (None if last.holds else last.part) == fault


async def test_a_line_of_a_keys_history_cannot_be_left_out(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(client, cast.provider)
    async with database.transaction() as tx:
        await registry.compromise_signing_key(tx, HUB, cast.provider.signing_key_id, since=tx.now)
    await sequence_all(database, means)
    found = json.loads(
        (await client.acting(cast.consumer.api_key).run(EVIDENCE, id=event["id"]))["evidence"]["json"]
    )
    steps = check(json.dumps(found), _trust(means))
    assert all(step.holds for step in steps), steps
    found["leaves"].pop()
    assert [step.part for step in check(json.dumps(found), _trust(means)) if not step.holds] == ["whole"]


async def test_evidence_of_the_largest_posting(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    lines = [postings.line(at, attributes={"note": "n" * 60_000}) for at in range(1, 76)]
    event = await postings.post_ok(client, cast.provider, postings.content(lines=lines))
    await sequence_all(database, means)
    found = (await client.acting(cast.provider.api_key).run(EVIDENCE, id=event["id"]))["evidence"]["json"]
    assert len(found) > 5 * 1024 * 1024
    assert all(step.holds for step in check(found, _trust(means)))
