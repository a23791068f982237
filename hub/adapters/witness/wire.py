"""The bodies of tlog-witness' add-checkpoint: an `old` line, proof lines, an empty line, the checkpoint's note. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hub.signing import HASH_BYTES, TextRefused, base64_of, base64_text

SIZE_TYPE = "text/x.tlog.size"
PROOF_LINES_MAX = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")


class BodyRefused(ValueError):
    """Not a body of this protocol."""


def write_request(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body that asks a witness for its cosignature."""
    lines = [f"old {old}", *map(base64_text, proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def read_request(body: bytes) -> tuple[int, tuple[bytes, ...], str]:
    """Old size, proof and note of such a body. Raises BodyRefused."""
    try:
        head, gap, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise BodyRefused("not UTF-8") from None
    first, *rest = head.split("\n")
    matched = _OLD.fullmatch(first)
    if matched is None or not gap or len(rest) > PROOF_LINES_MAX:
        raise BodyRefused("not an old line, proof lines, an empty line and a checkpoint")
    try:
        proof = tuple(base64_of(line) for line in rest)
    except TextRefused:
        raise BodyRefused("a proof line is not base64") from None
    if any(len(part) != HASH_BYTES for part in proof):
        raise BodyRefused("a proof line is no hash")
    return int(matched[1]), proof, note


def read_size(body: bytes) -> int | None:
    """The size a witness says it remembers; None for what is no number."""
    matched = _SIZE.fullmatch(body)
    return None if matched is None else int(matched[1])


def read_lines(body: bytes) -> tuple[str, ...]:
    """The signature lines of an answer; none for what is no text."""
    try:
        return tuple(line + "\n" for line in body.decode().split("\n") if line)
    except UnicodeDecodeError:
        return ()
