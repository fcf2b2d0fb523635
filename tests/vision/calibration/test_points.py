"""Files of calibration points are read strictly: what is wrong is told with its place, what was wanted and found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import CalibrationError
from city_brain.vision.calibration.points import MOST_BYTES, MOST_POINTS, read_points
from tests.vision.calibration.scenes import csv_of, marks


def test_csv_and_json_say_the_same() -> None:
    """A list, an object with points, and CSV with its names in another order, with a mark of byte order and blanks."""
    plain = read_points(json.dumps(marks()).encode(), "f")
    assert read_points(json.dumps({"points": marks()}).encode(), "f") == plain
    assert read_points(b"\xef\xbb\xbf" + csv_of(marks()).replace(",", " , ").encode(), "f") == plain
    assert plain.points[2].name == "mark 3"
    assert (plain.datum, plain.lens) == (None, None)


def test_points_without_names_are_numbered() -> None:
    read = read_points(b"x,y,lon,lat\n1,2,117,36\n\n3,4,118,37\n", "f")
    assert [point.name for point in read.points] == ["1", "2"]


def test_datum_and_lens_come_with_the_points() -> None:
    lens = {"k1": -0.2, "focal_px": 900, "centre_x": 640, "centre_y": 360}
    read = read_points(json.dumps({"points": marks(), "datum": "GCJ-02", "lens": lens}).encode(), "f")
    assert read.datum == "GCJ-02"
    assert read.lens is not None and (read.lens.k1, read.lens.k2, read.lens.focal_px) == (-0.2, 0.0, 900.0)


POINT = {"x": 1.0, "y": 2.0, "lon": 117.0, "lat": 36.0}
WRONG: dict[str, tuple[object, str]] = {
    "nothing": ("", "^f: wanted the names x,y,lon,lat,name in a first line, got nothing"),
    "no text": (b"\xff\xfe\x00", "^f: wanted UTF-8 text"),
    "too long": (b" " * (MOST_BYTES + 1), "^f: wanted at most 4000000 bytes"),
    "too many": ([POINT] * (MOST_POINTS + 1), "^f: wanted at most 1000 points, got 1001"),
    "no JSON": ("[{", "^f: wanted JSON"),
    "deep JSON": ("[" * 100_000, "^f: wanted JSON"),
    "no list": ({"points": 3}, "^f: points: wanted a list, got 3"),
    "another key": ({"point": []}, "^f: wanted one of .*, picture_px, got 'point'; did you mean 'points'"),
    "no object": ([3], "^f: point number 1: wanted an object with x, y, lon, lat, name, got 3"),
    "another field": ([POINT | {"long": 1}], "^f: point number 1: wanted one of .*, got 'long'; did you mean 'lon'"),
    "a field missing": ([{"x": 1, "y": 2, "lon": 117}], "^f: point number 1: lat: wanted a number, got nothing"),
    "true as a number": ([POINT | {"x": True}], "^f: point number 1: x: wanted a number, got true"),
    "a huge number": ([POINT | {"x": 10**400}], "^f: point number 1: x: wanted a number"),
    "a pixel far outside": ([POINT | {"y": 1e6}], "^f: point number 1: y: wanted a pixel of -65536 to 65536"),
    "swapped": ([POINT | {"lon": 36.0, "lat": 117.0}], "^f: point number 1: lon, lat: wanted .*these look swapped"),
    "a name twice": ([POINT | {"name": "a"}] * 2, "^f: point number 2: name: wanted .*got 'a' of point number 1"),
    "a name of control characters": ([POINT | {"name": "a\n"}], "^f: point number 1: name: wanted 1 to 200 printable"),
    "a datum that is none": ({"points": [], "datum": 3}, "^f: datum: wanted a name, got 3"),
    "a lens that is none": ({"points": [], "lens": {"k1": 0}}, "^f: lens: wanted k1, focal_px, centre_x"),
    "a lens out of range": (
        {"points": [], "lens": {"k1": 0, "focal_px": 0, "centre_x": 0, "centre_y": 0}},
        "^f: lens: lens: focal_px: wanted 1 to 1e5",
    ),
    "CSV of other names": ("x,y,long,lat\n", "^f: line 1: wanted one of .*, got 'long'; did you mean 'lon'"),
    "CSV without lat": ("x,y,lon\n", "^f: line 1: wanted the names x,y,lon,lat,name, each once, got 'x,y,lon'"),
    "CSV of one name twice": ("x,x,y,lon,lat\n", "^f: line 1: wanted the names"),
    "CSV with a short line": ("x,y,lon,lat\n1,2,3\n", "^f: line 2: wanted 4 cells, got 3"),
    "CSV with a word": ("x,y,lon,lat\n1,two,117,36\n", "^f: line 2: y: wanted a number, got 'two'"),
    "CSV with nan": ("x,y,lon,lat\n1,nan,117,36\n", "^f: line 2: y: wanted a number, got nan"),
    "CSV with an empty cell": ("x,y,lon,lat\n1,,117,36\n", "^f: line 2: y: wanted a number, got nothing"),
    "CSV with an open quote": ('x,y,lon,lat\n1,"2,117,36\n', "^f: line 2: wanted CSV"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_place_wanted_and_got(name: str) -> None:
    said, why = WRONG[name]
    if not isinstance(said, bytes):
        said = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    with pytest.raises(CalibrationError, match=why):
        read_points(said, "f")


@given(st.binary(max_size=200) | st.text('xylonat,{}[]":0123.-\n', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but a CalibrationError comes of garbage."""
    try:
        read = read_points(data, "f")
    except CalibrationError as wrong:
        assert str(wrong).startswith("f: ")
    else:
        assert len(read.points) <= 200
