"""What `fiscal-hub doctor` looks at beside the servers: configuration, keys, migrations, what runs now."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy.engine import make_url

from hub import migrate
from hub.commands import instance
from hub.db import Database
from hub.domain import transparency
from hub.embedded import Finding, diagnose

PYTHON_MIN = (3, 11)
LOG_LAG_SECONDS_MAX = 60.0


def examine(
    data_dir: Path, *, database_url: str, owner_url: str, redis_url: str, production: bool, missing: list[str]
) -> list[Finding]:
    """Everything that was looked at, changing nothing. ``missing``: settings that production cannot do without."""
    findings = [_python(), *_running(data_dir)]
    findings += [
        Finding(name, False, "not set, and production needs it", f"Set {name}; see README.md")
        for name in missing
    ]
    if production and not database_url:
        findings.append(
            Finding("HUB_DATABASE_URL", False, "not set: production would run on the embedded PostgreSQL",
                    "Set HUB_DATABASE_URL to a server that is backed up")
        )  # fmt: skip
    findings += diagnose(data_dir, database_url or None, redis_url or None)
    if database_url:
        findings += asyncio.run(_database(database_url, owner_url))
    elif instance.find(data_dir) is not None:
        findings += asyncio.run(_database(instance.embedded_database_url(data_dir), ""))
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    is_ok = sys.version_info[:2] >= PYTHON_MIN
    return Finding("Python", is_ok, version, "" if is_ok else "Use Python 3.11 or later")


def _running(data_dir: Path) -> Iterator[Finding]:
    found = instance.find(data_dir)
    if found is None:
        yield Finding("hub", True, f"none runs on {data_dir}")
    else:
        yield Finding("hub", True, f"pid {found.pid} runs on {data_dir}, {found.url or 'starting'}")


async def _database(database_url: str, owner_url: str) -> list[Finding]:
    """Whether a configured database is migrated and its roles are kept apart."""
    findings = []
    try:
        db = Database.connect(database_url, pool_size=1)
        try:
            async with db.read() as read:
                found = await migrate.revision(read)
                waiting, seconds = await transparency.lag(read) if found == migrate.head() else (0, 0.0)
        finally:
            await db.close()
    except (OSError, sqlalchemy.exc.SQLAlchemyError, TimeoutError):
        return []  # that it cannot be reached is said already
    if found != migrate.head():
        mend = "Run `fiscal-hub migrate` with HUB_DATABASE_OWNER_URL set to the owner role's address"
        findings.append(Finding("migrations", False, f"at {found or 'none'}, needed {migrate.head()}", mend))
    else:
        findings += [Finding("migrations", True, f"at {found}"), log_finding(waiting, seconds)]
    if owner_url and make_url(owner_url).username == make_url(database_url).username:
        mend = "Create a second role (README.md has the SQL): the hub's own must not be able to change facts"
        findings.append(Finding("database roles", False, "owner and application are the same role", mend))
    return findings


def log_finding(waiting: int, seconds: float) -> Finding:
    """Whether facts get their numbers in the log; receipts promise it."""
    if seconds <= LOG_LAG_SECONDS_MAX:
        return Finding("log", True, f"{waiting} facts wait for their number")
    mend = "Start `fiscal-hub worker` or `fiscal-hub sequence`; their log says why the sequencer stands still"
    return Finding("log", False, f"{waiting} facts wait for their number, the first {seconds:.0f} s", mend)
