"""The registry's rules on texts: names, addresses, phone numbers, codes and the unique ids of systems."""

from __future__ import annotations

import re
import unicodedata
from zoneinfo import available_timezones

from hub.codes import Code
from hub.domain.registry.callers import Environment
from hub.errors import Problem

TENANT_CODE = re.compile(r"[a-z][a-z0-9.-]{1,63}")
TENANT_SLUG = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")
CURRENCY = re.compile(r"[A-Z]{3}")
PHONE = re.compile(r"\+[0-9]{8,15}")
EMAIL_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
EMAIL_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
EMAIL_LENGTH_MAX = 254
EMAIL_LOCAL_LENGTH_MAX = 64
SYSTEM_SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
SYSTEM_SLUG_LENGTH_MIN = 3
SYSTEM_SLUG_LENGTH_MAX = 32
SUFFIX_LENGTH_MAX = 6
DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

FREE_MAIL_DOMAINS = frozenset(
    {
        "126.com",
        "163.com",
        "aol.com",
        "fastmail.com",
        "gmail.com",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hey.com",
        "hotmail.com",
        "hushmail.com",
        "icloud.com",
        "in.com",
        "inbox.com",
        "indiatimes.com",
        "live.com",
        "live.in",
        "mac.com",
        "mail.com",
        "mail.ru",
        "mailinator.com",
        "me.com",
        "msn.com",
        "outlook.com",
        "outlook.in",
        "pm.me",
        "proton.me",
        "protonmail.ch",
        "protonmail.com",
        "qq.com",
        "rediff.com",
        "rediffmail.com",
        "sify.com",
        "tuta.io",
        "tutanota.com",
        "usa.net",
        "web.de",
        "yandex.com",
        "yandex.ru",
        "ymail.com",
        "yopmail.com",
        "zoho.com",
        "zohomail.com",
        "zohomail.in",
    }
)
# Free-mail names that exist under many countries' domains.
FREE_MAIL_NAMES = frozenset({"gmail", "hotmail", "live", "outlook", "rediffmail", "yahoo", "ymail"})
FREE_MAIL_SUFFIX = re.compile(r"(com?|org|net)?\.?[a-z]{2,3}")


def tidy(text: str) -> str:
    """The text trimmed and in Unicode normalization form C."""
    return unicodedata.normalize("NFC", text.strip())


def is_storable(text: str) -> bool:
    """Whether a line of text holds no control characters, surrogates or unassigned code points."""
    return not any(unicodedata.category(character) in {"Cc", "Cs", "Cn", "Zl", "Zp"} for character in text)


def name_key(name: str) -> str:
    """What makes two names the same: letter case, width and spacing do not count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def check_text(code: Code, text: str, least: int, most: int, *path: str) -> list[Problem]:
    """The problem of a tidied line of text outside its bounds, if any."""
    if least <= len(text) <= most and is_storable(text):
        return []
    return [Problem(code, code.summary, path)]


def tidy_email(address: str) -> str:
    """The address trimmed, its domain in lower case; the local part stays as written."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local}{at}{domain.lower()}"


def is_email(address: str) -> bool:
    """Whether a tidied address has the form of one (RFC 5321 dot-string at an ASCII host name)."""
    local, at, domain = address.rpartition("@")
    return bool(
        at
        and len(address) <= EMAIL_LENGTH_MAX
        and len(local) <= EMAIL_LOCAL_LENGTH_MAX
        and EMAIL_LOCAL.fullmatch(local)
        and EMAIL_DOMAIN.fullmatch(domain)
    )


def is_free_mail(domain: str) -> bool:
    """Whether anybody can get an address at this domain."""
    if domain in FREE_MAIL_DOMAINS:
        return True
    name, _, suffix = domain.partition(".")
    return name in FREE_MAIL_NAMES and FREE_MAIL_SUFFIX.fullmatch(suffix) is not None


def check_official_email(address: str, allowed_domains: tuple[str, ...], *path: str) -> list[Problem]:
    """The problem of an address that is malformed, at a free-mail domain, or outside the allow-list."""
    if not is_email(address):
        return [Problem(Code.CONTACT_EMAIL, Code.CONTACT_EMAIL.summary, path)]
    domain = address.rpartition("@")[2]
    outside = bool(allowed_domains) and not any(
        domain == allowed or domain.endswith(f".{allowed}") for allowed in allowed_domains
    )
    if is_free_mail(domain) or outside:
        return [Problem(Code.EMAIL_DOMAIN_NOT_OFFICIAL, Code.EMAIL_DOMAIN_NOT_OFFICIAL.summary, path)]
    return []


def check_phone(phone: str, *path: str) -> list[Problem]:
    """The problem of a phone number that is not E.164, if any."""
    return [] if PHONE.fullmatch(phone) else [Problem(Code.CONTACT_PHONE, Code.CONTACT_PHONE.summary, path)]


def is_day_of_year(text: str) -> bool:
    """Whether ``MM-DD`` names a day that every year has."""
    if not re.fullmatch(r"[0-9]{2}-[0-9]{2}", text):
        return False
    month, day = int(text[:2]), int(text[3:])
    return 1 <= month <= len(DAYS_OF_MONTH) and 1 <= day <= DAYS_OF_MONTH[month - 1]


def is_time_zone(name: str) -> bool:
    """Whether the IANA database knows this zone."""
    return name in available_timezones()


def slug_of(name: str) -> str:
    """The local part of a system's unique id: lower-case ASCII letters, digits and hyphens, 3 to 32 long.

    A name that leaves too little (another script, a digit in front) is put behind ``sys``.
    """
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    if len(slug) < SYSTEM_SLUG_LENGTH_MIN or not slug[0].isalpha():
        slug = f"sys-{slug}".rstrip("-")
    return slug[:SYSTEM_SLUG_LENGTH_MAX].rstrip("-")


def numbered_slug(slug: str, number: int) -> str:
    """The slug of the ``number``-th system of this name: the first has none, then ``-2``, ``-3``."""
    if number == 1:
        return slug
    suffix = f"-{number}"
    return slug[: SYSTEM_SLUG_LENGTH_MAX - len(suffix)].rstrip("-") + suffix


def authority(tenant_slug: str, environment: Environment, domain: str) -> str:
    """What stands behind the ``@`` of a system's unique id."""
    label = "test." if environment is Environment.TEST else ""
    return f"{label}{tenant_slug}.{domain}"
