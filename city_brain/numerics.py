"""Arithmetic that gives the same bits on every machine: table sines, content hashes, sums in row order."""

import hashlib
import math

import numpy as np

from city_brain.types import Bools, Floats, Ints

_STEPS_PER_DEGREE = 10
_STEPS = 360 * _STEPS_PER_DEGREE
_SIN = np.array([round(math.sin(math.radians(k / _STEPS_PER_DEGREE)), 15) for k in range(_STEPS)])
_COS = np.array([round(math.cos(math.radians(k / _STEPS_PER_DEGREE)), 15) for k in range(_STEPS)])


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


def segment_sum(values: Floats, segment: Ints, segments: int) -> Floats:
    """Sums of `values` (n,) by `segment` (n,) in 0..segments-1, added in row order: shape (segments,)."""
    return np.bincount(segment, weights=values, minlength=segments).astype(np.float64, copy=False)


def first_of_run(sorted_keys: Ints) -> Bools:
    """Marks the first row of each run of equal keys in a sorted column."""
    first = np.ones(len(sorted_keys), dtype=np.bool_)
    first[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return first


def find_sorted(keys: Ints, wanted: Ints) -> Ints:
    """Index of each `wanted` (n,) in the ascending `keys` (m,), -1 where absent."""
    if len(keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.searchsorted(keys, wanted)
    at[at == len(keys)] = 0
    return np.where(keys[at] == wanted, at, -1)
