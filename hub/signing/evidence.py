"""What the hub signs about an evidence file as a whole, so that nothing can be left out of it (docs/evidence.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub.signing.framing import Digest, Domain, frame

SIGNATURE = "signature"


def evidence_text(members: Mapping[str, Any]) -> str:
    """The one spelling of a file: names sorted, no white space; as long as it needs to be.

    The values are text, None, lists and objects, whose names are ASCII; hence the same bytes as RFC 8785 gives.
    """
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def evidence_statement(members: Mapping[str, Any], key_id: str) -> bytes:
    """What the hub's key signs: `FXH-EVIDENCE-V1`, line feed, the digest of all members but the signature."""
    text = evidence_text({name: value for name, value in members.items() if name != SIGNATURE})
    return frame(Domain.EVIDENCE, {"digest": Digest.of(text.encode()).text, "keyId": key_id, "v": "1"})
