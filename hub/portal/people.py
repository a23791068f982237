"""The agency's people: who they are, inviting, roles, ending a membership."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hub.portal.languages import marked
from hub.portal.steps import Step, confirmed
from hub.portal.visits import Elsewhere, Visit

PATH = "/portal/people"
ROLES = ["OWNER", "DEVELOPER", "APPROVER", "AUDITOR", "READER"]
REMOVE = Step(
    "RemovePerson",
    marked("End the membership"),
    marked("The person is signed out and can no longer act for the agency. What was done stays."),
    is_dangerous=True,
)

RESET = Step(
    "ResetSecondFactor",
    marked("Reset a lost second factor"),
    marked(
        "The person is signed out everywhere and can set up another one. Make sure that it is really lost."
    ),
    is_dangerous=True,
)


async def show(visit: Visit) -> Response:
    """Everybody who may act for the agency."""
    visit.must_be_known()
    data = await visit.data("People", after=visit.asked("after"))
    return visit.page("people.html", people=data["people"], roles=ROLES, changed=None)


async def invite(visit: Visit) -> Response:
    """A new member; a mail says how to sign in."""
    visit.must_be_known()
    form = visit.form
    given = {"email": form.text("email"), "name": form.text("name"), "roles": form.texts("roles")}
    outcome = await visit.ask("InvitePerson", input=given)
    visit.step_up_if_asked(outcome, PATH)
    if not outcome.problems:
        return visit.go(f"{PATH}?done=invited")
    data = await visit.data("People", after=None)
    return visit.page(
        "people.html", problems=outcome.problems, people=data["people"], roles=ROLES, changed=None
    )


async def change(visit: Visit) -> Response:
    """Other roles for a member."""
    visit.must_be_known()
    given = {"personId": visit.path("id"), "roles": visit.form.texts("roles")}
    outcome = await visit.ask("ChangePersonRoles", input=given)
    visit.step_up_if_asked(outcome, PATH)
    if not outcome.problems:
        return visit.go(f"{PATH}?done=changed")
    data = await visit.data("People", after=None)
    return visit.page(
        "people.html", problems=outcome.problems, people=data["people"], roles=ROLES, changed=visit.path("id")
    )


async def remove(visit: Visit) -> Response:
    """End a membership, after asking."""
    found = await _find(visit)
    outcome = await confirmed(visit, REMOVE, {"personId": found["id"]}, back=PATH, subject=found["name"])
    return outcome if isinstance(outcome, Response) else visit.go(f"{PATH}?done=changed")


async def reset_factor(visit: Visit) -> Response:
    """Take a colleague's lost second factor away, after asking."""
    found = await _find(visit)
    outcome = await confirmed(visit, RESET, {"email": found["email"]}, back=PATH, subject=found["name"])
    return outcome if isinstance(outcome, Response) else visit.go(f"{PATH}?done=changed")


async def _find(visit: Visit) -> dict[str, Any]:
    visit.must_be_known()
    people = (await visit.data("People", after=None))["people"]["edges"]
    found = next((edge["node"] for edge in people if edge["node"]["id"] == visit.path("id")), None)
    if found is None:
        raise Elsewhere(PATH)
    return dict(found)


PAGES = [
    ("/people", show, ["GET"]),
    ("/people", invite, ["POST"]),
    ("/people/{id}", change, ["POST"]),
    ("/people/{id}/remove", remove, ["GET", "POST"]),
    ("/people/{id}/reset-factor", reset_factor, ["GET", "POST"]),
]
