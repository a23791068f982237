"""What `fiscal-hub doctor` is told."""

import asyncio
import os
import signal
from pathlib import Path

from hub.embedded import EmbeddedServers, Endpoints, Finding, diagnose
from hub.embedded.folders import HomeLock
from tests.embedded.conftest import Supervise, on_linux, serving


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    for finding in findings:
        assert finding.is_ok == (finding.mend == ""), finding
    return {finding.subject: finding for finding in findings}


def test_before_the_first_start_all_is_well_and_nothing_is_made(data_dir: Path) -> None:
    findings = by_subject(diagnose(data_dir / "new", None, None))
    assert all(finding.is_ok for finding in findings.values())
    assert {"PostgreSQL program", "Redis program", "data folder", "free disk space"} <= set(findings)
    assert not (data_dir / "new").exists()


@on_linux
def test_running_servers_are_connected_to(used_dir: Path, supervise: Supervise) -> None:
    running = supervise()
    findings = by_subject(diagnose(used_dir, None, None))
    assert findings["running state"].found == f"running as pid {running.process.pid}"
    assert findings["PostgreSQL connection"].is_ok
    assert findings["Redis connection"].is_ok
    configured = by_subject(diagnose(used_dir, running.endpoints.database_url, running.endpoints.redis_url))
    assert set(configured) == {"PostgreSQL connection", "Redis connection"}
    assert all(finding.is_ok for finding in configured.values())


@on_linux
def test_dead_server_of_a_running_hub_is_found(used_dir: Path) -> None:
    async def start_and_kill() -> EmbeddedServers:
        servers = EmbeddedServers(used_dir, durable=False)
        await servers.start()
        for pid in servers.pids.values():
            os.kill(pid, signal.SIGKILL)
        return servers

    servers = asyncio.run(start_and_kill())
    findings = by_subject(diagnose(used_dir, None, None))
    assert findings["running state"].is_ok
    assert not findings["PostgreSQL connection"].is_ok
    assert not findings["Redis connection"].is_ok
    asyncio.run(servers.stop())
    assert HomeLock(used_dir / "servers").holder() is None


@on_linux
def test_servers_left_behind_are_named(used_dir: Path) -> None:
    async def start() -> tuple[EmbeddedServers, Endpoints]:
        servers = EmbeddedServers(used_dir, durable=False)
        return servers, await servers.start()

    servers, _ = asyncio.run(start())
    assert servers._lock is not None
    servers._lock.release()
    findings = by_subject(diagnose(used_dir, None, None))
    assert not findings["servers left behind"].is_ok
    for pid in servers.pids.values():
        assert str(pid) in findings["servers left behind"].found
    asyncio.run(servers.stop())
    assert serving(used_dir / "servers") == []


def test_configured_addresses_that_do_not_answer_are_named_without_their_passwords(data_dir: Path) -> None:
    findings = diagnose(
        data_dir, "postgresql+asyncpg://hub:s3cr3t@127.0.0.1:1/hub", "redis://:s3cr3t@127.0.0.1:1/0"
    )
    assert [finding.is_ok for finding in findings] == [False, False]
    assert "HUB_DATABASE_URL" in findings[0].mend
    assert "HUB_REDIS_URL" in findings[1].mend
    assert "127.0.0.1:1" in findings[0].found
    assert "s3cr3t" not in repr(findings)
    nonsense = diagnose(data_dir, "hub:s3cr3t", "hub:s3cr3t")
    assert [finding.is_ok for finding in nonsense] == [False, False]
    assert "s3cr3t" not in repr(nonsense)


def test_wrong_password_is_told_apart_from_no_server(data_dir: Path, shared: Endpoints) -> None:
    place = shared.database_url.partition("?")[2]
    socket = shared.redis_url.rpartition("@")[2]
    findings = diagnose(data_dir, f"postgresql://hub_app:s3cr3t@/hub?{place}", f"unix://:s3cr3t@{socket}")
    assert "user and password" in findings[0].mend
    assert "user and password" in findings[1].mend
    assert "s3cr3t" not in repr(findings)


def test_data_of_an_unknown_major_version_and_a_broken_link_are_named(data_dir: Path) -> None:
    (data_dir / "servers" / "postgres").mkdir(parents=True)
    (data_dir / "servers" / "postgres" / "PG_VERSION").write_text("11\n")
    findings = by_subject(diagnose(data_dir, None, None))
    assert "PostgreSQL 11" in findings["PostgreSQL program"].found

    other = data_dir / "other"
    other.mkdir()
    (other / "servers").symlink_to(data_dir / "gone")
    findings = by_subject(diagnose(other, None, None))
    assert "is gone" in findings["data folder"].found
    (other / "servers").unlink()
