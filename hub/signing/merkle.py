"""Merkle trees over byte strings as RFC 6962 hashes them: roots, inclusion and consistency proofs; pure.

A leaf is SHA-256(0x00 || data), a node SHA-256(0x01 || left || right), so no leaf can pass for a node. A lone node at
the right edge is carried up as it is. A proof is a list of 32-byte hashes, from the leaf's side up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from hub.signing.errors import ProofRefused

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_LEAF, _NODE = b"\x00", b"\x01"
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf (RFC 6962 section 2.1)."""
    return _sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees (RFC 6962 section 2.1)."""
    return _sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole tree in memory: every hash of every level, leaves first; made once, asked for many proofs."""

    levels: tuple[tuple[bytes, ...], ...]

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> Self:
        """The tree over the data of these leaves, in order; none of them is a tree as well."""
        level = tuple(leaf_hash(data) for data in leaves)
        levels = [level]
        while len(level) > 1:
            level = tuple(
                node_hash(level[i], level[i + 1]) if i + 1 < len(level) else level[i]
                for i in range(0, len(level), 2)
            )
            levels.append(level)
        return cls(tuple(levels))

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(self.levels[0])

    @property
    def root(self) -> bytes:
        """The hash that stands for all leaves and their order."""
        return self.levels[-1][0] if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """The path that proves that leaf `index` (from 0) is in this tree; raises ProofRefused PROOF_INDEX."""
        if not 0 <= index < self.size:
            raise ProofRefused.of("PROOF_INDEX", "no such leaf in a tree of this size")
        path = []
        for level in self.levels[:-1]:
            beside = index ^ 1
            if beside < len(level):
                path.append(level[beside])
            index >>= 1
        return tuple(path)

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """The proof that the tree over the first `size` leaves is this one's beginning (RFC 6962 section 2.1.2).

        Empty for the whole tree. Raises ProofRefused PROOF_INDEX unless 1 <= size <= self.size.
        """
        if not 1 <= size <= self.size:
            raise ProofRefused.of("PROOF_INDEX", "no earlier tree of this size")
        proof: list[bytes] = []
        start, end, is_whole = 0, self.size, True
        while size != end:
            split = start + (1 << ((end - start - 1).bit_length() - 1))
            if size <= split:
                proof.append(self._over(split, end))
                end = split
            else:
                proof.append(self._over(start, split))
                start, is_whole = split, False
        if not is_whole:
            proof.append(self._over(start, end))
        return tuple(reversed(proof))

    def _over(self, start: int, end: int) -> bytes:
        """The root of a subtree of this tree, which is full or reaches to the right edge."""
        height = (end - start - 1).bit_length()
        return self.levels[height][start >> height]


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `leaf` (a leaf's hash) stands at `index` with this path.

    Raises ProofRefused: PROOF_INDEX (no such place), PROOF_SHAPE (the path is longer or shorter than from there to
    the root, or holds something that is no hash). RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofRefused.of("PROOF_INDEX", "no such leaf in a tree of this size")
    found = leaf
    for beside, stands_left in zip(path, _sides(index, size - 1, path), strict=True):
        found = node_hash(beside, found) if stands_left else node_hash(found, beside)
    return found


def _sides(node: int, last: int, path: Sequence[bytes]) -> list[bool]:
    """For each hash of a path from `node`, whether it stands to the left; `last` is the level's last node.

    Raises ProofRefused PROOF_SHAPE unless the path ends exactly at the root.
    """
    sides = []
    for beside in path:
        if last == 0 or len(beside) != HASH_BYTES:
            raise _misshapen()
        stands_left = bool(node & 1) or node == last
        # A lone node at the right edge was carried up to the first level where something stands beside it.
        while stands_left and node and not node & 1:
            node, last = node >> 1, last >> 1
        sides.append(stands_left)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _misshapen()
    return sides


def verify_inclusion(data: bytes, index: int, size: int, path: Sequence[bytes], *, root: bytes) -> None:
    """Returns if the tree of this size and root holds `data` at `index`; raises as `root_of`, or PROOF_ROOT."""
    if root_of(leaf_hash(data), index, size, path) != root:
        raise ProofRefused.of("PROOF_ROOT", "the path leads to another root")


def verify_consistency(first: tuple[int, bytes], second: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    """Returns if the second tree (size and root) begins with the first; raises ProofRefused (RFC 9162, 2.1.4.2).

    PROOF_INDEX: the sizes are not in order, or the first is empty. PROOF_SHAPE: longer or shorter than between such
    trees. PROOF_ROOT: leads to another root of either.
    """
    (first_size, first_root), (second_size, second_root) = first, second
    if not 1 <= first_size <= second_size:
        raise ProofRefused.of("PROOF_INDEX", "the first tree is not empty, nor larger than the second")
    if first_size == second_size:
        if proof:
            raise _misshapen()
        _same(first_root, second_root)
        return
    # A first tree of a power of two is a node of the second; the proof begins with it then, unsaid.
    parts = list(proof)
    if first_size & (first_size - 1) == 0:
        parts.insert(0, first_root)
    if not parts or len(parts[0]) != HASH_BYTES:
        raise _misshapen()
    node, last = first_size - 1, second_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = parts[0]
    for part, stands_left in zip(parts[1:], _sides(node, last, parts[1:]), strict=True):
        if stands_left:
            old, new = node_hash(part, old), node_hash(part, new)
        else:
            new = node_hash(new, part)
    _same(old, first_root)
    _same(new, second_root)


def _same(found: bytes, root: bytes) -> None:
    if found != root:
        raise ProofRefused.of("PROOF_ROOT", "the proof leads to another root")


def _misshapen() -> ProofRefused:
    return ProofRefused.of("PROOF_SHAPE", "not a proof between these places")
