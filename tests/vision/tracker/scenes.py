"""Scenes in pixels whose objects are known, seen by an imperfect detector, and what a tracker made of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Floats, Ints
from city_brain.vision.tracker.pairing import overlaps
from city_brain.vision.tracker.settings import TrackerSettings
from city_brain.vision.tracker.tracker import Tracker, Tracks

Path = Callable[[float], tuple[float, float, float, float]]
"""Centre x, centre y, width and height in pixels at a time in seconds."""


@dataclass(frozen=True)
class Thing:
    """A thing of a scene: where it is when, and when it cannot be seen."""

    path: Path
    label: ObjectClass = ObjectClass.CAR
    hidden_s: tuple[tuple[float, float], ...] = ()

    def seen(self, t: float) -> bool:
        return not any(a <= t < b for a, b in self.hidden_s)


def line(x: float, y: float, vx: float, vy: float = 0.0, w: float = 80.0, h: float = 50.0) -> Path:
    """A path straight on at constant speed."""
    return lambda t: (x + vx * t, y + vy * t, w, h)


@dataclass(frozen=True)
class Frame:
    """What the detector said of a frame, and the truth: corners (k, 4) and numbers (k,) of things in sight."""

    time_ms: int
    box: Floats
    score: Floats
    label: Ints
    true_box: Floats
    true_thing: Ints


@dataclass(frozen=True, kw_only=True)
class Detector:
    """How good the sight is: 1 σ of an edge in sizes, chances of a miss and of another class, false boxes a frame."""

    sigma: float = 0.03
    missed: float = 0.0
    other_class: float = 0.0
    false: float = 0.0
    low: float = 0.0


def frames(things: list[Thing], times_s: Iterable[float], sight: Detector, seed: int) -> Iterator[Frame]:
    """What is seen of a scene at given times."""
    draw = np.random.default_rng(seed)
    for t in times_s:
        places = np.array([thing.path(t) for thing in things]).reshape(-1, 4)
        true = np.concatenate([places[:, :2] - places[:, 2:] / 2, places[:, :2] + places[:, 2:] / 2], axis=1)
        there = np.array([thing.seen(t) for thing in things], dtype=np.bool_)
        shown = there & (draw.random(len(things)) >= sight.missed)
        box = true + draw.normal(0.0, sight.sigma, true.shape) * np.sqrt(places[:, 2:3] * places[:, 3:4])
        label = np.array([int(thing.label) for thing in things], dtype=np.int64)
        swapped = draw.random(len(things)) < sight.other_class
        label = np.where(swapped, int(ObjectClass.TRUCK), label)
        score = np.where(draw.random(len(things)) < sight.low, 0.25, draw.uniform(0.6, 0.95, len(things)))
        extra = draw.poisson(sight.false)
        at, size = draw.uniform(0, 900, (extra, 2)), draw.uniform(20, 100, (extra, 2))
        false = np.concatenate([at, at + size], axis=1)
        yield Frame(
            round(1000 * t),
            np.concatenate([box[shown], false]),
            np.concatenate([score[shown], draw.uniform(0.3, 0.7, extra)]),
            np.concatenate([label[shown], np.full(extra, int(ObjectClass.CAR))]),
            true[there],
            np.flatnonzero(there),
        )


@dataclass
class Judged:
    """Against the truth: identity switches (a thing under another id than before), ids a thing had, frames found."""

    switches: int = 0
    found: int = 0
    there: int = 0
    false: int = 0
    ids: dict[int, Counter[int]] = field(default_factory=dict)
    told: list[Tracks] = field(default_factory=list)

    @property
    def fragments(self) -> int:
        """Ids beyond the first, summed over things."""
        return sum(len(ids) - 1 for ids in self.ids.values())


def judge(seen: Iterable[Frame], settings: TrackerSettings | None = None) -> Judged:
    """Runs a tracker over frames; a track is of the thing that it overlaps best, by at least half."""
    tracker, judged, last = Tracker(settings), Judged(), dict[int, int]()
    for frame in seen:
        tracks = tracker.step(frame.time_ms, frame.box, frame.score, frame.label)
        judged.told.append(tracks)
        judged.there += len(frame.true_thing)
        iou = overlaps(frame.true_box, tracks.box)
        used = 0
        for row, thing in enumerate(frame.true_thing.tolist()):
            if iou.shape[1] == 0 or iou[row].max() < 0.5:
                continue
            best = int(iou[row].argmax())
            name = int(tracks.track[best])
            iou[:, best] = 0.0
            used += 1
            judged.found += 1
            judged.ids.setdefault(thing, Counter())[name] += 1
            judged.switches += last.get(thing, name) != name
            last[thing] = name
        judged.false += len(tracks.track) - used
    return judged
