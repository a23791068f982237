"""One world for all tests of sameness, which only look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hub.api import Api, build_schema
from hub.db import Database
from hub.embedded import Endpoints
from hub.means import Means
from hub.settings import Settings
from hub.wiring import make_means
from tests.conftest import empty
from tests.sameness.scene import Scene, make_scene


@dataclass(frozen=True)
class Stage:
    """The scene, and what answers questions about it: the API without HTTP around it and without rates."""

    scene: Scene
    api: Api
    db: Database
    means: Means


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Async tests of one module share a loop, and with it the world."""
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The world, made once for the module."""
    await empty(servers.owner_url)
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("sameness"),
        database_url=servers.database_url,
        database_owner_url=servers.owner_url,
        redis_url=servers.redis_url,
    )
    database, means = Database.connect(servers.database_url), make_means(settings)
    scene = await make_scene(settings, database)
    api = Api(build_schema(), database, means)
    yield Stage(scene, api, database, means)
    await api.close()
    await database.close()
