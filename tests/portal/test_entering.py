"""Registering, signing in and out, languages and the portal's edge, as a browser without scripts does it."""

from __future__ import annotations

import pytest

from hub.means import Means
from tests.factories.registry import Post, make_agency, make_tenant
from tests.portal.browsing import Visitor
from tests.portal.conftest import enter

pytestmark = pytest.mark.anyio


async def test_the_root_leads_to_the_portal(visitor: Visitor) -> None:
    page = await visitor.get("/")
    assert (page.status, page.path) == (200, "/portal")
    assert "Register an agency" in page.text


async def test_an_official_signs_in_and_out(visitor: Visitor, post: Post, means: Means) -> None:
    await make_agency(post.database, means, name="Water Board", email="asha@punjab.gov.in")
    await enter(visitor, post, "asha@punjab.gov.in")
    page = await visitor.get("/portal")
    assert "Water Board" in page.text
    page = await visitor.post("/portal/sign-out")
    assert "You are signed out." in page.text
    assert "Water Board" not in page.text
    assert "hub_session" not in visitor.cookies


async def test_a_wrong_code_is_named_at_its_field_and_opens_nothing(
    visitor: Visitor, post: Post, means: Means
) -> None:
    await make_agency(post.database, means, email="asha@punjab.gov.in")
    await visitor.post("/portal/sign-in", email="asha@punjab.gov.in")
    page = await visitor.post("/portal/sign-in/code", email="asha@punjab.gov.in", code="00000000")
    assert page.status == 422
    assert 'id="code-problem"' in page.html
    assert "hub_session" not in visitor.cookies


async def test_an_address_nobody_has_gets_the_same_page(visitor: Visitor, post: Post, means: Means) -> None:
    await make_agency(post.database, means, email="asha@punjab.gov.in")
    known = await visitor.post("/portal/sign-in", email="asha@punjab.gov.in")
    unknown = await visitor.post("/portal/sign-in", email="nobody@punjab.gov.in")
    assert known.status == unknown.status == 200
    assert known.html.replace("asha@", "nobody@") == unknown.html
    assert len(await post.deliver()) == 1


async def test_an_agency_registers_and_confirms_its_address(visitor: Visitor, post: Post) -> None:
    await make_tenant(post.database)
    page = await visitor.post(
        "/portal/register",
        government="pb",
        name="Mandi Board",
        contactName="Asha Rani",
        phone="+911722740000",
        email="asha@punjab.gov.in",
    )
    assert "Enter the code" in page.text
    page = await visitor.post(
        "/portal/sign-in/code", email="asha@punjab.gov.in", code=await post.code(), agency="agy"
    )
    assert "The agency is registered." in page.text
    assert "The agency is not active yet" in page.text


async def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(
    visitor: Visitor, post: Post
) -> None:
    await make_tenant(post.database)
    page = await visitor.post(
        "/portal/register", government="pb", name="<b>Board</b>", contactName="A", phone="12", email="nowhere"
    )
    assert page.status == 422
    assert 'id="phone-problem"' in page.html
    assert 'id="email-problem"' in page.html
    assert "&lt;b&gt;Board&lt;/b&gt;" in page.html
    assert "<b>Board" not in page.html
    assert await post.deliver() == []


async def test_a_session_that_ended_counts_as_none(visitor: Visitor) -> None:
    visitor.cookies["hub_session"] = "nonsense"
    page = await visitor.get("/portal")
    assert "Register an agency" in page.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
async def test_a_form_from_elsewhere_is_refused(
    visitor: Visitor, post: Post, means: Means, origin: str | None
) -> None:
    await make_agency(post.database, means, email="asha@punjab.gov.in")
    page = await visitor.post_from(origin, "/portal/sign-in", email="asha@punjab.gov.in")
    assert page.status == 403
    assert await post.deliver() == []


async def test_the_language_is_one_click_and_remembered(visitor: Visitor) -> None:
    assert 'lang="en"' in (await visitor.get("/portal")).html
    page = await visitor.post("/portal/language", language="hi", back="/portal/sign-in?next=")
    assert page.path == "/portal/sign-in?next="
    assert '<html lang="hi">' in page.html
    assert '<html lang="hi">' in (await visitor.get("/portal")).html


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/portal\\evil", "/portalevil", ""]
)
async def test_a_stranger_cannot_send_a_visitor_away(visitor: Visitor, back: str) -> None:
    page = await visitor.post("/portal/language", language="hi", back=back)
    assert (page.status, page.path) == (200, "/portal")


async def test_the_browsers_language_is_taken_first(visitor: Visitor) -> None:
    visitor.headers["accept-language"] = "fr, or-IN;q=0.8, en;q=0.5"
    assert '<html lang="or">' in (await visitor.get("/portal")).html


async def test_pages_are_small_and_allow_no_foreign_content(visitor: Visitor) -> None:
    for path in ("/portal", "/portal/sign-in", "/portal/register", "/portal/nowhere"):
        page = await visitor.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert len(page.html.encode()) < 60_000
    assert page.status == 404
