"""One PostgreSQL and one Redis for a whole test run: real servers in a folder that is thrown away afterwards."""

import asyncio
import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from hub.embedded import EmbeddedServers, Endpoints

FOLDER_PREFIX = "fhub-"
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 90
LIFETIME_SECONDS_MAX = 3600


@contextlib.contextmanager
def start_test_servers(*, postgres: bool = True, redis: bool = True) -> Iterator[Endpoints]:
    """
    Start both servers, fast and without safety against crashes; for a session-scoped pytest fixture.

    They end with the block, at exit, after an hour, or with this process, whichever comes first; a server that dies is
    restarted. The loop that watches them runs in a thread of its own, so any test may use any loop.
    """
    _remove_abandoned_folders()
    folder = make_data_dir()
    ready: Future[Endpoints] = Future()
    told = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(folder, ready, told, postgres=postgres, redis=redis)), daemon=True
    )

    def end() -> None:
        told.set()
        thread.join(STOP_SECONDS_MAX)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    thread.start()
    try:
        yield ready.result(START_SECONDS_MAX)
    finally:
        end()
        atexit.unregister(end)


def make_data_dir() -> Path:
    """A new temporary data folder that the servers' account can pass through even when root makes it."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    folder.chmod(0o711)
    return folder


async def _serve(
    folder: Path, ready: Future[Endpoints], told: threading.Event, *, postgres: bool, redis: bool
) -> None:
    servers = EmbeddedServers(folder, postgres=postgres, redis=redis, durable=False)
    try:
        async with servers.running() as endpoints:
            ready.set_result(endpoints)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIFETIME_SECONDS_MAX):
                    while not told.is_set():
                        await asyncio.sleep(0.05)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


def _remove_abandoned_folders() -> None:
    """Folders of test runs that were killed: ours, nobody holds their lock, and no run lasts that long."""
    newest = time.time() - 2 * LIFETIME_SECONDS_MAX
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = folder / "servers" / "lock"
            if lock.stat().st_mtime > newest:
                continue
            descriptor = os.open(lock, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
