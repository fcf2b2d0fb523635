"""Incidents of cities become those of their province: in any order each in exactly one, and the same again."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.incidents.incident import Evidence, Incident, ProvincialIncident, incident_line, read_incident
from city_brain.province.joining.joining import Joining
from city_brain.province.joining.nearby import Nearby
from city_brain.province.joining.nearness import distance_m
from city_brain.province.joining.uniting import Held
from tests.feeds.builders import START_MS, TYPES, an_incident, evidence

KINDS = TYPES.by_name
CITIES = ("370100", "370200", "370300")
METRE = 1.0 / 111_320.0
"""Of latitude, in degrees."""


class Province:
    """A joining, and what it has published so far."""

    def __init__(self) -> None:
        self.joining = Joining(KINDS)
        self.lines: list[bytes] = []
        self.newest: dict[str, ProvincialIncident] = {}
        self.opened: dict[str, int] = {}
        self.held: dict[tuple[str, str], Held] = {}
        self.numbers: Counter[str] = Counter()

    def take(self, city: str, incident: Incident, feed_id: str = "feed") -> list[ProvincialIncident]:
        """The next change of a city."""
        self.numbers[city] += 1
        held = Held(city=city, feed_id=feed_id, number=self.numbers[city], incident=incident)
        self.held[held.key] = held
        return self.publish(self.joining.take(held))

    def publish(self, revisions: list[ProvincialIncident]) -> list[ProvincialIncident]:
        """Appends to the feed of the province, which wants revisions without gaps."""
        for revision in revisions:
            last = self.newest.pop(revision.incident_id, None)
            assert revision.revision == (last.revision + 1 if last else 1)
            self.lines.append(incident_line(revision))
            self.opened.setdefault(revision.incident_id, len(self.lines))
            self.newest[revision.incident_id] = revision
        return revisions

    def restored(self) -> Joining:
        """The same state from what was published, and what the cities said last."""
        published = [(self.opened[one], incident) for one, incident in self.newest.items()]
        return Joining.restored(KINDS, published, self.held.values())

    def members(self) -> dict[tuple[str, str], list[str]]:
        """The provincial incidents of each member; those that went over to another do not count."""
        found: dict[tuple[str, str], list[str]] = {}
        for incident in self.newest.values():
            merged = (incident.reason or "").startswith("merged_into:") and "/" not in (incident.reason or "")
            for member in () if merged else incident.members:
                found.setdefault((member.city, member.incident_id), []).append(incident.incident_id)
        return found


def _near(metres: float, incident_id: str = "a", revision: int = 1, **said: Any) -> Incident:
    """A crash so many metres north of a point."""
    said = {"position_error_m": 1.0, **said}
    return an_incident(incident_id, revision, lat=36.0 + metres * METRE, **said)


def test_one_event_seen_by_two_cities_is_one_incident_with_both_ids() -> None:
    province = Province()
    (first,) = province.take("370100", _near(0, "a", confidence=0.8, level="III"))
    (both,) = province.take("370200", _near(20, "b", confidence=0.95, level="II", first_seen_ms=START_MS - 500))
    assert both.incident_id == first.incident_id
    assert [(member.city, member.incident_id, member.number) for member in both.members] == [
        ("370100", "a", 1),
        ("370200", "b", 1),
    ]
    assert (both.revision, both.confidence, both.level, both.first_seen_ms) == (2, 0.95, "II", START_MS - 500)
    assert both.lat == _near(20).lat, "the one that began first leads"
    assert read_incident(incident_line(both)) == both
    assert both.number == first.number == "370100-0611-001"
    assert both.sources == ("370100/cam-1", "370100/mic-2", "370200/cam-1", "370200/mic-2")
    assert both.place.area_codes[:2] == ("370100", "370200")


@pytest.mark.parametrize(
    "other",
    [
        _near(40, "b"),
        _near(5, "b", type="fire"),
        _near(5, "b", status="exercise"),
        _near(5, "b", first_seen_ms=START_MS + 200_000),
        _near(5, "b", state="withdrawn", reason="faded"),
    ],
    ids=["too far", "other type", "other status", "long after", "withdrawn"],
)
def test_what_may_be_another_event_stays_apart(other: Incident) -> None:
    """30 m and 2 sigma of the difference, 60 s after the end, type and status decide."""
    province = Province()
    province.take("370100", _near(0, "a", state="ended", ended_ms=START_MS + 100_000))
    province.take("370200", other)
    assert len(province.newest) == 2


def test_the_uncertainty_of_both_places_widens_the_reach() -> None:
    province = Province()
    province.take("370100", _near(0, "a", position_error_m=6.0))
    (both,) = province.take("370200", _near(49, "b", position_error_m=8.0))
    assert len(both.members) == 2
    province.take("370300", _near(-51, "c", position_error_m=8.0))
    assert len(province.newest) == 2


def test_a_city_tells_its_own_events_apart() -> None:
    province = Province()
    for name in ("a", "b"):
        province.take("370100", _near(0, name))
    assert [len(incident.members) for incident in province.newest.values()] == [1, 1]


def test_it_goes_on_while_any_member_does_and_is_withdrawn_with_the_last() -> None:
    province = Province()
    over = {"state": "withdrawn", "reason": "faded"}
    province.take("370100", _near(0, "a"))
    province.take("370200", _near(5, "b", state="suspected", detected_ms=None))
    states = [
        province.take("370100", _near(0, "a", 2, state="ended", ended_ms=START_MS + 9_000))[-1].state,
        province.take("370200", _near(5, "b", 2))[-1].state,
        province.take("370200", _near(5, "b", 3, **over))[-1].state,
        province.take("370100", _near(0, "a", 3, **over))[-1].state,
    ]
    assert states == ["ended", "active", "ended", "withdrawn"]


def test_what_a_city_merges_is_merged_at_the_province() -> None:
    """The incident that lost its members says where they are; that of another city goes with them."""
    province = Province()
    (first,) = province.take("370100", _near(0, "a"))
    province.take("370100", _near(50, "b"))
    province.take("370200", _near(52, "c"))
    gone, both = province.take("370100", _near(50, "b", 2, state="withdrawn", reason="merged_into:a"))
    assert (gone.state, gone.reason) == ("withdrawn", f"merged_into:{first.incident_id}")
    assert both.incident_id == first.incident_id
    assert [member.incident_id for member in both.members] == ["a", "b", "c"]
    back, own = province.take("370100", _near(50, "b", 3, state="suspected"))
    assert [member.incident_id for member in back.members] == ["a", "c"]
    assert [member.incident_id for member in own.members] == ["b"]


def test_reasons_name_incidents_of_the_province() -> None:
    province = Province()
    (cause,) = province.take("370100", _near(0, "a"))
    province.take("370100", _near(500, "b"))
    (gone,) = province.take("370100", _near(500, "b", 2, state="withdrawn", reason="explained_by:a"))
    assert gone.reason == f"explained_by:{cause.incident_id}"


def test_a_queue_across_the_border_is_one_by_its_lines() -> None:
    """Heads far apart, but the lines touch: shapes decide, and both are shown."""
    from city_brain.incidents.incident import MultiLineString

    def queue(name: str, first_m: float, last_m: float) -> Incident:
        line = tuple((117.0, 36.0 + metres * METRE) for metres in (first_m, last_m))
        return _near(first_m, name, type="congestion", geometry=MultiLineString((line,)))

    province = Province()
    province.take("370100", queue("a", 0, 400))
    (both,) = province.take("370200", queue("b", 800, 410))
    assert both.geometry is not None
    assert len(both.geometry.coordinates) == 2


def test_evidence_is_united_in_the_order_of_its_telling() -> None:
    def with_evidence(name: str, *pieces: Evidence) -> Incident:
        return _near(0, name, evidence=pieces)

    province = Province()
    province.take("370100", with_evidence("a", evidence("braked", ("cam-1",), 1.0, first_ms=START_MS + 5)))
    (both,) = province.take("370200", with_evidence("b", evidence("bang", ("mic-1",), 2.0)))
    assert [(piece.what, piece.sources) for piece in both.evidence] == [
        ("bang", ("370200/mic-1",)),
        ("braked", ("370100/cam-1",)),
    ]


def test_a_feed_that_begins_anew_withdraws_what_it_does_not_know() -> None:
    province = Province()
    province.take("370100", _near(0, "a"), "old")
    province.take("370100", _near(900, "b"), "old")
    province.numbers.clear()
    province.take("370100", _near(1, "a"), "new")
    (gone,) = province.publish(province.joining.replaced("370100", "new"))
    assert (gone.members[0].incident_id, gone.state, gone.reason) == ("b", "withdrawn", "feed_replaced")


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["new", "move", "end", "back", "fade", "merge"]), st.integers(0, 7)
    ),
    max_size=60,
)  # fmt: skip


def _changes(steps: list[tuple[int, str, int]]) -> list[tuple[str, Incident]]:
    """What three cities say, step by step: crashes on a line of 8 places 12 m apart."""
    said: dict[tuple[int, str], Incident] = {}
    told = []
    for at, (city, what, choice) in enumerate(steps):
        own = sorted(key for key in said if key[0] == city)
        now_ms = START_MS + 1_000 * at
        if what == "new" or not own:
            incident = _near(12.0 * choice, f"{city}-{at}", first_seen_ms=now_ms, updated_ms=now_ms)
        else:
            before = said[own[choice % len(own)]]
            changed: dict[str, Any] = {"revision": before.revision + 1, "updated_ms": now_ms}
            if what == "move":
                changed["lat"] = 36.0 + 12.0 * choice * METRE
            elif what == "end":
                changed |= {"state": "ended", "ended_ms": now_ms, "reason": None}
            elif what == "fade":
                changed |= {"state": "withdrawn", "reason": "faded", "ended_ms": None}
            elif what == "back":
                changed |= {"state": "active", "reason": None, "ended_ms": None}
            else:
                into = said[own[(choice // 2) % len(own)]]
                if into.incident_id != before.incident_id:
                    changed |= {"state": "withdrawn", "reason": f"merged_into:{into.incident_id}", "ended_ms": None}
            incident = msgspec.structs.replace(before, **changed)
        said[(city, incident.incident_id)] = incident
        told.append((CITIES[city], incident))
    return told


def _in_two(province: Province) -> list[str]:
    return [f"{key}: {of}" for key, of in province.members().items() if len(of) != 1]


def _strangers(province: Province) -> list[str]:
    """Provincial incidents with two of one city that the city did not merge."""
    found = []
    members: dict[str, list[tuple[str, str]]] = {}
    for key, of in province.members().items():
        members.setdefault(of[0], []).append(key)
    for provincial_id, keys in members.items():
        for city in CITIES:
            own = [key for key in keys if key[0] == city]
            merged = [
                key
                for key in own
                if province.held[key].incident.state == "withdrawn"
                and (city, (province.held[key].incident.reason or "").removeprefix("merged_into:")) in own
            ]
            if len(own) - len(merged) > 1:
                found.append(f"{provincial_id}: {own}")
    return found


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_any_interleaving_keeps_every_member_in_one_incident(steps: list[tuple[int, str, int]]) -> None:
    """And no two of one city together unless it merged them; the same order gives the same bytes, restored or not."""
    changes = _changes(steps)
    province, again = Province(), Province()
    for at, (city, incident) in enumerate(changes):
        province.take(city, incident)
        if at % 7 == 3:
            again.joining = again.restored()
        again.take(city, incident)
        assert not _in_two(province)
        assert not _strangers(province)
    assert set(province.members()) == {(city, incident.incident_id) for city, incident in changes}
    assert again.lines == province.lines


PLACES = st.lists(
    st.tuples(st.floats(-0.09, 0.09), st.floats(-0.09, 0.09), st.sampled_from([0.0, 1.0, 50.0, 900.0, 30_000.0])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(PLACES, st.sampled_from([0.0, 30.0, 5_000.0]))
def test_the_grid_overlooks_nothing_that_is_near(
    places: list[tuple[float, float, float]], join_radius_m: float
) -> None:
    """Whatever is near by distance is found by cells, also with large errors and extents; and dropped when it goes."""
    kind = msgspec.structs.replace(KINDS["crash"], join_radius_m=join_radius_m)
    incidents = [
        an_incident(f"i{at}", lon=117.0 + lon, lat=36.0 + lat, position_error_m=wide / 3, radius_m=wide / 2)
        for at, (lon, lat, wide) in enumerate(places)
    ]
    nearby = Nearby()
    for incident in incidents:
        nearby.put(("370100", incident.incident_id), incident)
    for incident in incidents:
        found = nearby.around(incident, kind)
        near = [other for other in incidents if distance_m(incident, other, kind) is not None]
        assert {other.incident_id for other in near} <= {key[1] for key in found}
        assert len(found) == len(set(found))
    for incident in incidents:
        nearby.put(("370100", incident.incident_id), msgspec.structs.replace(incident, state="withdrawn"))
    assert [nearby.around(incident, kind) for incident in incidents] == [[] for _ in incidents]
