"""Arithmetic that gives the same bits on every machine: table sines, content hashes, sums in row order."""

import hashlib
import math

import numpy as np

from city_brain.types import Bools, Floats, Indices, Ints, Words

_STEPS_PER_DEGREE = 10
_STEPS = 360 * _STEPS_PER_DEGREE
_SIN = np.array([round(math.sin(math.radians(k / _STEPS_PER_DEGREE)), 15) for k in range(_STEPS)])
_COS = np.array([round(math.cos(math.radians(k / _STEPS_PER_DEGREE)), 15) for k in range(_STEPS)])


_WORTH_COUNTING = 1024
"""Shorter columns are sorted by comparing."""

_WORTH_HASHING = 2048
"""Shorter columns are searched by halving."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def sin_cos_deg(degrees: Floats) -> tuple[Floats, Floats]:
    """Sine and cosine of angles (n,) in degrees, to the nearest 0.1°; NaN gives (0, 0).

    A table, because the vector sines of numpy differ in the last bit between processors.
    """
    known = np.isfinite(degrees)
    step = np.rint(np.where(known, degrees, 0.0) * _STEPS_PER_DEGREE).astype(np.int64) % _STEPS
    return np.where(known, _SIN[step], 0.0), np.where(known, _COS[step], 0.0)


def hash63(text: str) -> int:
    """A content hash in [0, 2**63): blake2b, so the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: multiples of it are spread evenly."""


def mix64(bits: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014) of words (n,): every bit in reaches every bit out."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def pair_key(a: Ints, b: Ints) -> Ints:
    """A content hash (n,) in [0, 2**63) of two columns (n,)."""
    return (mix64(a.astype(np.uint64) * GOLDEN ^ b.astype(np.uint64)) >> np.uint64(1)).astype(np.int64)


def segment_sum(values: Floats, segment: Ints, segments: int) -> Floats:
    """Sums of `values` (n,) by `segment` (n,) in 0..segments-1, added in row order: shape (segments,)."""
    return np.bincount(segment, weights=values, minlength=segments).astype(np.float64, copy=False)


def first_of_run(sorted_keys: Ints) -> Bools:
    """Marks the first row of each run of equal keys in a sorted column."""
    first = np.ones(len(sorted_keys), dtype=np.bool_)
    first[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return first


def stable_order(keys: Ints | Indices | Floats, order: Ints | None = None) -> Ints:
    """Row numbers (n,) that sort `keys` (n,), no NaN; equal keys keep the `order` given, else their own.

    So `stable_order(a, stable_order(b))` is in order of a, then b. Long columns are sorted by digits of 16 bits, the
    lowest first: those numpy counts, which takes n steps each and never compares.
    """
    if len(keys) < _WORTH_COUNTING:
        return keys.argsort(kind="stable") if order is None else order[keys[order].argsort(kind="stable")]
    bits = _ascending_bits(keys)
    bits = (bits - bits.min()).view(np.uint64)
    for shift in range(0, int(bits.max()).bit_length(), 16):
        digit = (bits >> np.uint64(shift)).astype(np.uint16)
        order = digit.argsort(kind="stable") if order is None else order.take(digit.take(order).argsort(kind="stable"))
    return np.arange(len(keys)) if order is None else order


def _ascending_bits(numbers: Ints | Indices | Floats) -> Ints:
    """Integers (n,) in the order of numbers (n,), one for 0 and -0: bits of negative floats are turned but the sign."""
    if numbers.dtype.kind != "f":
        return numbers.astype(np.int64)
    bits = (numbers + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & np.int64((1 << 63) - 1))


def find_sorted(keys: Ints, wanted: Ints) -> Ints:
    """Index of each `wanted` (n,) in the ascending `keys` (m,), -1 where absent."""
    if len(keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    at = keys.searchsorted(wanted)
    at[keys.take(at, mode="clip") != wanted] = -1
    return at


class Groups:
    """The rows of a column by value, for many look-ups of one value each."""

    __slots__ = ("_order", "_values")

    def __init__(self, column: Ints) -> None:
        self._order = stable_order(column)
        self._values = column[self._order]

    def of(self, value: int) -> Ints:
        """The rows that hold a value, ascending."""
        first, after = self._values.searchsorted(value), self._values.searchsorted(value, side="right")
        return self._order[first:after]

    def of_any(self, values: Ints) -> Ints:
        """The rows (n,) that hold one of several values: value by value, ascending within each."""
        first, after = self._values.searchsorted(values), self._values.searchsorted(values, side="right")
        counts = after - first
        before = counts.cumsum() - counts
        rows: Ints = self._order[np.arange(int(counts.sum())) + (first - before).repeat(counts)]
        return rows


class KeyIndex:
    """Finds integers in a column of distinct ones, the `keys`, which may be `ascending` or in any order.

    A few are found by halving. Many are found by hashing: each step of a halving is a guess, and in a long column it
    waits for memory. The answers are the same. Memory: 8 to 16 bytes per key, once hashed.
    """

    __slots__ = ("_order", "_shift", "_slots", "_sorted", "keys")

    def __init__(self, keys: Ints, ascending: bool = False) -> None:
        self.keys = keys
        self._sorted: Ints | None = keys if ascending else None
        self._order: Ints | None = None
        self._slots: Indices | None = None
        self._shift = np.uint64(64 - max((2 * len(keys) - 1).bit_length(), 1))

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, wanted: Ints) -> Ints:
        """Index of each `wanted` (n,) in the keys, -1 where absent."""
        if self._slots is None:
            few = len(wanted) < _WORTH_HASHING and (self._sorted is not None or len(self.keys) < _WORTH_HASHING)
            if few or len(self.keys) == 0:
                return self._search(wanted)
            self._slots = self._hashed()
        slots, keys = self._slots, self.keys
        at = self._home(wanted)
        found: Ints = slots.take(at).astype(np.int64)
        astray = ((found >= 0) & (keys.take(found) != wanted)).nonzero()[0]
        while len(astray):
            at[astray] += 1
            candidate = slots.take(at[astray], mode="wrap").astype(np.int64)
            found[astray] = candidate
            astray = astray[(candidate >= 0) & (keys.take(candidate) != wanted[astray])]
        return found

    def _search(self, wanted: Ints) -> Ints:
        if self._sorted is None:
            self._order = self.keys.argsort(kind="stable")
            self._sorted = self.keys[self._order]
        at = find_sorted(self._sorted, wanted)
        if self._order is not None:
            known = (at >= 0).nonzero()[0]
            at[known] = self._order[at[known]]
        return at

    def _home(self, keys: Ints) -> Ints:
        """The slot (n,) at which the search for a key begins."""
        home: Ints = ((keys.astype(np.uint64) * _GOLDEN) >> self._shift).astype(np.int64)
        return home

    def _hashed(self) -> Indices:
        """Slots with the index of a key, -1 where free: a key stands at its home or in the first free slot behind."""
        size = 1 << (64 - int(self._shift))
        slots = np.full(size, -1, dtype=np.int32)
        waiting = np.arange(len(self.keys), dtype=np.int32)
        at = self._home(self.keys)
        while len(waiting):
            free = slots[at] < 0
            slots[at[free]] = waiting[free]
            homeless = slots[at] != waiting
            waiting, at = waiting[homeless], (at[homeless] + 1) % size
        return slots
