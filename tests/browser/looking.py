"""How a page is looked at: accessible (axe), small, whole on a phone, without errors; and pictured when asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Response

# Where pictures go; without it pages are looked at and not pictured.
FOLDER = os.environ.get("SCREENSHOTS")
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PAGE_BYTES_MAX = 60 * 1024
# WCAG 2.1 A and AA, and what axe's authors call best practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
OVERFLOW = """() => {
  const wide = document.scrollingElement.scrollWidth - window.innerWidth;
  if (wide <= 0) return "";
  const outside = [...document.querySelectorAll("main *")].filter(it => it.getBoundingClientRect().right > window.innerWidth);
  return `${wide} px, from ${outside.slice(0, 3).map(it => it.outerHTML.slice(0, 90)).join(" | ")}`;
}"""


@dataclass
class Desk:
    """One official's browser window."""

    page: Page
    url: str
    axe: Axe = field(default_factory=Axe)
    troubles: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen for what a person does not see: script errors, refused content, failed requests."""
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("response", self._answered)

    def go(self, path: str) -> None:
        """Open a page by its address."""
        self.page.goto(f"{self.url}{path}")

    def fill(self, **fields: str) -> None:
        """Fill fields by their names."""
        for name, value in fields.items():
            place = self.page.locator(f"main [name={name}]")
            if place.evaluate("it => it.tagName") == "SELECT":
                place.select_option(value)
            else:
                place.fill(value)

    def press(self, name: str) -> None:
        """Press the button of this name in the page's content, and wait for what comes."""
        self.page.get_by_role("main").get_by_role("button", name=name, exact=True).first.click()
        self.page.wait_for_load_state()

    def follow(self, name: str) -> None:
        """Follow the link of this name."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.page.wait_for_load_state()

    @property
    def path(self) -> str:
        """Where the window is."""
        return self.page.url.removeprefix(self.url)

    @property
    def text(self) -> str:
        """The words of the page's content."""
        return self.page.get_by_role("main").inner_text()

    def look(self, name: str) -> None:
        """Check the page as it stands, in both widths, and keep pictures of it when they are wanted."""
        self.looked_at.append(name)
        self.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert self.page.evaluate(OVERFLOW) == "", f"{name} is wider than a phone"
        self._picture(f"{name}-phone")
        self.page.set_viewport_size(DESK)  # type: ignore[arg-type]
        self._picture(name)
        size = len(self.page.content().encode())
        assert size <= PAGE_BYTES_MAX, f"{name} is {size} bytes long"
        violations = self.axe.run(self.page, options=RULES).response["violations"]
        assert [_told(it) for it in violations] == [], name
        assert self.troubles == [], name

    def _picture(self, name: str) -> None:
        if FOLDER:
            Path(FOLDER).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(FOLDER) / f"{name}.png", full_page=True)

    def _heard(self, message: ConsoleMessage) -> None:
        # Pages that refuse a form answer 422, which the browser calls an error; it is told apart below.
        if message.type in ("error", "warning") and not re.search(r"status of 4\d\d", message.text):
            self.troubles.append(message.text)

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.status} {response.url}")


def _told(violation: dict[str, object]) -> str:
    nodes = violation["nodes"]
    assert isinstance(nodes, list)
    return f"{violation['id']} ({violation['help']}): {[node['html'][:120] for node in nodes[:3]]}"
