"""A camera over a street with marks whose places are known: its frame, its map and its points, as files."""

import json
from pathlib import Path

import numpy as np

from city_brain.geo import LocalFrame
from city_brain.vision.ground.homography import Homography
from tests.vision.ground.views import HEIGHT, OVER_A_STREET, WIDTH, exact

LON, LAT = 117.02, 36.67
FRAME = LocalFrame(LON, LAT)
MARKS_M = ((5.0, 20.0), (12.0, 14.0), (28.0, 24.0), (10.0, 32.0), (30.0, 40.0), (18.0, 22.0), (22.0, 33.0), (8.0, 25.0))
"""East and north of the camera: corners of a crosswalk, manholes, ends of lane lines."""
TRUE: Homography = exact(OVER_A_STREET)


def marks(error_px: float = 0.0, wrong: int | None = None, wrong_m: float = 6.0) -> list[dict[str, object]]:
    """The marks as somebody read them off; `wrong` is one whose longitude is `wrong_m` too far east."""
    draw = np.random.default_rng(21)
    x, y = np.array(MARKS_M).T
    u, v = TRUE.to_pixels(x, y)
    u, v = u + draw.normal(0, 1, len(u)) * error_px, v + draw.normal(0, 1, len(v)) * error_px
    moved = np.where(np.arange(len(x)) == (-1 if wrong is None else wrong), wrong_m, 0.0)
    lon, lat = FRAME.to_degrees(x + moved, y)
    rows = zip(u.tolist(), v.tolist(), lon.tolist(), lat.tolist(), strict=True)
    return [
        {"x": round(a, 1), "y": round(b, 1), "lon": round(c, 8), "lat": round(d, 8), "name": f"mark {k + 1}"}
        for k, (a, b, c, d) in enumerate(rows)
    ]


def csv_of(points: list[dict[str, object]]) -> str:
    names = ("name", "x", "y", "lon", "lat")
    return "\n".join([",".join(names), *(",".join(str(point[name]) for name in names) for point in points)]) + "\n"


def city() -> dict[str, object]:
    """A map with the camera, without its homography."""
    lon, lat = FRAME.to_degrees(np.array([0.0, 60.0, 20.0, 0.0]), np.array([0.0, 20.0, 60.0, 0.0]))
    camera = {
        "type": "Feature",
        "id": "mast-1",
        "geometry": {"type": "Polygon", "coordinates": [np.stack([lon, lat], axis=1).tolist()]},
        "properties": {
            "kind": "camera", "position": [LON, LAT], "heading_deg": 40, "range_m": 60, "fov_deg": 60,
        },
    }  # fmt: skip
    return {"type": "FeatureCollection", "datum": "WGS-84", "origin": [LON, LAT], "features": [camera]}


def picture(path: Path) -> Path:
    """A frame as the camera would show it: grey ground, a road, the marks as bright spots, sky above."""
    import cv2

    v, u = np.mgrid[0 : int(HEIGHT), 0 : int(WIDTH)].astype(np.float64)
    x, y = TRUE.to_ground(u.ravel(), v.ravel())
    x, y = x.reshape(v.shape), y.reshape(v.shape)
    canvas = np.full((int(HEIGHT), int(WIDTH), 3), (200, 170, 140), np.uint8)
    canvas[np.isfinite(x)] = (90, 110, 95)
    canvas[(np.abs(x - 0.75 * y) < 6.0)] = (70, 70, 70)
    for east, north in MARKS_M:
        canvas[np.hypot(x - east, y - north) < 0.5] = (230, 230, 230)
    assert cv2.imwrite(str(path), canvas)
    return path


def written(folder: Path, points: object) -> Path:
    """Points as a file: text as it is, anything else as JSON."""
    path = folder / "points"
    path.write_text(points if isinstance(points, str) else json.dumps(points), encoding="utf-8")
    return path


def map_of(folder: Path) -> Path:
    """The map as a file."""
    path = folder / "city.geojson"
    path.write_text(json.dumps(city()), encoding="utf-8")
    return path
