"""The explorer: searching events, one posting with its proof and its chain of custody, and taking them away."""

from __future__ import annotations

import base64
from typing import Any

from starlette.responses import Response

from hub.client.evidence import Step, Trust, check
from hub.portal import charts, downloads, filters
from hub.portal.languages import Writing, gettext, marked
from hub.portal.visits import Elsewhere, Unanswered, Visit
from hub.portal.words import word
from hub.signing import NoteKey, public_key

PATH = "/portal/events"
PAGE = 50
CSV_PAGE = 100
CSV_ROWS_MAX = 5_000
ORDERS = ["NEWEST_FIRST", "OLDEST_FIRST"]
NOT_IN_LOG = "NOT_IN_LOG"
COLUMNS = (
    *("id", "referenceId", "from", "eventTime", "postedAt", "majorType", "subType", "qualifier"),
    *("fiscalYear", "currency", "totalAmount", "netAmount", "reversalState", "approvalState"),
)
STEPS = {
    "file": marked("The file is an evidence file"),
    "checkpoint": marked("The log's key signed the head of its tree"),
    "leaves": marked("Every fact is in the tree under that head"),
    "receipt": marked("The hub signed that it took this content in"),
    "posting": marked("The posting in the log is the one of the receipt"),
    "keys": marked("The log says whose the signing keys are"),
    "signatures": marked("Every signature holds, by a key that was valid when it came"),
    "whole": marked("The hub signed the file as a whole: nothing was left out"),
}


async def show(visit: Visit) -> Response:
    """The events a search finds, a page at a time; the address is the search."""
    visit.must_be_known()
    search = filters.Search.of(visit.request.query_params)
    order = _order(visit)
    outcome = await visit.ask(
        "Events", filter=search.filter, first=PAGE, after=visit.asked("after"), order=order
    )
    visit.must_be_answered(outcome)
    events = None if outcome.problems else outcome.data["fiscalEvents"]
    return visit.page(
        "events.html",
        problems=outcome.problems,
        events=events,
        search=search,
        order=order,
        filters=filters,
        csv_rows_max=CSV_ROWS_MAX,
    )


async def table(visit: Visit) -> Response:
    """What the search finds, as CSV: up to 5,000 rows; the file's name says so where there are more."""
    visit.must_be_known()
    search, rows = filters.Search.of(visit.request.query_params), list[list[Any]]()
    after: str | None = visit.asked("after")
    name = "events.csv"
    while True:
        page = (
            await visit.data("Events", filter=search.filter, first=CSV_PAGE, after=after, order=_order(visit))
        )["fiscalEvents"]
        rows += [[*(edge["node"][name] for name in COLUMNS), _heads(edge["node"])] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        if len(rows) >= CSV_ROWS_MAX:
            name = f"events-first-{CSV_ROWS_MAX}.csv"
            break
    return downloads.table([*COLUMNS, "coaCodes"], rows, name)


def _order(visit: Visit) -> str:
    asked = visit.asked("order")
    return asked if asked in ORDERS else ORDERS[0]


def _heads(event: dict[str, Any]) -> str:
    return " ".join(sorted({line["coaCode"] for line in event["lineItems"] if line["coaCode"]}))


async def one(visit: Visit) -> Response:
    """A posting: what it says, who signed it, its proof checked on the spot, its chain of custody."""
    visit.must_be_known()
    posting = await _find(visit)
    evidence = await visit.ask("Evidence", id=posting["id"])
    visit.must_be_answered(evidence)
    waits = evidence.has(NOT_IN_LOG)
    if evidence.problems and not waits:
        raise Unanswered(evidence)
    steps = [] if waits else _checked(evidence.data)
    custody = (await visit.data("Custody", id=posting["id"]))["lineage"]
    nodes = [node["posting"] for node in custody["nodes"]]
    return visit.page(
        "event.html",
        posting=posting,
        waits=waits,
        steps=steps,
        names=STEPS,
        holds=bool(steps) and all(step.holds for step in steps),
        custody=custody,
        by_id={node["id"]: node for node in nodes},
        picture=_picture(posting, custody),
    )


async def _find(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] | None = (await visit.data("Event", id=visit.path("id")))["node"]
    if not found:
        raise Elsewhere(f"{PATH}?done=absent")
    return found


def _checked(data: dict[str, Any]) -> list[Step]:
    hub = data["hub"]
    trust = Trust(public_key(hub["signingPublicKey"]), NoteKey.parse(hub["logKey"]))
    return check(data["evidence"]["json"], trust)


def _picture(posting: dict[str, Any], custody: dict[str, Any]) -> Any:
    writing = Writing()
    boxes = [
        charts.Box(
            id=node["id"],
            head=" · ".join(word(part) for part in (node["subType"], node["qualifier"]) if part),
            text=node["referenceId"],
            foot=writing.short_money(node["totalAmount"], node["currency"]),
            url=f"{PATH}/{node['id']}",
            kind="here" if node["id"] == posting["id"] else _kind(node["reversalState"]),
        )
        for node in (each["posting"] for each in custody["nodes"])
    ]
    links = [(edge["parent"], edge["child"]) for edge in custody["edges"] if edge["parent"]]
    return charts.chain(boxes, links, title=gettext("Chain of custody"))


def _kind(state: str) -> str:
    return {"IS_REVERSAL": "negative", "REVERSED": "negative", "PARTIALLY_REVERSED": "second"}.get(state, "")


async def evidence(visit: Visit) -> Response:
    """The evidence file, to be kept and checked elsewhere."""
    visit.must_be_known()
    posting = await _find(visit)
    file = (await visit.data("Evidence", id=posting["id"]))["evidence"]
    return downloads.saved(file["json"].encode(), file["fileName"], "application/json")


async def document(visit: Visit) -> Response:
    """A document of a posting, to be saved; a browser never shows what strangers uploaded."""
    visit.must_be_known()
    posting, digest = await _find(visit), visit.path("sha256")
    name = next((each["name"] for each in posting["attachments"] if each["sha256"] == digest), None)
    data = (await visit.data("Document", posting=posting["id"], sha256=digest))["documentBytes"]
    if data is None:
        raise Elsewhere(f"{PATH}/{posting['id']}?done=absent")
    return downloads.saved(base64.b64decode(data), name or digest)


PAGES = [
    ("/events", show, ["GET"]),
    ("/events.csv", table, ["GET"]),
    ("/events/{id}", one, ["GET"]),
    ("/events/{id}/evidence", evidence, ["GET"]),
    ("/events/{id}/documents/{sha256}", document, ["GET"]),
]
