"""Which addresses are on the public internet, and which lead inside.

The lists are written out: what Python's ``ipaddress`` calls global differs between versions, and some addresses that
are global on paper (a cloud's own services) are inside in fact. An address must pass both.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hub.adapters.outbound.hosts import Address

Network = IPv4Network | IPv6Network


class Inside(StrEnum):
    """Why an address is not one on the public internet."""

    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    METADATA = "a cloud's own services"
    MULTICAST = "multicast"
    RESERVED = "reserved"
    DOCUMENTATION = "documentation or benchmarks"
    TRANSITION = "a tunnel to another address"
    OPERATOR = "refused by the operator"


# What a deployment on private networks may allow; the rest is nobody's partner anywhere.
PRIVATE_KINDS = frozenset({Inside.LOOPBACK, Inside.PRIVATE})

_LISTS: dict[Inside, tuple[str, ...]] = {
    Inside.METADATA: (
        "169.254.169.254/32",
        "169.254.170.0/24",  # credentials of containers
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    ),
    Inside.UNSPECIFIED: ("0.0.0.0/8", "::/128"),
    Inside.LOOPBACK: ("127.0.0.0/8", "::1/128"),
    Inside.PRIVATE: (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared between carriers and their customers
        "fc00::/7",
        "fec0::/10",
    ),
    Inside.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
    Inside.MULTICAST: ("224.0.0.0/4", "ff00::/8"),
    Inside.DOCUMENTATION: (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "2001:db8::/32",
        "3fff::/20",
        "2001:2::/48",
    ),
    Inside.TRANSITION: (
        "192.88.99.0/24",
        "::/96",  # IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    ),
    Inside.RESERVED: (
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.175.48.0/24",
        "240.0.0.0/4",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2620:4f:8000::/48",
        "5f00::/16",
    ),
}
_NETWORKS: tuple[tuple[Network, Inside], ...] = tuple(
    (ip_network(text), kind) for kind, texts in _LISTS.items() for text in texts
)
_ALLOCATED = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def read_answer(text: str) -> Address:
    """An address as a name server gives it. Raises ValueError, also for one with a zone."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("an address with a zone is not on the internet")
    return address


def inside(address: Address, refused: Iterable[Network] = ()) -> Inside | None:
    """Why the address is not on the public internet; None when it is. ``refused`` adds networks to the lists.

    An IPv4 address inside an IPv6 one (mapped, or NAT64's well-known prefix) is judged as what it is.
    """
    if any(address.version == network.version and address in network for network in refused):
        return Inside.OPERATOR
    if isinstance(address, IPv6Address):
        if address in _MAPPED or address in _NAT64:
            return inside(IPv4Address(int(address) & 0xFFFFFFFF), refused)
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            return Inside.TRANSITION
    for network, kind in _NETWORKS:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _ALLOCATED:
        return Inside.RESERVED
    return None if address.is_global else Inside.RESERVED
