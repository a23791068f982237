"""A real streaming standby of a test's own PostgreSQL, whose replay can be paused and which can be killed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import asyncpg

from hub.embedded import Endpoints
from hub.embedded.binaries import find_postgres
from hub.embedded.folders import make_folder, make_home, socket_folder
from hub.embedded.processes import Spawned, spawn, wait_exit

READY_SECONDS = 60.0


class Standby:
    """One standby beside the servers of a data folder; start and end may be repeated."""

    def __init__(self, data_dir: Path, endpoints: Endpoints) -> None:
        self._home = make_home(data_dir)
        self._primary = socket_folder(self._home)
        self._data = self._home.path / "standby"
        self._sockets = self._home.path / "s"
        self.url = endpoints.database_url.replace(str(self._primary), str(self._sockets))
        self._binaries = find_postgres(account=self._home.account)
        self._spawned: Spawned | None = None

    async def copy(self) -> None:
        """Let the primary's administrator replicate, and take a base backup of it."""
        access = self._home.postgres / "pg_hba.conf"
        access.write_text("local replication hub_admin peer map=hub\n" + access.read_text())
        await self.tell("SELECT pg_reload_conf()", primary=True)
        make_folder(self._data, self._home.account)
        make_folder(self._sockets, self._home.account)
        backup: list[str | Path] = [self._binaries.folder / "pg_basebackup", "-D", self._data]
        backup += ["-h", self._primary, "-U", "hub_admin", "-X", "stream", "-c", "fast", "-R"]
        taken = spawn(self._home.account, backup, self._home.log("basebackup"), death_signal=signal.SIGKILL)
        code = await wait_exit(taken.process, READY_SECONDS)
        assert code == 0, taken.said()

    async def start(self) -> None:
        """Start it and wait until it answers."""
        command: list[str | Path] = [self._binaries.folder / "postgres", "-D", self._data]
        command += ["-c", f"unix_socket_directories={self._sockets}"]
        self._spawned = spawn(
            self._home.account, command, self._home.log("standby"), death_signal=signal.SIGQUIT
        )
        async with asyncio.timeout(READY_SECONDS):
            while True:
                assert self._spawned.process.poll() is None, self._spawned.said()
                try:
                    await self.tell("SELECT 1")
                except (OSError, asyncpg.CannotConnectNowError):
                    await asyncio.sleep(0.05)
                else:
                    return

    async def kill(self) -> None:
        """End it without a word to anybody."""
        if self._spawned is not None:
            self._spawned.process.send_signal(signal.SIGQUIT)
            assert await wait_exit(self._spawned.process, READY_SECONDS) is not None
            self._spawned = None

    async def tell(self, sql: str, *, primary: bool = False) -> Any:
        """One statement as the administrator."""
        connection = await asyncpg.connect(
            host=str(self._primary if primary else self._sockets),
            user="hub_admin",
            database="hub",
            ssl=False,
            timeout=5,
        )
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()
