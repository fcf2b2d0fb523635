"""Reads a file of calibration points: what lies where in the picture, and where on the ground.

CSV has a line of names, `x,y,lon,lat` and optionally `name`, in any order. JSON is a list of objects with those fields,
or an object with `points`, and optionally `datum` (of lon and lat), `lens` (k1, k2, focal_px, centre_x, centre_y) and
`picture_px` ([width, height] of the picture). Pixels count from the upper left corner of the picture, right and down.
"""

import csv
import io
from typing import Any, Final, NoReturn

import msgspec

from city_brain.city.features.fields import Fields, is_number, is_plain_text, read_position
from city_brain.errors import CalibrationError, MapError
from city_brain.vision.ground.lens import Lens
from city_brain.wording.nearest import nearest, shown

MOST_BYTES: Final = 4_000_000
MOST_POINTS: Final = 1_000
_FIELDS: Final = ("x", "y", "lon", "lat", "name")
_REQUIRED: Final = _FIELDS[:4]
_LARGEST_PX: Final = 65_536.0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A point: pixel (`x`, `y`), and its longitude and latitude in degrees."""

    x: float
    y: float
    lon: float
    lat: float
    name: str


class PointsFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that a file says; `datum` is a name as it stands in the file."""

    points: tuple[Point, ...]
    datum: str | None = None
    lens: Lens | None = None
    picture_px: tuple[float, float] | None = None


def read_points(data: bytes, place: str) -> PointsFile:
    """The points in a file; raises CalibrationError with the point, the field, what was wanted and what was found."""
    if len(data) > MOST_BYTES:
        raise CalibrationError(f"{place}: wanted at most {MOST_BYTES} bytes, got {len(data)}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise CalibrationError(f"{place}: wanted UTF-8 text, got {wrong}") from wrong
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(text, place)
    return PointsFile(points=_points(_csv_rows(text, place), place))


def _read_json(text: str, place: str) -> PointsFile:
    try:
        said: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        raise CalibrationError(f"{place}: wanted JSON, got {wrong}") from wrong
    if isinstance(said, list):
        said = {"points": said}
    _check_known(said, ("points", "datum", "lens", "picture_px"), place)
    rows, datum, lens = said.get("points"), said.get("datum"), said.get("lens")
    if not isinstance(rows, list):
        raise CalibrationError(f"{place}: points: wanted a list, got {shown(rows)}")
    if datum is not None and not isinstance(datum, str):
        raise CalibrationError(f"{place}: datum: wanted a name, got {shown(datum)}")
    named = [(f"{place}: point number {number}", row) for number, row in enumerate(rows, start=1)]
    try:
        size = Fields(place, said).maybe_size("picture_px", 1.0, _LARGEST_PX, "px")
    except MapError as wrong:
        raise CalibrationError(str(wrong)) from wrong
    points = _points(named, place)
    return PointsFile(points=points, datum=datum, lens=_lens(lens, f"{place}: lens"), picture_px=size)


def _lens(said: Any, place: str) -> Lens | None:
    if said is None:
        return None
    try:
        return msgspec.convert(said, Lens)
    except CalibrationError as wrong:
        raise CalibrationError(f"{place}: {wrong}") from wrong
    except msgspec.ValidationError as wrong:
        wanted = "k1, focal_px, centre_x, centre_y and optionally k2"
        raise CalibrationError(f"{place}: wanted {wanted}, got {wrong}") from wrong


def _csv_rows(text: str, place: str) -> list[tuple[str, Any]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[tuple[str, Any]] = []
    names: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            at, cells = f"{place}: line {reader.line_num}", [cell.strip() for cell in cells]
            if names is None:
                names = _header(cells, at)
            elif len(cells) != len(names):
                raise CalibrationError(f"{at}: wanted {len(names)} cells, got {len(cells)}")
            else:
                row = dict(zip(names, cells, strict=True))
                rows.append((at, {name: cell if name == "name" else _number(cell) for name, cell in row.items()}))
    except csv.Error as wrong:
        raise CalibrationError(f"{place}: line {reader.line_num}: wanted CSV, got {wrong}") from wrong
    if names is None:
        raise CalibrationError(f"{place}: wanted the names {','.join(_FIELDS)} in a first line, got nothing")
    return rows


def _header(cells: list[str], at: str) -> list[str]:
    names = [cell.lower() for cell in cells]
    _check_known(dict.fromkeys(names), _FIELDS, at)
    missing = [name for name in _REQUIRED if name not in names]
    if missing or len(set(names)) != len(names):
        raise CalibrationError(f"{at}: wanted the names {','.join(_FIELDS)}, each once, got {shown(','.join(cells))}")
    return names


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _check_known(said: Any, known: tuple[str, ...], at: str) -> None:
    if not isinstance(said, dict):
        raise CalibrationError(f"{at}: wanted an object with {', '.join(known)}, got {shown(said)}")
    for key in said:
        if key not in known:
            raise CalibrationError(f"{at}: wanted one of {', '.join(known)}, got {shown(key)}{nearest(key, known)}")


def _points(rows: list[tuple[str, Any]], place: str) -> tuple[Point, ...]:
    if len(rows) > MOST_POINTS:
        raise CalibrationError(f"{place}: wanted at most {MOST_POINTS} points, got {len(rows)}")
    points = [_point(row, number, at) for number, (at, row) in enumerate(rows, start=1)]
    first: dict[str, str] = {}
    for point, (at, _) in zip(points, rows, strict=True):
        if point.name in first:
            raise CalibrationError(f"{at}: name: wanted one of its own, got {point.name!r} of {first[point.name]}")
        first[point.name] = at.removeprefix(f"{place}: ")
    return tuple(points)


def _point(row: Any, number: int, at: str) -> Point:
    _check_known(row, _FIELDS, at)
    for name in _REQUIRED:
        if not is_number(row.get(name)):
            _wrong(at, name, "a number", row.get(name))
    for name in ("x", "y"):
        if not -_LARGEST_PX <= row[name] <= _LARGEST_PX:
            _wrong(at, name, f"a pixel of {-_LARGEST_PX:.0f} to {_LARGEST_PX:.0f}", row[name])
    try:
        lon, lat = read_position(f"{at}: lon, lat", [row["lon"], row["lat"]])
    except MapError as wrong:
        raise CalibrationError(str(wrong)) from wrong
    name = row.get("name") or str(number)
    if not isinstance(name, str) or not is_plain_text(name):
        _wrong(at, "name", "1 to 200 printable characters", name)
    return Point(x=float(row["x"]), y=float(row["y"]), lon=lon, lat=lat, name=name)


def _wrong(at: str, name: str, wanted: str, got: Any) -> NoReturn:
    raise CalibrationError(f"{at}: {name}: wanted {wanted}, got {'nothing' if got in (None, '') else shown(got)}")
