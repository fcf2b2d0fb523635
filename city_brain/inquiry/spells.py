"""Times in which a source that should speak was silent, or one that is blind said so: noted tick by tick."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from city_brain.feeds.heartbeat import BlindArea, Heartbeat, heartbeat_of
from city_brain.runner import Runner


@dataclass(slots=True)
class BlindSpell:
    """A time in which an area was blind, epoch ms by log time; `until_ms` is the last tick in which it was."""

    area: BlindArea
    since_ms: int
    until_ms: int


@dataclass(slots=True)
class Spells:
    """All spells so far in order of their beginning, and the last heartbeat that they were read off."""

    all: list[BlindSpell] = field(default_factory=list)
    heartbeat: Heartbeat | None = None

    def take(self, runner: Runner, due_ms: int) -> None:
        """Takes the presence of a runner's sources after the tick that was due."""
        silent = [engine.books.sensors.silent.presence() for engine in runner.engines]
        beat = heartbeat_of(runner.ground.city, silent, due_ms)
        before = {area.source_id for area in self.heartbeat.blind_areas} if self.heartbeat else set()
        going_on = {spell.area.source_id: spell for spell in self.all}
        for area in beat.blind_areas:
            if area.source_id in before:
                going_on[area.source_id].until_ms = due_ms
            else:
                since_ms = due_ms if area.silent_since_ms is None else area.silent_since_ms
                self.all.append(BlindSpell(area, since_ms, due_ms))
        self.heartbeat = beat

    def of(self, source_id: str) -> Sequence[BlindSpell]:
        """The spells of one source."""
        return [spell for spell in self.all if spell.area.source_id == source_id]

    def goes_on(self, spell: BlindSpell) -> bool:
        """Whether a spell had not ended when the last tick was read."""
        return self.heartbeat is not None and spell.until_ms == self.heartbeat.log_time_ms
