"""Streams without marks and with them: strays move no clock, true gaps are followed, every row is counted."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from city_brain.fusion.scene import Ground
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.json_twin import Parsed, from_lines, mark_line, warning_line
from city_brain.replay.stream import StreamReader
from city_brain.runner import Runner
from city_brain.ticks.tick import TickSettings
from tests.city.city_maps import built, degrees, feature

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
YEAR_MS = 365 * 86_400_000
ROWS = 400


@cache
def ground() -> Ground:
    """A city that is one sensor."""
    facts = {"quantity": "temperature", "unit": "degC", "period_s": 10.0}
    return Ground.of(built(feature("sensor", "air", "Point", degrees(0.0, 0.0), **facts)))


def row(seq: int, time_ms: int) -> bytes:
    """A reading that arrives when it is measured."""
    said: dict[str, Any] = {"kind": "sensor", "source_id": "air", "seq": seq, "event_time_ms": time_ms}
    said |= {"arrival_time_ms": time_ms, "payload": {"quantity": "temperature", "value": 20.0 + seq % 3}}
    return msgspec.json.encode(said)


def rows(first: int = 0, count: int = ROWS, later_ms: int = 0) -> list[bytes]:
    """A reading every ten seconds."""
    return [row(seq, START_MS + 10_000 * seq + later_ms) for seq in range(first, first + count)]


def blocks(lines: list[bytes], envelope: int) -> Iterator[Parsed]:
    """The lines in blocks of so many."""
    for at in range(0, len(lines), envelope):
        yield from_lines(lines[at : at + envelope], at + 1)


def read(lines: list[bytes], envelope: int) -> tuple[Runner, int]:
    """The runner after the lines, and how many ticks of a minute it closed."""
    runner = Runner(ground(), load_incident_types(only=("coverage_lost",)), TickSettings(tick_ms=MINUTE_MS))
    ticks = sum(1 for _ in StreamReader(runner).read(blocks(lines, envelope)))
    runner.counters.check(runner.held)
    return runner, ticks


@pytest.mark.parametrize("envelope", [1, 7, 64, 4096])
@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize("away_ms", [2 * 86_400_000, YEAR_MS, -YEAR_MS])
def test_a_stray_stamp_moves_no_clock(envelope: int, marks: bool, away_ms: int) -> None:
    """A row that is stamped far away, but plausible in itself, is quarantined whatever the size of blocks."""
    lines = rows()
    if marks:
        lines[::8] = [mark_line(START_MS + 10_000 * at) for at in range(0, ROWS, 8)]
    stray = [row(10_000 + at, START_MS + away_ms) for at in (5, 100, 399)]
    for at, line in zip((5, 100, 399), stray, strict=True):
        lines.insert(at, line)
    runner, ticks = read(lines, envelope)
    assert runner.counters.quarantined == {"arrival": 3}
    assert runner.counters.used == ROWS - (ROWS // 8 if marks else 0)
    assert ticks < ROWS / 6 + 3


@pytest.mark.parametrize("envelope", [1, 64, 4096])
def test_a_stray_mark_moves_no_clock(envelope: int) -> None:
    """A mark from next year would end the log; it is dead-lettered, and the marks after it do its work."""
    lines = [
        line for at in range(ROWS) for line in (row(at, START_MS + 10_000 * at), mark_line(START_MS + 10_000 * at))
    ]
    lines.insert(300, mark_line(START_MS + YEAR_MS))
    runner, ticks = read(lines, envelope)
    assert runner.counters.dead_lettered == {"mark": 1}
    assert runner.counters.used == ROWS and runner.counters.late <= 1
    assert ticks < ROWS / 6 + 3


@pytest.mark.parametrize(("envelope", "lost"), [(1, 30), (64, 0), (4096, 0)])
def test_a_true_gap_is_followed(envelope: int, lost: int) -> None:
    """After a pause of two days the recording goes on; only blocks smaller than a few rows lose some at its end."""
    runner, ticks = read([*rows(), *rows(ROWS, later_ms=2 * 86_400_000)], envelope)
    assert runner.counters.used >= 2 * ROWS - lost
    assert ticks > 2 * 1440


@pytest.mark.parametrize("marks", [False, True])
def test_rows_out_of_order_are_read_the_same_in_all_blocks(marks: bool) -> None:
    """Rows that come minutes after their stamp are as late as they are, wherever a block ends."""
    lines = rows()
    for at in range(20, ROWS, 9):
        lines.insert(at, lines.pop(min(at + 60, ROWS - 1)))
    if marks:
        lines[200::8] = [mark_line(START_MS + 10_000 * (at - 70)) for at in range(200, ROWS, 8)]
    told = {}
    for envelope in (1, 7, 64, 4096):
        runner = Runner(ground(), load_incident_types(only=("coverage_lost",)), TickSettings(tick_ms=MINUTE_MS))
        records = [closed.record.to_line() for closed in StreamReader(runner).read(blocks(lines, envelope))]
        told[envelope] = (records, msgspec.json.encode(runner.counters), runner.to_bytes())
    assert all(answer == told[1] for answer in told.values())


EVERYWHERE = "<geocode><valueName>CPEAS Geographic Code</valueName><value>000000</value></geocode>"


def alert(name: str, kind: str = "Alert", refers: str = "") -> str:
    """A warning for the whole country and for years, shorter than any real one."""
    reference = f"<references>s,{refers},2020-01-01T00:00:00+08:00</references>" if refers else ""
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{name}</identifier><sender>s</sender>'
        f"<sent>2020-01-01T00:00:00+08:00</sent><status>Actual</status><msgType>{kind}</msgType>"
        f"<scope>Public</scope>{reference}<info><category>Met</category><event>rain</event><urgency>Expected</urgency>"
        "<severity>Minor</severity><certainty>Likely</certainty><expires>2040-01-01T00:00:00+08:00</expires>"
        f"<area><areaDesc>all</areaDesc>{EVERYWHERE}</area></info></alert>"
    )


@pytest.mark.parametrize("envelope", [1, 7, 64, 4096])
@pytest.mark.parametrize("marks", [False, True])
def test_warnings_in_a_recording_hold_from_their_place_on(envelope: int, marks: bool) -> None:
    """A stamp counts, else the line before does; one of another year is a dead letter, as one that is no CAP is."""
    lines = rows()
    if marks:
        lines[::8] = [mark_line(START_MS + 10_000 * at) for at in range(0, ROWS, 8)]
    for at, line in (
        (300, warning_line(alert("c", "Cancel", "b"), START_MS + 3_000_000)),
        (299, warning_line(alert("d", "Cancel", "a"), START_MS + YEAR_MS)),
        (200, warning_line(alert("b", "Update", "a"))),
        (150, warning_line("<alert/>")),
        (100, warning_line(alert("a"), START_MS + 1_000_000)),
    ):
        lines.insert(at, line)
    types = load_incident_types(only=("coverage_lost",))
    runner = Runner(ground(), types, TickSettings(tick_ms=MINUTE_MS), city="370100")
    held = {
        (closed.record.due_ms - START_MS) // MINUTE_MS: [item.identifier for item in closed.readied.areas]
        for closed in StreamReader(runner).read(blocks(lines, envelope))
    }
    runner.counters.check(runner.held)
    assert runner.counters.dead_lettered == {"warning": 2}
    story = [names for names, before in zip(held.values(), [None, *held.values()], strict=False) if names != before]
    assert story == [[], ["a"], ["b"], []]
    minutes = {name: [at for at, names in held.items() if names == [name]] for name in "ab"}
    assert 16 <= minutes["a"][0] <= 18, "the 1,000th second, and the tick behind it"
    assert 32 <= minutes["b"][0] <= 35, "the 200th row of ten seconds"
    assert 49 <= minutes["b"][-1] <= 51, "until the 3,000th second"
