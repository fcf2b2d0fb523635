"""Merkle tree heads over lines (RFC 6962): one short digest of a whole log, and a proof that one line is in it.

The head grows with the log: it keeps one hash per complete subtree, so its state is O(log n). A proof needs the lines'
hashes again, which whoever holds the log can compute.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from city_brain.errors import StateError


class TreeHead(msgspec.Struct):
    """The Merkle tree hash of the lines added so far (RFC 6962 §2.1), as a state that snapshots can hold."""

    size: int = 0
    subtrees: list[bytes] = []
    """Hashes of complete subtrees, from the largest (leftmost) to the smallest: one per set bit of `size`."""

    def add(self, line: bytes) -> None:
        """Appends a line, O(log n) at worst and two hashes on average."""
        self.add_leaf(leaf_hash(line))

    def add_leaf(self, node: bytes) -> None:
        """Appends a line of which only the hash is known."""
        size = self.size
        while size & 1:
            node = _node_hash(self.subtrees.pop(), node)
            size >>= 1
        self.subtrees.append(node)
        self.size += 1

    def digest(self) -> bytes:
        """The tree head, 32 bytes; of no lines: the SHA-256 of nothing."""
        if not self.subtrees:
            return hashlib.sha256().digest()
        node = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            node = _node_hash(left, node)
        return node


def leaf_hash(line: bytes) -> bytes:
    """Hash of one line as a leaf."""
    return hashlib.sha256(b"\x00" + line).digest()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` among all leaf hashes (RFC 6962 §2.1.1), nearest sibling first. O(n)."""
    if not 0 <= index < len(leaves):
        raise StateError(f"inclusion proof: wanted a leaf of 0..{len(leaves) - 1}, got {index}")
    first, count = 0, len(leaves)
    path: list[bytes] = []
    while count > 1:
        left = _left_size(count)
        if index - first < left:
            path.append(_head(leaves, first + left, count - left))
            count = left
        else:
            path.append(_head(leaves, first, left))
            first, count = first + left, count - left
    path.reverse()
    return path


def verify_inclusion(line: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Whether `proof` shows that `line` is number `index` of the `size` lines under `head` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, at, last = leaf_hash(line), index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = _node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = _node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == head


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _left_size(count: int) -> int:
    """The largest power of two below `count`."""
    return int(1 << ((count - 1).bit_length() - 1))


def _head(leaves: Sequence[bytes], first: int, count: int) -> bytes:
    if count == 1:
        return leaves[first]
    left = _left_size(count)
    return _node_hash(_head(leaves, first, left), _head(leaves, first + left, count - left))
