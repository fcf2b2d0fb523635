"""What must hold of the incident that the mission shows, each as what was wanted and what was got."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from city_brain.city.city_map import CityMap
from city_brain.cli.common import plural
from city_brain.cli.demo.choosing import enough
from city_brain.distributed import RAW_TOPICS
from city_brain.incidents.hypothesis import LogPosition
from city_brain.incidents.incident import Evidence, Incident, ProvincialIncident, incident_line
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.scoring import Truth
from city_brain.scoring.matching import metres
from city_brain.wire.province.v1 import province_pb2
from tests.chaos.checker import Verdict
from tests.chaos.oracle import Wanted
from tests.mission.camera import CAMERA
from tests.mission.films import Film
from tests.mission.province import at_home

KINDS: Final = ("camera", "signal", "sensor")
WITHIN_M: Final = 10.0
WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold: `got` is told where it does, `wanted` too where it does not."""

    what: str
    wanted: str
    got: str
    holds: bool

    def __str__(self) -> str:
        return (
            f"  ok     {self.what}: {self.got}"
            if self.holds
            else f"  WRONG  {self.what}: wanted {self.wanted}, got {self.got}"
        )


class _Line(msgspec.Struct):
    incidents: list[msgspec.Raw]


def sources_by_kind(
    incident: Incident, city: CityMap, evidence: Iterable[Evidence] | None = None
) -> dict[str, dict[str, list[str]]]:
    """Sources on the map behind an incident's evidence, or some of it, by kind, with the codes of what they say."""
    listed = {"camera": city.cameras, "signal": city.signals, "sensor": city.sensors}
    kind_of = {source.id: kind for kind, sources in listed.items() for source in sources}
    found: dict[str, dict[str, list[str]]] = {}
    for item in incident.evidence if evidence is None else evidence:
        for source in item.sources:
            if source in kind_of:
                found.setdefault(kind_of[source], {}).setdefault(source, []).append(item.what)
    return found


def chosen(incidents: Iterable[Incident], city: CityMap, camera: str) -> Incident | None:
    """Of the active incidents that all kinds of sources and `camera` speak for the surest, the first of equals."""
    found = [(incident, sources_by_kind(incident, city)) for incident in incidents if incident.state == "active"]
    whole = [
        incident
        for incident, by_kind in found
        if all(kind in by_kind for kind in KINDS) and camera in by_kind["camera"]
    ]
    return min(whole, key=lambda incident: (-incident.confidence, incident.detected_ms, incident.number), default=None)


def of_evidence(incident: Incident, city: CityMap) -> Check:
    """Cameras, signals and sensors on the map speak in it."""
    found = sources_by_kind(incident, city)
    told = "; ".join(f"{kind} {_said(found[kind])}" for kind in KINDS if kind in found)
    return Check("evidence", "camera, signal and sensor", told, all(kind in found for kind in KINDS))


def _said(by_source: Mapping[str, list[str]]) -> str:
    codes = sorted({code for said in by_source.values() for code in said})
    first = next(iter(by_source))
    more = f" and {len(by_source) - 1} more" if len(by_source) > 1 else ""
    return f"{first}{more} ({', '.join(codes)})"


def of_positions(incident: Incident, city: CityMap, places: Sequence[tuple[str, int]]) -> Check:
    """The log positions of what cameras or sensors alone say stand in the raw topic of their kind.

    `places`: topic and partition of each raw log.
    """
    topics = dict(zip(KINDS, RAW_TOPICS, strict=False))
    found: dict[str, Counter[str]] = {}
    for item in incident.evidence:
        kinds = list(sources_by_kind(incident, city, [item]))
        if item.rows and len(kinds) == 1:
            found.setdefault(kinds[0], Counter()).update(places[raw][0] for raw, _, _ in item.rows)
    told = "; ".join(f"{rows} of {kind} in {topic}" for kind in found for topic, rows in found[kind].items())
    holds = {"camera", "sensor"} <= found.keys() and all(list(rows) == [topics[kind]] for kind, rows in found.items())
    return Check("positions", "those of cameras and sensors in their topics", told or "none", holds)


def of_pixels(incident: Incident, city: CityMap, stored: Set[LogPosition], told: int, film: Film) -> Check:
    """All that cameras say for it comes from the pixels of a film, and stands where the evidence says.

    `stored`: where the rows of the film's camera lie; `told`: how many its network gave.
    """
    found = [item for item in incident.evidence if list(sources_by_kind(incident, city, [item])) == ["camera"]]
    cameras = sorted({source for item in found for source in item.sources})
    rows = sorted({row for item in found for row in item.rows})
    offsets = ", ".join(str(offset) for offset in sorted({offset for _, offset, _ in rows})) or "none"
    wanted = f"rows of {CAMERA} alone, {told} of them in {RAW_TOPICS[0]}"
    got = (
        f"{plural(len(rows), 'row')} of {', '.join(cameras) or 'no camera'}, at offsets {offsets} of {RAW_TOPICS[0]}; "
        f"{len(stored)} lie there, seen by {film.network} in a film, {film.told}"
    )
    holds = cameras == [CAMERA] and bool(rows) and set(rows) <= stored and len(stored) == told
    return Check("pixels", wanted, got, holds)


def of_belief(incident: Incident, types: IncidentTypes) -> Check:
    """It is an alarm, as sure as its type asks, with a proposed level."""
    kind = types[incident.type]
    least = enough(kind)
    got = f"{incident.type} {incident.state}, confidence {incident.confidence:.3f}, level {incident.level}"
    levels = [rung.level for rung in kind.levels]
    holds = incident.state == "active" and incident.confidence >= least and incident.level in levels
    return Check("belief", f"active, confidence {least:.3f} or more, level {' or '.join(levels)}", got, holds)


def of_bytes(incident: Incident, wanted: Wanted) -> Check:
    """Its canonical line, as it came over gRPC, is the one that the street in one process writes of the same rows."""
    line = incident_line(incident)
    said = [bytes(raw) for tick in wanted.lines.values() for raw in msgspec.json.decode(tick, type=_Line).incidents]
    same = [other for other in said if _identity(other) == _identity(line)]
    told = f"{incident.number} revision {incident.revision}, {len(line)} bytes"
    if same == [line]:
        return Check("bytes", told, f"{told}, as one process says it", True)
    return Check("bytes", b" ".join(same).decode() or "that revision", line.decode(), False)


def _identity(line: bytes) -> tuple[Any, Any]:
    read = msgspec.json.decode(line)
    return read["incident_id"], read["revision"]


def of_explanation(incident: Incident, explained: Incident, text: str) -> Check:
    """The explanation that the server gives is of this revision, and says every piece of evidence."""
    same = incident_line(explained) == incident_line(incident) and incident.number in text
    got = f"{incident.number} revision {explained.revision}, {len(text.splitlines())} lines"
    return Check("explained", f"{incident.number} revision {incident.revision}", got, same)


def of_topics(verdict: Verdict, wanted: Wanted) -> list[Check]:
    """What every topic holds is what one process says, and every row ended in one counter."""
    whole = f"{len(wanted.lines)} ticks, {len(wanted.parts)} of partitions, {len(wanted.refused)} letters"
    ends = Counter[str]()
    for name, count in verdict.rows.items():
        if name not in ("read", "late"):
            ends[name.partition(".")[0].replace("_", "-")] += count
    read = verdict.rows.get("read", 0)
    told = f"{read} read, {' + '.join(f'{ends[name]} {name}' for name in sorted(ends))}"
    return [
        Check("topics", f"{whole}, as one process", "; ".join(verdict.differences) or whole, not verdict.differences),
        Check("rows", "each in one counter", told, ends.total() == read > 0),
    ]


def of_province(far: ProvincialIncident, incident: Incident, city: CityMap, link: province_pb2.City) -> list[Check]:
    """The province has the same incident with the same evidence, once, and all else that the city has."""
    members = ", ".join(f"{member.city}:{member.incident_id} revision {member.revision}" for member in far.members)
    own = [(member.incident_id, member.revision) for member in far.members] == [
        (incident.incident_id, incident.revision)
    ]
    found = sources_by_kind(at_home(far), city)
    told = f"{far.number} of {members}, by {' + '.join(found)}"
    both = f"{link.change_number} changes, digest {link.digest.hex()[:16]}"
    here = f"{link.city_change_number} changes, digest {link.city_digest.hex()[:16]}"
    same = link.agrees and link.change_number == link.city_change_number == link.compared_change_number > 0
    return [
        Check(
            "province", f"{incident.number} with {', '.join(KINDS)}", told, own and all(kind in found for kind in KINDS)
        ),
        Check("both ends", here, both, bool(same)),
    ]


def of_truth(incident: Incident, truth: Truth) -> Check:
    """Such an event really happened, there and then."""
    wanted = f"a true {incident.type} within {WITHIN_M:g} m and {WITHIN_S:g} s"
    away = sorted(
        (metres((true.lon, true.lat), (incident.lon, incident.lat)), abs(true.start - incident.first_seen_ms) / 1000)
        for true in truth.incidents
        if true.type == incident.type
    )
    near = [(m, s) for m, s in away if m <= WITHIN_M and s <= WITHIN_S]
    told = ", ".join(f"one {m:.1f} m and {s:.1f} s away" for m, s in (near or away)[:3]) or "none"
    return Check("truth", wanted, told, bool(near))


def of_programs(complaints: Iterable[object]) -> Check:
    """No program ended by itself, and each ended well when it was told to."""
    told = "; ".join(map(str, complaints))
    return Check("programs", "all running until told to stop", told or "all ended when told to", not told)
