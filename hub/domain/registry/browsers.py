"""The browser somebody signs in with: what names it, and how little of where it is and what it is the hub keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# So much of an address tells its owner one place from another, and no more (a provider's or an office's network).
IPV4_BITS = 24
IPV6_BITS = 48
AGENT_CHARS_READ = 512
# The first that is found counts: most browsers also claim to be those they descend from.
BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Chrome|Chromium|CriOS|HeadlessChrome)/")),
    ("Safari", re.compile(r"\bSafari/")),
)
SYSTEMS = (
    ("Android", re.compile(r"\bAndroid\b")),
    ("iOS", re.compile(r"\b(?:iPhone|iPad|iPod)\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\b(?:Mac OS X|Macintosh)\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)
PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser as a request shows it; ``token`` names the one that asked for a code."""

    token: str
    address: str = ""
    agent: str = ""

    def __repr__(self) -> str:
        return "Browser()"


def network_of(address: str) -> str:
    """The network an address lies in, such as ``203.0.113.0/24`` or ``2001:db8:7::/48``; empty for no address."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    bits = IPV4_BITS if isinstance(found, IPv4Address) else IPV6_BITS
    return str(ip_network((found, bits), strict=False))


def agent_of(user_agent: str) -> str:
    """The browser and the system it runs on, such as ``Firefox, Linux``; of a tool its name; empty for nothing told."""
    read = user_agent[:AGENT_CHARS_READ]
    browser = next((name for name, mark in BROWSERS if mark.search(read)), None)
    if browser is None:
        product = PRODUCT.match(read)
        return product[0] if product is not None else ""
    system = next((name for name, mark in SYSTEMS if mark.search(read)), None)
    return f"{browser}, {system}" if system is not None else browser
