"""`fiscal-hub run` from start to stop: Ctrl-C, stop from elsewhere, kill -9 of everything, and imports that break off."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub import sample
from hub.client import Hub, HubRefused
from hub.commands import demo, screen
from hub.sample.importer import count_events
from tests.cli.running import KEY, URL, Running, alive, data_folder, fiscal_hub, run, wait_until

ME = "{ me { kind system { uniqueId } } }"
PARTS = {"web": "serve", "worker": "worker"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh data folder."""
    with data_folder() as path:
        yield path


def part(running: Running, name: str) -> int:
    """The pid of the web process or the worker."""
    found = [pid for pid in running.pids() if b"hub.cli\0" + PARTS[name].encode() in _arguments(pid)]
    return found[0] if found else 0


def _arguments(pid: int) -> bytes:
    """What a process was started with; nothing when it ended in between."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def answers(url: str, key: str) -> bool:
    """Whether the hub answers the consumer."""
    try:
        with Hub(url, key, timeout_seconds=5) as hub:
            return bool(hub.run(ME)["me"]["kind"] == "SYSTEM")
    except httpx.TransportError:
        return False


def cut_file(folder: Path, rows: int) -> Path:
    """The first rows of the sample."""
    path = folder / "figures.csv"
    with sample.sample_path().open() as file:
        path.write_text("".join(itertools.islice(file, rows + 1)))
    return path


def test_a_run_answers_shows_what_to_try_and_stop_ends_all_of_it(folder: Path) -> None:
    figures = cut_file(folder, 40)
    with run(folder, "--sample-file", str(figures), "--port", "0") as running:
        running.wait_ready()
        assert answers(running.url, running.api_key)
        expected, _ = sample.figures(sample.read_rows(figures))
        kept = demo.load(folder)
        assert kept is not None
        assert stat.S_IMODE((folder / demo.FILE_NAME).stat().st_mode) == 0o600
        with Hub(running.url, running.api_key) as hub:
            assert count_events(hub, kept.provider) == len(expected)
            example = demo.find_example(running.url, kept)
            assert example is not None
            for _, query in screen.queries(example):
                assert query in running.printed
                hub.run(query)
        pids = running.pids()
        assert len(pids) >= 5
        again = fiscal_hub("run", "--data-dir", str(folder))
        assert again.returncode == 1
        assert f"already at {running.url}" in again.stderr
        assert fiscal_hub("stop", "--data-dir", str(folder)).returncode == 0
        assert running.process.wait(10) == 0
        assert alive(pids) == set()
    assert "No hub runs here" in fiscal_hub("stop", "--data-dir", str(folder)).stdout


def test_ctrl_c_ends_all_of_it_and_a_second_run_has_the_same_keys(folder: Path) -> None:
    with run(folder, "--no-sample") as running:
        running.wait_ready()
        pids, key = running.pids(), running.api_key
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
        assert alive(pids) == set()
    with run(folder, "--no-sample") as running:
        running.wait_ready()
        assert running.api_key == key
        assert "creating the demonstration" not in running.printed
        assert answers(running.url, key)


def test_detached_it_runs_on_until_it_is_stopped(folder: Path) -> None:
    arguments = ("--data-dir", str(folder))
    started = fiscal_hub("run", "--no-sample", "--detach", *arguments)
    try:
        assert started.returncode == 0, started.stderr
        found = URL.search(started.stdout)
        key = KEY.search(started.stdout)
        assert found is not None
        assert key is not None
        assert answers(found[1], key[1])
        checked = fiscal_hub("doctor", *arguments)
        assert (checked.returncode, "migrations: at 00" in checked.stdout) == (0, True)
        added = fiscal_hub("tenant", "create", "hr", "haryana", "Haryana", *arguments)
        assert added.returncode == 0, added.stderr
    finally:
        assert "The hub has stopped" in fiscal_hub("stop", *arguments).stdout
    with pytest.raises(httpx.ConnectError):
        httpx.get(found[1], trust_env=False)


def test_a_killed_import_leaves_nothing_running_and_goes_on_where_it_was(folder: Path) -> None:
    figures = cut_file(folder, 400)
    expected, _ = sample.figures(sample.read_rows(figures))
    port = str(free_port())
    url, arguments = f"http://127.0.0.1:{port}", ("--sample-file", str(figures), "--port", port)
    with run(folder, *arguments) as running:
        wait_until(lambda: (folder / demo.FILE_NAME).exists() and demo.load(folder) is not None, 90)
        kept = demo.load(folder)
        assert kept is not None
        wait_until(lambda: posted(url, kept) > 0, 60)
        pids = running.pids()
        running.kill()
        wait_until(lambda: alive(pids) == set(), 15)
    assert kept.sample_digest == ""
    with run(folder, *arguments) as running:
        running.wait_ready()
        assert running.api_key == kept.consumer_key
        assert posted(url, kept) == len(expected)
        new = next(line for line in running.printed.splitlines() if "of them new" in line)
        assert 0 < int(new.split(",")[1].split()[0]) < len(expected)
    with run(folder, *arguments) as running:
        running.wait_ready()
        assert "importing" not in running.printed
        assert posted(url, kept) == len(expected)


def posted(url: str, kept: demo.Demo) -> int:
    """How many events are on record; 0 while nobody answers."""
    try:
        with Hub(url, kept.provider_key, timeout_seconds=5) as hub:
            return count_events(hub, kept.provider)
    except httpx.TransportError:
        return 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_process_that_dies_is_started_again(folder: Path, name: str) -> None:
    with run(folder, "--no-sample") as running:
        running.wait_ready()
        before = part(running, name)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: part(running, name) not in (0, before), 10)
        wait_until(lambda: answers(running.url, running.api_key), 30)


def test_several_web_processes_share_one_port(folder: Path) -> None:
    with run(folder, "--no-sample", HUB_WEB_PROCESSES="2") as running:
        running.wait_ready()

        def serving() -> set[int]:
            return {pid for pid in running.pids() if b"hub.cli\0serve" in _arguments(pid)}

        wait_until(lambda: len(serving()) == 2, 10)
        one, other = serving()
        os.kill(one, signal.SIGSTOP)  # what it would accept waits; whatever the other accepts is answered
        try:
            wait_until(lambda: answers(running.url, running.api_key), 60)
        finally:
            os.kill(one, signal.SIGCONT)
        os.kill(other, signal.SIGKILL)
        wait_until(lambda: len(serving() - {other}) == 2, 20)
        wait_until(lambda: answers(running.url, running.api_key), 30)


def test_production_has_no_demonstration(folder: Path) -> None:
    secret = "A" * 43 + "="
    settings = {
        "HUB_MODE": "production",
        "HUB_MASTER_KEY": secret,
        "HUB_SIGNING_KEY": secret,
        "HUB_LOG_KEY": secret,
        "HUB_VAULT_KEY": secret,
        "HUB_SMTP_HOST": "localhost",
        "HUB_PUBLIC_URL": "https://hub.example",
    }
    with run(folder, **settings) as running:
        running.wait_ready()
        assert not (folder / demo.FILE_NAME).exists()
        assert "API key" not in running.printed
        with pytest.raises(HubRefused, match="UNAUTHENTICATED"), Hub(running.url) as hub:
            hub.run("{ fiscalEvents { edges { node { id } } } }")
