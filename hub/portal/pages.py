"""Templates: the Jinja environment, with everything escaped, and what templates may call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hub.portal import charts, words
from hub.portal.languages import NAMES, Writing, gettext, ngettext

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
ASSETS_PATH = "/portal/assets"


class Pages:
    """Renders the portal's templates."""

    def __init__(self) -> None:
        self.environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
        self.environment.policies["ext.i18n.trimmed"] = True
        writing = Writing()
        self.environment.filters.update(
            money=writing.money,
            short_money=writing.short_money,
            number=writing.number,
            day=writing.day,
            moment=writing.moment,
            year=writing.year,
            word=words.word,
            tone=words.tone,
            query=query,
            zip=zip,
        )
        self.environment.globals.update(
            asset=asset, languages=NAMES, charts=charts, explain=words.explain, notices=words.NOTICES
        )

    def render(self, template: str, **values: Any) -> str:
        """The page as text."""
        return self.environment.get_template(template).render(**values)


@cache
def asset(name: str) -> str:
    """The address of a file in ``static/``: it changes with the file, so browsers keep it for ever."""
    version = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{ASSETS_PATH}/{name}?v={version}"


def query(values: Mapping[str, Any], **changed: Any) -> str:
    """A query string of these values with some changed (None: left out), for links."""
    merged = {**values, **changed}
    return urlencode(
        {name: value for name, value in merged.items() if value not in (None, "", [])}, doseq=True
    )
