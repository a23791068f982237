"""One's own account, as people keep it without scripts."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
import time_machine

from hub.db import utc_now
from hub.kit import totp
from hub.means import Means
from tests.factories.registry import Post, make_agency
from tests.portal.browsing import Visitor
from tests.portal.conftest import enter

pytestmark = pytest.mark.anyio

OWNER = "asha@punjab.gov.in"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
END = re.compile(r'action="(/portal/account/sessions/ses_[^"]+/end)"')


@pytest.fixture
async def owner(visitor: Visitor, post: Post, means: Means) -> Visitor:
    """An agency's owner, signed in a moment ago."""
    await make_agency(post.database, means, name="Water Board", email=OWNER)
    visitor.headers["user-agent"] = FIREFOX
    await enter(visitor, post, OWNER)
    return visitor


async def test_other_sessions_are_seen_and_ended(owner: Visitor, post: Post) -> None:
    other = Visitor(owner.http)
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        await enter(other, post, OWNER)
    page = await owner.get("/portal/account")
    assert "Firefox, Linux this one 127.0.0.0/24" in page.text
    ends = END.findall(page.html)
    assert len(ends) == 2
    page = await owner.post(ends[0])
    assert "Done." in page.text
    assert len(END.findall(page.html)) == 1
    assert "Register an agency" in (await other.get("/portal")).text
    assert "it is not for you" in (await owner.post(ends[0])).text


async def test_ending_this_session_signs_out(owner: Visitor) -> None:
    (end,) = END.findall((await owner.get("/portal/account")).html)
    page = await owner.post(end)
    assert "You are signed out." in page.text
    assert (await owner.get("/portal/account")).path.startswith("/portal/sign-in")


async def test_all_others_end_with_one_button(owner: Visitor, post: Post) -> None:
    assert "End all others" not in (await owner.get("/portal/account")).text
    other = Visitor(owner.http)
    with time_machine.travel(utc_now() + timedelta(minutes=2)):
        await enter(other, post, OWNER)
    page = await owner.post("/portal/account/sessions/end-others")
    assert len(END.findall(page.html)) == 1
    assert "Register an agency" in (await other.get("/portal")).text


async def _enrol(owner: Visitor) -> tuple[bytes, list[str]]:
    """The secret and the recovery codes of a second factor set up by pages."""
    page = await owner.post("/portal/account/second-factor")
    (text,) = re.findall(r'<pre id="factor-secret">([A-Z2-7]+)</pre>', page.html)
    secret = base64.b32decode(text)
    wrong = await owner.post("/portal/account/second-factor/confirm", code="12345")
    assert wrong.status == 422
    assert 'id="code-problem"' in wrong.html
    assert text not in wrong.html
    code = totp.code_at(secret, totp.step_of(utc_now()))
    page = await owner.post("/portal/account/second-factor/confirm", code=code)
    (codes,) = re.findall(r'<pre id="recovery-codes">([^<]+)</pre>', page.html)
    assert len(codes.split()) == 10
    return secret, codes.split()


async def test_a_second_factor_is_set_up_and_asked_for(owner: Visitor) -> None:
    page = await owner.get("/portal/account")
    assert "Set up a second factor" in page.text
    page = await owner.post("/portal/account/second-factor")
    assert page.path == "/portal/account/second-factor"
    (picture,) = re.findall(r"<svg[^>]*>.*?</svg>", page.html, re.DOTALL)
    assert "style=" not in picture
    assert "otpauth" not in page.html
    assert len(page.html.encode()) < 60_000
    secret, codes = await _enrol(owner)
    page = await owner.get("/portal/account")
    assert "Recovery codes left 10" in page.text
    assert codes[0] not in page.html
    invited: dict[str, str | list[str]] = {
        "name": "Vikram",
        "email": "vikram@punjab.gov.in",
        "roles": ["READER"],
    }
    with time_machine.travel(utc_now() + timedelta(minutes=11)):
        page = await owner.post("/portal/people", **invited)
        assert page.path == "/portal/confirm/factor?next=%2Fportal%2Fpeople"
        wrong = await owner.post("/portal/confirm/factor", code="000000", next="/portal/people")
        assert wrong.status == 422
        code = totp.code_at(secret, totp.step_of(utc_now()))
        page = await owner.post("/portal/confirm/factor", code=code, next="/portal/people")
        assert page.path == "/portal/people"
        page = await owner.post("/portal/people", **invited)
        assert "The invitation is on its way." in page.text


async def test_a_second_factor_is_removed_after_being_asked(owner: Visitor) -> None:
    _, codes = await _enrol(owner)
    page = await owner.post("/portal/account/second-factor/codes")
    (renewed,) = re.findall(r'<pre id="recovery-codes">([^<]+)</pre>', page.html)
    assert not set(renewed.split()) & set(codes)
    assert "count no more" in (await owner.get("/portal/account/second-factor/remove")).text
    page = await owner.post("/portal/account/second-factor/remove")
    assert "Done." in page.text
    assert "Set up a second factor" in page.text


async def test_no_page_sends_a_visitor_to_strangers_after_a_code(owner: Visitor) -> None:
    _, codes = await _enrol(owner)
    page = await owner.post("/portal/confirm/factor", code=codes[0], next="https://evil.example/")
    assert page.path == "/portal"


async def test_an_owner_resets_a_colleagues_lost_factor(owner: Visitor, post: Post) -> None:
    page = await owner.post("/portal/people", name="Vikram", email="vikram@punjab.gov.in", roles=["OWNER"])
    (path,) = re.findall(
        r'href="(/portal/people/per_[^"/]+/reset-factor)" aria-label="[^"]*Vikram', page.html
    )
    await post.deliver()
    colleague = Visitor(owner.http)
    await enter(colleague, post, "vikram@punjab.gov.in")
    await _enrol(colleague)
    assert "signed out everywhere" in (await owner.get(path)).text
    assert "Done." in (await owner.post(path)).text
    assert "Register an agency" in (await colleague.get("/portal")).text
    again = await owner.post(path)
    assert again.status == 422
    assert "NOT_FOUND" in again.text
