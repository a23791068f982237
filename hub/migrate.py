"""Bringing the database to the code's version: what ``fiscal-hub migrate`` and ``run`` do."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import make_url

import migrations
from hub.db import Read
from hub.domain import retention
from hub.means import Means

if TYPE_CHECKING:
    from alembic.config import Config

# From government, owner, place and value to envelope, wrapped key and the name of the key that wraps it.
Seal = Callable[[UUID, UUID, str, bytes], tuple[bytes, bytes, bytes]]

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


def sealing(means: Means) -> Seal:
    """How a step seals what lies in the clear: as the rooms do, under the vault's key."""

    def seal(tenant_id: UUID, owner_id: UUID, place: str, clear: bytes) -> tuple[bytes, bytes, bytes]:
        envelope, key = retention.seal_value(means, retention.Place(tenant_id, owner_id, place), clear)
        return envelope, key.wrapped, key.wrapped_by

    return seal


def upgrade(
    owner_url: str, application_url: str, revision: str = "head", *, seal: Seal | None = None
) -> None:
    """Migrate up; blocking, as it runs before anything else does (or in a thread).

    ``seal`` is needed where there is something to seal; a step that needs it and has it not says so.
    """
    from alembic import command  # noqa: PLC0415

    made = configuration(owner_url, application_url)
    made.attributes["seal"] = seal
    command.upgrade(made, revision)


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
