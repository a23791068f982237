"""What the signing package refuses: one small family, each error with a code and the place it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

POINTER_LENGTH_MAX = 200

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: its code, where in the value it is broken (names and positions from the root), in words.

    The words never quote a value: they may end in a log.
    """

    code: str
    path: Path
    message: str

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901), with unprintable characters escaped."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in self.path)
        return "".join(f"/{step}" for step in steps).encode("ascii", "backslashreplace").decode("ascii")


class SigningError(ValueError):
    """A refusal of this package: every violation found, and the first one's `code` and `path`."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        first = violations[0]
        told = (
            f"{found.code} at '{found.pointer[:POINTER_LENGTH_MAX]}': {found.message}"
            for found in violations[:3]
        )
        super().__init__("; ".join(told))
        self.violations = tuple(violations)
        self.code = first.code
        self.path = first.path

    @classmethod
    def of(cls, code: str, message: str, path: Path = ()) -> Self:
        """The error for a single violation."""
        return cls([Violation(code, path, message)])


class NotCanonical(SigningError):
    """A value has no canonical bytes, or bytes are not the canonical bytes of any value."""


class FrameRefused(SigningError):
    """Bytes do not begin with the domain line that was expected of them."""


class TextRefused(SigningError):
    """An amount, an instant or a digest has no text form, or a text is not one of these forms."""


class StatementRefused(SigningError):
    """A statement, receipt or proof of possession has a missing, unknown or malformed member."""


class KeyRefused(SigningError):
    """A key is not a sound Ed25519 key, or may not be used at the instant in question."""


class ProofRefused(SigningError):
    """A Merkle proof is asked of, or leads to, a tree that is not the one meant."""


class TileRefused(SigningError):
    """A tile, a bundle of entries, their path or a tree's edge is none that a log can have."""


class NoteRefused(SigningError):
    """A signed note, a key to verify it with or a checkpoint is malformed, or bears no signature that was asked for."""


class SignatureInvalid(SigningError):
    """A signature does not hold; `code` is always SIGNATURE_INVALID, `reason` says at which check it fell.

    Reasons: BASE64, LENGTH, S_RANGE, R_SMALL_ORDER, R_ENCODING, MISMATCH, DIGEST, PROOF.
    """

    def __init__(self, violations: Sequence[Violation], reason: str = "MISMATCH") -> None:
        super().__init__(violations)
        self.reason = reason

    @classmethod
    def because(cls, reason: str, message: str) -> Self:
        """The error for one reason of the list above."""
        return cls([Violation("SIGNATURE_INVALID", (), message)], reason)
