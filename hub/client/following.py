"""Following a log from outside: every checkpoint must continue the last one seen; trusts nothing but a key.

1. Fetch the checkpoint; its signature must be by a trusted key.
2. It must not be smaller than the last one, nor another tree of the same size.
3. Fetch the entries since then; with the hashes remembered they must lead to exactly the signed root.
4. A key that a trusted key announces among them is trusted from there on.
5. So many known witnesses as were asked for must have cosigned it.
6. Only then is the new state remembered.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hub.signing import (
    TILE_WIDTH,
    BundleRef,
    Checkpoint,
    Edge,
    NoteKey,
    NoteRefused,
    SigningError,
    entries_of,
    grow,
    open_note,
)
from hub.signing.announcements import is_announcement, trusted_keys
from hub.signing.cosignatures import WitnessKey, cosigned_at
from hub.signing.merkle import EMPTY_ROOT, leaf_hash

TIMEOUT_SECONDS = 30.0
ANSWER_BYTES_MAX = 32 * 1024 * 1024


class LogMisbehaved(Exception):
    """The log contradicts what it signed before, or what it shows: `evidence` holds the notes that prove it."""

    def __init__(self, reason: str, *evidence: str) -> None:
        super().__init__(reason)
        self.evidence = evidence


class NotCosigned(Exception):
    """Too few known witnesses have cosigned what the log publishes: nothing is wrong yet, and nothing is remembered."""


@dataclass
class Seen:
    """What a follower remembers: the trusted keys, the last checkpoint it checked, and the tree's edge there."""

    keys: list[NoteKey]
    note: str = ""
    edge: Edge = field(default_factory=Edge)

    @classmethod
    def load(cls, path: Path, key: NoteKey) -> Seen:
        """The state in this file, or a beginning with this key; raises ValueError when the file is another log's."""
        if not path.exists():
            return cls([key])
        said: dict[str, Any] = json.loads(path.read_text())
        keys = [NoteKey.parse(text) for text in said["keys"]]
        if keys[0] != key:
            raise ValueError(f"{path} follows a log under another key")
        partials = tuple(base64.b64decode(part) for part in said["partials"])
        return cls(keys, said["note"], Edge(said["size"], partials))

    def save(self, path: Path) -> None:
        """Replace the file whole, so that a crash leaves the old state or the new one."""
        said = {
            "keys": [key.text for key in self.keys],
            "note": self.note,
            "size": self.edge.size,
            "partials": [base64.b64encode(part).decode() for part in self.edge.partials],
        }
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("w") as file:
            file.write(json.dumps(said, indent=1))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


@dataclass(frozen=True)
class Quorum:
    """Which witnesses are known, and how many of them must have cosigned a checkpoint."""

    keys: tuple[WitnessKey, ...] = ()
    needed: int = 0

    def check(self, note: str) -> None:
        """Raises NotCosigned when fewer have, each counted once; lines by others say nothing."""
        text, _, tail = note.rpartition("\n\n")
        signed = 0
        for key in self.keys:
            with contextlib.suppress(NoteRefused):
                cosigned_at(text + "\n", tail.splitlines(), key)
                signed += 1
        if signed < self.needed:
            raise NotCosigned(f"{signed} known witnesses have cosigned it, {self.needed} are asked for")


@dataclass
class Follower:
    """Follows the log at one address."""

    http: httpx.Client
    url: str
    seen: Seen
    quorum: Quorum = field(default_factory=Quorum)

    def step(self) -> int:
        """Check what the log publishes now; how many leaves are new.

        Raises LogMisbehaved; NotCosigned while the witnesses have not been there; or httpx's errors.
        """
        note = self._published()
        entries: list[bytes] = []
        try:
            checkpoint = self._opened(note)
        except NoteRefused:
            # Perhaps a key announced since signed it: what the entries say decides, and they must fit the root.
            checkpoint = _unopened(note)
        known = self.seen.edge.size
        root = grow(self.seen.edge, ()).root if known else EMPTY_ROOT
        if checkpoint.size < known:
            raise LogMisbehaved(
                f"the log shrank from {known} to {checkpoint.size} leaves", self.seen.note, note
            )
        if checkpoint.size == known and known and checkpoint.root != root:
            raise LogMisbehaved(f"two trees of {known} leaves were signed", self.seen.note, note)
        entries = self._entries(known, checkpoint.size)
        growth = grow(self.seen.edge, [leaf_hash(entry) for entry in entries])
        if growth.root != checkpoint.root:
            raise LogMisbehaved("the entries do not lead to the signed root", self.seen.note, note)
        keys = self._announced(entries)
        try:
            open_note(note, keys)
        except NoteRefused as refused:
            raise LogMisbehaved(f"no trusted key signed the checkpoint: {refused}", note) from refused
        self.quorum.check(note)
        self.seen = Seen(keys, note, growth.edge)
        return len(entries)

    def _published(self) -> str:
        needed = self.quorum.needed
        try:
            return self._get(f"checkpoint/cosigned?witnesses={needed}" if needed else "checkpoint").decode()
        except httpx.HTTPStatusError as answered:
            if needed and answered.response.status_code == httpx.codes.NOT_FOUND:
                raise NotCosigned(f"no checkpoint has {needed} cosignatures yet") from answered
            raise

    def _opened(self, note: str) -> Checkpoint:
        text, _ = open_note(note, self.seen.keys)
        checkpoint = Checkpoint.parse(text)
        if checkpoint.origin != self.seen.keys[0].name:
            raise LogMisbehaved("the checkpoint is another log's", note)
        return checkpoint

    def _entries(self, known: int, size: int) -> list[bytes]:
        found: list[bytes] = []
        for number in range(known // TILE_WIDTH, -(-size // TILE_WIDTH) if size > known else 0):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            try:
                bundle = entries_of(self._get(BundleRef(number, width).path))
            except SigningError as refused:
                raise LogMisbehaved(f"bundle {number} is malformed: {refused}") from refused
            if len(bundle) != width:
                raise LogMisbehaved(f"bundle {number} has {len(bundle)} entries instead of {width}")
            found += bundle[max(0, known - number * TILE_WIDTH) :]
        return found

    def _announced(self, entries: list[bytes]) -> list[NoteKey]:
        name, known = self.seen.keys[0].name, [key.public for key in self.seen.keys]
        try:
            keys = trusted_keys(list(filter(is_announcement, entries)), name, known)
        except NoteRefused as refused:
            raise LogMisbehaved(f"the log changes hands: {refused}") from refused
        return [NoteKey(name, key) for key in keys]

    def _get(self, path: str) -> bytes:
        answer = self.http.get(f"{self.url.rstrip('/')}/log/{path}", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        if len(answer.content) > ANSWER_BYTES_MAX:
            raise LogMisbehaved(f"{path} is larger than any answer of a log")
        return answer.content


def _unopened(note: str) -> Checkpoint:
    try:
        return Checkpoint.parse(note.partition("\n\n")[0] + "\n")
    except NoteRefused as refused:
        raise LogMisbehaved(f"not a checkpoint: {refused}", note) from refused
