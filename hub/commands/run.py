"""`fiscal-hub run`: servers, migrations, web process, worker, demonstration and sample, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import httpx

from hub import migrate
from hub.commands import demo, instance
from hub.commands.children import Child, Plan, stop_all
from hub.db import Database
from hub.embedded import EmbeddedServers
from hub.means import Means
from hub.sample import ImportResult

T = TypeVar("T")

PORTS_TRIED = 50
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
PROBE_SECONDS = 3.0


class CannotRun(Exception):
    """The hub cannot be started: what is wrong, and how to mend it."""


class _Told(Exception):
    """Somebody wants the hub to stop."""


@dataclass(frozen=True)
class Order:
    """What to run: where, on which servers (empty: the embedded ones), and with or without demonstration."""

    data_dir: Path
    host: str
    port: int
    database_url: str
    owner_url: str
    redis_url: str
    demo: bool
    sample: Path | None
    port_is_fixed: bool = False
    web_processes: int = 1


@dataclass(frozen=True)
class Addresses:
    """The servers the hub runs on."""

    database_url: str
    owner_url: str
    redis_url: str


class Reporter(Protocol):
    """Whoever tells the user how it goes."""

    def step(self, text: str) -> None:
        """Something is under way."""

    def begin_import(self, total: int) -> None:
        """The sample is being imported."""

    def advance_import(self, count: int) -> None:
        """So many more of its events are on record."""

    def end_import(self, result: ImportResult) -> None:
        """The import ended."""

    def ready(self, url: str, found: demo.Demo | None, example: str | None) -> None:
        """The hub answers at this address."""


async def run(
    order: Order, reporter: Reporter, open_database: Callable[[Addresses], tuple[Database, Means]]
) -> None:
    """
    Run until SIGINT, SIGTERM or SIGHUP, then end everything in order.

    Raises AlreadyRunning, EmbeddedError and CannotRun; then nothing of ours is left running.
    """
    with instance.hold(order.data_dir), _listen(order) as listener, _signals() as told:
        url = f"http://{order.host}:{listener.getsockname()[1]}"
        with contextlib.suppress(_Told):
            reporter.step("starting PostgreSQL and Redis")
            async with _servers(order, told) as addresses:
                reporter.step("migrating the database")
                await _or_told(_migrate(addresses, open_database), told)
                children = _children(order, addresses, listener)
                async with _running(children):
                    reporter.step("starting the web process and the worker")
                    await _or_told(_wait_ready(url, children), told)
                    found = await _demonstrate(order, reporter, url, told, lambda: open_database(addresses))
                    example = await asyncio.to_thread(demo.find_example, url, found) if found else None
                    reporter.ready(url, found, example)
                    instance.announce(order.data_dir, url)
                    await told.wait()
        reporter.step("stopped")


@contextlib.contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Set by the first signal to stop; later ones change nothing, as every step of the end is bounded."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _listen(order: Order) -> Iterator[socket.socket]:
    """The socket the web process serves; ours, so that its address stays while that process is restarted."""
    for port in range(order.port, order.port + (1 if order.port_is_fixed else PORTS_TRIED)):
        listener = socket.socket(socket.AF_INET6 if ":" in order.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((order.host, port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise CannotRun(f"{order.host}:{port} cannot be listened on: {error.strerror}") from error
        with listener:
            yield listener
        return
    raise CannotRun(f"port {order.port} is in use; choose another with --port")


async def _or_told(work: Awaitable[T], told: asyncio.Event) -> T:
    """The result of some work, unless somebody wants us to stop first."""
    task, asked = asyncio.ensure_future(work), asyncio.ensure_future(told.wait())
    await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    raise _Told


@contextlib.asynccontextmanager
async def _servers(order: Order, told: asyncio.Event) -> AsyncIterator[Addresses]:
    """The configured servers, and embedded ones for what is not configured."""
    servers = EmbeddedServers(order.data_dir, postgres=not order.database_url, redis=not order.redis_url)
    try:
        given = await _or_told(servers.start(), told)
        watching = asyncio.ensure_future(servers.watch())
        try:
            yield Addresses(
                order.database_url or given.database_url,
                order.owner_url if order.database_url else given.owner_url,
                order.redis_url or given.redis_url,
            )
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    finally:
        await servers.stop()


async def _migrate(
    addresses: Addresses, open_database: Callable[[Addresses], tuple[Database, Means]]
) -> None:
    """Bring the database to this code's version; without the owner's address, only look."""
    db, means = open_database(addresses)
    try:
        if addresses.owner_url:
            seal = migrate.sealing(means)
            await asyncio.to_thread(migrate.upgrade, addresses.owner_url, addresses.database_url, seal=seal)
            return
        async with db.read() as read:
            found = await migrate.revision(read)
    finally:
        await db.close()
    if found != migrate.head():
        raise CannotRun(
            f"the database is at version {found or 'none'}, this hub needs {migrate.head()}; set "
            "HUB_DATABASE_OWNER_URL to the owner role's address, so that the hub can migrate"
        )


def _children(order: Order, addresses: Addresses, listener: socket.socket) -> list[Child]:
    environment = {
        **os.environ,
        "HUB_DATA_DIR": str(order.data_dir),
        "HUB_DATABASE_URL": addresses.database_url,
        "HUB_REDIS_URL": addresses.redis_url,
        "HUB_HOST": order.host,
        "HUB_PORT": str(listener.getsockname()[1]),
    }
    environment.pop("HUB_DATABASE_OWNER_URL", None)  # the running processes never act as the owner
    logs, descriptor = order.data_dir / "logs", listener.fileno()
    parent = ("--parent", str(os.getpid()))
    web = ("hub.cli", "serve", "--descriptor", str(descriptor), *parent)
    names = ["web", *(f"web-{number}" for number in range(2, order.web_processes + 1))]
    return [
        *(Child(Plan(name, web, environment, logs / f"{name}.log", (descriptor,))) for name in names),
        Child(Plan("worker", ("hub.cli", "worker", *parent), environment, logs / "worker.log")),
    ]


@contextlib.asynccontextmanager
async def _running(children: list[Child]) -> AsyncIterator[None]:
    try:
        for child in children:
            child.start()
        watching = [asyncio.ensure_future(child.watch()) for child in children]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    finally:
        await stop_all(children)


async def _wait_ready(url: str, children: list[Child]) -> None:
    """Until the web process says that it is ready, and the worker has not died."""
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False) as http:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(f"{url}/health/ready")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(POLL_SECONDS)
    web = children[0]
    raise CannotRun(
        f"the web process did not get ready within {READY_SECONDS:.0f} s. Its log ends:\n{web.said()}"
    )


async def _demonstrate(
    order: Order,
    reporter: Reporter,
    url: str,
    told: asyncio.Event,
    open_database: Callable[[], tuple[Database, Means]],
) -> demo.Demo | None:
    """The demonstration, made or found again, with the sample imported as far as it is wanted."""
    if not order.demo:
        return None
    found = demo.load(order.data_dir)
    is_known = found is not None and await asyncio.to_thread(demo.still_works, url, found)
    path = order.sample
    if is_known and found is not None and path is not None and found.sample_digest == demo.digest(path):
        path = None  # it went to the end before
    if is_known and path is None:
        return found
    db, means = open_database()
    try:
        if found is None or not is_known:
            reporter.step("creating the demonstration: a government, a provider and a consumer")
            found = await _or_told(demo.create(db, means), told)
            demo.save(order.data_dir, found)
        if path is not None:
            reporter.step("importing the chart of accounts")
            await _or_told(demo.import_chart(db, found.government, path), told)
    finally:
        await db.close()
    if path is not None:
        found = await _import(path, reporter, url, told, found)
        demo.save(order.data_dir, found)
    return found


async def _import(
    path: Path, reporter: Reporter, url: str, told: asyncio.Event, found: demo.Demo
) -> demo.Demo:
    """Import in a thread; told to stop, it ends after the batch under way, while the web process still answers."""
    stop = threading.Event()
    work = asyncio.ensure_future(
        asyncio.to_thread(
            demo.import_sample,
            url,
            found,
            path,
            begin=reporter.begin_import,
            progress=reporter.advance_import,
            stop=stop,
        )
    )
    asked = asyncio.ensure_future(told.wait())
    await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    stop.set()
    done, result = await work
    reporter.end_import(result)
    if not result.is_complete:
        raise _Told
    return done
