"""A recording sent as if it happened now keeps its order and its spans, and waits for nothing that is far ahead."""

import msgspec
import numpy as np

from city_brain.cli.publishing.pacing import LONGEST_WAIT_MS, as_now
from city_brain.observations.json_twin import Parsed, from_lines

BEGIN_MS = 1_700_000_000_000


class Clock:
    """A wall clock moved by those who wait for it."""

    def __init__(self) -> None:
        self.s = 2_000_000_000.0
        self.waits: list[float] = []

    def now_s(self) -> float:
        return self.s

    def wait_s(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.s += seconds


def _block(*after_ms: int, bad: bytes = b"") -> Parsed:
    rows = [
        {
            "kind": "sensor", "source_id": f"s{number}", "seq": number, "event_time_ms": BEGIN_MS + ms - 40,
            "arrival_time_ms": BEGIN_MS + ms, "payload": {"quantity": "pm2_5", "value": 1.0, "unit": "ug/m3"},
        }
        for number, ms in enumerate(after_ms)
    ]  # fmt: skip
    return from_lines([msgspec.json.encode(row) for row in rows] + ([bad] if bad else []), 1)


def _sent(*blocks: Parsed) -> tuple[list[Parsed], Clock]:
    clock = Clock()
    return [part for part in as_now(blocks, clock.now_s, clock.wait_s) if part.observations.n], clock


def test_spans_stay_and_the_beginning_is_now() -> None:
    parts, clock = _sent(_block(0, 10, 250, 1000))
    arrivals = np.concatenate([part.observations.common.arrival_ms for part in parts])
    events = np.concatenate([part.observations.common.event_ms for part in parts])
    assert np.diff(arrivals).tolist() == [10, 240, 750]
    assert (arrivals - events == 40).all()
    assert abs(int(arrivals[0]) - 2_000_000_000_000) < 1000
    assert clock.s - 2_000_000_000.0 < 1.1


def test_a_stamp_far_ahead_holds_nothing_up() -> None:
    """A year is not waited for, and what follows goes on in its time."""
    parts, clock = _sent(_block(0, 100), _block(365 * 86_400_000), _block(200))
    assert [part.observations.n for part in parts] == [1, 1, 1, 1]
    assert clock.s - 2_000_000_000.0 <= 2 * LONGEST_WAIT_MS / 1000.0


def test_rejected_lines_are_told_once() -> None:
    clock = Clock()
    parts = list(as_now([_block(0, 500, bad=b"{")], clock.now_s, clock.wait_s))
    assert sum(len(part.rejected) for part in parts) == 1
    assert sorted(int(line) for part in parts for line in part.line) == [1, 2]
