"""Witnesses: what each is to be sent next, and taking in the line it answers.

1. A witness is sent the last checkpoint, with the proof that it continues the one the witness has cosigned.
2. What it answers counts only as a valid line by its own configured key over these very lines.
3. When it remembers another size, the proof begins there; when it remembers more than the log has, the log is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hub.db import Read, Transaction
from hub.domain.transparency import service, store
from hub.domain.transparency.model import LogCheckpoint
from hub.signing import NoteRefused
from hub.signing.cosignatures import WitnessKey, cosigned_at

AHEAD_SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness the hub sends its checkpoints to: where, and whose word is believed."""

    url: str
    key: WitnessKey

    @classmethod
    def read(cls, text: str) -> tuple[Witness, ...]:
        """Witnesses from `URL key` pairs, separated by commas. Raises ValueError or NoteRefused for anything else."""
        found = []
        for pair in filter(None, (each.strip() for each in text.split(","))):
            url, _, key = pair.partition(" ")
            found.append(cls(url, WitnessKey.parse(key.strip())))
        if len({each.key.name for each in found}) != len(found):
            raise ValueError("two witnesses of one name")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint and the proof that it continues the tree of ``old`` leaves (0: no proof is asked for)."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: LogCheckpoint


class Said(StrEnum):
    """What a witness answered, in one word."""

    COSIGNED = "COSIGNED"
    OTHER_SIZE = "OTHER_SIZE"
    REFUSED = "REFUSED"
    UNREACHABLE = "UNREACHABLE"


@dataclass(frozen=True, slots=True)
class Reply:
    """Its answer: signature lines, the size it remembers, or why not."""

    said: Said
    lines: tuple[str, ...] = ()
    size: int | None = None
    reason: str = ""


class WitnessDesk(Protocol):
    """Sends submissions by the tlog-witness protocol; a failure is a reply, never an exception."""

    async def add_checkpoint(self, witness: Witness, submission: Submission) -> Reply:
        """Send one and tell what came back."""
        ...


async def next_submission(read: Read, witness: Witness, old: int | None = None) -> Submission | None:
    """What to send this witness now; None when it has cosigned the last checkpoint. ``old``: the size it remembers."""
    last = await store.find_checkpoint(read)
    cosigned = await store.cosigned_size(read, witness.key.name)
    if last is None or (cosigned == last.size and old is None):
        return None
    start = cosigned if old is None else old
    if not 0 <= start <= last.size:
        return None
    return Submission(start, await service.get_consistency(read, start, last.size), last)


async def take_cosignature(
    tx: Transaction, witness: Witness, checkpoint: LogCheckpoint, lines: Sequence[str]
) -> int:
    """Store the witness's line on this checkpoint; the POSIX time it names.

    Raises NoteRefused when no line is a valid one by its key, or its time lies far ahead.
    """
    text = checkpoint.note.partition("\n\n")[0] + "\n"
    seconds, line = cosigned_at(text, lines, witness.key)
    if not 0 < seconds <= tx.now.timestamp() + AHEAD_SECONDS_MAX:
        raise NoteRefused.of("NOTE_SIGNATURE", "the cosignature's time is not of this world")
    await store.insert_cosignature(tx, checkpoint.size, witness.key.name, line)
    return seconds


async def find_cosigned(read: Read, witnesses: int) -> str | None:
    """The last checkpoint that so many witnesses have cosigned, with their lines; None where there is none."""
    size = await store.last_cosigned(read, witnesses)
    found = None if size is None else await store.find_checkpoint(read, size)
    return None if found is None else found.note + "".join(await store.list_cosignatures(read, found.size))
