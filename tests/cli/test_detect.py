"""`city-brain detect` as people call it: lines that `fuse` reads, a result, an annotated video, and what it refuses."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from city_brain.city.datum import Datum, from_wgs84
from city_brain.cli.common import DATA_LOST, FAILED, INTERRUPTED, USAGE
from city_brain.observations.json_twin import from_lines
from city_brain.vision.ground.pose import CameraPose
from tests.cli.processes import COMMAND, ENVIRONMENT, Done, city_brain, running
from tests.vision.calibration.test_command import png
from tests.vision.eyes.drives import START, START_MS, THREE, TINY, city, frames, images, map_of, video
from tests.vision.ground.views import exact

SHOWN = frames(THREE, 5000)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Five seconds of three cars, with the map beside it."""
    map_of(tmp_path)
    return video(tmp_path / "drive.avi", SHOWN)


def words(source: object, city_map: Path, *more: object) -> tuple[object, ...]:
    """A call with the tiny network; what is said later counts."""
    return ("detect", source, "--camera", "mast-1", "--map", city_map, "--model", "tiny", "--start", START, *more)


def detect(source: Path, *more: object) -> Done:
    """A call on a recording that lies beside the map."""
    return city_brain(*words(source, source.parent / "city.geojson", *more))


def test_lines_go_to_standard_output_and_fuse_reads_them(drive: Path) -> None:
    """None is rejected by the reader, none is late or refused in the street: its counters add up to all of them."""
    done = detect(drive)
    assert done.code == 0, done.err
    lines = done.out.encode().splitlines()
    parsed = from_lines(lines)
    assert not parsed.rejected
    rows = parsed.observations
    assert rows.n == len(lines) == 3 * (len(SHOWN) - 2)
    assert rows.common.event_ms.tolist() == sorted(3 * [START_MS + timed.time_ms for timed in SHOWN[2:]])
    assert {rows.strings[at] for at in rows.common.datum.tolist()} == {Datum.WGS84.label}
    assert re.search(r"^50 frames, \d+ of them skipped by the gate; \d+ boxes, 3 tracks$", done.err, re.MULTILINE)
    assert "seen 144 = detections 144 + without a place 0 + out of reach 0\n" in done.err
    city_map, incidents = drive.parent / "city.geojson", drive.parent / "incidents.jsonl"
    fused = city_brain("fuse", "-", "--map", city_map, "--incidents", incidents, "--json", given=done.out.encode())
    assert fused.code == 0, fused.err
    counters = msgspec.json.decode(fused.out)["counters"]
    assert (counters["read"], counters["used"], counters["late"]) == (144, 144, 0), counters
    assert not counters["quarantined"] and not counters["dead_lettered"]


def test_on_a_map_of_another_datum_rows_say_theirs(drive: Path) -> None:
    """On a map in GCJ-02, which lies half a kilometre beside, places are the same, in WGS-84, and the street knows."""
    here, moved = city(), city()
    moved["datum"] = Datum.GCJ02.label
    camera = moved["features"][0]
    for at in (*camera["geometry"]["coordinates"][0], camera["properties"]["position"]):
        lon, lat = from_wgs84(Datum.GCJ02, np.array([at[0]]), np.array([at[1]]))
        at[:] = [float(lon[0]), float(lat[0])]
    assert abs(camera["properties"]["position"][0] - here["features"][0]["properties"]["position"][0]) > 0.004
    plain = from_lines(detect(drive).out.encode().splitlines()).observations.common
    city_map = drive.parent / "city.geojson"
    city_map.write_text(json.dumps(moved))
    done = detect(drive)
    said = from_lines(done.out.encode().splitlines()).observations.common
    assert np.abs(said.lon - plain.lon).max() < 2e-7 and np.abs(said.lat - plain.lat).max() < 2e-7
    fused = city_brain("fuse", "-", "--map", city_map, "--incidents", os.devnull, "--json", given=done.out.encode())
    assert msgspec.json.decode(fused.out)["counters"]["used"] == said.n


def test_the_same_recording_gives_the_same_bytes(drive: Path) -> None:
    """Twice, and from images that are as far apart as the frames were."""
    first, again = detect(drive), detect(drive)
    folder = images(drive.parent / "images", SHOWN)
    of_images = detect(folder, "--every-ms", 100)
    assert (first.code, first.out) == (0, again.out)
    assert of_images.out == first.out
    assert len(detect(drive, "--every-ms", 200).out) < 0.6 * len(first.out)


def test_a_file_takes_its_name_when_it_is_complete(drive: Path) -> None:
    """With the result as JSON on standard output, and nothing else there."""
    out = drive.parent / "out.jsonl"
    done = detect(drive, "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    counters = msgspec.json.decode(done.out)
    assert (counters["frames"], counters["tracks"], counters["detections"]) == (50, 3, 144)
    assert counters["seen"] == counters["detections"] + counters["without_place"] + counters["out_of_reach"]
    assert out.read_text() == detect(drive).out
    assert not Path(f"{out}.part").exists()


def test_without_a_start_times_count_from_the_epoch(drive: Path) -> None:
    """It is told, and no time is made up."""
    done = city_brain(*(word for word in words(drive, drive.parent / "city.geojson") if word not in ("--start", START)))
    assert done.code == 0
    assert "no --start: times count from 1970-01-01T00:00:00Z\n" in done.err
    times_ms = from_lines(done.out.encode().splitlines()).observations.common.event_ms
    assert (times_ms.min(), times_ms.max()) == (200, 4900)


def test_a_camera_without_homography_is_told_of(tmp_path: Path) -> None:
    """Its things are somewhere in its view, and have no speed."""
    map_of(tmp_path, None)
    done = detect(video(tmp_path / "drive.avi", SHOWN[:10]))
    assert done.code == 0
    assert "camera mast-1 has no homography: things are somewhere in its view" in done.err
    rows = from_lines(done.out.encode().splitlines()).observations
    assert np.isnan(rows.detections.speed_mps).all()
    assert len(set(rows.common.lon.tolist())) == 1


def test_the_annotated_video_shows_what_was_seen(drive: Path) -> None:
    """As many frames as were looked at, of their size and speed, with boxes around the cars and a line of text."""
    path = drive.parent / "seen.mp4"
    done = detect(drive, "--annotate", path, "--every-ms", 200)
    assert done.code == 0, done.err
    assert [each.name for each in drive.parent.glob("seen*")] == ["seen.mp4"]
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 5.0
    shown = []
    while (got := capture.read())[0]:
        shown.append(got[1].astype(int))
    assert len(shown) == 25
    plain = SHOWN[40].frame.astype(int)
    changed = np.abs(shown[20] - plain).sum(axis=2) > 120
    for car in THREE:
        x0, y0, x1, y1 = car.box(4000)
        assert changed[y0 - 2 : y0 + 2, x0:x1].any(axis=0).mean() > 0.9
        assert changed[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].mean() < 0.3
    assert changed[4:20, 8:90].any()


def test_a_recording_that_breaks_off_counts_as_far_as_it_goes(drive: Path) -> None:
    """Exit code 3: the lines are those of the frames before, and the file is there."""
    whole = detect(drive).out
    drive.write_bytes(drive.read_bytes()[: drive.stat().st_size * 6 // 10])
    out = drive.parent / "out.jsonl"
    done = detect(drive, "--out", out)
    assert done.code == DATA_LOST
    assert re.search(r"city-brain: .*drive\.avi: wanted 50 frames as the file says, got \d\d: it breaks off", done.err)
    assert 10 * 300 < len(out.read_text()) < len(whole)
    assert whole.startswith(out.read_text())


@pytest.mark.parametrize("to_file", [False, True])
def test_ctrl_c_leaves_whole_lines(tmp_path: Path, to_file: bool) -> None:
    """Exit code 130; a file stays under the name of one that is not complete, and it is told how far it got."""
    long = video(tmp_path / "long.avi", islice(cycle(SHOWN), 6000), "MJPG")
    out = tmp_path / "out.jsonl"
    part = Path(f"{out}.part")
    more = ("--out", out, "--annotate", tmp_path / "seen.mp4") if to_file else ()
    with running(*words(long, map_of(tmp_path), *more)) as started:
        if to_file:
            while not (part.exists() and part.stat().st_size):
                assert started.process.poll() is None
        else:
            started.wait_for('"kind":"detection"')
        assert started.interrupted() == INTERRUPTED
    err = "".join(started.err)
    assert re.search(r"^stopped after \d+ frames", err, re.MULTILINE), err
    data = part.read_bytes() if to_file else "".join(started.out).encode()
    assert data.endswith(b"\n")
    assert not from_lines(data.splitlines()).rejected
    assert not out.exists() and not (tmp_path / "seen.mp4").exists()
    assert (f"incomplete: {part}, {tmp_path / 'seen.part.mp4'}" in err) == to_file
    assert (tmp_path / "seen.part.mp4").exists() == to_file


def test_a_full_disk_is_no_recording_that_breaks_off(drive: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *map(str, words(drive, drive.parent / "city.geojson"))],
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == FAILED
    assert "standard output: wanted to write all of it, got: No space left on device" in done.stderr


REFUSED = [
    (("concat:a.avi|b.avi",), USAGE, r"concat:a\.avi\|b\.avi: wanted a file or folder of this machine"),
    (("rtsp://127.0.0.1/live",), USAGE, "--start: wanted a recording with it, got an address"),
    (("{absent}",), USAGE, "absent: wanted a video file or a folder of images, got: No such file"),
    (("{pipe}",), USAGE, "pipe: wanted a video file or a folder of images, got a device, a pipe or a socket"),
    (("{empty}",), FAILED, r"empty: wanted a folder with images \(\.png, \.jpg, \.jpeg\), got none in it"),
    (("{bomb}",), FAILED, r"bomb: a\.png: wanted an image of 1 to 40000000 pixels, got 65000 × 65000"),
    (("{map}",), FAILED, r"city\.geojson: wanted a video, got a file that is none"),
    (("{torn}",), FAILED, r"torn\.mp4: wanted a video, got a file that is none, is cut short"),
    (("{video}", "--camera", "mast-2"), USAGE, "--camera: wanted a camera of .*, got 'mast-2'; did you mean 'mast-1'"),
    (("{video}", "--model", "tiney"), USAGE, "model: wanted one of .*, got 'tiney'; did you mean 'tiny'"),
    (("{video}", "--model", "yolox-nano", "--weights", "{empty}"), USAGE, "got none: `city-brain models fetch yolox-"),
    (
        ("{video}", "--model", "own", "--site", "{site}"),
        FAILED,
        "own.onnx: wanted sha256 850234db.*, as the card of own",
    ),
    (("{video}", "--map", "{absent}"), USAGE, "absent: wanted a readable file"),
    (("{video}", "--start", "2026-03-01T08:00:00"), USAGE, "--start: wanted a time such as"),
    (
        ("{video}", "--start", "1969-12-31T23:59:59Z"),
        USAGE,
        "--start: wanted 1970 or later, got '1969-12-31T23:59:59Z'",
    ),
    (("{video}", "--every-ms", "0"), USAGE, "every_ms: wanted 1 to 3600000, got 0"),
    (("{video}", "--json"), USAGE, "--json: wanted --out FILE with it"),
    (("{video}", "--annotate", "seen.avi"), USAGE, r"--annotate: wanted a name that ends in \.mp4, got 'seen\.avi'"),
    (
        ("{video}", "--annotate", "{absent}/a.mp4"),
        FAILED,
        r"a\.mp4: wanted to write an MP4 \(mp4v\) of 320 × 192 pixels",
    ),
    (("{video}", "--out", "{video}"), USAGE, "wanted a file of its own to write"),
    (("{video}", "--out", "{absent}/a.jsonl"), USAGE, r"a\.jsonl: wanted a file to write, got: No such file"),
]


@pytest.mark.parametrize(("said", "code", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_refused(said: tuple[str, ...], code: int, why: str, drive: Path) -> None:
    """With the reason: 2 for words that cannot be, 1 for files that are wrong; the recording stays as it was."""
    folder = drive.parent
    named = {name: folder / name for name in ("absent", "pipe", "empty", "bomb", "torn.mp4", "site")}
    named |= {"video": drive, "map": folder / "city.geojson", "torn": named["torn.mp4"]}
    os.mkfifo(named["pipe"])
    for name in ("empty", "bomb"):
        named[name].mkdir()
    (named["bomb"] / "a.png").write_bytes(png(65_000, 65_000))
    whole = video(folder / "whole.mp4", SHOWN, "mp4v").read_bytes()
    named["torn"].write_bytes(whole[: len(whole) // 2])
    own = named["site"] / "models" / "own"
    own.mkdir(parents=True)
    card = (TINY / "card.toml").read_text()
    (own / "card.toml").write_text(card.replace('"tiny"', '"own"').replace('"tiny.onnx"', '"own.onnx"'))
    shutil.copy(TINY / "tiny.onnx", own / "own.onnx")
    with (own / "own.onnx").open("ab") as file:
        file.write(b"\0")
    before = drive.read_bytes()
    source, *more = (word.format(**named) for word in said)
    done = city_brain(*words(source, named["map"], *more))
    assert (done.code, done.out) == (code, ""), done.err
    assert re.search(why, " ".join(done.err.split())), done.err
    assert not named["absent"].exists()
    assert drive.read_bytes() == before


def test_real_traffic_is_seen_as_it_is(shared: Path, tmp_path: Path) -> None:
    """The shared video by YOLOX-nano, five frames a second: cars only, some two dozen tracks a minute, rows in order.

    The camera is not calibrated: its pose here is made up, so places and speeds are not held against anything.
    """
    pose = CameraPose(height_m=7.0, pitch_deg=12.0, heading_deg=40.0, fov_deg=60.0, width_px=640, height_px=352)
    weights = tmp_path / "weights" / "yolox-nano"
    weights.mkdir(parents=True)
    shutil.copy(shared / "data" / "onnx-detector" / "yolox_nano.onnx", weights)
    source, out = shared / "data" / "traffic-video" / "suburban_junction.mp4", tmp_path / "out.jsonl"
    model = ("--model", "yolox-nano", "--weights", weights.parent)
    done = city_brain(*words(source, map_of(tmp_path, exact(pose)), *model, "--every-ms", 200, "--out", out, "--json"))
    assert (done.code, done.err) == (0, "")
    counters = msgspec.json.decode(done.out)
    assert 180 <= counters["frames"] <= 190
    assert 12 <= counters["tracks"] <= 25
    rows = from_lines(out.read_bytes().splitlines())
    assert not rows.rejected
    said = rows.observations.detections
    classes = Counter(rows.observations.strings[at] for at in said.class_name.tolist())
    assert classes["car"] > 0.97 * sum(classes.values()) > 500
    assert (np.diff(rows.observations.common.event_ms) >= 0).all()
    assert counters["detections"] == rows.observations.n
