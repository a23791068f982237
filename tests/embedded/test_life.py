"""Starting, stopping and restarting the default servers, and what they are set to."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub.embedded import EmbeddedError, EmbeddedServers, Endpoints
from tests.embedded.conftest import ask, connect, copy_home, eventually, eventually_async, remove, serving


def test_committed_row_is_there_after_stop_and_start(data_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(data_dir)
        first = await servers.start()
        await ask(first.owner_url, "CREATE TABLE kept (n int)")
        await ask(first.owner_url, "INSERT INTO kept VALUES (7)")
        await servers.stop()
        await servers.stop()
        assert serving(data_dir / "servers") == []

        began = time.monotonic()
        async with servers.running() as second:
            assert time.monotonic() - began < 2
            assert second == first
            assert await servers.start() == first
            assert await ask(second.owner_url, "SELECT n FROM kept") == 7

    asyncio.run(scenario())


def test_settings_are_those_of_a_database_of_record(used_dir: Path) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_connections": "200",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "log_min_error_statement": "panic",
    }

    async def scenario() -> None:
        async with EmbeddedServers(used_dir, redis=False).running() as endpoints:
            assert endpoints.redis_url == ""
            for name, value in expected.items():
                assert await ask(endpoints.owner_url, f"SHOW {name}") == value, name
            assert await ask(
                endpoints.owner_url,
                "SELECT datcollate IN ('C', 'C.UTF-8') FROM pg_database WHERE datname = 'hub'",
            )
            assert (
                await ask(
                    endpoints.owner_url,
                    "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'hub'",
                )
                == "hub_owner"
            )

    asyncio.run(scenario())


def test_application_has_no_right_that_nobody_granted(shared: Endpoints) -> None:
    async def scenario() -> None:
        await ask(shared.owner_url, "CREATE TABLE facts (n int)")
        for statement in (
            "SELECT n FROM facts",
            "CREATE TABLE mine (n int)",
            "CREATE TEMP TABLE mine (n int)",
            "CREATE SCHEMA mine",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await ask(shared.database_url, statement)
        await ask(shared.owner_url, "GRANT SELECT ON facts TO hub_app")
        assert await ask(shared.database_url, "SELECT count(*) FROM facts") == 0
        assert not await ask(
            shared.owner_url,
            "SELECT bool_or(rolsuper OR rolcreaterole OR rolcreatedb "
            "OR rolreplication OR rolbypassrls) FROM pg_roles "
            "WHERE rolname IN ('hub_app', 'hub_owner')",
        )

    asyncio.run(scenario())


def test_nobody_gets_in_without_the_password(shared: Endpoints) -> None:
    async def scenario() -> None:
        for role in ("hub_app", "hub_owner"):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(
                    f"postgresql://{role}:wrong@/hub?{shared.database_url.partition('?')[2]}",
                    "SELECT 1",
                )
        address = shared.redis_url.rpartition("@")[2].partition("?")[0]
        async with redis.asyncio.Redis(unix_socket_path=address) as client:
            with pytest.raises(redis.ConnectionError, match="Authentication required"):
                await client.ping()

    asyncio.run(scenario())


def test_lost_passwords_are_made_anew_and_the_data_stays(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir, redis=False, durable=False)
        first = await servers.start()
        await ask(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        await servers.stop()
        passwords = used_dir / "servers" / "passwords.json"
        assert passwords.stat().st_mode & 0o777 == 0o600
        passwords.unlink()

        async with servers.running() as second:
            assert second.owner_url != first.owner_url
            assert await ask(second.owner_url, "SELECT n FROM kept") == 7
            assert await ask(second.database_url, "SELECT current_user") == "hub_app"

    asyncio.run(scenario())


def test_sqlalchemy_and_redis_understand_the_addresses(shared: Endpoints) -> None:
    async def scenario() -> None:
        engine = create_async_engine(shared.database_url)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "hub_app"
        await engine.dispose()
        async with redis.asyncio.Redis.from_url(shared.redis_url) as client:
            await client.set("woken", "yes")
            assert await client.get("woken") == b"yes"
        assert shared.database_url.split(":")[2].split("@")[0] not in repr(shared)

    asyncio.run(scenario())


def test_path_too_long_and_strange_for_sockets_works(data_dir: Path, prepared_home: Path) -> None:
    async def scenario() -> None:
        folder = data_dir / "a hub's «data»" / ("x" * 120)
        folder.mkdir(parents=True)
        copy_home(prepared_home, folder)
        servers = EmbeddedServers(folder, durable=False)
        async with servers.running() as endpoints:
            assert len(endpoints.database_url.partition("?host=")[2]) < 90
            assert await ask(endpoints.database_url, "SELECT 1") == 1
            async with redis.asyncio.Redis.from_url(endpoints.redis_url) as client:
                assert await client.ping()

    try:
        asyncio.run(scenario())
    finally:
        remove(data_dir / "a hub's «data»" / ("x" * 120))


def test_second_start_is_told_who_runs(used_dir: Path) -> None:
    async def scenario() -> None:
        async with EmbeddedServers(used_dir, postgres=False).running() as endpoints:
            assert endpoints.database_url == endpoints.owner_url == ""
            with pytest.raises(EmbeddedError, match=f"Already running as pid {os.getpid()} ") as refusal:
                await EmbeddedServers(used_dir).start()
            assert "HUB_DATA_DIR" in refusal.value.mend
            async with redis.asyncio.Redis.from_url(endpoints.redis_url) as client:
                assert await client.ping()

    asyncio.run(scenario())


def test_dead_servers_are_restarted_while_watched(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir)
        async with servers.running() as endpoints:
            await ask(endpoints.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
            held = await connect(endpoints.owner_url)  # a backend that outlives its postmaster for a moment
            before = servers.pids
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            assert await eventually_async(lambda: ask(endpoints.owner_url, "SELECT n FROM kept")) == 7
            async with redis.asyncio.Redis.from_url(endpoints.redis_url) as client:
                assert await client.ping()
            after = servers.pids
            assert not set(before.values()) & set(after.values())
            held.terminate()

    asyncio.run(scenario())


def test_stop_during_a_restart_leaves_nothing_running(used_dir: Path) -> None:
    async def scenario() -> None:
        servers = EmbeddedServers(used_dir)
        await servers.start()
        watching = asyncio.ensure_future(servers.watch())
        os.kill(servers.pids["postgres"], signal.SIGKILL)
        await asyncio.sleep(0.2)
        await servers.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(watching, 5)
        assert eventually(lambda: serving(used_dir / "servers") == [])

    asyncio.run(scenario())
