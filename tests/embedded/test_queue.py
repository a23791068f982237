"""arq, as the hub uses it, on the default Redis."""

import asyncio
import warnings
from pathlib import Path
from typing import Any, cast

from arq import create_pool, func
from arq.connections import RedisSettings
from arq.typing import WorkerCoroutine
from arq.worker import Worker

from hub.embedded import EmbeddedServers

JOBS = 50


def test_fifty_jobs_are_run_by_a_worker(data_dir: Path) -> None:
    done: list[int] = []

    async def note(_: dict[Any, Any], number: int) -> None:
        done.append(number)

    async def scenario() -> None:
        async with EmbeddedServers(data_dir, postgres=False).running() as endpoints:
            settings = RedisSettings.from_dsn(endpoints.redis_url)
            pool = await create_pool(settings)
            for number in range(JOBS):
                assert await pool.enqueue_job("note", number) is not None
            worker = Worker(
                [func(cast("WorkerCoroutine", note), name="note")],
                redis_settings=settings,
                burst=True,
                poll_delay=0.05,
                handle_signals=False,
            )
            await asyncio.wait_for(worker.async_run(), 30)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # arq closes redis-py the old way
                await worker.close()
            await pool.aclose()

    asyncio.run(scenario())
    assert sorted(done) == list(range(JOBS))
