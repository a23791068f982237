"""The small commands: what they print, what they refuse, and their exit codes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from hub import sample
from hub.commands import demo, doctor
from hub.db import Database
from hub.embedded import Endpoints
from hub.settings import Settings
from hub.wiring import make_means
from tests.cli.running import data_folder, fiscal_hub
from tests.cli.test_run import cut_file
from tests.end_to_end.served import web_process


def settings(endpoints: Endpoints, folder: Path) -> dict[str, str]:
    """The environment of a command on the test servers."""
    return {
        "HUB_DATA_DIR": str(folder),
        "HUB_DATABASE_URL": endpoints.database_url,
        "HUB_DATABASE_OWNER_URL": endpoints.owner_url,
        "HUB_REDIS_URL": endpoints.redis_url,
    }


def test_version_names_the_program() -> None:
    assert fiscal_hub("version").stdout.startswith("fiscal-hub 0.")


def test_schema_is_printed_as_it_is_committed() -> None:
    assert "type Mutation {" in fiscal_hub("schema").stdout


def test_a_government_is_created_once_and_gets_an_operator(empty_database: Endpoints, tmp_path: Path) -> None:
    environment = settings(empty_database, tmp_path)
    made = fiscal_hub("tenant", "create", "hr", "haryana", "Haryana", **environment)
    assert (made.returncode, made.stdout) == (0, "Created Haryana (hr).\n")
    again = fiscal_hub("tenant", "create", "hr", "haryana", "Haryana", **environment)
    assert again.returncode == 1
    assert "CODE_EXISTS" in again.stderr
    operator = fiscal_hub("operator", "add", "hr", "asha@finance.example", **environment)
    assert operator.returncode == 0
    unknown = fiscal_hub("operator", "add", "xx", "asha@finance.example", **environment)
    assert (unknown.returncode, "NOT_FOUND" in unknown.stderr) == (1, True)


def test_a_chart_is_imported_and_again_changes_nothing(empty_database: Endpoints, tmp_path: Path) -> None:
    environment = settings(empty_database, tmp_path)
    fiscal_hub("tenant", "create", "as", "assam", "Assam", **environment)
    assert "734 heads: 734 new" in fiscal_hub("import-chart", "as", **environment).stdout
    assert (
        "734 heads: 0 new, 0 changed, 734 as before" in fiscal_hub("import-chart", "as", **environment).stdout
    )


def test_migrate_tells_the_version(empty_database: Endpoints, tmp_path: Path) -> None:
    done = fiscal_hub("migrate", **settings(empty_database, tmp_path))
    assert (done.returncode, "The database is at version 00" in done.stdout) == (0, True)


def test_migrate_without_the_owner_says_what_to_set(empty_database: Endpoints, tmp_path: Path) -> None:
    environment = settings(empty_database, tmp_path) | {"HUB_DATABASE_OWNER_URL": ""}
    done = fiscal_hub("migrate", **environment)
    assert (done.returncode, "HUB_DATABASE_OWNER_URL" in done.stderr) == (1, True)


def test_doctor_is_content_with_good_servers(empty_database: Endpoints, tmp_path: Path) -> None:
    done = fiscal_hub("doctor", **settings(empty_database, tmp_path))
    assert done.returncode == 0, done.stdout
    assert "migrations: at 00" in done.stdout
    assert "facts wait for their number" in done.stdout
    assert "WRONG" not in done.stdout


def test_doctor_says_what_is_wrong_and_how_to_mend_it_without_the_password() -> None:
    with data_folder() as folder:
        url = "postgresql+asyncpg://hub_app:wonderland@127.0.0.1:1/hub"
        done = fiscal_hub("doctor", HUB_DATA_DIR=str(folder), HUB_DATABASE_URL=url)
    assert done.returncode == 1
    assert "WRONG  PostgreSQL connection" in done.stdout
    assert "→ Start the server" in done.stdout
    assert "wonderland" not in done.stdout + done.stderr


def test_doctor_misses_the_secrets_of_production(empty_database: Endpoints, tmp_path: Path) -> None:
    done = fiscal_hub("doctor", **settings(empty_database, tmp_path), HUB_MODE="production")
    assert done.returncode == 1
    assert "HUB_MASTER_KEY: not set" in done.stdout
    assert "HUB_SIGNING_KEY: not set" in done.stdout
    assert "HUB_PUBLIC_URL: not set" in done.stdout


def test_doctor_sees_when_owner_and_application_are_one_role(
    empty_database: Endpoints, tmp_path: Path
) -> None:
    environment = settings(empty_database, tmp_path)
    done = fiscal_hub("doctor", **environment | {"HUB_DATABASE_URL": empty_database.owner_url})
    assert (done.returncode, "the same role" in done.stdout) == (1, True)


def test_a_bad_setting_is_named_without_its_value() -> None:
    done = fiscal_hub("doctor", HUB_PORT="wonderland")
    assert done.returncode == 1
    assert "HUB_PORT" in done.stderr
    assert "wonderland" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told(tmp_path: Path, empty_database: Endpoints) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = fiscal_hub("run", "--port", port, **settings(empty_database, tmp_path))
    assert (done.returncode, f"port {port} is in use" in done.stderr) == (1, True)


def test_figures_are_imported_into_a_hub_elsewhere(empty_database: Endpoints, tmp_path: Path) -> None:
    figures = cut_file(tmp_path, 3)
    expected, _ = sample.figures(sample.read_rows(figures))
    with web_process(tmp_path, empty_database) as url:
        kept = asyncio.run(_demonstration(empty_database, tmp_path))
        secrets = {"HUB_PROVIDER_KEY": kept.provider_key, "HUB_SIGNING_SEED": kept.signing_seed}
        names = ("--government", "as", "--provider", kept.provider, "--signing-key-id", kept.signing_key_id)
        arguments = ("import-sample", "--url", url, "--file", str(figures), *names)
        without_chart = fiscal_hub(*arguments, **secrets)
        assert (without_chart.returncode, "COA_CODE_INVALID" in without_chart.stderr) == (1, True)
        fiscal_hub("import-chart", "as", str(figures), **settings(empty_database, tmp_path))
        done = fiscal_hub(*arguments, **secrets)
        assert f"{len(expected)} events on record, {len(expected)} of them new" in done.stdout
        assert f"{len(expected)} events on record, 0 of them new" in fiscal_hub(*arguments, **secrets).stdout


@pytest.mark.parametrize(("proxies", "last"), [("", 429), ("127.0.0.1", 200)])
def test_callers_behind_a_trusted_proxy_are_counted_one_by_one(
    empty_database: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxies: str, last: int
) -> None:
    monkeypatch.setenv("HUB_TRUSTED_PROXIES", proxies)
    monkeypatch.setenv("HUB_ANONYMOUS_REQUESTS_PER_MINUTE", "2")
    with web_process(tmp_path, empty_database) as url:
        found = [
            httpx.post(
                f"{url}/graphql",
                json={"query": "{ hub { version } }"},
                headers={"x-forwarded-for": address},
                trust_env=False,
            ).status_code
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
        ]
    assert found == [200, 200, last]


async def _demonstration(endpoints: Endpoints, folder: Path) -> demo.Demo:
    db = Database.connect(endpoints.database_url)
    try:
        return await demo.create(db, make_means(Settings(data_dir=folder)))
    finally:
        await db.close()


@pytest.mark.parametrize(("seconds", "is_ok"), [(0.0, True), (60.0, True), (61.0, False)])
def test_doctor_minds_a_log_that_stands_still(seconds: float, is_ok: bool) -> None:
    assert doctor.log_finding(7, seconds).is_ok is is_ok
