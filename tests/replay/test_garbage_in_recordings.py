"""One line in a hundred of a recording is garbage of many kinds: the incidents stay, every line is counted where it
belongs, and memory does not grow.

Garbage here is made from good lines of the recording itself, each kind with the counter and the reason that it must be
found under.
"""

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.city.loading import load_city
from city_brain.fusion.scene import Ground
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.json_twin import mark_line
from city_brain.replay.stream import StreamReader
from city_brain.runner import Runner
from city_brain.sources.recording import read_blocks
from city_brain.synth import SynthCity, SynthSettings

YEAR_MS = 365 * 86_400_000
SETTINGS = SynthSettings(
    seed=11, cameras=14, minutes=4.0, garbage_fraction=0.0, warm_up_s=60, incidents_per_hour_per_100_cameras=400.0
)
TOO_LONG: Final = b"[" * ((1 << 20) + 1)
DEAD, DOUBTED = "dead_lettered", "quarantined"

Plain = dict[str, Any]


def _with(*path: str, value: Any) -> Callable[[bytes], bytes]:
    """The line with another value at a path."""

    def spoiled(line: bytes) -> bytes:
        plain = place = msgspec.json.decode(line)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return msgspec.json.encode(plain)

    return spoiled


def _without(key: str) -> Callable[[bytes], bytes]:
    def spoiled(line: bytes) -> bytes:
        return msgspec.json.encode({name: value for name, value in msgspec.json.decode(line).items() if name != key})

    return spoiled


def _arrival_ms(line: bytes) -> int:
    return int(msgspec.json.decode(line)["arrival_time_ms"])


def _later(*keys: str) -> Callable[[bytes], bytes]:
    """The line with times a year ahead."""

    def spoiled(line: bytes) -> bytes:
        plain = msgspec.json.decode(line)
        return msgspec.json.encode(plain | {key: plain[key] + YEAR_MS for key in keys})

    return spoiled


GARBAGE: Final[dict[str, tuple[str, str, str, Callable[[bytes], bytes]]]] = {
    "cut short": ("", DEAD, "not_json", lambda line: line[:37]),
    "two in one": ("", DEAD, "not_json", lambda line: line + line),
    "error page": ("", DEAD, "not_json", lambda line: b"<html><title>502 Bad Gateway</title></html>"),
    "bare NaN": ("", DEAD, "not_json", lambda line: line.replace(b'"seq":', b'"lat":NaN,"seq":', 1)),
    "binary": ("", DEAD, "not_utf8", lambda line: bytes(range(128, 255))),
    "broken text": ("", DEAD, "not_utf8", lambda line: line.replace(b'_id":"', b'_id":"\xff\xfe', 1)),
    "too long": ("", DEAD, "too_long", lambda line: TOO_LONG),
    "deep": ("", DEAD, "not_json", lambda line: b"[" * 100_000),
    "a list": ("", DEAD, "not_an_object", lambda line: b"[" + line + b"]"),
    "another kind": ("", DEAD, "kind", _with("kind", value="telemetry")),
    "no source": ("", DEAD, "source", _without("source_id")),
    "no number": ("", DEAD, "sequence", _with("seq", value=-7)),
    "no time": ("", DEAD, "time", _with("event_time_ms", value="yesterday")),
    "text for a place": ("", DEAD, "position", _with("lon", value="117°07'E")),
    "no payload": ("", DEAD, "payload", _without("payload")),
    "a purple lamp": ("signal", DEAD, "payload", _with("payload", "approaches", value={"N": {"left": "purple"}})),
    "a mark from next year": ("", DEAD, "mark", lambda line: mark_line(_arrival_ms(line) + YEAR_MS)),
    "at the equator": ("detection", DOUBTED, "position", _with("lat", value=0.0)),
    "a clock at its epoch": ("", DOUBTED, "clock", _with("event_time_ms", value=1_000)),
    "a clock of next year": ("", DOUBTED, "clock", _later("event_time_ms")),
    "from next year": ("", DOUBTED, "arrival", _later("event_time_ms", "arrival_time_ms")),
    "too sure": ("detection", DOUBTED, "confidence", _with("payload", "confidence", value=17.5)),
    "too fast": ("detection", DOUBTED, "speed", _with("payload", "speed_mps", value=9999.0)),
    "no direction": ("detection", DOUBTED, "heading", _with("payload", "heading_deg", value=720.0)),
    "an unknown quantity": ("sensor", DOUBTED, "quantity", _with("payload", "quantity", value="mood")),
    "an unknown unit": ("sensor", DOUBTED, "unit", _with("payload", "unit", value="furlong")),
    "no reading": ("sensor", DOUBTED, "value", _with("payload", "value", value=-99_999.0)),
    "an unknown status": ("", DOUBTED, "status", _with("status", value="maybe")),
    "an unknown datum": ("", DOUBTED, "datum", _with("datum", value="Mars 2000")),
}  # fmt: skip
"""What kind of line each is made of (any where empty), and where it must end."""


@cache
def city() -> tuple[Ground, list[bytes]]:
    """A city with incidents, and the lines of its recording."""
    made = SynthCity(SETTINGS)
    lines = [line for block in made.blocks() for line in block.lines()]
    return Ground.of(load_city(msgspec.json.encode(made.geojson()))), lines


def spoiled(lines: list[bytes], share: float) -> tuple[list[bytes], Counter[tuple[str, str]]]:
    """The lines with garbage between them, and how much must be found where."""
    chance = np.random.default_rng(3)
    mixed: list[bytes] = []
    wanted: Counter[tuple[str, str]] = Counter()
    kinds = list(GARBAGE.values())
    drawn = np.where(chance.random(len(lines)) < share, chance.integers(0, len(kinds), len(lines)), -1)
    for line, number in zip(lines, drawn.tolist(), strict=True):
        mixed.append(line)
        if number >= 0:
            kind, counter, reason, spoil = kinds[number]
            if b'"kind":"%s"' % kind.encode() in line or not kind:
                mixed.append(spoil(line))
                wanted[counter, reason] += 1
    return mixed, wanted


def written(path: Path, lines: list[bytes]) -> Path:
    """A recording of the lines."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def run(path: Path, envelope: int = 512) -> tuple[Runner, list[Plain]]:
    """Fuses a recording; the revisions without the log positions that evidence names."""
    runner = Runner(city()[0], load_incident_types())
    return runner, list(_without_positions(runner, path, envelope))


def _without_positions(runner: Runner, path: Path, envelope: int) -> Iterator[Plain]:
    for closed in StreamReader(runner).read(read_blocks(path, envelope)):
        for line in closed.record.lines:
            plain = msgspec.json.decode(line)
            for evidence in plain["evidence"]:
                del evidence["rows"]
            yield plain


def found(runner: Runner) -> Counter[tuple[str, str]]:
    """Where rows ended that were not used, by counter and reason."""
    counters = runner.counters
    counters.check(runner.held)
    sides = ((DEAD, counters.dead_lettered), (DOUBTED, counters.quarantined))
    return Counter({(name, str(reason)): n for name, counts in sides for reason, n in counts.items()})


def test_garbage_in_a_recording_changes_no_incident_and_is_counted_by_reason(tmp_path: Path) -> None:
    """One line in a hundred, of every kind; what was not garbage is used, late or a copy as without it."""
    lines = city()[1]
    clean, said = run(written(tmp_path / "clean.jsonl", lines))
    mixed, wanted = spoiled(lines, 0.014)
    assert len(set(wanted)) >= 15
    assert 0.01 <= wanted.total() / len(lines) < 0.014
    runner, said_too = run(written(tmp_path / "mixed.jsonl", mixed))
    assert found(runner) - found(clean) == wanted
    same = ("used", "late", "duplicate")
    assert [getattr(runner.counters, name) for name in same] == [getattr(clean.counters, name) for name in same]
    assert any(revision["state"] == "active" for revision in said)
    assert said_too == said


def test_memory_does_not_grow_with_the_length_of_a_spoiled_recording(tmp_path: Path) -> None:
    """The peak over a recording is that over its first half, within a fifth, though much of it is garbage."""
    mixed, _ = spoiled(city()[1], 0.1)
    run(written(tmp_path / "warm.jsonl", mixed[:2000]))
    half, whole = (_peak(written(tmp_path / f"{n}.jsonl", mixed[:n])) for n in (len(mixed) // 2, len(mixed)))
    assert whole < 1.2 * half, (half, whole)


def _peak(path: Path) -> int:
    """The most memory, in bytes, that a run holds at once; its answer is thrown away as it comes."""
    runner = Runner(city()[0], load_incident_types())
    tracemalloc.start()
    try:
        for _ in _without_positions(runner, path, 512):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
