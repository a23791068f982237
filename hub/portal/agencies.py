"""An operator's agencies: who asks to be let in, who is in, who is stopped."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hub.portal.languages import marked
from hub.portal.steps import Step, confirmed
from hub.portal.visits import Elsewhere, Visit

PATH = "/portal/agencies"
STATES = ["EMAIL_VERIFIED", "ACTIVE", "SUSPENDED", "CODE_SENT", "CLOSED"]
STEPS = {
    "approve": Step(
        "ApproveAgency",
        marked("Let the agency in"),
        marked(
            "Its people can register systems. Systems that post live data need the word of a second operator."
        ),
    ),
    "suspend": Step(
        "SuspendAgency",
        marked("Suspend the agency"),
        marked("All its systems are refused until it is resumed."),
        is_dangerous=True,
    ),
    "resume": Step("ResumeAgency", marked("Resume the agency"), marked("Its systems are accepted again.")),
    "close": Step(
        "CloseAgency",
        marked("Close the agency for ever"),
        marked("Its systems and keys never work again. What they posted stays."),
        is_dangerous=True,
    ),
}


async def show(visit: Visit) -> Response:
    """Agencies in one state; those waiting to be let in first."""
    visit.must_be_known()
    wanted = visit.asked("state")
    state = wanted if wanted in STATES else STATES[0]
    data = await visit.data("Agencies", state=state, after=visit.asked("after"))
    return visit.page("agencies.html", agencies=data["agencies"], states=STATES, state=state)


async def step(visit: Visit) -> Response:
    """One of the steps an operator takes about an agency."""
    visit.must_be_known()
    chosen = STEPS.get(visit.path("step"))
    agency = await _find(visit)
    if chosen is None or agency is None:
        raise Elsewhere(f"{PATH}?done=absent")
    back = f"{PATH}?state={agency['state']}"
    outcome = await confirmed(visit, chosen, {"id": agency["id"]}, back=back, subject=agency["name"])
    return outcome if isinstance(outcome, Response) else visit.go(f"{back}&done=changed")


async def _find(visit: Visit) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (await visit.data("Agency", id=visit.path("id")))["node"]
    return found or None


PAGES = [
    ("/agencies", show, ["GET"]),
    ("/agencies/{id}/{step}", step, ["GET", "POST"]),
]
