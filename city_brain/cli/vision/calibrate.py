"""`city-brain calibrate`: reads points, fits a homography, and says how well the points agree."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from city_brain.cli.common import JsonOption, keep_apart, read_file
from city_brain.errors import CalibrationError, SettingsError

if TYPE_CHECKING:
    from city_brain.city.city_map import Camera, CityMap
    from city_brain.city.datum import Datum
    from city_brain.geo import LocalFrame
    from city_brain.types import Floats
    from city_brain.vision.calibration.fitting import Fit, FitSettings, Pairs
    from city_brain.vision.calibration.points import PointsFile


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(calibrate)


FARTHEST_RANGE_M: Final = 10_000.0
"""Of a camera on a map."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where 0, 0 of the homography's metres lies: at a camera, or in the middle of the points where none is known.

    `range_m`: how far the camera sees.
    """

    frame: "LocalFrame"
    x: float
    y: float
    at_camera: bool
    range_m: float = FARTHEST_RANGE_M


def calibrate(
    points: Annotated[
        Path,
        typer.Argument(
            metavar="POINTS",
            help="CSV with the names x,y,lon,lat,name, or JSON with those fields; - reads standard input.",
        ),
    ],
    camera: Annotated[str, typer.Option("--camera", help="Id of the camera.")],
    map_path: Annotated[
        Path | None, typer.Option("--map", help="The city map (GeoJSON), where the camera stands on it.")
    ] = None,
    position: Annotated[
        tuple[float, float] | None,
        typer.Option("--position", metavar="LON LAT", help="Where the camera stands, if it is on no map yet."),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="A frame of the camera (PNG, JPEG) to draw on.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Overlay to write (PNG): points and a grid.")] = None,
    datum: Annotated[
        str | None, typer.Option("--datum", help="Of lon and lat; else the file's, else the map's, else WGS-84.")
    ] = None,
    pixel_error: Annotated[
        float, typer.Option("--pixel-error", help="How well the points were read in the picture: 1 σ, px.")
    ] = 2.0,
    ground_error: Annotated[
        float, typer.Option("--ground-error", help="How well the points are known on the ground: 1 σ, m.")
    ] = 0.3,
    as_json: JsonOption = False,
) -> None:
    """Find where on the ground a camera's picture lies, from four or more points known in both.

    Prints the homography, how far each point lies off, which one looks wrong, and what to put on the map.
    """
    import msgspec

    from city_brain.cli.vision.telling import Calibration, told_as_text
    from city_brain.vision.calibration.fitting import FitSettings
    from city_brain.vision.calibration.suspects import suspicion

    _check_words(points, map_path, position, image, out)
    city, known = _on_map(map_path, camera)
    limits = FitSettings(point_error_px=pixel_error, point_error_m=ground_error)
    place = "standard input" if str(points) == "-" else str(points)
    said = _with_lens(_read(points, place), known, place)
    given = _datum(datum, said, city, f"{place}: datum")
    origin, pairs = _pairs(said, given, _origin(city, known, position, given), place)
    picture = None if image is None else _picture(image, said)
    if picture is not None:
        said = msgspec.structs.replace(said, picture_px=(float(picture.shape[1]), float(picture.shape[0])))
    fitted = _fit(pairs, place, limits)
    doubt = suspicion(pairs, fitted, limits)
    grid_m = None
    if out is not None:
        grid_m = _draw(out, picture, said, pairs, fitted, doubt.point)
    found = Calibration.of(camera, said, fitted, doubt, origin, out, grid_m)
    typer.echo(msgspec.json.encode(found) if as_json else told_as_text(found, limits))


def _check_words(
    points: Path, map_path: Path | None, position: tuple[float, float] | None, image: Path | None, out: Path | None
) -> None:
    """Raises SettingsError where options do not go together."""
    if (image is None) != (out is None):
        raise SettingsError(f"wanted --image and --out together, got {'--out' if image is None else '--image'} alone")
    if map_path is not None and position is not None:
        raise SettingsError("--position: wanted none for a camera on a map, got one")
    keep_apart([path for path in (points, map_path, image) if path is not None], (out,))
    if out is not None and out.suffix.lower() != ".png":
        raise SettingsError(f"--out: wanted a name that ends in .png, got {str(out)!r}")


def _read(points: Path, place: str) -> "PointsFile":
    from city_brain.vision.calibration.points import MOST_BYTES, read_points

    if str(points) == "-":
        return read_points(sys.stdin.buffer.read(MOST_BYTES + 1), place)
    return read_points(read_file(points, "a file of points"), place)


def _with_lens(said: "PointsFile", camera: "Camera | None", place: str) -> "PointsFile":
    """The points with the lens that their file says, else with that of the camera on the map, of pictures so large."""
    import msgspec

    from city_brain.vision.ground.lens import Lens

    if said.lens is not None or camera is None or camera.lens is None:
        return said
    size = camera.picture_px or said.picture_px
    if said.picture_px not in (None, size):
        wanted = f"the size of the pictures that the lens on the map is of, {size}"
        raise CalibrationError(f"{place}: picture_px: wanted {wanted}, got {said.picture_px}")
    return msgspec.structs.replace(said, lens=Lens.of_map(camera.lens), picture_px=size)


def _on_map(map_path: Path | None, camera: str) -> "tuple[CityMap | None, Camera | None]":
    from city_brain.city.loading import load_city
    from city_brain.wording.nearest import nearest

    if map_path is None:
        return None, None
    city = load_city(map_path)
    known = {each.id: each for each in city.cameras}
    if camera not in known:
        raise SettingsError(f"--camera: wanted a camera of {map_path}, got {camera!r}{nearest(camera, sorted(known))}")
    return city, known[camera]


def _datum(option: str | None, said: "PointsFile", city: "CityMap | None", place: str) -> "Datum":
    from city_brain.city.datum import Datum
    from city_brain.city.features.fields import read_datum
    from city_brain.errors import MapError

    label, where, kind = (option, "--datum", SettingsError) if option is not None else (
        said.datum, place, CalibrationError
    )  # fmt: skip
    if label is None:
        return Datum.WGS84 if city is None else city.datum
    try:
        return read_datum(where, label)
    except MapError as wrong:
        raise kind(str(wrong)) from wrong


def _origin(
    city: "CityMap | None", camera: "Camera | None", position: tuple[float, float] | None, datum: "Datum"
) -> Origin | None:
    import numpy as np

    from city_brain.city.datum import to_wgs84
    from city_brain.city.features.fields import read_position
    from city_brain.errors import MapError
    from city_brain.geo import LocalFrame

    if city is not None and camera is not None:
        return Origin(city.frame, camera.x, camera.y, True, camera.range_m)
    if position is None:
        return None
    try:
        read_position("--position", list(position))
    except MapError as wrong:
        raise SettingsError(str(wrong)) from wrong
    lon, lat = to_wgs84(datum, np.array([position[0]]), np.array([position[1]]))
    return Origin(LocalFrame(float(lon[0]), float(lat[0])), 0.0, 0.0, True)


def _pairs(said: "PointsFile", datum: "Datum", origin: Origin | None, place: str) -> "tuple[Origin, Pairs]":
    """Pixels of a straight picture, and metres from the origin."""
    import numpy as np

    from city_brain.city.datum import to_wgs84
    from city_brain.geo import LocalFrame
    from city_brain.vision.calibration.fitting import Pairs

    u, v, lon, lat = np.array([(point.x, point.y, point.lon, point.lat) for point in said.points]).reshape(-1, 4).T
    lon, lat = to_wgs84(datum, lon, lat)
    if origin is None:
        middle = LocalFrame(float(lon.mean()), float(lat.mean())) if len(lon) else LocalFrame(0.0, 0.0)
        origin = Origin(middle, 0.0, 0.0, False)
    x, y = origin.frame.to_metres(lon, lat)
    if len(x) and origin.at_camera:
        _check_near(np.hypot(x - origin.x, y - origin.y), origin, said, place)
    if said.lens is not None:
        u, v = said.lens.straighten(u, v)
        for point, at in zip(said.points, u, strict=True):
            if not np.isfinite(at):
                got = f"({point.x:g}, {point.y:g})"
                raise CalibrationError(f"{place}: {point.name!r}: wanted a pixel that the lens can show, got {got}")
    return origin, Pairs(u, v, x - origin.x, y - origin.y, tuple(point.name for point in said.points))


def _check_near(away_m: "Floats", origin: Origin, said: "PointsFile", place: str) -> None:
    """Raises where all points lie beyond what rows of the camera may tell of: such a fit is as good as any other."""
    from city_brain.observations.admission.table import CAMERA_MARGIN_M, CAMERA_RANGES

    reach_m, nearest = CAMERA_RANGES * origin.range_m + CAMERA_MARGIN_M, int(away_m.argmin())
    if away_m[nearest] > reach_m:
        got = f"the nearest, {said.points[nearest].name!r}, {away_m[nearest]:.0f} m away; are they in another datum?"
        raise CalibrationError(f"{place}: wanted points within {reach_m:.0f} m of the camera, got {got}")


def _fit(pairs: "Pairs", place: str, limits: "FitSettings") -> "Fit":
    from city_brain.vision.calibration.fitting import fit
    from city_brain.vision.calibration.suspects import one_too_many

    try:
        return fit(pairs, place, limits)
    except CalibrationError as wrong:
        row = one_too_many(pairs, limits)
        if row is None:
            raise
        raise CalibrationError(f"{wrong}; without {pairs.names[row]!r} the others agree") from wrong


def _picture(image: Path, said: "PointsFile") -> Any:
    from city_brain.vision.frames.images import read_image

    picture = read_image(read_file(image, "a picture"), str(image))
    height, width = picture.shape[:2]
    if said.picture_px is not None and said.picture_px != (width, height):
        wanted = f"a picture of {said.picture_px[0]:g} × {said.picture_px[1]:g}, as points or lens say"
        raise CalibrationError(f"{image}: wanted {wanted}, got {width} × {height}")
    for point in said.points:
        if not (0.0 <= point.x <= width and 0.0 <= point.y <= height):
            wanted = f"a pixel of a picture of {width} × {height}"
            raise CalibrationError(f"{image}: {point.name!r}: wanted {wanted}, got ({point.x:g}, {point.y:g})")
    return picture


def _draw(out: Path, picture: Any, said: "PointsFile", pairs: "Pairs", fitted: "Fit", wrong: int | None) -> float:
    import numpy as np

    from city_brain.vision.calibration.overlay import drawn

    seen = np.array([point.x for point in said.points]), np.array([point.y for point in said.points])
    png, grid_m = drawn(picture, pairs, seen, fitted.homography, said.lens, wrong)
    out.write_bytes(png)
    return grid_m
