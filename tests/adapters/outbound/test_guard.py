"""Which URLs are refused, and that what is accepted has one form. The URLs are in files, to be used elsewhere too."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.outbound import (
    Policy,
    Reason,
    Target,
    UrlRefused,
    check_answers,
    check_url,
    origin_of,
    url_problem,
)
from hub.codes import Code

FOLDER = Path(__file__).parent
HOSTILE: list[dict[str, Any]] = json.loads((FOLDER / "hostile_urls.json").read_text())
GOOD: list[dict[str, str]] = json.loads((FOLDER / "good_urls.json").read_text())
OPEN = Policy(plain_http=True, ports=None, allow_private=True)


def judge(url: str, answers: list[str] | None, policy: Policy) -> Target:
    """As before a request: the URL, then what its name leads to."""
    target = check_url(url, policy=policy)
    if answers is not None:
        check_answers(target, answers, policy=policy)
    return target


@pytest.mark.parametrize("entry", HOSTILE, ids=lambda entry: ascii(entry["url"])[:60])
def test_a_hostile_url_is_refused_for_what_is_wrong_with_it(entry: dict[str, Any]) -> None:
    with pytest.raises(UrlRefused) as refused:
        judge(entry["url"], entry.get("answers"), Policy())
    assert (refused.value.reason, entry["why"]) == (Reason(entry["reason"]), entry["why"])
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == (Code.WEBHOOK_URL, ("url",))


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: ascii(entry["url"])[:60])
def test_a_good_url_is_accepted_in_its_one_form(entry: dict[str, str]) -> None:
    target = check_url(entry["url"], policy=Policy())
    assert target.url == entry["normal"]
    assert check_url(target.url, policy=Policy()) == target


def test_the_files_cover_every_reason() -> None:
    assert len({json.dumps(entry) for entry in HOSTILE}) == len(HOSTILE) >= 150
    assert set(Counter(entry["reason"] for entry in HOSTILE)) == {reason.value for reason in Reason}
    assert len(GOOD) >= 40


def test_a_refusal_does_not_tell_where_a_name_leads() -> None:
    target = check_url("https://hook.example.com/", policy=Policy())
    texts = set()
    for answer in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "240.0.0.1"):
        with pytest.raises(UrlRefused) as refused:
            check_answers(target, [answer], policy=Policy())
        texts.add(str(refused.value))
    assert len(texts) == 1
    assert not any(character.isdigit() for character in texts.pop())


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://[2002:7f00:1::]/",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
    ],
)
def test_the_most_open_policy_still_refuses_what_is_nobodys_partner(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(url, policy=OPEN)


def test_the_open_policy_allows_private_addresses_and_plain_http() -> None:
    assert check_url("http://127.0.0.1:8080/x", policy=OPEN).url == "http://127.0.0.1:8080/x"
    assert check_url("http://[::ffff:10.0.0.1]:99/", policy=OPEN).port == 99
    assert check_url("http://localhost:1/", policy=OPEN).host == "localhost"


def test_a_configured_origin_is_allowed_and_no_other_port_scheme_or_host_beside_it() -> None:
    policy = Policy(origins=frozenset({origin_of("HTTP://Treasury:8080/api")}))
    target = check_url("http://treasury:8080/pay", policy=policy)
    assert [str(address) for address in check_answers(target, ["10.0.0.9"], policy=policy)] == ["10.0.0.9"]
    for answer in ("169.254.169.254", "0.0.0.0"):
        with pytest.raises(UrlRefused):
            check_answers(target, [answer], policy=policy)
    for url in ("http://treasury:8081/", "https://treasury:8080/", "http://treasury/", "http://other:8080/"):
        with pytest.raises(UrlRefused):
            check_url(url, policy=policy)
    other = check_url("https://example.com/", policy=policy)
    with pytest.raises(UrlRefused):
        check_answers(other, ["10.0.0.9"], policy=policy)


def test_the_operators_own_networks_are_refused_under_every_policy() -> None:
    networks = (ip_network("93.184.0.0/16"), ip_network("2606:2800::/32"))
    for policy in (Policy(refused_networks=networks), Policy(refused_networks=networks, allow_private=True)):
        target = check_url("https://example.com/", policy=policy)
        for answer in ("93.184.215.14", "::ffff:93.184.215.14", "2606:2800:21f::1"):
            with pytest.raises(UrlRefused):
                check_answers(target, [answer], policy=policy)
        assert len(check_answers(target, ["93.185.0.1", "93.185.0.1"], policy=policy)) == 1


def test_a_named_private_network_is_allowed_and_everything_beside_it_is_judged_as_ever() -> None:
    policy = Policy(private_networks=(ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8")))
    assert check_url("http://10.1.2.3:8080/", policy=policy).port == 8080
    hook = check_url("http://hook:8080/", policy=policy)
    assert len(check_answers(hook, ["10.1.2.3", "127.0.0.1"], policy=policy)) == 2
    for answers in (["10.2.0.1"], ["10.1.2.3", "93.184.215.14"], ["93.184.215.14"], ["::ffff:10.1.2.3"]):
        with pytest.raises(UrlRefused):
            check_answers(hook, answers, policy=policy)
    public = check_url("https://example.com/", policy=policy)
    assert len(check_answers(public, ["93.184.215.14"], policy=policy)) == 1
    with pytest.raises(UrlRefused):
        check_answers(public, ["10.2.0.1"], policy=policy)
    for url in ("http://93.184.215.14/", "https://93.184.215.14:22/", "https://10.2.0.1/", "http://[::1]/"):
        with pytest.raises(UrlRefused):
            check_url(url, policy=policy)
    linked = Policy(private_networks=(ip_network("169.254.0.0/16"),))
    with pytest.raises(UrlRefused):
        check_url("http://169.254.169.254/", policy=linked)


def test_hostile_urls_stay_hostile_where_another_private_network_is_allowed() -> None:
    policy = Policy(private_networks=(ip_network("10.77.0.0/16"),))
    through = []
    for entry in HOSTILE:
        try:
            judge(entry["url"], entry.get("answers", ["93.184.215.14"]), policy)
        except UrlRefused:
            continue
        through.append(entry["url"])
    assert through == []


def test_networks_are_read_from_a_setting() -> None:
    assert Policy.of("") == Policy()
    assert Policy.of(" 10.1.0.0/16, fd00::/8 ,").private_networks == (
        ip_network("10.1.0.0/16"),
        ip_network("fd00::/8"),
    )
    with pytest.raises(ValueError, match="host bits"):
        Policy.of("10.1.0.1/16")


def test_what_speaks_against_a_url_is_told_in_words() -> None:
    assert url_problem("https://example.com/", policy=Policy()) is None
    assert url_problem("http://example.com/", policy=Policy()) == "only https"
    assert url_problem("https://127.1/", policy=Policy()) == "the host is not on the public internet"
