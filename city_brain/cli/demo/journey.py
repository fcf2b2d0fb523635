"""A world on disk run through the street: its answers beside it, and what was seen on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from city_brain.cli.common import Progress, open_map
from city_brain.cli.outputs import Outputs
from city_brain.incidents.incident import Incident
from city_brain.inquiry.spells import Spells
from city_brain.page.report import Report
from city_brain.replay.replay import Answer
from city_brain.replay.stream import StreamReader
from city_brain.runner import ClosedTick, Runner
from city_brain.site import Site
from city_brain.sources.recording import read_blocks
from city_brain.synth.files import MAP, OBSERVATIONS

INCIDENTS: Final = "incidents.jsonl"
TICKS: Final = "ticks.jsonl"
TRACKS: Final = "tracks.jsonl"
REPORT: Final = "report.html"


@dataclass(slots=True)
class Journey:
    """What came of a world: `answer` has the tick log, `revisions` all that was said, in order."""

    site: Site
    folder: Path
    runner: Runner
    answer: Answer = field(default_factory=Answer)
    revisions: list[Incident] = field(default_factory=list)
    spells: Spells = field(default_factory=Spells)
    report: Report | None = None
    """What gathers the page, where one is wanted."""

    @classmethod
    def of(cls, folder: Path) -> "Journey":
        """The journey of the world in a folder, still to be made."""
        site = open_map(folder / MAP)
        return cls(site, folder, site.runner())

    @property
    def observations(self) -> Path:
        """What arrived."""
        return self.folder / OBSERVATIONS

    def make(self, announce: Callable[[Incident], None]) -> None:
        """Fuses the world, hands over each incident when it is announced, and writes incidents, ticks and tracks."""
        incidents, tracks, ticks = (str(self.folder / name) for name in (INCIDENTS, TRACKS, TICKS))
        progress = Progress("fuse")
        with Outputs(incidents, tracks, ticks, self.site.source_names) as outputs:
            reader = StreamReader(self.runner)
            for closed in reader.read(read_blocks(self.observations)):
                outputs.take(closed)
                self._take(closed, announce)
                progress.show(f"{self.answer.head.size} ticks, {self.runner.counters.read} rows")
            outputs.remaining_tracks(self.runner)
        progress.done()
        if reader.broken:
            raise reader.broken

    def _take(self, closed: ClosedTick, announce: Callable[[Incident], None]) -> None:
        self.answer.take(closed)
        if self.report is not None:
            self.report.take(closed)
        due_ms = closed.record.due_ms
        for incident in closed.record.incidents:
            self.revisions.append(incident)
            if incident.state == "active" and incident.detected_ms == due_ms:
                announce(incident)
        self.spells.take(self.runner, due_ms)
