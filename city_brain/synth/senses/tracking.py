"""Cameras of a synthetic city: who is in view, what the detector misses and mistakes, and the tracker's numbers.

The error of a position is a constant per camera, plus an error that lasts about ten seconds and grows with distance
(more along the line of sight than across it, as for a homography), plus a quick one. It is drawn per camera and object.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.synth.ground.cameras import ROUND, Cameras
from city_brain.synth.settings import Traits
from city_brain.table import Table
from city_brain.types import Bools, Codes, Column, Floats, Indices, Ints

_PAIR_BITS: Final = 36
_MEMORY_S = 3
"""A tracker forgets an object after this many frames without it, and gives it a new number later."""
_SLOW_S = 10.0
_PAIRS: Final[dict[str, Any]] = {
    "pair": np.int64,  # camera << 36 | object
    "track": np.int64,
    "radial": np.float64,  # slow error along and across the line of sight, in sigmas
    "across": np.float64,
    "hidden": np.bool_,
    "named": np.uint8,  # class that the detector holds it for
    "first_ms": np.int64,
    "last_ms": np.int64,
    "last_s": np.int64,
    "born": np.bool_,  # has a track at all
}
_VISIBILITY: Final = np.array([0.02, 0, -0.02, -0.02, 0.05, 0.06, 0.08, 0.35, 0.3, 0, 0.1, 0.1])
"""Added chance of a miss by class."""
_CONFIDENCE: Final = np.array([0.6, 0.86, 0.85, 0.87, 0.8, 0.76, 0.79, 0.66, 0.67, 0.6, 0.6, 0.6])
_HEIGHT: Final = np.array([1.0, 1.5, 2.9, 3.1, 1.5, 1.6, 1.72, 6.0, 3.0, 0.2, 0.6, 0.5])
_LOOKALIKE: Final = np.arange(12, dtype=np.uint8)
_LOOKALIKE[[1, 2, 3, 4, 5, 6]] = [2, 3, 2, 5, 4, 5]


@dataclass(slots=True)
class Seen:
    """What one second's frames showed: one row per detection, sorted by camera and object."""

    camera: Indices
    oid: Ints
    track: Ints
    cls: Codes
    frame_ms: Ints
    """True time of the frame, ms after the world's start."""
    x: Floats
    y: Floats
    sigma: Floats
    confidence: Floats
    speed: Floats
    heading: Floats
    bbox: Column


@dataclass(slots=True)
class Scene:
    """All objects of one second, whatever they are: positions at its start and end."""

    oid: Ints
    cls: Codes
    size: Floats
    place: Indices
    px: Floats
    py: Floats
    x: Floats
    y: Floats
    hx: Floats
    hy: Floats
    confidence: Floats
    camera: Indices


class Tracker:
    """All cameras' detectors and trackers. `look` gives the detections of one second.

    `dark` (C,) marks cameras that give no frames now. Tracklets that have ended wait in a list for `take_ended`.
    """

    def __init__(self, cameras: Cameras, traits: Traits, chance: np.random.Generator) -> None:
        self.cameras, self.traits, self.chance = cameras, traits, chance
        count = cameras.count
        self.pairs = Table(_PAIRS)
        self.dark = np.zeros(count, dtype=np.bool_)
        self._ended: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._next_track = np.ones(count, dtype=np.int64)
        self._phase_ms = chance.integers(0, 1000, count)
        self._bias = chance.normal(0, traits.bias_m, (count, 2))
        self._height = chance.uniform(5.5, 9.0, count)
        self._focal = 960.0 / np.tan(np.deg2rad(np.minimum(cameras.fov_deg, 90.0) / 2))
        turn = np.deg2rad(cameras.heading_deg)
        self._sin, self._cos = np.sin(turn), np.cos(turn)
        has = cameras.candidates >= 0
        self._count = has.sum(axis=1)
        self._first = np.cumsum(self._count) - self._count
        self._flat = cameras.candidates[has]
        self._round = cameras.kind == ROUND
        self._range2 = cameras.range_m**2
        self._edge2 = np.cos(np.deg2rad(cameras.fov_deg) / 2) ** 2

    def look(self, second: int, scene: Scene) -> Seen:
        """Frames taken within one second from `second` on."""
        which, camera = self._in_view(scene)
        pair = camera.astype(np.int64) << _PAIR_BITS | scene.oid[which]
        order = np.argsort(pair, kind="stable")
        which, camera, pair = which[order], camera[order], pair[order]
        part = self._phase_ms[camera] / 1000.0
        x = scene.px[which] + (scene.x[which] - scene.px[which]) * part
        y = scene.py[which] + (scene.y[which] - scene.py[which]) * part
        dx, dy = x - self.cameras.x[camera], y - self.cameras.y[camera]
        distance = np.hypot(dx, dy)
        rows = self._remember(pair, scene.cls[which])
        shown = self._detected(rows, scene, which, distance)
        frame_ms = second * 1000 + self._phase_ms[camera]
        self._number(rows[shown], camera[shown], frame_ms[shown], second)
        seen = self._describe(
            rows[shown],
            scene,
            which[shown],
            camera[shown],
            np.stack([x, y, dx, dy, distance])[:, shown],
            frame_ms[shown],
        )
        self._forget(second)
        return seen

    def take_ended(self) -> list[tuple[Ints, Ints, Ints, Ints]]:
        """Tracklets that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Ends every tracklet that is still open."""
        self._end(self.pairs["born"])
        self.pairs.keep(np.zeros(self.pairs.n, dtype=np.bool_))

    def _normal(self, n: int) -> Column:
        return self.chance.standard_normal(n, dtype=np.float32)

    def _in_view(self, scene: Scene) -> tuple[Ints, Indices]:
        count = self._count[scene.place]
        which = np.repeat(np.arange(len(count)), count)
        first = self._first[scene.place] - (np.cumsum(count) - count)
        camera = self._flat[np.arange(len(which)) + np.repeat(first, count)]
        dx, dy = scene.x[which] - self.cameras.x[camera], scene.y[which] - self.cameras.y[camera]
        squared = dx * dx + dy * dy
        near = np.flatnonzero((squared <= self._range2[camera]) & ~self.dark[camera])
        which, camera, squared = which[near], camera[near], squared[near]
        ahead = dx[near] * self._sin[camera] + dy[near] * self._cos[camera]
        seen = ((ahead >= 0) & (ahead * ahead >= self._edge2[camera] * squared)) | self._round[camera]
        only = scene.camera[which]
        seen &= (only < 0) | (only == camera)
        return which[seen], camera[seen]

    def _remember(self, pair: Ints, cls: Codes) -> Ints:
        """Rows of the pairs in the table, which is kept sorted by pair; new ones are added."""
        t, chance = self.pairs, self.chance
        at = np.searchsorted(t["pair"], pair)
        known = np.zeros(len(pair), dtype=np.bool_)
        inside = at < t.n
        known[inside] = t["pair"][at[inside]] == pair[inside]
        fresh = ~known
        count = int(fresh.sum())
        if count:
            # A van may be a truck as long as it is in view; people and two-wheelers are mistaken in single frames only.
            mistaken = (chance.random(count) < self.traits.confusion) & (cls[fresh] <= ObjectClass.BUS)
            t.append(
                count, pair=pair[fresh], track=0, radial=self._normal(count), across=self._normal(count),
                hidden=chance.random(count) < 0.15, named=np.where(mistaken, _LOOKALIKE[cls[fresh]], cls[fresh]),
                first_ms=0, last_ms=0, last_s=-1, born=False,
            )  # fmt: skip
            order = np.argsort(t["pair"], kind="stable")
            for name in t:
                t[name] = t[name][order]
            at = np.searchsorted(t["pair"], pair)
        return at

    def _detected(self, rows: Ints, scene: Scene, which: Ints, distance: Floats) -> Bools:
        """Moves the hidden state and the slow errors of pairs in view, and draws which are detected."""
        t, chance, traits = self.pairs, self.chance, self.traits
        hidden = t["hidden"][rows]
        draw = chance.random(len(rows))
        far = distance / 100.0
        hidden = np.where(hidden, draw > 0.22, draw < traits.occlusion_rate * (0.4 + 1.3 * far))
        t["hidden"][rows] = hidden
        keep = np.exp(-1.0 / _SLOW_S)
        fresh = np.sqrt(1 - keep * keep)
        for name in ("radial", "across"):
            t[name][rows] = keep * t[name][rows] + fresh * self._normal(len(rows))
        phantom = np.isfinite(scene.confidence[which]) & (scene.confidence[which] < 0.6)
        miss = np.where(
            phantom, 0.35, traits.miss * (0.5 + far * far * 1.5) + np.maximum(_VISIBILITY[scene.cls[which]], 0)
        )
        return np.asarray(~hidden & (chance.random(len(rows)) > miss))

    def _number(self, rows: Ints, camera: Column, frame_ms: Ints, second: int) -> None:
        """Gives new track numbers to objects that the tracker does not know, or has lost."""
        t = self.pairs
        lost = ~t["born"][rows] | (second - t["last_s"][rows] > _MEMORY_S) | (self.chance.random(len(rows)) < 0.006)
        self._end_rows(rows[lost & t["born"][rows]])
        new, whose = rows[lost], camera[lost]
        first = np.ones(len(new), dtype=np.bool_)
        first[1:] = whose[1:] != whose[:-1]
        start = np.flatnonzero(first)
        rank = np.arange(len(new)) - np.repeat(start, np.diff(np.append(start, len(new))))
        t["track"][new] = self._next_track[whose] + rank
        np.add.at(self._next_track, whose, 1)
        t["first_ms"][new] = frame_ms[lost]
        t["born"][new] = True
        t["last_ms"][rows], t["last_s"][rows] = frame_ms, second

    def _describe(self, rows: Ints, scene: Scene, which: Ints, camera: Indices, place: Floats, frame_ms: Ints) -> Seen:
        t, chance, traits = self.pairs, self.chance, self.traits
        x, y, dx, dy, distance = place
        count = len(rows)
        far = 1.0 + traits.far_noise * (distance / 100.0) ** 2
        rx, ry = dx / np.maximum(distance, 1.0), dy / np.maximum(distance, 1.0)
        cls = scene.cls[which]
        vague = np.where((cls == ObjectClass.SMOKE) | (cls == ObjectClass.FIRE), 3.0, 1.0)
        along = traits.slow_noise_m * far * 1.25 * t["radial"][rows] * vague
        across = traits.slow_noise_m * (0.8 + 0.2 * far) * t["across"][rows] * vague
        quick = traits.quick_noise_m * far
        x = x + self._bias[camera, 0] + rx * along - ry * across + quick * self._normal(count)
        y = y + self._bias[camera, 1] + ry * along + rx * across + quick * self._normal(count)
        speed, heading = self._motion(scene, which, count)
        mean = np.where(
            np.isfinite(scene.confidence[which]),
            scene.confidence[which],
            _CONFIDENCE[cls] - 0.12 * np.maximum(far - 1, 0),
        )
        slip = chance.random(count) < traits.confusion
        named = np.where(slip, _LOOKALIKE[t["named"][rows]], t["named"][rows])
        sigma = np.hypot(traits.slow_noise_m * far, quick)
        return Seen(
            camera=camera, oid=scene.oid[which], track=t["track"][rows], cls=named.astype(np.uint8), frame_ms=frame_ms,
            x=x, y=y, sigma=sigma, confidence=np.clip(mean + 0.055 * self._normal(count), 0.2, 0.99),
            speed=speed, heading=heading, bbox=self._boxes(camera, dx, dy, distance, cls, scene.size[which]),
        )  # fmt: skip

    def _motion(self, scene: Scene, which: Ints, count: int) -> tuple[Floats, Floats]:
        """Speed and heading as the camera measures them: a standing object's heading is mostly guessed."""
        speed = np.hypot(scene.x[which] - scene.px[which], scene.y[which] - scene.py[which])
        heading = np.degrees(np.arctan2(scene.hx[which], scene.hy[which]))
        spread = np.where(speed > 1.5, 3.5, np.where(speed > 0.4, 9.0, 22.0))
        heading = np.mod(heading + spread * self._normal(count), 360.0)
        measured = speed * (1 + 0.05 * self._normal(count)) + np.abs(0.12 * self._normal(count))
        return np.maximum(measured, 0.0), heading

    def _boxes(self, camera: Indices, dx: Floats, dy: Floats, distance: Floats, cls: Codes, size: Floats) -> Column:
        """(n, 4) left, top, width, height in pixels of a 1920 × 1080 pinhole camera at its height."""
        ahead = np.maximum(dx * self._sin[camera] + dy * self._cos[camera], 2.0)
        right = dx * self._cos[camera] - dy * self._sin[camera]
        focal = self._focal[camera]
        u = 960.0 + focal * np.clip(right / ahead, -3, 3)
        v = 240.0 + focal * self._height[camera] / np.maximum(distance, 4.0) * 0.9
        width = np.minimum(focal * np.maximum(0.6, 0.55 * size) / np.maximum(distance, 4.0), 900.0)
        height = np.minimum(focal * _HEIGHT[cls] / np.maximum(distance, 4.0), 700.0)
        boxes = np.stack([u - width / 2, v - height, np.maximum(width, 2), np.maximum(height, 2)], axis=1)
        return np.asarray(np.rint(boxes))

    def _forget(self, second: int) -> None:
        t = self.pairs
        stale = (second - t["last_s"] > _MEMORY_S) & ((t["last_s"] >= 0) | (self.chance.random(t.n) < 0.3))
        self._end(stale & t["born"])
        t.keep(~stale)

    def _end(self, which: Bools) -> None:
        self._end_rows(np.flatnonzero(which))

    def _end_rows(self, rows: Ints) -> None:
        if len(rows):
            t = self.pairs
            self._ended.append((t["pair"][rows], t["track"][rows], t["first_ms"][rows], t["last_ms"][rows]))


def camera_of(pair: Ints) -> Ints:
    """The camera of a pair."""
    return np.asarray(pair >> _PAIR_BITS)


def object_of(pair: Ints) -> Ints:
    """The object of a pair."""
    return np.asarray(pair & ((1 << _PAIR_BITS) - 1))
