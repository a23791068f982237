"""Witnesses over real HTTP: cosigned, recovered from 409, forged, forked, dead; what is published and demanded then."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from hub.adapters.outbound import Policy
from hub.adapters.witness import HttpWitnessDesk
from hub.adapters.witness.simulator import SimulatedWitness
from hub.adapters.witness.wire import BodyRefused, read_request, read_size, write_request
from hub.client.following import Follower, NotCosigned, Quorum, Seen
from hub.db import Database
from hub.domain.registry import Environment, SystemRole
from hub.domain.transparency import Witness
from hub.jobs.transparency import sequence_all
from hub.jobs.witnesses import submit
from hub.means import Means
from hub.settings import Settings
from hub.signing import Checkpoint, HubKey, NoteKey, NoteRefused, sign_note
from hub.signing.cosignatures import WitnessKey, cosign, cosigned_at
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories.registry import make_system

pytestmark = pytest.mark.anyio

DESK = HttpWitnessDesk(Policy.of("127.0.0.0/8"), seconds_max=2.0)
HEAD = "{ logCheckpoint { size note cosignatures } }"


@pytest.fixture
def means(settings: Settings) -> Means:
    """The hub's own keys."""
    return make_means(settings)


@asynccontextmanager
async def witnessing(
    means: Means, name: str = "w.example", seed: bytes = bytes(32)
) -> AsyncIterator[tuple[SimulatedWitness, Witness]]:
    """A witness of this log on a port of its own."""
    simulated = SimulatedWitness(
        name, HubKey.from_seed(seed), [NoteKey(means.log_origin, means.log_key.public)]
    )
    server = uvicorn.Server(uvicorn.Config(simulated.app(), port=0, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield simulated, Witness(f"http://127.0.0.1:{port}/", simulated.verifier)
    finally:
        server.should_exit = True
        await running


async def grow(database: Database, means: Means) -> None:
    """More leaves, and a checkpoint over them."""
    roles, environment = [SystemRole.PROVIDER], Environment.LIVE
    await make_system(database, means, roles=roles, environment=environment)
    await sequence_all(database, means)


async def lines(database: Database) -> list[tuple[int, str]]:
    """The cosignatures that are stored."""
    async with database.read() as read:
        rows = await read.rows(text("SELECT size, witness FROM log_cosignature ORDER BY size, witness"))
        return [(row.size, row.witness) for row in rows]


def own_check(note: str, key: WitnessKey) -> bool:
    """The cosignature checked with another Ed25519 implementation, as the C2SP describes it."""
    body, _, tail = note.partition("\n\n")
    (line,) = [each for each in tail.splitlines() if each.split(" ")[1] == key.name]
    raw = base64.b64decode(line.split(" ")[2])
    assert raw[:4] == hashlib.sha256(key.name.encode() + b"\n\x04" + key.public.raw).digest()[:4]
    seconds = int.from_bytes(raw[4:12], "big")
    signed = f"cosignature/v1\ntime {seconds}\n{body}\n".encode()
    Ed25519PublicKey.from_public_bytes(key.public.raw).verify(raw[12:], signed)
    return True


async def test_a_checkpoint_is_cosigned_and_published_with_the_line(
    settings: Settings, database: Database, means: Means
) -> None:
    async with serve(settings) as client, witnessing(means) as (simulated, witness):
        await grow(database, means)
        assert (await client.http.get("/log/checkpoint/cosigned")).status_code == 404
        assert await submit(database, DESK, witness)
        await grow(database, means)
        assert await submit(database, DESK, witness)
        assert await submit(database, DESK, witness)
        assert simulated.asked == 2
        note = (await client.http.get("/log/checkpoint")).text
        assert own_check(note, witness.key)
        assert (await client.http.get("/log/checkpoint/cosigned?witnesses=1")).text == note
        assert (await client.http.get("/log/checkpoint/cosigned?witnesses=2")).status_code == 404
        assert (await client.http.get("/log/checkpoint/cosigned?witnesses=x")).status_code == 400
        head = (await client.run(HEAD))["logCheckpoint"]
        assert head["note"] + "".join(head["cosignatures"]) == note
        assert [name for _, name in await lines(database)] == ["w.example"] * 2


async def test_a_witness_that_remembers_another_size_is_asked_from_there(
    database: Database, means: Means
) -> None:
    async with witnessing(means) as (simulated, witness):
        await grow(database, means)
        assert await submit(database, DESK, witness)
        remembered = dict(simulated.seen)
        await grow(database, means)
        assert await submit(database, DESK, witness)
        simulated.seen = remembered  # it was restored from a backup
        await grow(database, means)
        assert await submit(database, DESK, witness)
        assert simulated.asked == 4
        simulated.seen = {means.log_origin: (10_000, bytes(32))}
        await grow(database, means)
        assert not await submit(database, DESK, witness)


async def test_a_forged_cosignature_is_not_taken(database: Database, means: Means) -> None:
    async with witnessing(means) as (simulated, witness):
        await grow(database, means)
        simulated.forges = True
        assert not await submit(database, DESK, witness)
        stranger = Witness(witness.url, WitnessKey("w.example", HubKey.from_seed(b"s" * 32).public))
        simulated.forges, simulated.seen = False, {}
        assert not await submit(database, DESK, stranger)
        assert await lines(database) == []


async def test_a_witness_refuses_a_fork_and_an_unknown_log(means: Means) -> None:
    async with witnessing(means) as (simulated, witness), httpx.AsyncClient() as http:

        async def send(size: int, root: bytes, old: int, origin: str = means.log_origin) -> httpx.Response:
            note = sign_note(Checkpoint(origin, size, root).text, origin, [means.log_key])
            return await http.post(witness.url + "add-checkpoint", content=write_request(old, (), note))

        assert (await send(1, b"a" * 32, 0)).status_code == 200
        assert (await send(1, b"b" * 32, 1)).status_code == 409
        conflict = await send(2, b"b" * 32, 0)
        assert (conflict.status_code, conflict.headers["content-type"], conflict.text) == (
            409,
            "text/x.tlog.size",
            "1\n",
        )
        assert (await send(2, b"b" * 32, 1)).status_code == 422
        assert (await send(1, b"a" * 32, 2)).status_code == 400
        assert (await send(1, b"a" * 32, 0, "other.example/log")).status_code == 404
        stolen = HubKey.from_seed(b"x" * 32)
        note = sign_note(Checkpoint(means.log_origin, 1, b"a" * 32).text, means.log_origin, [stolen])
        sent = await http.post(witness.url + "add-checkpoint", content=write_request(1, (), note))
        assert sent.status_code == 403
        assert simulated.seen == {means.log_origin: (1, b"a" * 32)}


async def test_a_dead_or_slow_witness_is_no_ones_trouble(database: Database, means: Means) -> None:
    await grow(database, means)
    nobody = Witness("http://127.0.0.1:9", WitnessKey("dead.example", HubKey.from_seed(bytes(32)).public))
    assert not await submit(database, DESK, nobody)
    guarded = HttpWitnessDesk(Policy())
    assert not await submit(database, guarded, nobody)
    async with witnessing(means) as (simulated, witness):
        simulated.slow_seconds = 1.0
        waiting = asyncio.create_task(submit(database, DESK, witness))
        await asyncio.sleep(0.1)
        await grow(database, means)
        assert not waiting.done()
        assert await waiting
        simulated.slow_seconds, simulated.status = 0.0, 503
        assert not await submit(database, DESK, witness)


def quorum_of(client: Client, means: Means, *keys: WitnessKey, needed: int) -> Follower:
    """A follower that demands so many of these witnesses."""

    class Bridge(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = anyio.from_thread.run(client.http.get, request.url.raw_path.decode())
            return httpx.Response(answer.status_code, content=answer.content)

    seen = Seen([NoteKey(means.log_origin, means.log_key.public)])
    return Follower(httpx.Client(transport=Bridge()), "http://log.test", seen, Quorum(keys, needed))


async def test_a_follower_demands_known_witnesses(
    settings: Settings, database: Database, means: Means
) -> None:
    async with (
        serve(settings) as client,
        witnessing(means) as (_, one),
        witnessing(means, "v.example", b"v" * 32) as (_, two),
    ):
        await grow(database, means)
        for witness in (one, two):
            assert await submit(database, DESK, witness)
        stranger = WitnessKey("u.example", HubKey.from_seed(b"u" * 32).public)
        both = quorum_of(client, means, one.key, two.key, needed=2)
        assert await anyio.to_thread.run_sync(both.step) > 0
        with pytest.raises(NotCosigned, match="1 known witnesses have cosigned it, 2 are asked for"):
            await anyio.to_thread.run_sync(quorum_of(client, means, one.key, stranger, needed=2).step)


def test_keys_and_lines_have_one_form() -> None:
    key = HubKey.from_seed(b"k" * 32)
    named = WitnessKey("w.example", key.public)
    assert WitnessKey.parse(named.text) == named
    with pytest.raises(NoteRefused):
        WitnessKey.parse(NoteKey("w.example", key.public).text)
    line = cosign("a\n1\nb\n", "w.example", key, 7)
    assert cosigned_at("a\n1\nb\n", [line], named) == (7, line)
    for other in ("a\n2\nb\n", "a\n1\nb\nc\n"):
        with pytest.raises(NoteRefused):
            cosigned_at(other, [line], named)
    assert Witness.read(f"http://w {named.text}") == (Witness("http://w", named),)
    with pytest.raises(ValueError, match="one name"):
        Witness.read(f"http://w {named.text}, http://v {named.text}")


@pytest.mark.parametrize(
    "body", [b"", b"old 1\n", b"old 01\n\nx", b"old -1\n\nx", b"old 1\nAAAA\n\nx", b"\xff"]
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(BodyRefused):
        read_request(body)


def test_what_is_written_is_read() -> None:
    assert read_request(write_request(3, (b"a" * 32,), "o\n3\nr\n\n- s\n")) == (
        3,
        (b"a" * 32,),
        "o\n3\nr\n\n- s\n",
    )
    assert (read_size(b"12\n"), read_size(b"-1"), read_size(b"01")) == (12, None, None)
