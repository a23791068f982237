"""Ed25519 keys: which public keys are sound, when a registered one may be used, and the hub's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import SigningKey

from hub.signing.errors import KeyRefused, TextRefused
from hub.signing.texts import base64_of, base64_text, require_aware

KEY_BYTES = 32
SEED_BYTES = 32

# RFC 8032 section 5.1: the field's prime, the curve's d, and the order of the base point.
FIELD_PRIME = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

# The y coordinates of the eight points whose order divides 8; the sign of x and y + p only respell them.
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, FIELD_PRIME - 1, _Y_OF_ORDER_8, FIELD_PRIME - _Y_OF_ORDER_8})


def is_small_order(encoding: bytes) -> bool:
    """Whether 32 bytes encode, canonically or not, a point of order 1, 2, 4 or 8 (14 encodings do)."""
    return _y(encoding) % FIELD_PRIME in _SMALL_ORDER_Y


def is_reduced(encoding: bytes) -> bool:
    """Whether the y of a 32-byte point encoding lies below the field's prime (RFC 8032 section 5.1.3, step 1)."""
    return _y(encoding) < FIELD_PRIME


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A sound Ed25519 public key: 32 bytes, the one encoding of a point of the prime-order group.

    Raises KeyRefused: KEY_LENGTH, KEY_SMALL_ORDER, KEY_ENCODING (y not below p), KEY_NOT_ON_CURVE, KEY_MIXED_ORDER.
    RFC 8032 section 5.1.3; the subgroup check is libsodium's (PyNaCl 1.6.2 or later, CVE-2025-69277).
    """

    raw: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.raw, bytes) or len(self.raw) != KEY_BYTES:
            raise KeyRefused.of("KEY_LENGTH", f"an Ed25519 public key has {KEY_BYTES} bytes")
        if is_small_order(self.raw):
            raise KeyRefused.of("KEY_SMALL_ORDER", "a point of small order verifies what nobody signed")
        if not is_reduced(self.raw):
            raise KeyRefused.of("KEY_ENCODING", "the point is not encoded canonically")
        if not _is_on_curve(self.raw):
            raise KeyRefused.of("KEY_NOT_ON_CURVE", "the bytes encode no point of the curve")
        if not crypto_core_ed25519_is_valid_point(self.raw):
            raise KeyRefused.of("KEY_MIXED_ORDER", "the point lies outside the prime-order group")

    @property
    def base64(self) -> str:
        """The key as it is registered and published: base64, standard alphabet, padded (44 characters)."""
        return base64_text(self.raw)


def public_key(raw: bytes | str) -> PublicKey:
    """The sound public key given as 32 bytes or as their base64; raises as PublicKey does, or KEY_BASE64."""
    if isinstance(raw, bytes):
        return PublicKey(raw)
    try:
        return PublicKey(base64_of(raw))
    except TextRefused:
        raise KeyRefused.of("KEY_BASE64", "not base64 in the standard alphabet with padding") from None


def fingerprint(key: PublicKey) -> str:
    """What two people compare by eye: "ed25519:" and the hex SHA-256 of the 32 key bytes."""
    return f"ed25519:{hashlib.sha256(key.raw).hexdigest()}"


class KeyState(StrEnum):
    """Where a registered key stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True)
class KeyWindow:
    """When a registered key may sign: from `valid_from` on, before `valid_to` (None: open), as its state allows.

    Raises KeyRefused KEY_WINDOW for an end not after its beginning, or a `compromised_since` on a key that is not
    compromised; TextRefused INSTANT_NAIVE for instants without an offset.
    """

    valid_from: datetime
    valid_to: datetime | None
    state: KeyState
    compromised_since: datetime | None = None

    def __post_init__(self) -> None:
        for instant in (self.valid_from, self.valid_to, self.compromised_since):
            if instant is not None:
                require_aware(instant)
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise KeyRefused.of("KEY_WINDOW", "the window ends before it begins", ("valid_to",))
        if self.compromised_since is not None and self.state is not KeyState.COMPROMISED:
            raise KeyRefused.of("KEY_WINDOW", "only a compromised key has that date", ("compromised_since",))

    def usable_at(self, instant: datetime) -> KeyRefused | None:
        """Why a new signature with this key is refused at `instant`, or None where it is welcome.

        KEY_PENDING, KEY_RETIRED, KEY_COMPROMISED, KEY_NOT_YET_VALID, KEY_EXPIRED.
        """
        require_aware(instant)
        if self.state is KeyState.PENDING:
            return KeyRefused.of("KEY_PENDING", "the key has not been taken into use")
        if self.state is KeyState.RETIRED:
            return KeyRefused.of("KEY_RETIRED", "the key is no longer in use")
        if self.state is KeyState.COMPROMISED:
            return KeyRefused.of("KEY_COMPROMISED", "the key has been reported compromised")
        return self._outside(instant)

    def covers(self, instant: datetime) -> KeyRefused | None:
        """Why a signature the hub received at `instant` no longer counts, or None where it stands (spec G-21).

        A retired key's signatures stand; a compromised key's stand if received before `compromised_since`, and none
        does when that is unknown. Judge by the hub's own receipt time: the thief of a key writes what he likes into
        `signedAt`.
        """
        require_aware(instant)
        if self.state is KeyState.PENDING:
            return KeyRefused.of("KEY_PENDING", "the key was never taken into use")
        if self.state is KeyState.COMPROMISED and (
            self.compromised_since is None or instant >= self.compromised_since
        ):
            return KeyRefused.of("KEY_COMPROMISED", "the key was compromised by then")
        return self._outside(instant)

    def _outside(self, instant: datetime) -> KeyRefused | None:
        if instant < self.valid_from:
            return KeyRefused.of("KEY_NOT_YET_VALID", "before the key's first valid instant")
        if self.valid_to is not None and instant >= self.valid_to:
            return KeyRefused.of("KEY_EXPIRED", "not before the end of the key's validity")
        return None


@dataclass(frozen=True, slots=True)
class HubKey:
    """A private Ed25519 key: the hub's own, or a client's in programs that sign. Its repr shows no secret."""

    _signing: SigningKey = field(repr=False)
    public: PublicKey
    key_id: str

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of a 32-byte seed (RFC 8032 section 5.1.5); raises KeyRefused KEY_LENGTH.

        `key_id` is "hub-" and the first 32 hex digits of the fingerprint, so it names the key wherever it is loaded.
        """
        if not isinstance(seed, bytes) or len(seed) != SEED_BYTES:
            raise KeyRefused.of("KEY_LENGTH", f"an Ed25519 seed has {SEED_BYTES} bytes")
        signing = SigningKey(seed)
        public = PublicKey(bytes(signing.verify_key))
        return cls(signing, public, "hub-" + hashlib.sha256(public.raw).hexdigest()[:32])

    def sign(self, message: bytes) -> bytes:
        """The 64-byte detached signature over exactly these bytes."""
        return self._signing.sign(message).signature


def _y(encoding: bytes) -> int:
    return int.from_bytes(encoding, "little") & (2**255 - 1)


def _is_on_curve(encoding: bytes) -> bool:
    """RFC 8032 section 5.1.3, step 2: (y^2 - 1) / (d y^2 + 1) is a square. Only public values pass through here."""
    y_squared = pow(_y(encoding), 2, FIELD_PRIME)
    x_squared = (y_squared - 1) * pow(CURVE_D * y_squared + 1, -1, FIELD_PRIME) % FIELD_PRIME
    return pow(x_squared, (FIELD_PRIME - 1) // 2, FIELD_PRIME) in (0, 1)
