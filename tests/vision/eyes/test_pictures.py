"""What is written of frames: snapshots under names that sort, within bounds, and nothing of what is to be hidden."""

import re
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from city_brain.errors import RecordingError, SettingsError
from city_brain.types import Floats
from city_brain.vision.eyes import Eyes, Seen
from city_brain.vision.frames.annotating import AnnotatedVideo
from city_brain.vision.frames.blurring import MARGIN, STAYS_MS, Blur
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.frames.snapshots import Snapshots, SnapshotSettings
from city_brain.vision.letterbox import Frame
from tests.vision.eyes.drives import FRAME, START_MS, THREE, camera, detector, frames

SHOWN = frames(THREE, 3000)
NONE = np.empty((0, 4))


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    """Three cars in three seconds, told of from 200 ms on."""
    return Eyes(camera(), FRAME, detector(), START_MS).see(SHOWN)


def taken(folder: Path, seen: list[Seen], camera_id: str = "mast-1", **limits: float) -> Snapshots:
    """The snapshots of the three seconds."""
    snapshots = Snapshots(folder, camera_id, START_MS, SnapshotSettings(**limits))
    for timed, each in zip(SHOWN, seen, strict=True):
        snapshots.add(timed.frame, each)
    return snapshots


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_track_is_shown_first_and_then_now_and_then(tmp_path: Path, seen: list[Seen]) -> None:
    """Named by camera, time and track, in that order; a second later again, and no file is left half written."""
    assert taken(tmp_path / "s", seen, every_s=1.0).written == 9
    wanted = [f"mast-1_20260301T00000{second}.200Z_{track:06d}.jpg" for second in (0, 1, 2) for track in (1, 2, 3)]
    assert names(tmp_path / "s") == wanted
    assert taken(tmp_path / "t", seen).written == 3
    assert names(tmp_path / "t") == wanted[:3]


def test_a_video_for_which_there_is_no_room_is_no_video(tmp_path: Path, seen: list[Seen]) -> None:
    """It is told at the end, and no file of that name is there; where there is room it holds every frame."""

    def written(path: Path) -> None:
        with AnnotatedVideo(path, 10.0) as video:
            for timed, each in zip(SHOWN, seen, strict=True):
                video.add(timed.frame, each)
            video.complete = True

    written(tmp_path / "whole.mp4")
    assert cv2.VideoCapture(str(tmp_path / "whole.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == len(SHOWN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(RecordingError, match=r"cut\.mp4: wanted to write 30 frames, got a file that holds 0"):
            written(tmp_path / "cut.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "cut.mp4").exists()


def test_a_snapshot_shows_the_frame_with_its_boxes(tmp_path: Path, seen: list[Seen]) -> None:
    """The frame as it was, but for compression, boxes and words; the box of the track itself is the thicker one."""
    taken(tmp_path, seen)
    for name in names(tmp_path):
        shown = cv2.imread(str(tmp_path / name)).astype(int)
        off = np.abs(shown - SHOWN[2].frame).sum(axis=2) > 120
        assert shown.shape == SHOWN[2].frame.shape
        assert off.mean() < 0.2
        tracks = seen[2].tracks
        own = tracks.track.tolist().index(int(name[-10:-4]))
        x0, y0, x1, y1 = tracks.box[own].round().astype(int).tolist()
        for rim in (off[y0:y1, x0 - 1 : x0 + 2], off[y0:y1, x1 - 1 : x1 + 2], off[y1 - 1 : y1 + 2, x0:x1]):
            assert rim.mean() > 0.9
        others = [row for row in range(3) if row != own]
        for x0, _, x1, y1 in tracks.box[others].round().astype(int).tolist():
            assert off[y1 - 1 : y1 + 2, x0:x1].mean() < 0.7


def test_the_same_recording_writes_the_same_files(tmp_path: Path, seen: list[Seen]) -> None:
    """Over those of the first time, which counts them once."""
    taken(tmp_path, seen)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    again = taken(tmp_path, seen, most=3)
    assert (again.written, again.left_out) == (3, 0)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_a_folder_is_bounded_and_what_is_left_out_is_counted(tmp_path: Path, seen: list[Seen]) -> None:
    """By the number of its pictures and by their bytes, those of earlier runs among them; none is deleted."""
    few = taken(tmp_path / "few", seen, most=2)
    assert (few.written, few.left_out) == (2, 1)
    more = taken(tmp_path / "few", seen, camera_id="mast-2", most=4)
    assert (more.written, more.left_out, len(names(tmp_path / "few"))) == (2, 1, 4)
    size = (tmp_path / "few" / names(tmp_path / "few")[0]).stat().st_size
    small = taken(tmp_path / "small", seen, every_s=0.1, most_bytes=3 * size)
    held = sum((tmp_path / "small" / name).stat().st_size for name in names(tmp_path / "small"))
    assert small.written >= 2 and small.left_out > 50
    assert held <= 3 * size


@pytest.mark.parametrize("camera_id", ["../../etc/passwd", "a/b", "路口 7", "..", "x" * 200, "井" * 200])
def test_a_camera_of_any_name_stays_in_the_folder(tmp_path: Path, seen: list[Seen], camera_id: str) -> None:
    folder = tmp_path / "deep" / "s"
    folder.parent.mkdir()
    assert taken(folder, seen, camera_id=camera_id).written == 3
    assert all(re.fullmatch(r"[A-Za-z0-9.%~_-]{20,200}\.jpg", name) for name in names(folder))
    assert names(tmp_path) == ["deep"] and names(tmp_path / "deep") == ["s"]


def test_cameras_whose_long_names_begin_alike_have_files_of_their_own(tmp_path: Path, seen: list[Seen]) -> None:
    taken(tmp_path, seen, camera_id="x" * 199 + "1")
    taken(tmp_path, seen, camera_id="x" * 199 + "2")
    assert len(names(tmp_path)) == 6


def test_what_cannot_be_written_is_an_error(tmp_path: Path, seen: list[Seen]) -> None:
    """No such folder above, a file in its place, a folder in place of a picture; nothing half written is left."""
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "absent" / "s", tmp_path / "file"):
        with pytest.raises(RecordingError, match="wanted a folder for snapshots, got: "):
            Snapshots(folder, "mast-1", 0)
    taken(tmp_path / "s", seen)
    taken_name = names(tmp_path / "s")[0]
    (tmp_path / "s" / taken_name).unlink()
    (tmp_path / "s" / taken_name).mkdir()
    with pytest.raises(RecordingError, match=rf"{taken_name}: wanted to write a snapshot, got: Is a directory"):
        taken(tmp_path / "s", seen)
    assert not any(name.endswith(".part") for name in names(tmp_path / "s"))


@pytest.mark.parametrize("wrong", [{"every_s": 0.0}, {"most": 0}, {"most_bytes": 0}, {"every_s": float("nan")}])
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"snapshots: \w+: wanted"):
        SnapshotSettings(**wrong)


def face(side: int = 40) -> Frame:
    """A frame of noise, with a sharp pattern in its middle."""
    frame = np.random.default_rng(7).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    y, x = np.mgrid[:side, :side]
    frame[40 : 40 + side, 60 : 60 + side] = np.where((x // 3 + y // 3) % 2, 250, 5)[:, :, None]
    return frame


FACE = np.array([[60.0, 40.0, 100.0, 80.0]])


def around(box: Floats) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is blurred around a box."""
    (x0, y0, x1, y1) = box.tolist()
    aside, above = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return int(x0 - aside), int(y0 - above), int(x1 + aside) + 1, int(y1 + above) + 1


def test_what_is_hidden_is_unknowable_and_all_else_as_it_was() -> None:
    """Inside hardly any detail is left, and no fewer pixels than all differ; outside every pixel is the same."""
    frame = face()
    before = frame.copy()
    shown = Blur().apply(frame, 0, FACE)
    x0, y0, x1, y1 = around(FACE[0])
    inside = np.zeros(frame.shape[:2], dtype=np.bool_)
    inside[y0:y1, x0:x1] = True
    assert (frame == before).all()
    assert (shown[~inside] == before[~inside]).all()
    assert (shown[40:80, 60:100] != before[40:80, 60:100]).any(axis=2).all()
    steps = [np.abs(np.diff(picture[y0:y1, x0:x1].astype(float), axis=1)).mean() for picture in (before, shown)]
    assert steps[1] < 0.05 * steps[0]


def test_two_faces_of_the_same_means_cannot_be_told_apart() -> None:
    """Nothing but sixteen means goes into what is left: the pattern and its negative come out alike, also sharpened."""
    one = face()
    other = one.copy()
    other[40:80, 60:100] = 255 - one[40:80, 60:100]
    hidden = [Blur().apply(picture, 0, FACE).astype(np.float32) for picture in (one, other)]
    assert np.abs(hidden[0] - hidden[1]).max() < 16.0
    sharp = [picture + 4.0 * (picture - cv2.GaussianBlur(picture, (0, 0), 3.0)) for picture in hidden]
    patterns = [picture[40:80, 60:100].ravel() for picture in (*sharp, one.astype(np.float32))]
    assert abs(np.corrcoef(patterns[0], patterns[2])[0, 1]) < 0.2


def test_a_box_stays_hidden_for_a_moment() -> None:
    """A network that misses a face in some frames does not show it; what was seen long ago hides nothing."""
    blur, frame = Blur(), face()
    hidden = blur.apply(frame, 0, FACE)
    assert (blur.apply(frame, STAYS_MS - 1, NONE) == hidden).all()
    assert blur.apply(frame, STAYS_MS, NONE) is frame
    blur.apply(frame, 9000, FACE)
    assert blur.apply(frame, 0, NONE) is frame


@pytest.mark.parametrize(
    "box", [[-5.0, -5.0, 3.0, 3.0], [150.0, 110.0, 160.0, 120.0], [0.0, 0.0, 160.0, 120.0], [80.2, 60.1, 80.4, 60.2]]
)
def test_boxes_at_the_rim_and_of_any_size_are_hidden(box: list[float]) -> None:
    frame = face()
    shown = Blur().apply(frame, 0, np.array([box]))
    x0, y0, x1, y1 = around(np.array(box))
    changed = (shown != frame).any(axis=2)
    assert changed[max(y0, 0) : y1, max(x0, 0) : x1].mean() > 0.9 or changed.size > 1000 * (x1 - x0) * (y1 - y0)
    changed[max(y0, 0) : y1, max(x0, 0) : x1] = False
    assert not changed.any()


def test_when_the_gate_is_shut_what_was_hidden_stays_so() -> None:
    """The last boxes of the network stand, as its tracks do."""
    looking = Eyes(camera(), FRAME, detector(hides=("person",)), START_MS)
    still = frames((), 100)[0].frame.copy()
    still[60:120, 200:230] = (210, 210, 40)
    seen = looking.see([TimedFrame(100 * number, still) for number in range(20)])
    assert any(not each.looked for each in seen)
    assert all(each.hidden.round(3).tolist() == [[200.0, 60.0, 230.0, 120.0]] for each in seen)
    assert looking.counters.seen == looking.counters.boxes == 0
