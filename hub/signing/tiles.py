"""The tiles a log is kept and served in (C2SP tlog-tiles), how they grow, and the proofs read from them; pure.

A tile of level L holds up to 256 hashes, each over 256**L leaves; what hashes is `hub.signing.merkle`, RFC 6962. A full
tile never changes, and a partial one is a beginning of every later state of itself: whoever holds a wider tile than
a proof asks for may hand over that one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeAlias

from hub.signing.errors import ProofRefused, TileRefused
from hub.signing.merkle import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
TREE_SIZE_MAX = 2**63 - 1
ENTRY_BYTES_MAX = 0xFFFF

_LEVEL_MAX = 7
_PAIR_BYTES = 2 * HASH_BYTES
_PATH_LENGTH_MAX = 100
_PATH = re.compile(r"tile/(entries|[0-9])/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_sha256 = hashlib.sha256

Place: TypeAlias = tuple[int, int]
"""A tile's level and its number within the level."""


@dataclass(frozen=True, slots=True)
class TileRef:
    """One tile by its place, and how many of its hashes are meant (256: the full tile).

    Raises TileRefused TILE_PLACE for a level or number outside a tree of at most 2**63 - 1 leaves, or a width
    outside 1 to 256.
    """

    level: int
    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _require_place(self.level, self.n, self.width)

    @property
    def place(self) -> Place:
        """The key under which proofs look for this tile."""
        return self.level, self.n

    @property
    def path(self) -> str:
        """Its path under the log's address, as in "tile/1/x001/234.p/17"."""
        return f"tile/{self.level}/{_spelled(self.n, self.width)}"


@dataclass(frozen=True, slots=True)
class BundleRef:
    """One bundle of log entries by its number, and how many entries of it are meant; raises as TileRef."""

    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _require_place(0, self.n, self.width)

    @property
    def path(self) -> str:
        """Its path under the log's address, as in "tile/entries/x001/234"."""
        return f"tile/entries/{_spelled(self.n, self.width)}"


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile with its hashes, 32 bytes each one after the other; as served."""

    level: int
    n: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds; 256 when it is full."""
        return len(self.hashes) // HASH_BYTES

    @property
    def ref(self) -> TileRef:
        """Where it stands and how wide it is."""
        return TileRef(self.level, self.n, self.width)


def tile_at_path(path: str) -> TileRef | BundleRef:
    """What a path of the tile interface names; raises TileRefused TILE_PATH for any spelling but the one."""
    found = _PATH.fullmatch(path) if len(path) <= _PATH_LENGTH_MAX and path.isascii() else None
    if found is None:
        raise TileRefused.of("TILE_PATH", "not the path of a tile or bundle")
    kind, thousands, rest, partial = found.groups()
    n = int(thousands.replace("x", "").replace("/", "") + rest)
    width = TILE_WIDTH if partial is None else int(partial)
    try:
        ref = BundleRef(n, width) if kind == "entries" else TileRef(int(kind), n, width)
    except TileRefused:
        raise TileRefused.of("TILE_PATH", "no tree has such a tile") from None
    if ref.path != path:
        raise TileRefused.of("TILE_PATH", "not spelled as the tile interface spells it")
    return ref


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """The bundle of these entries, each after its length in two bytes; raises TileRefused ENTRY_SIZE."""
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise TileRefused.of("ENTRY_SIZE", f"an entry has at most {ENTRY_BYTES_MAX} bytes")
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def entries_of(bundle: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle; raises TileRefused BUNDLE_SHAPE if it ends within one or holds more than 256."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        begin = at + 2
        at = begin + int.from_bytes(bundle[at:begin], "big")
        if begin > len(bundle) or at > len(bundle) or len(entries) == TILE_WIDTH:
            raise TileRefused.of("BUNDLE_SHAPE", "the bundle ends within an entry, or has too many")
        entries.append(bundle[begin:at])
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a growing tree: of each level, the hashes of the one tile that is not full yet.

    `partials` runs from level 0 up to the highest level that has a hash; a level whose last tile is full has no bytes.
    The tile's number follows from `size`. Raises TileRefused EDGE_SHAPE when the bytes are not those of a tree of this
    size.
    """

    size: int = 0
    partials: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _require_size(self.size)
        if tuple(map(len, self.partials)) != _edge_lengths(self.size):
            raise TileRefused.of("EDGE_SHAPE", "not the edge of a tree of this size")

    @classmethod
    def read(cls, size: int, tiles: Mapping[Place, bytes]) -> Self:
        """The edge of the tree of this size, from the tiles `needed_tiles_for_edge` names; raises as the proofs."""
        refs = {ref.level: ref for ref in needed_tiles_for_edge(size)}
        levels = range(len(_edge_lengths(size)))
        return cls(size, tuple(_hashes(refs[level], tiles) if level in refs else b"" for level in levels))

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The partial tiles, from level 0 up."""
        return tuple(
            Tile(level, self.size >> TILE_HEIGHT * (level + 1), hashes)
            for level, hashes in enumerate(self.partials)
            if hashes
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """What a batch of leaves made of a tree: the new edge, the tiles that became full (lowest level first), the root."""

    edge: Edge
    full_tiles: tuple[Tile, ...]
    size: int
    root: bytes


def grow(edge: Edge, leaf_hashes: Sequence[bytes]) -> Growth:
    """The tree with these leaves' hashes (`merkle.leaf_hash`) added at its right; nothing is stored.

    Hashes only tiles that become full and the new edge: one hash per leaf, and at most 255 per level beside that.
    Raises TileRefused TREE_SIZE past 2**63 - 1 leaves, LEAF_HASH for one that is not 32 bytes.
    """
    if any(len(leaf) != HASH_BYTES for leaf in leaf_hashes):
        raise TileRefused.of("LEAF_HASH", f"a leaf's hash has {HASH_BYTES} bytes")
    size = edge.size + len(leaf_hashes)
    _require_size(size)
    full: list[Tile] = []
    partials: list[bytes] = []
    carried = b"".join(leaf_hashes)
    for level in range(len(_edge_lengths(size))):
        before = edge.partials[level] if level < len(edge.partials) else b""
        hashes = before + carried
        first = edge.size >> TILE_HEIGHT * (level + 1)
        end = len(hashes) - len(hashes) % TILE_BYTES
        made = [hashes[at : at + TILE_BYTES] for at in range(0, end, TILE_BYTES)]
        full.extend(Tile(level, first + i, tile) for i, tile in enumerate(made))
        partials.append(hashes[end:])
        carried = b"".join(map(_root_of_full, made))
    grown = Edge(size, tuple(partials))
    return Growth(grown, tuple(full), size, root_of_edge(grown))


def root_of_edge(edge: Edge) -> bytes:
    """The root of the whole tree, which its right edge determines."""
    root: bytes | None = None
    for hashes in edge.partials:
        for subtree in _subtrees_from_right(hashes):
            root = subtree if root is None else node_hash(subtree, root)
    return EMPTY_ROOT if root is None else root


def needed_tiles_for_edge(size: int) -> tuple[TileRef, ...]:
    """The partial tiles at the edge of the tree of this size, which `Edge.read` asks for."""
    _require_size(size)
    return tuple(
        TileRef(level, size >> TILE_HEIGHT * (level + 1), length // HASH_BYTES)
        for level, length in enumerate(_edge_lengths(size))
        if length
    )


def needed_tiles_for_inclusion(index: int, size: int) -> tuple[TileRef, ...]:
    """The tiles `inclusion_proof` reads, each as wide as the tree of this size has it; raises as that does."""
    return _tiles_under(_inclusion_ranges(index, size), size)


def needed_tiles_for_consistency(old: int, size: int) -> tuple[TileRef, ...]:
    """The tiles `consistency_proof` reads, each as wide as the tree of this size has it; raises as that does."""
    return _tiles_under(_consistency_ranges(old, size), size)


def inclusion_proof(index: int, size: int, tiles: Mapping[Place, bytes]) -> tuple[bytes, ...]:
    """The path that proves that leaf `index` is in the tree of this size (RFC 6962 section 2.1.1).

    Raises ProofRefused: PROOF_INDEX (no such leaf), PROOF_TILE (a tile is not given, or has fewer hashes than needed).
    """
    return tuple(_hash_over(run, size, tiles) for run in _inclusion_ranges(index, size))


def consistency_proof(old: int, size: int, tiles: Mapping[Place, bytes]) -> tuple[bytes, ...]:
    """The proof that the tree of `old` leaves is the beginning of the one of `size` (RFC 6962 section 2.1.2).

    Empty when they are the same. Raises ProofRefused as `inclusion_proof`; PROOF_INDEX unless 1 <= old <= size.
    """
    return tuple(_hash_over(run, size, tiles) for run in _consistency_ranges(old, size))


_Range: TypeAlias = tuple[int, int]
"""A run of leaves that one subtree stands over: full, or reaching to the tree's right edge."""


def _inclusion_ranges(index: int, size: int) -> list[_Range]:
    _require_size(size)
    if not 0 <= index < size:
        raise ProofRefused.of("PROOF_INDEX", "no such leaf in a tree of this size")
    ranges: list[_Range] = []
    start, end = 0, size
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    ranges.reverse()
    return ranges


def _consistency_ranges(old: int, size: int) -> list[_Range]:
    _require_size(size)
    if not 1 <= old <= size:
        raise ProofRefused.of("PROOF_INDEX", "no earlier tree of this size")
    ranges: list[_Range] = []
    start, end = 0, size
    while old != end:
        split = _split(start, end)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    # A subtree at the left edge is the old tree itself: its root is known, and goes unsaid.
    if start:
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def _split(start: int, end: int) -> int:
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _full_subtrees(run: _Range) -> Iterator[tuple[int, int]]:
    """The full subtrees a run falls into, from the left: each one's height and its number among those of the height."""
    start, end = run
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _tiles_under(ranges: Iterable[_Range], size: int) -> tuple[TileRef, ...]:
    places = {_place(*subtree) for run in ranges for subtree in _full_subtrees(run)}
    return tuple(_ref(place, size) for place in sorted(places))


def _place(height: int, number: int) -> Place:
    level, inside = divmod(height, TILE_HEIGHT)
    return level, number >> (TILE_HEIGHT - inside)


def _ref(place: Place, size: int) -> TileRef:
    level, n = place
    return TileRef(level, n, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - n * TILE_WIDTH))


def _hash_over(run: _Range, size: int, tiles: Mapping[Place, bytes]) -> bytes:
    parts = [_subtree_hash(height, number, size, tiles) for height, number in _full_subtrees(run)]
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found


def _subtree_hash(height: int, number: int, size: int, tiles: Mapping[Place, bytes]) -> bytes:
    place = _place(height, number)
    hashes = _hashes(_ref(place, size), tiles)
    inside = height % TILE_HEIGHT
    first = ((number << inside) & (TILE_WIDTH - 1)) * HASH_BYTES
    return _root_of_full(hashes[first : first + (HASH_BYTES << inside)])


def _hashes(ref: TileRef, tiles: Mapping[Place, bytes]) -> bytes:
    hashes = tiles.get(ref.place, b"")[: ref.width * HASH_BYTES]
    if len(hashes) != ref.width * HASH_BYTES:
        raise ProofRefused.of("PROOF_TILE", f"the tile {ref.path} is not given, or not as wide")
    return hashes


def _root_of_full(hashes: bytes) -> bytes:
    """The root over a power of two of neighbouring hashes."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), _PAIR_BYTES)
        hashes = b"".join([_sha256(b"\x01" + hashes[at : at + _PAIR_BYTES]).digest() for at in pairs])
    return hashes


def _subtrees_from_right(hashes: bytes) -> Iterator[bytes]:
    """The roots of the full subtrees that a partial tile falls into, the smallest (rightmost) first."""
    width = len(hashes) // HASH_BYTES
    bounds = [0]
    for height in range(TILE_HEIGHT - 1, -1, -1):
        if width >> height & 1:
            bounds.append(bounds[-1] + (HASH_BYTES << height))
    for start, end in reversed(list(pairwise(bounds))):
        yield _root_of_full(hashes[start:end])


def _edge_lengths(size: int) -> tuple[int, ...]:
    """Of each level that has a hash in a tree of this size, how many bytes its partial tile has."""
    levels = -(-size.bit_length() // TILE_HEIGHT)
    return tuple((size >> TILE_HEIGHT * level & (TILE_WIDTH - 1)) * HASH_BYTES for level in range(levels))


def _spelled(n: int, width: int) -> str:
    digits = str(n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return number if width == TILE_WIDTH else f"{number}.p/{width}"


def _require_size(size: int) -> None:
    if not 0 <= size <= TREE_SIZE_MAX:
        raise TileRefused.of("TREE_SIZE", "a tree has from 0 to 2**63 - 1 leaves")


def _require_place(level: int, n: int, width: int) -> None:
    if not (0 <= level <= _LEVEL_MAX and 1 <= width <= TILE_WIDTH and n >= 0):
        raise TileRefused.of("TILE_PLACE", "no such level, number or width")
    if (n * TILE_WIDTH + width) << TILE_HEIGHT * level > TREE_SIZE_MAX:
        raise TileRefused.of("TILE_PLACE", "no tree is large enough to have this tile")
