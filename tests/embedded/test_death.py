"""Whatever is killed in whatever way, the next start works and every acknowledged row is there."""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hub.embedded import EmbeddedError, EmbeddedServers
from tests.embedded.conftest import (
    Supervise,
    ask,
    connect,
    eventually,
    on_linux,
    postmasters,
    serving,
    supervisor_command,
)

WRITERS = 4
ROWS_BEFORE_DEATH = 200


async def write_until_death(url: str, writer: int, acknowledged: set[tuple[int, int]]) -> None:
    """Commit one row after the other and note each answer, until the server is gone."""
    connection = await connect(url)
    # asyncpg calls a connection that goes away at an awkward moment an internal error.
    with contextlib.suppress(
        asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
    ):
        number = 0
        while True:
            await connection.execute("INSERT INTO written VALUES ($1, $2)", writer, number)
            acknowledged.add((writer, number))
            number += 1
    connection.terminate()


async def rows_after_restart(used_dir: Path) -> set[tuple[int, int]]:
    async with EmbeddedServers(used_dir).running() as endpoints:
        connection = await connect(endpoints.owner_url)
        rows = await connection.fetch("SELECT writer, number FROM written")
        await connection.close()
    return {(row["writer"], row["number"]) for row in rows}


@on_linux
@pytest.mark.parametrize("victims", ["everything", "supervisor", "postmaster and supervisor"])
def test_killed_under_load_loses_no_acknowledged_row(
    used_dir: Path, supervise: Supervise, victims: str
) -> None:
    running = supervise()
    acknowledged: set[tuple[int, int]] = set()

    def kill() -> None:
        pids = [running.process.pid]
        if victims == "everything":
            pids += serving(used_dir / "servers")
        elif victims == "postmaster and supervisor":
            pids.append(running.pids["postgres"])
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def scenario() -> None:
        await ask(running.endpoints.owner_url, "CREATE TABLE written (writer int, number int)")
        writers = [
            asyncio.ensure_future(write_until_death(running.endpoints.owner_url, writer, acknowledged))
            for writer in range(WRITERS)
        ]
        async with asyncio.timeout(20):
            while len(acknowledged) < ROWS_BEFORE_DEATH:
                await asyncio.sleep(0.01)
            kill()
            await asyncio.gather(*writers)
        present = await rows_after_restart(used_dir)
        assert len(acknowledged) >= ROWS_BEFORE_DEATH
        assert acknowledged <= present
        assert len(present - acknowledged) <= WRITERS  # at most the row whose answer was lost

    asyncio.run(scenario())
    assert serving(used_dir / "servers") == []


@on_linux
def test_next_start_at_once_after_the_supervisor_was_killed_has_one_postmaster(
    used_dir: Path, supervise: Supervise
) -> None:
    first = supervise()
    first.process.kill()
    first.process.wait()

    second = supervise()
    assert postmasters(used_dir / "servers") == [second.pids["postgres"]]
    assert second.endpoints == first.endpoints
    assert first.pids["postgres"] != second.pids["postgres"]

    second.process.kill()  # and without a next start, the kernel sees to it that nothing stays
    assert eventually(lambda: serving(used_dir / "servers") == [])


@on_linux
def test_told_to_end_it_ends_in_order(used_dir: Path, supervise: Supervise) -> None:
    log = used_dir / "servers" / "logs" / "postgres.log"
    for number in (signal.SIGTERM, signal.SIGINT):
        log.unlink()
        running = supervise()
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
        assert serving(used_dir / "servers") == []
        assert not (used_dir / "servers" / "postgres" / "postmaster.pid").exists()
        assert "database system is shut down" in log.read_text()


@on_linux
def test_servers_that_outlived_their_supervisor_are_taken_over(used_dir: Path) -> None:
    """Without the kernel's help (another system, or a launcher of somebody else's) they live on; the start ends them."""

    async def scenario() -> None:
        servers = EmbeddedServers(used_dir)
        first = await servers.start()
        await ask(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        left = servers.pids
        assert servers._lock is not None
        servers._lock.release()  # what the kernel does when the supervisor dies

        async with EmbeddedServers(used_dir).running() as endpoints:
            assert await ask(endpoints.owner_url, "SELECT n FROM kept") == 7
            assert postmasters(used_dir / "servers") != [left["postgres"]]
            assert len(postmasters(used_dir / "servers")) == 1
            assert not set(left.values()) & set(serving(used_dir / "servers"))
        await servers.stop()  # nothing left to end, but these were our children: take note of their end

    asyncio.run(scenario())


@on_linux
def test_pid_file_naming_an_unrelated_living_process_is_no_obstacle(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir, redis=False)
        first = await servers.start()
        await ask(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        pid_file = used_dir / "servers" / "postgres" / "postmaster.pid"
        socket_lock = used_dir / "servers" / "run" / ".s.PGSQL.5432.lock"
        content = pid_file.read_text(), socket_lock.read_text()
        for pid in serving(used_dir / "servers"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await servers.stop()
        # It runs as the servers' account, so that PostgreSQL itself would take it for a living postmaster.
        owner = pid_file.stat()
        as_owner: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        stranger = subprocess.Popen(["/bin/sleep", "60"], cwd="/", **(as_owner if os.geteuid() == 0 else {}))
        for file, old in zip((pid_file, socket_lock), content, strict=True):
            file.write_text(f"{stranger.pid}\n{old.partition(chr(10))[2]}")
        try:
            async with servers.running() as endpoints:
                assert await ask(endpoints.owner_url, "SELECT n FROM kept") == 7
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    asyncio.run(scenario())


def test_pid_file_cut_off_by_a_power_failure_is_no_obstacle(used_dir: Path) -> None:
    async def scenario() -> None:
        for content in ("", "not a pid\n"):
            (used_dir / "servers" / "postgres" / "postmaster.pid").write_text(content)
            async with EmbeddedServers(used_dir, redis=False, durable=False).running() as endpoints:
                assert await ask(endpoints.database_url, "SELECT 1") == 1

    asyncio.run(scenario())


def test_first_start_cut_off_in_the_middle_is_begun_again(data_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(data_dir)
        starting = asyncio.ensure_future(servers.start())
        await asyncio.sleep(0.3)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not (data_dir / "servers" / "postgres").exists()
        async with servers.running() as endpoints:
            assert await ask(endpoints.database_url, "SELECT 1") == 1
        assert list((data_dir / "servers").glob("postgres.new-*")) == []

    asyncio.run(scenario())


@on_linux
def test_second_supervisor_says_who_runs_and_ends(used_dir: Path, supervise: Supervise) -> None:
    first = supervise()
    second = subprocess.run(supervisor_command(used_dir), capture_output=True, timeout=30, check=False)
    assert second.returncode != 0
    assert f"Already running as pid {first.process.pid} " in second.stderr.decode()
    assert asyncio.run(ask(first.endpoints.database_url, "SELECT 1")) == 1


def test_data_of_another_major_version_is_refused_with_a_way_out(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir, redis=False, durable=False)
        await servers.start()
        await servers.stop()
        version = used_dir / "servers" / "postgres" / "PG_VERSION"
        version.write_text("11\n")
        with pytest.raises(EmbeddedError, match="made by PostgreSQL 11") as refusal:
            await servers.start()
        assert "apt install postgresql-11" in refusal.value.mend
        assert "pg_upgrade" in refusal.value.mend
        assert version.read_text() == "11\n"

    asyncio.run(scenario())
