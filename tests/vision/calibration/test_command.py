"""`city-brain calibrate` as a process: what it prints, draws and refuses."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from city_brain.city.datum import Datum, from_wgs84
from city_brain.city.loading import load_city
from city_brain.observations.vocabulary import ObjectClass
from city_brain.vision.frames.images import picture_size, read_image
from city_brain.vision.frames.limits import MOST_PIXELS
from city_brain.vision.ground.lens import Lens
from city_brain.vision.ground.placing import CameraGround
from tests.cli.processes import city_brain
from tests.vision.calibration.scenes import (
    FRAME,
    LAT,
    LON,
    MARKS_M,
    TRUE,
    city,
    csv_of,
    map_of,
    marks,
    picture,
    written,
)
from tests.vision.ground.views import HEIGHT, WIDTH


def test_what_it_prints_belongs_on_the_map(tmp_path: Path) -> None:
    """Its properties, put on the map, make a camera there that places a car where it is, within the error it tells."""
    done = city_brain(
        "calibrate", written(tmp_path, csv_of(marks(1.0))), "--camera", "mast-1", "--map", map_of(tmp_path), "--json"
    )
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert (said["misfit"], said["wrong"], said["freedom"]) == (False, None, 8)
    assert [point["name"] for point in said["points"]] == [f"mark {k}" for k in range(1, 9)]
    with_it = city()
    with_it["features"][0]["properties"] |= said["properties"]
    camera = load_city(json.dumps(with_it).encode()).cameras[0]
    u, v = TRUE.to_pixels(np.array([18.0]), np.array([26.0]))
    box = np.array([[u[0] - 30, v[0] - 20, u[0] + 30, v[0]]])
    places = CameraGround.of_map(camera).place(box, np.array([int(ObjectClass.CAR)], np.uint8), HEIGHT)
    off = np.hypot(places.x[0] - camera.x - 18.0, places.y[0] - camera.y - 26.0)
    assert off < 3.0 * said["error_m"] < 2.0


def test_people_read_it_as_lines(tmp_path: Path) -> None:
    done = city_brain("calibrate", written(tmp_path, csv_of(marks(1.0))), "--camera", "mast-1", "--position", LON, LAT)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        "camera mast-1: 8 points\nhomography, from pixels to metres east and north of the camera"
    )
    assert "the points agree as well as errors of 2 px and 0.3 m let them" in done.out
    assert '"homography_error_m":' in done.out.splitlines()[-2]
    assert done.out.splitlines()[-1].startswith("for pictures as large as that of the points alone")


def test_standard_input_is_read_as_a_file_is(tmp_path: Path) -> None:
    at = ("--camera", "mast-1", "--json")
    given = csv_of(marks(1.0))
    assert (
        city_brain("calibrate", "-", *at, given=given.encode()).out
        == city_brain("calibrate", written(tmp_path, given), *at).out
    )


def test_the_point_that_looks_wrong_is_told(tmp_path: Path) -> None:
    """Mark 6 lies 6 m off; without it the rest agree."""
    points = written(tmp_path, marks(1.0, wrong=5))
    done = city_brain("calibrate", points, "--camera", "mast-1")
    assert done.code == 0, done.err
    assert "'mark 6' looks wrong; mend or drop it" in done.out
    assert "for the map: name the map with --map" in done.out
    assert sum("<- looks wrong" in line for line in done.out.splitlines()) == 1


def test_a_point_that_makes_all_impossible_is_told(tmp_path: Path) -> None:
    done = city_brain("calibrate", written(tmp_path, marks(1.0, wrong=5, wrong_m=-900.0)), "--camera", "mast-1")
    assert done.code == 1
    assert "; without 'mark 6' the others agree" in done.err


def test_of_four_points_it_is_told_that_they_always_fit(tmp_path: Path) -> None:
    done = city_brain("calibrate", written(tmp_path, marks()[:4]), "--camera", "mast-1")
    assert done.code == 0, done.err
    assert "four points always fit" in done.out


def test_a_datum_is_converted_at_the_door(tmp_path: Path) -> None:
    """Points in GCJ-02, said in the file or by an option, give the homography that they give in WGS-84."""
    points = marks()
    lon, lat = (np.array([point[name] for point in points]) for name in ("lon", "lat"))
    lon, lat = from_wgs84(Datum.GCJ02, lon, lat)
    moved = [point | {"lon": a, "lat": b} for point, a, b in zip(points, lon.tolist(), lat.tolist(), strict=True)]
    at = ("--camera", "mast-1", "--map", map_of(tmp_path), "--json")
    plain = json.loads(city_brain("calibrate", written(tmp_path, points), *at).out)
    for said, option in (({"points": moved, "datum": "GCJ-02"}, ()), (moved, ("--datum", "GCJ-02"))):
        told = json.loads(city_brain("calibrate", written(tmp_path, said), *at, *option).out)
        assert np.allclose(told["homography"], plain["homography"], atol=1e-4)
    for where in (at, ("--camera", "m", "--position", "17", "36.6")):
        unsaid = city_brain("calibrate", written(tmp_path, moved), *where)
        assert (unsaid.code, unsaid.out) == (1, "")
        assert re.search(r"wanted points within \d+ m of the camera, got .* m away; are they in another", unsaid.err)


def test_a_lens_is_straightened(tmp_path: Path) -> None:
    """Points read in a bent picture fit badly; with their lens they fit as well as they are written."""
    shape = {"k1": -0.4, "k2": 0.1, "focal_px": 1660.0, "centre_x": WIDTH / 2, "centre_y": HEIGHT / 2}
    u, v = Lens(**shape).bend(*TRUE.to_pixels(*np.array(MARKS_M).T))
    points = [point | {"x": a, "y": b} for point, a, b in zip(marks(), u.tolist(), v.tolist(), strict=True)]
    at = ("--camera", "m", "--pixel-error", 0.5, "--ground-error", 0.05)
    bent = json.loads(city_brain("calibrate", written(tmp_path, points), *at, "--json").out)
    with_lens = written(tmp_path, {"points": points, "lens": shape})
    straight = json.loads(city_brain("calibrate", with_lens, *at, "--json").out)
    assert bent["residual_m"] > 0.05
    assert straight["residual_m"] < 0.005
    assert straight["lens"] == shape
    assert "straightened by the lens" in city_brain("calibrate", with_lens, *at).out


def test_the_lens_goes_onto_the_map_and_is_taken_from_there(tmp_path: Path) -> None:
    """What is printed for the map holds the lens of the file; on the map it serves points whose file says none."""
    shape = {"k1": -0.4, "k2": 0.1, "focal_px": 1660.0, "centre_x": WIDTH / 2, "centre_y": HEIGHT / 2}
    u, v = Lens(**shape).bend(*TRUE.to_pixels(*np.array(MARKS_M).T))
    points = [point | {"x": a, "y": b} for point, a, b in zip(marks(), u.tolist(), v.tolist(), strict=True)]
    at = ("--camera", "mast-1", "--map", map_of(tmp_path), "--json")
    first = json.loads(city_brain("calibrate", written(tmp_path, {"points": points, "lens": shape}), *at).out)
    assert first["properties"]["lens"] == shape
    assert "lens" not in json.loads(city_brain("calibrate", written(tmp_path, marks()), *at).out)["properties"]
    with_it = city()
    with_it["features"][0]["properties"] |= first["properties"]
    (tmp_path / "city.geojson").write_text(json.dumps(with_it), encoding="utf-8")
    again = json.loads(city_brain("calibrate", written(tmp_path, points), *at).out)
    assert again["properties"] == first["properties"]
    camera = load_city(tmp_path / "city.geojson").cameras[0]
    box = np.array([[u[5] - 30, v[5] - 20, u[5] + 30, v[5]]])
    places = CameraGround.of_map(camera).place(box, np.array([int(ObjectClass.CAR)], np.uint8), HEIGHT)
    assert np.hypot(places.x[0] - camera.x - MARKS_M[5][0], places.y[0] - camera.y - MARKS_M[5][1]) < 0.1


def test_a_lens_of_the_map_is_of_pictures_of_its_size(tmp_path: Path) -> None:
    """Points read in a picture of another size would be straightened wrongly: they are refused."""
    lens = {"k1": -0.4, "k2": 0.1, "focal_px": 3320.0, "centre_x": float(WIDTH), "centre_y": float(HEIGHT)}
    with_it = city()
    with_it["features"][0]["properties"] |= {"lens": lens, "picture_px": [2 * WIDTH, 2 * HEIGHT]}
    (tmp_path / "city.geojson").write_text(json.dumps(with_it), encoding="utf-8")
    at = ("--camera", "mast-1", "--map", tmp_path / "city.geojson")
    said = city_brain("calibrate", written(tmp_path, {"points": marks(), "picture_px": [WIDTH, HEIGHT]}), *at)
    assert (said.code, said.out) == (1, "")
    assert "picture_px: wanted the size of the pictures that the lens on the map is of" in said.err
    frame = ("--image", picture(tmp_path / "frame.png"), "--out", tmp_path / "overlay.png")
    shown = city_brain("calibrate", written(tmp_path, marks()), *at, *frame)
    assert (shown.code, shown.out) == (1, "")
    assert f"wanted a picture of {2 * WIDTH:g} × {2 * HEIGHT:g}, as points or lens say" in shown.err


def test_the_overlay_shows_points_and_a_grid(tmp_path: Path) -> None:
    """Circles where the points were read, crosses on the marks of the frame, lines of the grid on whole metres."""
    frame, out = picture(tmp_path / "frame.png"), tmp_path / "overlay.png"
    at = ("--camera", "mast-1", "--map", map_of(tmp_path), "--json")
    done = city_brain("calibrate", written(tmp_path, marks()), *at, "--image", frame, "--out", out)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["overlay"], said["grid_m"]) == (str(out), 5.0)
    assert said["properties"]["picture_px"] == [WIDTH, HEIGHT]
    before, after = (read_image(path.read_bytes(), "it").astype(int) for path in (frame, out))
    assert before.shape == after.shape
    for east, north in MARKS_M:
        u, v = (round(float(side[0])) for side in TRUE.to_pixels(np.array([east]), np.array([north])))
        near = after[v - 3 : v + 4, u - 3 : u + 4].reshape(-1, 3)
        assert (np.abs(near - (80, 220, 80)).sum(axis=1) < 60).any(), "no green cross on the mark"
    for east, north in ((10.0, 22.0), (15.0, 22.0), (20.0, 28.0)):
        u, v = (round(float(side[0])) for side in TRUE.to_pixels(np.array([east]), np.array([north])))
        assert (after[v - 2 : v + 3, u - 2 : u + 3].min(axis=2) > 230).any(), "no white line to the north"


def test_points_in_letters_of_any_script_are_drawn(tmp_path: Path) -> None:
    points = [point | {"name": f"井盖 {k}"} for k, point in enumerate(marks())]
    out = tmp_path / "o.png"
    done = city_brain(
        "calibrate", written(tmp_path, points), "--camera", "路口", "--image", picture(tmp_path / "f.jpg"), "--out", out
    )
    assert done.code == 0, done.err
    assert "井盖 3" in done.out
    assert picture_size(out.read_bytes()) == (1920, 1080)


def png(width: int, height: int) -> bytes:
    """The head of a PNG that says how large it is, and nothing else."""
    return (
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
        + width.to_bytes(4, "big")
        + height.to_bytes(4, "big")
        + b"\x08\x02\0\0\0"
    )


REFUSED = [
    (("{absent}", "--camera", "m"), 2, "absent.png: wanted a file of points, got: No such file"),
    (("{points}",), 2, "Missing option '--camera'"),
    (("{points}", "--camera", "mast-2", "--map", "{map}"), 2, "--camera: wanted a camera of .*did you mean 'mast-1'"),
    (("{points}", "--camera", "m", "--map", "{absent}"), 2, "absent.png: wanted a readable file"),
    (("{points}", "--camera", "m", "--image", "{frame}"), 2, "wanted --image and --out together, got --image alone"),
    (("{points}", "--camera", "m", "--out", "{absent}"), 2, "wanted --image and --out together, got --out alone"),
    (("{points}", "--camera", "mast-1", "--map", "{map}", "--position", "1", "2"), 2, "--position: wanted none"),
    (("{points}", "--camera", "m", "--position", "1", "200"), 2, "--position: wanted longitude -180 to 180"),
    (("{points}", "--camera", "m", "--datum", "GCJ-03"), 2, "--datum: wanted one of .*did you mean 'GCJ-02'"),
    (("{points}", "--camera", "m", "--pixel-error", "0"), 2, "point_error_px: wanted 0.01 to 1000, got 0"),
    (("{points}", "--camera", "m", "--image", "{frame}", "--out", "{points}"), 2, "wanted a file of its own to write"),
    (("{points}", "--camera", "m", "--image", "{points}", "--out", "{absent}"), 1, "wanted an image in PNG or JPEG"),
    (
        ("{points}", "--camera", "m", "--image", "{bomb}", "--out", "{absent}"),
        1,
        "wanted an image of 1 to 40000000",
    ),
    (("{points}", "--camera", "m", "--image", "{torn}", "--out", "{absent}"), 1, "wanted a whole image"),
    (
        ("{points}", "--camera", "m", "--image", "{small}", "--out", "{absent}"),
        1,
        "wanted a pixel of a picture of 64 × 64",
    ),
    (
        ("{sized}", "--camera", "m", "--image", "{frame}", "--out", "{absent}"),
        1,
        "wanted a picture of 1920 × 1080, as points or lens say, got 64 × 64",
    ),
    (("{points}", "--camera", "m", "--image", "{frame}", "--out", "{jpeg}"), 2, "wanted a name that ends in .png"),
    (("{three}", "--camera", "m"), 1, "wanted at least 4 points, got 3"),
    (("{map}", "--camera", "m"), 1, "city.geojson: wanted one of points, datum, lens, picture_px"),
]


@pytest.mark.parametrize(("words", "code", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_refused_and_nothing_is_written(
    words: tuple[str, ...], code: int, why: str, tmp_path: Path
) -> None:
    """With the reason on standard error: 2 for words that cannot be, 1 for files that are wrong."""
    import cv2

    files = {name: tmp_path / name for name in ("bomb", "torn", "small", "three", "sized")}
    files["bomb"].write_bytes(png(65_000, 65_000))
    files["torn"].write_bytes(png(64, 64))
    files["small"].write_bytes(bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1]))
    files["three"].write_text(json.dumps(marks()[:3]))
    files["sized"].write_text(json.dumps({"points": marks(), "picture_px": [1920, 1080]}))
    files |= {"absent": tmp_path / "absent.png", "jpeg": tmp_path / "overlay.jpg"}
    files |= {"map": map_of(tmp_path), "points": written(tmp_path, marks()), "frame": tmp_path / "frame.png"}
    files["frame"].write_bytes(files["small"].read_bytes())
    before = files["points"].read_bytes()
    done = city_brain("calibrate", *(word.format(**files) for word in words))
    assert (done.code, done.out) == (code, ""), done.err
    assert re.search(why, " ".join(done.err.split())), done.err
    assert not files["absent"].exists()
    assert files["points"].read_bytes() == before


def test_sizes_are_read_without_unpacking() -> None:
    import cv2

    canvas = np.zeros((48, 96, 3), np.uint8)
    for kind in (".png", ".jpg"):
        assert picture_size(bytes(cv2.imencode(kind, canvas)[1])) == (96, 48)
    for other in (b"", b"\xff\xd8", b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"BM" + bytes(60)):
        assert picture_size(other) is None
    assert MOST_PIXELS < 65_000**2
    assert FRAME.lon0 == LON
