"""The growing tree of tiles beside the tree in memory: same roots, same proofs, whatever the batches were."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings, strategies as st

from hub.signing import (
    BundleRef,
    Edge,
    TileRef,
    TileRefused,
    Tree,
    consistency_proof,
    entries_of,
    entry_bundle,
    grow,
    inclusion_proof,
    needed_tiles_for_consistency,
    needed_tiles_for_inclusion,
    tile_at_path,
)
from hub.signing.merkle import leaf_hash

SIZES = st.one_of(
    st.integers(1, 700), st.sampled_from([255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_049])
)
DATA = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(66_100)]
HASHES = [leaf_hash(data) for data in DATA]


class Log:
    """A log that keeps its tiles as they become full."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.full: dict[tuple[int, int], bytes] = {}
        self.root = b""

    def to(self, size: int) -> None:
        growth = grow(self.edge, HASHES[self.edge.size : size])
        self.edge, self.root = growth.edge, growth.root
        for tile in growth.full_tiles:
            assert (tile.level, tile.n) not in self.full
            self.full[(tile.level, tile.n)] = tile.hashes

    @property
    def tiles(self) -> dict[tuple[int, int], bytes]:
        return {**self.full, **{(tile.level, tile.n): tile.hashes for tile in self.edge.tiles}}


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=5))
def test_a_tree_grown_in_batches_is_the_tree(sizes: list[int]) -> None:
    log = Log()
    for size in sorted(sizes):
        log.to(size)
        assert log.root == Tree.of(DATA[:size]).root
        assert Edge.read(size, log.tiles) == log.edge


@settings(max_examples=40, deadline=None)
@given(SIZES, st.data())
def test_proofs_from_tiles_are_those_of_the_tree(size: int, data: st.DataObject) -> None:
    log, tree = Log(), Tree.of(DATA[:size])
    log.to(size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for refs, made, expected in (
        (needed_tiles_for_inclusion(index, size), inclusion_proof, tree.inclusion(index)),
        (needed_tiles_for_consistency(old, size), consistency_proof, tree.consistency(old)),
    ):
        tiles = {ref.place: log.tiles[ref.place][: ref.width * 32] for ref in refs}
        assert made(index if made is inclusion_proof else old, size, tiles) == expected


@given(st.integers(0, 2**40), st.integers(1, 256), st.integers(0, 2))
def test_a_path_names_one_tile(number: int, width: int, level: int) -> None:
    tile, bundle = TileRef(level, number >> 16, width), BundleRef(number >> 8, width)
    assert (tile_at_path(tile.path), tile_at_path(bundle.path)) == (tile, bundle)


def test_paths_are_those_of_the_c2sp() -> None:
    assert TileRef(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert TileRef(1, 5, 17).path == "tile/1/005.p/17"
    assert BundleRef(0, 1).path == "tile/entries/000.p/1"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/5",
        "tile/0/0005",
        "tile/0/x000/005",
        "tile/0/005.p/0",
        "tile/0/005.p/256",
        "tile/8/000",
        "tile/0/",
        "x",
    ],
)
def test_other_spellings_are_no_tiles(path: str) -> None:
    with pytest.raises(TileRefused):
        tile_at_path(path)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_are_read_back(entries: list[bytes]) -> None:
    assert list(entries_of(entry_bundle(entries))) == entries
