"""Many live cameras at once: one run of the network, the same rows as alone, and what is told of the cameras."""

import numpy as np
import pytest

from city_brain.errors import SettingsError
from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.columns import Observations
from city_brain.observations.json_twin import from_lines, to_lines
from city_brain.observations.vocabulary import CAMERA_HEALTH, Kind, Quantity
from city_brain.vision.eyes import Eyes
from city_brain.vision.eyes.lookout import Lookout, open_lookout
from city_brain.vision.eyes.rows import CameraRows, arrived
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.live.settings import CameraSource, VideoSettings
from tests.vision.eyes.drives import FRAME, START_MS, STEP_MS, THREE, drawn
from tests.vision.eyes.fed import Counting, Fed, city, counting, of_kind

NAMES = ("mast-1", "mast-2", "mast-3")
DOWN_AFTER_S = 10.0


class Watched:
    """A lookout over fed streams."""

    def __init__(self, *names: str, since_ms: int = START_MS) -> None:
        self.streams = {name: Fed() for name in names}
        self.network: Counting = counting()
        settings = VideoSettings(
            cameras={name: CameraSource(address="fed") for name in names}, down_after_s=DOWN_AFTER_S
        )
        self.lookout = Lookout(city(*names), settings, self.network, self.streams.__getitem__)
        self.lookout.keep(names, since_ms)

    def see(self, moment_ms: int, *names: str) -> list[Observations]:
        """A look at a moment of the drive, which the named cameras see, or all."""
        for name in names or self.streams:
            self.streams[name].feed(START_MS + moment_ms, drawn(THREE, moment_ms))
        return self.lookout.look(START_MS + moment_ms)


def words(rows: list[Observations]) -> dict[str, dict[str, float]]:
    """What is told of each camera itself."""
    return {
        camera: {
            batch.strings[at]: value
            for at, value in zip(batch.sensors.quantity.tolist(), batch.sensors.value.tolist(), strict=True)
        }
        for camera, batch in of_kind(rows, Kind.SENSOR).items()
    }


def test_the_frames_of_all_cameras_go_through_the_network_in_one_run() -> None:
    """And those of cameras without a new one do not."""
    watched = Watched(*NAMES)
    for moment_ms in range(0, 500, STEP_MS):
        watched.see(moment_ms)
    assert watched.network.runs == [3] * 5
    watched.see(500, "mast-2")
    watched.lookout.look(START_MS + 600)
    assert watched.network.runs == [3] * 5 + [1]


def test_a_camera_says_the_same_whoever_looks_beside_it() -> None:
    """Row by row what its eyes say alone, numbered from the moment at which it was first seen; no row has arrived."""
    watched, alone = Watched(*NAMES), Eyes(
        city(*NAMES).cameras[1], FRAME, counting(), 0, rows=CameraRows("mast-2", START_MS)
    )  # fmt: skip
    for moment_ms in range(0, 1500, STEP_MS):
        among = of_kind(watched.see(moment_ms), Kind.DETECTION)
        (seen,) = alone.see([TimedFrame(START_MS + moment_ms, drawn(THREE, moment_ms))])
        if seen.observations.n == 0:
            assert not among
            continue
        own = to_lines(arrived(seen.observations, 0))
        said = to_lines(arrived(among["mast-2"], 0))
        assert [line.partition(b'"event')[2] for line in said] == [line.partition(b'"event')[2] for line in own]
        assert (among["mast-2"].common.arrival_ms == -1).all()
    assert len(said) == len(THREE)


def test_numbers_and_tracks_are_above_all_that_were_told_before_a_restart() -> None:
    """A second lookout, ten seconds later, gives neither a number nor a track again."""
    first, second = Watched("mast-1"), Watched("mast-1", since_ms=START_MS + 10_000)
    told: list[list[Observations]] = [[], []]
    for watched, rows, later_ms in ((first, told[0], 0), (second, told[1], 10_000)):
        for moment_ms in range(0, 2000, STEP_MS):
            watched.streams["mast-1"].feed(START_MS + later_ms + moment_ms, drawn(THREE, moment_ms))
            rows += watched.lookout.look(START_MS + later_ms + moment_ms)
    before, after = (Observations.concat(rows) for rows in told)
    for rows in (before, after):
        assert (np.diff(rows.common.seq) == 1).all(), "detections and readings are numbered together"
    assert after.common.seq.min() > before.common.seq.max()
    assert after.detections.track.min() > before.detections.track.max() > 0


def test_a_camera_is_told_to_be_down_and_back() -> None:
    """After its time without a frame, then every 30 s; what is not known of the others is not told."""
    watched = Watched("mast-1", "mast-2")
    first = words(watched.see(0, "mast-1"))
    assert first == {"mast-1": {word.name.lower(): 0.0 for word in CAMERA_HEALTH}}
    down: dict[str, list[tuple[int, float]]] = {"mast-1": [], "mast-2": []}
    for moment_ms in range(1000, 80_000, 1000):
        back = ("mast-1",) if moment_ms >= 75_000 else ()
        rows = watched.see(moment_ms, *back) if back else watched.lookout.look(START_MS + moment_ms)
        for camera, said in words(rows).items():
            assert set(said) <= {"camera_down"}
            down[camera].append((moment_ms // 1000, said["camera_down"]))
    assert down == {"mast-1": [(11, 1.0), (41, 1.0), (71, 1.0), (75, 0.0)], "mast-2": [(11, 1.0), (41, 1.0), (71, 1.0)]}


def test_a_camera_of_which_no_frame_is_given_is_down_whatever_the_clock_says() -> None:
    """After this machine's clock was set back by an hour its frames arrive, and none is given: that is told in time."""
    watched = Watched("mast-1")
    watched.see(0)
    told: list[tuple[int, float]] = []
    for moment_ms in range(0, 60_000, 1000):
        now_ms = START_MS - 3_600_000 + moment_ms
        watched.streams["mast-1"].last_ms = now_ms
        said = words(watched.lookout.look(now_ms)).get("mast-1", {})
        told += [(moment_ms // 1000, said["camera_down"])] if "camera_down" in said else []
    assert told == [(11, 1.0), (41, 1.0)]


def test_a_camera_that_nobody_looked_at_is_not_down() -> None:
    """A minute without a look, or a clock that is set ahead, is no minute without a frame."""
    watched = Watched("mast-1")
    watched.see(0)
    assert words(watched.lookout.look(START_MS + 60_000)) == {}
    assert words(watched.see(61_000)).get("mast-1", {}).get("camera_down") is None


def test_a_recording_that_is_over_is_not_down() -> None:
    watched = Watched("mast-1")
    watched.see(0)
    assert not watched.lookout.is_over
    watched.streams["mast-1"].ended = True
    assert watched.lookout.is_over
    assert [watched.lookout.look(START_MS + moment_ms) for moment_ms in range(1000, 30_000, 1000)] == [[]] * 29


def test_nothing_is_told_of_what_a_frozen_picture_shows() -> None:
    """While it is frozen, which is told; when it moves again, that is told, and things are, under new tracks."""
    watched = Watched("mast-1")
    told: dict[int, list[Observations]] = {}
    for moment_ms in range(0, 15_000, STEP_MS):
        drive_ms = moment_ms % 2500 if moment_ms < 2500 or moment_ms >= 12_000 else 2500
        watched.streams["mast-1"].feed(START_MS + moment_ms, drawn(THREE, drive_ms))
        told[moment_ms] = watched.lookout.look(START_MS + moment_ms)
    frozen = [(at, said["mast-1"]["picture_frozen"]) for at, rows in told.items() if (said := words(rows))]
    assert [value for _, value in frozen] == [0.0, 1.0, 0.0]
    begins, ends = frozen[1][0], frozen[2][0]
    assert 2500 < begins <= 2500 + 6000
    assert 12_000 <= ends <= 13_000
    seen = [at for at, rows in told.items() if of_kind(rows, Kind.DETECTION)]
    assert not any(begins <= at < ends for at in seen)
    assert max(seen) > ends
    before, after = (
        {
            int(track)
            for at in seen
            if keep(at)
            for track in of_kind(told[at], Kind.DETECTION)["mast-1"].detections.track
        }
        for keep in (lambda at: at < begins, lambda at: at >= ends)
    )
    assert before and after and before.isdisjoint(after)
    assert watched.lookout.watching()["mast-1"].unbelieved == sum(begins <= at < ends for at in told)


def test_cameras_that_are_kept_go_on_and_others_are_let_go() -> None:
    """A camera that comes back later is watched anew."""
    watched = Watched(*NAMES)
    for moment_ms in range(0, 500, STEP_MS):
        rows = watched.see(moment_ms)
    track = of_kind(rows, Kind.DETECTION)["mast-1"].detections.track.tolist()
    watched.lookout.keep(("mast-1",), START_MS + 500)
    assert {name: stream.running for name, stream in watched.streams.items()} == {
        "mast-1": True, "mast-2": False, "mast-3": False
    }  # fmt: skip
    rows = watched.see(500)
    assert set(of_kind(rows, Kind.DETECTION)) == {"mast-1"}
    assert of_kind(rows, Kind.DETECTION)["mast-1"].detections.track.tolist() == track
    watched.lookout.keep(NAMES, START_MS + 600)
    assert all(stream.running for stream in watched.streams.values())
    watched.lookout.stop()
    assert not any(stream.running for stream in watched.streams.values())


def test_what_may_have_been_lost_is_told_again() -> None:
    """All words that are known, at the next look."""
    watched = Watched("mast-1")
    watched.see(0)
    assert words(watched.see(100)) == {}
    watched.lookout.tell_again()
    assert watched.lookout.news() == []
    assert set(words(watched.see(200))["mast-1"]) == {word.name.lower() for word in CAMERA_HEALTH}


def test_rows_about_cameras_are_read_and_admitted() -> None:
    """As lines and back, and by the street, at the place of the camera on the map."""
    where = city("mast-1")
    rows = CameraRows("mast-1", START_MS).health(
        START_MS + 5, {Quantity.CAMERA_DOWN: True, Quantity.PICTURE_BLACK: False}
    )
    parsed = from_lines(to_lines(rows))
    assert not parsed.rejected
    admitted, refused = admit(parsed.observations, 0, 7, AdmissionTable.from_city(where), stamp_ms=START_MS + 50)
    assert not refused.counts()
    assert admitted.code.tolist() == [Quantity.CAMERA_DOWN, Quantity.PICTURE_BLACK]
    assert admitted.value.tolist() == [1.0, 0.0]
    assert admitted.arrival_ms.tolist() == [START_MS + 50] * 2
    assert np.allclose((admitted.x, admitted.y), 0.0, atol=0.1)


def test_settings_that_cannot_be_are_refused() -> None:
    """A camera that is not on the map, and no network."""
    source = {"mast-2": CameraSource(address="a.avi")}
    with pytest.raises(SettingsError, match=r"wanted cameras of the map, got 'mast-2'; did you mean 'mast-1'"):
        open_lookout(city("mast-1"), VideoSettings(cameras=source, model="tiny"), None)
    with pytest.raises(SettingsError, match=r"\[video\] model: wanted the name of a network"):
        open_lookout(city("mast-2"), VideoSettings(cameras=source), None)


def test_people_are_told_once_of_what_changes() -> None:
    """A sentence for each camera of which other words hold, with why it is down where that is known."""
    watched = Watched("mast-1")
    watched.see(0)
    assert watched.lookout.news() == []
    for moment_ms in range(1000, 12_000, 1000):
        assert watched.lookout.news() == []
        watched.lookout.look(START_MS + moment_ms)
    assert watched.lookout.news() == ["camera mast-1: camera_down"]
    watched.lookout.look(START_MS + 45_000)
    assert watched.lookout.news() == []
    watched.see(46_000)
    assert watched.lookout.news() == ["camera mast-1: is well again"]
