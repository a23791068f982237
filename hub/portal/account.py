"""One's own account: where one is signed in, and the second factor."""

from __future__ import annotations

import segno
from markupsafe import Markup
from starlette.responses import Response

from hub.portal.languages import marked
from hub.portal.steps import Step, confirmed
from hub.portal.visits import HOME, Visit, is_own_path

PATH = "/portal/account"
FACTOR = f"{PATH}/second-factor"
REMOVE = Step(
    "RemoveSecondFactor",
    marked("Remove the second factor"),
    marked(
        "The app's codes and the recovery codes count no more. Weighty steps ask for codes by mail again."
    ),
    is_dangerous=True,
)
RENEW = Step(
    "RenewRecoveryCodes",
    marked("Make new recovery codes"),
    marked("The recovery codes you have stop working at once; ten new ones are shown."),
)


async def show(visit: Visit) -> Response:
    """Every browser that is signed in as this person, and how the second factor stands."""
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


async def ask_factor(visit: Visit) -> Response:
    """What a second factor is, and the button that begins."""
    visit.must_be_known()
    data = await visit.data("Account")
    return visit.page("factor_begin.html", factor=data["me"]["secondFactor"], next=_next(visit))


async def begin_factor(visit: Visit) -> Response:
    """The secret as a picture and as text, this once, and the form that takes the app's first code."""
    visit.must_be_known()
    outcome = await visit.ask("BeginSecondFactor")
    visit.step_up_if_asked(outcome, FACTOR)
    if outcome.problems:
        data = await visit.data("Account")
        return visit.page(
            "factor_begin.html",
            problems=outcome.problems,
            factor=data["me"]["secondFactor"],
            next=_next(visit),
        )
    made = outcome.data["beginSecondFactor"]
    return visit.page(
        "factor_confirm.html", secret=made["secret"], picture=picture_of(made["uri"]), next=_next(visit)
    )


async def confirm_factor(visit: Visit) -> Response:
    """With the app's first code the factor counts; the recovery codes are shown, this once."""
    visit.must_be_known()
    outcome = await visit.ask("ConfirmSecondFactor", input={"code": visit.form.text("code")})
    visit.must_be_answered(outcome)
    if outcome.problems:
        return visit.page(
            "factor_confirm.html", problems=outcome.problems, secret=None, picture=None, next=_next(visit)
        )
    codes = outcome.data["confirmSecondFactor"]["recoveryCodes"]
    return visit.page("recovery_codes.html", codes=codes, next=_next(visit))


async def renew(visit: Visit) -> Response:
    """Ten new recovery codes, after asking."""
    me = visit.must_be_known()
    outcome = await confirmed(visit, RENEW, None, back=PATH, subject=me["email"])
    if isinstance(outcome, Response):
        return outcome
    codes = outcome.data["renewRecoveryCodes"]["recoveryCodes"]
    return visit.page("recovery_codes.html", codes=codes, next="")


async def remove(visit: Visit) -> Response:
    """Give the second factor up, after asking."""
    me = visit.must_be_known()
    outcome = await confirmed(visit, REMOVE, None, back=PATH, subject=me["email"])
    return outcome if isinstance(outcome, Response) else visit.go(f"{PATH}?done=changed")


def picture_of(uri: str) -> Markup:
    """The address as a QR code, drawn here: no script, no style of its own, nothing fetched."""
    made = segno.make(uri, error="m")
    drawn = made.svg_inline(scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - modules of a picture; the text in it is not written out


def _next(visit: Visit) -> str:
    wanted = visit.form.text("next") or visit.request.query_params.get("next", "")
    return wanted if is_own_path(wanted) else ""


PAGES = [
    ("/account", show, ["GET"]),
    ("/account/sessions/end-others", end_others, ["POST"]),
    ("/account/sessions/{id}/end", end, ["POST"]),
    ("/account/second-factor", ask_factor, ["GET"]),
    ("/account/second-factor", begin_factor, ["POST"]),
    ("/account/second-factor/confirm", confirm_factor, ["POST"]),
    ("/account/second-factor/codes", renew, ["GET", "POST"]),
    ("/account/second-factor/remove", remove, ["GET", "POST"]),
]
