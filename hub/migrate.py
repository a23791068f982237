"""Bringing the database to the code's version: what ``fiscal-hub migrate`` and ``run`` do."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import make_url

import migrations
from hub.db import Read


def configuration(owner_url: str, application_url: str) -> Config:
    """Alembic's configuration in memory: no ini file, no secrets on disk."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["owner_url"] = owner_url
    config.attributes["application_role"] = make_url(application_url).username or "hub_app"
    return config


def upgrade(owner_url: str, application_url: str, revision: str = "head") -> None:
    """Migrate up; blocking, as it runs before anything else does (or in a thread)."""
    command.upgrade(configuration(owner_url, application_url), revision)


def check(owner_url: str, application_url: str) -> None:
    """Raise when the tables in code and in the database differ."""
    command.check(configuration(owner_url, application_url))


@cache
def head() -> str | None:
    """The revision this code needs."""
    return ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()


async def revision(read: Read) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    if await read.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = await read.scalar(text("SELECT version_num FROM alembic_version"))
    return found
