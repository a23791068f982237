"""What the hub itself brings to a verb: its domain, its signing key, its pepper. Values, never settings."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from hub.signing import HubKey


@dataclass(frozen=True)
class Means:
    """Made once by the entry points from the settings and handed down."""

    domain: str
    signing_key: HubKey
    master_key: bytes = field(repr=False)
    environments: frozenset[str] = frozenset({"LIVE", "TEST"})
    development: bool = False
    _purposes: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False, init=False)

    def keyed_hash(self, purpose: str, value: bytes) -> bytes:
        """HMAC-SHA-256 under a key of its own per purpose: how API keys, codes and sessions lie at rest."""
        key = self._purposes.get(purpose)
        if key is None:
            key = hmac.digest(self.master_key, b"fiscal-hub/" + purpose.encode(), "sha256")
            self._purposes[purpose] = key
        return hmac.digest(key, value, "sha256")
