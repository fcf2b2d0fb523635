"""The same world read in other ways: shuffled, cut otherwise, as several logs, and restored from bytes midway."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from city_brain.cli.common import Progress
from city_brain.cli.demo.journey import Journey
from city_brain.replay.plans import Plan, permuted, pieces, split
from city_brain.replay.replay import Answer, Recording, run
from city_brain.replay.verifying import Verified, first_divergence
from city_brain.sources.recording import read_blocks

BUDGET_S: Final = 2
_SEED: Final = 1
_SMALL, _LARGE, _LOGS = 64, 1024, 3


def readings_again(journey: Journey) -> Iterator[Verified]:
    """Each other way of reading, and where its tick log differs from the journey's, empty if nowhere."""
    recording = Recording.read(read_blocks(journey.observations))
    arrival_ms = recording.observations.common.arrival_ms
    shuffled = permuted(arrival_ms, _SEED, 1000 * BUDGET_S, _SMALL)
    share = f"{100 * shuffled.displaced:.0f} % of the rows displaced"
    yield _read(journey, recording, shuffled, f"shuffled by up to {BUDGET_S} s ({share}), envelopes of {_SMALL}")
    source = recording.observations.common.source.astype(np.int64)
    parted = split(arrival_ms, source, _SEED, _LOGS, _LARGE)
    middle = sum(1 for _ in pieces(parted, arrival_ms)) // 2
    way = f"{_LOGS} logs, interleaved, envelopes of {_LARGE}; stopped amid one, restored from bytes"
    yield _read(journey, recording, parted, way, frozenset({middle}))


def _read(
    journey: Journey, recording: Recording, plan: Plan, way: str, restore_in: frozenset[int] = frozenset()
) -> Verified:
    said, progress = Answer(), Progress(f"again, {plan.name}")
    for closed in run(recording, plan, journey.site.runner, restore_in):
        said.take(closed)
        progress.show(f"{said.head.size} of {journey.answer.head.size} ticks")
    progress.done()
    divergence = first_divergence(journey.answer, said)
    return Verified(way=way, digest=said.digest, ticks=said.head.size, divergence=divergence)
