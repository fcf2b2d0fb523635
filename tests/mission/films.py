"""Films of a car that comes, stops at once and stands while others drive: composed from a recording, or drawn.

Both are made up and say so. The composed one begins as it was recorded; from the moment at which its car stops, that
car is cut from its last frame and pasted where it is upon other frames of the same recording. Every pixel is of a real
camera; that the car stands is the composition. Where there is no recording, a film is drawn for the tiny network.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from city_brain.observations.vocabulary import ObjectClass
from city_brain.types import Floats
from city_brain.vision.cards.checking import check_weights
from city_brain.vision.cards.registry import Registry
from city_brain.vision.detector import Detector
from city_brain.vision.frames.drawing import Bodies, Painter, Strip
from city_brain.vision.frames.limits import TimedFrame
from city_brain.vision.frames.opening import open_frames
from city_brain.vision.ground.pose import CameraPose
from city_brain.vision.letterbox import Frame
from tests.house import ROOT

STEP_MS: Final = 250
"""Between frames: six of the recording."""

_AT_THE_JUNCTION: Final = CameraPose(
    height_m=3.7, pitch_deg=10.8, heading_deg=0.0, fov_deg=60.0, width_px=640, height_px=352
)
"""Estimated by eye, from the horizon and from how large cars are: nobody measured that camera."""
_ON_A_MAST: Final = CameraPose(height_m=8.0, pitch_deg=17.0, heading_deg=0.0, fov_deg=60.0, width_px=320, height_px=192)

Pixel = tuple[float, float]


class Film(Protocol):
    """A film of any length, of a camera that looks north as it hangs."""

    @property
    def told(self) -> str:
        """What it is."""

    @property
    def network(self) -> str:
        """The card of the network that knows what is in it."""

    @property
    def pose(self) -> CameraPose:
        """How the camera hangs."""

    @property
    def stands(self) -> Pixel:
        """Where the car touches the ground once it stands."""

    @property
    def came(self) -> Pixel:
        """Where it did some metres before."""

    def frames(self, stop_ms: int, until_ms: int) -> Iterator[TimedFrame]:
        """Its frames from 0 on; the car comes to stand at `stop_ms`."""

    def detector(self) -> Detector:
        """The network."""


@dataclass(frozen=True)
class Composed:
    """The junction of the shared video, in which one of its cars stops."""

    video: Path
    weights: Path
    told: str = "composed from a real recording: a car of it, cut from a frame, stands where it drove"
    network: str = "yolox-nano"
    pose: CameraPose = _AT_THE_JUNCTION
    stands: Pixel = (308.0, 223.0)
    came: Pixel = (246.0, 166.0)
    stops_at: int = 12
    """Number of the frame at which the car stops."""
    car: tuple[int, int, int, int] = (240, 138, 384, 240)
    """Left, top, right, bottom of what is cut."""
    goes_on: tuple[int, int] = (84, 109)
    """Numbers of the frames over which the others go on driving, again and again: there the car's lane is free."""

    @cached_property
    def recorded(self) -> list[Frame]:
        """Every frame that is looked at: some 150, 100 MB."""
        return [timed.frame for timed in open_frames(str(self.video), STEP_MS).frames]

    def frames(self, stop_ms: int, until_ms: int) -> Iterator[TimedFrame]:
        """First as recorded, then with the car pasted in; what loops, jumps where it begins anew."""
        stop, (first, last) = stop_ms // STEP_MS, self.goes_on
        for number in range(until_ms // STEP_MS):
            if number <= stop:
                frame = self.recorded[(self.stops_at - stop + number) % len(self.recorded)]
            else:
                frame = self._pasted(self.recorded[first + (number - stop - 1) % (last - first)])
            yield TimedFrame(number * STEP_MS, frame)

    def _pasted(self, behind: Frame) -> Frame:
        left, top, right, bottom = self.car
        frame, car, share = behind.copy(), *self._cut
        under = frame[top:bottom, left:right]
        under[:] = np.rint(share * car + (1.0 - share) * under).astype(np.uint8)
        return frame

    @cached_property
    def _cut(self) -> tuple[Frame, Floats]:
        """The car, and by which share (height, width, 1) each of its pixels covers what is behind.

        It is the largest piece that differs from the street without anything on it, and has a soft rim.
        """
        left, top, right, bottom = self.car
        window = [frame[top:bottom, left:right] for frame in self.recorded]
        empty, car = np.median(window, axis=0), window[self.stops_at]
        differs = (np.abs(car - empty).max(axis=2) > 18.0).astype(np.uint8)
        whole = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        _, part, sizes, _ = cv2.connectedComponentsWithStats(whole)
        mine = (part == 1 + sizes[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
        share = cv2.GaussianBlur(cv2.dilate(mine, np.ones((5, 5), np.uint8)).astype(np.float64), (5, 5), 0)
        return car, share[:, :, None]

    def detector(self) -> Detector:
        """YOLOX-nano, as its authors published it."""
        card = Registry.of().entry(self.network).card
        return Detector(card, check_weights(self.weights, card).data)


@dataclass(frozen=True)
class Drawn:
    """A street of its own: one car comes towards the camera and stops, others come and go beside it."""

    told: str = "drawn, since there is no recording: a car comes and stands"
    network: str = "tiny"
    pose: CameraPose = _ON_A_MAST
    stops_m: float = 24.0
    aside_m: float = -2.0
    speed_mps: float = 12.0

    @cached_property
    def _painter(self) -> Painter:
        lanes = [np.array([[x, 0.0], [x, 150.0]]) for x in (self.aside_m - 3.5, self.aside_m, 2.0, 5.5)]
        return Painter(self.pose, [Strip(line, 3.5) for line in lanes])

    @property
    def stands(self) -> Pixel:
        """The middle of the lower edge of the car's box."""
        return self._foot(self.stops_m)

    @property
    def came(self) -> Pixel:
        """The same ten metres before."""
        return self._foot(self.stops_m + 10.0)

    def _foot(self, ahead_m: float) -> Pixel:
        ((left, _, right, bottom),) = self._painter.boxes(_cars([(self.aside_m, ahead_m, -1.0)])).tolist()
        return (left + right) / 2.0, bottom

    def frames(self, stop_ms: int, until_ms: int) -> Iterator[TimedFrame]:
        """Others pass in the lane beside it every seven seconds, and the other way every five."""
        for time_ms in range(0, until_ms, STEP_MS):
            to_go_m = max(stop_ms - time_ms, 0) / 1000.0 * self.speed_mps
            beside_m = 80.0 - self.speed_mps * (time_ms % 7000) / 1000.0
            back_m = 10.0 + self.speed_mps * (time_ms % 5000) / 1000.0
            lane = self.aside_m - 3.5
            cars = [(self.aside_m, self.stops_m + to_go_m, -1.0), (lane, beside_m, -1.0), (5.5, back_m, 1.0)]
            yield TimedFrame(time_ms, self._painter.draw(_cars(cars)))

    def detector(self) -> Detector:
        """The network of this project."""
        entry = Registry.of().entry(self.network)
        return Detector(entry.card, check_weights(entry.weights, entry.card).data)


def _cars(places: list[tuple[float, float, float]]) -> Bodies:
    """Cars to the right of and ahead of a camera that looks north, driving north or south."""
    x, y, north = (np.array(column) for column in zip(*places, strict=True))
    n = len(places)
    return Bodies(np.full(n, int(ObjectClass.CAR), np.uint8), x, y, np.zeros(n), north, np.full(n, 4.4))


def any_film(shared: Path | None = None) -> Film:
    """The composed one where the shared data are, else the drawn one."""
    folder = (shared or Path(os.environ.get("CITY_BRAIN_SHARED") or ROOT.parent / "shared")) / "data"
    video, weights = folder / "traffic-video" / "suburban_junction.mp4", folder / "onnx-detector" / "yolox_nano.onnx"
    if video.is_file() and weights.is_file():
        return Composed(video, weights)
    return Drawn()
