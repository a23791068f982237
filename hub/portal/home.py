"""The first page, the language switch, and the page that is not there."""

from __future__ import annotations

from starlette.responses import Response

from hub.portal.languages import NAMES
from hub.portal.visits import HOME, LANGUAGE_AGE, LANGUAGE_COOKIE, Visit, is_own_path

# How many postings the first page shows.
NEWEST = 6


async def show(visit: Visit) -> Response:
    """Where everybody begins: what one may do and what came in last, or how to get in."""
    if visit.me is None:
        return visit.page("welcome.html")
    overview = await visit.ask("Overview", first=NEWEST)
    found = overview.data.get("fiscalEvents") or {"edges": []}
    return visit.page(
        "home.html",
        newest=[edge["node"] for edge in found["edges"]],
        head=overview.data.get("logCheckpoint"),
    )


async def switch_language(visit: Visit) -> Response:
    """One click, remembered for a year, and back to where one was."""
    chosen = visit.form.text("language")
    back = visit.form.text("back")
    if chosen in NAMES:
        secure = "" if visit.portal.development else "; Secure"
        age = int(LANGUAGE_AGE.total_seconds())
        visit.cookies.append(
            f"{LANGUAGE_COOKIE}={chosen}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
        )
    return visit.go(back if is_own_path(back) else HOME)


async def absent(visit: Visit) -> Response:
    """No such page."""
    return visit.page("absent.html", status=404)


PAGES = [
    ("", show, ["GET"]),
    ("/language", switch_language, ["POST"]),
]
