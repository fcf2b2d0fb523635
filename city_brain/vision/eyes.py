"""The eyes of one camera: its frames in, in order; detections on the ground out, as observations.

A frame goes through the motion gate, and, where that is open, through the network. The boxes go to the tracker, and
what it tells of goes to the ground. Where the gate is shut, what was seen last stands: it is told again, and has not
moved. No place is made up: what has none is counted and left out.

The same frames give the same observations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from city_brain.city.city_map import Camera
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.observations.admission.checks import POSITION_ERROR_MAX_M, SPEED_MAX_MPS
from city_brain.observations.admission.table import CAMERA_MARGIN_M, CAMERA_RANGES
from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import Kind, ObjectClass
from city_brain.ticks.skew import USUAL_SHORTEST_DELAY_MS
from city_brain.types import Bools, Floats
from city_brain.vision.detections import Boxes
from city_brain.vision.detector import Detector
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.ground.homography import Places
from city_brain.vision.ground.placing import CameraGround
from city_brain.vision.ground.speeds import Speedometer, Speeds
from city_brain.vision.motion import MotionGate, MotionSettings
from city_brain.vision.tracker.settings import TrackerSettings
from city_brain.vision.tracker.tracker import Tracker, Tracks

ARRIVES_AFTER_MS: Final = round(USUAL_SHORTEST_DELAY_MS[Kind.DETECTION])
"""A recording knows no gateway. Rows that arrived at once would make the street think that the camera's clock is fast.
"""
_WORDS: Final = tuple(word.name.lower() for word in ObjectClass)
_DEGREES, _METRES, _SPEEDS, _HEADINGS, _SCORES, _PIXELS = 7, 2, 2, 1, 3, 1
"""Decimals in rows: a centimetre, and for the rest less than what is known."""


class EyesCounters(msgspec.Struct, kw_only=True):
    """What became of the frames of a camera: `seen` is `detections`, `without_place` and `out_of_reach` together.

    `skipped`: frames at which the gate was shut; `boxes`: of the network; `unusable`, `too_many`: of these, as the
    tracker counts them; `tracks`: that were told of; `seen`: tracks, frame by frame. `without_place`: those whose foot
    is out of the picture or not below the horizon; `out_of_reach`: those whose place is farther off, or known worse,
    than the street takes from this camera.
    """

    frames: int = 0
    skipped: int = 0
    boxes: int = 0
    unusable: int = 0
    too_many: int = 0
    tracks: int = 0
    seen: int = 0
    detections: int = 0
    without_place: int = 0
    out_of_reach: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What there is to say of one frame; `speed_mps` (n,) along the tracks, NaN where none is known.

    `looked`: whether the network saw the frame.
    """

    time_ms: int
    looked: bool
    tracks: Tracks
    speed_mps: Floats
    observations: Observations


class Eyes:
    """One camera over one recording that begins at `start_ms`, epoch ms; `frame` is that of the city's metres.

    `ground` is that of the camera; without one, what the map says of it.
    """

    def __init__(
        self,
        camera: Camera,
        frame: LocalFrame,
        detector: Detector,
        start_ms: int,
        ground: CameraGround | None = None,
        motion: MotionSettings | None = None,
        tracker: TrackerSettings | None = None,
    ) -> None:
        self.counters = EyesCounters()
        self._camera, self._frame, self._detector, self._start_ms = camera, frame, detector, start_ms
        self._ground = ground or CameraGround.of_map(camera)
        self._gate = MotionGate(motion or MotionSettings())
        self._tracker = Tracker(tracker)
        self._speedometer = Speedometer(camera.x, camera.y)
        self._gap_ms = 1000.0 * self._tracker.settings.gap_s
        self._told_ms: dict[int, int] = {}
        card = detector.card
        codes = {word: code for code, word in enumerate(_WORDS)}
        self._class = np.array([codes[card.classes.get(label, "other")] for label in card.labels], dtype=np.uint8)

    def see(self, frames: Sequence[TimedFrame]) -> list[Seen]:
        """What each of the next frames shows; those that the gate lets through go to the network together."""
        looks = [self._gate.opens(timed.frame, timed.time_ms) for timed in frames]
        boxes = iter(self._detector.detect([timed.frame for timed, look in zip(frames, looks, strict=True) if look]))
        return [self._step(timed, next(boxes) if look else None) for timed, look in zip(frames, looks, strict=True)]

    def _step(self, timed: TimedFrame, boxes: Boxes | None) -> Seen:
        counters, time_ms = self.counters, timed.time_ms
        counters.frames += 1
        if boxes is None:
            counters.skipped += 1
            tracks = self._tracker.hold(time_ms)
        else:
            counters.boxes += boxes.n
            tracks = self._tracker.step(time_ms, boxes.box, boxes.score, self._class[boxes.label])
        counters.unusable, counters.too_many = self._tracker.unusable, self._tracker.too_many
        places = self._ground.place(tracks.box, tracks.label, timed.frame.shape[0])
        speeds = self._speeds(time_ms, tracks, places)
        self._count_tracks(time_ms, tracks)
        told = self._counted(tracks, places)
        rows = self._rows(time_ms, tracks, places, speeds, told)
        return Seen(time_ms, boxes is not None, tracks, speeds.speed_mps, rows)

    def _speeds(self, time_ms: int, tracks: Tracks, places: Places) -> Speeds:
        """Speeds and headings, without those that nobody would believe, and none without a calibration."""
        speeds = self._speedometer.step(time_ms, tracks.track, places)
        believed = speeds.speed_mps <= SPEED_MAX_MPS if self._ground.calibrated else np.zeros(len(tracks.track), bool)
        return Speeds(*(np.where(believed, getattr(speeds, name), np.nan) for name in Speeds.__slots__))

    def _counted(self, tracks: Tracks, places: Places) -> Bools:
        """Marks (n,) the tracks of which a row is told, and counts all of them."""
        counters, camera, n = self.counters, self._camera, len(tracks.track)
        reach_m = CAMERA_RANGES * camera.range_m + CAMERA_MARGIN_M
        # Comparisons with what is no number are false.
        near = (places.x - camera.x) ** 2 + (places.y - camera.y) ** 2 <= reach_m**2
        told: Bools = places.known & near & (places.sigma_m <= POSITION_ERROR_MAX_M)
        counters.seen += n
        counters.detections += int(told.sum())
        counters.without_place += n - int(places.known.sum())
        counters.out_of_reach += int((places.known & ~told).sum())
        return told

    def _count_tracks(self, time_ms: int, tracks: Tracks) -> None:
        """Counts tracks told for the first time; those that can come back no more are forgotten."""
        now = dict.fromkeys(tracks.track.tolist(), time_ms)
        self.counters.tracks += len(now.keys() - self._told_ms.keys())
        self._told_ms = {
            track: last_ms for track, last_ms in self._told_ms.items() if time_ms - last_ms <= self._gap_ms
        } | now

    def _rows(self, time_ms: int, tracks: Tracks, places: Places, speeds: Speeds, told: Bools) -> Observations:
        """A row for each track that is told."""
        n, now = int(told.sum()), self._start_ms + time_ms
        lon, lat = self._frame.to_degrees(places.x[told], places.y[told])
        words = (self._camera.id, "camera", Datum.WGS84.label, *_WORDS)
        first = self.counters.detections - n + 1
        common = Common.absent(
            n,
            kind=np.full(n, Kind.DETECTION, dtype=np.uint8),
            source=np.zeros(n, dtype=np.int32),
            source_kind=np.full(n, 1, dtype=np.int32),
            datum=np.full(n, 2, dtype=np.int32),
            seq=np.arange(first, first + n),
            event_ms=np.full(n, now),
            arrival_ms=np.full(n, now + ARRIVES_AFTER_MS),
            lon=np.round(lon, _DEGREES),
            lat=np.round(lat, _DEGREES),
            position_error_m=np.round(places.sigma_m[told], _METRES),
        )
        low, high = tracks.box[told, :2], tracks.box[told, 2:]
        detections = Detections.absent(
            n,
            track=tracks.track[told],
            class_name=3 + tracks.label[told].astype(np.int32),
            confidence=np.round(tracks.score[told], _SCORES),
            speed_mps=np.round(speeds.speed_mps[told], _SPEEDS),
            heading_deg=np.round(speeds.heading_deg[told], _HEADINGS) % 360.0,
            bbox=np.round(np.concatenate([low, high - low], axis=1), _PIXELS),
        )
        none = (Signals.absent(0), Sensors.absent(0), Reports.absent(0))
        return Observations(words, common, detections, *none)
