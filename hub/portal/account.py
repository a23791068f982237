"""One's own account: where one is signed in, and ending that."""

from __future__ import annotations

from starlette.responses import Response

from hub.portal.visits import HOME, Visit

PATH = "/portal/account"


async def show(visit: Visit) -> Response:
    """Every browser that is signed in as this person."""
    visit.must_be_known()
    data = await visit.data("Account")
    return visit.page("account.html", account=data["me"])


async def end(visit: Visit) -> Response:
    """End one session; whoever ends this one is signed out."""
    visit.must_be_known()
    sessions = (await visit.data("Account"))["me"]["sessions"]
    outcome = await visit.ask("EndSession", input={"id": visit.path("id")})
    visit.must_be_answered(outcome)
    if any(each["isCurrent"] and each["id"] == visit.path("id") for each in sessions):
        return visit.go(f"{HOME}?done=signed-out")
    return visit.go(f"{PATH}?done={'absent' if outcome.problems else 'changed'}")


async def end_others(visit: Visit) -> Response:
    """End all sessions but this one."""
    visit.must_be_known()
    visit.must_be_answered(await visit.ask("EndOtherSessions"))
    return visit.go(f"{PATH}?done=changed")


PAGES = [
    ("/account", show, ["GET"]),
    ("/account/sessions/end-others", end_others, ["POST"]),
    ("/account/sessions/{id}/end", end, ["POST"]),
]
