"""A tracker keeps who is who: counted against scenes whose things are known."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.errors import ObservationError, SettingsError
from city_brain.observations.vocabulary import ObjectClass
from city_brain.vision.tracker.settings import TrackerSettings
from city_brain.vision.tracker.tracker import Tracker, Tracks
from tests.vision.tracker.scenes import Detector, Frame, Judged, Thing, frames, judge, line

SEEDS = range(20)
TEN_A_SECOND = tuple(np.arange(0.0, 20.0, 0.1).tolist())


def traffic(sight: Detector, seed: int, times: tuple[float, ...] = TEN_A_SECOND) -> Iterator[Frame]:
    """Two carriageways of six cars each way, two people across them, and a standing car."""
    things = [Thing(line(-900.0 + 160.0 * k, 300.0, 90.0)) for k in range(6)]
    things += [Thing(line(1800.0 - 170.0 * k, 360.0, -110.0)) for k in range(6)]
    things += [Thing(line(400.0, 100.0 - 60.0 * k, 5.0, 25.0, 20.0, 50.0), ObjectClass.PERSON) for k in range(2)]
    things += [Thing(line(700.0, 500.0, 0.0))]
    return frames(things, times, sight, seed)


def pooled(sight: Detector, times: tuple[float, ...] = TEN_A_SECOND) -> list[Judged]:
    return [judge(traffic(sight, seed, times)) for seed in SEEDS]


def test_in_good_sight_every_thing_has_one_id() -> None:
    """With no misses and edges off by 3 % nothing is switched or cut in 20 runs of 15 things, and nothing invented."""
    for judged in pooled(Detector()):
        assert (judged.switches, judged.fragments, judged.false) == (0, 0, 0)
        assert judged.found >= 0.97 * judged.there


def test_missed_and_false_boxes_cost_few_identities() -> None:
    """15 % missed, half a false box a frame, 10 % of another class, 10 % of low score: 10 switches at most in 300 lives
    of 20 s, and false tracks in one of a thousand places.
    """
    runs = pooled(Detector(missed=0.15, false=0.5, other_class=0.1, low=0.1))
    assert sum(judged.switches for judged in runs) <= 10
    assert sum(judged.fragments for judged in runs) <= 10
    assert sum(judged.false for judged in runs) <= 0.001 * sum(judged.there for judged in runs)
    assert sum(judged.found for judged in runs) >= 0.8 * sum(judged.there for judged in runs)


def test_frames_at_any_interval_are_as_good() -> None:
    """Times drawn at random between 30 ms and 250 ms apart, then with every third frame skipped: 3 switches at most in
    300 lives of 20 s.
    """
    draw = np.random.default_rng(5)
    times = tuple(np.cumsum(draw.uniform(0.03, 0.25, 140)).tolist())
    skipped = tuple(time for number, time in enumerate(times) if number % 3)
    for chosen in (times, skipped):
        runs = pooled(Detector(missed=0.05), chosen)
        assert sum(judged.switches for judged in runs) <= 3
        assert sum(judged.fragments for judged in runs) <= 3


@pytest.mark.parametrize("hidden_s", [0.3, 0.8, 1.5])
def test_a_short_occlusion_is_bridged(hidden_s: float) -> None:
    """A car that passes behind a bridge for up to 1.5 s comes out under its own id, with others before and behind."""
    things = [
        Thing(line(0.0 - 150.0 * k, 300.0, 100.0), hidden_s=((3.0 + 1.5 * k, 3.0 + 1.5 * k + hidden_s),))
        for k in range(4)
    ]
    for seed in SEEDS:
        judged = judge(frames(things, TEN_A_SECOND[:130], Detector(), seed))
        assert (judged.switches, judged.fragments) == (0, 0)


def test_a_gap_longer_than_the_setting_ends_a_track() -> None:
    """After 2.5 s without a box the same car is another track; with a gap of 3 s it is the same."""
    things = [Thing(line(0.0, 300.0, 40.0), hidden_s=((5.0, 7.5),))]
    for gap_s, ids in ((2.0, 2), (3.0, 1)):
        judged = judge(frames(things, TEN_A_SECOND, Detector(), 1), TrackerSettings(gap_s=gap_s))
        assert len(judged.ids[0]) == ids


@pytest.mark.parametrize("hidden_s", [0.0, 0.6, 1.0])
def test_crossing_cars_keep_their_ids(hidden_s: float) -> None:
    """Two cars meet; the one behind is hidden around the meeting: each leaves under the id that it came with."""
    meeting = 400.0 / (90.0 + 70.0)
    gap = ((meeting - hidden_s / 2, meeting + hidden_s / 2),)
    things = [Thing(line(100.0, 300.0, 90.0)), Thing(line(500.0, 290.0, -70.0), hidden_s=gap)]
    switches = fragments = 0
    for seed in SEEDS:
        judged = judge(frames(things, TEN_A_SECOND[:60], Detector(), seed))
        switches, fragments = switches + judged.switches, fragments + judged.fragments
    assert (switches, fragments) == (0, 0)


def test_a_standing_thing_keeps_its_id_for_ten_minutes() -> None:
    """6,000 frames with a fifth of the boxes missed and false ones around: one id."""
    things = [Thing(line(700.0, 500.0, 0.0)), Thing(line(300.0, 500.0, 0.0, 0.0, 20.0, 50.0), ObjectClass.PERSON)]
    times = np.arange(0.0, 600.0, 0.1).tolist()
    judged = judge(frames(things, times, Detector(missed=0.2, false=0.3, low=0.1), 3))
    assert [len(judged.ids[thing]) for thing in (0, 1)] == [1, 1]
    assert judged.told[-1].age_s.max() > 595.0


def test_while_frames_are_held_a_track_stands_and_lives() -> None:
    """Five minutes in which nothing changes, and no detector looks, do not end a track."""
    tracker = Tracker()
    box, score, label = np.array([[100.0, 100.0, 180.0, 150.0]]), np.array([0.9]), np.array([1])
    for k in range(5):
        tracks = tracker.step(100 * k, box, score, label)
    for k in range(5, 3000):
        held = tracker.hold(100 * k)
        assert held.track.tolist() == tracks.track.tolist()
        assert held.velocity.tolist() == [[0.0, 0.0]]
    assert tracker.step(300_000, box, score, label).track.tolist() == tracks.track.tolist()


def test_class_is_what_most_of_a_life_speaks_for() -> None:
    """A car that is called a truck in a third of the frames is told as a car from its tenth box on."""
    judged = judge(frames([Thing(line(0.0, 300.0, 50.0))], TEN_A_SECOND, Detector(other_class=0.33), 4))
    assert {int(tracks.label[0]) for tracks in judged.told[20:]} == {int(ObjectClass.CAR)}


def test_velocity_is_in_pixels_a_second() -> None:
    judged = judge(frames([Thing(line(0.0, 300.0, 50.0, -12.0))], TEN_A_SECOND[:80], Detector(sigma=0.02), 4))
    velocity = np.array([tracks.velocity[0] for tracks in judged.told[20:]])
    assert np.abs(velocity.mean(axis=0) - (50.0, -12.0)).max() < 2.0


def test_a_box_of_one_frame_is_no_track() -> None:
    """Of 400 false boxes in 200 frames at most four times three happen to lie as those of one thing would."""
    judged = judge(frames([], TEN_A_SECOND, Detector(false=2.0), 6))
    assert judged.false <= 4


def test_a_thing_under_two_classes_is_one_track() -> None:
    """Suppression per class leaves a car and a truck on one thing; it is one track."""
    tracker = Tracker()
    for k in range(10):
        box = np.array([[100.0, 100.0, 180.0, 150.0], [101.0, 99.0, 182.0, 151.0]]) + 3.0 * k
        tracks = tracker.step(100 * k, box, np.array([0.8, 0.7]), np.array([1, 2]))
    assert tracks.track.tolist() == [1]


def same(a: Tracks, b: Tracks) -> bool:
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in Tracks.__slots__)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_boxes_changes_nothing(seed: int) -> None:
    """Whatever order a detector lists the boxes of a frame in, the tracks are the same bytes."""
    draw = np.random.default_rng(seed)
    one, other = Tracker(), Tracker()
    for frame in traffic(Detector(missed=0.1, false=1.0, other_class=0.1, low=0.1), seed, TEN_A_SECOND[:40]):
        order = draw.permutation(len(frame.box))
        plain = one.step(frame.time_ms, frame.box, frame.score, frame.label)
        mixed = other.step(frame.time_ms, frame.box[order], frame.score[order], frame.label[order])
        assert same(plain, mixed)


def test_ids_are_never_given_twice() -> None:
    """Nor after all tracks have ended, nor after time has jumped back, as in a file that starts again."""
    tracker, seen = Tracker(), list[int]()
    box, score, label = np.array([[0.0, 0.0, 50.0, 50.0]]), np.array([0.9]), np.array([1])
    for start in (0, 10_000, 500):
        for k in range(4):
            tracks = tracker.step(start + 100 * k, box, score, label)
        seen += tracks.track.tolist()
    assert len(set(seen)) == 3
    assert seen == sorted(seen)


def test_the_number_of_tracks_is_bounded_and_what_is_left_out_is_counted() -> None:
    tracker = Tracker(TrackerSettings(most_tracks=5))
    corner = np.arange(12.0)[:, None] * 100.0
    box = np.concatenate([corner, corner, corner + 50.0, corner + 50.0], axis=1)
    score = np.linspace(0.5, 0.9, 12)
    for k in range(3):
        tracks = tracker.step(100 * k, box, score, np.ones(12, np.int64))
    assert len(tracks.track) == 5
    assert sorted(tracks.score.tolist()) == score[-5:].tolist()
    assert tracker.too_many == 3 * 7


def test_a_flood_of_boxes_is_cut_to_the_best() -> None:
    """Of 20,000 boxes in a frame twice as many as there may be tracks are looked at; the rest are counted."""
    draw, tracker = np.random.default_rng(1), Tracker(TrackerSettings(most_tracks=100, confirm_boxes=1))
    corner, score = draw.uniform(0.0, 1e5, (20_000, 2)), draw.uniform(0.5, 1.0, 20_000)
    tracker.step(0, np.concatenate([corner, corner + 20.0], axis=1), score, np.ones(20_000, np.int64))
    tracks = tracker.step(100, np.concatenate([corner, corner + 20.0], axis=1), score, np.ones(20_000, np.int64))
    assert sorted(tracks.score.tolist()) == sorted(score.tolist())[-100:]
    assert tracker.too_many == 2 * 19_900


def test_boxes_that_are_none_are_left_out_and_counted() -> None:
    """Not a number, no area, a score or a class that does not exist; the good one among them is tracked."""
    good = [0.0, 0.0, 50.0, 50.0]
    box = np.array([good, [np.nan, 0, 1, 1], [5, 5, 5, 9], [9, 0, 5, 5], good, good, [0, 0, np.inf, 1]])
    score = np.array([0.9, 0.9, 0.9, 0.9, np.nan, 0.9, 0.9])
    label = np.array([1, 1, 1, 1, 1, 99, 1])
    tracker = Tracker()
    for k in range(3):
        tracks = tracker.step(100 * k, box, score, label)
    assert tracks.track.tolist() == [1]
    assert tracker.unusable == 3 * 6


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ObservationError, match=r"tracker: wanted boxes \(n, 4\)"):
        Tracker().step(0, np.zeros((2, 4)), np.zeros(3), np.zeros(2, np.int64))


@pytest.mark.parametrize("wrong", [{"gap_s": -1.0}, {"low_score": 0.9}, {"most_tracks": 0}, {"high_score": np.nan}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"tracker: \w+: wanted"):
        TrackerSettings(**wrong)
