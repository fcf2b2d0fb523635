"""What a page is told, gathered while a recording is fused: tick by tick, in bounded memory."""

from collections.abc import Callable

from city_brain import __version__
from city_brain.feeds.heartbeat import Heartbeat, heartbeat_of
from city_brain.incidents.incident import Incident
from city_brain.page import document as page
from city_brain.page.curves import Curves
from city_brain.page.ground import ground_of
from city_brain.page.words import kinds, slim, telling, told
from city_brain.runner import ClosedTick, Runner

MOST_BLIND = 5_000
"""Times of blindness that a report holds."""
_HELD_REVISIONS = 2 * page.MOST_REVISIONS
"""Of one incident, before those are dropped that the page would not show."""


class Report:
    """Gathers what a run tells, and makes the document of it at the end."""

    def __init__(self, runner: Runner, zone: str, instant: Callable[[int], str]) -> None:
        """`zone` of printed times; `instant` writes them in it."""
        self._runner, self._zone, self._instant = runner, zone, instant
        self._revisions: dict[str, list[Incident]] = {}
        self._newest: dict[str, Incident] = {}
        self._totals: dict[str, int] = {}
        self._curves = Curves()
        self._blind: list[page.Blind] = []
        self._going_on: dict[str, tuple[int | None, int, int]] = {}
        self._blind_total = 0
        self._beats: list[page.Beat] = []
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self.truth: page.Truth | None = None
        """How good the answers are, where that is known."""

    def take(self, closed: ClosedTick) -> None:
        """Takes a tick that has just closed, before the next one does."""
        due_ms, incidents = closed.record.due_ms, closed.record.incidents
        self._first_ms, self._last_ms = due_ms if self._first_ms is None else self._first_ms, due_ms
        for incident in incidents:
            self._take_revision(incident)
        self._curves.take(self._runner.engines, due_ms, incidents)
        silent = [engine.books.sensors.silent.presence() for engine in self._runner.engines]
        self._take_beat(heartbeat_of(self._runner.ground.city, silent, due_ms))

    def _take_revision(self, incident: Incident) -> None:
        """Remembers a revision; of an incident with very many, those that tell least are dropped."""
        name = incident.incident_id
        held = self._revisions.setdefault(name, [])
        held.append(slim(incident))
        self._newest[name] = incident
        self._totals[name] = self._totals.get(name, 0) + 1
        if len(held) >= _HELD_REVISIONS:
            self._revisions[name] = telling(held)

    def _take_beat(self, beat: Heartbeat) -> None:
        last = self._beats[-1] if self._beats else None
        if last is None or (last.live, last.silent) != (beat.sources_live, beat.sources_silent):
            self._beats.append(page.Beat(beat.log_time_ms, beat.sources_live, beat.sources_silent))
        now = {area.source_id: area.silent_since_ms for area in beat.blind_areas}
        for source in [source for source in self._going_on if source not in now]:
            self._close(source)
        for source, since_ms in now.items():
            known_ms = self._going_on[source][1] if source in self._going_on else beat.log_time_ms
            self._going_on[source] = (since_ms, known_ms, beat.log_time_ms)

    def _close(self, source: str) -> None:
        since_ms, known_ms, until_ms = self._going_on.pop(source)
        self._blind_total += 1
        if len(self._blind) < MOST_BLIND:
            self._blind.append(page.Blind(source_id=source, since_ms=since_ms, known_ms=known_ms, until_ms=until_ms))

    def document(self) -> page.Document:
        """All of it, as it stands at the end of the run."""
        for source in list(self._going_on):
            self._close(source)
        runner, newest = self._runner, self._newest
        for incident in newest.values():
            self._curves.keep(runner.engines, incident)
        ranked = sorted(newest.values(), key=lambda said: (said.detected_ms is None, -said.updated_ms, said.number))
        shown = [incident.incident_id for incident in ranked[: page.MOST_INCIDENTS]]
        shown.sort(key=lambda name: (newest[name].first_seen_ms, newest[name].number))
        ground, limits = ground_of(runner.ground.city)
        curves = {name: self._curves.of(name) for name in shown}
        return page.Document(
            live=False,
            city=runner.city,
            zone=self._zone,
            program=f"city-brain {__version__}",
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            ground=ground,
            types=kinds(runner.types),
            incidents=tuple(self._told(name) for name in shown),
            curves={name: found for name, found in curves.items() if found},
            blind=tuple(self._blind),
            beats=tuple(self._beats),
            counters=runner.counters.flat(),
            truth=self.truth,
            limits=(*limits, *self._limits(shown)),
        )

    def _told(self, name: str) -> page.Told:
        types = self._runner.types
        return told(self._revisions[name], self._newest[name], self._totals[name], types, self._instant)

    def _limits(self, shown: list[str]) -> list[page.Limit]:
        revisions = sum(len(telling(self._revisions[name])) for name in shown)
        counted: list[page.Limit] = [
            page.Limit("incidents", len(shown), len(self._revisions)),
            page.Limit("revisions", revisions, sum(self._totals[name] for name in shown)),
            page.Limit("blind", len(self._blind), self._blind_total),
            page.Limit("curves", len(shown) - min(self._curves.left_out, len(shown)), len(shown)),
        ]
        return [limit for limit in counted if limit.shown < limit.total]
