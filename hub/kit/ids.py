"""Identifiers: UUIDv7 inside, ``<prefix>_<uuid>`` on the wire, so that an id says what it names."""

from __future__ import annotations

import uuid

from uuid_utils import compat

UUID_CHARACTERS = 36


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): time-ordered, so that B-trees stay dense."""
    return compat.uuid7()


def public_id(prefix: str, value: uuid.UUID) -> str:
    """``evt_0199f1c0-…``: the id as the API shows and signs it."""
    return f"{prefix}_{value}"


def parse_public_id(text: str) -> tuple[str, uuid.UUID] | None:
    """Prefix and UUID of a public id, or None when it is not one in its only spelling."""
    prefix, underscore, rest = text.partition("_")
    if not underscore or len(rest) != UUID_CHARACTERS:
        return None
    try:
        value = uuid.UUID(rest)
    except ValueError:
        return None
    return (prefix, value) if str(value) == rest else None


def uuid_of(prefix: str, text: str) -> uuid.UUID | None:
    """The UUID of a public id of one kind, or None."""
    parsed = parse_public_id(text)
    return parsed[1] if parsed is not None and parsed[0] == prefix else None
