"""What a recording says when it is played, held against what the recorded city said: tick by tick, byte by byte."""

from collections.abc import Iterator
from typing import Final

import msgspec

from city_brain.bag.reading import read_series
from city_brain.digest import leaf_hash
from city_brain.errors import RecordingError
from city_brain.kafka.topics import INCIDENTS
from city_brain.playback.played import Played, PlayedTick
from city_brain.playback.state import StreetState
from city_brain.replay.verifying import parting

LONGEST_PAUSE: Final = 3_600
"""Ticks between two restores at most."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """How they agree. `ticks`: those played; `recorded`: those of which the recording holds what the city said."""

    digest: str
    ticks: int
    recorded: int
    same: int
    missing: int
    """Recorded ticks that were not played."""
    differs: str = ""
    """Where the first tick that differs does."""


class _Tick(msgspec.Struct):
    tick: int


_decode = msgspec.json.Decoder(_Tick).decode


def verify(played: Played, restores: int = 0) -> Verified:
    """Plays all of it, taken down to bytes and up again so many times on the way."""
    said = recorded_ticks(played)
    recorded, ticks, same, differs = len(said), 0, 0, ""
    for tick in _restored(played, restores):
        ticks += 1
        wanted = said.pop(tick.said.record.tick, None)
        if wanted == leaf_hash(tick.line):
            same += 1
        elif wanted is not None:
            differs = differs or _parting(played, tick)
    return Verified(
        digest=played.head.digest().hex(), ticks=ticks, recorded=recorded, same=same, missing=len(said), differs=differs
    )


def recorded_ticks(played: Played) -> dict[int, bytes]:
    """The leaf hash of what the city said of each tick, none where that was not recorded; raises RecordingError where
    it said one in two ways.
    """
    topic, found = played.recorded.topic_prefix + INCIDENTS, dict[int, bytes]()
    for record in read_series(played.path):
        if record.topic == topic and record.value is not None:
            place = f"{played.path}, {topic}/{record.partition} {record.offset}"
            index, leaf = _index(record.value, place), leaf_hash(record.value)
            if found.setdefault(index, leaf) != leaf:
                raise RecordingError(f"{place}: wanted one record of tick {index}, got two that differ")
    return found


def _restored(played: Played, restores: int) -> Iterator[PlayedTick]:
    """All ticks; other stages go on from the bytes of those before so many times, each time after twice as many ticks
    as the time before, so that a short recording has its share and a long one is not held up.
    """
    ticks, taken, pause = played.ticks(), 0, 1
    while (tick := next(ticks, None)) is not None:
        yield tick
        taken += 1
        if restores and taken >= pause and played.at_rest:
            state = StreetState.from_bytes(played.state().to_bytes(), str(played.path))
            ticks, taken, restores = played.ticks(state), 0, restores - 1
            pause = min(2 * pause, LONGEST_PAUSE)


def _parting(played: Played, tick: PlayedTick) -> str:
    """Where what was played parts from what was recorded of a tick."""
    topic = played.recorded.topic_prefix + INCIDENTS
    for record in read_series(played.path):
        if record.topic == topic and record.value and _index(record.value, topic) == tick.said.record.tick:
            return f"tick {tick.said.record.tick}, {parting(record.value, tick.line)}"
    raise RecordingError(f"{played.path}: wanted tick {tick.said.record.tick} once more, got none")


def _index(line: bytes, place: str) -> int:
    try:
        return _decode(line).tick
    except msgspec.MsgspecError as wrong:
        raise RecordingError(f"{place}: wanted the record of a tick, got: {wrong}") from wrong
