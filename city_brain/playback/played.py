"""What is played in one process, whatever it was recorded from: ticks, and a state wherever the stages rest."""

import abc
from collections.abc import Iterable, Iterator, Set
from copy import deepcopy
from pathlib import Path

import msgspec

from city_brain.bag.reading import Recording
from city_brain.bag.records import RECORDING
from city_brain.digest import TreeHead
from city_brain.distributed.city_desk import CityTick
from city_brain.errors import StateError
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.pipeline.configuration import Configured
from city_brain.playback.recorded_city import RecordedCity, last_tick_of
from city_brain.playback.state import ATTACHED, StreetState
from city_brain.replay.stream import Batch
from city_brain.runner import ClosedTick, Runner
from city_brain.site import Site


class PlayedTick(msgspec.Struct, frozen=True):
    """A tick of the city, and up to which log time (ns) the recording was read when it closed."""

    said: CityTick | ClosedTick
    log_ns: int

    @property
    def line(self) -> bytes:
        """The tick record, canonical."""
        return self.said.record.to_line()


class Played(abc.ABC):
    """A recording that is played from its beginning, or from a state; one at a time."""

    def __init__(self, path: Path) -> None:
        with Recording(path) as recording:
            self.recorded = RecordedCity.read(recording)
            self.last_tick = last_tick_of(recording)
            """Of a capsule: the number of the tick with which it ends."""
            self.series = recording.metadata.get(RECORDING, {}).get("series", "")
            self.begins_with: StreetState | None = None
            if any(entry.name == ATTACHED for entry in recording.attachments):
                attached = recording.attachment(ATTACHED).data
                self.begins_with = StreetState.from_bytes(attached, f"{path}, {ATTACHED}")
                self.series = self.begins_with.series
        self.path = path
        self.head, self.at_rest = TreeHead(), False
        self._log_ns = self._due_ms = 0

    site: Site
    """As the recording says."""

    @abc.abstractmethod
    def place(self, raw_partition: int) -> tuple[str, int]:
        """Topic, as it is called in the recording, and partition of a number that evidence names."""

    @abc.abstractmethod
    def arrived_ns(self, positions: Set[tuple[int, int]]) -> int | None:
        """When the first of some rows arrived, by raw partition and offset as evidence names them; None: none did."""

    @abc.abstractmethod
    def in_a_runner(self) -> tuple[Runner, Iterator[Batch]]:
        """A runner of the recorded city that has read nothing, and what was recorded for it, from the beginning on."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """Makes stages that have read nothing."""

    @abc.abstractmethod
    def _play(self, after_ns: int) -> Iterator[PlayedTick]:
        """Reads what arrived after a log time."""

    @abc.abstractmethod
    def _stages(self) -> dict[str, bytes]:
        """The state of each stage by its name."""

    @abc.abstractmethod
    def _restore(self, state: StreetState) -> None:
        """Puts all stages into a state of this recording; raises StateError where it does not fit them."""

    def types_of(self, versions: dict[str, str]) -> IncidentTypes:
        """The incident types that a tick names by their hash; where none has it, those in the beginning."""
        for told in self._told_configurations():
            if told.versions["types"] == versions["types"]:
                return told.types
        return self.site.types

    def _told_configurations(self) -> Iterable[Configured]:
        """Those that hold from some time on, where the city was told of any that can be used."""
        return ()

    @property
    @abc.abstractmethod
    def configuration(self) -> str:
        """The version of what holds now."""

    def ticks(self, state: StreetState | None = None) -> Iterator[PlayedTick]:
        """Every tick that the recording closes, in order, each call anew; or those behind a state. Raises StateError
        where that is of another recording.
        """
        self._begin()
        self.head, self.at_rest, self._log_ns, self._due_ms = TreeHead(), False, -1, 0
        state = state or self.begins_with
        if state is not None:
            if state.series != self.series:
                raise StateError(f"{self.path}: wanted a state of {self.series!r}, got one of {state.series!r}")
            self.head, self.at_rest = deepcopy(state.head), True
            self._log_ns, self._due_ms = state.log_ns, state.due_ms
            self._restore(state)
        yield from self._play(self._log_ns)

    def state(self) -> StreetState:
        """The state behind the last tick; raises StateError where the stages do not rest there."""
        if not self.at_rest:
            raise StateError(f"{self.path}: wanted a tick behind which the stages rest, got one amid others")
        return StreetState(
            series=self.series, log_ns=self._log_ns, due_ms=self._due_ms, configuration=self.configuration,
            head=deepcopy(self.head), stages=self._stages(),
        )  # fmt: skip

    def _say(self, closing: Iterable[CityTick | ClosedTick]) -> Iterator[PlayedTick]:
        """Gives ticks that close together; behind the last of them the stages rest."""
        self.at_rest = False
        ticks = iter(closing)
        said = next(ticks, None)
        while said is not None:
            following = next(ticks, None)
            tick = PlayedTick(said, self._log_ns)
            self.head.add(tick.line)
            self._due_ms, self.at_rest = said.record.due_ms, following is None
            yield tick
            said = following
        self.at_rest = True
