"""Tree heads and proofs equal the known vectors of Certificate Transparency, and prove exactly what they should."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain import snapshot
from city_brain.digest import TreeHead, inclusion_proof, leaf_hash, verify_inclusion
from city_brain.errors import StateError

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
HEADS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def head_of(lines: list[bytes]) -> TreeHead:
    """The head after all lines."""
    head = TreeHead()
    for line in lines:
        head.add(line)
    return head


def node(left: bytes, right: bytes) -> bytes:
    """An inner hash, as the RFC defines it."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_heads_equal_the_known_vectors() -> None:
    assert [head_of(LEAVES[:size]).digest().hex() for size in range(1, 9)] == HEADS
    assert head_of([]).digest() == hashlib.sha256(b"").digest()


def test_the_audit_paths_of_rfc_6962_section_2_1_3() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(7)]
    a, b, c, d, e, f, j = leaves
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, l7 = node(g, h), node(i, j)
    assert inclusion_proof(leaves, 0) == [b, h, l7]
    assert inclusion_proof(leaves, 3) == [c, g, l7]
    assert inclusion_proof(leaves, 4) == [f, j, k]
    assert inclusion_proof(leaves, 6) == [i, k]


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_a_proof_proves_its_line_at_its_place_and_nothing_else(lines: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(lines) - 1))
    head = head_of(lines).digest()
    proof = inclusion_proof([leaf_hash(line) for line in lines], index)
    assert verify_inclusion(lines[index], index, len(lines), proof, head)
    assert not verify_inclusion(lines[index] + b"x", index, len(lines), proof, head)
    assert not verify_inclusion(lines[index], index, len(lines), [*proof, head], head)
    assert not verify_inclusion(lines[index], len(lines), len(lines), proof, head)
    if proof:
        assert not verify_inclusion(lines[index], index, len(lines), proof[:-1], head)
        assert not verify_inclusion(lines[index], index, len(lines), [bytes(32), *proof[1:]], head)


@given(st.lists(st.binary(max_size=4), max_size=70), st.integers(0, 70))
def test_a_head_restored_midway_ends_the_same(lines: list[bytes], cut: int) -> None:
    restored = snapshot.from_bytes(TreeHead, snapshot.to_bytes(head_of(lines[:cut])))
    for line in lines[cut:]:
        restored.add(line)
    assert restored.digest() == head_of(lines).digest()
    assert len(restored.subtrees) == len(lines).bit_count()


def test_a_proof_of_a_line_that_is_not_there_is_refused() -> None:
    with pytest.raises(StateError, match=r"wanted a leaf of 0\.\.1, got 2"):
        inclusion_proof([bytes(32), bytes(32)], 2)
