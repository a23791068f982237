"""``make bench``: every server side by side over the same rows; a table, bench/results.json and docs/bench.svg."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop

from bench import machine, picture, rounds, table
from bench.data import FOLDER, parse_size, prepare, say
from bench.hubpeer import NotOffered, serve_command
from bench.limit import LimitFailed
from bench.load import LoadFailed, closed_loop
from bench.plainpeers import NODE_FOLDER
from bench.rounds import Round, Standing, WrongAnswer
from bench.works import BATCH, BY_NAME, WORKS, Work
from hub.embedded import EmbeddedServers

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results.json"
PICTURE = ROOT / "docs" / "bench.svg"
COMPARED = 3
LOAD = 0.7
IMPORT_EVENTS = 100_000
INSTALL_SECONDS = 300
# Large batches are few in a short round: they get longer ones.
LONGER = {"post_500": 2.0, "post_500_once": 2.0}
FAILURES = (WrongAnswer, LoadFailed, LimitFailed)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--sizes", default="10k", help="such as 10k,1m,10m; each is built once and kept")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3, help="of each work and server; medians are told")
    parser.add_argument("--peers", default=",".join(rounds.PEERS))
    parser.add_argument("--works", default=",".join(work.name for work in WORKS))
    parser.add_argument("--import-seconds", type=float, default=20.0, help="at most; 0 leaves the import out")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder of the built rows")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    return parser.parse_args(given)


def install_postgraphile() -> None:
    """`npm ci` of the pinned packages, once; raises NotOffered where there is no Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotOffered("node and npm (20 or later) are needed for PostGraphile")
    lock, stamp = NODE_FOLDER / "package-lock.json", NODE_FOLDER / "node_modules" / ".package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    say("installing PostGraphile (npm ci, about 300 MB in bench/postgraphile/node_modules)")
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(  # noqa: S603 - a fixed command
        command, cwd=NODE_FOLDER, check=False, timeout=INSTALL_SECONDS, capture_output=True, text=True
    )
    if done.returncode:
        raise NotOffered(f"npm ci failed: {done.stderr[-500:]}")


async def main(asked: argparse.Namespace) -> None:
    """Measure what is asked for, write it down after each size, and show it."""
    names = asked.peers.split(",")
    if "postgraphile" in names:
        try:
            await asyncio.to_thread(install_postgraphile)
        except NotOffered as missing:
            say(f"without PostGraphile: {missing}")
            names.remove("postgraphile")
    works = [BY_NAME[name] for name in asked.works.split(",")]
    results: dict[str, Any] = {**machine.describe(), "settings": _settings(asked), "sizes": {}}
    for size in asked.sizes.split(","):
        results["sizes"][size] = await _one_size(asked, size, names, works)
        asked.results.write_text(json.dumps(results, indent=1) + "\n")
        asked.picture.write_text(picture.draw(results))
    print(table.render(results))  # noqa: T201 - this is a command
    say(f"written: {asked.results}, {asked.picture}")


def _settings(asked: argparse.Namespace) -> dict[str, Any]:
    return {"seconds": asked.seconds, "rounds": asked.rounds, "import_seconds": asked.import_seconds}


async def _one_size(
    asked: argparse.Namespace, size: str, names: Sequence[str], works: Sequence[Work]
) -> dict[str, Any]:
    servers = EmbeddedServers(asked.data / size)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(servers.stop)
        say(f"{size}: the rows")
        stage = await prepare(servers, size, parse_size(size), serve=serve_command)
        run = await stack.enter_async_context(rounds.standing(stage, names))
        found: dict[str, Any] = {"built_seconds": stage.built.seconds, "works": {}}
        found["start_to_ready_seconds"] = {
            name: peer.server.seconds_to_ready for name, peer in run.peers.items() if hasattr(peer, "server")
        }
        for work in works:
            found["works"][work.name] = await _one_work(run, work, names, asked)
        found["post_at_70"] = await _at_load(run, found["works"], asked.seconds * 2)
        if asked.import_seconds:
            found["import"] = await _import(run, names, asked.import_seconds)
        found["memory_peak_mb"] = _memory(found["works"])
        found["sql"] = getattr(run.peers.get("pgbench"), "statements", {})
    return found


async def compare(run: Standing, work: Work, names: Sequence[str]) -> dict[str, str]:
    """Ask all servers the same: who answers otherwise than the first of them, and how."""
    wrong: dict[str, str] = {}
    said: dict[str, list[Any]] = {}
    for name in names:
        peer = run.peers[name]
        if not hasattr(peer, "figures"):
            continue
        target, requests = await asyncio.to_thread(peer.requests, work.name, 0)
        asked = requests[:COMPARED]
        measured = await closed_loop(target, asked, connections=1, seconds=60, again=False)
        if measured.failures:
            wrong[name] = measured.failures[0].decode(errors="replace")
            continue
        said[name] = [peer.figures(work.name, body) for _, body in sorted(measured.samples)]
    first = next(iter(said), "")
    for name, answers in said.items():
        for ours, theirs in zip(said[first], answers, strict=True):
            if list(ours) != list(theirs):
                difference = next(
                    (pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), ()
                )
                wrong[name] = f"{first} and {name} differ: {difference or 'in length'}"
    return wrong


async def _one_work(
    run: Standing, work: Work, names: Sequence[str], asked: argparse.Namespace
) -> dict[str, Any]:
    """All rounds of a work, the servers taking turns, so that what disturbs the machine disturbs all."""
    found: dict[str, Any] = {}
    if not work.writes:
        found |= {name: {"failed": how} for name, how in (await compare(run, work, names)).items()}
    taken: dict[str, list[Round]] = {name: [] for name in names}
    for _ in range(asked.rounds):
        for name in names:
            if name in found:
                continue
            try:
                seconds = asked.seconds * LONGER.get(work.name, 1.0)
                taken[name].append((await rounds.measure(run, name, work, seconds=seconds))[0])
            except NotOffered:
                found[name] = None
            except FAILURES as failure:
                found[name] = {"failed": str(failure)}
    for name, several in taken.items():
        if several and name not in found:
            found[name] = summary(several)
    say(table.line(work, found))
    return found


def summary(several: Sequence[Round]) -> dict[str, Any]:
    """The medians of some rounds; memory is the highest seen."""
    each = [asdict(one) for one in several]
    figures = (
        "rate",
        "p50_ms",
        "p99_ms",
        "server_cpu",
        "database_cpu",
        "requests",
        "seconds",
        "answer_bytes",
    )
    middle = {name: round(statistics.median(one[name] for one in each), 4) for name in figures}
    middle["memory_mb"] = round(max(one["memory_mb"] for one in each), 1)
    middle["rates"] = [round(one["rate"], 2) for one in each]
    return middle


async def _at_load(run: Standing, works: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Single posts at 70 % of the rate each server reached: what a caller sees who does not wait for others."""
    found: dict[str, Any] = {}
    for name, reached in works.get("post", {}).items():
        if name == "pgbench" or not reached or "rate" not in reached:
            continue
        try:
            seen = await rounds.measure_at(
                run, name, BY_NAME["post"], rate=LOAD * reached["rate"], seconds=seconds
            )
            found[name] = summary([seen])
            say(f"posts at 70 % load, {name}: p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms")
        except FAILURES as failure:
            found[name] = {"failed": str(failure)}
    return found


async def _import(run: Standing, names: Sequence[str], seconds: float) -> dict[str, Any]:
    """100,000 events in batches of 500, four at a time; cut off after so many seconds, then the rate counts."""
    found: dict[str, Any] = {}
    for name in names:
        peer = run.peers[name]
        if not hasattr(peer, "requests"):
            continue
        work = "post_500_once" if name == "hub" else "post_500"
        batches = int(min(IMPORT_EVENTS / BATCH, (run.rates.get((name, work)) or 10) * seconds * 1.3)) + 4
        target, requests = await asyncio.to_thread(peer.requests, work, min(batches, IMPORT_EVENTS // BATCH))
        try:
            measured = await closed_loop(target, requests, connections=4, seconds=seconds, again=False)
            rounds.checked(peer, BY_NAME[work], measured)
        except FAILURES as failure:
            found[name] = {"failed": str(failure)}
            continue
        events = measured.requests * BATCH
        found[name] = {
            "events": events,
            "seconds": round(measured.seconds, 2),
            "events_per_second": round(events / measured.seconds, 1),
        }
        say(f"import, {name}: {events:,} events in {measured.seconds:.1f} s")
    return found


def _memory(works: dict[str, Any]) -> dict[str, float]:
    highest: dict[str, float] = {}
    for found in works.values():
        for name, figures in found.items():
            if figures and "memory_mb" in figures and name != "pgbench":
                highest[name] = max(highest.get(name, 0.0), figures["memory_mb"])
    return highest


if __name__ == "__main__":
    sys.exit(uvloop.run(main(arguments())))
