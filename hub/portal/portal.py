"""The portal's routes, and the edge every page passes: origin, language, session, safe headers, errors as pages."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hub import failures
from hub.api import Api
from hub.edge import BadRequest, Headers, check_origin, own_cookies
from hub.portal import account, agencies, entering, events, figures, home, people, signing_keys, systems
from hub.portal.asking import Outcome, Problem, operations
from hub.portal.pages import ASSETS_PATH, STATIC, Pages
from hub.portal.visits import HOME, Elsewhere, Form, Unanswered, Visit

log = structlog.get_logger(__name__)

FORM_BYTES_MAX = 256 * 1024
FIELDS_MAX = 400
SECURITY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # Browsers send where a form came from only under this policy; to other sites they tell nothing.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

Page = Callable[[Visit], Awaitable[Response]]


class Kept(StaticFiles):
    """Files whose addresses change with them: a browser asks for each once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, to be kept for ever."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class Portal:
    """The pages under ``/portal``, in front of the API of the same process."""

    def __init__(self, api: Api, *, public_url: str | None = None, development: bool = False) -> None:
        self.api = api
        self.pages = Pages()
        self.development = development
        self.public_url = public_url
        operations()

    def routes(self) -> list[BaseRoute]:
        """Every path of the portal."""
        found: list[BaseRoute] = [
            Route("/", self._to_portal),
            Mount(ASSETS_PATH, Kept(directory=STATIC)),
        ]
        for room in (home, entering, signing_keys, systems, people, agencies, events, figures, account):
            for path, page, methods in room.PAGES:
                found.append(Route(f"{HOME}{path}", partial(self._show, page), methods=methods))
        return [*found, Route(f"{HOME}/{{rest:path}}", partial(self._show, home.absent))]

    async def _to_portal(self, _: Request) -> Response:
        return RedirectResponse(HOME, status_code=307)

    def own_cookies(self, request: Request) -> dict[str, str]:
        """The hub's own cookies of a request."""
        return own_cookies(request.headers.getlist("cookie"))

    async def _show(self, page: Page, request: Request) -> Response:
        """One page: proven to come from the portal itself when it changes something."""
        begun = time.perf_counter()
        visit = Visit.of(self, request)
        try:
            if request.method not in {"GET", "HEAD"}:
                check_origin(Headers(request.scope["headers"]), visit.session or "?", self.public_url)
                visit.form = await _form(request)
            await visit.know()
            response = await page(visit)
        except Elsewhere as elsewhere:
            response = visit.go(elsewhere.url)
        except Unanswered as unanswered:
            response = _trouble(visit, unanswered.outcome)
        except BadRequest as bad:
            problem = Problem(bad.code.value, (), str(bad))
            response = _trouble(visit, Outcome({}, (problem,), bad.status))
        except Exception as fault:  # noqa: BLE001 - the pages' edge: a visitor reads a page, the log the rest
            failure = failures.of_fault(fault, visit.trace_id)
            problem = Problem(failure.code, (), failure.body["message"])
            response = _trouble(visit, Outcome({}, (problem,), failure.status or 500))
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)
        seconds = round(time.perf_counter() - begun, 4)
        log.info(
            "page",
            trace_id=visit.trace_id,
            path=request.scope["route"].path if "route" in request.scope else HOME,
            status=response.status_code,
            seconds=seconds,
        )
        return response


def _trouble(visit: Visit, outcome: Outcome) -> Response:
    status = outcome.status if outcome.status >= 400 else 404 if outcome.has("NOT_FOUND") else 400  # noqa: PLR2004
    response = visit.page("trouble.html", status=status, problems=outcome.problems, title=None)
    if outcome.retry_after_seconds is not None:
        response.headers["retry-after"] = str(outcome.retry_after_seconds)
    return response


async def _form(request: Request) -> Form:
    """The form of a request, of bounded size; a file's content is its text."""
    declared = request.headers.get("content-length", "")
    if not declared.isdigit() or int(declared) > FORM_BYTES_MAX:
        from hub.codes import Code  # noqa: PLC0415

        raise BadRequest(413, Code.BAD_REQUEST, f"a form holds at most {FORM_BYTES_MAX} bytes")
    found: dict[str, list[str]] = {}
    async with request.form(max_fields=FIELDS_MAX, max_files=4, max_part_size=FORM_BYTES_MAX) as sent:
        for name, value in sent.multi_items():
            text = (await value.read()).decode("utf-8", "replace") if isinstance(value, UploadFile) else value
            found.setdefault(name, []).append(text)
    return Form(found)
