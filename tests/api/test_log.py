"""The log from outside: every fact gets a number, and what is published can be checked without the hub's code."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.jobs.transparency import Rhythm, sequence, sequence_all
from hub.means import LogKeys, Means
from hub.signing import HubKey
from hub.signing.merkle import verify_consistency, verify_inclusion
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings
from tests.factories.log import own_entries, own_head, root_of_all

pytestmark = pytest.mark.anyio

CHECKPOINT = "query($size: BigInt) { hub { logKey } logCheckpoint(size: $size) { size root note signedAt } }"
CONSISTENCY = "query($old: BigInt!, $new: BigInt!) { logConsistency(old: $old, new: $new) }"
PROOF = """
query($id: ID!) {
  logProof(id: $id) { logIndex kind sequencedAt record nonce entry path checkpoint { size root note } }
}"""


async def _kinds(database: Database) -> list[tuple[int, str]]:
    async with database.read() as read:
        rows = await read.rows(text("SELECT log_index, kind FROM log_leaf ORDER BY log_index"))
        return [(row.log_index, row.kind) for row in rows]


async def _sign(client: Client, cast: Cast, event: dict[str, Any]) -> None:
    subject = {"posting": event["id"]}
    statement = {"purpose": "ACKNOWLEDGEMENT", "comments": ""}
    signature = await postings.sign(client, cast.consumer, subject, **statement)
    sent = {"id": event["id"], **statement, **signature}
    answer = await client.acting(cast.consumer.api_key).run(postings.ADD_SIGNATURE, input=sent)
    assert answer["addSignature"]["errors"] == []


async def test_every_fact_gets_a_number_without_a_gap(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(client, cast.provider)
    await _sign(client, cast, event)
    await postings.send(client, cast.provider, [cast.consumer.unique_id])
    await sequence_all(database, means)
    kinds = await _kinds(database)
    assert [index for index, _ in kinds] == list(range(len(kinds)))
    assert kinds[0] == (0, "LOG_KEY")
    counted = {kind: sum(1 for _, k in kinds if k == kind) for _, kind in kinds}
    async with database.read() as read:
        for kind, query in {
            "EVENT": "SELECT count(*) FROM posting WHERE kind = 'EVENT'",
            "MESSAGE": "SELECT count(*) FROM posting WHERE kind = 'MESSAGE'",
            "SIGNATURE": "SELECT count(*) FROM posting_signature WHERE purpose <> 'ORIGIN'",
            "KEY": "SELECT count(*) FROM registry_event WHERE subject = 'SIGNING_KEY'",
            "REGISTRY": "SELECT count(*) FROM registry_event WHERE subject <> 'SIGNING_KEY'",
            "REFERENCE": "SELECT count(*) FROM reference_version",
        }.items():
            assert counted[kind] == await read.scalar(text(query)) > 0, kind
        assert await read.scalar(text("SELECT count(*) FROM log_pending")) == 0


async def test_what_is_published_leads_to_the_signed_root(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    for _ in range(3):
        await postings.post_ok(client, cast.provider)
    await sequence_all(database, means)
    note = (await client.http.get("/log/checkpoint")).text
    key = (await client.http.get("/log/key")).text.strip()
    head = own_head(note, key)
    assert (head.origin, key) == ("ifix.org/log", (await client.run(CHECKPOINT))["hub"]["logKey"])
    entries = await own_entries(client.http, head.size)
    assert root_of_all(entries) == head.root
    assert all(entry.startswith((b"FXH-LEAF-V1\n", b"FXH-LOG-KEY-V1\n")) for entry in entries)
    tile = await client.http.get(f"/log/tile/0/000.p/{min(255, head.size)}")
    assert tile.content[:32] == hashlib.sha256(b"\x00" + entries[0]).digest()
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_each_checkpoint_continues_every_earlier_one(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    heads = []
    for _ in range(4):
        await postings.post_ok(client, cast.provider)
        await sequence_all(database, means)
        found = (await client.run(CHECKPOINT))["logCheckpoint"]
        heads.append((int(found["size"]), base64.b64decode(found["root"])))
    assert len({size for size, _ in heads}) == 4
    for at, old in enumerate(heads):
        for new in heads[at:]:
            proof = await client.run(CONSISTENCY, old=str(old[0]), new=str(new[0]))
            verify_consistency(old, new, [base64.b64decode(part) for part in proof["logConsistency"]])


async def test_a_posting_is_proven_to_be_in_the_log(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    event = await postings.post_ok(client, cast.provider)
    asker = client.acting(cast.consumer.api_key)
    assert await asker.codes(PROOF, id=event["id"]) == ["NOT_IN_LOG"]
    await sequence_all(database, means)
    proof = (await asker.run(PROOF, id=event["id"]))["logProof"]
    record, nonce, entry = (base64.b64decode(proof[name]) for name in ("record", "nonce", "entry"))
    committed = hashlib.sha256(b"FXH-COMMITMENT-V1\n" + nonce + record).hexdigest()
    assert entry == f'FXH-LEAF-V1\n{{"commitment":"sha256:{committed}"}}'.encode()
    said = json.loads(record.removeprefix(b"FXH-FACT-V1\n"))
    assert (said["kind"], "evt_" + said["id"], len(nonce)) == ("EVENT", event["id"], 32)
    content = (await asker.run("query($id: ID!) { fiscalEvent(id: $id) { contentDigest } }", id=event["id"]))[
        "fiscalEvent"
    ]["contentDigest"]
    assert said["parts"]["content"] == content.removeprefix("sha256:")
    path = [base64.b64decode(part) for part in proof["path"]]
    size, root = int(proof["checkpoint"]["size"]), base64.b64decode(proof["checkpoint"]["root"])
    verify_inclusion(entry, int(proof["logIndex"]), size, path, root=root)


async def test_who_may_not_see_a_posting_gets_no_proof(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    message = await postings.send(client, cast.provider, [cast.consumer.unique_id])
    message_id = message["message"]["id"]
    await sequence_all(database, means)
    assert await client.acting(cast.both.api_key).codes(PROOF, id=message_id) == ["NOT_FOUND"]
    assert await client.codes(PROOF, id=message_id) == ["UNAUTHENTICATED"]
    assert (await client.acting(cast.consumer.api_key).run(PROOF, id=message_id))["logProof"][
        "kind"
    ] == "MESSAGE"


async def test_a_changed_row_is_no_longer_proven(
    client: Client, cast: Cast, database: Database, means: Means, servers: Any
) -> None:
    event = await postings.post_ok(client, cast.provider)
    await sequence_all(database, means)
    owner = Database.connect(servers.owner_url)
    async with owner.transaction() as tx:
        await tx.execute(text("ALTER TABLE posting_line DISABLE TRIGGER facts_never_change"))
        await tx.execute(text("UPDATE posting_line SET amount = amount + 1"))
        await tx.execute(text("ALTER TABLE posting_line ENABLE TRIGGER facts_never_change"))
    await owner.close()
    assert await client.acting(cast.consumer.api_key).codes(PROOF, id=event["id"]) == ["INTERNAL"]


async def test_sizes_nobody_published_are_refused(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    await sequence_all(database, means)
    size = int((await client.run(CHECKPOINT))["logCheckpoint"]["size"])
    assert await client.codes(CONSISTENCY, old="1", new=str(size + 1)) == ["LOG_SIZE"]
    assert await client.codes(CONSISTENCY, old="2", new="1") == ["LOG_SIZE"]
    assert (await client.run(CHECKPOINT, size=str(size + 1)))["logCheckpoint"] is None
    for path in ("entries/000", "0/000", "0/0", "9/000", "0/000.p/256", "entries/x000/001"):
        assert (await client.http.get(f"/log/tile/{path}")).status_code == 404, path


async def test_an_empty_log_has_no_checkpoint(client: Client) -> None:
    assert (await client.http.get("/log/checkpoint")).status_code == 404
    assert (await client.run(CHECKPOINT))["logCheckpoint"] is None


async def test_the_log_changes_its_key_only_with_the_old_ones_word(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    await sequence_all(database, means)
    fresh = HubKey.from_seed(b"n" * 32)
    alone = Means(means.domain, means.signing_key, means.master_key, LogKeys(fresh))
    before = (await client.run(CHECKPOINT))["logCheckpoint"]
    with pytest.raises(Exception, match="HUB_LOG_KEY_PREVIOUS"):
        await sequence_all(database, alone)
    assert (await client.run(CHECKPOINT))["logCheckpoint"] == before
    vouched = Means(means.domain, means.signing_key, means.master_key, LogKeys(fresh, means.log_key))
    await sequence_all(database, vouched)
    after = (await client.run(CHECKPOINT))["logCheckpoint"]
    assert int(after["size"]) == int(before["size"]) + 1
    assert after["note"].count("\n\u2014 ") == 2
    entries = await own_entries(client.http, int(after["size"]))
    said = json.loads(entries[-1].removeprefix(b"FXH-LOG-KEY-V1\n"))
    assert (said["key"], said["previous"]) == (fresh.public.base64, means.log_key.public.base64)
    await postings.post_ok(client, cast.provider)
    await sequence_all(database, alone)
    assert (await client.run(CHECKPOINT))["logCheckpoint"]["note"].count("\n\u2014 ") == 1
    with pytest.raises(Exception, match="may not come back"):
        await sequence_all(database, means)


async def test_of_two_sequencers_one_leads_and_the_other_takes_over(
    client: Client, cast: Cast, database: Database, means: Means, settings: Any
) -> None:
    """Within a second of the commit, whoever leads."""
    quick = Rhythm(0.02, 0.02, 0.1)
    others = [Database.connect(settings.database_url.get_secret_value()) for _ in range(2)]
    tasks = [asyncio.create_task(sequence(db, means, quick)) for db in others]
    try:
        for turn in range(2):
            event = await postings.post_ok(client, cast.provider)
            async with asyncio.timeout(5):
                while await client.acting(cast.consumer.api_key).codes(PROOF, id=event["id"]):
                    await asyncio.sleep(0.05)
            if turn == 0:
                tasks[0].cancel()
                await asyncio.wait([tasks[0]])
                assert not tasks[1].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for db in others:
            await db.close()
    kinds = await _kinds(database)
    assert [index for index, _ in kinds] == list(range(len(kinds)))
    assert [kind for _, kind in kinds].count("LOG_KEY") == 1


async def test_metrics_tell_how_far_the_log_is_behind(
    client: Client, cast: Cast, database: Database, means: Means
) -> None:
    async def waiting() -> float:
        lines = (await client.http.get("/metrics")).text.splitlines()
        assert any(line.startswith("hub_log_lag_seconds ") for line in lines)
        return next(float(line.split()[1]) for line in lines if line.startswith("hub_log_waiting "))

    await postings.post_ok(client, cast.provider)
    assert await waiting() > 0
    await sequence_all(database, means)
    assert await waiting() == 0
