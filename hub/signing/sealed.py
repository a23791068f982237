"""Secrets and personal data at rest: an AEAD envelope with a data key of its own per value."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.signing.errors import SigningError

VERSION = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
KEY_NAME_BYTES = 8
_WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
_HEAD_BYTES = len(VERSION) + KEY_NAME_BYTES


class SealBroken(SigningError):
    """A sealed value was altered, belongs elsewhere, or was sealed under another master key."""


def seal_bytes(master_key: bytes, purpose: str, clear: bytes, *, owner: bytes) -> bytes:
    """The envelope of ``clear``: version, master key's name, wrapped data key, ciphertext.

    ``purpose`` and ``owner`` (the row it belongs to) are authenticated: an envelope copied into another
    row or another use does not open.
    """
    data_key = os.urandom(KEY_BYTES)
    about = _about(purpose, owner)
    wrapped = _encrypt(_wrapping_key(master_key), data_key, about)
    return VERSION + key_name(master_key) + wrapped + _encrypt(data_key, clear, about)


def open_bytes(master_key: bytes, purpose: str, sealed: bytes, *, owner: bytes) -> bytes:
    """What was sealed; raises SealBroken for anything but an untouched envelope of this purpose and owner."""
    data_key, body = _unwrap(master_key, purpose, sealed, owner)
    return _decrypt(data_key, body, _about(purpose, owner))


def reseal(old_key: bytes, new_key: bytes, purpose: str, sealed: bytes, *, owner: bytes) -> bytes:
    """The same envelope under another master key: the data key is wrapped anew, the ciphertext stays."""
    data_key, body = _unwrap(old_key, purpose, sealed, owner)
    wrapped = _encrypt(_wrapping_key(new_key), data_key, _about(purpose, owner))
    return VERSION + key_name(new_key) + wrapped + body


def key_name(master_key: bytes) -> bytes:
    """Eight bytes that name a master key in the envelopes it wraps, and tell nothing about it."""
    return hmac.digest(master_key, b"fiscal-hub/sealed/key-name", hashlib.sha256)[:KEY_NAME_BYTES]


def is_sealed_under(master_key: bytes, sealed: bytes) -> bool:
    """Whether this master key wraps the envelope's data key; tells what a rotation has still to do."""
    return sealed[:_HEAD_BYTES] == VERSION + key_name(master_key)


def _unwrap(master_key: bytes, purpose: str, sealed: bytes, owner: bytes) -> tuple[bytes, bytes]:
    if not is_sealed_under(master_key, sealed):
        raise SealBroken.of("SEALED", "sealed under another master key, or not sealed at all")
    wrapped = sealed[_HEAD_BYTES : _HEAD_BYTES + _WRAPPED_BYTES]
    data_key = _decrypt(_wrapping_key(master_key), wrapped, _about(purpose, owner))
    return data_key, sealed[_HEAD_BYTES + _WRAPPED_BYTES :]


def _encrypt(key: bytes, clear: bytes, about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, clear, about)


def _decrypt(key: bytes, data: bytes, about: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], about)
    except (InvalidTag, ValueError):
        raise SealBroken.of("SEALED", "the envelope does not open") from None


def _about(purpose: str, owner: bytes) -> bytes:
    return len(purpose.encode()).to_bytes(2, "big") + purpose.encode() + owner


def _wrapping_key(master_key: bytes) -> bytes:
    return hmac.digest(master_key, b"fiscal-hub/sealed/wrapping-key", hashlib.sha256)
