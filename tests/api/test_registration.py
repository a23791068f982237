"""Agencies register and people sign in by one-time codes (spec 18.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text

from hub.settings import Settings
from tests.api.registry_hub import EMAIL, REGISTER, Hub, agency_input, running
from tests.client import Client
from tests.factories.registry import ASK, ENTER, sign_in

pytestmark = pytest.mark.anyio

START = datetime(2026, 10, 13, 10, 0, tzinfo=UTC)
ME = "{ me { kind email person { name roles } agency { id state contact { phone } } operatorOf { code } } }"


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    async with running(settings) as hub:
        yield hub


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


async def register(browser: Client, **changes: Any) -> dict[str, Any]:
    """The payload of a registration."""
    answer = await browser.run(REGISTER, input=agency_input(**changes))
    payload: dict[str, Any] = answer["registerAgency"]
    return payload


async def enter(browser: Client, code: str, email: str = EMAIL) -> list[str]:
    """The codes with which a one-time code is refused; none when it is taken."""
    answer = await browser.run(ENTER, email=email, code=code)
    return [error["code"] for error in answer["signIn"]["errors"]]


def wrong(code: str) -> str:
    """Another code than this one."""
    return f"{(int(code) + 1) % 10**8:08d}"


async def test_r01_a_complete_registration_sends_one_code_to_its_address(hub: Hub) -> None:
    payload = await register(hub.browser())
    assert payload["errors"] == []
    assert payload["agency"]["state"] == "CODE_SENT"
    mails = await hub.post.deliver()
    assert [mail.to for mail in mails] == [EMAIL]


@pytest.mark.parametrize(
    ("field", "code", "path"),
    [
        pytest.param("name", "AGENCY_NAME", ["input", "name"], id="R-02-name"),
        pytest.param("contact_name", "CONTACT_NAME", ["input", "contact", "name"], id="R-02-contact"),
        pytest.param("phone", "CONTACT_PHONE", ["input", "contact", "phone"], id="R-02-phone"),
        pytest.param("email", "CONTACT_EMAIL", ["input", "contact", "email"], id="R-02-email"),
    ],
)
async def test_r02_each_missing_field_has_its_own_code(
    hub: Hub, field: str, code: str, path: list[str]
) -> None:
    payload = await register(hub.browser(), **{field: None})
    assert payload["errors"] == [{"code": code, "path": path}]
    assert await hub.post.deliver() == []
    assert [await hub.count(table) for table in ("agency", "person", "one_time_code")] == [0, 0, 0]


async def test_every_problem_is_told_at_once(hub: Hub) -> None:
    answer = await hub.browser().run(REGISTER, input={})
    codes = {error["code"] for error in answer["registerAgency"]["errors"]}
    assert codes == {"AGENCY_NAME", "CONTACT_NAME", "CONTACT_PHONE", "CONTACT_EMAIL", "TENANT_ID"}


@pytest.mark.parametrize("domain", ["gmail.com", "GMAIL.com", "yahoo.co.in", "rediffmail.com", "outlook.com"])
async def test_r03_free_mail_is_not_official(hub: Hub, domain: str) -> None:
    payload = await register(hub.browser(), email=f"asha@{domain}")
    assert [error["code"] for error in payload["errors"]] == ["EMAIL_DOMAIN_NOT_OFFICIAL"]
    assert await hub.count("agency") == 0


async def test_r04_the_right_code_confirms_the_address_and_opens_the_test_environment(hub: Hub) -> None:
    browser = hub.browser()
    agency = (await register(browser))["agency"]["id"]
    assert await enter(browser, await hub.post.code()) == []
    me = (await browser.run(ME))["me"]
    assert (me["email"], me["person"]["roles"]) == (EMAIL, ["OWNER"])
    assert me["agency"] == {"id": agency, "state": "EMAIL_VERIFIED", "contact": {"phone": "+911722740000"}}
    system = await browser.run(
        'mutation ($a: ID!) { registerSystem(input: {agencyId: $a, name: "mGramSeva", roles: [PROVIDER], '
        "environment: TEST}) { system { uniqueId } secret errors { code } } }",
        a=agency,
    )
    assert system["registerSystem"]["system"]["uniqueId"] == "mgramseva@test.punjab.ifix.org"
    assert system["registerSystem"]["secret"].startswith("fhub_test_")


async def test_r05_a_late_code_is_expired_and_the_agency_a_draft_again(hub: Hub, clock: Any) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    clock.shift(timedelta(minutes=10, seconds=1))
    assert await enter(browser, code) == ["OTP_EXPIRED"]
    assert await hub.scalar("SELECT state FROM agency") == "DRAFT"


async def test_a_code_is_good_for_ten_minutes(hub: Hub, clock: Any) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    clock.shift(timedelta(minutes=10))
    assert await enter(browser, code) == []


async def test_a_draft_gets_a_new_code_and_is_confirmed_by_it(hub: Hub, clock: Any) -> None:
    browser = hub.browser()
    agency = (await register(browser))["agency"]["id"]
    await hub.post.deliver()
    clock.shift(timedelta(minutes=11))
    again = "mutation ($id: ID!) { requestAgencyCode(input: {id: $id}) { accepted errors { code } } }"
    assert (await browser.run(again, id=agency))["requestAgencyCode"] == {"accepted": True, "errors": []}
    assert await enter(browser, await hub.post.code()) == []
    assert await hub.scalar("SELECT state FROM agency") == "EMAIL_VERIFIED"


async def test_r06_five_wrong_codes_use_the_right_one_up(hub: Hub) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    for _ in range(5):
        assert await enter(browser, wrong(code)) == ["OTP_INVALID"]
    assert await enter(browser, code) == ["OTP_LOCKED"]
    assert await hub.count("session") == 0
    assert await hub.scalar("SELECT state FROM agency") == "CODE_SENT"


async def test_the_fifth_try_still_counts(hub: Hub) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    for _ in range(4):
        assert await enter(browser, wrong(code)) == ["OTP_INVALID"]
    assert await enter(browser, code) == []


async def test_twenty_tries_at_once_are_five_tries(hub: Hub) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    answers = await asyncio.gather(*(enter(browser, wrong(code)) for _ in range(20)))
    assert sorted(answer[0] for answer in answers) == ["OTP_INVALID"] * 5 + ["OTP_LOCKED"] * 15


async def test_the_right_code_at_once_from_ten_requests_opens_one_session(hub: Hub) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    answers = await asyncio.gather(*(enter(browser, code) for _ in range(10)))
    assert sorted(answers) == [[]] + [["OTP_INVALID"]] * 9
    assert await hub.count("session") == 1


async def test_r07_a_used_code_is_invalid(hub: Hub) -> None:
    browser = hub.browser()
    await register(browser)
    code = await hub.post.code()
    assert await enter(browser, code) == []
    assert await enter(browser, code) == ["OTP_INVALID"]
    assert await hub.count("session") == 1


async def test_r08_a_code_belongs_to_the_browser_that_asked(hub: Hub) -> None:
    asker, thief = hub.browser(), hub.browser()
    await register(asker)
    code = await hub.post.code()
    assert await enter(thief, code) == ["OTP_SESSION"]
    assert await hub.count("session") == 0
    assert await enter(asker, code) == []


async def test_r09_one_code_a_minute_and_six_a_day(hub: Hub, clock: Any) -> None:
    _, _ = await hub.owner()
    browser = hub.browser()
    assert await browser.codes(ASK, email=EMAIL) == ["OTP_RATE_LIMIT"]
    clock.shift(timedelta(seconds=59))
    response = await browser.send(ASK, email=EMAIL)
    assert response.status_code == 429
    clock.shift(timedelta(seconds=1))
    for _ in range(5):
        assert await browser.codes(ASK, email=EMAIL.upper()) == []
        clock.shift(timedelta(minutes=5))
    assert await browser.codes(ASK, email=EMAIL) == ["OTP_RATE_LIMIT"]
    assert await hub.count("one_time_code") == 6
    clock.shift(timedelta(days=1))
    assert await browser.codes(ASK, email=EMAIL) == []


async def test_ten_requests_at_once_send_one_code(hub: Hub) -> None:
    await hub.owner("first@finance.punjab.gov.in", name="One")
    answers = await asyncio.gather(*(hub.browser().codes(ASK, email=EMAIL) for _ in range(10)))
    assert sorted(answers) == [[]] + [["OTP_RATE_LIMIT"]] * 9


async def test_r10_an_unknown_address_gets_the_same_answers_and_no_mail(hub: Hub) -> None:
    await hub.owner("known@finance.punjab.gov.in")
    known, unknown = hub.browser(), hub.browser()
    async with hub.database.transaction() as tx:
        await tx.execute(text("DELETE FROM code_allowance"))
    answers = [
        await known.send(ASK, email="known@finance.punjab.gov.in"),
        await unknown.send(ASK, email="nobody@finance.punjab.gov.in"),
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[0].status_code == answers[1].status_code
    # The same work leaves the same rows: nothing to measure but the noise of the machine.
    assert await hub.scalar("SELECT count(*) FROM job WHERE name = 'registry.send_code'") == 3
    assert await hub.count("one_time_code") == 3
    assert await hub.count("code_allowance") == 2
    assert [mail.to for mail in await hub.post.deliver()] == ["known@finance.punjab.gov.in"]
    for _ in range(5):
        assert await enter(known, "00000000", "known@finance.punjab.gov.in") == ["OTP_INVALID"]
        assert await enter(unknown, "00000000", "nobody@finance.punjab.gov.in") == ["OTP_INVALID"]
    assert await enter(known, "00000000", "known@finance.punjab.gov.in") == ["OTP_LOCKED"]
    assert await enter(unknown, "00000000", "nobody@finance.punjab.gov.in") == ["OTP_LOCKED"]


@pytest.mark.parametrize("typed", ["asha@FINANCE.Punjab.GOV.in", "Asha@finance.punjab.gov.in"])
async def test_r11_letter_case_does_not_matter_at_sign_in(hub: Hub, typed: str, clock: Any) -> None:
    await hub.owner()
    clock.shift(timedelta(minutes=2))
    browser = await sign_in(hub.client, hub.post, typed)
    assert (await browser.run(ME))["me"]["email"] == EMAIL
    assert {mail.to for mail in hub.post.mails} == {EMAIL}


async def test_r12_an_agencys_name_is_taken_in_any_letter_case(hub: Hub) -> None:
    await register(hub.browser())
    again = await register(hub.browser(), name="department  OF finance", email="other@punjab.gov.in")
    assert again["errors"] == [{"code": "AGENCY_DUPLICATE", "path": ["input", "name"]}]
    assert await hub.count("agency") == 1


async def test_an_unconfirmed_draft_reserves_no_name(hub: Hub, clock: Any) -> None:
    await register(hub.browser(), email="squatter@punjab.gov.in")
    clock.shift(timedelta(minutes=10, seconds=1))
    assert (await register(hub.browser()))["errors"] == []


async def test_r13_the_database_holds_no_code_in_clear(hub: Hub) -> None:
    await register(hub.browser())
    code = await hub.post.code()
    stored = await hub.scalar("SELECT code_hash FROM one_time_code")
    assert len(stored) == 32
    for table in ("one_time_code", "job", "registry_event", "person", "agency"):
        rows = await hub.scalar(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert code not in (rows or "")
        assert code.encode().hex() not in (rows or "")
    assert "+911722740000" not in await hub.scalar("SELECT string_agg(a::text, ' ') FROM agency a")


async def test_r14_an_unverified_agency_adds_no_system(hub: Hub) -> None:
    browser = await sign_in_to_draft(hub)
    agency = (await browser.run(ME))["me"]["agency"]["id"]
    answer = await browser.run(
        'mutation ($a: ID!) { registerSystem(input: {agencyId: $a, name: "X1", roles: [CONSUMER], '
        "environment: TEST}) { system { id } errors { code } } }",
        a=agency,
    )
    assert answer["registerSystem"] == {"system": None, "errors": [{"code": "AGENCY_NOT_ACTIVE"}]}
    assert await hub.count("system") == 0


async def sign_in_to_draft(hub: Hub) -> Client:
    """An owner whose agency is put back to a draft behind the owner's back."""
    browser, agency = await hub.owner()
    async with hub.database.transaction() as tx:
        await tx.execute(
            text("UPDATE agency SET state = 'DRAFT' WHERE id = :id"),
            {"id": agency.id},
        )
    return browser


async def test_a_registered_agency_waits_for_approval_before_it_goes_live(hub: Hub) -> None:
    browser = hub.browser()
    agency = (await register(browser))["agency"]["id"]
    await enter(browser, await hub.post.code())
    live = (
        'mutation ($a: ID!, $r: [SystemRole!]!) { registerSystem(input: {agencyId: $a, name: "Live", roles: $r}) '
        "{ system { uniqueId } errors { code } } }"
    )
    approve = "mutation ($id: ID!) { approveAgency(input: {id: $id}) { agency { state approvals } errors { code } } }"
    refused = {"system": None, "errors": [{"code": "AGENCY_NOT_ACTIVE"}]}
    assert (await browser.run(live, a=agency, r=["CONSUMER"]))["registerSystem"] == refused
    first = await hub.add_operator("op1@punjab.gov.in")
    once = (await first.run(approve, id=agency))["approveAgency"]
    assert once == {"agency": {"state": "ACTIVE", "approvals": 1}, "errors": []}
    assert (await first.run(approve, id=agency))["approveAgency"] == once
    consumer = (await browser.run(live, a=agency, r=["CONSUMER"]))["registerSystem"]
    assert consumer["system"] == {"uniqueId": "live@punjab.ifix.org"}
    assert (await browser.run(live, a=agency, r=["PROVIDER"]))["registerSystem"] == refused
    second = await hub.add_operator("op2@punjab.gov.in")
    await second.run(approve, id=agency)
    provider = (await browser.run(live, a=agency, r=["PROVIDER"]))["registerSystem"]
    assert provider["system"] == {"uniqueId": "live-2@punjab.ifix.org"}


async def test_a_session_ends_by_signing_out(hub: Hub) -> None:
    browser, _ = await hub.owner()
    cookies = dict(browser.cookies)
    await browser.run("mutation { signOut { signedOut } }")
    browser.cookies = cookies
    assert await browser.codes(ME) == ["UNAUTHENTICATED"]


async def test_a_session_ends_after_twelve_idle_hours(hub: Hub, clock: Any) -> None:
    browser, _ = await hub.owner()
    clock.shift(timedelta(hours=11, minutes=59))
    assert (await browser.run(ME))["me"]["email"] == EMAIL
    clock.shift(timedelta(hours=12, minutes=1))
    assert await browser.codes(ME) == ["UNAUTHENTICATED"]


async def test_the_session_cookie_is_for_the_hub_alone(hub: Hub) -> None:
    await hub.owner()
    browser = hub.browser()
    async with hub.database.transaction() as tx:
        await tx.execute(text("DELETE FROM code_allowance"))
    asked = await browser.send(ASK, email=EMAIL)
    entered = await browser.send(ENTER, email=EMAIL, code=await hub.post.code())
    for response, name in ((asked, "hub_browser"), (entered, "hub_session")):
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    token = browser.cookies["hub_session"]
    assert len(token) == 43
    assert token not in str(await hub.scalar("SELECT string_agg(s::text, ' ') FROM session s"))


async def test_an_agency_is_never_left_without_an_owner(hub: Hub) -> None:
    browser, _ = await hub.owner()
    me = await browser.run("{ people { edges { node { id roles } } } }")
    person = me["people"]["edges"][0]["node"]["id"]
    roles = "mutation ($p: ID!, $r: [PersonRole!]!) { changePersonRoles(input: {personId: $p, roles: $r}) { errors { code } } }"
    remove = "mutation ($p: ID!) { removePerson(input: {personId: $p}) { removed errors { code } } }"
    assert (await browser.run(roles, p=person, r=["READER"]))["changePersonRoles"]["errors"] == [
        {"code": "PERSON_ROLE"}
    ]
    assert (await browser.run(remove, p=person))["removePerson"]["errors"] == [{"code": "PERSON_ROLE"}]
    assert await hub.scalar("SELECT roles FROM membership") == ["OWNER"]


INVITE = """
mutation ($email: String!, $roles: [PersonRole!]!) {
  invitePerson(input: {email: $email, name: "Ravi Kumar", roles: $roles}) { person { id roles } errors { code } }
}
"""


async def test_an_invited_person_signs_in_and_may_do_what_the_roles_say(hub: Hub) -> None:
    owner, agency = await hub.owner()
    invited = (await owner.run(INVITE, email="ravi@punjab.gov.in", roles=["READER"]))["invitePerson"]
    assert invited["errors"] == []
    assert [mail.to for mail in await hub.post.deliver()] == ["ravi@punjab.gov.in"]
    reader = await sign_in(hub.client, hub.post, "ravi@punjab.gov.in")
    answer = await reader.run(
        'mutation ($a: ID!) { registerSystem(input: {agencyId: $a, name: "Nope", roles: [CONSUMER]}) { errors { code } } }',
        a=f"agy_{agency.id}",
    )
    assert answer["registerSystem"]["errors"] == [{"code": "ROLE_NOT_ALLOWED"}]
    assert (await reader.run(INVITE, email="x@punjab.gov.in", roles=["OWNER"]))["invitePerson"]["errors"] == [
        {"code": "ROLE_NOT_ALLOWED"}
    ]
    gone = "mutation ($p: ID!) { removePerson(input: {personId: $p}) { removed } }"
    assert (await owner.run(gone, p=invited["person"]["id"]))["removePerson"]["removed"] is True
    assert await reader.codes(ME) == ["UNAUTHENTICATED"]


async def test_two_owners_who_remove_each_other_leave_one(hub: Hub) -> None:
    first, _ = await hub.owner()
    await first.run(INVITE, email="ravi@punjab.gov.in", roles=["OWNER"])
    await hub.post.deliver()
    second = await sign_in(hub.client, hub.post, "ravi@punjab.gov.in")
    people = (await first.run("{ people { edges { node { id email } } } }"))["people"]["edges"]
    ids = {edge["node"]["email"]: edge["node"]["id"] for edge in people}
    gone = "mutation ($p: ID!) { removePerson(input: {personId: $p}) { removed errors { code } } }"
    await asyncio.gather(first.send(gone, p=ids["ravi@punjab.gov.in"]), second.send(gone, p=ids[EMAIL]))
    assert await hub.scalar("SELECT count(*) FROM membership WHERE status = 'ACTIVE'") == 1


async def test_weighty_steps_ask_for_a_fresh_code(hub: Hub, clock: Any) -> None:
    browser, _ = await hub.owner()
    clock.shift(timedelta(minutes=15, seconds=1))
    answer = await browser.run(INVITE, email="ravi@punjab.gov.in", roles=["OWNER"])
    assert answer["invitePerson"]["errors"] == [{"code": "STEP_UP_REQUIRED"}]
    assert await hub.count("membership") == 1
