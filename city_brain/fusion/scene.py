"""The scene: what is known of the city at the end of a tick, which every detector reads and none writes."""

from dataclasses import dataclass

from city_brain.city.city_map import CityMap
from city_brain.city.junctions import Junctions
from city_brain.city.roads import Roads
from city_brain.city.views import Views
from city_brain.fusion.crossings import CrossingBook
from city_brain.fusion.queues import QueueBook
from city_brain.fusion.sensors import SensorBook
from city_brain.fusion.signals import SignalBook
from city_brain.fusion.tracking.objects import ObjectBook
from city_brain.fusion.tracking.tracks import TrackBook
from city_brain.ticks.skew import SourceClocks
from city_brain.ticks.tick import Tick


@dataclass(frozen=True, slots=True)
class Ground:
    """The map made ready for look-ups by column; built once, the same for every partition."""

    city: CityMap
    roads: Roads
    views: Views
    junctions: Junctions

    @classmethod
    def of(cls, city: CityMap) -> "Ground":
        """Builds the rasters and tables of a map."""
        roads = Roads(city)
        return cls(city, roads, Views(city, roads), Junctions(city, roads))


@dataclass(frozen=True, slots=True)
class Scene:
    """The map, the tick that just closed, and the books that fusion keeps."""

    ground: Ground
    tick: Tick
    clocks: SourceClocks
    tracks: TrackBook
    objects: ObjectBook
    signals: SignalBook
    sensors: SensorBook
    crossings: CrossingBook
    queues: QueueBook

    @property
    def now_ms(self) -> int:
        """The end of the tick on the common clock."""
        return self.tick.end_ms
