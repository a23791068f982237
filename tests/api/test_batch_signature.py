"""A batch signed once, from outside: what the one signature covers, and each posting's proof without the hub."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from hub import signing
from hub.client import Signer
from hub.client.evidence import Trust, check
from hub.db import Database
from hub.domain.fiscal_events import checks
from hub.jobs.transparency import sequence_all
from hub.means import Means
from hub.signing import NoteKey
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import TestSystem
from tests.signing.book import b64, own_canonical, own_climb, own_root

pytestmark = pytest.mark.anyio

POST = f"""
mutation($input: PostFiscalEventsInput!) {{
  postFiscalEvents(input: $input) {{ errors {{ code path message }} results {{ {postings.POSTED} }} }}
}}"""
PROOFS = """
query($id: ID!) {
  fiscalEvent(id: $id) {
    content contentDigest
    signatures { purpose keyId system eSign statement batch { index size path root } }
  }
}"""
AT = ["input", "signature", "eSign"]
DECOMPOSED = "Cafe\u0301"


def _contents(system: TestSystem, count: int) -> list[dict[str, Any]]:
    """Contents with everything said that the hub would fill in, as a client must that canonicalises itself."""
    said = {"from": system.unique_id, "government": "pb", "schemaVersion": "3.0"}
    return [postings.content(**said, eventTime="2026-09-28T09:40:00Z") for _ in range(count)]


def _digest(content: dict[str, Any]) -> bytes:
    """The content digest, made without the hub's canonicaliser."""
    lines = [{**line, "currency": "INR"} for line in content["lines"]]
    body = {k: v for k, v in {**content, "lines": lines}.items() if k not in {"from", "schemaVersion"}}
    members = {"kind": "EVENT", "from": content["from"], "schemaVersion": "3.0", "body": body}
    return hashlib.sha256(f"FXH-EVENT-V1\n{own_canonical(members)}".encode()).digest()


def _statement(system: TestSystem, leaves: list[bytes], at: str, over: dict[str, Any] | None = None) -> bytes:
    members = {
        "items": len(leaves),
        "keyId": system.signing_key_public_id,
        "purpose": "ORIGIN",
        "root": f"sha256:{own_root(leaves).hex()}",
        "signedAt": at,
        "system": system.unique_id,
        "v": "1",
        **(over or {}),
    }
    return f"FXH-BATCH-SIGNATURE-V1\n{own_canonical(members)}".encode()


def _sign(
    system: TestSystem,
    contents: list[dict[str, Any]],
    at: str | None = None,
    over: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The signature of a batch, made without the hub."""
    signed_at = at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    statement = _statement(system, [_digest(content) for content in contents], signed_at, over)
    return {
        "keyId": system.signing_key_public_id,
        "signedAt": signed_at,
        "eSign": b64(system.signing.sign(statement).signature),
    }


def _items(contents: list[dict[str, Any]], **over: Any) -> list[dict[str, Any]]:
    return [{"idempotencyKey": uuid.uuid4().hex, "content": content, **over} for content in contents]


async def _post(client: Client, system: TestSystem, **given: Any) -> dict[str, Any]:
    answer = await client.acting(system.api_key).run(POST, input=given)
    payload: dict[str, Any] = answer["postFiscalEvents"]
    return payload


async def _proof(client: Client, system: TestSystem, posting: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.acting(system.api_key).run(PROOFS, id=posting))["fiscalEvent"]
    return found


async def _stored(database: Database) -> tuple[int, int, int]:
    async with database.read() as read:
        counts = [
            await read.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("posting", "posting_signature", "posting_key")
        ]
    return int(counts[0]), int(counts[1]), int(counts[2])


def _audit(found: dict[str, Any], system: TestSystem) -> dict[str, Any]:
    """The whole proof of one posting with hashlib, json and OpenSSL; the statement's members."""
    (signature,) = found["signatures"]
    batch = signature["batch"]
    leaf = hashlib.sha256(base64.b64decode(found["content"])).digest()
    assert found["contentDigest"] == f"sha256:{leaf.hex()}"
    path = [base64.b64decode(part) for part in batch["path"]]
    statement = base64.b64decode(signature["statement"])
    line, _, members = statement.partition(b"\n")
    assert line == b"FXH-BATCH-SIGNATURE-V1"
    said: dict[str, Any] = json.loads(members)
    assert said["items"] == batch["size"]
    assert (
        said["root"]
        == batch["root"]
        == f"sha256:{own_climb(leaf, batch['index'], batch['size'], path).hex()}"
    )
    key = Ed25519PublicKey.from_public_bytes(bytes(system.signing.verify_key))
    key.verify(base64.b64decode(signature["eSign"]), statement)
    return said


async def test_a_batch_signed_once_is_stored_and_each_posting_proven_alone(
    client: Client, cast: Cast
) -> None:
    for count in (1, 2, 5, 8):
        contents = _contents(cast.provider, count)
        signature = _sign(cast.provider, contents)
        answer = await _post(client, cast.provider, items=_items(contents), signature=signature)
        assert answer["errors"] == []
        assert [(r["outcome"], r["errors"]) for r in answer["results"]] == [("ACCEPTED", [])] * count
        for i, result in enumerate(answer["results"]):
            found = await _proof(client, cast.consumer, result["event"]["id"])
            said = _audit(found, cast.provider)
            assert (said["system"], said["purpose"]) == (cast.provider.unique_id, "ORIGIN")
            batch = found["signatures"][0]["batch"]
            assert (batch["index"], batch["size"]) == (i, count)


async def test_the_evidence_of_each_posting_of_a_batch_holds(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    contents = _contents(cast.provider, 5)
    answer = await _post(
        client, cast.provider, items=_items(contents), signature=_sign(cast.provider, contents)
    )
    await sequence_all(database, means)
    trust = Trust(means.signing_key.public, NoteKey(means.log_origin, means.log_key.public))
    for result in answer["results"]:
        found = await client.acting(cast.consumer.api_key).run(
            "query($id: ID!) { evidence(id: $id) { json } }", id=result["event"]["id"]
        )
        file = json.loads(found["evidence"]["json"])
        assert all(step.holds for step in check(json.dumps(file), trust))
        (signature,) = file["signatures"]
        assert signature["batch"]["size"] == "5"
        signature["batch"]["index"] = str((int(signature["batch"]["index"]) + 1) % 5)
        assert check(json.dumps(file), trust)[-1].part == "signatures"


async def test_one_verification_covers_the_batch(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def counted(key: signing.PublicKey, message: bytes, signature: bytes | str) -> None:
        asked.append(message)
        signing.verify(key, message, signature)

    monkeypatch.setattr(checks, "verify", counted)
    contents = _contents(cast.provider, 7)
    answer = await _post(
        client, cast.provider, items=_items(contents), signature=_sign(cast.provider, contents)
    )
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED"] * 7
    assert [message.split(b"\n")[0] for message in asked] == [b"FXH-BATCH-SIGNATURE-V1"]


def _changed(spoil: str, contents: list[dict[str, Any]], system: TestSystem) -> list[dict[str, Any]]:
    """What is posted instead of what was signed."""
    first, second, third = contents
    return {
        "two items swapped": [second, first, third],
        "an amount changed": [first, {**second, "lines": [postings.line(amount="1000.01")]}, third],
        "an item left out": [first, second],
        "an item added": [*contents, *_contents(system, 1)],
    }.get(spoil, contents)


SPOILS: list[tuple[str, str, str]] = [
    ("two items swapped", "SIGNATURE_INVALID", "eSign"),
    ("an amount changed", "SIGNATURE_INVALID", "eSign"),
    ("an item left out", "SIGNATURE_INVALID", "eSign"),
    ("an item added", "SIGNATURE_INVALID", "eSign"),
    ("another number signed", "SIGNATURE_INVALID", "eSign"),
    ("another purpose signed", "SIGNATURE_INVALID", "eSign"),
    ("signed as another system", "SIGNATURE_INVALID", "eSign"),
    ("a single posting's statement", "SIGNATURE_INVALID", "eSign"),
    ("another system's key", "SIGNATURE_KEY", "keyId"),
    ("ten minutes old", "SIGNATURE_TIME", "signedAt"),
]


@pytest.mark.parametrize("mode", ["PER_ITEM", "ATOMIC"])
async def test_a_wrong_signature_refuses_every_item_at_one_place(
    client: Client, cast: Cast, database: Database, mode: str
) -> None:
    said: dict[str, dict[str, Any]] = {
        "another number signed": {"items": 4},
        "another purpose signed": {"purpose": "APPROVAL"},
        "signed as another system": {"system": cast.both.unique_id},
    }
    for spoil, code, at in SPOILS:
        contents = _contents(cast.provider, 3)
        old = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        signed_at = old if spoil == "ten minutes old" else None
        signature = _sign(cast.provider, contents, signed_at, said.get(spoil))
        if spoil == "a single posting's statement":
            signature = await postings.sign(client, cast.provider, {"event": contents[0]})
        elif spoil == "another system's key":
            signature["keyId"] = cast.both.signing_key_public_id
        sent = _items(_changed(spoil, contents, cast.provider))
        answer = await _post(client, cast.provider, items=sent, signature=signature, mode=mode)
        assert answer["errors"] == [], spoil
        told = [[(e["code"], e["path"]) for e in r["errors"]] for r in answer["results"]]
        assert told == [[(code, ["input", "signature", at])]] * len(sent), spoil
        assert {r["outcome"] for r in answer["results"]} == {"REFUSED"}, spoil
    assert await _stored(database) == (0, 0, 0)


async def test_a_refused_item_stays_under_the_root_of_the_others(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 4)
    contents[2]["lines"][0]["coaCode"] = "9999-99-999-99-99-99"
    answer = await _post(
        client, cast.provider, items=_items(contents), signature=_sign(cast.provider, contents)
    )
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED", "ACCEPTED", "REFUSED", "ACCEPTED"]
    assert [(e["code"], e["path"]) for e in answer["results"][2]["errors"]] == [
        ("COA_CODE_INVALID", ["input", "items", "2", "content", "lines", "0", "coaCode"])
    ]
    places = []
    for result in answer["results"]:
        if result["event"]:
            found = await _proof(client, cast.provider, result["event"]["id"])
            assert _audit(found, cast.provider)["items"] == 4
            places.append(found["signatures"][0]["batch"]["index"])
    assert places == [0, 1, 3]
    assert await _stored(database) == (3, 3, 3)


async def test_an_atomic_batch_with_a_bad_item_stores_nothing(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 3)
    contents[1]["lines"][0]["coaCode"] = "9999-99-999-99-99-99"
    signature = _sign(cast.provider, contents)
    answer = await _post(client, cast.provider, items=_items(contents), signature=signature, mode="ATOMIC")
    assert [postings.codes(r) for r in answer["results"]] == [[], ["COA_CODE_INVALID"], []]
    assert await _stored(database) == (0, 0, 0)


async def test_without_canonical_bytes_of_an_item_there_is_no_root(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 3)
    contents[1]["attributes"] = {"note": DECOMPOSED}
    answer = await _post(
        client, cast.provider, items=_items(contents), signature=_sign(cast.provider, contents)
    )
    told = [[(e["code"], e["path"]) for e in r["errors"]] for r in answer["results"]]
    at = ["input", "items", "1", "content", "attributes", "note"]
    assert told == [[("SIGNATURE_INVALID", AT)], [("TEXT_NOT_NFC", at)], [("SIGNATURE_INVALID", AT)]]
    assert "item 1 has no canonical bytes" in answer["results"][0]["errors"][0]["message"]
    assert await _stored(database) == (0, 0, 0)


async def test_a_repeated_batch_answers_the_same_although_its_signature_is_old(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 3)
    items = _items(contents)
    first = await _post(client, cast.provider, items=items, signature=_sign(cast.provider, contents))
    old = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    again = await _post(client, cast.provider, items=items, signature=_sign(cast.provider, contents, old))
    assert again == first
    assert await _stored(database) == (3, 3, 3)


async def test_what_was_posted_before_keeps_its_earlier_signature(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 3)
    single = await postings.post_ok(client, cast.provider, contents[1])
    before = await _proof(client, cast.provider, single["id"])
    answer = await _post(
        client, cast.provider, items=_items(contents), signature=_sign(cast.provider, contents)
    )
    assert [r["outcome"] for r in answer["results"]] == ["ACCEPTED", "DUPLICATE", "ACCEPTED"]
    assert answer["results"][1]["event"]["id"] == single["id"]
    assert await _proof(client, cast.provider, single["id"]) == before
    assert before["signatures"][0]["batch"] is None
    for i in (0, 2):
        found = await _proof(client, cast.provider, answer["results"][i]["event"]["id"])
        assert _audit(found, cast.provider)["items"] == 3
    assert (await _stored(database))[:2] == (3, 3)


async def test_an_item_twice_in_a_batch_is_stored_once(
    client: Client, cast: Cast, database: Database
) -> None:
    (content,) = _contents(cast.provider, 1)
    (item,) = _items([content])
    signature = _sign(cast.provider, [content, content])
    answer = await _post(client, cast.provider, items=[item, item], signature=signature)
    first, second = answer["results"]
    assert first == second
    assert first["outcome"] == "ACCEPTED"
    found = await _proof(client, cast.provider, first["event"]["id"])
    assert _audit(found, cast.provider)["items"] == 2
    assert found["signatures"][0]["batch"]["index"] == 0
    assert await _stored(database) == (1, 1, 1)


async def test_a_batch_is_signed_one_way_and_not_both(client: Client, cast: Cast, database: Database) -> None:
    contents = _contents(cast.provider, 3)
    items, whole = _items(contents), _sign(cast.provider, contents)
    own = {"signature": await postings.sign(client, cast.provider, {"event": contents[1]})}
    cases: list[tuple[dict[str, Any], list[tuple[str, list[str]]]]] = [
        ({"items": items}, [("SIGNATURE_REQUIRED", ["input", "signature"])]),
        (
            {"items": [items[0], {**items[1], **own}, items[2]]},
            [("SIGNATURE_REQUIRED", ["input", "items", "0", "signature"])],
        ),
        (
            {"items": [items[0], {**items[1], **own}, {**items[2], **own}], "signature": whole},
            [
                ("SIGNATURE_TWICE", ["input", "items", "1", "signature"]),
                ("SIGNATURE_TWICE", ["input", "items", "2", "signature"]),
            ],
        ),
        (
            {"items": items, "signature": {**whole, "keyId": "sgk_none"}},
            [("SIGNATURE_KEY", ["input", "signature", "keyId"])],
        ),
        ({"items": [], "signature": whole}, [("BATCH_SIZE", ["input", "items"])]),
    ]
    for given, told in cases:
        answer = await _post(client, cast.provider, **given)
        assert [(e["code"], e["path"]) for e in answer["errors"]] == told
        assert answer["results"] == []
    assert await _stored(database) == (0, 0, 0)


async def test_a_single_posting_must_still_be_signed(client: Client, cast: Cast, database: Database) -> None:
    (content,) = _contents(cast.provider, 1)
    (item,) = _items([content])
    answer = await client.acting(cast.provider.api_key).run(postings.POST_EVENT, input=item)
    told = answer["postFiscalEvent"]
    assert (told["outcome"], told["event"]) == ("REFUSED", None)
    assert [(e["code"], e["path"]) for e in told["errors"]] == [
        ("SIGNATURE_REQUIRED", ["input", "signature"])
    ]
    assert await _stored(database) == (0, 0, 0)


async def test_validating_a_batch_checks_its_signature_and_stores_nothing(
    client: Client, cast: Cast, database: Database
) -> None:
    contents = _contents(cast.provider, 2)
    signature = _sign(cast.provider, contents)
    items = _items(contents, validateOnly=True)
    good = await _post(client, cast.provider, items=items, signature=signature)
    assert [r["outcome"] for r in good["results"]] == ["VALIDATED"] * 2
    bad = await _post(client, cast.provider, items=items[::-1], signature=signature)
    assert [[e["path"] for e in r["errors"]] for r in bad["results"]] == [[AT]] * 2
    assert await _stored(database) == (0, 0, 0)


async def test_the_hub_shows_the_bytes_to_sign_for_a_batch(client: Client, cast: Cast) -> None:
    contents = _contents(cast.provider, 3)
    leaves = [_digest(content) for content in contents]
    given = {"keyId": cast.provider.signing_key_public_id, "signedAt": "2026-10-13T12:50:05Z"}
    acting = client.acting(cast.provider.api_key)
    answer = await acting.run(postings.BYTES_TO_SIGN, subject={"events": contents}, statement=given)
    shown = answer["bytesToSign"]
    assert shown["content"] is None
    assert shown["contentDigest"] == f"sha256:{own_root(leaves).hex()}"
    signer = Signer(cast.provider.unique_id, cast.provider.signing_key_public_id, cast.provider.signing)
    expected = _statement(cast.provider, leaves, given["signedAt"])
    assert base64.b64decode(shown["statement"]) == expected
    assert signer.sign_batch(
        [{**c, "lines": [{**line, "currency": "INR"} for line in c["lines"]]} for c in contents],
        datetime(2026, 10, 13, 12, 50, 5, tzinfo=UTC),
    )["eSign"] == b64(cast.provider.signing.sign(expected).signature)


async def test_bytes_to_sign_for_a_batch_say_which_event_is_wrong(client: Client, cast: Cast) -> None:
    contents = _contents(cast.provider, 2)
    contents[1]["attributes"] = {"note": DECOMPOSED}
    given = {"keyId": cast.provider.signing_key_public_id, "signedAt": "2026-10-13T12:50:05Z"}
    acting = client.acting(cast.provider.api_key)
    for events, code, path in [
        (contents, "TEXT_NOT_NFC", ["subject", "events", "1", "content", "attributes", "note"]),
        ([], "BATCH_SIZE", ["subject", "events"]),
    ]:
        response = await acting.send(postings.BYTES_TO_SIGN, subject={"events": events}, statement=given)
        (error,) = response.json()["errors"]
        told = [(problem["code"], problem["path"]) for problem in error["extensions"]["problems"]]
        assert told == [(code, path)]
