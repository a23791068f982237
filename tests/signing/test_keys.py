"""When a registered key may sign, when its old signatures stand, and the hub's own key."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from nacl.bindings import crypto_core_ed25519_is_valid_point

from hub.signing import (
    HubKey,
    KeyRefused,
    KeyState,
    KeyWindow,
    PublicKey,
    TextRefused,
    fingerprint,
    keys,
    public_key,
)
from tests.signing.curve import D, P
from tests.signing.test_vectors import VECTORS

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MIDDLE = datetime(2026, 7, 1, tzinfo=UTC)
SPEC_KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")


def code_of(refusal: KeyRefused | None) -> str | None:
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    ("state", "instant", "for_new", "for_old"),
    [
        (KeyState.PENDING, MIDDLE, "KEY_PENDING", "KEY_PENDING"),
        (KeyState.ACTIVE, START - TICK, "KEY_NOT_YET_VALID", "KEY_NOT_YET_VALID"),
        (KeyState.ACTIVE, START, None, None),
        (KeyState.ACTIVE, END - TICK, None, None),
        (KeyState.ACTIVE, END, "KEY_EXPIRED", "KEY_EXPIRED"),
        (KeyState.RETIRING, START - TICK, "KEY_NOT_YET_VALID", "KEY_NOT_YET_VALID"),
        (KeyState.RETIRING, START, None, None),
        (KeyState.RETIRING, END - TICK, None, None),
        (KeyState.RETIRING, END, "KEY_EXPIRED", "KEY_EXPIRED"),
        (KeyState.RETIRED, MIDDLE, "KEY_RETIRED", None),
        (KeyState.RETIRED, END, "KEY_RETIRED", "KEY_EXPIRED"),
        (KeyState.RETIRED, START - TICK, "KEY_RETIRED", "KEY_NOT_YET_VALID"),
        (KeyState.COMPROMISED, START, "KEY_COMPROMISED", "KEY_COMPROMISED"),
    ],
)
def test_window_by_state_and_instant(
    state: KeyState, instant: datetime, for_new: str | None, for_old: str | None
) -> None:
    window = KeyWindow(START, END, state)
    assert (code_of(window.usable_at(instant)), code_of(window.covers(instant))) == (for_new, for_old)


def test_older_signatures_of_a_compromised_key_stand() -> None:
    window = KeyWindow(START, END, KeyState.COMPROMISED, compromised_since=MIDDLE)
    assert code_of(window.covers(MIDDLE - TICK)) is None
    assert code_of(window.covers(MIDDLE)) == "KEY_COMPROMISED"
    assert code_of(window.covers(START - TICK)) == "KEY_NOT_YET_VALID"
    assert code_of(window.usable_at(MIDDLE - TICK)) == "KEY_COMPROMISED"


def test_open_window_does_not_end() -> None:
    assert KeyWindow(START, None, KeyState.ACTIVE).usable_at(datetime.max.replace(tzinfo=UTC)) is None


def test_window_ends_after_it_begins() -> None:
    for end in (START, START - TICK):
        with pytest.raises(KeyRefused) as caught:
            KeyWindow(START, end, KeyState.ACTIVE)
        assert (caught.value.code, caught.value.path) == ("KEY_WINDOW", ("valid_to",))
    assert KeyWindow(START, START + TICK, KeyState.ACTIVE).usable_at(START) is None


def test_only_a_compromised_key_has_that_date() -> None:
    for state in set(KeyState) - {KeyState.COMPROMISED}:
        with pytest.raises(KeyRefused) as caught:
            KeyWindow(START, END, state, compromised_since=MIDDLE)
        assert (caught.value.code, caught.value.path) == ("KEY_WINDOW", ("compromised_since",))


def test_naive_instants_are_refused() -> None:
    naive = datetime(2026, 7, 1)  # noqa: DTZ001 - the point
    for make in (
        lambda: KeyWindow(naive, None, KeyState.ACTIVE),
        lambda: KeyWindow(START, naive, KeyState.ACTIVE),
        lambda: KeyWindow(START, END, KeyState.COMPROMISED, compromised_since=naive),
        lambda: KeyWindow(START, END, KeyState.ACTIVE).usable_at(naive),
        lambda: KeyWindow(START, END, KeyState.ACTIVE).covers(naive),
        lambda: KeyWindow(START, END, KeyState.RETIRED).usable_at(naive),
        lambda: KeyWindow(START, END, KeyState.COMPROMISED, compromised_since=MIDDLE).covers(naive),
    ):
        with pytest.raises(TextRefused, match="INSTANT_NAIVE"):
            make()


def test_key_is_taken_as_bytes_or_base64() -> None:
    assert (
        public_key(SPEC_KEY)
        == public_key("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
        == PublicKey(SPEC_KEY)
    )
    assert public_key(SPEC_KEY).base64 == "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


def test_no_unsound_public_key_can_be_made() -> None:
    for raw in (bytes(32), SPEC_KEY[:31], SPEC_KEY + b"\0", bytearray(SPEC_KEY), "A6EHv"):
        with pytest.raises(KeyRefused):
            PublicKey(cast(bytes, raw))


def test_our_reasons_agree_with_libsodium_about_every_vector() -> None:
    raws = [public_key_bytes(vector["input"]["key"]) for vector in VECTORS if vector["kind"] == "key"]
    whole = [raw for raw in raws if len(raw) == 32]
    assert len(whole) > 30
    for raw in whole:
        assert is_sound(raw) is crypto_core_ed25519_is_valid_point(raw)


def is_sound(raw: bytes) -> bool:
    try:
        PublicKey(raw)
    except KeyRefused:
        return False
    return True


def public_key_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def test_curve_constants_are_those_of_the_reference() -> None:
    assert keys.FIELD_PRIME == P
    assert keys.CURVE_D == D


def test_hub_key_names_itself_after_its_public_key() -> None:
    key = HubKey.from_seed(bytes(range(32)))
    assert key.public.raw == SPEC_KEY
    assert (
        fingerprint(key.public) == "ed25519:56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c"
    )
    assert key.key_id == "hub-56475aa75463474c0285df5dbf2bcab7"


def test_hub_key_needs_32_bytes() -> None:
    for seed in (b"", bytes(31), bytes(33), cast(bytes, "0" * 32)):
        with pytest.raises(KeyRefused) as caught:
            HubKey.from_seed(seed)
        assert caught.value.code == "KEY_LENGTH"


def test_hub_key_shows_no_secret() -> None:
    seed = bytes(range(32))
    shown = repr(HubKey.from_seed(seed)) + str(HubKey.from_seed(seed))
    assert seed.hex() not in shown
    assert "SigningKey" not in shown
    assert repr(seed) not in shown
