"""Getting in and out: registering an agency, signing in by one-time code, signing out."""

from __future__ import annotations

from starlette.responses import Response

from hub.portal.visits import HOME, Visit, is_own_path


def _next(visit: Visit) -> str:
    wanted = visit.form.text("next") or visit.request.query_params.get("next", "")
    return wanted if is_own_path(wanted) else ""


async def ask_address(visit: Visit) -> Response:
    """The form that asks for an address."""
    return visit.page("sign_in.html", next=_next(visit))


async def send_code(visit: Visit) -> Response:
    """Mail a code; the page that follows is the same for everybody, known or not."""
    email = visit.form.text("email")
    outcome = await visit.ask("RequestSignInCode", input={"email": email})
    if outcome.problems:
        return visit.page("sign_in.html", problems=outcome.problems, next=_next(visit))
    return visit.page("code.html", email=email, next=_next(visit), agency=None)


async def enter_code(visit: Visit) -> Response:
    """Open the session, and go to the page that was wanted."""
    email, agency = visit.form.text("email"), visit.form.optional("agency")
    given = {"email": email, "code": visit.form.text("code"), "agencyId": visit.form.optional("agencyId")}
    outcome = await visit.ask("SignIn", input=given)
    if outcome.problems:
        return visit.page(
            "code.html", problems=outcome.problems, email=email, next=_next(visit), agency=agency
        )
    return visit.go(f"{HOME}?done=registered" if agency else _next(visit) or HOME)


async def leave(visit: Visit) -> Response:
    """End the session."""
    await visit.ask("SignOut")
    return visit.go(f"{HOME}?done=signed-out")


async def ask_to_confirm(visit: Visit) -> Response:
    """Weighty steps ask for a fresh code, whoever is signed in."""
    visit.must_be_known()
    return visit.page("confirm.html", next=_next(visit))


async def send_confirmation(visit: Visit) -> Response:
    """Mail the code to the address one is signed in with."""
    me = visit.must_be_known()
    outcome = await visit.ask("RequestSignInCode", input={"email": me["email"]})
    if outcome.problems:
        return visit.page("confirm.html", problems=outcome.problems, next=_next(visit))
    return visit.page("confirm_code.html", next=_next(visit))


async def confirm(visit: Visit) -> Response:
    """With the right code the session is a fresh one; then back to the form."""
    me = visit.must_be_known()
    agency = me["agency"]["id"] if me["agency"] else None
    given = {"email": me["email"], "code": visit.form.text("code"), "agencyId": agency}
    outcome = await visit.ask("SignIn", input=given)
    if outcome.problems:
        return visit.page("confirm_code.html", problems=outcome.problems, next=_next(visit))
    return visit.go(_next(visit) or HOME)


async def ask_factor(visit: Visit) -> Response:
    """Weighty steps of whoever has a second factor ask for a fresh code of it."""
    visit.must_be_known()
    return visit.page("confirm_factor.html", next=_next(visit))


async def confirm_factor(visit: Visit) -> Response:
    """With a right code of the app, or a recovery code, back to the form."""
    visit.must_be_known()
    outcome = await visit.ask("ProveSecondFactor", input={"code": visit.form.text("code")})
    visit.must_be_answered(outcome)
    if outcome.problems:
        return visit.page("confirm_factor.html", problems=outcome.problems, next=_next(visit))
    return visit.go(_next(visit) or HOME)


async def ask_agency(visit: Visit) -> Response:
    """The form that registers an agency."""
    return visit.page("register.html", governments=await _governments(visit))


async def register(visit: Visit) -> Response:
    """Put the agency forward; a code goes to its contact."""
    form = visit.form
    contact = {name: form.text(name) for name in ("name", "phone", "email")}
    contact["name"] = form.text("contactName")
    given = {"government": form.text("government"), "name": form.text("name"), "contact": contact}
    outcome = await visit.ask("RegisterAgency", input=given)
    if outcome.problems:
        return visit.page("register.html", problems=outcome.problems, governments=await _governments(visit))
    agency = outcome.data["registerAgency"]["agency"]
    return visit.page("code.html", email=contact["email"], next="", agency=agency["id"])


async def send_agency_code(visit: Visit) -> Response:
    """A new code for an agency whose address is not confirmed yet."""
    agency, email = visit.form.text("agency"), visit.form.text("email")
    outcome = await visit.ask("RequestAgencyCode", input={"id": agency})
    return visit.page("code.html", problems=outcome.problems, email=email, next="", agency=agency)


async def _governments(visit: Visit) -> list[dict[str, str]]:
    outcome = await visit.ask("Governments")
    return [edge["node"] for edge in (outcome.data.get("tenants") or {"edges": []})["edges"]]


PAGES = [
    ("/sign-in", ask_address, ["GET"]),
    ("/sign-in", send_code, ["POST"]),
    ("/sign-in/code", enter_code, ["POST"]),
    ("/sign-out", leave, ["POST"]),
    ("/confirm", ask_to_confirm, ["GET"]),
    ("/confirm", send_confirmation, ["POST"]),
    ("/confirm/code", confirm, ["POST"]),
    ("/confirm/factor", ask_factor, ["GET"]),
    ("/confirm/factor", confirm_factor, ["POST"]),
    ("/register", ask_agency, ["GET"]),
    ("/register", register, ["POST"]),
    ("/register/code", send_agency_code, ["POST"]),
]
