"""Which URLs webhooks may be sent to: judged by their text at registration, by their addresses at every sending.

1. The URL is plain: HTTPS, ASCII without blanks, no user, no fragment, a sensible port. 2. A host that looks like a
number is a dotted quad or nothing. 3. A name is resolved once for each sending; every address it has must be public.
4. The connection goes to the very address that was judged. Redirects are never followed.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

RESOLVE_SECONDS_MAX = 5.0
PORTS_LOW = frozenset({80, 443})
PORT_HIGH = 1024
_PLAIN = re.compile(r"[!-~]+")
_NAME = re.compile(
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")
_NAT64 = IPv6Network("64:ff9b::/96")


class UrlRefused(Exception):
    """The hub does not call this URL."""


class NameUnknown(Exception):
    """The host's name has no address just now."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: the judged addresses of a URL's host."""

    url: SplitResult
    host: str
    port: int
    addresses: tuple[Address, ...]


class Guard:
    """Judges URLs and addresses. ``private`` names inner networks that may be called all the same, also by HTTP."""

    def __init__(self, private: Sequence[Network] = ()) -> None:
        self._private = tuple(private)

    @classmethod
    def of(cls, networks: str) -> Guard:
        """The guard for networks separated by commas; raises ValueError for what is none."""
        return cls([ip_network(each.strip()) for each in networks.split(",") if each.strip()])

    def problem(self, url: str) -> str | None:
        """What speaks against a URL as its text tells; None for nothing. Names are resolved when it is called."""
        try:
            self._judge_text(url)
        except UrlRefused as refused:
            return str(refused)
        return None

    async def resolve(self, url: str) -> Target:
        """The addresses to connect to; raises UrlRefused when any of them is inner, NameUnknown when there are none."""
        parts, host, port = self._judge_text(url)
        literal = _literal(host)
        addresses = (literal,) if literal is not None else await _look_up(host, port)
        for address in addresses:
            if not self._may_call(address, parts.scheme):
                raise UrlRefused("the host has an address of an inner network")
        return Target(parts, host, port, addresses)

    def _judge_text(self, url: str) -> tuple[SplitResult, str, int]:
        if _PLAIN.fullmatch(url) is None or "\\" in url:
            raise UrlRefused(
                "a URL is ASCII without blanks, controls and backslashes; names in other scripts are punycode"
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UrlRefused("the URL does not parse") from None
        schemes = {"https": 443, "http": 80} if self._private else {"https": 443}
        if parts.scheme not in schemes:
            raise UrlRefused("a URL begins with https://")
        host = parts.hostname or ""
        if not host or "@" in parts.netloc or parts.fragment or "%" in parts.netloc:
            raise UrlRefused("a URL names a host, and neither a user nor a fragment")
        port = schemes[parts.scheme] if port is None else port
        if port not in PORTS_LOW and port < PORT_HIGH:
            raise UrlRefused("ports are 80, 443, or 1024 and above")
        self._judge_host(host, parts)
        return parts, host, port

    def _judge_host(self, host: str, parts: SplitResult) -> None:
        literal = _literal(host)
        if literal is not None:
            if not self._may_call(literal, parts.scheme):
                raise UrlRefused("the host is an address of an inner network")
            return
        if ":" in host or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) is not None:
            raise UrlRefused("a host that is a number is written as a dotted quad or an IPv6 address")
        if _NAME.fullmatch(host) is None or ("." not in host and not self._private):
            raise UrlRefused("the host is not a full domain name")

    def _may_call(self, address: Address, scheme: str) -> bool:
        if any(address.version == network.version and address in network for network in self._private):
            return True
        return scheme == "https" and all(map(_is_public, _meanings(address)))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _meanings(address: Address) -> list[Address]:
    """The address, and the IPv4 address that is wrapped in it."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    wrapped: list[Address] = [each for each in inner if each is not None]
    # What maps an IPv4 address is that address and nothing else; other wrappings are judged on both sides.
    return wrapped if address.ipv4_mapped is not None else [address, *wrapped]


def _is_public(address: Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, IPv6Address) and address.is_site_local)
    )


async def _look_up(host: str, port: int) -> tuple[Address, ...]:
    try:
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise NameUnknown from None
    addresses = tuple(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
    if not addresses:
        raise NameUnknown
    return addresses
