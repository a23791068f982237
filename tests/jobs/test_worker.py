"""Real worker processes: nudged by arq, sharing work, stopping in order, and telling nothing they should not."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from hub.settings import Settings
from hub.worker import make_mailer
from tests.jobs import processes
from tests.jobs.processes import all_jobs, hub_side, put, states, until, worker

pytestmark = pytest.mark.anyio

NO_SWEEP = 600.0


def redis_url(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url.get_secret_value()


async def test_arq_runs_a_committed_job_once_without_waiting_for_the_sweeper(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    async with worker(settings, NO_SWEEP), hub_side(settings) as db:
        await processes.arq_listens(redis_url(settings))
        await asyncio.sleep(1)
        for number in range(3):
            await put(db, "tests.write_line", path=str(path), number=number)
            await processes.done(db, 2)
    assert [line.split()[:2] for line in path.read_text().splitlines()] == [
        ["0", "1"],
        ["1", "1"],
        ["2", "1"],
    ]


async def test_the_sweeper_finds_what_nobody_nudged(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    async with worker(settings), hub_side(settings) as db:
        await processes.arq_listens(redis_url(settings))
        deaf = type(db)(db.engine)
        await put(deaf, "tests.write_line", path=str(path), number=1)
        await processes.done(db, 4)
    assert len(path.read_text().splitlines()) == 1


async def test_two_workers_run_each_of_200_jobs_exactly_once(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    async with hub_side(settings) as db:
        async with worker(settings, 0.5), worker(settings, 0.5):
            for start in range(0, 200, 20):
                await asyncio.gather(
                    *(
                        put(db, "tests.write_line", path=str(path), number=n, seconds=0)
                        for n in range(start, start + 20)
                    )
                )
            await processes.done(db, 60)
        lines = [line.split() for line in path.read_text().splitlines()]
        assert Counter(int(number) for number, _, _ in lines) == Counter(range(200))
        assert {attempt for _, attempt, _ in lines} == {"1"}
        assert len({pid for _, _, pid in lines}) == 2, "both took part"


async def test_a_worker_told_to_stop_finishes_what_runs_and_claims_nothing_more(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    async with hub_side(settings) as db, worker(settings) as process:
        await put(db, "tests.write_line", path=str(path), number=1, seconds=2)
        await until(path.exists, 10, what="the job running")
        process.process.send_signal(signal.SIGTERM)
        await until(lambda: b"worker_stopping" in process.output, 5, what="the worker stopping")
        await put(db, "tests.write_line", path=str(path), number=2)
        assert await process.end(signal.SIGTERM) == 0
        first, second = await all_jobs(db)
    assert (first.state, second.state, second.attempt) == ("DONE", "READY", 0)


async def test_a_job_that_outlasts_the_grace_is_given_back(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    async with hub_side(settings) as db:
        async with worker(settings, 2, 0.5) as process:
            await put(db, "tests.write_line", path=str(path), number=1, seconds=60)
            await until(path.exists, 10, what="the job running")
            assert await process.end(signal.SIGTERM) == 0
        [row] = await all_jobs(db)
        assert (row.state, row.leased_by, row.attempts_max) == ("READY", None, 11)


async def test_failures_are_kept_and_logged_without_their_text(settings: Settings) -> None:
    async with hub_side(settings) as db, worker(settings) as process:
        await put(db, "tests.refuse", final=True)
        await put(db, "tests.refuse", final=False)

        async def both_tried() -> bool:
            return {row.last_error for row in await all_jobs(db)} == {"CannotSucceed", "LookupError"}

        await until(both_tried, 10, what="both failures")
        final, again = await all_jobs(db)
        assert (final.state, final.attempt) == ("FAILED", 1)
        assert again.state in {"READY", "RUNNING"}
        await process.end(signal.SIGTERM)
        assert b"CannotSucceed" in process.output
        assert b"secret text" not in process.output


async def test_a_job_of_another_release_is_left_alone(settings: Settings) -> None:
    async with hub_side(settings) as db, worker(settings, 0.2):
        await put(db, "tests.of_a_newer_release")
        await asyncio.sleep(1.5)
        assert await states(db) == {"READY"}


async def test_the_real_worker_starts_from_the_environment_and_stops(settings: Settings) -> None:
    async with worker(settings, module="hub.worker") as process:
        await processes.arq_listens(redis_url(settings))
        assert await process.end(signal.SIGTERM) == 0
    assert b"worker_stopped" in process.output


async def test_a_worker_outlives_a_missing_database(settings: Settings, tmp_path: Path) -> None:
    nowhere = {"HUB_DATABASE_URL": f"postgresql+asyncpg://hub@/hub?host={tmp_path}"}
    async with worker(settings, **nowhere) as process:
        await until(lambda: process.output.count(b"worker_part_failed") > 1, 10, what="two vain tries")
        assert await process.end(signal.SIGTERM) == 0


async def test_production_without_a_mail_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HUB_SMTP_HOST"):
        make_mailer(Settings(mode="production", data_dir=tmp_path))
