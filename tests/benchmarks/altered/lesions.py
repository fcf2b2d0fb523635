"""What may be taken out of fusion: each names a part, and makes types or a runner that do without it.

Nothing of the street knows of this: a part is switched off by the parameters of types, or by another book in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.city.roads import Roads
from city_brain.fusion.queues import QueueBook
from city_brain.fusion.queues.order import RoadOrder
from city_brain.fusion.queues.stands import Stands
from city_brain.fusion.scene import Ground, Scene
from city_brain.fusion.tracking.bias import CameraBias
from city_brain.fusion.tracking.noise import CameraNoise
from city_brain.fusion.tracking.objects import ObjectBook
from city_brain.fusion.tracking.sightings import Sightings
from city_brain.fusion.tracking.tracks import TrackBook
from city_brain.incidents.detectors.environment.plume.hot import HotSensors
from city_brain.incidents.detectors.environment.plume.source import Source
from city_brain.incidents.detectors.environment.plume.sources import Sources
from city_brain.incidents.incident_type import IncidentType, IncidentTypes
from city_brain.observations.vocabulary import Quantity
from city_brain.pipeline import Engine
from city_brain.ticks.skew import SourceClocks
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Codes, Floats, Ints


class ClocksAsTheyAre(SourceClocks, dict=True):
    """Clocks whose shift nobody learns."""

    def corrected_ms(self, event_ms: Ints, kind: Codes, slot: Ints) -> Ints:
        """Event times as they were sent."""
        return event_ms


class PlacesAsTheyAre(CameraBias):
    """Cameras whose constant error nobody learns."""

    def learn(self, camera: Ints, ux: Floats, uy: Floats, offset_m: Floats, good: Bools) -> None:
        """Learns nothing."""


class NoiseAsAssumed(CameraNoise):
    """Cameras whose noise nobody learns."""

    def learn(self, camera: Ints, offset_m: Floats, sigma_m: Floats) -> None:
        """Learns nothing."""


class TracksAlone(ObjectBook):
    """Every track of a camera is an object of its own."""

    def step(self, tick: Tick, tracks: TrackBook, roads: Roads) -> None:
        """Takes the tracks after a tick, and joins none."""
        self._forget(tick.end_ms)
        self.table["fresh"], self.table["n_cameras"] = False, 0
        sightings = Sightings(tracks.table, tick.end_ms, self.by_id)
        seeking = (sightings.of < 0).nonzero()[0]
        self._bear(sightings, seeking)
        seekers = sightings.at[seeking]
        self.members.append(len(seekers), **{name: tracks.table[name][seekers] for name in self.members})
        self._fuse(sightings, np.ones(len(sightings.at), dtype=np.bool_))
        self._count(sightings, tick.rows)
        self._place(roads)


class NobodyAhead(QueueBook):
    """A road on which nobody stands because of whom he follows."""

    def _lead(self, order: RoadOrder, leader: Ints, gap_m: Floats, n: int) -> None:
        self.leader, self.gap_m, self.leader_speed = np.full(n, -1, np.int64), np.full(n, np.inf), np.full(n, np.nan)
        self.beside = np.zeros(n, dtype=np.bool_)


class AllArrived(Stands):
    """Stands of which it is not asked whether anybody saw their vehicle come."""

    def step(self, tick: Tick, ground: Ground, tracks: TrackBook, objects: ObjectBook) -> None:
        """Takes parked vehicles for ones that came."""
        super().step(tick, ground, tracks, objects)
        self.table["arrived"] = True


class WhereItIsSmelt(Sources):
    """Sources of bad air, one at each sensor that smells it."""

    def _join(self, scene: Scene, hot: HotSensors, row: int, quantity: Quantity) -> bool:
        return False

    def _improve(self, scene: Scene, hot: HotSensors, source: Source, rows: Ints) -> None:
        if source.fixed:
            super()._improve(scene, hot, source, rows)
        else:
            channel = int(hot.table["channel"][rows[0]])
            source.x, source.y = (float(scene.sensors.table[name][channel]) for name in ("x", "y"))

    def _unite(self, scene: Scene, hot: HotSensors, source: Source) -> None:
        pass


@dataclass(frozen=True)
class Lesion:
    """A part that is switched off: what becomes of the types, and of an engine that has read nothing."""

    types: Callable[[IncidentType], IncidentType] = lambda kind: kind
    engine: Callable[[Engine], None] = lambda engine: None

    def of_types(self, types: IncidentTypes) -> IncidentTypes:
        """All types without the part."""
        return IncidentTypes({kind.type: self.types(kind) for kind in types}, types.order)


def _with(**by_type: dict[str, Any]) -> Callable[[IncidentType], IncidentType]:
    """Types with other parameters: of each type, by name."""

    def altered(kind: IncidentType) -> IncidentType:
        others = by_type.get(kind.type, {})
        return msgspec.structs.replace(kind, parameters=msgspec.structs.replace(kind.parameters, **others))

    return altered


def _unexplained(kind: IncidentType) -> IncidentType:
    return msgspec.structs.replace(kind, explained_by=(), hold_s=0.0)


def _clocks(engine: Engine) -> None:
    engine.ticker.state.clocks = ClocksAsTheyAre.unknown()


def _bias(engine: Engine) -> None:
    engine.books.tracks.bias = PlacesAsTheyAre.none(len(engine.ground.city.cameras))


def _noise(engine: Engine) -> None:
    engine.books.tracks.noise = NoiseAsAssumed.none(len(engine.ground.city.cameras))


def _alone(engine: Engine) -> None:
    engine.books.objects = TracksAlone.empty()


def _queues(engine: Engine) -> None:
    engine.books.queues = NobodyAhead.empty(engine.ground)


def _arrived(engine: Engine) -> None:
    engine.books.queues.stands = AllArrived.empty()


def _plumes(engine: Engine) -> None:
    engine.detectors["pollution"].state.sources = WhereItIsSmelt([], 0)


ABLATION: Final[dict[str, Lesion]] = {
    "as it is": Lesion(),
    "clocks of sources": Lesion(engine=_clocks),
    "constant errors of cameras": Lesion(engine=_bias),
    "noise of cameras": Lesion(engine=_noise),
    "joining tracks of several cameras": Lesion(engine=_alone),
    "who stands behind whom": Lesion(engine=_queues),
    "whether somebody saw it come": Lesion(engine=_arrived),
    "who should have seen it, and did not": Lesion(
        types=_with(
            pedestrian_on_carriageway={"unseen_factor": 1.0, "unseen_far_factor": 1.0},
            stopped_vehicle={"out_of_view_share": 1.0},
            congestion={"cover_min": 0.0},
        )
    ),
    "explaining one type by another": Lesion(types=_unexplained),
    "where a plume comes from": Lesion(engine=_plumes),
}
"""Parts that are switched off, by the words for them in the table."""
