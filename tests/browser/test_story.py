"""From registration to the event in the explorer, as officials live it, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from nacl.signing import SigningKey

from hub.client import Hub, Signer
from tests.browser.conftest import SECOND_OPERATOR, THIRD_OPERATOR, Town
from tests.browser.looking import Desk

OWNER = "asha.rani@water.assam.gov.in"
FOCUSED = """[
  document.activeElement.name || document.activeElement.textContent.trim(),
  getComputedStyle(document.activeElement).outlineStyle,
]"""
LINE = {
    "lineNo": 1,
    "amount": "123456789.50",
    "currency": "INR",
    "periodStart": "2026-04-01",
    "periodEnd": "2026-04-30",
}


def enter(desk: Desk, town: Town, email: str) -> None:
    """Sign in with a code from the mail."""
    desk.go("/portal/sign-in")
    desk.fill(email=email)
    desk.press("Send the code")
    desk.fill(code=town.code(email))
    desk.press("Sign in")
    assert desk.path == "/portal"


def leave(desk: Desk) -> None:
    """Sign out."""
    desk.page.get_by_role("button", name="Sign out").click()
    desk.page.wait_for_load_state()


@dataclass
class Made:
    """What the story's system got."""

    unique_id: str
    api_key: str
    signer: Signer


def test_the_whole_story(open_desk: Callable[[], Desk], town: Town, tmp_path: Path) -> None:
    desk, operators = open_desk(), open_desk()
    _register(desk, town)
    _let_in(operators, town)
    desk.go("/portal")
    desk.look("home")
    made = _make_system(desk, town, tmp_path)
    _post(town, made)
    _see(desk)
    _figures(desk, "agency")
    _people(desk)
    _see_all(operators, town)


def _register(desk: Desk, town: Town) -> None:
    desk.go("/portal")
    desk.look("welcome")
    desk.follow("Register an agency")
    desk.look("register")
    desk.fill(
        government=town.demo.government,
        name="Jal Board",
        contactName="Asha Rani",
        phone="+91361",
        email=OWNER,
    )
    desk.press("Register")
    assert desk.page.locator("#phone-problem").inner_text() != ""
    desk.look("register-refused")
    desk.fill(phone="+913612740000")
    desk.press("Register")
    desk.look("register-code")
    desk.fill(code=town.code(OWNER))
    desk.page.get_by_role("main").get_by_role("button").first.click()
    desk.page.wait_for_load_state()
    assert "An operator of the government looks at it next" in desk.text
    desk.look("registered")


def _let_in(desk: Desk, town: Town) -> None:
    """Two operators let an agency in that posts live data."""
    enter(desk, town, town.demo.operator)
    desk.look("operator-home")
    desk.follow("Agencies")
    desk.look("agencies")
    _approve(desk)
    leave(desk)
    enter(desk, town, SECOND_OPERATOR)
    desk.follow("Agencies")
    desk.follow("Active")
    desk.look("agencies-active")
    _approve(desk)
    leave(desk)


def _approve(desk: Desk) -> None:
    row = desk.page.get_by_role("row").filter(has_text="Jal Board")
    row.get_by_role("link", name=re.compile("Let in")).click()
    desk.look("agency-let-in")
    desk.press("Let the agency in")
    assert "Done." in desk.text


def _make_system(desk: Desk, town: Town, folder: Path) -> Made:
    desk.follow("Systems and keys")
    desk.look("systems-empty")
    desk.follow("Register a system")
    desk.look("system-new")
    desk.fill(name="Jal Seva")
    desk.page.get_by_label(re.compile("^Provider")).check()
    desk.page.get_by_label(re.compile("^Consumer")).check()
    desk.press("Register")
    desk.look("system-key")
    secret = desk.page.locator("#secret").inner_text().strip()
    unique_id = desk.page.locator("dl.facts code").first.inner_text()
    _try(desk, secret, unique_id)
    desk.follow("Register a signing key")
    desk.look("signing-key")
    with desk.page.expect_download() as saved:
        desk.press("Make the key pair and register it")
    file = folder / saved.value.suggested_filename
    saved.value.save_as(file)
    desk.page.wait_for_url("**done=key")
    desk.look("system")
    key_id = re.findall(r"sgk_[0-9a-f-]{36}", desk.text)[0]
    seed = load_pem_private_key(file.read_bytes(), None).private_bytes(
        Encoding.Raw, PrivateFormat.Raw, NoEncryption()
    )
    assert secret not in desk.page.content()
    return Made(unique_id, secret, Signer(unique_id, key_id, SigningKey(seed)))


def _try(desk: Desk, secret: str, unique_id: str) -> None:
    """The copy button copies, and both lines work as pasted."""
    desk.page.get_by_role("button", name="Copy", exact=True).first.click()
    desk.page.get_by_role("button", name="Copied").first.wait_for()
    assert desk.page.evaluate("navigator.clipboard.readText()").strip() == secret
    for name in ("curl", "python"):
        line = desk.page.locator(f"#{name}").inner_text()
        tried = subprocess.run(
            ["bash", "-c", line.replace("python3", sys.executable)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert unique_id in tried.stdout, tried.stderr


def _post(town: Town, made: Made) -> None:
    event = {
        "from": made.unique_id,
        "government": town.demo.government,
        "type": "EXPENDITURE",
        "majorType": "REVENUE_EXPENDITURE",
        "subType": "DEBIT",
        "referenceId": "JAL-2026-1",
        "eventTime": "2026-04-01T04:30:00Z",
        "lines": [LINE | {"coaCode": town.head_of_account}],
    }
    with Hub(town.url, made.api_key) as hub:
        (posted,) = hub.post_events(made.signer, [event])
    assert posted["outcome"] == "ACCEPTED", posted


def _see(desk: Desk) -> None:
    desk.go("/portal")
    assert "JAL-2026-1" in desk.text
    desk.look("home-busy")
    desk.follow("Events")
    assert "JAL-2026-1" in desk.text
    assert "₹12,34,56,789.50" in desk.text
    desk.look("events")
    desk.follow("JAL-2026-1")
    desk.page.wait_for_timeout(1500)
    desk.page.reload()
    assert "Checked just now: the proof holds." in desk.text
    desk.look("event")
    desk.go("/portal/events?from=nothing-like-it")
    desk.look("events-none")


def _figures(desk: Desk, whose: str) -> None:
    for path, name in (
        ("/portal/figures", "figures"),
        ("/portal/budget", "budget"),
        ("/portal/log", "log"),
        ("/portal/nowhere", "absent"),
    ):
        desk.go(path)
        desk.look(f"{whose}-{name}")


def _see_all(desk: Desk, town: Town) -> None:
    """An operator looks at the whole government."""
    enter(desk, town, THIRD_OPERATOR)
    desk.follow("Events")
    desk.look("operator-events")
    desk.page.locator("tbody th a").nth(3).click()
    desk.page.wait_for_load_state()
    desk.look("operator-event")
    _figures(desk, "operator")
    desk.go("/portal/figures?by=COA_TIER&level=1")
    assert "Jails" in desk.text
    desk.look("figures-by-head")
    desk.go("/portal/figures?by=MONTH")
    desk.look("figures-by-month")


def _people(desk: Desk) -> None:
    desk.go("/portal/people")
    desk.look("people")


@pytest.mark.parametrize(
    ("language", "button", "title"),
    [("hi", "हिन्दी", "साइन इन"), ("or", "ଓଡ଼ିଆ", "ସାଇନ୍ ଇନ୍")],
    ids=["hi", "or"],
)
def test_one_click_changes_the_language_and_it_is_remembered(
    desk: Desk, language: str, button: str, title: str
) -> None:
    desk.go("/portal/sign-in")
    desk.page.get_by_role("button", name=button).click()
    desk.page.wait_for_load_state()
    assert desk.page.locator("html").get_attribute("lang") == language
    assert desk.page.get_by_role("heading", level=1).inner_text() == title
    desk.look(f"sign-in-{language}")
    desk.go("/portal/register")
    assert desk.page.locator("html").get_attribute("lang") == language
    desk.look(f"register-{language}")


def test_an_agency_is_registered_by_keyboard_alone(desk: Desk, town: Town) -> None:
    desk.go("/portal")
    keys = desk.page.keyboard

    def tab_to(wanted: str) -> None:
        for _ in range(20):
            keys.press("Tab")
            name, outline = desk.page.evaluate(FOCUSED)
            assert outline != "none", f"{name} shows no focus"
            if name == wanted:
                return
        raise AssertionError(f"{wanted} is not reached")

    tab_to("Skip to the content")
    keys.press("Enter")
    tab_to("Register an agency")
    keys.press("Enter")
    desk.page.wait_for_url("**/register")
    given = {
        "government": "Assam", "name": "Path Board", "contactName": "Bimal", "phone": "+913612740001",
        "email": "bimal@roads.assam.gov.in",
    }  # fmt: skip
    for name, value in given.items():
        tab_to(name)
        keys.type(value)
    keys.press("Enter")
    desk.page.wait_for_selector("[name=code]")
    tab_to("code")
    keys.type(town.code("bimal@roads.assam.gov.in"))
    keys.press("Enter")
    desk.page.wait_for_selector("form.who")
    tab_to("Sign out")
    tab_to("People")
    keys.press("Enter")
    desk.page.wait_for_url("**/people")
