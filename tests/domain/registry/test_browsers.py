"""How much of a browser's address and name is kept."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from hub.domain.registry.browsers import agent_of, network_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
EDGE = f"{CHROME} Edg/141.0.0.0"
PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:7:8:9:a:b:c", "2001:db8:7::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("testclient", ""),
        ("203.0.113.77:80", ""),
    ],
)
def test_an_address_is_kept_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.ip_addresses())
def test_a_network_holds_the_address_and_many_others(address: object) -> None:
    network = ip_network(network_of(str(address)))
    found = ip_address(str(address))
    assert (getattr(found, "ipv4_mapped", None) or found) in network
    assert network.num_addresses >= 256


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        (FIREFOX, "Firefox, Linux"),
        (CHROME, "Chrome, Windows"),
        (EDGE, "Edge, Windows"),
        (PHONE, "Chrome, Android"),
        (IPHONE, "Safari, iOS"),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", ""),
        ("<script>", ""),
    ],
)
def test_a_browser_is_kept_as_its_kind(user_agent: str, agent: str) -> None:
    assert agent_of(user_agent) == agent


@given(st.text(max_size=2_000))
def test_whatever_a_browser_says_little_of_it_is_kept(user_agent: str) -> None:
    kept = agent_of(user_agent)
    assert len(kept) <= 40
    assert kept.isprintable()
    assert not set("<>&\"'") & set(kept)
