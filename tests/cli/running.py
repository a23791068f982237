"""`fiscal-hub run` as a user starts it: a process of its own, watched through what it prints."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import make_data_dir

START_SECONDS = 90
STOP_SECONDS = 60
URL = re.compile(r"The hub runs at (http://[0-9.:]+)/graphql")
KEY = re.compile(r"API key:\s+(fhub_live_\S+)")


@dataclass
class Running:
    """A started command, and what it has printed so far."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def printed(self) -> str:
        """Everything it wrote."""
        return self.output.read_text()

    @property
    def url(self) -> str:
        """The address it printed."""
        found = URL.search(self.printed)
        assert found is not None
        return found[1]

    @property
    def api_key(self) -> str:
        """The consumer's key it printed."""
        found = KEY.search(self.printed)
        assert found is not None
        return found[1]

    def wait_ready(self) -> None:
        """Until it printed where it runs."""
        wait_until(lambda: bool(URL.search(self.printed)) or self.process.poll() is not None, START_SECONDS)
        assert self.process.poll() is None, self.printed
        wait_until(lambda: "ends it." in self.printed, START_SECONDS)

    def pids(self) -> set[int]:
        """Itself and everything below it."""
        return {self.process.pid, *descendants(self.process.pid)}

    def kill(self) -> None:
        """SIGKILL, as an accident would."""
        self.process.kill()
        self.process.wait()


def descendants(pid: int) -> set[int]:
    """Every process below one, by the kernel's own list."""
    found: set[int] = set()
    try:
        lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return found
    for child in " ".join(lists).split():
        found |= {int(child), *descendants(int(child))}
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; zombies do not."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found.add(pid)
    return found


def wait_until(holds: Callable[[], bool], timeout_seconds: float) -> None:
    """Until something holds; fails when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def environment() -> dict[str, str]:
    """Ours, without any setting of a hub."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}


def fiscal_hub(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments],
        env={**environment(), **settings},
        capture_output=True,
        text=True,
        timeout=STOP_SECONDS,
        check=False,
    )


@contextmanager
def data_folder() -> Iterator[Path]:
    """A data folder that is thrown away, reachable for the servers' account."""
    folder = make_data_dir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run(data_dir: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """`fiscal-hub run` on a data folder; ended at the end of the block, if it still runs."""
    output = data_dir / "printed.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "run", "--data-dir", str(data_dir), *arguments],
            env={**environment(), **settings},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
