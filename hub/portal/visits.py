"""One request to a page: who asks, in which language, with which form; and the answers a page can give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.calls import Call
from hub.portal.asking import Outcome, Problem, operations, outcome_of
from hub.portal.languages import NAMES, marked, preferred, speak
from hub.resolvers.registration import BROWSER_COOKIE, SESSION_COOKIE

if TYPE_CHECKING:
    from hub.portal.portal import Portal

LANGUAGE_COOKIE = "hub_language"
LANGUAGE_AGE = timedelta(days=365)
HOME = "/portal"
SIGN_IN = "/portal/sign-in"
UNKNOWN = 401
REFUSED = 422
# The main navigation: address, name, and for whom (members of an agency, operators, both).
PLACES = (
    (HOME, marked("Overview"), "both"),
    ("/portal/events", marked("Events"), "both"),
    ("/portal/figures", marked("Figures"), "both"),
    ("/portal/budget", marked("Budget and actual"), "both"),
    ("/portal/systems", marked("Systems and keys"), "both"),
    ("/portal/people", marked("People"), "member"),
    ("/portal/agencies", marked("Agencies"), "operator"),
    ("/portal/log", marked("Log"), "both"),
    ("/portal/account", marked("Your account"), "both"),
)
# Where to go for what a weighty step asks for first.
STEPS_UP = {
    "STEP_UP_REQUIRED": "/portal/confirm",
    "SECOND_FACTOR_REQUIRED": "/portal/confirm/factor",
    "SECOND_FACTOR_MISSING": "/portal/account/second-factor",
}


class Elsewhere(Exception):
    """The page asked for is not the one to show: go there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Unanswered(Exception):
    """What a page is made of could not be had; the visitor is told so."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome.problems[:1]))
        self.outcome = outcome


@dataclass
class Form:
    """What a form sent; every value is text, and absent is empty."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field's first value without space around it."""
        found = self.values.get(name, ())
        return found[0].strip() if found else ""

    def texts(self, name: str) -> list[str]:
        """All values of a field, as of several boxes."""
        return [value.strip() for value in self.values.get(name, ()) if value.strip()]

    def optional(self, name: str) -> str | None:
        """The value, or None for an empty field."""
        return self.text(name) or None


@dataclass
class Visit:
    """A request, as pages see it."""

    portal: Portal
    request: Request
    trace_id: str
    language: str
    session: str | None = field(repr=False)
    browser: str = field(repr=False)
    form: Form = field(default_factory=Form)
    me: dict[str, Any] | None = None
    cookies: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, portal: Portal, request: Request) -> Visit:
        """The visit of a request; the language is the cookie's, else the browser's."""
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        language = chosen if chosen in NAMES else preferred(request.headers.get("accept-language"))
        speak(language)
        cookies = portal.own_cookies(request)
        return cls(
            portal=portal,
            request=request,
            trace_id=request.scope["state"]["trace_id"],
            language=language,
            session=cookies.get(SESSION_COOKIE) or None,
            browser=cookies.get(BROWSER_COOKIE, ""),
        )

    async def ask(self, operation: str, /, **variables: Any) -> Outcome:
        """Run a named operation as this visitor. Cookies the API sets go back with the page."""
        client = self.request.client
        call = Call(
            document=operations()[operation],
            variables=variables,
            operation_name=operation,
            trace_id=self.trace_id,
            session=self.session,
            browser_session=self.browser,
            address=client.host if client else "",
            agent=self.request.headers.get("user-agent", ""),
        )
        outcome = outcome_of(await self.portal.api.answer(call))
        self.cookies += outcome.cookies
        return outcome

    async def data(self, operation: str, /, **variables: Any) -> dict[str, Any]:
        """The data of a query a page is made of; who is not signed in any more is sent to sign in."""
        outcome = await self.ask(operation, **variables)
        self.must_be_answered(outcome)
        if outcome.problems and not any(outcome.data.values()):
            raise Unanswered(outcome)
        return outcome.data

    def must_be_answered(self, outcome: Outcome) -> None:
        """Send to sign in whoever is not signed in any more."""
        if outcome.status == UNKNOWN:
            raise Elsewhere(self.sign_in_url())

    async def know(self) -> None:
        """Look up who is signed in, for the page's head; nobody is fine. A dead session counts as none."""
        if self.session is None:
            return
        outcome = await self.ask("Me")
        if outcome.status == UNKNOWN:
            self.session = None
        elif outcome.problems:
            raise Unanswered(outcome)
        else:
            self.me = outcome.data["me"] if outcome.data["me"]["kind"] == "PERSON" else None

    @property
    def here(self) -> str:
        """The address of the page, to come back to; the start for what was posted."""
        url = self.request.url
        if self.request.method != "GET":
            return HOME
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def places(self) -> list[tuple[str, str]]:
        """The pages of the main navigation that are for this visitor, with their names."""
        if self.me is None:
            return []
        kinds = {
            "both",
            *(["member"] if self.me["agency"] else []),
            *(["operator"] if self.me["operatorOf"] else []),
        }
        return [(path, name) for path, name, whom in PLACES if whom in kinds]

    def is_at(self, path: str) -> bool:
        """Whether this page belongs to a place of the navigation."""
        here = self.request.url.path
        return here == path or (path != HOME and here.startswith(f"{path}/"))

    def must_be_known(self) -> dict[str, Any]:
        """Who is signed in; others are sent to sign in and come back here."""
        if self.me is None:
            raise Elsewhere(self.sign_in_url())
        return self.me

    def sign_in_url(self) -> str:
        """Where to sign in, and come back to this page afterwards."""
        back = self.here if self.here != HOME else ""
        return f"{SIGN_IN}?{urlencode({'next': back})}" if back else SIGN_IN

    def asked(self, name: str) -> str | None:
        """A parameter of the address, or None."""
        return self.request.query_params.get(name) or None

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def hub_url(self) -> str:
        """The hub's address as outsiders call it."""
        return self.portal.public_url or str(self.request.base_url).rstrip("/")

    def step_up_if_asked(self, outcome: Outcome, back: str) -> None:
        """When the API asks for a fresh code: to the page that takes one, and back to the form afterwards."""
        for code, page in STEPS_UP.items():
            if outcome.has(code):
                raise Elsewhere(f"{page}?{urlencode({'next': back})}")

    def page(
        self, template: str, *, status: int | None = None, problems: Sequence[Problem] = (), **values: Any
    ) -> Response:
        """A rendered page; with problems its status is 422 unless another one is given."""
        values.setdefault("notice", self.asked("done"))
        text = self.portal.pages.render(template, visit=self, problems=list(problems), **values)
        return self.finish(HTMLResponse(text, status or (REFUSED if problems else 200)))

    def go(self, url: str) -> Response:
        """After a form was taken: see there."""
        return self.finish(RedirectResponse(url, status_code=303))

    def finish(self, response: Response) -> Response:
        """The response with the cookies gathered on the way."""
        for cookie in self.cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode()))
        return response


def is_own_path(url: str) -> bool:
    """Whether this is a page of the portal and nothing a stranger could send visitors to."""
    return (url == HOME or url.startswith((f"{HOME}/", f"{HOME}?"))) and "\\" not in url and url.isprintable()
