"""The registry's jobs, run as the worker runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text

from hub.db import Database
from hub.domain import registry
from hub.domain.jobs import Mail
from hub.domain.registry import RegisterAgency
from hub.jobs import HANDLERS
from hub.jobs.doors import JobContext
from hub.jobs.runner import Pace, Runner, Tools
from hub.kit.ids import new_id
from hub.means import Means
from tests.factories.registry import HUB, Post, ensure_tenant

pytestmark = pytest.mark.anyio

START = datetime(2026, 10, 13, 10, 0, tzinfo=UTC)
AGENCY = RegisterAgency("pb", "Finance", "Asha Rani", "+911722740000", "asha@punjab.gov.in")


async def register(database: Database, means: Means, browser: str = "b") -> registry.Agency:
    """An agency whose code is on its way."""
    async with database.transaction() as tx:
        await ensure_tenant(tx)
        return await registry.register_agency(tx, means, browser, AGENCY)


async def scalar(database: Database, query: str) -> object:
    """One value straight from the database."""
    async with database.read() as read:
        return await read.scalar(text(query))


def context(database: Database, means: Means, post: Post) -> JobContext:
    """One attempt of some job."""
    return JobContext(database, means, post, HUB, new_id(), 1)


async def test_the_worker_mails_the_code_once(database: Database, means: Means) -> None:
    await register(database, means)
    post = Post(database, means)
    runner = Runner("test", Tools(database, means, post), HANDLERS, Pace())
    for _ in range(3):
        await runner.start_next(1.0)
    await runner.stop()
    assert [mail.to for mail in post.mails] == [AGENCY.contact_email]
    assert post.mails[0].message_id.endswith("@ifix.org")
    assert await scalar(database, "SELECT state FROM job WHERE name = 'registry.send_code'") == "DONE"


async def test_a_code_that_was_used_is_not_mailed_again(database: Database, means: Means) -> None:
    await register(database, means)
    first, again = Post(database, means), Post(database, means)
    code = await first.code()
    async with database.transaction() as tx:
        session = await registry.sign_in(tx, means, registry.Browser("b"), AGENCY.contact_email, code)
    assert isinstance(session, registry.Session)
    assert await again.deliver() == []


async def test_a_sealed_code_of_another_row_stays_sealed(database: Database, means: Means) -> None:
    await register(database, means)
    sealed_text = await scalar(
        database, "SELECT arguments->>'sealed' FROM job WHERE name = 'registry.send_code'"
    )
    async with database.read() as read:
        assert await registry.find_mail(read, means, new_id(), str(sealed_text)) is None


async def test_an_agency_nobody_confirms_is_a_draft_again(database: Database, means: Means) -> None:
    post = Post(database, means)
    with time_machine.travel(START, tick=False) as clock:
        await register(database, means)
        clock.shift(timedelta(minutes=10))
        await HANDLERS["registry.lapse"](context(database, means, post), {})
        assert await scalar(database, "SELECT state FROM agency") == "CODE_SENT"
        clock.shift(timedelta(seconds=1))
        await HANDLERS["registry.lapse"](context(database, means, post), {})
    assert await scalar(database, "SELECT state FROM agency") == "DRAFT"
    assert await scalar(database, "SELECT count(*) FROM registry_event WHERE change = 'DRAFT'") == 1


async def test_what_counts_no_more_is_forgotten(database: Database, means: Means) -> None:
    post = Post(database, means)
    with time_machine.travel(START, tick=False) as clock:
        await register(database, means)
        clock.shift(timedelta(days=2))
        await HANDLERS["registry.forget"](context(database, means, post), {})
        assert await scalar(database, "SELECT count(*) FROM one_time_code") == 1
        clock.shift(timedelta(seconds=1))
        await HANDLERS["registry.forget"](context(database, means, post), {})
    for table in ("one_time_code", "code_allowance"):
        assert await scalar(database, f"SELECT count(*) FROM {table}") == 0


def test_what_holds_a_secret_does_not_show_it() -> None:
    mail = registry.CodeMail("asha@punjab.gov.in", "12345678")
    assert repr(mail) == "CodeMail()"
    assert "text" not in repr(Mail("id@ifix.org", "a@b.in", "s", "text"))
