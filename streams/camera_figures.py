"""What a worker shows of its cameras in figures: a family for each, with the camera's id as the label.

Only cameras that this worker watches now are told of, so there are as many series as it has cameras, times the families
below; what a camera's counters said goes when the camera goes to another worker, where they begin anew.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from city_brain.observations.vocabulary import CAMERA_HEALTH
from city_brain.vision.eyes.lookout import Watching

LABELS: Final = ("program", "camera")
_COUNTED: Final[tuple[tuple[str, str, Callable[[Watching], int]], ...]] = (
    ("frames", "Frames read.", lambda now: now.state.frames),
    ("frames_skipped", "Frames that a newer one replaced before anybody looked.", lambda now: now.state.skipped),
    ("frames_unbelieved", "Frames of which nothing could be believed.", lambda now: now.unbelieved),
    ("connections", "How often it was connected to.", lambda now: now.state.connections),
    ("looks", "Frames that the network saw.", lambda now: now.counters.frames - now.counters.skipped),
    ("boxes", "Boxes of the network.", lambda now: now.counters.boxes),
    ("tracks", "Tracks told of.", lambda now: now.counters.tracks),
    ("detections", "Detections told.", lambda now: now.counters.detections),
    ("without_place", "Things seen that have no place on the ground.", lambda now: now.counters.without_place),
    ("out_of_reach", "Things seen farther off than the camera reaches.", lambda now: now.counters.out_of_reach),
)


class CameraFigures(Collector):
    """Asks for the cameras whenever it is asked itself."""

    def __init__(self, program: str, watching: Callable[[], Mapping[str, Watching]]) -> None:
        self._program, self._watching = program, watching

    def collect(self) -> Iterator[Metric]:
        """All families."""
        watching = self._watching()
        for name, says, count in _COUNTED:
            counter = CounterMetricFamily(f"city_brain_camera_{name}", says, labels=LABELS)
            for camera, now in watching.items():
                counter.add_metric((self._program, camera), count(now))
            yield counter
        now_ms = 1000.0 * time.time()
        connected = GaugeMetricFamily("city_brain_camera_connected", "Whether its stream is there.", labels=LABELS)
        age = GaugeMetricFamily("city_brain_camera_frame_age_seconds", "Since the last frame.", labels=LABELS)
        words = GaugeMetricFamily(
            "city_brain_camera_word", "What was told of the camera itself.", labels=(*LABELS, "word")
        )
        for camera, now in watching.items():
            at = (self._program, camera)
            connected.add_metric(at, now.state.connected)
            if now.state.last_arrived_ms is not None:
                age.add_metric(at, (now_ms - now.state.last_arrived_ms) / 1000.0)
            for word in CAMERA_HEALTH:
                words.add_metric((*at, word.name.lower()), word in now.holding)
        yield from (connected, age, words)
