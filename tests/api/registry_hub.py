"""A hub in this process for the registry's API tests, with its mail and its clock in the test's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from hub.db import Database
from hub.domain import registry
from hub.means import Means
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories.registry import HUB, Post, ensure_tenant, make_agency, sign_in

EMAIL = "asha@finance.punjab.gov.in"
REGISTER = """
mutation ($input: RegisterAgencyInput!) {
  registerAgency(input: $input) { agency { id state } errors { code path } }
}
"""


def agency_input(**changes: Any) -> dict[str, Any]:
    """A complete registration; a field set to None is left out."""
    contact = {"name": "Asha Rani", "phone": "+911722740000", "email": EMAIL}
    wanted = {"government": "pb", "name": "Department of Finance"}
    for name, value in changes.items():
        (contact if name in contact and name != "name" else wanted)[name] = value
    contact["name"] = changes.get("contact_name", contact["name"])
    wanted.pop("contact_name", None)
    kept = {name: value for name, value in contact.items() if value is not None}
    return {**{name: value for name, value in wanted.items() if value is not None}, "contact": kept}


@dataclass
class Hub:
    """One hub and everything a test needs around it."""

    client: Client
    database: Database
    means: Means
    post: Post

    def browser(self) -> Client:
        """A browser nobody has used."""
        return self.client.acting(None)

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        async with self.database.read() as read:
            return int(await read.scalar(text(f"SELECT count(*) FROM {table}")))

    async def scalar(self, query: str, **values: Any) -> Any:
        """One value straight from the database."""
        async with self.database.read() as read:
            return await read.scalar(text(query), values)

    async def add_operator(self, email: str, government: str = "pb") -> Client:
        """A signed-in operator of a government."""
        async with self.database.transaction() as tx:
            await registry.add_operator(tx, HUB, government, email)
        return await sign_in(self.client, self.post, email)

    async def owner(self, email: str = EMAIL, **agency: Any) -> tuple[Client, registry.Agency]:
        """A signed-in owner of an active agency."""
        made = await make_agency(self.database, self.means, email=email, **agency)
        return await sign_in(self.client, self.post, email), made


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Hub]:
    """A hub on the empty database, with the government ``pb``."""
    means = make_means(settings)
    assert settings.database_url is not None
    database = Database.connect(settings.database_url.get_secret_value())
    try:
        async with database.transaction() as tx:
            await ensure_tenant(tx)
        async with serve(settings) as client:
            yield Hub(client, database, means, Post(database, means))
    finally:
        await database.close()
