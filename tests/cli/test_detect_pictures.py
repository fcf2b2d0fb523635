"""What `city-brain detect` writes of frames: snapshots and annotated videos, with what a card hides made unknowable."""

import json
import re
import shutil
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from city_brain.cli.common import FAILED, USAGE
from city_brain.vision.letterbox import Frame
from models.tiny.build import COLOURS
from tests.cli.processes import Done, city_brain
from tests.vision.eyes.drives import LOSSLESS, START, THREE, TINY, frames, map_of, video

SHOWN = frames(THREE, 3000)
HIDDEN = (slice(4, 34), slice(280, 310))
"""Where something in the colour of a person stands, which the card of the site hides."""
PATTERN = np.add(*(side // 4 for side in np.mgrid[:30, :30])) % 2
"""What is to be seen upon it: squares, a little darker, but of that colour still."""


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Three seconds of three cars and of something to be hidden, beside a map, and a site whose card hides it."""
    map_of(tmp_path)
    own = tmp_path / "site" / "models" / "shy"
    own.mkdir(parents=True)
    card = (TINY / "card.toml").read_text().replace('"tiny"', '"shy"').replace("strides", 'blur = ["person"]\nstrides')
    (own / "card.toml").write_text(card.replace('person = "person"\n', ""))
    shutil.copy(TINY / "tiny.onnx", own)
    for timed in SHOWN:
        timed.frame[HIDDEN] = np.array(COLOURS["person"][::-1]) - 18 * PATTERN[:, :, None]
    return video(tmp_path / "drive.avi", SHOWN, LOSSLESS)


def detect(drive: Path, *more: object, model: str = "shy") -> Done:
    """A call with the card that hides people, its lines in a file."""
    folder = drive.parent
    at = ("--camera", "mast-1", "--map", folder / "city.geojson", "--site", folder / "site", "--model", model)
    return city_brain("detect", drive, *at, "--start", START, "--out", folder / "out.jsonl", *more)


def pictures(folder: Path) -> dict[str, Frame]:
    """The snapshots by name, in the order of their names."""
    return {path.name: cv2.imread(str(path)) for path in sorted(folder.iterdir())}


def likeness(picture: Frame) -> float:
    """How much of the pattern there is to be seen: a correlation."""
    return abs(float(np.corrcoef(picture[HIDDEN][:, :, 1].ravel(), PATTERN.ravel())[0, 1]))


def test_snapshots_are_written_and_told_of(drive: Path) -> None:
    """One for each of the three tracks, and one more each second; the result says how many."""
    folder = drive.parent / "seen"
    done = detect(drive, "--snapshots", folder, "--snapshot-every", 1, "--json")
    assert (done.code, done.err) == (0, "")
    said = msgspec.json.decode(done.out)
    assert (said["snapshots"], said["snapshots_left_out"], said["tracks"]) == (9, 0, 3)
    assert all(re.fullmatch(r"mast-1_20260301T00000[0-2]\.200Z_00000[1-3]\.jpg", name) for name in pictures(folder))
    done = detect(drive, "--snapshots", folder)
    assert f"3 snapshots in {folder}\n" in done.err
    assert "snapshots" not in json.loads(detect(drive, "--json").out)


def test_at_the_bound_it_is_told_what_was_left_out(drive: Path) -> None:
    folder = drive.parent / "seen"
    done = detect(drive, "--snapshots", folder, "--most-snapshots", 2)
    assert done.code == 0
    assert f"2 snapshots in {folder}; left out: 1, since 2 pictures or 1000 MB are all that the folder may" in done.err
    assert len(pictures(folder)) == 2


def test_what_the_card_hides_is_in_no_picture(drive: Path) -> None:
    """Neither in a snapshot nor in the annotated video is anything left to know; no row tells of it; all else stays."""
    folder, annotated = drive.parent / "seen", drive.parent / "seen.mp4"
    done = detect(drive, "--snapshots", folder, "--annotate", annotated)
    assert (done.code, "names nothing to blur" in done.err) == (0, False)
    assert b'"person"' not in (drive.parent / "out.jsonl").read_bytes()
    capture = cv2.VideoCapture(str(annotated))
    written = [*pictures(folder).values(), *(capture.read()[1] for _ in SHOWN)]
    assert len(written) == 3 + len(SHOWN)
    assert max(map(likeness, written)) < 0.2


def test_without_blur_pictures_are_as_they_are(drive: Path) -> None:
    """Where somebody says so; the same rows are told."""
    shown, hidden = drive.parent / "shown", drive.parent / "hidden"
    assert detect(drive, "--snapshots", shown, "--no-blur").code == 0
    rows = (drive.parent / "out.jsonl").read_bytes()
    assert detect(drive, "--snapshots", hidden).code == 0
    assert (drive.parent / "out.jsonl").read_bytes() == rows
    assert list(pictures(shown)) == list(pictures(hidden))
    for name, picture in pictures(shown).items():
        assert likeness(picture) > 0.7
        off = np.abs(picture.astype(int) - pictures(hidden)[name]).max(axis=2)
        off[:52, 260:] = 0  # what was hidden, its margin, and the blocks of the JPEG that reach into it
        assert off.max() == 0


def test_a_card_that_hides_nothing_is_told_of(drive: Path) -> None:
    """Where pictures are written, and nobody said that they may show all."""
    told = "the card of tiny names nothing to blur: pictures show faces and licence plates as they are\n"
    folder = drive.parent / "seen"
    assert told in detect(drive, "--snapshots", folder, model="tiny").err
    assert told not in detect(drive, "--snapshots", folder, "--no-blur", model="tiny").err
    assert told not in detect(drive, model="tiny").err


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (("--snapshots", "{images}"), USAGE, "--snapshots: wanted a folder of its own, got the one that is read"),
        (("--snapshots", "{absent}/s"), USAGE, "wanted a folder for snapshots, got: No such file"),
        (("--snapshots", "{map}"), FAILED, r"city\.geojson: wanted a folder for snapshots, got: File exists"),
        (
            ("--snapshots", "{absent}", "--snapshot-every", "0"),
            USAGE,
            "'--snapshot-every': Input should be greater than or equal",
        ),
        (
            ("--snapshots", "{absent}", "--most-snapshots", "0"),
            USAGE,
            "'--most-snapshots': Input should be greater than or equal",
        ),
    ],
)
def test_snapshots_that_cannot_be_are_refused(said: tuple[str, ...], code: int, why: str, drive: Path) -> None:
    """With the reason, and no lines are written."""
    folder = drive.parent
    (folder / "images").mkdir()
    assert cv2.imwrite(str(folder / "images" / "a.png"), SHOWN[0].frame)
    named = {"images": folder / "images", "absent": folder / "absent", "map": folder / "city.geojson"}
    source = folder / "images" if "{images}" in said else drive
    at = ("--camera", "mast-1", "--map", folder / "city.geojson", "--model", "tiny", "--out", folder / "out.jsonl")
    done = city_brain("detect", source, *at, *(word.format(**named) for word in said))
    assert (done.code, done.out) == (code, ""), done.err
    assert re.search(why, " ".join(done.err.replace("│", " ").split())), done.err
    assert not (folder / "out.jsonl").exists() and not (folder / "absent").exists()
