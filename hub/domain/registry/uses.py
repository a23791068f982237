"""What this process remembers between requests: keys just verified, and when keys and sessions were used."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.domain.registry.callers import SystemCaller

VERIFIED_FOR = timedelta(seconds=3)
VERIFIED_MAX = 10_000
NOTE_EVERY = timedelta(minutes=1)
NOTES_MAX = 50_000


@dataclass
class VerifiedKeys:
    """Keys verified a moment ago, by their keyed hash; an entry lives three seconds, its number is bounded."""

    _entries: OrderedDict[bytes, tuple[datetime, SystemCaller]] = field(default_factory=OrderedDict)

    def find(self, key_hash: bytes, now: datetime) -> SystemCaller | None:
        """The caller of a key verified less than three seconds ago."""
        entry = self._entries.get(key_hash)
        if entry is None:
            return None
        age = now - entry[0]
        if timedelta(0) <= age < VERIFIED_FOR:
            return entry[1]
        del self._entries[key_hash]
        return None

    def keep(self, key_hash: bytes, now: datetime, caller: SystemCaller) -> None:
        """Remember a verified key."""
        self._entries[key_hash] = (now, caller)
        while len(self._entries) > VERIFIED_MAX:
            self._entries.popitem(last=False)

    def forget(self, *, system_id: uuid.UUID | None = None, agency_id: uuid.UUID | None = None) -> None:
        """Drop what this process remembers of a system's, or of an agency's systems' keys."""
        for key_hash, (_, caller) in list(self._entries.items()):
            if caller.system_id == system_id or caller.agency_id == agency_id:
                self._entries.pop(key_hash, None)


@dataclass
class Uses:
    """Last uses not yet written down: at most once a minute they go to the database in one go."""

    keys: dict[uuid.UUID, datetime] = field(default_factory=dict)
    sessions: dict[uuid.UUID, datetime] = field(default_factory=dict)
    written_at: datetime | None = None

    def note(self, notes: dict[uuid.UUID, datetime], subject: uuid.UUID, at: datetime) -> None:
        """Remember a use; beyond the bound new subjects wait for the next one."""
        if subject in notes or len(notes) < NOTES_MAX:
            notes[subject] = at

    def is_due(self, now: datetime) -> bool:
        """Whether a minute has passed since the last writing (or since this process first asked)."""
        if self.written_at is None:
            self.written_at = now
        passed = now - self.written_at
        return bool(self.keys or self.sessions) and not timedelta(0) <= passed < NOTE_EVERY

    def take(self, now: datetime) -> tuple[dict[uuid.UUID, datetime], dict[uuid.UUID, datetime]]:
        """What is to be written now."""
        taken = self.keys, self.sessions
        self.keys, self.sessions, self.written_at = {}, {}, now
        return taken


verified_keys = VerifiedKeys()
uses = Uses()
