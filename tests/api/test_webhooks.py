"""Webhooks from outside: endpoints by GraphQL, deliveries over real HTTP to a real receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import VerifyKey
from sqlalchemy import text

from hub.adapters.outbound import Policy
from hub.adapters.webhooks import HttpCourier
from hub.db import Database
from hub.jobs.webhooks import follow_once
from hub.means import Means
from hub.settings import Settings
from tests.api.conftest import Cast
from tests.client import Client, serve
from tests.factories import postings
from tests.factories.registry import make_system
from tests.factories.webhooks import (
    DELIVERIES,
    LOCAL,
    WEBHOOKS,
    Desk,
    active,
    deliveries,
    find,
    register,
    register_ok,
)
from tests.jobs.receiver import Got, Receiver, receiving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A hub that may call this very machine."""
    async with serve(settings.model_copy(update={"outbound_private": LOCAL})) as served:
        yield served


@pytest.fixture
def desk(database: Database, means: Means) -> Desk:
    return Desk(database, means)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


def change(name: str, shape: str = "WebhookInput", answer: str = "webhook { state version url }") -> str:
    return f"mutation($input: {shape}!) {{ {name}(input: $input) {{ errors {{ code path }} {answer} }} }}"


def hmac_of(secret: str, got: Got) -> str:
    """The signature as the standard writes it down, computed here from nothing but the standard's text."""
    signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


async def count(database: Database, table: str) -> int:
    async with database.read() as read:
        return int(await read.scalar(text(f"SELECT count(*) FROM {table}")))


async def test_an_endpoint_is_pending_until_its_receiver_answers(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    made = await register_ok(client, cast.consumer, receiver.url)
    webhook = made["webhook"]
    assert (webhook["state"], webhook["signatures"], webhook["ordered"]) == ("PENDING", ["HMAC"], False)
    assert made["secret"].startswith("whsec_")
    receiver.is_true = False
    await desk.deliver(webhook["id"])
    assert (await find(client, cast.consumer, webhook["id"]))["state"] == "PENDING"
    assert json.loads(receiver.got[0].body)["type"] == "webhook.challenge"
    assert hmac_of(made["secret"], receiver.got[0]) == receiver.got[0].headers["webhook-signature"]
    receiver.is_true = True
    await desk.time_passes(1)
    await desk.deliver(webhook["id"])
    now = await find(client, cast.consumer, webhook["id"])
    assert now["state"] == "ACTIVE"
    assert [entry["change"] for entry in now["history"]] == ["CONFIRMED", "REGISTERED"]


async def test_a_challenge_can_be_sent_anew_and_answered_by_hand_but_not_read_from_the_log(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    receiver.is_true = False
    webhook = (await register_ok(client, cast.consumer, receiver.url))["webhook"]["id"]
    await desk.deliver(webhook)
    acting = client.acting(cast.consumer.api_key)
    await acting.run(change("resendWebhookChallenge"), input={"id": webhook})
    await desk.deliver(webhook)
    old, new = receiver.challenges
    page = await acting.run(DELIVERIES, endpoint=webhook)
    shown = [edge["node"] for edge in page["webhookDeliveries"]["edges"]]
    assert [(node["kind"], node["payload"]) for node in shown] == [("CHALLENGE", None)] * 2
    assert [each["responseBody"] for node in shown for each in node["attempts"]] == ["(withheld)"] * 2
    assert new not in json.dumps(shown)
    confirm = change("confirmWebhook", "ConfirmWebhookInput")
    refused = (await acting.run(confirm, input={"id": webhook, "challenge": old}))["confirmWebhook"]
    assert refused == {
        "errors": [{"code": "WEBHOOK_CHALLENGE", "path": ["input", "challenge"]}],
        "webhook": None,
    }
    assert (await find(client, cast.consumer, webhook))["state"] == "PENDING"
    taken = (await acting.run(confirm, input={"id": webhook, "challenge": new}))["confirmWebhook"]
    assert taken["webhook"]["state"] == "ACTIVE"


async def test_what_is_posted_arrives_signed_once_and_the_log_of_deliveries_tells(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    await postings.post_ok(client, cast.provider)
    webhook, secret = await active(client, desk, cast.consumer, receiver.url, signatures=["HMAC", "ED25519"])
    assert secret is not None
    event = await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    await desk.run(webhook)
    (got,) = receiver.facts
    assert (got.id, json.loads(got.body)["type"]) == (event["id"], "fiscal_event.posted")
    assert got.data == {"logIndex": got.data["logIndex"], "kind": "EVENT", "id": event["id"]}
    marks = (await find(client, cast.consumer, webhook))["secrets"]
    public = next(mark["publicKey"] for mark in marks if mark["scheme"] == "ED25519")
    by_scheme = dict(each.split(",") for each in got.headers["webhook-signature"].split(" "))
    assert "v1," + by_scheme["v1"] == hmac_of(secret, got)
    signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    VerifyKey(base64.b64decode(public.removeprefix("whpk_"))).verify(
        signed, base64.b64decode(by_scheme["v1a"])
    )
    (told,) = await deliveries(client, cast.consumer, webhook)
    assert (told["state"], told["tries"], told["webhookId"]) == ("SUCCEEDED", 1, event["id"])
    assert base64.b64decode(told["payload"]) == got.body
    (attempt,) = told["attempts"]
    assert (attempt["status"], attempt["responseBody"], attempt["error"]) == (200, "answered 200", None)
    assert attempt["requestHeaders"]["webhook-id"] == event["id"]
    assert got.headers["hub-delivery-id"] == told["id"]


async def test_the_standards_own_package_accepts_the_signature(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    standard = pytest.importorskip("standardwebhooks")
    webhook, secret = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    (got,) = receiver.facts
    assert standard.Webhook(secret).verify(got.body, got.headers) == json.loads(got.body)
    with pytest.raises(standard.WebhookVerificationError):
        standard.Webhook(secret).verify(got.body + b" ", got.headers)
    receive, seen = _printed_receiver(), set[str]()
    assert receive(got.headers, got.body, secret, seen) == {}
    assert seen == {got.id}
    asked = next(each for each in receiver.got if each not in receiver.facts)
    assert receive(asked.headers, asked.body, secret, seen) == {"challenge": receiver.challenges[0]}


def _printed_receiver() -> Any:
    """The receiver that docs/webhooks.md prints."""
    page = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    return names["receive"]


async def test_a_full_payload_holds_the_posting_as_this_system_may_see_it(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url, payload="FULL")
    body = postings.content(lines=[postings.line(amount="12.50")])
    event = await postings.post_ok(client, cast.provider, body)
    await desk.run(webhook)
    (got,) = receiver.facts
    posting = got.data["posting"]
    assert (posting["id"], posting["from"], posting["totalAmount"]) == (
        event["id"],
        cast.provider.unique_id,
        "12.50",
    )
    assert posting["lineItems"][0]["amount"] == "12.50"
    assert (
        f"sha256:{hashlib.sha256(base64.b64decode(posting['content'])).hexdigest()}" == event["contentDigest"]
    )


async def test_every_retry_has_the_same_bytes_and_id_until_one_is_taken(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url, payload="FULL")
    event = await postings.post_ok(client, cast.provider)
    receiver.answers = [(500, {}), (301, {"location": "http://127.0.0.1:1/"}), (404, {}), (204, {})]
    await desk.run(webhook)
    for _ in range(4):
        await desk.time_passes(1)
        await desk.deliver(webhook)
    assert len(receiver.facts) == 4
    assert {(got.id, got.body) for got in receiver.facts} == {(event["id"], receiver.facts[0].body)}
    assert [got.headers["hub-attempt"] for got in receiver.facts] == ["1", "2", "3", "4"]
    (told,) = await deliveries(client, cast.consumer, webhook)
    assert [each["status"] for each in told["attempts"]] == [500, 301, 404, 204]
    assert (told["state"], (await find(client, cast.consumer, webhook))["failingSince"]) == (
        "SUCCEEDED",
        None,
    )


async def test_an_ordered_endpoint_gets_one_at_a_time_and_nothing_overtakes(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url, ordered=True)
    wanted = [(await postings.post_ok(client, cast.provider))["id"] for _ in range(3)]
    receiver.answers = [(503, {}), (200, {})]
    await desk.run(webhook)
    assert [got.id for got in receiver.facts] == wanted[:1]
    await desk.deliver(webhook)
    assert [got.id for got in receiver.facts] == wanted[:1]
    await desk.time_passes(0.01)
    await desk.deliver(webhook)
    assert [got.id for got in receiver.facts] == [wanted[0], *wanted]
    assert receiver.in_flight_max == 1


async def test_only_what_the_filter_names_and_the_system_may_see_arrives(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    wanted = {"senders": [cast.provider.unique_id]}
    kinds = ["EVENT", "MESSAGE"]
    webhook, _ = await active(client, desk, cast.consumer, receiver.url, kinds=kinds, filter=wanted)
    await postings.post_ok(client, cast.both)
    event = await postings.post_ok(client, cast.provider)
    narrowed = await postings.send(client, cast.provider, [cast.both.unique_id])
    sent = (await postings.send(client, cast.provider, [cast.consumer.unique_id]))["message"]["id"]
    assert narrowed["errors"] == []
    await desk.run(webhook)
    assert {got.id for got in receiver.facts} == {event["id"], sent}
    assert (await find(client, cast.consumer, webhook))["filter"] == wanted


async def test_a_replaced_secret_signs_beside_the_new_one_for_a_while(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, old = await active(client, desk, cast.consumer, receiver.url)
    acting = client.acting(cast.consumer.api_key)
    rotate = change("rotateWebhookSecret", "RotateWebhookSecretInput", "secret")
    wanted = {"id": webhook, "overlapSeconds": 3600, "idempotencyKey": "one"}
    new = (await acting.run(rotate, input=wanted))["rotateWebhookSecret"]["secret"]
    assert (await acting.run(rotate, input=wanted))["rotateWebhookSecret"] == {"errors": [], "secret": None}
    await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    signatures = receiver.facts[-1].headers["webhook-signature"].split(" ")
    assert signatures == [hmac_of(new, receiver.facts[-1]), hmac_of(old or "", receiver.facts[-1])]
    last = (await acting.run(rotate, input={"id": webhook, "overlapSeconds": 0}))["rotateWebhookSecret"][
        "secret"
    ]
    await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    after = receiver.facts[-1]
    assert after.headers["webhook-signature"] == hmac_of(last, after)


async def test_one_delivery_and_a_range_of_the_log_are_sent_again(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url, ordered=True)
    wanted = [(await postings.post_ok(client, cast.provider))["id"] for _ in range(3)]
    await desk.run(webhook)
    told = await deliveries(client, cast.consumer, webhook)
    acting = client.acting(cast.consumer.api_key)
    again = change("redeliverWebhook", "RedeliverWebhookInput", "count deliveries")
    one = {"deliveryId": told[-1]["id"], "idempotencyKey": "again"}
    first = (await acting.run(again, input=one))["redeliverWebhook"]
    assert (first["count"], (await acting.run(again, input=one))["redeliverWebhook"]) == (1, first)
    await desk.deliver(webhook)
    assert (receiver.facts[3].id, receiver.facts[3].body) == (wanted[0], receiver.facts[0].body)
    span = {"from": told[1]["logIndex"], "to": told[0]["logIndex"]}
    assert (await acting.run(again, input={"id": webhook, "range": span}))["redeliverWebhook"]["count"] == 2
    await desk.deliver(webhook)
    assert [got.id for got in receiver.facts[4:]] == wanted[1:]
    far = {"from": "0", "to": "999999"}
    refused = (await acting.run(again, input={"id": webhook, "range": far}))["redeliverWebhook"]
    assert refused["errors"] == [{"code": "WEBHOOK_RANGE", "path": ["input", "from"]}]


async def test_several_workers_at_once_double_nothing(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver, database: Database, means: Means
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    wanted = {(await postings.post_ok(client, cast.provider))["id"] for _ in range(5)}
    await desk.number()
    await asyncio.gather(*(follow_once(database, means) for _ in range(4)))
    told = await deliveries(client, cast.consumer, webhook)
    assert (len(told), {each["webhookId"] for each in told}) == (5, wanted)


async def test_a_test_is_sent_once(client: Client, cast: Cast, desk: Desk, receiver: Receiver) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    acting = client.acting(cast.consumer.api_key)
    receiver.answers = [(500, {})]
    document = change("sendTestWebhook", "TestWebhookInput", "count")
    assert (await acting.run(document, input={"id": webhook}))["sendTestWebhook"]["count"] == 1
    await desk.deliver(webhook)
    await desk.time_passes(100)
    await desk.deliver(webhook)
    assert [json.loads(got.body)["type"] for got in receiver.facts] == ["webhook.test"]
    assert (await deliveries(client, cast.consumer, webhook))[0]["state"] == "FAILED"
    assert (await find(client, cast.consumer, webhook))["failingSince"] is None


async def test_gone_switches_the_endpoint_off_and_enabled_it_goes_on_where_it_stopped(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    receiver.answers = [(410, {})]
    await desk.run(webhook)
    off = await find(client, cast.consumer, webhook)
    assert (off["state"], off["disabledReason"]) == ("DISABLED", "GONE")
    (mail,) = await desk.mail()
    assert mail.subject == "Your webhook endpoint was switched off"
    receiver.answers = []
    missed = await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    assert len(receiver.facts) == 1
    acting = client.acting(cast.consumer.api_key)
    await acting.run(change("enableWebhook"), input={"id": webhook})
    await desk.run(webhook)
    assert [got.id for got in receiver.facts[1:]] == [missed["id"]]


async def test_an_endpoint_that_fails_is_warned_of_after_a_day_and_off_after_three(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    receiver.answers = [(500, {})]
    await desk.run(webhook)
    for hours, state, mails in ((23, "ACTIVE", 0), (2, "ACTIVE", 1), (40, "ACTIVE", 0), (8, "DISABLED", 1)):
        await desk.time_passes(hours)
        await desk.deliver(webhook)
        assert ((await find(client, cast.consumer, webhook))["state"], len(await desk.mail())) == (
            state,
            mails,
        )
    assert [mail.subject for mail in desk.mails] == [
        "Your webhook endpoint does not answer",
        "Your webhook endpoint was switched off",
    ]


async def test_retry_after_is_honoured_and_bounded(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    receiver.answers = [(429, {"retry-after": "600"}), (503, {"retry-after": "99999999"}), (200, {})]
    await desk.run(webhook)
    await desk.time_passes(0.15)
    await desk.deliver(webhook)
    assert len(receiver.facts) == 1
    await desk.time_passes(0.02)
    await desk.deliver(webhook)
    assert len(receiver.facts) == 2
    await desk.time_passes(1.01)
    await desk.deliver(webhook)
    assert len(receiver.facts) == 3


async def test_other_agencies_see_and_change_nothing(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver, database: Database
) -> None:
    webhook, secret = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    (delivery,) = await deliveries(client, cast.consumer, webhook)
    stranger = client.acting(cast.both.api_key)
    assert (await stranger.run(WEBHOOKS))["webhooks"]["edges"] == []
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert [(await stranger.run(node, id=each))["node"] for each in (webhook, delivery["id"])] == [None, None]
    assert await stranger.codes(DELIVERIES, endpoint=webhook) == ["NOT_FOUND"]
    history = await count(database, "webhook_history")
    for name in ("disableWebhook", "enableWebhook", "removeWebhook", "resendWebhookChallenge"):
        answer = (await stranger.run(change(name), input={"id": webhook}))[name]
        assert [error["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    again = change("redeliverWebhook", "RedeliverWebhookInput", "count")
    answer = (await stranger.run(again, input={"deliveryId": delivery["id"]}))["redeliverWebhook"]
    assert [error["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert await count(database, "webhook_history") == history
    assert await client.acting(None).codes(WEBHOOKS) == ["UNAUTHENTICATED"]
    assert secret is not None
    assert secret not in (await client.acting(cast.consumer.api_key).send(WEBHOOKS)).text


async def test_addresses_of_inner_networks_are_refused_and_nothing_is_written(
    settings: Settings, cast: Cast, database: Database, desk: Desk
) -> None:
    hostile = (
        "http://example.org/",
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://user@example.org/",
        "https://127\u30020\u30020\u30021/",
        "https://example.org:22/",
        "https://localhost/",
        "file:///etc/passwd",
    )
    async with serve(settings) as strict:
        for url in hostile:
            refused = await register(strict, cast.consumer, url)
            assert [(e["code"], e["path"]) for e in refused["errors"]] == [
                ("WEBHOOK_URL", ["input", "url"])
            ], url
        assert await count(database, "webhook") == 0
        made = await register_ok(strict, cast.consumer, "https://localhost.localdomain.example.org/")
        assert made["webhook"]["state"] == "PENDING"


async def test_an_address_that_turned_inner_is_refused_when_it_is_called(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver, database: Database, means: Means
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    await postings.post_ok(client, cast.provider)
    strict = Desk(database, means, HttpCourier(Policy()))
    await strict.run(webhook)
    assert receiver.facts == []
    (told,) = await deliveries(client, cast.consumer, webhook)
    assert [(each["status"], each["error"]) for each in told["attempts"]] == [(None, "URL_REFUSED")]


async def test_a_slow_endpoint_delays_no_other(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    async with receiving() as slow:
        slow_webhook, _ = await active(client, desk, cast.consumer, slow.url)
        quick, _ = await active(client, desk, cast.consumer, receiver.url)
        for _ in range(6):
            await postings.post_ok(client, cast.provider)
        slow.slow_seconds = 3.0
        await desk.follow()
        dragging = asyncio.create_task(desk.deliver(slow_webhook))
        async with asyncio.timeout(2):
            await desk.deliver(quick)
        assert len(receiver.facts) == 6
        assert not dragging.done()
        assert slow.in_flight_max == 4
        dragging.cancel()
        await asyncio.gather(dragging, return_exceptions=True)


async def test_a_change_of_url_asks_for_proof_again_and_versions_conflict(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver
) -> None:
    webhook, _ = await active(client, desk, cast.consumer, receiver.url)
    acting, version = (
        client.acting(cast.consumer.api_key),
        (await find(client, cast.consumer, webhook))["version"],
    )
    update = change("updateWebhook", "UpdateWebhookInput")
    moved: dict[str, Any] = {"id": webhook, "version": version, "url": receiver.url + "/other"}
    assert (await acting.run(update, input=moved))["updateWebhook"]["webhook"]["state"] == "PENDING"
    stale = (await acting.run(update, input=moved))["updateWebhook"]
    assert [error["code"] for error in stale["errors"]] == ["VERSION_CONFLICT"]
    await desk.deliver(webhook)
    assert receiver.got[-1].path == "/hook/other"
    assert (await find(client, cast.consumer, webhook))["state"] == "ACTIVE"


async def test_a_system_that_is_cut_off_gets_nothing_and_loses_nothing(
    client: Client, cast: Cast, desk: Desk, receiver: Receiver, database: Database, means: Means
) -> None:
    system = await make_system(database, means, name="Cut off")
    webhook, _ = await active(client, desk, system, receiver.url)
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE system SET status='SUSPENDED' WHERE id=:id"), {"id": system.system_id})
    event = await postings.post_ok(client, cast.provider)
    await desk.run(webhook)
    assert receiver.facts == []
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE system SET status='ACTIVE' WHERE id=:id"), {"id": system.system_id})
    await desk.run(webhook)
    assert [got.id for got in receiver.facts] == [event["id"]]
