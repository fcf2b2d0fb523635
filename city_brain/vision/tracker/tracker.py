"""A tracker for one camera: takes the boxes of one frame after another, and says which track each belongs to.

Each frame is paired in three passes: boxes of high score with tracks by overlap, boxes of low score with what is left
of the tracks seen last time (both as ByteTrack does it), then lost and fast ones by distance in sigmas. What is left of
the boxes of high score starts tracks. A track is told of where a box was seen, never where it is only expected.

The same frames give the same tracks: no chance, no clock, no order of the detector's.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.errors import ObservationError
from city_brain.observations.vocabulary import ObjectClass
from city_brain.table import Table
from city_brain.types import Bools, Codes, Column, Floats, Ints
from city_brain.vision.tracker.kalman import (
    LOW_SCORE_FACTOR,
    PLACE,
    SPEED,
    STATE,
    born,
    centred,
    cornered,
    predict,
    update,
)
from city_brain.vision.tracker.pairing import apart, overlaps, pair_by_distance, pair_by_overlap
from city_brain.vision.tracker.settings import TrackerSettings

CLASSES = len(ObjectClass)
_FARTHEST_PX = 1e6
_BOXES_PER_TRACK = 2
"""More boxes in a frame than so many for each track that may be are not looked at: pairs take 8 bytes each, so 500
tracks and 1,000 boxes at most 8 MB at a time.
"""
TWICE_OVERLAP = 0.7
"""A box that covers a paired one so far is the same thing under another class: it starts no track."""
_MISSES_UNCONFIRMED = 1
"""Frames in a row that a track may miss before it is confirmed."""

_SCHEMA = {
    **STATE,
    "id": np.int64,
    "votes": (np.float64, (CLASSES,)),
    "label": np.int64,
    "first_ms": np.int64,
    "last_ms": np.int64,
    "boxes": np.int64,
    "misses": np.int64,
    "score": np.float64,
}


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The tracks that were seen in a frame, ascending by `track`, as columns (n,).

    `box` (n, 4): smoothed corners x0, y0, x1, y1 in pixels of the frame; `velocity` (n, 2): of its centre, smoothed, in
    px/s right and down; `label`: ObjectClass that most of its boxes' scores speak for; `age_s`: since its first box;
    `score`: of its box in this frame.
    """

    track: Ints
    box: Floats
    velocity: Floats
    label: Codes
    age_s: Floats
    score: Floats


class Tracker:
    """The tracks of one camera; ids count up from 1 and are never given twice.

    `unusable` counts boxes without area, with numbers that are none or a class that is none; `too_many` counts boxes
    that started no track because `most_tracks` were there, and those beyond the best 2 · `most_tracks` of a frame.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self.unusable = 0
        self.too_many = 0
        self._table = Table(_SCHEMA)
        self._next_id = 1
        self._now_ms: int | None = None

    def step(self, time_ms: int, box: Floats, score: Floats, label: Column) -> Tracks:
        """The tracks seen in the frame of media time `time_ms`, given its boxes (n, 4), scores (n,) and classes (n,).

        Frames may be skipped and come at any interval. A time before the last one is another recording: all tracks
        end, ids go on. Raises ObservationError where the columns do not fit together.
        """
        box, score, label = self._usable(box, score, label)
        self._move_to(time_ms)
        high = int(np.count_nonzero(score >= self.settings.high_score))
        tracks, boxes = self._paired(box, label, high)
        factor: Floats | float = 1.0
        if high < len(box):
            factor = np.where(boxes < high, 1.0, LOW_SCORE_FACTOR)[:, None]
        update(self._table, tracks, centred(box[boxes]), factor)
        self._credit(time_ms, tracks, score[boxes], label[boxes])
        self._end_the_doubtful()
        self._start(time_ms, box, score, label, _others(high, boxes[boxes < high]), boxes)
        return self._told(time_ms)

    def hold(self, time_ms: int) -> Tracks:
        """The tracks at a frame that no detector looked at because nothing in the picture had changed since the last
        one: what was seen then is there still, and stands.
        """
        table, before, self._now_ms = self._table, self._now_ms, time_ms
        if before is not None and time_ms < before:
            table.keep(np.zeros(table.n, dtype=np.bool_))
        there = table["misses"] == 0
        table["last_ms"][there] = time_ms
        table["state"][there, SPEED] = 0.0
        self._end_the_lost(time_ms)
        return self._told(time_ms)

    def _usable(self, box: Floats, score: Floats, label: Column) -> tuple[Floats, Floats, Ints]:
        """The boxes that can be used, in an order of their content: those of high score first."""
        n = len(score)
        if box.shape != (n, 4) or score.shape != (n,) or label.shape != (n,):
            shapes = f"{box.shape}, {score.shape}, {label.shape}"
            raise ObservationError(f"tracker: wanted boxes (n, 4), scores (n,) and classes (n,), got {shapes}")
        box, score = box.astype(np.float64), score.astype(np.float64)
        x0, y0, x1, y1 = box.T
        # Comparisons with what is no number are false.
        good = (x1 > x0) & (y1 > y0) & (x0 > -_FARTHEST_PX) & (y0 > -_FARTHEST_PX) & (x1 < _FARTHEST_PX)
        good &= (y1 < _FARTHEST_PX) & (score >= 0.0) & (score <= 1.0) & (label >= 0) & (label < CLASSES)
        self.unusable += n - int(np.count_nonzero(good))
        good &= score >= self.settings.low_score
        if not good.all():
            box, score, label = box[good], score[good], label[good]
        order = np.lexsort((label, *box.T[::-1], -score))
        most = _BOXES_PER_TRACK * self.settings.most_tracks
        self.too_many += max(len(order) - most, 0)
        order = order[:most]
        return box[order], score[order], label[order].astype(np.int64)

    def _move_to(self, time_ms: int) -> None:
        before, self._now_ms = self._now_ms, time_ms
        if before is None:
            return
        if time_ms < before:
            self._table.keep(np.zeros(self._table.n, dtype=np.bool_))
            return
        self._end_the_lost(time_ms)
        predict(self._table, (time_ms - before) / 1000.0)

    def _end_the_lost(self, time_ms: int) -> None:
        self._table.keep(time_ms - self._table["last_ms"] <= 1000.0 * self.settings.gap_s)

    def _paired(self, box: Floats, label: Ints, high: int) -> tuple[Ints, Ints]:
        """Rows of tracks and of boxes that belong together, two columns (k,); the first `high` boxes score high."""
        table, limits = self._table, self.settings
        expected, word = cornered(table["state"][:, PLACE]), table["label"]
        tracks, boxes = pair_by_overlap(expected, word, box[:high], label[:high], limits.least_overlap)
        waiting, left = _others(table.n, tracks), _others(high, boxes)
        if high < len(box):
            recent = waiting[table["misses"][waiting] == 0]
            one, other = pair_by_overlap(
                expected[recent], word[recent], box[high:], label[high:], limits.least_overlap_low
            )
            tracks, boxes = np.concatenate([tracks, recent[one]]), np.concatenate([boxes, other + high])
            waiting = _others(table.n, tracks)
        if len(waiting) and len(left):
            one, other = pair_by_distance(table["state"][waiting], word[waiting], box[left], label[left])
            tracks, boxes = np.concatenate([tracks, waiting[one]]), np.concatenate([boxes, left[other]])
        return tracks, boxes

    def _credit(self, time_ms: int, tracks: Ints, score: Floats, label: Ints) -> None:
        """Notes what every track was given, or that it was given nothing."""
        table = self._table
        misses, votes = table["misses"], table["votes"]
        misses += 1
        misses[tracks] = 0
        table["last_ms"][tracks] = time_ms
        table["boxes"][tracks] += 1
        table["score"][tracks] = score
        votes[tracks, label] += score
        table["label"][tracks] = votes[tracks].argmax(axis=1)

    def _end_the_doubtful(self) -> None:
        table = self._table
        table.keep((table["boxes"] >= self.settings.confirm_boxes) | (table["misses"] <= _MISSES_UNCONFIRMED))

    def _start(self, time_ms: int, box: Floats, score: Floats, label: Ints, left: Ints, paired: Ints) -> None:
        """Starts tracks from the boxes `left`, best score first, but for those that show a tracked thing once more."""
        if len(left) == 0:
            return
        twice = (overlaps(box[left], box[paired]) > TWICE_OVERLAP).any(axis=1)
        left = left[~twice]
        left = left[apart(box[left], TWICE_OVERLAP)]
        room = self.settings.most_tracks - self._table.n
        self.too_many += max(len(left) - room, 0)
        left = left[:room]
        count = len(left)
        votes = np.zeros((count, CLASSES))
        votes[np.arange(count), label[left]] = score[left]
        self._table.append(
            count,
            state=born(centred(box[left])),
            id=np.arange(self._next_id, self._next_id + count),
            votes=votes,
            label=label[left],
            first_ms=time_ms,
            last_ms=time_ms,
            boxes=1,
            misses=0,
            score=score[left],
        )
        self._next_id += count

    def _told(self, time_ms: int) -> Tracks:
        table = self._table
        told = ((table["misses"] == 0) & (table["boxes"] >= self.settings.confirm_boxes)).nonzero()[0]
        state = table["state"][told]
        return Tracks(
            track=table["id"][told],
            box=cornered(state[:, PLACE]),
            velocity=state[:, SPEED, :2],
            label=table["label"][told].astype(np.uint8),
            age_s=(time_ms - table["first_ms"][told]) / 1000.0,
            score=table["score"][told],
        )


def _others(n: int, taken: Ints) -> Ints:
    """The numbers below `n` that are not among those `taken`."""
    free: Bools = np.ones(n, dtype=np.bool_)
    free[taken] = False
    return free.nonzero()[0]
