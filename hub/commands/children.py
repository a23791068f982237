"""The hub's own processes, web and worker: started as children, restarted when they die, ended with their parent."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hub.embedded
from hub.embedded.processes import trim_log, wait_exit

logger = logging.getLogger("hub.commands")

LAUNCHER = Path(hub.embedded.__file__).with_name("launch.py")
WATCH_SECONDS = 0.1
TRIM_SECONDS = 60.0
PARENT_SECONDS = 0.5
# The pause before each restart in a row; the last one repeats. A child that ran this long starts over at the first.
RESTART_PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 60.0
STOP_SECONDS = 20.0
TAIL_BYTES = 4096


@dataclass(frozen=True)
class Plan:
    """What a child runs: ``python -m <arguments>``, with which environment, log and inherited descriptors."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    descriptors: tuple[int, ...] = ()


class Child:
    """
    One process of the hub's own.

    Start and watch it from the main thread: on Linux the kernel kills it when that thread ends, however it ends.
    It runs in a session of its own, so that Ctrl-C reaches the parent alone, which then ends it in order.
    """

    def __init__(self, plan: Plan) -> None:
        self.name = plan.name
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The running process's pid."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process; what it writes is appended to its log."""
        plan = self._plan
        plan.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(plan.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        ties = [str(os.getpid()), str(int(signal.SIGKILL)), "-"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                [sys.executable, "-I", "-S", str(LAUNCHER), *ties, sys.executable, "-m", *plan.arguments],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(plan.environment),
                pass_fds=plan.descriptors,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def watch(self) -> None:
        """Restart it whenever it dies, with growing pauses, until cancelled or stopped."""
        failures, started, trimmed = 0, time.monotonic(), time.monotonic()
        while not self._stopping:
            await asyncio.sleep(WATCH_SECONDS)
            now = time.monotonic()
            if now - trimmed > TRIM_SECONDS:
                trim_log(self._plan.log)
                trimmed = now
            if self._process is None or (code := self._process.poll()) is None:
                continue
            if now - started > STEADY_SECONDS:
                failures = 0
            pause = RESTART_PAUSES_SECONDS[min(failures, len(RESTART_PAUSES_SECONDS) - 1)]
            logger.error("%s ended with code %s; restarting it in %s s", self.name, code, pause)
            await asyncio.sleep(pause)
            failures, started = failures + 1, time.monotonic()
            if not self._stopping:
                self.start()

    def ask_to_stop(self) -> None:
        """Tell it to finish (SIGTERM); it is not restarted any more."""
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    async def stop(self) -> None:
        """End it: in order within STOP_SECONDS, by force after that."""
        self.ask_to_stop()
        if self._process is None:
            return
        if await wait_exit(self._process, STOP_SECONDS) is None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        """The end of its log, for an error message."""
        with self._plan.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode(errors="replace").strip()


def end_with_parent(parent_pid: int) -> None:
    """
    Called in a child: end this process when its parent is gone, however the parent died.

    On Linux the kernel does so already, and at once; elsewhere this is what does it.
    """

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


async def stop_all(children: Sequence[Child]) -> None:
    """End them side by side."""
    for child in children:
        child.ask_to_stop()
    await asyncio.gather(*(child.stop() for child in children))
