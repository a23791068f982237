"""What the log publishes is accepted, and a change of it refused, by a C2SP library nobody here wrote."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from hub.db import Database
from hub.jobs.transparency import sequence_all
from hub.means import Means
from hub.signing.framing import Domain, unframe
from tests.api.conftest import Cast
from tests.client import Client
from tests.factories import postings

metamorphic = pytest.importorskip("metamorphic_log", reason="its wheel is for Linux on x86-64 alone")
pytestmark = pytest.mark.anyio

PROOF = "query($id: ID!) { logProof(id: $id) { logIndex entry path checkpoint { size root note } } }"
CONSISTENCY = "query($old: BigInt!, $new: BigInt!) { logConsistency(old: $old, new: $new) }"
CHECKPOINT = "query($size: BigInt!) { logCheckpoint(size: $size) { note } }"
EVIDENCE = "query($id: ID!) { evidence(id: $id) { json } }"


def _bytes(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in texts]


def _leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


async def _logged(client: Client, cast: Cast, database: Database, means: Means, count: int) -> list[str]:
    ids = [str((await postings.post_ok(client, cast.provider))["id"]) for _ in range(count)]
    await sequence_all(database, means)
    return ids


async def _key(client: Client) -> str:
    return (await client.http.get("/log/key")).text.strip()


async def _run(client: Client, cast: Cast, document: str, **variables: Any) -> Any:
    return await client.acting(cast.provider.api_key).run(document, **variables)


async def test_checkpoint_and_inclusion(client: Client, cast: Cast, database: Database, means: Means) -> None:
    key = await _key(client)
    for posting_id in await _logged(client, cast, database, means, 3):
        proof = (await _run(client, cast, PROOF, id=posting_id))["logProof"]
        note, path = proof["checkpoint"]["note"], _bytes(proof["path"])
        index, leaf = int(proof["logIndex"]), _leaf_hash(base64.b64decode(proof["entry"]))
        head = metamorphic.checkpoint_verify(note, [key])
        assert head.size == int(proof["checkpoint"]["size"])
        assert base64.b64encode(bytes(head.root)).decode() == proof["checkpoint"]["root"]
        metamorphic.checkpoint_verify_inclusion(note, [key], index, leaf, path)
        for wrong in (
            (note, index + 1, leaf, path),
            (note, index, _leaf_hash(b"another"), path),
            (note, index, leaf, path[:-1]),
            (note.replace("\n", "\n1", 1), index, leaf, path),
        ):
            with pytest.raises(metamorphic.VerifyError):
                metamorphic.checkpoint_verify_inclusion(wrong[0], [key], *wrong[1:])


async def test_consistency(client: Client, cast: Cast, database: Database, means: Means) -> None:
    key, notes = await _key(client), []
    for _ in range(2):
        await _logged(client, cast, database, means, 2)
        notes.append((await client.http.get("/log/checkpoint")).text)
    sizes = [str(metamorphic.checkpoint_verify(note, [key]).size) for note in notes]
    answer = await _run(client, cast, CONSISTENCY, old=sizes[0], new=sizes[1])
    path = _bytes(answer["logConsistency"])
    metamorphic.checkpoint_verify_consistency(*notes, [key], path)
    with pytest.raises(metamorphic.VerifyError):
        metamorphic.checkpoint_verify_consistency(*notes, [key], path[1:])


async def test_the_leaves_of_evidence(client: Client, cast: Cast, database: Database, means: Means) -> None:
    (posting_id,) = await _logged(client, cast, database, means, 1)
    file = json.loads((await _run(client, cast, EVIDENCE, id=posting_id))["evidence"]["json"])
    assert len(file["leaves"]) >= 2
    for leaf in file["leaves"]:
        nonce, record = base64.b64decode(leaf["nonce"]), base64.b64decode(leaf["record"])
        assert unframe(record)[0] is Domain.FACT
        hidden = hashlib.sha256(b"FXH-COMMITMENT-V1\n" + nonce + record).digest()
        entry = f'FXH-LEAF-V1\n{{"commitment":"sha256:{hidden.hex()}"}}'.encode()
        metamorphic.checkpoint_verify_inclusion(
            file["checkpoint"],
            [file["hub"]["logKey"]],
            int(leaf["logIndex"]),
            _leaf_hash(entry),
            _bytes(leaf["path"]),
        )
