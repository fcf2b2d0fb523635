"""One event becomes one incident: it is announced, revised, ended, re-opened; each test states one rule."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.errors import StateError
from city_brain.incidents.desk import DeskSettings
from city_brain.incidents.desk.case import civil_date
from city_brain.incidents.incident import MultiLineString
from city_brain.numerics import hash63
from tests.incidents.kit import START_MS, Play, evidence, finding, new_desk, street


def test_a_strong_finding_is_announced_in_its_tick() -> None:
    (said,) = Play().step(finding("crash"))
    assert (said.state, said.revision, said.number, said.type) == ("active", 1, "0611-001", "crash")
    assert said.detected_ms == said.updated_ms == START_MS + 3000
    assert said.first_seen_ms == START_MS
    assert said.ended_ms is None
    assert (said.sources, said.confidence, said.level) == (("cam-1",), 0.953, "III")


def test_a_weak_finding_is_suspected_and_no_alarm() -> None:
    (said,) = Play().step(finding("crash", log_odds=1.0))
    assert (said.state, said.detected_ms, said.level) == ("suspected", None, None)


def test_below_suspicion_nothing_is_said() -> None:
    assert Play().step(finding("crash", log_odds=-0.5), times=5) == []


def test_a_suspicion_that_fades_is_withdrawn() -> None:
    play = Play()
    play.step(finding("crash", log_odds=1.0))
    (said,) = play.step(times=40)
    assert (said.state, said.reason, said.revision, said.ended_ms) == ("withdrawn", "faded", 2, None)


def test_hysteresis_keeps_an_announced_incident_between_the_thresholds() -> None:
    play = Play()
    play.step(finding("crash", log_odds=2.5))
    said = play.step(finding("crash", log_odds=0.5), times=60)
    assert {incident.state for incident in said} == {"active"}
    assert said[-1].confidence == pytest.approx(0.622)


def test_no_finding_for_the_close_gap_ends_the_incident() -> None:
    play = Play()
    play.step(finding("crash"))
    (said,) = play.step(times=60)
    assert (said.state, said.ended_ms) == ("ended", START_MS + 3000 + 31_000)
    assert said.confidence == 0.953
    assert said.sources == ("cam-1",)
    assert len(said.evidence) == 1


def test_an_end_that_was_seen_ends_it_at_once() -> None:
    play = Play()
    play.step(finding("crash"))
    (said,) = play.step(finding("crash", gone=True))
    assert (said.state, said.ended_ms) == ("ended", START_MS + 4000)


def test_the_same_event_soon_after_its_end_goes_on_as_the_same_incident() -> None:
    play = Play()
    (first,) = play.step(finding("crash"))
    play.step(finding("crash", gone=True))
    (back,) = play.step(finding("crash", key="another track", x=105.0, at_s=2))
    assert (back.incident_id, back.state, back.ended_ms) == (first.incident_id, "active", None)
    assert back.detected_ms == first.detected_ms
    assert back.revision == 3


def test_the_same_key_long_after_its_end_is_another_incident() -> None:
    play = Play()
    (first,) = play.step(finding("crash"))
    play.step(finding("crash", gone=True))
    play.step(times=200)
    (other,) = play.step(finding("crash", at_s=202))
    assert other.incident_id != first.incident_id
    assert (other.number, other.revision) == ("0611-002", 1)


@pytest.mark.parametrize(("kind", "soon_s", "later_s"), [("red_light_running", 290, 310), ("signal_fault", 130, 150)])
def test_a_junction_whose_incident_was_over_for_a_while_has_another_one(kind: str, soon_s: int, later_s: int) -> None:
    """A signal that was well for two minutes, or five of lamps obeyed: what comes sooner is the same trouble."""
    for quiet_s, incidents in ((soon_s, 1), (later_s, 2)):
        play = Play()
        play.step(finding(kind))
        play.step(times=quiet_s)
        play.step(finding(kind, at_s=quiet_s))
        assert len(play.latest()) == incidents


def test_findings_of_one_type_near_each_other_are_one_incident() -> None:
    play = Play()
    play.step(finding("crash", "a", x=100.0), finding("crash", "b", x=120.0))
    play.step(finding("crash", "c", x=200.0))
    assert sorted(incident.number for incident in play.latest().values()) == ["0611-001", "0611-002"]


def test_bad_positions_reach_further_but_not_without_limit() -> None:
    near, far = 100.0 + 45.0, 100.0 + 65.0
    for x, incidents in ((near, 1), (far, 2)):
        play = Play()
        play.step(finding("crash", "a", position_error_m=50.0), finding("crash", "b", x=x, position_error_m=50.0))
        assert len(play.latest()) == incidents


def test_exercises_do_not_join_actual_incidents() -> None:
    play = Play()
    play.step(finding("crash", "a"), finding("crash", "b", status="exercise"))
    assert sorted(incident.status for incident in play.latest().values()) == ["actual", "exercise"]


def test_rival_readings_do_not_add_up() -> None:
    play = Play()
    other = evidence(camera="cam-2", weight=2.5)
    play.step(finding("crash", "a", log_odds=1.5), finding("crash", "b", x=105.0, log_odds=1.5, evidence=(other,)))
    (said,) = play.latest().values()
    assert said.state == "suspected"
    assert [item.weight for item in said.evidence] == [2.5, 0.0]


def test_one_hypothesis_seen_by_two_partitions_adds_their_sources() -> None:
    desk = new_desk()
    ours = finding("crash", log_odds=1.5, evidence=(evidence(camera="cam-1", weight=2.5),))
    both = (evidence(camera="cam-1", weight=2.0), evidence(camera="cam-2", weight=2.0))
    theirs = finding("crash", log_odds=1.0, evidence=both)
    (said,) = desk.step(0, START_MS + 3000, [[ours], [theirs]]).incidents
    assert said.state == "active"
    assert said.sources == ("cam-1", "cam-2")
    assert sorted(item.weight for item in said.evidence) == [2.0, 2.5]
    assert said.confidence == pytest.approx(1 / (1 + 2.718281828**-3.5), abs=1e-3)


def test_revisions_of_an_unchanged_state_are_limited_and_need_news() -> None:
    play = Play()
    play.step(finding("crash"))
    assert play.step(finding("crash"), times=30) == []
    play = Play()
    play.step(finding("crash"))
    said = [revision for n in range(1, 26) for revision in play.step(finding("crash", x=100.0 + n))]
    assert [incident.updated_ms for incident in said] == [START_MS + 13_000, START_MS + 23_000]


def test_a_new_source_is_news() -> None:
    play = Play()
    play.step(finding("crash"), times=11)
    second = (evidence(weight=4.0), evidence(camera="cam-2", weight=0.01))
    (said,) = play.step(finding("crash", evidence=second))
    assert said.sources == ("cam-1", "cam-2")
    assert said.evidence[0].sources == ("cam-1",)


def test_numbers_count_by_the_day_of_the_city() -> None:
    midnight_s = 14 * 3600
    play = Play()
    play.step(finding("crash", "a", at_s=midnight_s - 1), finding("crash", "b", x=300.0, at_s=midnight_s))
    play.step(finding("fire", "c", at_s=midnight_s + 5))
    assert [i.number for i in play.latest().values()] == ["0611-001", "0612-001", "0612-002"]
    for offsets, day in ((((0, 0),), "0611"), (((0, 0), (START_MS, 28_800)), "0612")):
        play = Play(new_desk(DeskSettings(utc_offsets=offsets)))
        (said,) = play.step(finding("crash", at_s=midnight_s))
        assert said.number == f"{day}-001"


@given(st.dates())
def test_days_have_their_dates(day: date) -> None:
    assert civil_date((day - date(1970, 1, 1)).days) == (day.year, day.month, day.day)


def test_levels_rise_with_magnitude_and_do_not_fall_by_themselves() -> None:
    play = Play()
    play.step(finding("waterlogging", magnitude=90.0))
    (risen,) = play.step(finding("waterlogging", magnitude=310.0), times=12)
    assert (play.records[0].incidents[0].level, risen.level) == ("IV", "II")
    assert play.step(finding("waterlogging", magnitude=90.0), times=20) == []
    (ended,) = play.step(finding("waterlogging", gone=True))
    assert ended.level == "II"


def test_records_carry_the_versions_of_all_that_decides() -> None:
    versions = [
        Play(new_desk(settings)).desk.step(0, START_MS, []).versions for settings in (None, DeskSettings(moved_m=3))
    ]
    assert sorted(versions[0]) == ["desk", "map", "types"]
    assert (versions[0]["map"], versions[0]["types"]) == ("m1", versions[1]["types"])
    assert versions[0]["desk"] != versions[1]["desk"]


def test_the_place_has_words_and_codes() -> None:
    play = Play()
    play.step(finding("crash", "a", x=5.0), finding("crash", "b", x=200.0), finding("crash", "c", x=800.0, y=900.0))
    by_lon = sorted(play.latest().values(), key=lambda incident: incident.lon)
    junction, road, nowhere = (incident.place for incident in by_lon)
    assert (junction.intersection, junction.road) == ("J1", "R1")
    assert junction.names == {"zh": "解放路口", "en": "Jiefang crossing"}
    assert (road.intersection, road.road, road.names["zh"]) == (None, "R1", "解放路")
    assert (nowhere.intersection, nowhere.road, nowhere.names) == (None, None, {})


def test_published_numbers_are_rounded() -> None:
    exact = evidence(weight=4.123456, distance_m=12.3456)
    (said,) = Play().step(finding("crash", x=100.123456789, position_error_m=1.2345, evidence=(exact,)))
    lon, lat = street().frame.to_degrees(100.123456789, 0.0)
    assert (said.lon, said.lat, said.position_error_m) == (round(lon, 7), round(lat, 7), 1.2)
    assert (said.evidence[0].weight, said.evidence[0].distance_m) == (4.123, 12.3)


def test_evidence_and_rows_are_limited() -> None:
    many = tuple(evidence(f"w{n:02d}", weight=n / 10, rows=tuple((0, n, k) for k in range(40))) for n in range(1, 60))
    (said,) = Play().step(finding("crash", evidence=many))
    assert len(said.evidence) == 40
    assert min(item.weight for item in said.evidence) == 2.0
    assert [row[2] for row in said.evidence[0].rows] == [*range(8), *range(32, 40)]


def test_a_source_that_is_not_on_the_map_is_named_by_its_key() -> None:
    (said,) = Play().step(finding("crash", evidence=(evidence(camera="hotline"),)))
    assert said.sources == (f"source:{hash63('hotline'):016x}",)


def test_a_queue_over_several_roads_is_one_incident_with_its_head_as_place() -> None:
    play = Play()
    head = finding("congestion", "R1", x=380.0, path=((380.0, 0.0), (20.0, 0.0)))
    tail = finding("congestion", "R2", x=-20.0, path=((-20.0, 0.0), (-300.0, 0.0)), log_odds=6.0, causes=("R1",))
    play.step(tail, head)
    said = play.only()
    assert len(play.latest()) == 1
    assert said.place.road == "R1"
    assert isinstance(said.geometry, MultiLineString)
    assert [len(line) for line in said.geometry.coordinates] == [2, 2]
    assert said.geometry.coordinates[0][0] == (said.lon, said.lat)


def test_two_jams_that_grow_together_become_the_older_one() -> None:
    play = Play()
    west = finding("congestion", "W", x=0.0, path=((0.0, 0.0), (-200.0, 0.0)))
    east = finding("congestion", "E", x=300.0, path=((300.0, 0.0), (200.0, 0.0)))
    (first,) = play.step(west)
    (second,) = play.step(west, east)
    grown = finding("congestion", "E", x=300.0, path=((300.0, 0.0), (30.0, 0.0)))
    merged = play.step(west, grown, times=12)
    gone = next(incident for incident in merged if incident.incident_id == second.incident_id)
    assert (gone.state, gone.reason) == ("withdrawn", f"merged_into:{first.incident_id}")
    left = play.latest()[first.incident_id]
    assert left.state == "active"
    assert left.geometry is not None
    assert len(left.geometry.coordinates) == 2
    assert len(play.desk.state.cases) == 1


def test_two_queues_before_one_junction_are_two_jams() -> None:
    play = Play()
    west = finding("congestion", "W", x=-15.0, path=((-15.0, 0.0), (-200.0, 0.0)))
    south = finding("congestion", "S", x=0.0, y=-15.0, path=((0.0, -15.0), (0.0, -200.0)))
    play.step(west, times=12)
    play.step(west, south, times=12)
    assert [incident.state for incident in play.latest().values()] == ["active", "active"]


def test_ticks_come_without_gaps() -> None:
    desk = new_desk()
    desk.step(7, START_MS, [])
    with pytest.raises(StateError, match="wanted tick 8, got 9"):
        desk.step(9, START_MS, [])


def test_what_cannot_be_judged_is_refused_and_counted() -> None:
    play = Play()
    bad_note = evidence(note={"speed_mps": float("nan")})
    play.step(
        finding("crash", x=float("nan")),
        finding("volcano"),
        finding("crash", "n", evidence=(bad_note,)),
        finding("fire"),
    )
    counters = play.records[0].counters
    assert (counters["findings"], counters["findings_refused"], counters["confirmed"]) == (4, 3, 1)


def test_a_closed_incident_is_forgotten_and_so_is_all_of_it() -> None:
    play = Play()
    play.step(finding("wrong_way"))
    play.step(times=1)
    assert len(play.desk.state.cases) == 1
    play.step(times=700)
    state = play.desk.state
    assert (state.cases, state.owner) == ({}, {})
