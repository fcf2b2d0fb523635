"""What a calibration says, for people and for programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.canonical import printable
from city_brain.cli.common import plural
from city_brain.vision.calibration.fitting import Fit, FitSettings
from city_brain.vision.calibration.points import PointsFile
from city_brain.vision.calibration.suspects import LEAST_TO_NAME, Suspicion
from city_brain.vision.ground.lens import Lens

if TYPE_CHECKING:
    from city_brain.cli.vision.calibrate import Origin

_DIGITS = 12
"""Of an entry of a homography: far more than its error needs, and few enough to read."""


class PointFit(msgspec.Struct, frozen=True, kw_only=True):
    """A point, how far it lies from where the homography puts it, and from where all others put it."""

    name: str
    x: float
    y: float
    residual_m: float
    residual_px: float
    off_m: float | None


class Properties(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What belongs among the properties of the camera on the map; a `lens` where one straightened the points, and
    `picture_px` where it is known how large the picture is that the points were read in.
    """

    homography: list[list[float]]
    homography_error_m: float
    lens: Lens | None = None
    picture_px: tuple[float, float] | None = None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found. `properties` is absent where it is not known where the camera stands: then 0, 0 of the
    homography's metres is `origin`, longitude and latitude in WGS-84, the middle of the points.
    """

    camera: str
    origin: tuple[float, float]
    homography: list[list[float]]
    points: list[PointFit]
    residual_m: float
    residual_px: float
    error_m: float
    chi2: float
    freedom: int
    misfit: bool
    wrong: str | None
    lens: Lens | None
    overlay: str | None
    grid_m: float | None
    properties: Properties | None

    @classmethod
    def of(
        cls, camera: str, said: PointsFile, fitted: Fit, doubt: Suspicion, origin: "Origin",
        overlay: Path | None, grid_m: float | None,
    ) -> "Calibration":  # fmt: skip
        """Rounds and names what was found."""
        matrix = [[float(f"{cell:.{_DIGITS}g}") for cell in row] for row in fitted.homography.matrix.tolist()]
        rows = zip(said.points, fitted.residual_m, fitted.residual_px, doubt.off_m, strict=True)
        points = [
            PointFit(
                name=point.name,
                x=point.x,
                y=point.y,
                residual_m=round(float(metres), 3),
                residual_px=round(float(pixels), 2),
                off_m=round(float(off), 3) if np.isfinite(off) else None,
            )
            for point, metres, pixels, off in rows
        ]
        lon, lat = origin.frame.to_degrees(origin.x, origin.y)
        error_m = max(round(fitted.error_m, 3), 0.001)
        properties = Properties(
            homography=matrix, homography_error_m=error_m, lens=said.lens, picture_px=said.picture_px
        )
        return cls(
            camera=camera,
            origin=(round(lon, 7), round(lat, 7)),
            homography=matrix,
            points=points,
            residual_m=round(_rms(fitted.residual_m), 3),
            residual_px=round(_rms(fitted.residual_px), 2),
            error_m=error_m,
            chi2=round(fitted.chi2, 2),
            freedom=fitted.freedom,
            misfit=doubt.misfit,
            wrong=None if doubt.point is None else said.points[doubt.point].name,
            lens=said.lens,
            overlay=None if overlay is None else str(overlay),
            grid_m=grid_m,
            properties=properties if origin.at_camera else None,
        )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def told_as_text(found: Calibration, limits: FitSettings) -> str:
    """For people: the homography, a line for each point, what they say together, and what to put on the map."""
    lon, lat = found.origin
    where = "the camera" if found.properties else "the middle of the points"
    lines = [
        f"camera {found.camera}: {plural(len(found.points), 'point')}",
        f"homography, from pixels to metres east and north of {where} ({lon:.7f}, {lat:.7f}):",
        *("  " + " ".join(f"{cell:>17.9g}" for cell in row) for row in found.homography),
        *_table(found),
        f"overall: {found.residual_m:.3f} m, {found.residual_px:.2f} px (root mean square)",
        f"a place among the points is known to {found.error_m:.3f} m (1 σ)",
        _verdict(found, limits),
    ]
    if found.lens is not None:
        lines.append("the homography is of a picture straightened by the lens, so both belong on the map")
    if found.overlay is not None:
        lines.append(f"{found.overlay}: points, and a grid of {found.grid_m:g} m")
    if found.properties is None:
        lines.append("for the map: name the map with --map, or where the camera stands with --position")
    else:
        properties = msgspec.json.encode(found.properties).decode()
        lines += ["for the map, among the properties of the camera:", f"  {properties[1:-1]}"]
        if found.properties.picture_px is None:
            lines.append("for pictures as large as that of the points alone: --image and --out put its size on the map")
    return "\n".join(map(printable, lines))


def _table(found: Calibration) -> list[str]:
    wide = max(5, *(len(point.name) for point in found.points))
    lines = [f"  {'point':<{wide}} {'x':>8} {'y':>8} {'off':>10} {'':>9}   from where the others put it"]
    for point in found.points:
        off = "-" if point.off_m is None else f"{point.off_m:.3f} m"
        mark = "  <- looks wrong" if point.name == found.wrong else ""
        lines.append(
            f"  {point.name:<{wide}} {point.x:>8.1f} {point.y:>8.1f} {point.residual_m:>8.3f} m"
            f" {point.residual_px:>6.2f} px   {off}{mark}"
        )
    return lines


def _verdict(found: Calibration, limits: FitSettings) -> str:
    errors = f"errors of {limits.point_error_px:g} px and {limits.point_error_m:g} m"
    if found.freedom == 0:
        return "four points always fit: a fifth would show whether they are right, a sixth which one is not"
    if not found.misfit:
        return f"the points agree as well as {errors} let them"
    if found.wrong is not None:
        return (
            f"the points agree worse than {errors} let them: {found.wrong!r} looks wrong; mend or drop it, and repeat"
        )
    if len(found.points) < LEAST_TO_NAME:
        return f"the points agree worse than {errors} let them; with a sixth it could be told which one looks wrong"
    return (
        f"the points agree worse than {errors} let them, and not because of one of them: is there a lens, or a slope?"
    )
