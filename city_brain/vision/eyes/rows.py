"""The rows of one camera: what it sees as detections, how it is itself as readings, numbered together.

The street knows a row by source, number and time, and a thing by camera and track. So the numbers of a live camera
begin with the moment at which it began to be watched: whoever watches it next, after a restart or elsewhere, goes on
above them, and gives no track a number that another one bore. Those of a recording begin with 1, whenever it is read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from city_brain.city.datum import Datum
from city_brain.observations.columns import Common, Detections, Observations, Reports, Sensors, Signals
from city_brain.observations.vocabulary import MEASURES, Kind, ObjectClass, Quantity
from city_brain.ticks.skew import USUAL_SHORTEST_DELAY_MS
from city_brain.types import Bools, Floats, Ints
from city_brain.vision.ground.speeds import Speeds
from city_brain.vision.tracker.tracker import Tracks

ARRIVES_AFTER_MS: Final = round(USUAL_SHORTEST_DELAY_MS[Kind.DETECTION])
"""A recording knows no gateway. Rows that arrived at once would make the street think that the camera's clock is fast.
"""
NUMBERS_PER_MS: Final = 1_000
"""Of a live camera: far more than it has rows, so that numbers stay behind the clock, and below 2^53 until 2255."""
_WORDS: Final = tuple(word.name.lower() for word in ObjectClass)
_DEGREES, _METRES, _SPEEDS, _HEADINGS, _SCORES, _PIXELS = 7, 2, 2, 1, 3, 1
"""Decimals in rows: a centimetre, and for the rest less than what is known."""


class CameraRows:
    """Makes the rows of a camera.

    `begins_ms`: of a live camera, when it began to be watched, epoch ms; its rows have no arrival, since whoever takes
    them stamps it. None: a recording, whose rows arrive after the usual delay.
    """

    def __init__(self, camera_id: str, begins_ms: int | None = None) -> None:
        self._id, self._live = camera_id, begins_ms is not None
        self._next = 1 if begins_ms is None else begins_ms * NUMBERS_PER_MS
        self._tracks_after = begins_ms or 0

    def detections(
        self,
        event_ms: Ints,
        degrees: tuple[Floats, Floats],
        sigma_m: Floats,
        tracks: Tracks,
        speeds: Speeds,
        told: Bools,
    ) -> Observations:
        """A row for each of the tracks (n,), of one frame or of several, that is `told` (n,).

        `event_ms`, epoch ms, `degrees` (longitude, latitude in WGS-84) and `sigma_m` are of those that are told alone.
        """
        n = len(sigma_m)
        words = (self._id, "camera", Datum.WGS84.label, *_WORDS)
        common = self._common(
            n,
            Kind.DETECTION,
            event_ms,
            datum=np.full(n, 2, dtype=np.int32),
            lon=degrees[0].round(_DEGREES),
            lat=degrees[1].round(_DEGREES),
            position_error_m=sigma_m.round(_METRES),
        )
        low, high = tracks.box[told, :2], tracks.box[told, 2:]
        detections = Detections.absent(
            n,
            track=self._tracks_after + tracks.track[told],
            class_name=3 + tracks.label[told].astype(np.int32),
            confidence=tracks.score[told].round(_SCORES),
            speed_mps=speeds.speed_mps[told].round(_SPEEDS),
            heading_deg=speeds.heading_deg[told].round(_HEADINGS) % 360.0,
            bbox=np.concatenate([low, high - low], axis=1).round(_PIXELS),
        )
        return Observations(words, common, detections, Signals.absent(0), Sensors.absent(0), Reports.absent(0))

    def health(self, event_ms: int, words: Mapping[Quantity, bool]) -> Observations:
        """A reading for each word about the camera itself, 1 where it holds and 0 where it does not."""
        n, names = len(words), [quantity.name.lower() for quantity in words]
        sensors = Sensors.absent(
            n,
            quantity=np.arange(3, 3 + n, dtype=np.int32),
            value=np.array([*words.values()], dtype=np.float64),
            unit=np.full(n, 2, dtype=np.int32),
        )
        texts = (self._id, "camera", MEASURES[Quantity.CAMERA_DOWN].unit, *names)
        common = self._common(n, Kind.SENSOR, event_ms)
        return Observations(texts, common, Detections.absent(0), Signals.absent(0), sensors, Reports.absent(0))

    def _common(self, n: int, kind: Kind, event_ms: Ints | int, **more: Any) -> Common:
        """The next `n` numbers, of source 0 and source kind 1 of the texts."""
        first, self._next = self._next, self._next + n
        return Common.absent(
            n,
            kind=np.full(n, kind, dtype=np.uint8),
            source=np.zeros(n, dtype=np.int32),
            source_kind=np.full(n, 1, dtype=np.int32),
            seq=np.arange(first, first + n),
            event_ms=np.full(n, event_ms),
            arrival_ms=np.full(n, -1 if self._live else event_ms + ARRIVES_AFTER_MS),
            **more,
        )


def pieces(detections: Observations, ends: Iterable[int]) -> list[Observations]:
    """Rows that are detections alone, cut before each of the numbers `ends`; nothing is copied."""
    none = (detections.signals, detections.sensors, detections.reports)
    return [
        Observations(detections.strings, detections.common.take(rows), detections.detections.take(rows), *none)
        for rows in (slice(*piece) for piece in pairwise((0, *ends)))
    ]


def arrived(observations: Observations, now_ms: int) -> Observations:
    """Live rows as they are where no log stamps them: arrived now, epoch ms."""
    common = observations.common
    return replace(observations, common=replace(common, arrival_ms=np.full(common.n, now_ms)))
