"""The map of a new site: one street corner with a camera, a signal, a wind sensor and four arms of two lanes."""

import math

import numpy as np

from city_brain.city.city_map import Camera, CityMap, Crosswalk, Intersection, Lane, Sensor, Signal
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.types import Floats

CAMERA, SIGNAL, SENSOR, JUNCTION = "cam-1", "sig-1", "wind-1", "junction-1"
SENSOR_PERIOD_S = 5.0
HALF_M = 9.0
"""From the centre of the junction to its stop lines."""
ARM_M = 120.0
LANE_M = 3.5
LIMIT_MPS = 13.89
"""50 km/h."""
CAMERA_AT = (-16.0, -14.0)
HEADING_DEG, FOV_DEG, RANGE_M = 68.0, 70.0, 90.0
SENSOR_AT = (22.0, 14.0)
ARMS = {"N": (0.0, 1.0), "E": (1.0, 0.0), "S": (0.0, -1.0), "W": (-1.0, 0.0)}
"""Unit vectors from the centre along each arm."""


def corner(lon: float, lat: float) -> CityMap:
    """The corner, its centre at a place in WGS-84."""
    outline = HALF_M * np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    return CityMap(
        frame=LocalFrame(lon, lat),
        datum=Datum.WGS84,
        cameras=(_camera(),),
        intersections=(
            Intersection(id=JUNCTION, name="解放路口", name_en="Jiefang corner", x=0.0, y=0.0, outline=outline),
        ),
        signals=(Signal(id=SIGNAL, x=8.0, y=8.0, intersection=JUNCTION),),
        sensors=(
            Sensor(
                id=SENSOR,
                x=SENSOR_AT[0],
                y=SENSOR_AT[1],
                quantity="wind_speed",
                unit="m/s",
                period_s=SENSOR_PERIOD_S,
                lowest=0.0,
                highest=60.0,
            ),
        ),
        lanes=tuple(_lane(side, way) for side in ARMS for way in ("in", "out")),
        crosswalks=tuple(_crosswalk(side) for side in ARMS),
    )


def lane_line(side: str, way: str) -> Floats:
    """Centre line (2, 2) of a lane in the direction of travel; traffic keeps right."""
    ahead = np.array(ARMS[side])
    right = np.array([ahead[1], -ahead[0]])
    near, far = HALF_M * ahead, ARM_M * ahead
    if way == "out":
        return np.stack([near, far]) + 0.5 * LANE_M * right
    return np.stack([far, near]) - 0.5 * LANE_M * right


def _lane(side: str, way: str) -> Lane:
    return Lane(
        id=f"lane-{side}-{way}",
        road=f"{side}-{way}",
        width_m=LANE_M,
        speed_limit_mps=LIMIT_MPS,
        line=lane_line(side, way),
    )


def _crosswalk(side: str) -> Crosswalk:
    ahead = np.array(ARMS[side])
    right = np.array([ahead[1], -ahead[0]])
    line = (HALF_M - 2.0) * ahead + np.stack([-LANE_M * right, LANE_M * right])
    return Crosswalk(id=f"crosswalk-{side}", width_m=4.0, line=line)


def _camera() -> Camera:
    x, y = CAMERA_AT
    turns = np.radians(np.linspace(HEADING_DEG + FOV_DEG / 2, HEADING_DEG - FOV_DEG / 2, 9))
    arc = [(x + RANGE_M * math.sin(turn), y + RANGE_M * math.cos(turn)) for turn in turns.tolist()]
    return Camera(
        id=CAMERA,
        x=x,
        y=y,
        heading_deg=HEADING_DEG,
        range_m=RANGE_M,
        fov_deg=FOV_DEG,
        view=np.array([(x, y), *arc[::-1]]),
    )
