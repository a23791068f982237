"""The explorer, a posting's page and the figures, as officials see them without scripts."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from hub.client.evidence import Trust, check
from hub.jobs.transparency import sequence_all
from hub.means import Means
from hub.portal import downloads, events, figures
from hub.signing import NoteKey
from tests.client import Client
from tests.factories import postings
from tests.factories.reference import make_reference
from tests.factories.registry import Post, TestSystem, make_agency, make_system
from tests.portal.browsing import Page, Visitor
from tests.portal.conftest import enter

pytestmark = pytest.mark.anyio

OWNER = "asha@punjab.gov.in"
PAGE_BYTES_MAX = 60 * 1024


@pytest.fixture
async def system(visitor: Visitor, post: Post, means: Means) -> TestSystem:
    """The agency's system, whose owner is signed in."""
    agency = await make_agency(post.database, means, name="Water Board", email=OWNER)
    made = await make_system(post.database, means, name="mGramSeva", agency=agency)
    await make_reference(post.database, made.tenant_id)
    await enter(visitor, post, OWNER)
    return made


async def _post(visitor: Visitor, system: TestSystem, **over: Any) -> dict[str, Any]:
    return await postings.post_ok(Client(visitor.http, system.api_key), system, postings.content(**over))


def _small(page: Page) -> Page:
    assert page.status == 200, page.text
    assert len(page.html.encode()) < PAGE_BYTES_MAX
    assert "<script>" not in page.html
    assert "style=" not in page.html
    return page


async def test_events_are_found_shared_by_address_and_saved(visitor: Visitor, system: TestSystem) -> None:
    event = await _post(visitor, system, lines=[postings.line(amount="1234567.00")])
    other = await _post(
        visitor, system, attachments=[{"kind": "KEY_VALUE", "key": "grant", "value": "jails"}]
    )
    page = _small(await visitor.get("/portal/events"))
    assert "₹12,34,567.00" in page.html
    assert page.html.index(other["referenceId"]) < page.html.index(event["referenceId"])
    for query, found in {
        f"referenceIds={event['referenceId']}": {event["referenceId"]},
        "amountMin=1000000": {event["referenceId"]},
        "attachment=grant%3Djails": {other["referenceId"]},
        "subTypes=PLAN": set(),
        f"senders={system.unique_id}&order=OLDEST_FIRST": {event["referenceId"], other["referenceId"]},
        "eventFrom=2000-01-01&eventTo=2000-12-31": set(),
    }.items():
        page = _small(await visitor.get(f"/portal/events?{query}"))
        listed = set(re.findall(r'href="/portal/events/evt_[^"]+">([^<]+)<', page.html))
        assert listed == found, query
        saved = await visitor.get(f"/portal/events.csv?{query}")
        rows = list(csv.DictReader(io.StringIO(saved.html.lstrip("\ufeff"))))
        assert {row["referenceId"] for row in rows} == found
        assert saved.headers["content-disposition"] == 'attachment; filename="events.csv"'


@pytest.mark.parametrize(
    "query",
    ["amountMin=much", "subTypes=FEAST", "eventFrom=yesterday", "fiscalYears=soon", "ids=evt_nothing"],
)
async def test_a_search_the_api_refuses_says_so_and_keeps_what_was_typed(
    visitor: Visitor, system: TestSystem, query: str
) -> None:
    await _post(visitor, system)
    page = await visitor.get(f"/portal/events?{query}")
    assert page.status == 422
    assert 'role="alert"' in page.html
    name, _, value = query.partition("=")
    assert value in page.html or name == "subTypes"


async def test_formulas_are_not_run_by_spreadsheets(visitor: Visitor, system: TestSystem) -> None:
    await _post(visitor, system, referenceId="=HYPERLINK(1)")
    saved = await visitor.get("/portal/events.csv")
    (row,) = csv.DictReader(io.StringIO(saved.html.lstrip("\ufeff")))
    assert row["referenceId"] == "'=HYPERLINK(1)"


async def test_what_strangers_wrote_stays_text(visitor: Visitor, system: TestSystem) -> None:
    event = await _post(
        visitor, system, attachments=[{"kind": "KEY_VALUE", "key": "x", "value": "<img src=x onerror=1>"}]
    )
    page = _small(await visitor.get(f"/portal/events/{event['id']}"))
    assert "<img src=x" not in page.html
    assert "&lt;img src=x" in page.html


async def test_a_posting_shows_its_proof_and_gives_the_evidence(
    visitor: Visitor, system: TestSystem, post: Post, means: Means
) -> None:
    event = await _post(visitor, system)
    page = _small(await visitor.get(f"/portal/events/{event['id']}"))
    assert "gets its number in the log within a second" in page.text
    await sequence_all(post.database, means)
    page = _small(await visitor.get(f"/portal/events/{event['id']}"))
    assert "Checked just now: the proof holds." in page.text
    saved = await visitor.get(f"/portal/events/{event['id']}/evidence")
    trust = Trust(means.signing_key.public, NoteKey(means.log_origin, means.log_key.public))
    assert all(step.holds for step in check(saved.html, trust))
    assert json.loads(saved.html)["posting"]["id"] == event["id"]


async def test_the_chain_of_custody_is_drawn_with_a_table_behind(
    visitor: Visitor, system: TestSystem
) -> None:
    bill = await _post(visitor, system)
    payment = await _post(
        visitor, system, **postings.PAYMENT, links=[{"relation": "SETTLES", "id": bill["id"]}]
    )
    page = _small(await visitor.get(f"/portal/events/{bill['id']}"))
    picture = page.html.partition('<svg class="chart"')[2].partition("</svg>")[0]
    assert picture.count("<rect") == 2
    assert picture.count("<path") == 1
    assert payment["referenceId"] in picture
    assert page.html.partition("The same as a table")[2].count(payment["referenceId"]) == 1


async def test_a_document_is_saved_and_never_shown(visitor: Visitor, system: TestSystem) -> None:
    client = Client(visitor.http, system.api_key)
    digest = await postings.upload(client, system, b"%PDF-1.4 sanction")
    event = await _post(
        visitor,
        system,
        attachments=[
            {
                "kind": "DOCUMENT",
                "sha256": digest,
                "name": "Sanction <1>.pdf",
                "role": "SANCTION",
                "mediaType": "application/pdf",
                "sizeBytes": 17,
            }
        ],
    )
    saved = await visitor.get(f"/portal/events/{event['id']}/documents/{digest}")
    assert saved.html == "%PDF-1.4 sanction"
    assert saved.headers["content-disposition"] == 'attachment; filename="Sanction__1_.pdf"'
    assert saved.headers["content-type"].startswith("application/octet-stream")
    assert saved.headers["x-content-type-options"] == "nosniff"


async def test_figures_lead_into_their_events(visitor: Visitor, system: TestSystem) -> None:
    for amount in ("100.00", "250.50"):
        await _post(visitor, system, lines=[postings.line(amount=amount)])
    for by in (
        *("SUB_TYPE", "MAJOR_TYPE", "TYPE", "QUALIFIER", "FISCAL_YEAR", "MONTH", "COA_TIER", "DEPARTMENT"),
        *("ADMINISTRATIVE_LEVEL", "LOCATION_LEVEL", "PROGRAM", "PROJECT", "SENDER"),
    ):
        page = _small(await visitor.get(f"/portal/figures?by={by}"))
        assert "₹350.50" in page.html, by
        assert '<svg class="chart"' in page.html
        for href in re.findall(r'href="(/portal/events\?[^"]+)">[\d,]+<', page.html):
            events = await visitor.get(href.replace("&amp;", "&"))
            assert events.html.count("/portal/events/evt_") == 2, (by, href)
        for href in re.findall(r'href="(/portal/figures\?[^"]*level=2[^"]*)"', page.html):
            assert "₹350.50" in (await visitor.get(href.replace("&amp;", "&"))).html, (by, href)
    saved = await visitor.get("/portal/figures.csv?by=SUB_TYPE")
    (row,) = csv.DictReader(io.StringIO(saved.html.lstrip("\ufeff")))
    assert (row["net"], row["events"]) == ("350.50", "2")


async def test_budget_and_actual_by_head(visitor: Visitor, system: TestSystem) -> None:
    spent = {"type": "EXPENDITURE", "majorType": "REVENUE_EXPENDITURE"}
    for sub, qualifier, amount in (
        ("ESTIMATE", "VOTED", "1000.00"),
        ("ESTIMATE", "PROPOSED", "9999.00"),
        ("DEBIT", None, "250.00"),
    ):
        over = {"qualifier": qualifier} if qualifier else {}
        await _post(visitor, system, **spent, subType=sub, lines=[postings.line(amount=amount)], **over)
    page = _small(await visitor.get("/portal/budget"))
    assert "₹1,000.00" in page.html
    assert "₹750.00" in page.html
    assert "25.0 %" in page.text
    assert "9,999" not in page.html


async def test_budgets_have_every_head_however_many_pages_they_take(
    visitor: Visitor, system: TestSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "ROWS", 1)
    spent = {"type": "EXPENDITURE", "majorType": "REVENUE_EXPENDITURE"}
    for head, amount in ((postings.CAPITAL_HEAD, "1000.00"), (postings.RECEIPT_HEAD, "70.00")):
        for sub, over in (("ESTIMATE", {"qualifier": "VOTED"}), ("DEBIT", {})):
            lines = [postings.line(amount=amount, coaCode=head)]
            await _post(visitor, system, **spent, subType=sub, lines=lines, **over)
    page = _small(await visitor.get("/portal/budget"))
    assert page.text.count("100.0 %") == 2
    assert "₹1,000.00" in page.html
    assert "₹70.00" in page.html
    monkeypatch.setattr(figures, "HEAD_PAGES_MAX", 1)
    assert "There are more than 1 heads" in (await visitor.get("/portal/budget")).text


@pytest.mark.parametrize("text", ["=1+1", " =1+1", "\t@x", "\r\n-1+1", "+1", "\tplain"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert downloads.harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-12.50", "1", "plain", "", " a=b"])
def test_a_cell_that_is_harmless_stays(text: str) -> None:
    assert downloads.harmless(text) == text


async def test_more_events_than_a_table_takes_are_named_so(
    visitor: Visitor, system: TestSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("CSV_PAGE", 1), ("CSV_ROWS_MAX", 2)):
        monkeypatch.setattr(events, name, size)
    for count, file in ((2, "events.csv"), (1, "events-first-2.csv")):
        for _ in range(count):
            await _post(visitor, system)
        saved = await visitor.get("/portal/events.csv")
        assert saved.headers["content-disposition"] == f'attachment; filename="{file}"'
        assert len(saved.html.splitlines()) == 3


async def test_the_log_page_shows_what_to_note(
    visitor: Visitor, system: TestSystem, post: Post, means: Means
) -> None:
    await sequence_all(post.database, means)
    page = _small(await visitor.get("/portal/log"))
    assert means.log_origin in page.text
    assert means.signing_key.public.base64 in page.html


async def test_others_see_nothing_of_it(
    visitor: Visitor, system: TestSystem, post: Post, means: Means
) -> None:
    event = await _post(visitor, system)
    await visitor.post("/portal/sign-out")
    await make_agency(post.database, means, name="Other", email="other@punjab.gov.in")
    await enter(visitor, post, "other@punjab.gov.in")
    assert event["referenceId"] not in (await visitor.get("/portal/events")).html
    assert (await visitor.get(f"/portal/events/{event['id']}")).path == "/portal/events?done=absent"
    assert "350" not in (await visitor.get("/portal/figures")).text
