"""The eyes of one camera: where drawn cars are said to be, how fast, under which track, and what is left out."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from city_brain.observations.json_twin import from_lines, to_lines
from city_brain.vision.eyes import Eyes, Seen
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.motion import MotionSettings
from models.tiny.build import HEIGHT, WIDTH
from tests.vision.eyes.drives import FRAME, START_MS, STEP_MS, THREE, Car, camera, detector, frames

MOST_OFF_M = 0.5
"""Edges are whole pixels, and 40 m away one of them is 0.7 m of ground."""
MOST_OFF_MPS = 0.3
MOST_OFF_DEG = 2.0


@dataclass(frozen=True)
class Told:
    """A row, as far as it can be held against the truth."""

    time_ms: int
    track: int
    label: str
    x: float
    y: float
    error_m: float
    speed_mps: float
    heading_deg: float


def told(seen: list[Seen]) -> list[Told]:
    """All rows, in order."""
    rows = []
    for each in seen:
        common, said = each.observations.common, each.observations.detections
        x, y = FRAME.to_metres(common.lon, common.lat)
        columns = (
            common.event_ms - START_MS, said.track, said.class_name, x, y, common.position_error_m, said.speed_mps,
            said.heading_deg,
        )  # fmt: skip
        for time_ms, track, word, *numbers in zip(*(column.tolist() for column in columns), strict=True):
            rows.append(Told(time_ms, track, each.observations.strings[word], *numbers))
    return rows


def eyes(**changed: object) -> Eyes:
    """Of the camera over the road."""
    return Eyes(camera(), FRAME, detector(), START_MS, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def three() -> tuple[Eyes, list[Seen]]:
    """Three seconds of three cars, and four seconds in which all stand."""
    looking = eyes()
    return looking, looking.see(frames(THREE, 7000))


def test_every_car_keeps_one_track_and_is_where_it_is(three: tuple[Eyes, list[Seen]]) -> None:
    """From its third frame to the last: no row off by more than half a metre, and none by more than two errors told."""
    rows = told(three[1])
    for car in THREE:
        mine = [row for row in rows if row.label == car.label]
        assert [row.time_ms for row in mine] == list(range(2 * STEP_MS, 7000, STEP_MS))
        assert len({row.track for row in mine}) == 1
        off = [np.hypot(*np.subtract((row.x, row.y), car.at(row.time_ms))) for row in mine]
        assert max(off) < MOST_OFF_M
        assert all(far < 2.0 * row.error_m for far, row in zip(off, mine, strict=True))
    assert len({row.track for row in rows}) == len(THREE)


def test_frames_of_another_size_than_the_calibration_show_the_same_places() -> None:
    """Twice as large frames, one at a time and several together, of a camera that was calibrated on the usual ones."""
    known = replace(camera(), picture_px=(float(WIDTH), float(HEIGHT)))
    large = [TimedFrame(timed.time_ms, timed.frame.repeat(2, axis=0).repeat(2, axis=1)) for timed in frames(THREE, 900)]
    for batches in ([large], [[timed] for timed in large]):
        looking = Eyes(known, FRAME, detector(), START_MS)
        rows = [row for batch in batches for row in told(looking.see(batch))]
        for car in THREE:
            mine = [row for row in rows if row.label == car.label]
            assert len(mine) >= 6
            assert max(np.hypot(*np.subtract((row.x, row.y), car.at(row.time_ms))) for row in mine) < MOST_OFF_M


def test_speed_and_heading_are_those_of_the_drive(three: tuple[Eyes, list[Seen]]) -> None:
    """Once a track is as old as the window of speeds, and while it drives; what stands has no heading."""
    rows = [row for row in told(three[1]) if 1800 <= row.time_ms <= 3000]
    for car in THREE:
        mine = [row for row in rows if row.label == car.label]
        assert max(abs(row.speed_mps - car.speed_mps) for row in mine) < MOST_OFF_MPS
        if car.speed_mps:
            turned = [(row.heading_deg - car.heading_deg + 180.0) % 360.0 - 180.0 for row in mine]
            assert max(map(abs, turned)) < MOST_OFF_DEG
        else:
            assert all(np.isnan(row.heading_deg) for row in mine)


def test_a_shut_gate_leaves_the_tracks_standing(three: tuple[Eyes, list[Seen]]) -> None:
    """What nobody looked at is told again, in every frame, where it was, and stands."""
    looking, seen = three
    shut = [each for each in seen if not each.looked]
    assert len(shut) == looking.counters.skipped > 10
    assert all(each.observations.n == len(THREE) for each in shut)
    last = [each for each in seen if each.time_ms >= 6000]
    assert any(not each.looked for each in last)
    assert {(row.label, row.speed_mps) for row in told(last)} == {("car", 0.0), ("truck", 0.0), ("bus", 0.0)}


def test_a_gate_that_is_always_open_says_the_same_of_what_stands() -> None:
    """The bus is told of in the same places, whether looked at or not."""
    bus = (THREE[2],)
    gated, open_all_the_time = eyes(), eyes(motion=MotionSettings(every_ms=1))
    one, other = (told(looking.see(frames(bus, 4000))) for looking in (gated, open_all_the_time))
    assert gated.counters.skipped > open_all_the_time.counters.skipped == 0
    assert [(row.time_ms, row.x, row.y) for row in one] == [(row.time_ms, row.x, row.y) for row in other]


def test_what_the_lower_edge_cuts_has_no_place() -> None:
    """A car that drives out beneath the camera is told of while its wheels are in sight, then counted and left out."""
    car = Car("car", ahead_m=18.0, right_m=-2.0, ahead_mps=-6.0)
    looking = eyes()
    rows = told(looking.see(frames((car,), 2500)))
    assert max(np.hypot(*np.subtract((row.x, row.y), car.at(row.time_ms))) for row in rows) < MOST_OFF_M
    counters = looking.counters
    assert counters.without_place == sum(
        car.box(time_ms)[3] > 192 > car.box(time_ms)[1] for time_ms in (1400, 1500, 1600)
    )
    assert counters.seen == counters.detections + counters.without_place == len(rows) + 3


def test_what_lies_beyond_reach_is_counted_and_left_out() -> None:
    """A thing farther off than three ranges and 50 m is one that the street would refuse."""
    near, far = Car("car", ahead_m=40.0, right_m=0.0), Car("bus", ahead_m=60.0, right_m=0.0)
    looking = Eyes(replace(camera(), range_m=1.0), FRAME, detector(), START_MS)
    rows = told(looking.see(frames((near, far), 1000)))
    assert {row.label for row in rows} == {"car"}
    counters = looking.counters
    assert (counters.seen, counters.detections, counters.without_place, counters.out_of_reach) == (16, 8, 0, 8)


def test_without_calibration_things_are_somewhere_in_the_view_and_have_no_speed() -> None:
    looking = Eyes(camera(None), FRAME, detector(), START_MS)
    rows = told(looking.see(frames(THREE, 1500)))
    assert len({(row.x, row.y) for row in rows}) == 1
    assert all(row.error_m > 10.0 and np.isnan(row.speed_mps) and np.isnan(row.heading_deg) for row in rows)


def test_rows_are_read_as_they_were_written(three: tuple[Eyes, list[Seen]]) -> None:
    """By the reader of lines, without a rejected one; sequence numbers go up by one."""
    looking, seen = three
    lines = [line for each in seen for line in to_lines(each.observations)]
    parsed = from_lines(lines)
    assert not parsed.rejected
    assert parsed.observations.n == looking.counters.detections == len(lines)
    assert parsed.observations.common.seq.tolist() == list(range(1, len(lines) + 1))
    assert to_lines(parsed.observations) == lines


def test_frames_one_by_one_say_what_all_at_once_say(three: tuple[Eyes, list[Seen]]) -> None:
    """Nothing but speed depends on how many frames come at a time."""
    looking = eyes()
    lines = [
        line for timed in frames(THREE, 7000) for each in looking.see([timed]) for line in to_lines(each.observations)
    ]
    assert lines == [line for each in three[1] for line in to_lines(each.observations)]
    assert looking.counters == three[0].counters


def test_a_track_is_counted_once_however_late_it_is_told() -> None:
    """A car that is hidden for a moment and comes back is one track; the next one is another."""
    car = THREE[0]
    drive = frames((car,), 2500)
    hidden = [
        timed if not 1000 <= timed.time_ms < 1300 else TimedFrame(timed.time_ms, drive[0].frame[:, :1].repeat(320, 1))
        for timed in drive
    ]
    looking = eyes()
    rows = told(looking.see(hidden))
    assert looking.counters.tracks == len({row.track for row in rows}) == 1
    assert not any(1000 <= row.time_ms < 1300 for row in rows)
    rows = told(looking.see([TimedFrame(10_000 + timed.time_ms, timed.frame) for timed in drive]))
    assert looking.counters.tracks == 2
    assert {row.track for row in rows} == {2}
