"""What the demo prints of a city and its incidents: plain text, with colours where a terminal shows them."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console

from city_brain.cli.common import plural
from city_brain.cli.demo.choosing import NearMiss
from city_brain.cli.demo.journey import Journey
from city_brain.incidents.explain import headline, source_names
from city_brain.incidents.incident import Evidence, Incident
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.inquiry.spells import BlindSpell
from city_brain.inquiry.telling import evidence_line, stopped, sum_lines
from city_brain.observations.counters import Counters
from city_brain.scoring.records import Distractor

_SPELLS: Final = 6
_KINDS: Final = 5


class Teller:
    """Prints sections; times are those of `zone`."""

    def __init__(self, types: IncidentTypes, zone: ZoneInfo) -> None:
        self.types, self.zone = types, zone
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def section(self, title: str, rest: str = "") -> None:
        """Begins a section."""
        self._console.print()
        self._console.print(title, style="bold cyan", end="  " if rest else "\n")
        if rest:
            self._console.print(rest)

    def line(self, text: str, style: str = "") -> None:
        """Prints a line of the section."""
        self._console.print(f"  {text}", style=style or None)

    def clock(self, moment_ms: float) -> str:
        """The time of day."""
        return self._at(moment_ms).strftime("%H:%M:%S")

    def instant(self, moment_ms: float) -> str:
        """RFC 3339, to the second."""
        return self._at(moment_ms).isoformat(timespec="seconds")

    def _at(self, moment_ms: float) -> datetime:
        return datetime.fromtimestamp(moment_ms / 1000, self.zone)

    def city(self, journey: Journey, lines: int, start_ms: int, minutes: float) -> None:
        """What kind of city it is, and what arrived."""
        ground, views = journey.site.ground, journey.site.ground.views
        city, roads = ground.city, ground.roads
        west, south, east, north = city.box
        whole_m = float(roads.road_length_m.sum())
        seen = float((views.road_cover * roads.road_length_m).sum()) / whole_m if whole_m else 0.0
        began = self.instant(start_ms)
        self.section("CITY", f"{minutes:g} minutes from {began}, {east - west:.0f} × {north - south:.0f} m")
        self.line(
            f"{plural(len(city.cameras), 'camera')}, {plural(len(city.signals), 'signal')}, "
            f"{plural(len(city.sensors), 'sensor')}; {plural(len(city.intersections), 'junction')}, "
            f"{plural(len(roads.road_id), 'road')}, {whole_m / 1000:.1f} km, "
            f"{100 * seen:.0f} % of it in view"
        )
        self.line(f"{lines} lines arrived, late, twice, skewed and broken ones among them: {journey.observations}")

    def announced(self, incident: Incident) -> None:
        """An incident at the moment of its announcement."""
        said = headline(incident, self.types[incident.type])
        when = self.clock(incident.detected_ms or incident.updated_ms)
        level = f"level {incident.level}" if incident.level else "no level"
        self.line(
            f"{when}  {incident.number}  {incident.type}  confidence {incident.confidence:.3f}, {level}", "bold yellow"
        )
        self.line(f"          {said.en} | {said.zh}")
        self.line(
            f"          {incident.lat:.5f}, {incident.lon:.5f} ± {incident.position_error_m:.1f} m; "
            f"seen at {self.clock(incident.first_seen_ms)} by {source_names(incident.sources)}"
        )

    def why(self, incident: Incident, against: tuple[Incident, Evidence] | None) -> None:
        """One incident's evidence, heaviest first, as a sum, and what speaks `against` it in another revision."""
        said = headline(incident, self.types[incident.type])
        as_of = self.clock(incident.updated_ms)
        self.section("WHY", f"{incident.number} is believed: {said.en}, as of {as_of}")
        self._sum(incident)
        if any(item.weight < 0 for item in incident.evidence):
            return
        if against is None:
            self.line("nothing ever spoke against it")
            return
        when = self.clock(against[0].updated_ms)
        self.line(f"against it at another time: as of {when}, when its confidence was {against[0].confidence:.3f}")
        self.line(evidence_line(against[1], "", self.types, self.clock), "red")

    def _sum(self, incident: Incident) -> None:
        """Prior and evidence, and the sum that they give as printed."""
        for told in sum_lines(incident, self.types, self.clock):
            self.line(told.text, "red" if told.against else "")

    def near_miss(self, miss: NearMiss | None, quiet: Sequence[Distractor], distractors: int) -> None:
        """What nearly became a false alarm, what stopped it, and how many hard negatives raised no suspicion."""
        if miss is None:
            self.section("NEAR MISS", "none: nothing was suspected but what was announced or real")
        else:
            self._missed(miss)
        kinds = sorted({near.kind.replace("_", " ") for near in quiet})
        some = f": {', '.join(kinds[:_KINDS])}" + ("" if len(kinds) <= _KINDS else ", …") if kinds else ""
        self.line(f"{len(quiet)} of {distractors} hard negatives raised no suspicion at all{some}")

    def _missed(self, miss: NearMiss) -> None:
        suspicion = miss.suspicion
        surest = suspicion.surest
        as_of = self.clock(surest.updated_ms)
        what = f"{surest.number} {headline(surest, self.types[surest.type]).en}"
        self.section("NEAR MISS", f"{what}: suspected, never announced; at its surest, as of {as_of}")
        self._sum(surest)
        other = suspicion.strongest_against
        if other is not None and other not in surest.evidence:
            self.line("against it at another time:")
            self.line(evidence_line(other, "", self.types, self.clock), "red")
        self.line(f"stopped: {stopped(suspicion, self.types, self.clock)}")
        if miss.distractor is None:
            self.line("in truth no incident, and no hard negative near: ordinary traffic", "green")
        else:
            kind_of = miss.distractor.kind.replace("_", " ")
            self.line(f"in truth no incident, but a {kind_of} {miss.away_m:.0f} m away", "green")

    def blind(self, journey: Journey) -> None:
        """Who is silent at the end, which areas were blind meanwhile, and where no camera looks at all."""
        beat = journey.spells.heartbeat
        if beat is None:
            self.section("BLIND", "nothing was judged")
            return
        are = "is" if beat.sources_silent == 1 else "are"
        speaking = plural(beat.sources_live, "source")
        self.section("BLIND", f"at the end {speaking} can be heard, {beat.sources_silent} {are} silent or never spoke")
        spells = sorted(journey.spells.all, key=lambda spell: (-spell.area.radius_m, spell.since_ms))
        for spell in spells[:_SPELLS]:
            self.line(self._spell(spell, journey.spells.goes_on(spell)))
        if not spells:
            self.line("no source that should speak fell silent")
        if len(spells) > _SPELLS:
            self.line(f"and {plural(len(spells) - _SPELLS, 'more time')} that a source was silent")
        roads = journey.site.ground.roads
        unseen_m = float(((1.0 - journey.site.ground.views.road_cover) * roads.road_length_m).sum())
        self.line(f"{unseen_m:.0f} m of road that no camera looks at: only people and sensors can tell")

    def _spell(self, spell: BlindSpell, goes_on: bool) -> str:
        area = spell.area
        until = "and still is" if goes_on else f"until {self.clock(spell.until_ms)}"
        around = f", {area.radius_m:.0f} m around {area.lat:.5f}, {area.lon:.5f}" if area.radius_m else ""
        return f"{area.source_id} silent from {self.clock(spell.since_ms)} {until}{around}"

    def rows(self, counters: Counters, held: int) -> None:
        """Where every row ended, as a sum."""
        counters.check(held)
        self.section("ROWS", "every line that arrived ends in exactly one counter")
        for name, count, why in (
            ("used", counters.used, f"{counters.late} of them late, and used all the same"),
            ("duplicate", counters.duplicate, ""),
            ("quarantined", sum(counters.quarantined.values()), _reasons(counters.quarantined)),
            ("dead-lettered", sum(counters.dead_lettered.values()), _reasons(counters.dead_lettered)),
            ("held", held, "" if held else "nothing waits for its tick"),
        ):
            self.line(f"{count:9}  {name:14} {why}".rstrip())
        self.line(f"{counters.read:9}  read")


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
