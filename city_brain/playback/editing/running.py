"""Whether a street can run a recording from its first row on, found out while it is written."""

from city_brain.bag.reading import Recording
from city_brain.bag.records import Record
from city_brain.distributed import MARK_HEADER
from city_brain.errors import RecordingError, StateError
from city_brain.kafka.topics import CONTROL, raw_partitions
from city_brain.pipeline.configuration import Change
from city_brain.playback.recorded_city import RecordedCity
from city_brain.playback.tap import BLOCKS, RUN


class Runs:
    """What a street needs: a first configuration, marks in every raw partition, no hole in any but `control`."""

    def __init__(self, recording: Recording) -> None:
        """`recording`: one that says whose topics these are."""
        self._why_not, self._begun = "", False
        self._next: dict[tuple[str, int], int] = {}
        self._marked: set[tuple[str, int]] = set()
        self._wanted: list[tuple[str, int]] = []
        try:
            city = RecordedCity.read(recording)
        except RecordingError as wrong:
            self._why_not = str(wrong)
            return
        if city.made_by == RUN:
            self._wanted, self._control = [(CONTROL, 0), (BLOCKS, 0)], (CONTROL, 0)
            self._marked.update(self._wanted)  # blocks have their marks in them, where they have any
            return
        counts = raw_partitions(city.settings.kafka)
        self._wanted = [(city.topic_prefix + topic, at) for topic, count in counts.items() for at in range(count)]
        self._control = (city.topic_prefix + CONTROL, 0)

    def see(self, record: Record) -> None:
        """Takes the next record that was written."""
        if self._why_not:
            return
        place = (record.topic, record.partition)
        if place not in self._wanted:
            return
        wanted = self._next.get(place, record.offset)
        self._next[place] = max(wanted, record.offset + 1)
        if any(name == MARK_HEADER for name, _ in record.headers):
            self._marked.add(place)
        elif place == self._control and not self._begun:
            self._begin(record.value or b"")
        if record.offset > wanted and place != self._control:
            self._why_not = f"{_name(place)}: wanted offset {wanted}, got {record.offset}: there is a hole"

    def why_not(self) -> str:
        """Why no street can run it; empty where one can."""
        if self._why_not:
            return self._why_not
        if not self._begun:
            return f"{_name(self._control)}: wanted the configuration that the city began with, got none"
        if set(self._next) <= {self._control}:
            return "wanted rows, got none"
        silent = [place for place in self._wanted if place not in self._marked]
        return f"{_name(silent[0])}: wanted marks, got none: log time stands still" if silent else ""

    def _begin(self, value: bytes) -> None:
        try:
            self._begun = not Change.from_bytes(value).since_ms
        except StateError as wrong:
            self._why_not = str(wrong)


def _name(place: tuple[str, int]) -> str:
    return f"{place[0]}/{place[1]}"
