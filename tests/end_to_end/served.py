"""A hub as it is run: the web process in a process of its own, on a port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from hub.embedded import Endpoints

READY_SECONDS = 30
STOP_SECONDS = 15


def environment(data_dir: Path, endpoints: Endpoints) -> dict[str, str]:
    """The settings of a hub on these servers, as a process gets them."""
    return {
        **os.environ,
        "HUB_DATA_DIR": str(data_dir),
        "HUB_DATABASE_URL": endpoints.database_url,
        "HUB_DATABASE_OWNER_URL": endpoints.owner_url,
        "HUB_REDIS_URL": endpoints.redis_url,
    }


@contextmanager
def web_process(data_dir: Path, endpoints: Endpoints) -> Iterator[str]:
    """``fiscal-hub serve``; the address it answers at."""
    with socket.create_server(("127.0.0.1", 0)) as listener, (data_dir / "web.log").open("wb") as log:
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "serve", "--descriptor", str(descriptor)],
            env=environment(data_dir, endpoints),
            pass_fds=(descriptor,),
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            _wait_ready(url, process, data_dir / "web.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the web process is not ready: {log.read_text()[-2000:]}")
