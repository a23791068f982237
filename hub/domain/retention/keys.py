"""Values sealed under a key of their own: the value is kept for ever, its key until it is destroyed.

1. A value gets a random data key; what is stored is an envelope under it, bound to its owner and place.
2. The data key is wrapped by the vault's key and lies in ``data_key``, the one table of these whose rows go.
3. Without that row nobody opens the value, the hub included; digests and commitments made of it stay as they are.
4. The vault's key is replaced by wrapping the data keys again; envelopes are never touched.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hub.db import Read, Transaction
from hub.domain.retention import store
from hub.errors import Corrupted
from hub.means import Means
from hub.signing import sealed

VALUE_PURPOSE = "retention.value"
KEY_PURPOSE = "retention.data_key"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands: whose it is (a system's document, a posting), and which of the owner's it is."""

    tenant_id: uuid.UUID
    owner_id: uuid.UUID
    place: str

    @property
    def bound(self) -> bytes:
        """What envelope and key are bound to, so that neither opens anywhere else."""
        return self.tenant_id.bytes + self.owner_id.bytes + self.place.encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as it is stored: wrapped, with the name of the vault's key that wraps it."""

    at: Place
    wrapped: bytes
    wrapped_by: bytes


def seal_value(means: Means, at: Place, clear: bytes) -> tuple[bytes, DataKey]:
    """The envelope of a value and the key to keep beside it."""
    key = os.urandom(sealed.KEY_BYTES)
    envelope = sealed.seal_bytes(key, VALUE_PURPOSE, clear, owner=at.bound)
    return envelope, _wrapped(means, at, key)


def open_value(means: Means, at: Place, envelope: bytes, wrapped: bytes) -> bytes:
    """The value that was sealed here. Raises Corrupted when envelope or key are not what was stored."""
    try:
        key = sealed.open_bytes(_wrapping(means, wrapped), KEY_PURPOSE, wrapped, owner=at.bound)
        return sealed.open_bytes(key, VALUE_PURPOSE, envelope, owner=at.bound)
    except sealed.SealBroken as broken:
        raise Corrupted("a sealed value does not open under its key") from broken


async def keep_keys(tx: Transaction, keys: Sequence[DataKey]) -> None:
    """Store the keys of values that are stored in the same transaction."""
    await store.insert_keys(
        tx, [(k.at.tenant_id, k.at.owner_id, k.at.place, k.wrapped, k.wrapped_by) for k in keys]
    )


async def find_keys(
    read: Read,
    tenant_id: uuid.UUID,
    owner_ids: Collection[uuid.UUID],
    places: Collection[str] | None = None,
) -> Mapping[tuple[uuid.UUID, str], bytes]:
    """The wrapped keys these owners have (of these places), by owner and place; what was erased has none."""
    return await store.find_keys(read, tenant_id, owner_ids, places)


async def find_key(read: Read, at: Place) -> bytes | None:
    """The wrapped key of one place."""
    return await store.find_key(read, at.tenant_id, at.owner_id, at.place)


async def erased(read: Read, at: Place) -> bool:
    """Whether the log has it that this value was erased."""
    return await store.is_erased(read, at.tenant_id, at.owner_id, at.place)


async def destroy(tx: Transaction, tenant_id: uuid.UUID, owner_id: uuid.UUID, places: Sequence[str]) -> None:
    """Delete the keys; the caller writes the facts that say so in the same transaction."""
    await store.delete_keys(tx, tenant_id, owner_id, places)


async def list_stale(read: Read, means: Means, limit: int) -> list[DataKey]:
    """Keys that another vault key than the present one wraps."""
    rows = await store.list_wrapped_otherwise(read, sealed.key_name(means.vault_key), limit)
    return [DataKey(Place(row[0], row[1], row[2]), row[3], row[4]) for row in rows]


async def rewrap(tx: Transaction, means: Means, limit: int) -> int:
    """Wrap data keys of the vault's previous key by the present one; how many that were."""
    stale = await list_stale(tx, means, limit)
    for each in stale:
        wrapped = sealed.reseal(
            _wrapping(means, each.wrapped),
            means.vault_key,
            KEY_PURPOSE,
            each.wrapped,
            owner=each.at.bound,
        )
        name = sealed.key_name(means.vault_key)
        at = each.at
        await store.update_key(tx, (at.tenant_id, at.owner_id, at.place, wrapped, name), each.wrapped)
    return len(stale)


def _wrapped(means: Means, at: Place, key: bytes) -> DataKey:
    wrapped = sealed.seal_bytes(means.vault_key, KEY_PURPOSE, key, owner=at.bound)
    return DataKey(at, wrapped, sealed.key_name(means.vault_key))


def _wrapping(means: Means, wrapped: bytes) -> bytes:
    previous = means.vault_key_previous
    is_previous = previous is not None and sealed.is_sealed_under(previous, wrapped)
    return previous if is_previous and previous is not None else means.vault_key
