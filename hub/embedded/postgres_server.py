"""The default PostgreSQL: its data, its configuration, its roles, and how it is started and ended."""

import asyncio
import logging
import os
import pwd
import secrets
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

import asyncpg

from hub.embedded.binaries import PostgresBinaries, find_postgres
from hub.embedded.folders import Home, Passwords, make_folder, write_whole
from hub.embedded.processes import (
    POLL_SECONDS,
    EmbeddedError,
    Spawned,
    end_child,
    end_stranger,
    find_serving,
    is_alive,
    read_pid,
    spawn,
    trim_log,
    wait_exit,
)

logger = logging.getLogger("hub.embedded")

PORT = 5432  # no port is opened; the number is part of the socket's name
DATABASE = "hub"
ADMINISTRATOR = "hub_admin"
OWNER = "hub_owner"
APPLICATION = "hub_app"
PROGRAMS = ("postgres", "postmaster")
BUILTIN_LOCALE_MAJOR_MIN = 17

INITDB_SECONDS = 120
# Recovery after a crash replays up to max_wal_size of log; on a slow disk that takes a while, and must not be cut off.
READY_SECONDS = 300
CONNECT_SECONDS = 10
BIG_MEMORY_BYTES = 4 * 1024**3
# Fast shutdown writes a checkpoint; immediate shutdown leaves the work to recovery. Both lose nothing committed.
STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
# A backend that lost its postmaster: end politely, then drop it (recovery follows in any case).
ORPHAN_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

CONFIGURATION = """\
# Written by fiscal-hub at every start. Your own settings belong in custom.conf beside this file; they win.
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = {shared_buffers}
huge_pages = off
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
# No statement, parameter or row value may get into the log: they hold personal data.
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = 'none'
log_line_prefix = '%m [%p] %u@%d '
include_if_exists = 'custom.conf'
"""
ACCESS = f"""\
# Written by fiscal-hub at every start. Sockets only; the administrator is whoever runs the servers.
local all {ADMINISTRATOR} peer map=hub
local all all scram-sha-256
"""


class PostgresServer:
    """One PostgreSQL in a home folder; start and stop may be repeated in any order."""

    name = "postgres"

    def __init__(
        self,
        home: Home,
        sockets: Path,
        passwords: Passwords,
        *,
        durable: bool = True,
        folder: Path | None = None,
    ) -> None:
        self._home = home
        self._data = home.postgres
        self._sockets = sockets
        self._passwords = passwords
        self._durable = durable
        self._folder = folder
        self._spawned: Spawned | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, or None when none was started."""
        return self._spawned.process.pid if self._spawned else None

    def exit_code(self) -> int | None:
        """How the server ended (negative: by which signal); None while it runs."""
        return self._spawned.process.poll() if self._spawned else 0

    def database_url(self, role: str, password: str) -> str:
        """The address of the hub's database for a role, as SQLAlchemy and asyncpg read it."""
        return f"postgresql+asyncpg://{role}:{quote(password, safe='')}@/{DATABASE}?host={self._sockets}"

    async def start(self) -> None:
        """
        Start it and wait until it takes our connections, ending first whatever was left of an earlier run.

        Raises EmbeddedError with what PostgreSQL said.
        """
        version = data_major(self._data)
        binaries = find_postgres(major=version, folder=self._folder, account=self._home.account)
        if version is None:
            await self._initialise(binaries)
        make_folder(self._sockets, self._home.account)
        make_folder(self._data, self._home.account)  # also puts back the mode PostgreSQL insists on
        await self._end_remains()
        self._configure()
        self._spawned = spawn(
            self._home.account,
            [binaries.folder / "postgres", "-D", self._data],
            self._home.log(self.name),
            death_signal=signal.SIGINT,
        )
        try:
            await self._prepare(await self._administrator())
        except BaseException as error:
            await self.stop()
            if isinstance(error, asyncpg.PostgresError):
                raise EmbeddedError(
                    f"PostgreSQL runs but cannot be prepared: {error}", f"Look into {self._spawned.log}"
                ) from error
            raise
        logger.info("PostgreSQL %s runs as pid %s", binaries.version, self.pid)

    async def stop(self) -> None:
        """End it in order, in bounded time; does nothing when it does not run."""
        if self._spawned is not None:
            await end_child(self._spawned.process, STOP_STEPS)

    async def clear(self) -> None:
        """End the backends that outlive a killed postmaster, so that nothing of ours is left running."""
        await self._end_remains()

    def trim_log(self) -> None:
        """Keep the log file bounded."""
        trim_log(self._home.log(self.name))

    async def _initialise(self, binaries: PostgresBinaries) -> None:
        """Make the data beside its place and move it there whole: a start that is cut off leaves nothing half-made."""
        if self._data.exists() and any(self._data.iterdir()):
            raise EmbeddedError(
                f"{self._data} has files in it but is not a PostgreSQL data folder (no PG_VERSION)",
                "Put the data back from a backup, or move the folder away to begin empty",
            )
        for remains in self._home.path.glob("postgres.new-*"):
            shutil.rmtree(remains, ignore_errors=True)
        new = self._home.path / f"postgres.new-{secrets.token_hex(4)}"
        make_folder(new, self._home.account)
        arguments: list[str | Path] = ["-D", new, "-U", ADMINISTRATOR, "-E", "UTF8", "--data-checksums"]
        arguments += ["--auth-local=peer", "--auth-host=reject"]
        if not self._durable:
            arguments.append("--no-sync")
        said = ""
        for locale in _locales(binaries.major):
            spawned = spawn(
                self._home.account,
                [binaries.folder / "initdb", *arguments, *locale],
                self._home.log("initdb"),
                death_signal=signal.SIGKILL,
            )
            try:
                code = await wait_exit(spawned.process, INITDB_SECONDS)
            finally:
                spawned.process.kill()  # does nothing when it is done; else we were cancelled or it hangs
                spawned.process.wait()
            if code == 0:
                if self._data.exists():
                    self._data.rmdir()
                new.rename(self._data)
                return
            said = spawned.said()
        shutil.rmtree(new, ignore_errors=True)
        raise EmbeddedError(
            f"PostgreSQL could not make its data folder: {said}", _mend(said, self._home.log("initdb"))
        )

    async def _end_remains(self) -> None:
        """
        Leave no process on our data, and no lock file that names somebody else's pid.

        We hold the home's lock, so whatever still works here was left by a supervisor that died.
        """
        pid_file = self._data / "postmaster.pid"
        recorded = read_pid(pid_file)
        for pid in find_serving(self._data, PROGRAMS, recorded):
            await end_stranger(pid, self._data, PROGRAMS, STOP_STEPS if pid == recorded else ORPHAN_STEPS)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self._sockets / name).unlink(missing_ok=True)
        if not pid_file.exists():
            return
        content = pid_file.read_text(errors="replace")
        if recorded is None:
            pid_file.unlink()  # cut off while being written: PostgreSQL would not start over it
        elif is_alive(recorded):
            # The number now belongs to somebody else. The file also names the shared memory of the old run, which
            # PostgreSQL checks before it starts: keep that, and name ourselves, its parent, whom it does not mind.
            rest = content.partition("\n")[2]
            write_whole(pid_file, f"{os.getpid()}\n{rest}", self._home.account)

    def _configure(self) -> None:
        big = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >= BIG_MEMORY_BYTES
        settings = CONFIGURATION.format(
            port=PORT,
            sockets=self._sockets,
            durable="on" if self._durable else "off",
            shared_buffers="256MB" if big and self._durable else "128MB",
        )
        ourselves = {pwd.getpwuid(os.geteuid()).pw_name, self._home.account.name}
        people = "".join(f'hub "{name}" {ADMINISTRATOR}\n' for name in sorted(ourselves))
        for name, content in (
            ("postgresql.conf", settings),
            ("pg_hba.conf", ACCESS),
            ("pg_ident.conf", people),
        ):
            file = self._data / name
            if not file.exists() or file.read_text() != content:
                write_whole(file, content, self._home.account)

    async def _connect(self, role: str, password: str | None, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self._sockets),
            port=PORT,
            user=role,
            password=password,
            database=database,
            ssl=False,
            timeout=CONNECT_SECONDS,
            command_timeout=CONNECT_SECONDS,
        )

    async def _administrator(self) -> asyncpg.Connection:
        """A connection as administrator, as soon as there can be one."""
        assert self._spawned is not None
        deadline = time.monotonic() + READY_SECONDS
        refusal = ""
        while time.monotonic() < deadline:
            if self._spawned.process.poll() is not None:
                said = self._spawned.said()
                raise EmbeddedError(
                    f"PostgreSQL ended while starting: {said}", _mend(said, self._spawned.log)
                )
            try:
                return await self._connect(ADMINISTRATOR, None, "postgres")
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
                refusal = str(error)  # not listening yet, or recovering
            await asyncio.sleep(POLL_SECONDS)
        raise EmbeddedError(
            f"PostgreSQL was not ready after {READY_SECONDS} seconds: {refusal}",
            f"Look into {self._spawned.log}",
        )

    async def _prepare(self, administrator: asyncpg.Connection) -> None:
        """Make the roles and the database where they are missing, and see that both roles get in."""
        try:
            await self._make_roles(administrator)
            await self._make_database(administrator)
            for role, password in (
                (OWNER, self._passwords.hub_owner),
                (APPLICATION, self._passwords.hub_app),
            ):
                try:
                    connection = await self._connect(role, password, DATABASE)
                except asyncpg.InvalidPasswordError:  # the passwords' file was lost and made anew
                    await _set_password(administrator, role, password)
                    connection = await self._connect(role, password, DATABASE)
                await connection.close()
        finally:
            await administrator.close()

    async def _make_roles(self, administrator: asyncpg.Connection) -> None:
        present = {row["rolname"] for row in await administrator.fetch("SELECT rolname FROM pg_roles")}
        for role, password in ((OWNER, self._passwords.hub_owner), (APPLICATION, self._passwords.hub_app)):
            if role not in present:
                await administrator.execute(f"CREATE ROLE {role} LOGIN")
                await _set_password(administrator, role, password)

    async def _make_database(self, administrator: asyncpg.Connection) -> None:
        """The database with its rights; its comment is written last and marks that all of it is done."""
        mark = await administrator.fetchrow(
            "SELECT shobj_description(oid, 'pg_database') AS text FROM pg_database WHERE datname = $1",
            DATABASE,
        )
        if mark is None:
            await administrator.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0")
        if mark is None or mark["text"] is None:
            inside = await self._connect(ADMINISTRATOR, None, DATABASE)
            try:
                await inside.execute(
                    f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC; "
                    f"GRANT CONNECT ON DATABASE {DATABASE} TO {APPLICATION}; "
                    f"REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO {OWNER}; "
                    f"COMMENT ON DATABASE {DATABASE} IS 'prepared by fiscal-hub'"
                )
            finally:
                await inside.close()


async def _set_password(administrator: asyncpg.Connection, role: str, password: str) -> None:
    # A role statement takes no parameters; the password is ours and URL-safe, the quoting is for its dashes.
    await administrator.execute(f"ALTER ROLE {role} PASSWORD '{password}'")


def data_major(data: Path) -> int | None:
    """The major version of the PostgreSQL that made this data; None when there is no data yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EmbeddedError(
            f"{data / 'PG_VERSION'} cannot be read ({type(error).__name__})",
            "Put the data back from a backup",
        ) from error


def _locales(major: int) -> list[list[str]]:
    """Sorting by code point and UTF-8 case rules, independent of the C library where PostgreSQL can be."""
    if major >= BUILTIN_LOCALE_MAJOR_MIN:
        return [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def _mend(said: str, log: Path) -> str:
    for sign, mend in (
        ("No space left", "Free space on the disk of the data folder, then start again"),
        (
            "could not resize shared memory",
            "Give the container more shared memory (docker run --shm-size=256m)",
        ),
        ("Permission denied", f"Give the servers' account the right to the folder named, or see {log}"),
        ("Read-only file system", "Choose a data folder on a writable disk (HUB_DATA_DIR)"),
        (
            "could not locate a valid checkpoint",
            "Put the data back from a backup: its write-ahead log is damaged",
        ),
    ):
        if sign in said:
            return mend
    return f"The whole story is in {log}"
