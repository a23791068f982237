"""Which URLs the hub will talk to: the pure part of the guard against requests to the inside (SSRF).

``check_url`` reads a URL and judges what is written there. What its name leads to is judged by ``check_answers`` at
the moment of connecting (``hub.adapters.outbound.transport``), as a name may lead elsewhere by then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_network
from typing import Self
from urllib.parse import quote

from hub.adapters.outbound.addresses import PRIVATE_KINDS, Network, inside, read_answer
from hub.adapters.outbound.hosts import Address, HostUnreadable, read_host
from hub.codes import Code
from hub.errors import InvalidInput, Problem

URL_LENGTH_MAX = 2048
ANSWERS_MAX = 64
PORT_MAX = 65535
DEFAULT_PORTS = {"https": 443, "http": 80}

# Names that mean this machine or this network, whatever a name server says.
_INSIDE_SUFFIXES = frozenset(
    {
        "localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home", "corp", "arpa",
        "test", "invalid", "onion", "alt", "svc", "consul", "docker", "kube",
        "metadata.goog", "metadata.azure.com", "metadata.tencentyun.com", "metadata.platformequinix.com",
    }
)  # fmt: skip

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\ud800-\udfff\\]")


class Reason(StrEnum):
    """What is wrong with a URL, in one word; the message says it in a sentence."""

    LENGTH = "LENGTH"
    SHAPE = "SHAPE"
    CHARACTER = "CHARACTER"
    SCHEME = "SCHEME"
    USERINFO = "USERINFO"
    FRAGMENT = "FRAGMENT"
    PORT = "PORT"
    HOST = "HOST"
    NAME = "NAME"
    ADDRESS = "ADDRESS"


class UrlRefused(InvalidInput):
    """The hub does not talk to this URL; ``reason`` says why. Carries one problem, ``WEBHOOK_URL``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(Problem(Code.WEBHOOK_URL, message, ("url",)))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed. As it stands: https on two ports, to the public internet. Everything else must be asked for.

    ``origins`` are other systems the operator configured (``origin_of``): for them neither port, scheme, name nor a
    private address is refused, nor for a host all of whose addresses lie in ``private_networks``. ``allow_private``
    and ``plain_http`` open all hosts, for development and tests. Link-local and metadata addresses stay refused
    under every policy.
    """

    plain_http: bool = False
    ports: frozenset[int] | None = frozenset({443, 8443})
    allow_private: bool = False
    origins: frozenset[str] = frozenset()
    private_networks: tuple[Network, ...] = ()
    refused_networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, private_networks: str) -> Self:
        """The policy with these networks, separated by commas, opened; ValueError for what is none."""
        return cls(
            private_networks=tuple(
                ip_network(each.strip()) for each in private_networks.split(",") if each.strip()
            )
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its one form: what is sent is made of this, never of the text that was checked."""

    scheme: str
    host: Address | str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and, where it is not the scheme's own, port."""
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else str(self.host)
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what ``Policy.origins`` holds."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def url(self) -> str:
        """The whole, normalised."""
        return self.origin + self.path


def check_url(url: str, *, policy: Policy) -> Target:
    """Read a URL and judge what is written there, without asking anybody. Raises UrlRefused."""
    target = _read(url)
    if target.origin in policy.origins:
        return target
    if not isinstance(target.host, str):
        _check_address(target, target.host, policy)
    elif not policy.private_networks:  # else its addresses tell whether it may be written like this
        _check_written(target, policy)
    return target


def url_problem(url: str, *, policy: Policy) -> str | None:
    """What speaks against a URL as it is written; None for nothing."""
    try:
        check_url(url, policy=policy)
    except UrlRefused as refused:
        return refused.problems[0].message
    return None


def check_answers(target: Target, answers: Sequence[str], *, policy: Policy) -> tuple[Address, ...]:
    """The addresses a name leads to. Raises UrlRefused if any one of them is inside: a mixed answer is no accident."""
    if len(answers) > ANSWERS_MAX:
        raise UrlRefused(Reason.ADDRESS, f"the host leads to more than {ANSWERS_MAX} addresses")
    found: list[Address] = []
    for answer in answers:
        try:
            address = read_answer(answer)
        except ValueError:
            raise UrlRefused(Reason.ADDRESS, "the host leads to something that is no address") from None
        _check_address(target, address, policy)
        if address not in found:
            found.append(address)
    return tuple(found)


def origin_of(url: str) -> str:
    """The origin of a URL the operator configured, as ``Policy.origins`` wants it. Raises UrlRefused if unreadable."""
    return _read(url).origin


def _read(url: str) -> Target:
    if len(url) > URL_LENGTH_MAX:
        raise UrlRefused(Reason.LENGTH, f"longer than {URL_LENGTH_MAX} characters")
    if _BLANK.search(url):
        raise UrlRefused(Reason.CHARACTER, "holds blanks, control characters or backslashes")
    found = _URL.fullmatch(url)
    if found is None:
        raise UrlRefused(Reason.SHAPE, "not an absolute URL: https://host/path")
    scheme = found["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise UrlRefused(Reason.SCHEME, "only https")
    if "@" in found["authority"]:
        raise UrlRefused(Reason.USERINFO, "names a user or password before the host")
    if found["fragment"] is not None:
        raise UrlRefused(Reason.FRAGMENT, "has a fragment, which no server ever sees")
    host, port = _read_authority(found["authority"], scheme)
    path = quote((found["path"] or "/") + (found["query"] or ""), safe="/?:@!$&'()*+,;=-._~%[]")
    if len(path) > URL_LENGTH_MAX:
        raise UrlRefused(Reason.LENGTH, f"longer than {URL_LENGTH_MAX} characters")
    return Target(scheme, host, port, path)


def _read_authority(text: str, scheme: str) -> tuple[Address | str, int]:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise UrlRefused(Reason.HOST, "what stands before the path is not host and port")
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port <= PORT_MAX:
        raise UrlRefused(Reason.PORT, "the port is not one of 1 to 65535")
    try:
        return read_host(found["host"]), port
    except HostUnreadable as error:
        raise UrlRefused(Reason.HOST, str(error)) from None


def _check_written(target: Target, policy: Policy) -> None:
    """Scheme, port and name, as they must be for a host on the public internet."""
    if target.scheme != "https" and not policy.plain_http:
        raise UrlRefused(Reason.SCHEME, "only https")
    if policy.ports is not None and target.port not in policy.ports:
        ports = ", ".join(str(port) for port in sorted(policy.ports))
        raise UrlRefused(Reason.PORT, f"only these ports: {ports}")
    if policy.allow_private or not isinstance(target.host, str):
        return
    labels = target.host.split(".")
    if len(labels) == 1:
        raise UrlRefused(Reason.NAME, "the host is a name of a local network")
    if any(".".join(labels[start:]) in _INSIDE_SUFFIXES for start in range(len(labels))):
        raise UrlRefused(Reason.NAME, "the host's name is one of this machine or a local network")


def _check_address(target: Target, address: Address, policy: Policy) -> None:
    kind = inside(address, policy.refused_networks)
    if kind is None or kind in PRIVATE_KINDS:
        if target.origin in policy.origins or _is_among(address, policy.private_networks):
            return
        _check_written(target, policy)
        if kind is None or policy.allow_private:
            return
    # Which address a name led to is not told: it would let a stranger map the network.
    raise UrlRefused(Reason.ADDRESS, "the host is not on the public internet")


def _is_among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
