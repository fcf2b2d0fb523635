"""Where the cameras of a synthetic city stand, and which of them may see a road or a junction."""

from dataclasses import dataclass

import numpy as np

from city_brain.observations.vocabulary import SIDES
from city_brain.synth.ground.streets import Streets
from city_brain.synth.settings import SynthSettings
from city_brain.types import Bools, Codes, Column, Floats, Indices

ARM, ROUND, MIDDLE = 0, 1, 2
_ARM_CHANCE, _ROUND_CHANCE, _MIDDLE_CHANCE = 0.97, 0.6, 0.35
_SAMPLES = 28
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Cameras:
    """C cameras as columns, with the table of places they may see.

    Places are roads 0..R-1, then junctions R..R+J-1; `candidates` (R + J, k) lists the cameras of each, -1 padded.
    """

    kind: Codes
    x: Floats
    y: Floats
    heading_deg: Floats
    range_m: Floats
    fov_deg: Floats
    road: Indices
    """The road an arm or mid-block camera looks along; for a 360° camera a road of its junction."""
    junction: Indices
    """The junction of an arm or 360° camera, -1 for a mid-block one."""
    candidates: Indices
    ids: tuple[str, ...]

    @property
    def count(self) -> int:
        """C."""
        return len(self.x)

    def sees(self, camera: Column, x: Floats, y: Floats) -> Bools:
        """Whether (x, y) lies in the ground view of the camera, element by element."""
        dx, dy = x - self.x[camera], y - self.y[camera]
        squared = dx * dx + dy * dy
        turn = np.deg2rad(self.heading_deg)
        ahead = dx * np.sin(turn)[camera] + dy * np.cos(turn)[camera]
        half = np.cos(np.deg2rad(np.minimum(self.fov_deg, 360) / 2))
        half[self.kind == ROUND] = -1.001
        return np.asarray((squared <= (self.range_m**2)[camera]) & (ahead >= half[camera] * np.sqrt(squared)))


@dataclass(slots=True)
class _Sites:
    """Possible cameras before some are chosen."""

    kind: Codes
    road: Indices
    junction: Indices

    def take(self, which: Column) -> "_Sites":
        return _Sites(self.kind[which], self.road[which], self.junction[which])


def _sites(streets: Streets, wanted: int, chance: np.random.Generator) -> _Sites:
    outgoing = streets.arm_out.reshape(-1)
    junction = np.repeat(np.arange(streets.junctions, dtype=np.int32), 4)
    arm = outgoing >= 0
    middle = np.flatnonzero((np.arange(streets.roads) % 2 == 0) & (streets.length > 120)).astype(np.int32)
    middle = np.where(chance.random(len(middle)) < 0.5, middle, middle ^ 1).astype(np.int32)
    some_road = streets.arm_out.max(axis=1)
    all_sites = _Sites(
        np.concatenate(
            [np.full(arm.sum(), ARM), np.full(streets.junctions, ROUND), np.full(len(middle), MIDDLE)]
        ).astype(np.uint8),
        np.concatenate([outgoing[arm], some_road, middle]).astype(np.int32),
        np.concatenate([junction[arm], np.arange(streets.junctions), np.full(len(middle), -1)]).astype(np.int32),
    )
    wish = np.array([_ARM_CHANCE, _ROUND_CHANCE, _MIDDLE_CHANCE])[all_sites.kind]
    order = np.argsort(chance.random(len(wish)) / wish, kind="stable")
    return all_sites.take(np.sort(order[: min(wanted, len(order))]))


def _candidates(streets: Streets, sites: _Sites, half_built: Cameras) -> Indices:
    """Cameras that see at least one sample point of each road and junction."""
    at_junction = np.full((streets.junctions, 5), -1, dtype=np.int32)
    at_road = np.full((streets.roads, 2), -1, dtype=np.int32)
    number = np.arange(half_built.count, dtype=np.int32)
    for kind in (ARM, ROUND):
        mine = sites.kind == kind
        column = streets.start_arm[sites.road[mine]] if kind == ARM else 4
        at_junction[sites.junction[mine], column] = number[mine]
    mine = sites.kind == MIDDLE
    at_road[sites.road[mine], 0] = number[mine]
    at_road[sites.road[mine] ^ 1, 0] = number[mine]
    near = [
        np.where((ends >= 0)[:, None], at_junction[np.maximum(ends, 0)], -1) for ends in (streets.start, streets.end)
    ]
    of_roads = np.concatenate([*near, at_road], axis=1)
    for first in range(0, streets.roads, _CHUNK):
        part = slice(first, first + _CHUNK)
        of_roads[part] = np.where(_sees_road(streets, half_built, of_roads[part], first), of_roads[part], -1)
    width = max(1, int((of_roads >= 0).sum(axis=1).max()), 5)
    packed = np.take_along_axis(of_roads, np.argsort(of_roads < 0, axis=1, kind="stable"), axis=1)[:, :width]
    of_junctions = np.full((streets.junctions, width), -1, dtype=np.int32)
    of_junctions[:, :5] = at_junction
    return np.concatenate([packed, of_junctions]).astype(np.int32)


def _sees_road(streets: Streets, cameras: Cameras, candidates: Indices, first: int) -> Bools:
    """(n, k): whether each candidate sees any sample of its road; samples lie on the axis and on both pavements."""
    rows, width = candidates.shape
    road = np.repeat(np.arange(first, first + rows, dtype=np.int32), _SAMPLES)
    along = np.tile(np.linspace(-2.0, 1.0, _SAMPLES), rows)
    along = np.where(along < 0, -8.0, along * (streets.length[road] + 8.0))
    seen = np.zeros((rows, width), dtype=np.bool_)
    for lateral in (-16.0, -7.0, 0.0, 7.0, 16.0):
        x, y, _, _ = streets.point(road, along, np.full(len(along), lateral))
        for k in range(width):
            camera = np.repeat(candidates[:, k], _SAMPLES)
            hit = cameras.sees(np.maximum(camera, 0), x, y) & (camera >= 0)
            seen[:, k] |= hit.reshape(rows, _SAMPLES).any(axis=1)
    return seen


def junction_name(streets: Streets, junction: int) -> str:
    """The id of a junction: its column and row."""
    return f"J{streets.junction_column[junction]:03d}{streets.junction_row[junction]:03d}"


def road_name(streets: Streets, road: int) -> str:
    """The id of a directed road: the junctions it joins, or the border arm it comes from or goes to."""
    start, end = int(streets.start[road]), int(streets.end[road])
    arm = int(streets.start_arm[road]) if start >= 0 else int(streets.end_arm[road])
    one = junction_name(streets, start) if start >= 0 else f"X{arm}"
    other = junction_name(streets, end) if end >= 0 else f"X{arm}"
    return f"{one}-{other}"


def build_cameras(settings: SynthSettings, streets: Streets) -> Cameras:
    """Chooses sites and draws how each camera stands."""
    chance = settings.chance(3)
    sites = _sites(streets, settings.camera_count, chance)
    count = len(sites.kind)
    arm, round_ = sites.kind == ARM, sites.kind == ROUND
    road_length = streets.length[sites.road]
    radius = streets.junction_radius[np.maximum(sites.junction, 0)]
    # An arm camera stands across the junction, or on the arm's own corner, and looks out along its arm.
    along = np.where(
        arm,
        -radius * chance.choice([2.1, 1.6, 0.9, 0.1], count, p=[0.4, 0.3, 0.15, 0.15]),
        road_length * chance.uniform(0.3, 0.6, count),
    )
    lateral = np.where(arm, chance.uniform(-7, 7, count), chance.uniform(5, 11, count))
    x, y, ux, uy = streets.point(sites.road, along, lateral)
    centre = np.maximum(sites.junction, 0)
    x = np.where(round_, streets.junction_x[centre] + chance.uniform(-9, 9, count), x)
    y = np.where(round_, streets.junction_y[centre] + chance.uniform(-9, 9, count), y)
    heading = np.mod(np.degrees(np.arctan2(ux, uy)) + chance.normal(0, 2.5, count), 360)
    reach = np.where(
        arm,
        chance.uniform(80, 135, count),
        np.where(round_, chance.uniform(40, 65, count), chance.uniform(70, 110, count)),
    )
    reach = np.minimum(reach, np.where(round_, reach, road_length - along + 5))
    half_built = Cameras(
        kind=sites.kind,
        x=x,
        y=y,
        heading_deg=np.where(round_, 0.0, heading).round(1),
        range_m=reach.round(1),
        fov_deg=np.where(round_, 360.0, chance.uniform(48, 78, count)).round(1),
        road=sites.road,
        junction=sites.junction,
        candidates=np.empty((0, 0), np.int32),
        ids=tuple(_name(streets, sites, k) for k in range(count)),
    )
    fields = {name: getattr(half_built, name) for name in half_built.__slots__}
    return Cameras(**{**fields, "candidates": _candidates(streets, sites, half_built)})


def _name(streets: Streets, sites: _Sites, k: int) -> str:
    road, junction = int(sites.road[k]), int(sites.junction[k])
    if sites.kind[k] == MIDDLE:
        return f"cam-{road_name(streets, road)}"
    if sites.kind[k] == ROUND:
        return f"cam-{junction_name(streets, junction)}-360"
    return f"cam-{junction_name(streets, junction)}-{SIDES[streets.arm_side[junction, streets.start_arm[road]]]}"
