"""Keeps the default servers running for as long as the program lives, and no longer."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hub.embedded.folders import HomeLock, Passwords, load_passwords, make_home, socket_folder
from hub.embedded.postgres_server import APPLICATION, OWNER, PostgresServer
from hub.embedded.processes import EmbeddedError
from hub.embedded.redis_server import RedisServer

logger = logging.getLogger("hub.embedded")

WATCH_SECONDS = 0.1
TRIM_SECONDS = 60
# The pause before each restart in a row; the last one repeats. A server that ran this long starts over at the first.
RESTART_PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 60

Server = PostgresServer | RedisServer


@dataclass(frozen=True)
class Endpoints:
    """
    Addresses of the started servers; empty where a server was not asked for.

    `database_url` and `owner_url` (for migrations) are for SQLAlchemy with asyncpg, `redis_url` for redis-py and arq.
    They hold passwords and stay the same from start to start.
    """

    database_url: str
    owner_url: str
    redis_url: str

    def __repr__(self) -> str:
        """Say nothing: these get into logs."""
        return "Endpoints(...)"


class EmbeddedServers:
    """
    The default PostgreSQL and Redis of one data folder.

    Call from a thread that lives as long as the servers should: on Linux the kernel ends them with it, however it
    dies. `postgres` and `redis` choose which are started. `durable=False` gives up safety against crashes for speed
    and is for throw-away test data alone. `postgres_folder` and `redis_binary` allow only those programs.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres: bool = True,
        redis: bool = True,
        durable: bool = True,
        postgres_folder: Path | None = None,
        redis_binary: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._wants = (postgres, redis)
        self._durable = durable
        self._programs = (postgres_folder, redis_binary)
        self._lock: HomeLock | None = None
        self._postgres: PostgresServer | None = None
        self._redis: RedisServer | None = None
        self._given: Endpoints | None = None
        self._stopping = False
        self._restarts: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> dict[str, int]:
        """The pids of the servers that were started, by name: `postgres`, `redis`."""
        return {server.name: server.pid for server in self._servers() if server.pid is not None}

    async def start(self) -> Endpoints:
        """
        Start the servers, wait until both answer, and return their addresses.

        Whatever an earlier run left behind, after any kind of death, is ended or taken over first. Raises
        EmbeddedError with what is wrong and how to mend it; then nothing of ours is left running.
        """
        if self._given is not None:
            return self._given
        if not any(self._wants):
            return Endpoints("", "", "")
        home = make_home(self.data_dir)
        lock = HomeLock(home.path)
        lock.acquire()
        self._lock, self._stopping = lock, False
        try:
            sockets, passwords = socket_folder(home), load_passwords(home.path)
            postgres_folder, redis_binary = self._programs
            if self._wants[0]:
                self._postgres = PostgresServer(
                    home, sockets, passwords, durable=self._durable, folder=postgres_folder
                )
            if self._wants[1]:
                self._redis = RedisServer(home, sockets, passwords, binary=redis_binary)
            await _all(server.start() for server in self._servers())
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise _unusable(self.data_dir, error) from error
            raise
        self._given = self._addresses(passwords)
        return self._given

    async def stop(self) -> None:
        """End the servers in order and give the folder back. May be called at any time, and again."""
        self._stopping = True
        for task in list(self._restarts):
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        try:
            await _all(server.stop() for server in self._servers())
            # A killed postmaster leaves backends behind; they must not live on without a lock on the folder.
            await _all(server.clear() for server in self._servers() if server.exit_code())
        finally:
            self._postgres = self._redis = self._given = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    async def watch(self) -> None:
        """
        Restart a server that died, with growing pauses, until cancelled or stopped.

        It never gives up: what keeps a server from starting (a full disk) may pass. Each failure is logged.
        """
        tasks = [asyncio.ensure_future(self._watch_one(server)) for server in self._servers()]
        self._restarts.update(tasks)
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            if not self._stopping:  # we were cancelled, not stopped
                raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._restarts.difference_update(tasks)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Endpoints]:
        """Start, watch in the background, and stop at the end of the block, however it ends."""
        endpoints = await self.start()
        watching = asyncio.ensure_future(self.watch())
        try:
            yield endpoints
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self.stop()

    def _servers(self) -> list[Server]:
        return [server for server in (self._postgres, self._redis) if server is not None]

    def _addresses(self, passwords: Passwords) -> Endpoints:
        postgres, redis = self._postgres, self._redis
        return Endpoints(
            postgres.database_url(APPLICATION, passwords.hub_app) if postgres else "",
            postgres.database_url(OWNER, passwords.hub_owner) if postgres else "",
            redis.url if redis else "",
        )

    async def _watch_one(self, server: Server) -> None:
        failures, started, trimmed = 0, time.monotonic(), time.monotonic()
        while not self._stopping:
            await asyncio.sleep(WATCH_SECONDS)
            now = time.monotonic()
            if now - trimmed > TRIM_SECONDS:
                server.trim_log()
                trimmed = now
            if (code := server.exit_code()) is None:
                continue
            if now - started > STEADY_SECONDS:
                failures = 0
            pause = RESTART_PAUSES_SECONDS[min(failures, len(RESTART_PAUSES_SECONDS) - 1)]
            logger.error("%s ended with code %s; restarting it in %s s", server.name, code, pause)
            await asyncio.sleep(pause)
            failures, started = failures + 1, time.monotonic()
            try:
                await server.start()
            except (EmbeddedError, OSError) as error:
                logger.error("%s did not restart: %s", server.name, error)  # noqa: TRY400 - the sentence says it all


async def serve(servers: EmbeddedServers, ready: Callable[[Endpoints], None]) -> None:
    """Run the servers until SIGTERM or SIGINT, then end them in order; `ready` is called once with the addresses."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        starting = asyncio.ensure_future(servers.start())
        asked = asyncio.ensure_future(told.wait())
        await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        ready(starting.result())
        watching = asyncio.ensure_future(servers.watch())
        await asyncio.wait((watching, asked), return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    finally:
        asked.cancel()
        await servers.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _all(actions: Iterable[Awaitable[None]]) -> None:
    """Run them side by side to the end of each, then raise the first error, so that none goes on unseen."""
    for result in await asyncio.gather(*actions, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _unusable(data_dir: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"The servers of {data_dir} cannot be started: {error.strerror} ({error.filename})",
        "See to the owner, rights and free space of what is named, or choose another data folder (HUB_DATA_DIR)",
    )
