"""Nouns of retention: what can be erased, who asked for it, what became of it, and what is held. Pure."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.codes import Code
from hub.errors import Conflict, InvalidInput

TEXT_LENGTH_MIN = 3
TEXT_LENGTH_MAX = 1_024


class Subject(StrEnum):
    """What an erasure or a hold is about: a system's document, or a posting."""

    DOCUMENT = "DOCUMENT"
    POSTING = "POSTING"


class Change(StrEnum):
    """What happened. An approval stands beside one ERASED for each key it destroyed."""

    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"
    ERASED = "ERASED"
    HELD = "HELD"
    RELEASED = "RELEASED"


class ErasureState(StrEnum):
    """How far an erasure has come. VALIDATED: a dry run, nothing was written."""

    VALIDATED = "VALIDATED"
    REQUESTED = "REQUESTED"
    ERASED = "ERASED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request and what became of it. ``owner_id`` and ``places`` name the keys; ``posting_ids`` what shows them."""

    id: uuid.UUID | None
    tenant_id: uuid.UUID
    subject: Subject
    owner_id: uuid.UUID
    places: tuple[str, ...]
    posting_ids: tuple[uuid.UUID, ...]
    reason: str
    legal_basis: str
    state: ErasureState
    requested_by: uuid.UUID | None
    requested_at: datetime
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """While it stands, nothing of its posting is erased, nor any document attached to it."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    posting_id: uuid.UUID
    reason: str
    legal_basis: str
    placed_at: datetime
    released_at: datetime | None = None


class Erased(Conflict):
    """What is asked for was erased: its key is destroyed, nobody can read it any more."""


def require_text(text: str, *path: str) -> None:
    """A reason or legal basis that a person wrote; raises InvalidInput TEXT."""
    printable = all(unicodedata.category(char)[0] != "C" for char in text)
    if not (len(text.strip()) >= TEXT_LENGTH_MIN and len(text) <= TEXT_LENGTH_MAX and printable):
        told = f"{TEXT_LENGTH_MIN} to {TEXT_LENGTH_MAX} printable characters"
        raise InvalidInput.because(Code.TEXT, told, *path)
