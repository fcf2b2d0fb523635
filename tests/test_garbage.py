"""Garbage among the observations changes no incident, ends in its counters to the row, and leaves nothing in memory."""

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np

from city_brain.city.loading import load_city
from city_brain.fusion.scene import Ground
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.json_twin import from_lines
from city_brain.runner import Runner
from city_brain.synth import SynthCity, SynthSettings
from city_brain.synth.senses.garbage import FLAWS

SETTINGS = SynthSettings(
    seed=5, cameras=14, minutes=4.0, garbage_fraction=0.01, warm_up_s=60, incidents_per_hour_per_100_cameras=400.0
)
GARBAGE_AT = 1 << 40
"""Log positions of garbage, apart from those of the other rows, so that these stand where they stood without it."""


@dataclass(frozen=True)
class Second:
    """What arrives in a second: lines, which of them are garbage, and the mark at its end."""

    lines: list[bytes]
    flaw: list[int]
    mark_ms: int


@cache
def city() -> tuple[Ground, list[Second]]:
    """A city with incidents, and what its devices send."""
    made = SynthCity(SETTINGS)
    seconds = [
        Second(block.lines(), block.messages["flaw"].tolist(), SETTINGS.start_ms + 1000 * (block.second + 1))
        for block in made.blocks()
    ]
    return Ground.of(load_city(msgspec.json.encode(made.geojson()))), seconds


def run(times_over: int) -> tuple[Runner, list[bytes], list[str]]:
    """Runs the city with its garbage so many times over; the runner, the lines it said, and digests of what fusion
    remembers, one a minute.
    """
    ground, seconds = city()
    runner = Runner(ground, load_incident_types())
    said: list[bytes] = []
    states: list[str] = []
    clean, spoiled = 1, GARBAGE_AT
    for number, second in enumerate(seconds):
        flaw = np.array(second.flaw, dtype=np.int64)
        times = np.where(flaw > 0, times_over, 1)
        lines = [line for line, count in zip(second.lines, times.tolist(), strict=True) for _ in range(count)]
        garbage = np.repeat(flaw > 0, times)
        at = np.where(garbage, spoiled + np.cumsum(garbage), clean + np.cumsum(~garbage))
        clean, spoiled = clean + int((~garbage).sum()), spoiled + int(garbage.sum())
        read(runner, lines, at)
        runner.mark(0, second.mark_ms)
        for closed in runner.closed():
            said += closed.record.lines
        if number % 60 == 59:
            states.append(hashlib.sha256(runner.engines[0].to_bytes()).hexdigest())
    return runner, said, states


def read(runner: Runner, lines: list[bytes], at: np.ndarray) -> None:
    """Reads lines that stand at log positions (n,)."""
    parsed = from_lines(lines)
    for rejected in parsed.rejected:
        runner.dead_letter(rejected.reason)
    if parsed.observations.n:
        runner.read(0, parsed.observations, at[parsed.line])


def reasons(runner: Runner) -> Counter[str]:
    """How many rows ended outside of ticks, by reason."""
    counters = runner.counters
    return Counter(counters.quarantined) + Counter(counters.dead_lettered)


def garbage_lines() -> Iterator[tuple[bytes, int]]:
    """Every garbage line of the city, and its kind."""
    for second in city()[1]:
        yield from ((line, flaw) for line, flaw in zip(second.lines, second.flaw, strict=True) if flaw)


def test_garbage_changes_no_incident_and_every_row_of_it_is_counted_with_its_reason() -> None:
    clean, said, states = run(0)
    spoiled, said_too, states_too = run(1)
    worse, said_again, states_again = run(10)
    kinds = Counter(FLAWS[flaw] for _, flaw in garbage_lines())
    amount = sum(kinds.values())
    assert len(kinds) >= 10, kinds
    assert 0.007 < amount / clean.counters.read < 0.013
    assert any(b'"state":"active"' in line for line in said)
    assert said == said_too == said_again
    assert states == states_too == states_again
    once = reasons(spoiled) - reasons(clean)
    assert sum(once.values()) == amount and len(once) >= 8
    assert reasons(worse) - reasons(clean) == Counter({reason: 10 * count for reason, count in once.items()})
    for runner, times in ((clean, 0), (spoiled, 1), (worse, 10)):
        counters = runner.counters
        counters.check(runner.held)
        assert (counters.read, counters.used, counters.late, counters.duplicate) == (
            clean.counters.read + times * amount, clean.counters.used, clean.counters.late, clean.counters.duplicate
        )  # fmt: skip


def test_reading_garbage_again_and_again_keeps_nothing() -> None:
    lines = [line for line, _ in garbage_lines()]
    runner = Runner(city()[0], load_incident_types())
    tracemalloc.start()
    try:
        held = []
        for number in range(8):
            read(runner, lines, GARBAGE_AT + number * len(lines) + np.arange(len(lines)))
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert runner.counters.read == 8 * len(lines)
    assert held[-1] - held[2] < 20_000, held
