"""A recording in memory, and the street run over it: ticks out, with the digest of their lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from city_brain.digest import TreeHead, leaf_hash
from city_brain.observations.columns import Observations
from city_brain.observations.counters import Counters
from city_brain.observations.envelope import from_envelope, to_envelope
from city_brain.replay.plans import Plan, pieces
from city_brain.runner import ClosedTick, Runner

MakeRunner = Callable[[int], Runner]
"""A new runner for so many raw partitions."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Observations (n,) as they were read, and what could not be read, by reason."""

    observations: Observations
    dead_lettered: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """What the street says of a recording: a leaf hash per tick record, the tree head over them, incidents and counters."""

    head: TreeHead = field(default_factory=TreeHead)
    leaves: list[bytes] = field(default_factory=list)
    first_tick: int | None = None
    counters: Counters = field(default_factory=Counters)
    restores: int = 0

    def take(self, closed: ClosedTick) -> None:
        """Adds the record of a tick."""
        line = closed.record.to_line()
        if self.first_tick is None:
            self.first_tick = closed.record.tick
        self.head.add(line)
        self.leaves.append(leaf_hash(line))

    @property
    def digest(self) -> str:
        """The tree head (RFC 6962) in hexadecimal digits."""
        return self.head.digest().hex()


def run(recording: Recording, plan: Plan, make: MakeRunner, restore_after: frozenset[int] = frozenset()) -> Iterator[ClosedTick]:
    """The closed ticks of a recording read by a plan.

    In the middle of the pieces `restore_after` a new runner takes over from the bytes of the one before.
    """
    runner = make(plan.raw_partitions)
    arrival_ms = recording.observations.common.arrival_ms
    offset = [0] * plan.raw_partitions
    for number, piece in enumerate(pieces(plan, arrival_ms)):
        batch = from_envelope(to_envelope(recording.observations.take(piece.row)))
        rows = runner.admit(piece.raw_partition, batch, offset[piece.raw_partition])
        offset[piece.raw_partition] += 1
        if number in restore_after:
            middle = rows.n // 2
            runner.read_rows(piece.raw_partition, rows.take(np.arange(middle)))
            memory = runner.to_bytes()
            runner = make(plan.raw_partitions)
            runner.restore(memory)
            rows = rows.take(np.arange(middle, rows.n))
        runner.read_rows(piece.raw_partition, rows)
        runner.mark(piece.raw_partition, piece.mark_ms)
        yield from runner.closed()
    for partition in range(plan.raw_partitions):
        runner.mark(partition, runner.settings.due_ms(runner.settings.index_at(int(arrival_ms.max()))))
    yield from runner.closed()


def answer(recording: Recording, plan: Plan, make: MakeRunner, restore_seed: int | None = None, restores: int = 0) -> Answer:
    """The answer to a recording read by a plan, with so many restores at random pieces."""
    count = sum(1 for _ in pieces(plan, recording.observations.common.arrival_ms))
    chance = np.random.Generator(np.random.PCG64(restore_seed or 0))
    points = frozenset(chance.choice(count, size=min(restores, count), replace=False).tolist()) if restores else frozenset()
    said = Answer(restores=len(points))
    for closed in run(recording, plan, make, points):
        said.take(closed)
    return said
