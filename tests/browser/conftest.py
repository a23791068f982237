"""A hub as an operator runs it, its mail by SMTP, and a real browser."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, sync_playwright

from hub import sample
from hub.commands import demo
from tests.browser.looking import DESK, Desk
from tests.cli.running import data_folder, fiscal_hub, run
from tests.cli.test_run import cut_file
from tests.jobs.processes import PostOffice, post_office

CODE = re.compile(r"\b(\d{8})\b")
SECOND_OPERATOR, THIRD_OPERATOR = "checker@assam.ifix.org", "finance@assam.ifix.org"
MAIL_SECONDS = 20
SAMPLE_ROWS = 60
TIMEOUT_MS = 15_000
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Town:
    """What is there before the story begins."""

    url: str
    demo: demo.Demo
    office: PostOffice
    head_of_account: str

    def code(self, email: str) -> str:
        """The newest one-time code mailed to this address; every code is given once."""
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            for mail in self.office.accepted:
                if email in str(mail["To"]) and (found := CODE.search(_body(mail))):
                    self.office.accepted.remove(mail)
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(f"no code came for {email}")


def _body(mail: object) -> str:
    part = mail.get_body(("plain",))  # type: ignore[attr-defined]
    return str(part.get_content())


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A hub with the sample of a government in it, its mail going to a real SMTP server."""
    with post_office() as (office, mail), data_folder() as folder:
        figures = cut_file(folder, SAMPLE_ROWS)
        with run(folder, "--sample-file", str(figures), "--port", "0", **mail) as running:
            running.wait_ready()
            kept = demo.load(folder)
            assert kept is not None
            for email in (SECOND_OPERATOR, THIRD_OPERATOR):
                added = fiscal_hub("operator", "add", kept.government, email, "--data-dir", str(folder))
                assert added.returncode == 0, added.stderr
            yield Town(running.url, kept, office, sample.chart(sample.read_rows(figures))[0]["code"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium: `apt-get install chromium` as root")
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_desk(town: Town, browser: Browser) -> Iterator[Callable[[], Desk]]:
    """Opens fresh windows, each as of somebody who was never here."""
    contexts = []

    def opened() -> Desk:
        context = browser.new_context(viewport=DESK, locale="en-IN", accept_downloads=True)  # type: ignore[arg-type]
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(TIMEOUT_MS)
        return Desk(context.new_page(), town.url)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def desk(open_desk: Callable[[], Desk]) -> Desk:
    """One fresh window."""
    return open_desk()
