"""The registry's pure rules: names, addresses, unique ids, key texts, and sealed values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from hub.domain.registry import rules, secrets
from hub.domain.registry.callers import Environment
from hub.signing import sealed

SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("mGramSeva", "mgramseva"),
        ("Jal Śakti / Punjab", "jal-sakti-punjab"),
        ("PSPCL", "pspcl"),
        ("108 Ambulance", "sys-108-ambulance"),
        ("IT", "sys-it"),
        ("ਪੰਜਾਬ", "sys"),
        ("A" * 64, "a" * 32),
    ],
)
def test_slugs_are_made_of_names(name: str, slug: str) -> None:
    assert rules.slug_of(name) == slug


@given(st.text(min_size=2, max_size=64), st.integers(1, 999))
def test_every_name_gives_a_well_formed_slug(name: str, number: int) -> None:
    assert SLUG.fullmatch(rules.numbered_slug(rules.slug_of(name), number))


@pytest.mark.parametrize(
    "address",
    ["a@b.in", "asha.rani@finance.punjab.gov.in", "o'neil+x@nic.in", "A_b@xn--p1ai.example.org"],
)
def test_addresses(address: str) -> None:
    assert rules.is_email(rules.tidy_email(address))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "asha",
        "@punjab.gov.in",
        "asha@",
        "asha@localhost",
        "a..b@punjab.gov.in",
        ".a@punjab.gov.in",
        "a@b@punjab.gov.in",
        "a b@punjab.gov.in",
        "asha@-punjab.gov.in",
        "asha@punjab.gov.in\nBcc: x@y.in",
        "a" * 65 + "@punjab.gov.in",
        "asha@" + "a" * 250 + ".in",
        "\u0430sha@punjab.gov.in",
    ],
)
def test_what_is_no_address(address: str) -> None:
    assert not rules.is_email(rules.tidy_email(address))


def test_an_allow_list_takes_its_domains_and_those_below() -> None:
    allowed = ("punjab.gov.in",)
    assert rules.check_official_email("a@finance.punjab.gov.in", allowed) == []
    assert rules.check_official_email("a@punjab.gov.in", allowed) == []
    assert rules.check_official_email("a@notpunjab.gov.in", allowed) != []
    assert rules.check_official_email("a@haryana.gov.in", allowed) != []


@pytest.mark.parametrize("domain", ["live.kerala.gov.in", "yahoo.gov.in.example.org", "outlook.nic.in"])
def test_an_official_domain_is_not_taken_for_free_mail(domain: str) -> None:
    assert not rules.is_free_mail(domain)


@pytest.mark.parametrize("phone", ["+911722740000", "+12345678", "+123456789012345"])
def test_phone_numbers(phone: str) -> None:
    assert rules.check_phone(phone) == []


@pytest.mark.parametrize(
    "phone", ["", "911722740000", "+1234567", "+1234567890123456", "+91 172 274", "+\uff19\uff11172200"]
)
def test_what_is_no_phone_number(phone: str) -> None:
    assert len(rules.check_phone(phone)) == 1


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\ud800b", "a\u2028b"])
def test_control_characters_are_not_stored(text: str) -> None:
    assert not rules.is_storable(text)


def test_days_that_every_year_has() -> None:
    assert rules.is_day_of_year("04-01")
    assert rules.is_day_of_year("12-31")
    assert not any(
        rules.is_day_of_year(day) for day in ("02-29", "13-01", "00-01", "4-1", "04-31", "0\uff14-01")
    )


@pytest.mark.parametrize("environment", list(Environment))
def test_a_keys_text_reads_back(environment: Environment) -> None:
    key = secrets.new_api_key(environment)
    assert secrets.read_api_key(key.text) == key
    assert len(key.text) == 68
    assert key.text not in repr(key)


@given(st.text(max_size=80))
def test_nothing_else_reads_as_a_key(text: str) -> None:
    assert secrets.read_api_key(text) is None


@given(st.data())
def test_a_key_with_one_other_character_is_none(data: st.DataObject) -> None:
    text = secrets.new_api_key(Environment.LIVE).text
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii", categories=["L", "N"]).filter(lambda c: c != text[at]))
    assert secrets.read_api_key(text[:at] + other + text[at + 1 :]) is None


def test_codes_are_eight_digits() -> None:
    assert all(re.fullmatch(r"[0-9]{8}", secrets.new_code()) for _ in range(1_000))


MASTER, OTHER = bytes(range(32)), bytes(reversed(range(32)))


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_a_sealed_value_opens_for_its_purpose_and_owner_alone(clear: bytes, owner: bytes) -> None:
    envelope = sealed.seal_bytes(MASTER, "phone", clear, owner=owner)
    assert sealed.open_bytes(MASTER, "phone", envelope, owner=owner) == clear
    for key, purpose, whose in (
        (OTHER, "phone", owner),
        (MASTER, "code", owner),
        (MASTER, "phone", owner + b"x"),
    ):
        with pytest.raises(sealed.SealBroken):
            sealed.open_bytes(key, purpose, envelope, owner=whose)


def test_purpose_and_owner_do_not_run_into_each_other() -> None:
    envelope = sealed.seal_bytes(MASTER, "ab", b"x", owner=b"c")
    with pytest.raises(sealed.SealBroken):
        sealed.open_bytes(MASTER, "a", envelope, owner=b"bc")


def test_every_altered_byte_breaks_the_seal() -> None:
    envelope = sealed.seal_bytes(MASTER, "phone", b"+911722740000", owner=b"row")
    for at in range(len(envelope)):
        altered = envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]
        with pytest.raises(sealed.SealBroken):
            sealed.open_bytes(MASTER, "phone", altered, owner=b"row")
    with pytest.raises(sealed.SealBroken):
        sealed.open_bytes(MASTER, "phone", envelope[:20], owner=b"row")


def test_equal_values_are_sealed_differently() -> None:
    assert len({sealed.seal_bytes(MASTER, "p", b"same", owner=b"row") for _ in range(10)}) == 10


def test_rotation_wraps_anew_and_keeps_the_value() -> None:
    old = sealed.seal_bytes(MASTER, "phone", b"+911722740000", owner=b"row")
    new = sealed.reseal(MASTER, OTHER, "phone", old, owner=b"row")
    assert sealed.is_sealed_under(OTHER, new)
    assert not sealed.is_sealed_under(MASTER, new)
    assert sealed.open_bytes(OTHER, "phone", new, owner=b"row") == b"+911722740000"
    with pytest.raises(sealed.SealBroken):
        sealed.open_bytes(MASTER, "phone", new, owner=b"row")
