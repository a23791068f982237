"""Merkle trees: RFC 6962's known trees, the definition itself, and every forged proof refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given, settings, strategies as st

from hub.signing import ProofRefused
from hub.signing.merkle import EMPTY_ROOT, Tree, leaf_hash, root_of, verify_consistency, verify_inclusion
from tests.signing.book import own_path, own_proof, own_root

# The tree of the certificate transparency test suites, built from RFC 6962's own hashing.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (1, 0, []),
    (
        8,
        0,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (3, 2, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]

BATCHES = st.lists(st.binary(max_size=4), min_size=1, max_size=70)
TRIED = settings(deadline=None, max_examples=60, derandomize=True)


def _tree(size: int) -> Tree:
    return Tree.of(bytes([i]) for i in range(size))


@pytest.mark.parametrize("size", range(9))
def test_root_is_the_published_one(size: int) -> None:
    assert Tree.of(LEAVES[:size]).root.hex() == ROOTS[size]
    assert Tree.of(LEAVES[:size]).size == size


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree.of([]).root == EMPTY_ROOT == hashlib.sha256().digest()


@pytest.mark.parametrize(("size", "index", "path"), INCLUSION)
def test_path_is_the_published_one(size: int, index: int, path: list[str]) -> None:
    tree = Tree.of(LEAVES[:size])
    assert [part.hex() for part in tree.inclusion(index)] == path
    verify_inclusion(LEAVES[index], index, size, tree.inclusion(index), root=bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCY)
def test_consistency_proof_is_the_published_one(first: int, second: int, proof: list[str]) -> None:
    found = Tree.of(LEAVES[:second]).consistency(first)
    assert [part.hex() for part in found] == proof
    ends = ((first, bytes.fromhex(ROOTS[first])), (second, bytes.fromhex(ROOTS[second])))
    verify_consistency(*ends, found)


@TRIED
@given(BATCHES, st.data())
def test_root_path_and_proof_are_those_of_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = Tree.of(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    assert tree.root == own_root(leaves)
    assert list(tree.inclusion(index)) == own_path(index, leaves)
    assert list(tree.consistency(index + 1)) == own_proof(index + 1, leaves)


def test_every_proof_of_every_small_tree_holds() -> None:
    for size in range(1, 34):
        tree = _tree(size)
        for index in range(size):
            verify_inclusion(bytes([index]), index, size, tree.inclusion(index), root=tree.root)
            earlier = _tree(index + 1)
            verify_consistency((earlier.size, earlier.root), (size, tree.root), tree.consistency(index + 1))


@dataclass(frozen=True)
class Claim:
    """What a verifier is told about one leaf."""

    data: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    root: bytes


def _refusal(claim: Claim) -> str | None:
    try:
        verify_inclusion(claim.data, claim.index, claim.size, claim.path, root=claim.root)
    except ProofRefused as refused:
        return refused.code
    return None


def _flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 16, 17])
def test_forged_paths_are_refused(size: int) -> None:
    tree = _tree(size)
    for index in range(size):
        data, path, root = bytes([index]), tree.inclusion(index), tree.root
        assert _refusal(Claim(data, index, size, path, root)) is None
        for forged, code in [
            (Claim(_flip(data), index, size, path, root), "PROOF_ROOT"),
            (Claim(data, index, size, path, _flip(root)), "PROOF_ROOT"),
            (Claim(data, size, size, path, root), "PROOF_INDEX"),
            (Claim(data, -1, size, path, root), "PROOF_INDEX"),
            (Claim(data, 0, 0, path, root), "PROOF_INDEX"),
            (Claim(data, index, size, (*path, root), root), "PROOF_SHAPE"),
            *(
                (Claim(data, index, size, path[:i] + path[i + 1 :], root), "PROOF_SHAPE")
                for i in range(len(path))
            ),
            *(
                (Claim(data, index, size, (*path[:i], _flip(path[i]), *path[i + 1 :]), root), "PROOF_ROOT")
                for i in range(len(path))
            ),
            *(
                (Claim(data, index, size, (*path[:i], path[i][:31], *path[i + 1 :]), root), "PROOF_SHAPE")
                for i in range(len(path))
            ),
        ]:
            assert _refusal(forged) == code
        for other in set(range(size)) - {index}:
            assert _refusal(Claim(data, other, size, path, root)) in {"PROOF_ROOT", "PROOF_SHAPE"}


def test_a_node_passes_for_no_leaf() -> None:
    tree = _tree(4)
    left, right = tree.levels[1]
    assert root_of(leaf_hash(left + right), 0, 1, ()) != tree.root
    with pytest.raises(ProofRefused, match="PROOF_ROOT"):
        verify_inclusion(b"\x00" + b"\x01", 0, 2, (right,), root=tree.root)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (8, 13), (5, 5)])
def test_forged_consistency_proofs_are_refused(first: int, second: int) -> None:
    old, new = _tree(first), _tree(second)
    proof = new.consistency(first)
    ends = ((first, old.root), (second, new.root))
    verify_consistency(*ends, proof)
    forged: list[tuple[tuple[int, bytes], tuple[int, bytes], tuple[bytes, ...]]] = [
        ((first, _flip(old.root)), ends[1], proof),
        (ends[0], (second, _flip(new.root)), proof),
        (*ends, (*proof, new.root)),
        ((0, EMPTY_ROOT), ends[1], proof),
        ((second + 1, old.root), ends[1], proof),
        *((*ends, proof[:i] + proof[i + 1 :]) for i in range(len(proof))),
        *((*ends, (*proof[:i], _flip(proof[i]), *proof[i + 1 :])) for i in range(len(proof))),
        *((*ends, (*proof[:i], b"", *proof[i + 1 :])) for i in range(len(proof))),
    ]
    for one, two, parts in forged:
        with pytest.raises(ProofRefused):
            verify_consistency(one, two, parts)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_there_is_no_proof_of_what_is_not_there(size: int) -> None:
    tree = _tree(size)
    for index in (-1, size):
        with pytest.raises(ProofRefused, match="PROOF_INDEX"):
            tree.inclusion(index)
    for earlier in (0, size + 1):
        with pytest.raises(ProofRefused, match="PROOF_INDEX"):
            tree.consistency(earlier)
