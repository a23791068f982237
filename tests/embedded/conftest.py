"""A throw-away data folder, a supervisor to kill, and what this machine offers for trying accounts."""

import asyncio
import contextlib
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hub.embedded import EmbeddedServers, Endpoints
from hub.embedded.folders import HOME_NAME, find_home, socket_candidates
from hub.embedded.postgres_server import PROGRAMS as POSTGRES_PROGRAMS
from hub.embedded.processes import find_serving
from hub.embedded.redis_server import PROGRAMS as REDIS_PROGRAMS
from tests.servers import make_data_dir, start_test_servers

SUPERVISOR_START_SECONDS = 60


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data folder; afterwards nothing of it runs and nothing of it is left on the disk."""
    folder = make_data_dir()
    try:
        yield folder
    finally:
        remove(folder)


def remove(data_dir: Path) -> None:
    """End what still works in a data folder, and remove it with the places it spread to."""
    home = find_home(data_dir)
    if home is not None:
        for pid in serving(home.path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for sockets in socket_candidates(home):
            shutil.rmtree(sockets, ignore_errors=True)
        shutil.rmtree((data_dir / HOME_NAME).resolve(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def serving(home: Path) -> list[int]:
    """Every process of both servers of a home."""
    return find_serving(home / "postgres", POSTGRES_PROGRAMS, None) + find_serving(
        home / "redis", REDIS_PROGRAMS, None
    )


def postmasters(home: Path) -> list[int]:
    """The postmasters of a home: PostgreSQL processes with their data folder in the command line."""
    pids = find_serving(home / "postgres", POSTGRES_PROGRAMS, None)
    return [pid for pid in pids if b"\0-D\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@dataclass
class Supervisor:
    """A running `supervise.py`."""

    process: subprocess.Popen[bytes]
    endpoints: Endpoints
    pids: dict[str, int]


Supervise = Callable[..., Supervisor]


@pytest.fixture(scope="session")
def prepared_home() -> Iterator[Path]:
    """A home whose first start is done, to copy: making a database takes longer than most of what is tried on it."""
    folder = make_data_dir()

    async def make() -> None:
        async with EmbeddedServers(folder, durable=False).running():
            pass

    asyncio.run(make())
    yield folder / HOME_NAME
    remove(folder)


@pytest.fixture
def used_dir(data_dir: Path, prepared_home: Path) -> Path:
    """A data folder whose first start is done."""
    copy_home(prepared_home, data_dir)
    return data_dir


@pytest.fixture(scope="session")
def shared() -> Iterator[Endpoints]:
    """Servers that several tests use one after the other, started as the whole suite starts them."""
    with start_test_servers() as endpoints:
        yield endpoints


def copy_home(home: Path, data_dir: Path) -> None:
    """Copy a home with its owners; the empty parts of its log stay holes, which is most of the work saved."""
    subprocess.run(["/bin/cp", "-a", "--sparse=always", home, data_dir / HOME_NAME], check=True)


def supervisor_command(data_dir: Path, python: str = sys.executable) -> list[str | Path]:
    """The command that runs `supervise.py`, with this interpreter or another."""
    return [python, Path(__file__).with_name("supervise.py"), data_dir]


def ordinary_python(library: Path) -> tuple[str, dict[str, Any]]:
    """
    A Python an ordinary user can run the supervisor with, and subprocess's options for it; skips without one.

    The interpreter of a test environment may lie where only root can go. Then the system's own is taken, if it is of
    the same version, with this environment's packages.
    """
    user = ordinary_user()
    library.mkdir(mode=0o755)
    # redis-py needs this package on the first 3.11 releases alone, so an environment made with a later one lacks it.
    (library / "async_timeout.py").write_text("from asyncio import timeout as timeout\n")
    root = Path(__file__).parents[2]
    packages = [str(root), *(path for path in sys.path if path.endswith("site-packages")), str(library)]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    options: dict[str, Any] = {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "umask": 0o077,
        "env": environment,
        "cwd": "/",
    }
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            subprocess.run([python, "-c", "import hub.embedded"], check=True, capture_output=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, options
    pytest.skip("no Python that an ordinary user can run")


@pytest.fixture
def supervise(data_dir: Path) -> Iterator[Supervise]:
    """Start a supervisor on the data folder, optionally as another user; each ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(python: str = sys.executable, **options: Any) -> Supervisor:
        process = subprocess.Popen(supervisor_command(data_dir, python), stdout=subprocess.PIPE, **options)
        started.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], SUPERVISOR_START_SECONDS)[0], (
            "the supervisor was not ready"
        )
        told = json.loads(process.stdout.readline())
        return Supervisor(process, Endpoints(**told["endpoints"]), told["pids"])

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def connect(url: str) -> asyncpg.Connection:
    """Connect with an address of Endpoints."""
    return await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)


async def ask(url: str, statement: str) -> Any:
    """The first value of one statement on a connection of its own."""
    connection = await connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def eventually(is_true: Callable[[], bool], *, seconds: float = 10) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (done := is_true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return done


async def eventually_async(attempt: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> Any:
    """The result of the first attempt that does not fail to connect."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def ordinary_user() -> pwd.struct_passwd:
    """Some user that is not root, for tests that begin as root."""
    return pwd.getpwnam("nobody")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become others")
on_linux = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")
