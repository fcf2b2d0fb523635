"""A recording in memory, and the street run over it: ticks out, with the digest of their lines."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from city_brain.digest import TreeHead, leaf_hash
from city_brain.errors import RecordingError
from city_brain.observations.columns import Observations
from city_brain.observations.envelope import from_envelope, to_envelope
from city_brain.observations.json_twin import Parsed
from city_brain.replay.plans import Plan, pieces
from city_brain.runner import ClosedTick, Runner
from city_brain.types import Ints

MakeRunner = Callable[[int], Runner]
"""A new runner for so many raw partitions."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Observations (n,) and the line of each, which is their log position whatever the way of reading; rejected lines
    by reason.
    """

    observations: Observations
    line: Ints
    dead_lettered: dict[str, int]

    @classmethod
    def read(cls, blocks: Iterable[Parsed]) -> "Recording":
        """Takes a whole recording into memory: about 250 bytes a row."""
        parts, lines, dead = [], [], Counter[str]()
        for block in blocks:
            parts.append(block.observations)
            lines.append(block.line)
            dead.update(str(rejected.reason) for rejected in block.rejected)
        if not parts:
            raise RecordingError("recording: wanted at least one line, got none")
        return cls(Observations.concat(parts), np.concatenate(lines), dict(sorted(dead.items())))

    @property
    def latest_ms(self) -> int:
        """The last stamp."""
        return int(self.observations.common.arrival_ms.max())


@dataclass(slots=True)
class Answer:
    """What the street says of a recording: a leaf hash per tick record, the tree head over them, incidents and
    counters.
    """

    head: TreeHead = field(default_factory=TreeHead)
    leaves: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    first_tick: int | None = None
    restores: int = 0

    def take(self, closed: ClosedTick) -> None:
        """Adds the record of a tick."""
        line = closed.record.to_line()
        if self.first_tick is None:
            self.first_tick = closed.record.tick
        self.head.add(line)
        self.leaves.append(leaf_hash(line))
        self.lines.append(line)

    @property
    def digest(self) -> str:
        """The tree head (RFC 6962) in hexadecimal digits."""
        return self.head.digest().hex()


def run(
    recording: Recording, plan: Plan, make: MakeRunner, restore_after: frozenset[int] = frozenset()
) -> Iterator[ClosedTick]:
    """The closed ticks of a recording read by a plan.

    In the middle of the pieces `restore_after` a new runner takes over from the bytes of the one before.
    """
    runner = make(plan.raw_partitions)
    arrival_ms = recording.observations.common.arrival_ms
    for reason, count in recording.dead_lettered.items():
        runner.dead_letter(reason, count)
    for number, piece in enumerate(pieces(plan, arrival_ms)):
        row = np.sort(piece.row)
        batch = from_envelope(to_envelope(recording.observations.take(row)))
        rows = runner.admit(0, batch, recording.line[row])
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
        runner.mark(partition, runner.settings.due_ms(runner.settings.index_at(int(recording.latest_ms))))
    yield from runner.closed()


def answer(
    recording: Recording, plan: Plan, make: MakeRunner, restore_seed: int | None = None, restores: int = 0
) -> Answer:
    """The answer to a recording read by a plan, with so many restores at random pieces."""
    count = sum(1 for _ in pieces(plan, recording.observations.common.arrival_ms))
    chance = np.random.Generator(np.random.PCG64(restore_seed or 0))
    points = (
        frozenset(chance.choice(count, size=min(restores, count), replace=False).tolist()) if restores else frozenset()
    )
    said = Answer(restores=len(points))
    for closed in run(recording, plan, make, points):
        said.take(closed)
    return said
