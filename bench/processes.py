"""The processes under measurement: started for a block of code, ended by pid, weighed by what the kernel counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

import hub.embedded

LAUNCHER = Path(hub.embedded.__file__).with_name("launch.py")
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 60.0
POLL_SECONDS = 0.02
STOP_SECONDS = 15.0
WEIGH_SECONDS = 0.2
CPU_FIELDS = slice(11, 13)
CHILD_CPU_FIELDS = slice(13, 15)


class NotReady(Exception):
    """A server did not come up; the message ends with what it said."""


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                found.setdefault(parent, []).append(int(entry.name))
    return found


def tree(pid: int) -> list[int]:
    """A process and everything that came from it."""
    children = _children()
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """What a process, its living descendants and those it has buried have used, user and system."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[CPU_FIELDS])) + sum(map(int, fields[CHILD_CPU_FIELDS]))
    return ticks / TICKS


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    pages = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Weight:
    """What one round cost: CPU seconds of the server and of the database, and the server's memory at its highest."""

    server_cpu: float = 0.0
    database_cpu: float = 0.0
    memory_peak: int = 0


@contextlib.contextmanager
def weighing(server: int | None, database: int) -> Iterator[Weight]:
    """Fill in the weight of a block; ``server`` is None where the load goes straight to the database."""
    weight = Weight()
    told = threading.Event()

    def look() -> None:
        while server is not None:
            weight.memory_peak = max(weight.memory_peak, memory_bytes(server))
            if told.wait(WEIGH_SECONDS):
                return

    before = (cpu_seconds(server) if server else 0.0, cpu_seconds(database))
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield weight
    finally:
        told.set()
        weight.server_cpu = (cpu_seconds(server) if server else 0.0) - before[0]
        weight.database_cpu = cpu_seconds(database) - before[1]
        watcher.join()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    pid: int
    port: int
    seconds_to_ready: float


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, port: int, ready: str = "/"
) -> AsyncIterator[Running]:
    """
    Start a server, wait until ``ready`` answers below 500, hand it over, and end it, whatever happens.

    Raises NotReady. On Linux the kernel kills the server should this process die.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    ties = [str(os.getpid()), str(int(signal.SIGKILL)), "-"]
    begun = time.perf_counter()
    with log.open("wb") as written:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own commands; returns at once
            [sys.executable, "-I", "-S", str(LAUNCHER), *ties, *command],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        await _until_ready(process, f"http://127.0.0.1:{port}{ready}", log)
        yield Running(process.pid, port, time.perf_counter() - begun)
    finally:
        await _end(process)


async def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as http:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(url)).status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return
            await asyncio.sleep(POLL_SECONDS)
    said = log.read_bytes()[-3000:].decode(errors="replace")
    raise NotReady(f"{urlsplit(url).path} did not answer on port {urlsplit(url).port}:\n{said}")


async def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        if process.poll() is None:
            process.send_signal(number)
        deadline = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
