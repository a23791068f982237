"""Systems and their API keys: the list, a system's page, registering, replacing keys, stopping."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hub.portal.languages import marked
from hub.portal.steps import Step, confirmed
from hub.portal.visits import Elsewhere, Visit

PATH = "/portal/systems"
STEPS = {
    "regenerate": Step(
        "RegenerateApiKey",
        marked("Replace the API key"),
        marked(
            "The key in use stops working at once: whatever calls the hub with it is refused until it has the new one."
        ),
        is_dangerous=True,
    ),
    "prepare": Step(
        "PrepareApiKey",
        marked("Prepare a second API key"),
        marked("The key in use goes on working until the new one is activated."),
    ),
    "suspend": Step(
        "SuspendSystem",
        marked("Suspend the system"),
        marked(
            "Its keys are refused and its streams are cut off until it is resumed. Nothing it posted is lost."
        ),
        is_dangerous=True,
    ),
    "resume": Step("ResumeSystem", marked("Resume the system"), marked("Its keys are accepted again.")),
    "close": Step(
        "CloseSystem",
        marked("Close the system for ever"),
        marked("Its keys never work again and its name is never used again. What it posted stays."),
        is_dangerous=True,
    ),
}
KEY_STEPS = {
    "activate": Step(
        "ActivateApiKey",
        marked("Activate the prepared API key"),
        marked("From then on the prepared key is the one that works; the key in use so far stops working."),
        is_dangerous=True,
    ),
    "revoke": Step(
        "RevokeApiKey",
        marked("Revoke the API key"),
        marked("Whatever calls the hub with this key is refused at once."),
        is_dangerous=True,
    ),
}


async def show_all(visit: Visit) -> Response:
    """The agency's systems, or those of the operator's government."""
    visit.must_be_known()
    data = await visit.data("Systems", after=visit.asked("after"))
    return visit.page("systems.html", systems=data["systems"])


async def ask_new(visit: Visit) -> Response:
    """The form that registers a system."""
    visit.must_be_known()
    return visit.page("system_new.html")


async def register(visit: Visit) -> Response:
    """Register the system and show its API key, this once."""
    me, form = visit.must_be_known(), visit.form
    given = {
        "agencyId": (me["agency"] or {"id": ""})["id"],
        "name": form.text("name"),
        "roles": form.texts("roles"),
        "environment": form.text("environment"),
        "uniqueId": form.optional("uniqueId"),
        "idempotencyKey": form.optional("once"),
    }
    outcome = await visit.ask("RegisterSystem", input=given)
    visit.step_up_if_asked(outcome, f"{PATH}/new")
    if outcome.problems:
        return visit.page("system_new.html", problems=outcome.problems)
    made = outcome.data["registerSystem"]
    return await _shown(visit, made["system"]["id"], secret=made["secret"])


async def show(visit: Visit) -> Response:
    """A system with its keys."""
    visit.must_be_known()
    return await _shown(visit, visit.path("id"))


async def step(visit: Visit) -> Response:
    """Ask before, and take, one of the steps a system can take."""
    visit.must_be_known()
    system = await find(visit)
    back = f"{PATH}/{system['id']}"
    chosen = STEPS.get(visit.path("step"))
    if chosen is None:
        raise Elsewhere(back)
    is_key = visit.path("step") in {"regenerate", "prepare"}
    given = {"systemId": system["id"]} if is_key else {"id": system["id"]}
    outcome = await confirmed(visit, chosen, given, back=back, subject=system["uniqueId"])
    if isinstance(outcome, Response):
        return outcome
    if is_key:
        (payload,) = outcome.data.values()
        return await _shown(visit, system["id"], secret=payload["secret"])
    return visit.go(f"{back}?done=changed")


async def key_step(visit: Visit) -> Response:
    """The same for one API key."""
    visit.must_be_known()
    system = await find(visit)
    back = f"{PATH}/{system['id']}"
    chosen = KEY_STEPS.get(visit.path("step"))
    if chosen is None:
        raise Elsewhere(back)
    outcome = await confirmed(visit, chosen, {"id": visit.path("key")}, back=back, subject=system["uniqueId"])
    return outcome if isinstance(outcome, Response) else visit.go(f"{back}?done=changed")


async def find(visit: Visit) -> dict[str, Any]:
    """The system an address names; raises Elsewhere when there is none for this visitor."""
    found = (await visit.data("System", id=visit.path("id")))["node"]
    if not found:
        raise Elsewhere(f"{PATH}?done=absent")
    system: dict[str, Any] = found
    return system


async def _shown(visit: Visit, system_id: str, *, secret: str | None = None) -> Response:
    found = (await visit.data("System", id=system_id))["node"]
    if not found:
        raise Elsewhere(f"{PATH}?done=absent")
    keys = await visit.data("Keys", id=system_id, system=found["uniqueId"])
    return visit.page(
        "system.html",
        system=found,
        api_keys=[edge["node"] for edge in keys["apiKeys"]["edges"]],
        signing_keys=[edge["node"] for edge in keys["signingKeys"]["edges"]],
        secret=secret,
        hub_url=visit.hub_url(),
    )


PAGES = [
    ("/systems", show_all, ["GET"]),
    ("/systems/new", ask_new, ["GET"]),
    ("/systems/new", register, ["POST"]),
    ("/systems/{id}", show, ["GET"]),
    ("/systems/{id}/{step}", step, ["GET", "POST"]),
    ("/systems/{id}/keys/{key}/{step}", key_step, ["GET", "POST"]),
]
