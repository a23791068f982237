"""One running hub per data folder: the lock it holds, what it says about itself, and how another terminal stops it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.embedded.folders import find_home, load_passwords, socket_folder
from hub.embedded.postgres_server import APPLICATION, PostgresServer
from hub.embedded.processes import EmbeddedError

STOP_SECONDS = 90.0
POLL_SECONDS = 0.05
WRITE_SECONDS = 2.0


@dataclass(frozen=True)
class Instance:
    """A running hub; ``url`` is empty until it answers."""

    pid: int
    url: str = ""


class AlreadyRunning(Exception):
    """Another hub runs on this data folder."""

    def __init__(self, instance: Instance | None) -> None:
        super().__init__("a hub is running on this data folder already")
        self.instance = instance


def _lock_path(data_dir: Path) -> Path:
    return data_dir / "run" / "lock"


def _state_path(data_dir: Path) -> Path:
    return data_dir / "run" / "hub.json"


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Be the hub of this data folder for the block; raises AlreadyRunning. The kernel frees the lock with us."""
    path = _lock_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(find(data_dir)) from None
        announce(data_dir)
        try:
            yield
        finally:
            _state_path(data_dir).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def announce(data_dir: Path, url: str = "") -> None:
    """Write down who runs, for ``stop`` and for a second ``run``."""
    path = _state_path(data_dir)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(Instance(os.getpid(), url))))
    draft.replace(path)


def find(data_dir: Path) -> Instance | None:
    """The hub that runs on this data folder: whoever holds the lock. A pid file alone proves nothing."""
    deadline = time.monotonic() + WRITE_SECONDS
    while is_held(data_dir) and time.monotonic() < deadline:
        try:
            instance = Instance(**json.loads(_state_path(data_dir).read_text()))
        except (OSError, ValueError, TypeError):
            time.sleep(POLL_SECONDS)
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(instance.pid, 0)
            return instance
        time.sleep(POLL_SECONDS)
    return None


def is_held(data_dir: Path) -> bool:
    """Whether somebody holds the lock."""
    try:
        descriptor = os.open(_lock_path(data_dir), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def stop(data_dir: Path, *, timeout_seconds: float = STOP_SECONDS) -> Instance | None:
    """
    End the hub of this data folder and wait until it is gone; None when none runs.

    The pid is looked up and signalled while the lock is held, so it is the hub's and nobody else's. Raises
    TimeoutError when it does not end.
    """
    instance = find(data_dir)
    if instance is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        if is_held(data_dir):
            os.kill(instance.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while is_held(data_dir):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the hub (pid {instance.pid}) does not end")
        time.sleep(POLL_SECONDS)
    gone = time.monotonic() + WRITE_SECONDS  # what is left is the interpreter's own end
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < gone:
            os.kill(instance.pid, 0)
            time.sleep(POLL_SECONDS)
    return instance


def embedded_database_url(data_dir: Path) -> str:
    """The application's address of the embedded PostgreSQL that a running hub keeps; the same from start to start."""
    home = find_home(data_dir)
    if home is None:
        raise EmbeddedError(f"There are no servers in {data_dir} yet", "Wait until the hub answers")
    passwords = load_passwords(home.path)
    return PostgresServer(home, socket_folder(home), passwords).database_url(APPLICATION, passwords.hub_app)
