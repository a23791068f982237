"""Health and metrics: what is asked, what they say, and that they say nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hub import migrate
from hub.domain import jobs
from hub.embedded import Endpoints
from hub.observe import Metrics
from hub.settings import Settings
from tests.api.edge import Outsider, edge

PRODUCTION = {
    "mode": "production",
    "public_url": "https://hub.example",
    **dict.fromkeys(("master_key", "signing_key", "log_key", "vault_key"), SecretStr("A" * 43 + "=")),
}
pytestmark = pytest.mark.anyio


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Outsider]:
    async with edge(settings) as outsider:
        yield outsider


async def test_live_asks_nobody(settings: Settings, tmp_path: Path) -> None:
    dead = {
        "database_url": SecretStr("postgresql+asyncpg://nobody@127.0.0.1:9/nothing"),
        "redis_url": SecretStr(f"unix://{tmp_path}/nobody.sock"),
    }
    async with edge(settings, **dead) as hub:
        response = await hub.http.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_ready_when_every_part_is(hub: Outsider) -> None:
    response = await hub.http.get("/health/ready")
    assert response.status_code == 200, response.text
    assert response.json() == {
        "status": "ready",
        "parts": {"database": "ok", "migrations": "ok", "redis": "ok"},
    }


async def test_not_ready_without_the_database(settings: Settings) -> None:
    dead = SecretStr("postgresql+asyncpg://somebody:s3cret@127.0.0.1:9/nothing")
    async with edge(settings, database_url=dead) as hub:
        response = await hub.http.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["parts"] == {"database": "unreachable", "migrations": "unknown", "redis": "ok"}
    assert "s3cret" not in response.text


async def test_not_ready_before_the_migration(hub: Outsider, servers: Endpoints) -> None:
    engine = create_async_engine(servers.owner_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    try:
        response = await hub.http.get("/health/ready")
    finally:
        async with engine.begin() as connection:
            await connection.execute(
                text("UPDATE alembic_version SET version_num = :head"), {"head": migrate.head()}
            )
        await engine.dispose()
    assert response.status_code == 503
    assert response.json()["parts"]["migrations"] == "behind"


async def test_a_lost_redis_only_degrades(settings: Settings, tmp_path: Path) -> None:
    async with edge(settings, redis_url=SecretStr(f"unix://{tmp_path}/nobody.sock")) as hub:
        response = await hub.http.get("/health/ready")
        assert response.status_code == 200
        assert response.json()["parts"]["redis"] == "degraded"
        assert "hub_redis_up 0.0" in (await hub.http.get("/metrics")).text


async def test_metrics_are_for_who_has_the_key(settings: Settings) -> None:
    async with edge(settings, metrics_key=SecretStr("scrape-me")) as hub:
        assert (await hub.http.get("/metrics")).status_code == 401
        for wrong in ("Bearer scrape", "scrape-me", "Basic scrape-me", "Bearer scrape-me\u00e9"):
            refused = await hub.http.get("/metrics", headers={b"authorization": wrong.encode()})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "hub_" not in refused.text
        given = await hub.http.get("/metrics", headers={"authorization": "Bearer scrape-me"})
    assert (given.status_code, "hub_redis_up" in given.text) == (200, True)


async def test_production_without_a_key_shows_no_metrics(settings: Settings) -> None:
    async with edge(settings, **PRODUCTION) as hub:
        assert (await hub.http.get("/metrics")).status_code == 404
        assert (await hub.http.get("/health/live")).status_code == 200


async def test_metrics_count_by_root_field_and_outcome(hub: Outsider) -> None:
    await hub.send("{who thing {name}}")
    await hub.send("{who thing {name}}")
    await hub.send("{explode}")
    await hub.send("{nonsense}")
    await hub.send("{made_up_name: who}")
    await hub.send('mutation {post(input: {items: [], note: "refuse"}) {errors {code}}}')
    await hub.send("{thing {errors: parts {code: name}}}")
    response = await hub.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = set(response.text.splitlines())
    assert 'hub_graphql_requests_total{field="who",outcome="OK"} 3.0' in lines
    assert 'hub_graphql_requests_total{field="thing",outcome="OK"} 3.0' in lines
    assert 'hub_graphql_requests_total{field="explode",outcome="INTERNAL"} 1.0' in lines
    assert 'hub_graphql_requests_total{field="none",outcome="DOCUMENT_INVALID"} 1.0' in lines
    assert 'hub_graphql_requests_total{field="post",outcome="AMOUNT"} 1.0' in lines
    assert "made_up_name" not in response.text
    assert 'hub_graphql_request_seconds_count{kind="mutation"} 1.0' in lines
    assert "hub_redis_up 1.0" in lines
    assert any(line.startswith('hub_database_connections{state="in_use"}') for line in lines)


async def test_what_a_caller_names_like_an_error_is_no_label(hub: Outsider) -> None:
    await hub.send("{thing {errors: parts {code: name}}}")
    page = (await hub.http.get("/metrics")).text
    assert 'outcome="x"' not in page
    assert 'field="thing",outcome="OK"' in page


async def test_the_metrics_are_in_a_registry_of_their_own(hub: Outsider) -> None:
    await hub.send("{who}")
    assert not any(metric.name.startswith("hub_") for metric in REGISTRY.collect())


async def test_metrics_count_the_jobs_by_state(hub: Outsider) -> None:
    async with hub.api.db.transaction() as tx:
        for _ in range(2):
            await jobs.enqueue(tx, "edge.do_nothing", {})
    assert 'hub_jobs{state="READY"} 2.0' in (await hub.http.get("/metrics")).text.splitlines()


def test_a_state_without_jobs_is_gone_at_the_next_scrape() -> None:
    metrics = Metrics()
    metrics.measured(pool={}, jobs={"FAILED": 3}, redis=True)
    assert b'hub_jobs{state="FAILED"} 3.0' in metrics.page()
    metrics.measured(pool={}, jobs={"READY": 1}, redis=True)
    assert b"FAILED" not in metrics.page()
