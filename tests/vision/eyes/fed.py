"""Live cameras that a test feeds by hand, and a map with several of them."""

import json
from dataclasses import dataclass
from typing import Any

from city_brain.city.city_map import CityMap
from city_brain.city.loading import load_city
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import Kind
from city_brain.vision.cards.registry import card_at
from city_brain.vision.detector import Detector
from city_brain.vision.letterbox import Frame, Planes
from city_brain.vision.live.camera import CameraState, LiveFrame
from tests.vision.eyes import drives


@dataclass
class Fed:
    """A stream whose newest frame is the one that was fed last."""

    newest: LiveFrame | None = None
    last_ms: int | None = None
    frames: int = 0
    skipped: int = 0
    ended: bool = False
    running: bool = False

    def feed(self, event_ms: int, frame: Frame) -> None:
        """A frame that was seen and arrives at a moment, epoch ms."""
        self.frames += 1
        self.skipped += self.newest is not None
        self.newest = LiveFrame(self.frames, event_ms, event_ms, event_ms, frame)
        self.last_ms = event_ms

    def start(self) -> None:
        """It runs."""
        self.running = True

    def stop(self) -> None:
        """It runs no more."""
        self.running = False

    def take(self) -> LiveFrame | None:
        """The newest frame, once."""
        newest, self.newest = self.newest, None
        return newest

    def state(self) -> CameraState:
        """What a live camera says of itself."""
        return CameraState(
            connected=self.last_ms is not None, last_arrived_ms=self.last_ms, frames=self.frames, skipped=self.skipped,
            connections=1, failure="", ended=self.ended,
        )  # fmt: skip


class Counting(Detector):
    """The tiny network, which counts the frames of each run."""

    runs: list[int]

    def run(self, planes: Planes) -> Any:
        """One run."""
        self.runs.append(len(planes))
        return super().run(planes)


def counting() -> Counting:
    """The tiny network, not yet run."""
    tiny = drives.TINY
    network = Counting(card_at(tiny / "card.toml"), (tiny / "tiny.onnx").read_bytes())
    network.runs = []
    return network


def several(*names: str) -> dict[str, Any]:
    """The map of the drives with a camera for each name, all of them on the one mast."""
    plain = drives.city()
    (camera,) = plain["features"]
    return plain | {"features": [camera | {"id": name} for name in names]}


def city(*names: str) -> CityMap:
    """The same, read."""
    return load_city(json.dumps(several(*names)).encode())


def of_kind(rows: list[Observations], kind: Kind) -> dict[str, Observations]:
    """The batches of a kind by camera."""
    return {batch.strings[0]: batch for batch in rows if batch.common.kind[0] == kind}
