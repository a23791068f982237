"""The default Redis: wake-up calls only, so nothing of it is kept on disk."""

import asyncio
import logging
import signal
import time
from pathlib import Path

import redis.asyncio
import redis.exceptions

from hub.embedded.binaries import find_redis
from hub.embedded.folders import Home, Passwords, make_folder, write_whole
from hub.embedded.processes import (
    POLL_SECONDS,
    EmbeddedError,
    Spawned,
    end_child,
    end_stranger,
    find_serving,
    read_pid,
    spawn,
    trim_log,
)

logger = logging.getLogger("hub.embedded")

SOCKET_NAME = "redis.sock"
# On Debian the running program is called redis-check-rdb: both are one file.
PROGRAMS = ("redis-", "valkey-")
READY_SECONDS = 30
CONNECT_SECONDS = 5
STOP_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

CONFIGURATION = """\
# Written by fiscal-hub at every start.
port 0
unixsocket "{socket}"
unixsocketperm 700
requirepass "{password}"
dir "{folder}"
pidfile "{folder}/redis.pid"
daemonize no
save ""
appendonly no
maxmemory 512mb
maxmemory-policy noeviction
loglevel notice
"""


class RedisServer:
    """One Redis in a home folder; start and stop may be repeated in any order."""

    name = "redis"

    def __init__(
        self, home: Home, sockets: Path, passwords: Passwords, *, binary: Path | None = None
    ) -> None:
        self._home = home
        self._folder = home.redis
        self._socket = sockets / SOCKET_NAME
        self._password = passwords.redis
        self._binary = binary
        self._spawned: Spawned | None = None

    @property
    def pid(self) -> int | None:
        """The server's pid, or None when none was started."""
        return self._spawned.process.pid if self._spawned else None

    @property
    def url(self) -> str:
        """The address, as redis-py and arq read it."""
        return f"unix://:{self._password}@{self._socket}?db=0"

    def exit_code(self) -> int | None:
        """How the server ended (negative: by which signal); None while it runs."""
        return self._spawned.process.poll() if self._spawned else 0

    async def start(self) -> None:
        """Start it and wait until it answers, ending first what an earlier run left. Raises EmbeddedError."""
        binary = find_redis(path=self._binary, account=self._home.account)
        make_folder(self._socket.parent, self._home.account)
        make_folder(self._folder, self._home.account)
        await self.clear()
        configuration = self._folder / "redis.conf"
        write_whole(
            configuration,
            CONFIGURATION.format(socket=self._socket, password=self._password, folder=self._folder),
            self._home.account,
        )
        self._spawned = spawn(
            self._home.account,
            [binary.path, configuration],
            self._home.log(self.name),
            death_signal=signal.SIGTERM,
        )
        try:
            await self._ready(self._spawned)
        except BaseException:
            await self.stop()
            raise
        logger.info("Redis %s runs as pid %s", binary.version, self.pid)

    async def stop(self) -> None:
        """End it, in bounded time; does nothing when it does not run."""
        if self._spawned is not None:
            await end_child(self._spawned.process, STOP_STEPS)

    async def clear(self) -> None:
        """End a server of ours that outlived its supervisor. The home's lock is held, so it can only be such a one."""
        for pid in find_serving(self._folder, PROGRAMS, read_pid(self._folder / "redis.pid")):
            await end_stranger(pid, self._folder, PROGRAMS, STOP_STEPS)

    def trim_log(self) -> None:
        """Keep the log file bounded."""
        trim_log(self._home.log(self.name))

    async def _ready(self, spawned: Spawned) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if spawned.process.poll() is not None:
                raise EmbeddedError(
                    f"Redis ended while starting: {spawned.said()}", f"The whole story is in {spawned.log}"
                )
            client = redis.asyncio.Redis.from_url(self.url, socket_connect_timeout=CONNECT_SECONDS)
            try:
                await client.ping()
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
            finally:
                await client.aclose()
        raise EmbeddedError(f"Redis did not answer in {READY_SECONDS} seconds", f"Look into {spawned.log}")
