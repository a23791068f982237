"""Amounts, instants and bytes as text: one text each, and refusals beside what is accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import cast

import pytest

from hub.signing import Digest, TextRefused, amount_text, base64_of, base64_text, instant_of, instant_text


@pytest.mark.parametrize("amount", [10, 10.0, "10.00", True, None])
def test_only_a_decimal_is_an_amount(amount: object) -> None:
    with pytest.raises(TextRefused) as caught:
        amount_text(cast(Decimal, amount), 2)
    assert caught.value.code == "AMOUNT_TYPE"


@pytest.mark.parametrize("scale", [True, 2.0, "2", None])
def test_scale_is_an_integer(scale: object) -> None:
    with pytest.raises(TextRefused) as caught:
        amount_text(Decimal(10), cast(int, scale))
    assert caught.value.code == "AMOUNT_SCALE"
    assert amount_text(Decimal(10), 2) == "10.00"


def test_signalling_nan_is_refused_like_any_other() -> None:
    with pytest.raises(TextRefused, match="AMOUNT_NOT_FINITE"):
        amount_text(Decimal("sNaN"), 2)


def test_text_does_not_depend_on_the_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert amount_text(Decimal("123456789.10"), 2) == "123456789.10"


def test_amount_of_absurd_exponent_is_refused_at_once() -> None:
    with pytest.raises(TextRefused, match="AMOUNT_SIZE"):
        amount_text(Decimal("1E+999999"), 2)


def test_scale_bound_is_reached_and_not_passed() -> None:
    assert amount_text(Decimal("1E-18"), 18) == "0.000000000000000001"
    with pytest.raises(TextRefused, match="AMOUNT_SCALE"):
        amount_text(Decimal("1E-19"), 18)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-13T12:50:05Z", datetime(2026, 10, 13, 12, 50, 5, tzinfo=UTC)),
        ("2026-10-13T12:50:05.25Z", datetime(2026, 10, 13, 12, 50, 5, 250_000, tzinfo=UTC)),
        ("2026-10-13T12:50:05.000001Z", datetime(2026, 10, 13, 12, 50, 5, 1, tzinfo=UTC)),
        (
            "2026-10-13T18:20:05+05:30",
            datetime(2026, 10, 13, 18, 20, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        ),
        ("2026-10-13T00:00:00-00:30", datetime(2026, 10, 13, 0, 30, tzinfo=UTC)),
        ("2028-02-29T23:59:59+14:00", datetime(2028, 2, 29, 9, 59, 59, tzinfo=UTC)),
    ],
)
def test_instant_is_read(text: str, instant: datetime) -> None:
    assert instant_of(text) == instant
    assert instant_of(instant_text(instant)) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-10-13",
        "2026-10-13T12:50Z",
        "2026-10-13T12:50:05",
        "2026-10-13t12:50:05Z",
        "2026-10-13T12:50:05z",
        "2026-10-13 12:50:05Z",
        "2026-10-13T12:50:05Z\n",
        " 2026-10-13T12:50:05Z",
        "2026-10-13T12:50:05.Z",
        "2026-10-13T12:50:05.0Z",
        "2026-10-13T12:50:05.250Z",
        "2026-10-13T12:50:05.0000001Z",
        "2026-10-13T12:50:05,25Z",
        "2026-10-13T12:50:05+00:00",
        "2026-10-13T12:50:05-00:00",
        "2026-10-13T12:50:05+0530",
        "2026-10-13T12:50:05+24:00",
        "2026-10-13T12:50:05+05:60",
        "2026-10-13T12:50:60Z",
        "2026-10-13T24:00:00Z",
        "2026-02-30T12:50:05Z",
        "2026-13-01T12:50:05Z",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-10-13T12:50:05Z",
    ],
)
def test_other_spelling_of_an_instant_is_refused(text: str) -> None:
    with pytest.raises(TextRefused) as caught:
        instant_of(text)
    assert caught.value.code == "INSTANT_FORM"


def test_base64_has_one_form() -> None:
    assert base64_of("+/8=") == b"\xfb\xff"
    assert base64_of("") == b""
    for text in ("+/8", "-_8=", "+/9=", "+/8==", "+/8=\n", " +/8=", "+/8=AAAA", "=", "A", "ä"):
        with pytest.raises(TextRefused, match="BASE64"):
            base64_of(text)


def test_base64_is_read_back() -> None:
    assert base64_of(base64_text(bytes(range(256)))) == bytes(range(256))


def test_digest_has_one_form() -> None:
    digest = Digest.of(b"abc")
    text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (digest.text, str(digest), Digest.parse(text)) == (text, text, digest)
    for other in (
        text.upper(),
        text[7:],
        text + "0",
        text[:-1],
        text + "\n",
        text.replace("sha256", "sha512"),
        "",
    ):
        with pytest.raises(TextRefused, match="DIGEST"):
            Digest.parse(other)
    with pytest.raises(TextRefused, match="DIGEST"):
        Digest(b"short")
