"""Ways to read the same recording: envelope sizes, orders, raw partitions and interleavings, with sound marks.

A plan is a list of pieces; each piece is some rows of one raw partition, followed by a mark that no later row of that
partition arrived before. Whatever the plan, the street must say the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from city_brain.types import Ints


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `row` (n,) of a recording, as one envelope of a raw partition, and the mark that follows it."""

    raw_partition: int
    row: Ints
    mark_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to read a recording. `displaced`: share of the rows that stand elsewhere than recorded."""

    name: str
    raw_partitions: int
    envelope_rows: int
    order: Ints
    home: Ints
    interleaving_seed: int | None
    displaced: float = 0.0


def as_recorded(arrival_ms: Ints, envelope_rows: int) -> Plan:
    """One raw partition, in the recorded order."""
    order = np.argsort(arrival_ms, kind="stable")
    return Plan(f"envelopes of {envelope_rows}", 1, envelope_rows, order, np.zeros(len(order), np.int64), None)


def permuted(arrival_ms: Ints, seed: int, budget_ms: int, envelope_rows: int) -> Plan:
    """One raw partition, each row held up by a random time within the lateness budget; its stamp stays.

    Within an envelope rows keep the order of the recording.
    """
    chance = np.random.Generator(np.random.PCG64(seed))
    recorded = np.argsort(arrival_ms, kind="stable")
    order = np.argsort(arrival_ms + chance.integers(0, budget_ms, len(arrival_ms)), kind="stable")
    cuts = np.arange(envelope_rows, len(order), envelope_rows)
    order = np.concatenate([np.sort(envelope) for envelope in np.split(order, cuts)])
    displaced = float(np.mean(order != recorded)) if len(order) else 0.0
    return Plan(f"permutation {seed}", 1, envelope_rows, order, np.zeros(len(order), np.int64), None, displaced)


def split(arrival_ms: Ints, source: Ints, seed: int, raw_partitions: int, envelope_rows: int) -> Plan:
    """Sources dealt to several raw partitions, which are read in a random interleaving."""
    chance = np.random.Generator(np.random.PCG64(seed))
    sources, index = np.unique(source, return_inverse=True)
    home = chance.integers(0, raw_partitions, len(sources))[index]
    order = np.argsort(arrival_ms, kind="stable")
    return Plan(
        f"{raw_partitions} raw partitions, interleaving {seed}", raw_partitions, envelope_rows, order, home, seed
    )


def pieces(plan: Plan, arrival_ms: Ints) -> Iterator[Piece]:
    """The pieces of a plan, then a mark for each partition that closes its last tick with room to spare."""
    queues = [_cut(plan, arrival_ms, partition) for partition in range(plan.raw_partitions)]
    if plan.interleaving_seed is None:
        yield from queues[0]
    else:
        yield from _interleave(queues, plan.interleaving_seed)


def _cut(plan: Plan, arrival_ms: Ints, partition: int) -> list[Piece]:
    """The envelopes of one raw partition in its order of reading."""
    rows = plan.order[plan.home[plan.order] == partition]
    if len(rows) == 0:
        return []
    least_after = np.append(np.minimum.accumulate(arrival_ms[rows][::-1])[::-1], arrival_ms.max())
    ends = np.append(np.arange(plan.envelope_rows, len(rows), plan.envelope_rows), len(rows))
    starts = np.append(0, ends[:-1])
    return [
        Piece(partition, rows[a:b], int(least_after[b])) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _interleave(queues: list[list[Piece]], seed: int) -> Iterator[Piece]:
    """Takes bursts of random length from random partitions until all are read."""
    chance = np.random.Generator(np.random.PCG64(seed))
    waiting = [iter(queue) for queue in queues]
    while waiting:
        at = int(chance.integers(len(waiting)))
        for _ in range(int(chance.integers(1, 20))):
            piece = next(waiting[at], None)
            if piece is None:
                del waiting[at]
                break
            yield piece
