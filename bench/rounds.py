"""One round: one kind of work, one server, loaded for some seconds, weighed, and its answers looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench import hubpeer, peerrows, plainpeers
from bench.contents import Press
from bench.data import Stage
from bench.hubpeer import NotOffered
from bench.limit import Limit, LimitFailed, over
from bench.load import LoadFailed, Measured, Target, closed_loop, open_loop
from bench.processes import Running, Weight, weighing
from bench.works import BY_NAME, Questions, Work, draw_questions

PEERS = ("hub", "postgraphile", "orm", "pgbench")
WARM_SECONDS = 0.7
# How many new requests a writing round is given, by the rate seen last; it ends early when they run out.
AHEAD = 1.5
FIRST_GUESS = {"post": 1_500.0, "post_500": 12.0, "post_500_once": 12.0}
WARM_REQUESTS = {"post": 200, "post_500": 4, "post_500_once": 4}


class WrongAnswer(Exception):
    """A server's answer is not what the others say, or refuses something."""


class Peer(Protocol):
    """A server under comparison."""

    name: str
    server: Running

    def requests(self, work: str, count: int) -> tuple[Target, list[bytes]]:
        """Where to send what; raises NotOffered."""

    def figures(self, work: str, body: bytes) -> Sequence[Any]:
        """What an answer says, in the words all servers share."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw."""

    peer: str
    work: str
    rate: float
    p50_ms: float
    p99_ms: float
    requests: int
    seconds: float
    server_cpu: float
    database_cpu: float
    memory_mb: float
    answer_bytes: int

    def __str__(self) -> str:
        each = 1000 / max(1, self.requests)
        events = BY_NAME[self.work].events if self.work in BY_NAME else 1
        also = f" ({self.rate * events:,.0f} events/s)" if events > 1 else ""
        return (
            f"{self.work:14} {self.peer:12} {self.rate:9,.1f}/s{also} p50 {self.p50_ms:.2f} ms "
            f"p99 {self.p99_ms:.2f} ms; CPU per answer {self.server_cpu * each:.3f} ms server, "
            f"{self.database_cpu * each:.3f} ms database; memory {self.memory_mb:.0f} MB; "
            f"answer {self.answer_bytes:,} bytes"
        )


@dataclass
class Standing:
    """All servers that were asked for, running over one stage."""

    stage: Stage
    questions: Questions
    press: Press
    peers: dict[str, Any] = field(default_factory=dict)
    rates: dict[tuple[str, str], float] = field(default_factory=dict)
    warmed: set[tuple[str, str]] = field(default_factory=set)


Opening = Callable[[Stage, Questions, Press], AbstractAsyncContextManager[Any]]
OPENINGS: dict[str, Opening] = {
    "hub": hubpeer.serving,
    "postgraphile": plainpeers.serving_postgraphile,
    "orm": plainpeers.serving_orm,
}


@asynccontextmanager
async def standing(stage: Stage, names: Sequence[str]) -> AsyncIterator[Standing]:
    """Start these servers over the stage; end them all."""
    db = await stage.administrator()
    try:
        if set(names) & {"postgraphile", "orm"}:
            await peerrows.ensure(db)
        questions = await draw_questions(db, stage.built.last_id, stage.demo.consumer)
    finally:
        await db.close()
    press = Press(stage.sender)
    run = Standing(stage, questions, press)
    try:
        async with AsyncExitStack() as stack:
            for name in names:
                if name == "pgbench":
                    opened: Any = over(stage, questions, press, run.peers)
                else:
                    opened = OPENINGS[name](stage, questions, press)
                run.peers[name] = await stack.enter_async_context(opened)
            yield run
    finally:
        press.close()


def checked(peer: Peer, work: Work, measured: Measured) -> Sequence[Any]:
    """The first sampled answer's figures; raises WrongAnswer when any answer was refused or says too little."""
    if measured.failures:
        raise WrongAnswer(f"{peer.name}, {work.name}: {measured.failures[0].decode(errors='replace')}")
    if not measured.samples:
        raise WrongAnswer(f"{peer.name}, {work.name}: nothing was answered")
    said = [peer.figures(work.name, body) for _, body in sorted(measured.samples)]
    for figures in said:
        if work.writes and set(figures) != {"ACCEPTED"}:
            raise WrongAnswer(f"{peer.name}, {work.name}: {figures}")
        if not work.writes and not figures:
            raise WrongAnswer(f"{peer.name}, {work.name}: an empty answer")
    return said[0]


async def measure(
    run: Standing, name: str, work: Work, *, seconds: float, connections: int | None = None
) -> tuple[Round, Sequence[Any]]:
    """
    One closed-loop round, warmed up before the first; the figures of one answer come along.

    Raises NotOffered when this server does not do this work, and WrongAnswer.
    """
    peer: Any = run.peers[name]
    if isinstance(peer, Limit):
        return await _measure_limit(peer, work, seconds, connections or work.connections), []
    if (name, work.name) not in run.warmed:
        await _warm(run, peer, work)
        run.warmed.add((name, work.name))
    guess = run.rates.get((name, work.name)) or FIRST_GUESS.get(work.name, 0)
    count = max(8, int(guess * seconds * AHEAD))
    target, requests = await asyncio.to_thread(peer.requests, work.name, count)
    with weighing(peer.server.pid, run.stage.database_pid) as weight:
        measured = await closed_loop(
            target,
            requests,
            connections=connections or work.connections,
            seconds=seconds,
            again=not work.writes,
        )
    figures = checked(peer, work, measured)
    run.rates[(name, work.name)] = measured.rate
    return _round(name, work.name, measured, weight), figures


async def _measure_limit(limit: Limit, work: Work, seconds: float, connections: int) -> Round:
    latencies, taken, weight = await limit.run(work, seconds, connections)
    return _round(limit.name, work.name, Measured(taken, latencies, [], []), weight)


async def _warm(run: Standing, peer: Any, work: Work) -> None:
    target, requests = await asyncio.to_thread(peer.requests, work.name, WARM_REQUESTS.get(work.name, 0))
    measured = await closed_loop(
        target,
        requests,
        connections=work.connections,
        seconds=WARM_SECONDS * (3 if work.writes else 1),
        again=not work.writes,
    )
    checked(peer, work, measured)
    run.rates[(peer.name, work.name)] = measured.rate * 1.5


async def measure_at(run: Standing, name: str, work: Work, *, rate: float, seconds: float) -> Round:
    """One open-loop round at a fixed rate."""
    peer: Any = run.peers[name]
    target, requests = await asyncio.to_thread(peer.requests, work.name, int(rate * seconds))
    with weighing(peer.server.pid, run.stage.database_pid) as weight:
        measured = await open_loop(
            target, requests, connections=work.connections * 2, rate=rate, seconds=seconds
        )
    checked(peer, work, measured)
    return _round(name, f"{work.name}_at_70", measured, weight)


def _round(name: str, work: str, measured: Measured, weight: Weight) -> Round:
    return Round(
        peer=name,
        work=work,
        rate=measured.rate,
        p50_ms=measured.milliseconds(0.50),
        p99_ms=measured.milliseconds(0.99),
        requests=measured.requests,
        seconds=measured.seconds,
        server_cpu=weight.server_cpu,
        database_cpu=weight.database_cpu,
        memory_mb=weight.memory_peak / 1e6,
        answer_bytes=measured.received_bytes // max(1, measured.requests),
    )


async def one(run: Standing, name: str, work: str, asked: Any) -> str:
    """A round told in a sentence, whatever becomes of it."""
    try:
        if asked.rate:
            return str(await measure_at(run, name, BY_NAME[work], rate=asked.rate, seconds=asked.seconds))
        return str(
            (await measure(run, name, BY_NAME[work], seconds=asked.seconds, connections=asked.connections))[0]
        )
    except NotOffered:
        return f"{work:14} {name:12} is not offered"
    except (WrongAnswer, LoadFailed, LimitFailed) as error:
        return f"{work:14} {name:12} FAILED: {error}"
