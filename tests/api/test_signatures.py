"""Signatures from outside: who may sign what with which key, and proof without the hub (spec 3.6 and 18.9)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nacl.signing import SigningKey, VerifyKey
from sqlalchemy import text

from hub.db import Database
from hub.domain import registry
from hub.means import Means
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.registry import HUB, TestSystem

pytestmark = pytest.mark.anyio

EVENT = """
query ($id: ID!) {
  fiscalEvent(id: $id) {
    id content contentDigest approvalState
    signatures { system keyId purpose comments eSign statement }
    receipt { keyId statement signature }
  }
}"""
KEYS = """
query ($system: String!) { signingKeys(system: $system, first: 100) { edges { node { id publicKey state } } } }"""
HUB_KEY = "{ hub { signingKeyId signingPublicKey } }"


async def _signed(
    client: Client,
    system: TestSystem,
    posting: str,
    purpose: str = "ACKNOWLEDGEMENT",
    comments: str = "",
    **over: Any,
) -> dict[str, Any]:
    """The whole input of ``addSignature``, truly signed; ``over`` spoils it afterwards."""
    statement = {"purpose": purpose, "comments": comments}
    at = {name: over.pop(name) for name in ("signed_at",) if name in over}
    signature = await postings.sign(client, system, {"posting": posting}, **at, **statement)
    return {"id": posting, **statement, **signature, **over}


async def _add(client: Client, system: TestSystem, made: dict[str, Any]) -> dict[str, Any]:
    acting = client.acting(system.api_key)
    answer: dict[str, Any] = (await acting.run(postings.ADD_SIGNATURE, input=made))["addSignature"]
    return answer


async def _count(database: Database) -> int:
    async with database.read() as read:
        return int(
            await read.scalar(text("SELECT count(*) FROM posting_signature WHERE purpose <> 'ORIGIN'"))
        )


async def _event(client: Client, system: TestSystem, posting: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.acting(system.api_key).run(EVENT, id=posting))["fiscalEvent"]
    return found


async def test_g13_g15_purposes_add_up_to_a_state(client: Client, cast: Cast) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    states = [(await _event(client, cast.provider, posting))["approvalState"]]
    for system, purpose, comments in (
        (cast.consumer, "ACKNOWLEDGEMENT", ""),
        (cast.consumer, "APPROVAL", "fine"),
        (cast.both, "APPROVAL", ""),
        (cast.both, "REJECTION", "wrong head"),
    ):
        answer = await _add(client, system, await _signed(client, system, posting, purpose, comments))
        assert answer["errors"] == []
        assert answer["signature"]["system"] == system.unique_id
        states.append((await _event(client, cast.provider, posting))["approvalState"])
    assert states == ["NONE", "ACKNOWLEDGED", "APPROVED", "APPROVED", "REJECTED"]
    signers = [(s["system"], s["purpose"]) for s in (await _event(client, cast.both, posting))["signatures"]]
    assert signers == [
        (cast.provider.unique_id, "ORIGIN"),
        (cast.consumer.unique_id, "ACKNOWLEDGEMENT"),
        (cast.consumer.unique_id, "APPROVAL"),
        (cast.both.unique_id, "APPROVAL"),
        (cast.both.unique_id, "REJECTION"),
    ]


async def test_g14_a_rejection_says_why(client: Client, cast: Cast, database: Database) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    made = await _signed(client, cast.consumer, posting, "REJECTION", "because")
    assert postings.codes(await _add(client, cast.consumer, {**made, "comments": " "})) == [
        "SIGNATURE_COMMENT_REQUIRED"
    ]
    assert await _count(database) == 0


async def test_the_origin_is_signed_by_posting_alone(client: Client, cast: Cast, database: Database) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    made = await _signed(client, cast.consumer, posting)
    assert postings.codes(await _add(client, cast.consumer, {**made, "purpose": "ORIGIN"})) == [
        "SIGNATURE_PURPOSE"
    ]
    assert await _count(database) == 0


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param("wrong key", "SIGNATURE_INVALID", id="wrong private key"),
        pytest.param("foreign key", "SIGNATURE_KEY", id="another system's key"),
        pytest.param("unknown key", "SIGNATURE_KEY", id="unknown key"),
        pytest.param("other bytes", "SIGNATURE_INVALID", id="G-17 other bytes"),
        pytest.param("other posting", "SIGNATURE_INVALID", id="replayed on another posting"),
        pytest.param("purpose", "SIGNATURE_INVALID", id="G-18 purpose changed"),
        pytest.param("comments", "SIGNATURE_INVALID", id="comment changed"),
        pytest.param("signedAt", "SIGNATURE_INVALID", id="date changed"),
        pytest.param("short", "SIGNATURE_INVALID", id="63 bytes"),
        pytest.param("late", "SIGNATURE_TIME", id="signed six minutes ago"),
        pytest.param("early", "SIGNATURE_TIME", id="signed six minutes ahead"),
    ],
)
async def test_a_signature_that_does_not_hold_is_refused(
    client: Client, cast: Cast, database: Database, spoil: str, code: str
) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    other = (await postings.post_ok(client, cast.provider))["id"]
    made = await _signed(client, cast.consumer, posting, "APPROVAL", "as agreed")
    now = datetime.now(UTC)
    raw = base64.b64decode(made["eSign"])
    match spoil:
        case "wrong key":
            statement = b"anything signed with a key that is not registered"
            made["eSign"] = base64.b64encode(SigningKey.generate().sign(statement).signature).decode()
        case "foreign key":
            made["keyId"] = cast.both.signing_key_public_id
        case "unknown key":
            made["keyId"] = f"sgk_{cast.both.system_id}"
        case "other bytes":
            made["eSign"] = base64.b64encode(cast.consumer.signing.sign(b"other bytes").signature).decode()
        case "other posting":
            made["id"] = other
        case "purpose":
            made["purpose"] = "REJECTION"
        case "comments":
            made["comments"] = "as agreed, not"
        case "signedAt":
            made["signedAt"] = postings.now_text()
        case "short":
            made["eSign"] = base64.b64encode(raw[:-1]).decode()
        case _:
            at = (now + timedelta(minutes=-6 if spoil == "late" else 6)).isoformat().replace("+00:00", "Z")
            made = await _signed(client, cast.consumer, posting, "APPROVAL", signed_at=at)
    assert postings.codes(await _add(client, cast.consumer, made)) == [code]
    assert await _count(database) == 0


@pytest.mark.parametrize("step", ["retired", "compromised", "expired"])
async def test_g21_a_key_that_is_over_signs_nothing_new_and_what_it_signed_stays(
    client: Client, cast: Cast, database: Database, step: str
) -> None:
    first, second = [(await postings.post_ok(client, cast.provider))["id"] for _ in range(2)]
    assert (await _add(client, cast.consumer, await _signed(client, cast.consumer, first)))["errors"] == []
    made = await _signed(client, cast.consumer, second)
    key_id = cast.consumer.signing_key_id
    async with database.transaction() as tx:
        if step == "compromised":
            await registry.compromise_signing_key(tx, HUB, key_id, since=tx.now)
        elif step == "retired":
            await registry.retire_signing_key(tx, HUB, key_id)
        else:
            soon = tx.now + timedelta(milliseconds=300)
            await registry.retire_signing_key(tx, HUB, key_id, at=soon)
    await asyncio.sleep(0.4)
    assert postings.codes(await _add(client, cast.consumer, made)) == ["SIGNATURE_KEY"]
    assert await _count(database) == 1
    assert [s["purpose"] for s in (await _event(client, cast.both, first))["signatures"]] == [
        "ORIGIN",
        "ACKNOWLEDGEMENT",
    ]


async def test_one_signature_per_purpose_the_same_again_is_the_stored_one(
    client: Client, cast: Cast, database: Database
) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    made = await _signed(client, cast.consumer, posting, "APPROVAL", "once")
    stored = (await _add(client, cast.consumer, made))["signature"]
    assert (await _add(client, cast.consumer, made))["signature"] == stored
    again = await _signed(client, cast.consumer, posting, "APPROVAL", "once")
    assert (await _add(client, cast.consumer, again))["signature"] == stored
    other = await _signed(client, cast.consumer, posting, "APPROVAL", "twice")
    assert postings.codes(await _add(client, cast.consumer, other)) == ["SIGNATURE_PURPOSE"]
    forged = {**made, "eSign": base64.b64encode(bytes(64)).decode()}
    assert postings.codes(await _add(client, cast.consumer, forged)) == ["SIGNATURE_INVALID"]
    assert await _count(database) == 1


async def test_twenty_at_once_store_one_signature(client: Client, cast: Cast, database: Database) -> None:
    posting = (await postings.post_ok(client, cast.provider))["id"]
    made = await _signed(client, cast.consumer, posting)
    answers = await asyncio.gather(*(_add(client, cast.consumer, made) for _ in range(20)))
    assert [answer["errors"] for answer in answers] == [[]] * 20
    assert len({answer["signature"]["id"] for answer in answers}) == 1
    assert await _count(database) == 1


async def test_g16_any_system_that_sees_a_posting_may_sign_it_and_no_other(
    client: Client, cast: Cast, database: Database
) -> None:
    narrowed = (
        await postings.post_ok(client, cast.provider, postings.content(to=[cast.consumer.unique_id]))
    )["id"]
    assert (await _add(client, cast.consumer, await _signed(client, cast.consumer, narrowed)))["errors"] == []
    made = await _signed(client, cast.consumer, narrowed, "APPROVAL")
    assert postings.codes(await _add(client, cast.both, made)) == ["NOT_FOUND"]
    assert await _count(database) == 1


async def test_g19_the_order_of_keys_does_not_matter(client: Client, cast: Cast) -> None:
    body = postings.content(attributes={"b_key": "2", "a_key": "1"})
    made = await postings.event_input(client, cast.provider, body)
    turned = {"a_key": "1", "b_key": "2"}
    made["content"] = dict(reversed({**body, "attributes": turned}.items()))
    answer = (await client.acting(cast.provider.api_key).run(postings.POST_EVENT, input=made))[
        "postFiscalEvent"
    ]
    assert (answer["errors"], answer["outcome"]) == ([], "ACCEPTED")


async def test_an_event_is_proven_with_public_keys_alone(client: Client, cast: Cast, means: Means) -> None:
    """What a stranger to our code does: digests, Ed25519 and JSON, nothing of the hub's."""
    posting = (await postings.post_ok(client, cast.provider))["id"]
    assert (await _add(client, cast.consumer, await _signed(client, cast.consumer, posting)))["errors"] == []
    event = await _event(client, cast.both, posting)
    digest = f"sha256:{hashlib.sha256(base64.b64decode(event['content'])).hexdigest()}"
    assert digest == event["contentDigest"]
    body = json.loads(base64.b64decode(event["content"]).split(b"\n", 1)[1])
    assert body["body"]["lines"][0]["amount"] == "1000.00"
    reader = client.acting(cast.both.api_key)
    for signature in event["signatures"]:
        edges = (await reader.run(KEYS, system=signature["system"]))["signingKeys"]["edges"]
        keys = {edge["node"]["id"]: base64.b64decode(edge["node"]["publicKey"]) for edge in edges}
        statement = base64.b64decode(signature["statement"])
        VerifyKey(keys[signature["keyId"]]).verify(statement, base64.b64decode(signature["eSign"]))
        said = json.loads(statement.split(b"\n", 1)[1])
        assert said["bodyDigest"] == digest
        assert (said["system"], said["purpose"]) == (signature["system"], signature["purpose"])
    hub = (await reader.run(HUB_KEY))["hub"]
    receipt = event["receipt"]
    assert receipt["keyId"] == hub["signingKeyId"] == means.signing_key.key_id
    statement = base64.b64decode(receipt["statement"])
    VerifyKey(base64.b64decode(hub["signingPublicKey"])).verify(
        statement, base64.b64decode(receipt["signature"])
    )
    said = json.loads(statement.split(b"\n", 1)[1])
    assert (said["contentDigest"], f"evt_{said['postingId']}") == (digest, posting)
