"""Content hashes of rows: the sequence number of a source that numbers nothing, so that copies are known as copies."""

import numpy as np

from city_brain.numerics import GOLDEN, mix64
from city_brain.observations.columns import GROUPS, Observations
from city_brain.types import Column, Ints, Words


def content_hash(observations: Observations, rows: Ints, string_hash: Ints) -> Ints:
    """A hash in [0, 2**63) of all that the sources of the rows at `rows` (k,) said; the arrival is the gateway's.

    `string_hash` (strings + 1,) is a hash of every text of the dictionary, so that its order does not matter; the last
    place stands for absent texts.
    """
    bits = np.zeros(len(rows), dtype=np.uint64)
    kinds = observations.common.kind[rows]
    for name, (kind, _) in GROUPS.items():
        group = observations.groups()[name]
        here = np.arange(len(rows)) if kind is None else np.flatnonzero(kinds == kind)
        if len(here) == 0:
            continue
        at = rows if kind is None else np.searchsorted(observations.rows_of(kind), rows[here])
        for column, spec in group.specs.items():
            if column not in ("seq", "arrival_ms"):
                values = getattr(group, column)[at]
                for word in _words_of(string_hash[values] if spec.text else values):
                    bits[here] = mix64((bits[here] ^ word) + GOLDEN)
    return (bits >> np.uint64(1)).astype(np.int64)


def _words_of(values: Column) -> list[Words]:
    """A column (n,) or (n, width) as 64-bit words (n,) each; equal numbers give equal words."""
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
    elif values.ndim == 1:
        values = values.astype(np.int64)
    words = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view("<u8").reshape(len(values), -1)
    return list(words.T.astype(np.uint64))
