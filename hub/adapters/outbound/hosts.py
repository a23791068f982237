"""What a host written in a URL really names: an address in any of its spellings, or a name in its one ASCII form.

Follows what browsers do (the WHATWG URL standard), as whatever a host could be taken for has to be judged: percent
signs are decoded, Unicode is mapped (full-width digits, the dots U+3002, U+FF0E and U+FF61), one trailing dot goes,
and a host whose last label is a number is an IPv4 address, be it decimal, octal, hexadecimal or short.
"""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

import idna

Address = IPv4Address | IPv6Address

NAME_LENGTH_MAX = 253
LABEL_LENGTH_MAX = 63
IPV4_PARTS_MAX = 4
PART_MAX = 255

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LOOKS_LIKE_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NUMBER = re.compile(r"0[0-7]*|[1-9][0-9]*|0x[0-9a-f]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")


class HostUnreadable(ValueError):
    """The text names no host, whoever reads it."""


def read_host(text: str) -> Address | str:
    """The address, or the name in lower-case ASCII without a trailing dot. Raises HostUnreadable."""
    if text.startswith("["):
        return _read_ipv6(text)
    mapped = _mapped(_percent_decoded(text))
    if not mapped:
        raise HostUnreadable("the host is missing")
    if _ends_in_number(mapped):
        return _read_ipv4(mapped)
    return _read_name(mapped)


def _percent_decoded(text: str) -> str:
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise HostUnreadable("the host has a stray percent sign")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise HostUnreadable("the host is not UTF-8 under its percent signs") from None


def _mapped(text: str) -> str:
    """UTS 46 mapping; without its last dot. What no host may hold (also a second percent sign) is refused."""
    try:
        mapped = idna.uts46_remap(text, std3_rules=True, transitional=False)
    except (idna.IDNAError, ValueError):
        raise HostUnreadable("the host holds characters no host may hold") from None
    return mapped.removesuffix(".")


def _ends_in_number(text: str) -> bool:
    return _LOOKS_LIKE_NUMBER.fullmatch(text.rpartition(".")[2]) is not None


def _read_ipv4(text: str) -> IPv4Address:
    """One to four numbers, the last of which fills what the others leave."""
    parts = text.split(".")
    if len(parts) > IPV4_PARTS_MAX:
        raise HostUnreadable("the host ends in a number and is no IPv4 address")
    numbers = [_read_number(part) for part in parts]
    *first, last = numbers
    if any(number > PART_MAX for number in first) or last >= 256 ** (IPV4_PARTS_MAX + 1 - len(numbers)):
        raise HostUnreadable("the host ends in a number and is no IPv4 address")
    value = last
    for place, number in enumerate(first):
        value += number << (8 * (IPV4_PARTS_MAX - 1 - place))
    return IPv4Address(value)


def _read_number(text: str) -> int:
    """Decimal, octal after ``0``, hexadecimal after ``0x``."""
    if _NUMBER.fullmatch(text) is None:
        raise HostUnreadable("the host ends in a number and is no IPv4 address")
    if text[:2] == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _read_ipv6(text: str) -> IPv6Address:
    """What stands in brackets; a zone id, raw or percent-encoded, is no part of an address on the internet."""
    inner = text[1:-1]
    if not text.endswith("]") or not _IPV6.fullmatch(inner):
        raise HostUnreadable("what stands in brackets is no IPv6 address")
    try:
        return IPv6Address(inner)
    except ipaddress.AddressValueError:
        raise HostUnreadable("what stands in brackets is no IPv6 address") from None


def _read_name(text: str) -> str:
    labels = [_read_label(label) for label in text.split(".")]
    name = ".".join(labels)
    if len(name) > NAME_LENGTH_MAX:
        raise HostUnreadable(f"the host is longer than {NAME_LENGTH_MAX} characters")
    return name


def _read_label(label: str) -> str:
    """A label in ASCII: as it is, or by IDNA 2008; an ``xn--`` label must be what its Unicode form encodes to."""
    try:
        if not label.isascii() or label.startswith("xn--"):
            label = idna.alabel(label).decode("ascii")
    except (idna.IDNAError, ValueError):
        raise HostUnreadable("a label of the host is not valid under IDNA") from None
    if len(label) > LABEL_LENGTH_MAX or not _LABEL.fullmatch(label):
        raise HostUnreadable("a label of the host is empty, too long, or no letters, digits and hyphens")
    return label
