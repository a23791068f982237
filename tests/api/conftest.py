"""A hub with the spec's standard cast: government pb with reference data, and a few systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hub.db import Database
from hub.domain.registry import SystemRole
from hub.means import Means
from hub.settings import Settings
from hub.wiring import make_means
from tests.client import Client, serve
from tests.factories.reference import make_reference
from tests.factories.registry import TestSystem, make_system


@pytest.fixture
def means(settings: Settings) -> Means:
    """The hub's own keys, the same as the served app's."""
    return make_means(settings)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A served hub."""
    async with serve(settings) as served:
        yield served


@dataclass(frozen=True)
class Cast:
    """The systems of the spec's test data."""

    provider: TestSystem
    consumer: TestSystem
    both: TestSystem


@pytest.fixture
async def cast(database: Database, means: Means) -> AsyncIterator[Cast]:
    """Mgramseva (provider), dashboard (consumer) and both, in three agencies of Punjab."""
    provider = await make_system(database, means, roles=[SystemRole.PROVIDER], name="mGramSeva")
    consumer = await make_system(database, means, roles=[SystemRole.CONSUMER], name="Dashboard")
    both = await make_system(database, means, name="Both")
    await make_reference(database, provider.tenant_id)
    yield Cast(provider, consumer, both)
    await database.close()
