"""How a log's key is handed over: the public leaf FXH-LOG-KEY-V1, made by the old key for the new one; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hub.signing.errors import NoteRefused, SigningError
from hub.signing.framing import Domain, frame, unframe
from hub.signing.keys import HubKey, PublicKey, public_key
from hub.signing.texts import base64_of, base64_text, instant_text

_VERSION = "1"
_MEMBERS = {"announcedAt", "key", "origin", "possession", "previous", "signature", "v"}


def announcement(origin: str, key: HubKey, voucher: HubKey, *, at: datetime) -> bytes:
    """The leaf by which ``voucher`` hands the log to ``key``; a log's first key vouches for itself.

    Members: announcedAt, key, previous (base64), origin, v; possession and signature are Ed25519 by ``key`` and
    ``voucher`` over the same frame without those two members.
    """
    members = {
        "announcedAt": instant_text(at),
        "key": key.public.base64,
        "origin": origin,
        "previous": voucher.public.base64,
        "v": _VERSION,
    }
    said = frame(Domain.LOG_KEY, members)
    signed = {"possession": base64_text(key.sign(said)), "signature": base64_text(voucher.sign(said))}
    return frame(Domain.LOG_KEY, {**members, **signed})


def is_announcement(entry: bytes) -> bool:
    """Whether a log entry is about the log's key."""
    return entry.startswith(Domain.LOG_KEY.line)


def read_announcement(entry: bytes, origin: str) -> tuple[PublicKey, PublicKey]:
    """The key a leaf hands the log of this origin to, and the one before; raises NoteRefused LOG_KEY.

    Both have signed it. Whether to trust either is the reader's question: see `trusted_keys`.
    """
    try:
        _, members = unframe(entry)
        if not isinstance(members, dict) or set(members) != _MEMBERS or members["origin"] != origin:
            raise NoteRefused.of("LOG_KEY", "not an announcement of this log")
        said = {name: str(value) for name, value in members.items()}
        signed = frame(Domain.LOG_KEY, {name: said[name] for name in _MEMBERS - {"possession", "signature"}})
        key, previous = public_key(said["key"]), public_key(said["previous"])
        VerifyKey(key.raw).verify(signed, base64_of(said["possession"]))
        VerifyKey(previous.raw).verify(signed, base64_of(said["signature"]))
    except (SigningError, BadSignatureError, ValueError):
        raise NoteRefused.of("LOG_KEY", "not a sound announcement of this log") from None
    return key, previous


def trusted_keys(
    entries: Sequence[bytes], origin: str, trusted: Sequence[PublicKey]
) -> tuple[PublicKey, ...]:
    """The trusted keys, and those that these announcements (in the log's order) connect with them.

    A trusted key's successor is trusted because it vouched for it, its predecessor because it named it under its own
    signature. Raises NoteRefused LOG_KEY for an announcement that leads from no trusted key to none.
    """
    steps = [read_announcement(entry, origin) for entry in entries]
    known = list(trusted)
    for key, previous in reversed(steps):
        if key in known and previous not in known:
            known.append(previous)
    for key, previous in steps:
        if previous not in known:
            raise NoteRefused.of("LOG_KEY", "nobody trusted vouches for the announced key")
        if key not in known:
            known.append(key)
    return tuple(known)
