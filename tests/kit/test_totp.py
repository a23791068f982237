"""One-time passwords by time: the vectors of RFC 6238 and RFC 4226, and what is never taken."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, strategies as st

from hub.kit import totp

SEEDS = {
    "sha1": b"12345678901234567890",
    "sha256": b"12345678901234567890123456789012",
    "sha512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
# RFC 6238, appendix B: seconds since 1970, then the eight digits of each algorithm.
RFC_6238 = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
# RFC 4226, appendix D: the codes of the counters 0 to 9.
RFC_4226 = [
    "755224",
    "287082",
    "359152",
    "969429",
    "338314",
    "254676",
    "287922",
    "162583",
    "399871",
    "520489",
]
NOW = datetime(2026, 11, 24, 12, 0, 15, tzinfo=UTC)
SECRET = SEEDS["sha1"]
SECRETS = st.binary(min_size=20, max_size=20)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("row", RFC_6238, ids=lambda row: str(row[0]))
def test_the_vectors_of_rfc_6238(row: tuple[int, str, str, str]) -> None:
    step = totp.step_of(datetime.fromtimestamp(row[0], UTC))
    for algorithm, expected in zip(SEEDS, row[1:], strict=True):
        assert totp.code_at(SEEDS[algorithm], step, digits=8, algorithm=algorithm) == expected


def test_the_vectors_of_rfc_4226() -> None:
    assert [totp.code_at(SECRET, counter) for counter in range(10)] == RFC_4226


@given(SECRETS, INSTANTS, st.integers(-10, 10))
def test_a_code_counts_in_its_own_step_and_one_around(secret: bytes, now: datetime, away: int) -> None:
    here = totp.step_of(now)
    near = {totp.code_at(secret, here + each) for each in (-1, 0, 1)}
    code = totp.code_at(secret, here + away)
    found = totp.matching_step(secret, code, now, after=None)
    assert (found is not None) == (code in near)
    if abs(away) <= 1:
        assert found is not None
        assert totp.code_at(secret, found) == code


@given(SECRETS, INSTANTS)
def test_a_code_that_was_used_is_never_taken_again(secret: bytes, now: datetime) -> None:
    code = totp.code_at(secret, totp.step_of(now))
    used = totp.matching_step(secret, code, now, after=None)
    for later in range(0, 120, 10):
        again = totp.matching_step(secret, code, now + timedelta(seconds=later), after=used)
        # Only where a later step happens to have the same digits.
        assert again is None or totp.code_at(secret, again) == code
        assert again is None or used is None or again > used


@pytest.mark.parametrize(
    "code",
    ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345", " 12345", "12345\n"],
)
def test_what_is_no_code_is_none(code: str) -> None:
    assert totp.matching_step(SECRET, code, NOW, after=None) is None


def test_secrets_are_160_bits_and_never_the_same() -> None:
    made = {totp.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {20}


@given(SECRETS, st.text(min_size=1, max_size=30), st.emails())
def test_the_uri_says_all_an_app_needs(secret: bytes, issuer: str, account: str) -> None:
    parts = urlsplit(totp.uri(secret, issuer=issuer, account=account))
    values = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == f"/{issuer}:{account}"
    padded = values["secret"] + "=" * (-len(values["secret"]) % 8)
    assert base64.b32decode(padded) == secret
    assert (values["issuer"], values["digits"], values["period"]) == (issuer, "6", "30")
