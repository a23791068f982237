"""Catalogues: no text of the portal is missing in them, none is left over, and every placeholder is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from hub.portal import languages

PORTAL = Path(languages.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
WORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
TRANSLATED = sorted(path.parent.parent.name for path in languages.TRANSLATIONS.glob("*/LC_MESSAGES/*.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def _wanted() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(str(PORTAL), METHODS, keywords=WORDS)
    return {message for _, _, message, _, _ in found}


def _read(language: str) -> Catalog:
    path = languages.TRANSLATIONS / language / "LC_MESSAGES" / f"{languages.DOMAIN}.po"
    with path.open("rb") as file:
        return read_po(file, locale=language)


def test_every_language_but_the_one_of_the_source_has_a_catalogue() -> None:
    assert {*TRANSLATED, languages.ENGLISH} == set(languages.NAMES)


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_missing_and_none_is_left_over(language: str) -> None:
    catalogue = {message.id: message for message in _read(language) if message.id}
    assert set(catalogue) == _wanted()
    for message in catalogue.values():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(forms), message.id
        assert not message.fuzzy, message.id
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for form in map(str, forms):
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(source)), message.id
