"""What the hub itself brings to a verb: its domain, its signing key, its pepper. Values, never settings."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from hub.signing import HubKey


class SecondFactorPolicy(StrEnum):
    """From whom weighty steps demand a second factor: nobody who has none, operators, or everybody."""

    OFFERED = "offered"
    OPERATORS = "operators"
    REQUIRED = "required"


@dataclass(frozen=True)
class LogKeys:
    """The key that signs the log's checkpoints, and the one it takes over from while the log does not say so yet."""

    current: HubKey
    previous: HubKey | None = None


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """The key that wraps the keys of sealed values, and the one before it while data keys are wrapped anew."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)


def no_url(_: str) -> str | None:
    """What is wrong with a URL where nothing is wired that could call it."""
    return "this hub calls nobody"


@dataclass(frozen=True)
class Means:
    """Made once by the entry points from the settings and handed down."""

    domain: str
    signing_key: HubKey
    master_key: bytes = field(repr=False)
    log_keys: LogKeys | None = None
    vault_keys: VaultKeys | None = field(default=None, repr=False)
    environments: frozenset[str] = frozenset({"LIVE", "TEST"})
    development: bool = False
    second_factor: SecondFactorPolicy = SecondFactorPolicy.OFFERED
    # How long after a posting its receipt promises it to be in the log.
    log_promise: timedelta = timedelta(seconds=60)
    # Why the hub would not call a URL, as far as its text tells; None when nothing speaks against it.
    url_problem: Callable[[str], str | None] = field(default=no_url, repr=False, compare=False)
    _purposes: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False, init=False)

    @property
    def log_key(self) -> HubKey:
        """The key that signs the log's checkpoints."""
        return self.signing_key if self.log_keys is None else self.log_keys.current

    @property
    def log_key_previous(self) -> HubKey | None:
        """The key that signed before, while it must vouch for the current one."""
        return None if self.log_keys is None else self.log_keys.previous

    @property
    def vault_key(self) -> bytes:
        """The key that wraps data keys: destroyed with the last of them, what they sealed is gone."""
        return self.master_key if self.vault_keys is None else self.vault_keys.current

    @property
    def vault_key_previous(self) -> bytes | None:
        """The key that wrapped before, until every data key is wrapped anew."""
        return None if self.vault_keys is None else self.vault_keys.previous

    @property
    def log_origin(self) -> str:
        """The log's name, unlike any other log's: the first line of its checkpoints (C2SP tlog-checkpoint)."""
        return f"{self.domain}/log"

    def keyed_hash(self, purpose: str, value: bytes) -> bytes:
        """HMAC-SHA-256 under a key of its own per purpose: how API keys, codes and sessions lie at rest."""
        key = self._purposes.get(purpose)
        if key is None:
            key = hmac.digest(self.master_key, b"fiscal-hub/" + purpose.encode(), "sha256")
            self._purposes[purpose] = key
        return hmac.digest(key, value, "sha256")
