"""The portal's languages: catalogues, and how each writes money, numbers and days (Unicode CLDR by Babel)."""

from __future__ import annotations

import datetime as dt
import gettext as catalogues
import io
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, get_currency_symbol

TRANSLATIONS = Path(__file__).parent / "translations"
DOMAIN = "portal"
ENGLISH = "en"
# In the order of the switch; each under the name its speakers give it.
NAMES = {"en": "English", "hi": "हिन्दी", "or": "ଓଡ଼ିଆ"}
# India's grouping (12,34,567.00) in every language, as its finance departments write it.
LOCALES = {"en": "en_IN", "hi": "hi_IN", "or": "or_IN"}
ZONE = dt.timezone(dt.timedelta(hours=5, minutes=30), "IST")
YEAR_BEGINS_IN = 4
NOTHING = "\N{EN DASH}"
LAKH, CRORE = Decimal(10) ** 5, Decimal(10) ** 7

_language: ContextVar[str] = ContextVar("portal_language", default=ENGLISH)


@cache
def _catalogue(language: str) -> catalogues.NullTranslations:
    file = TRANSLATIONS / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if language == ENGLISH or not file.exists():
        return catalogues.NullTranslations()
    with file.open("rb") as source:
        read = read_po(source, locale=language, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return catalogues.GNUTranslations(compiled)


def speak(language: str) -> None:
    """From here on, this request's texts are in this language."""
    _language.set(language if language in NAMES else ENGLISH)


def spoken() -> str:
    """The language of this request."""
    return _language.get()


def gettext(message: str) -> str:
    """The message in this request's language."""
    return _catalogue(spoken()).gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """The message for this number of things in this request's language."""
    return _catalogue(spoken()).ngettext(singular, plural, number)


def marked(message: str) -> str:
    """A text that is translated where it is shown, not where it is written."""
    return message


def preferred(accept: str | None) -> str:
    """The best of the portal's languages for an Accept-Language header."""
    best, chosen = 0.0, ENGLISH
    for part in (accept or "")[:200].lower().split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            continue
        code = name.split("-")[0].strip()
        if code in NAMES and value > best:
            best, chosen = value, code
    return chosen


@dataclass(frozen=True, slots=True)
class Writing:
    """How this request's language writes values."""

    @property
    def locale(self) -> Locale:
        """The locale whose rules hold."""
        return Locale.parse(LOCALES[spoken()])

    def money(self, amount: str | Decimal, currency: str = "INR") -> str:
        """An exact amount with its currency, grouped in lakh and crore: ₹12,34,567.00."""
        value = Decimal(amount)
        return format_currency(value, currency, locale=self.locale, decimal_quantization=False)

    def short_money(self, amount: str | Decimal, currency: str = "INR") -> str:
        """An amount for pictures and tiles: crore from a crore on, lakh from a lakh on, else exact."""
        value = Decimal(amount)
        for unit, word in ((CRORE, gettext("crore")), (LAKH, gettext("lakh"))):
            if abs(value) >= unit:
                number = format_decimal(value / unit, "#,##,##0.##", locale=self.locale)
                return f"{get_currency_symbol(currency, self.locale)}{number} {word}"
        return self.money(value, currency)

    def number(self, value: float | str) -> str:
        """A whole number, grouped."""
        return format_decimal(Decimal(value), locale=self.locale)

    def day(self, value: str | dt.date | None) -> str:
        """A day: 5 Apr 2026."""
        if not value:
            return NOTHING
        day = dt.date.fromisoformat(value[:10]) if isinstance(value, str) else value
        return format_date(day, "d MMM y", locale=self.locale)

    def moment(self, value: str | dt.datetime | None) -> str:
        """An instant in Indian time: 5 Apr 2026, 14:03:22 IST."""
        if not value:
            return NOTHING
        instant = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return format_datetime(instant.astimezone(ZONE), "d MMM y, HH:mm:ss", locale=self.locale) + " IST"

    def year(self, begins: int | str) -> str:
        """A financial year by the year it begins in: 2026-27."""
        return f"{int(begins)}-{(int(begins) + 1) % 100:02}"


def financial_year(day: dt.date) -> int:
    """The year in which the Indian financial year of this day began (1 April)."""
    return day.year if day.month >= YEAR_BEGINS_IN else day.year - 1
