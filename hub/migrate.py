"""Bringing the database to the code's version: what ``fiscal-hub migrate`` and ``run`` do."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.engine import make_url

import migrations
from hub.db import Read

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes a sixth of the time in which a web process starts, and that process never migrates: what needs
# it imports it when called.
REVISION = re.compile(r"^(down_revision|revision)\b[^=]*=\s*[\"']?([\w-]+)", re.MULTILINE)


def configuration(owner_url: str, application_url: str) -> Config:
    """Alembic's configuration in memory: no ini file, no secrets on disk."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["owner_url"] = owner_url
    config.attributes["application_role"] = make_url(application_url).username or "hub_app"
    return config


def upgrade(owner_url: str, application_url: str, revision: str = "head") -> None:
    """Migrate up; blocking, as it runs before anything else does (or in a thread)."""
    from alembic import command  # noqa: PLC0415

    command.upgrade(configuration(owner_url, application_url), revision)


def check(owner_url: str, application_url: str) -> None:
    """Raise when the tables in code and in the database differ."""
    from alembic import command  # noqa: PLC0415

    command.check(configuration(owner_url, application_url))


@cache
def head() -> str | None:
    """The revision this code needs: the one that no other comes after."""
    folder = Path(migrations.__file__).parent / "versions"
    found = [dict(REVISION.findall(file.read_text())) for file in folder.glob("*.py")]
    after = {each.get("down_revision") for each in found}
    heads = [name for each in found if (name := each.get("revision")) is not None and name not in after]
    return heads[0] if len(heads) == 1 else None


async def revision(read: Read) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    if await read.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = await read.scalar(text("SELECT version_num FROM alembic_version"))
    return found
