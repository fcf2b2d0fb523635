"""The scene: what is known of the city at the end of a tick, which every detector reads and none writes."""

from dataclasses import dataclass
from functools import cached_property

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
from city_brain.numerics import Groups
from city_brain.ticks.skew import SourceClocks
from city_brain.ticks.tick import Tick
from city_brain.types import Ints


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


@dataclass(frozen=True)
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

    @cached_property
    def members_of(self) -> Groups:
        """Rows of `objects.members` by object id."""
        return Groups(self.objects.members["object_id"])

    @cached_property
    def fresh_tracks(self) -> Ints:
        """Rows of `tracks` that were seen in this tick."""
        return self.tracks.table["fresh"].nonzero()[0]

    @cached_property
    def fresh_tracks_of(self) -> Groups:
        """Places in `fresh_tracks` by object id."""
        return Groups(self.tracks.table["object_id"][self.fresh_tracks])
