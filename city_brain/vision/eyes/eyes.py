"""The eyes of one camera: its frames in, in order; detections on the ground out, as observations.

A frame goes through the motion gate, and, where that is open, through the network; frames of several cameras go through
it together. The boxes go to the camera's tracker, and what it tells of goes to the ground. Where the gate is shut, what
was seen last stands: it is told again, and has not moved. No place is made up: what has none is counted and left out.

The same frames give the same observations, whatever other cameras look at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.city.city_map import Camera
from city_brain.geo import LocalFrame
from city_brain.observations.admission.checks import POSITION_ERROR_MAX_M, SPEED_MAX_MPS
from city_brain.observations.admission.table import CAMERA_MARGIN_M, CAMERA_RANGES
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import CLASS_CODES
from city_brain.types import Bools, Floats, Ints
from city_brain.vision.cards.card import ModelCard
from city_brain.vision.detections import Boxes
from city_brain.vision.detector import Detector
from city_brain.vision.eyes.rows import CameraRows, pieces
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.ground.homography import Places
from city_brain.vision.ground.placing import CameraGround
from city_brain.vision.ground.speeds import Speedometer, Speeds
from city_brain.vision.motion import MotionGate, MotionSettings
from city_brain.vision.tracker.settings import TrackerSettings
from city_brain.vision.tracker.tracker import Tracker, Tracks


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

    `looked`: whether the network saw the frame; `hidden` (k, 4): boxes of what the card wants blurred in every picture.
    """

    time_ms: int
    looked: bool
    tracks: Tracks
    speed_mps: Floats
    observations: Observations
    hidden: Floats


class Eyes:
    """One camera, whose media times count from `start_ms`, epoch ms; `frame` is that of the city's metres.

    `ground` is that of the camera; without one, what the map says of it. `rows` number what is told; without any, those
    of a recording.
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
        rows: CameraRows | None = None,
    ) -> None:
        self.counters = EyesCounters()
        self._camera, self._frame, self._detector, self._start_ms = camera, frame, detector, start_ms
        self._ground = ground or CameraGround.of_map(camera)
        self._gate = MotionGate(motion or MotionSettings())
        self._tracker = Tracker(tracker)
        self._speedometer = Speedometer(camera.x, camera.y)
        self._rows = rows or CameraRows(camera.id)
        self._gap_ms = 1000.0 * self._tracker.settings.gap_s
        self._told_ms: dict[int, int] = {}
        self._hidden = np.empty((0, 4))
        card = detector.card
        self._class = np.array([CLASS_CODES[card.classes.get(label, "other")] for label in card.labels], np.uint8)

    @property
    def card(self) -> ModelCard:
        """Of the network."""
        return self._detector.card

    def see(self, frames: Sequence[TimedFrame]) -> list[Seen]:
        """What each of the next frames shows; those that the gate lets through go to the network together."""
        return see_together(self._detector, [(self, frames)])[0]

    def choose(self, frames: Sequence[TimedFrame]) -> list[bool]:
        """Which of the next frames the network must see."""
        return [self._gate.opens(timed.frame, timed.time_ms) for timed in frames]

    def take(self, frames: Sequence[TimedFrame], boxes: Sequence[Boxes | None]) -> list[Seen]:
        """What each of the frames shows that were chosen from last, with its boxes, or None where nobody looked.

        Tracks go from frame to frame; all else is reckoned for all of these frames at once.
        """
        if not frames:
            return []
        tracks, hidden = [], []
        for timed, found in zip(frames, boxes, strict=True):
            tracks.append(self._track(timed.time_ms, found))
            hidden.append(self._hidden)
        every, time_ms, height, width = _joined(tracks, frames)
        places = self._ground.place(every.box, every.label, height, width)
        speeds = self._speeds(time_ms, every.track, places)
        told = self._counted(places)
        degrees = self._frame.to_degrees(places.x[told], places.y[told])
        now_ms, sigma_m = self._start_ms + time_ms[told], places.sigma_m[told]
        rows = self._rows.detections(now_ms, degrees, sigma_m, every, speeds, told)
        parts, speed = [rows], [speeds.speed_mps]
        if len(frames) > 1:
            ends = np.cumsum([len(each.track) for each in tracks])
            parts = pieces(rows, np.concatenate([[0], told.cumsum()])[ends].tolist())
            speed = np.split(speeds.speed_mps, ends[:-1])
        return [
            Seen(timed.time_ms, found is not None, each, speed_mps, part, unseen)
            for timed, found, each, speed_mps, part, unseen in zip(
                frames, boxes, tracks, speed, parts, hidden, strict=True
            )
        ]

    def _track(self, time_ms: int, boxes: Boxes | None) -> Tracks:
        counters, tracker = self.counters, self._tracker
        counters.frames += 1
        if boxes is None:
            counters.skipped += 1
            tracks = tracker.hold(time_ms)
        else:
            counters.boxes += boxes.n
            self._hidden = boxes.hidden
            tracks = tracker.step(time_ms, boxes.box, boxes.score, self._class[boxes.label])
        counters.unusable, counters.too_many = tracker.unusable, tracker.too_many
        self._count_tracks(time_ms, tracks)
        return tracks

    def _speeds(self, time_ms: Ints, track: Ints, places: Places) -> Speeds:
        """Speeds and headings, without those that nobody would believe, and none without a calibration."""
        speeds = self._speedometer.steps(time_ms, track, places)
        doubted = ~(speeds.speed_mps <= SPEED_MAX_MPS) if self._ground.calibrated else np.ones(len(track), dtype=bool)
        for name in Speeds.__slots__:
            getattr(speeds, name)[doubted] = np.nan
        return speeds

    def _counted(self, places: Places) -> Bools:
        """Marks (n,) the tracks of which a row is told, and counts all of them."""
        counters, camera, known = self.counters, self._camera, places.known
        reach_m = CAMERA_RANGES * camera.range_m + CAMERA_MARGIN_M
        # Comparisons with what is no number are false.
        near = (places.x - camera.x) ** 2 + (places.y - camera.y) ** 2 <= reach_m**2
        told: Bools = known & near & (places.sigma_m <= POSITION_ERROR_MAX_M)
        placed, rows = int(np.count_nonzero(known)), int(np.count_nonzero(told))
        counters.seen += len(known)
        counters.detections += rows
        counters.without_place += len(known) - placed
        counters.out_of_reach += placed - rows
        return told

    def _count_tracks(self, time_ms: int, tracks: Tracks) -> None:
        """Counts tracks told for the first time; those that can come back no more are forgotten."""
        now = dict.fromkeys(tracks.track.tolist(), time_ms)
        self.counters.tracks += len(now.keys() - self._told_ms.keys())
        self._told_ms = {
            track: last_ms for track, last_ms in self._told_ms.items() if time_ms - last_ms <= self._gap_ms
        } | now


def _joined(tracks: list[Tracks], frames: Sequence[TimedFrame]) -> tuple[Tracks, Ints, Ints | int, Ints | int]:
    """The tracks of all frames, the media time of each, and how high and how wide its frame is."""
    if len(frames) == 1:
        return tracks[0], np.full(len(tracks[0].track), frames[0].time_ms), *frames[0].frame.shape[:2]
    every = Tracks(*(np.concatenate([getattr(each, name) for each in tracks]) for name in Tracks.__slots__))
    known = np.array([(timed.time_ms, *timed.frame.shape[:2]) for timed in frames])
    time_ms, height, width = known.repeat([len(each.track) for each in tracks], axis=0).T
    return every, time_ms, height, width


def see_together(detector: Detector, given: Sequence[tuple[Eyes, Sequence[TimedFrame]]]) -> list[list[Seen]]:
    """What the next frames of each of several cameras show, what the gates let through in one run of the network."""
    looks = [eyes.choose(frames) for eyes, frames in given]
    chosen = [
        timed.frame
        for (_, frames), look in zip(given, looks, strict=True)
        for timed, opens in zip(frames, look, strict=True)
        if opens
    ]
    boxes = iter(detector.detect(chosen))
    return [
        eyes.take(frames, [next(boxes) if opens else None for opens in look])
        for (eyes, frames), look in zip(given, looks, strict=True)
    ]
