"""One cause per set of facts: what an incident explains becomes its evidence, and is no incident of its own."""

from city_brain.numerics import hash63
from tests.incidents.kit import Play, evidence, finding


def test_a_finding_explained_by_an_active_incident_opens_none_of_its_own() -> None:
    play = Play()
    play.step(finding("crash"))
    person = finding("pedestrian_on_carriageway", "p", x=110.0, at_s=5, evidence=(evidence("walks", "cam-2", at_s=5),))
    play.step(finding("crash"), person, times=30)
    said = play.only()
    (joined,) = [item for item in said.evidence if item.rule != "crash"]
    assert (joined.rule, joined.what, joined.sources, joined.distance_m) == (
        "pedestrian_on_carriageway",
        "walks",
        ("cam-2",),
        10.0,
    )
    assert joined.weight == 0.7
    assert said.confidence == 0.976
    assert len(play.latest()) == 1


def test_what_began_long_before_the_cause_is_not_explained_by_it() -> None:
    play = Play()
    stop = finding("stopped_vehicle", "s", x=110.0, at_s=-60)
    play.step(stop)
    play.step(stop, finding("crash"), times=20)
    assert sorted(incident.type for incident in play.latest().values()) == ["crash", "stopped_vehicle"]
    assert {incident.state for incident in play.latest().values()} == {"active"}


def test_what_is_far_from_the_cause_is_not_explained_by_it() -> None:
    play = Play()
    play.step(finding("crash"), finding("stopped_vehicle", "s", x=200.0))
    assert len(play.latest()) == 2


def test_an_announcement_waits_a_few_seconds_while_a_cause_is_forming() -> None:
    play = Play()
    stop = finding("stopped_vehicle", "s", x=105.0)
    assert [said.type for said in play.step(finding("crash", log_odds=1.0), stop, times=4)] == ["crash"]
    play.step(finding("crash", log_odds=3.0), stop)
    assert {incident.type for incident in play.latest().values()} == {"crash"}
    assert play.only().evidence[-1].rule == "stopped_vehicle"


def test_a_cause_that_never_forms_only_delays_its_effect() -> None:
    play = Play()
    stop = finding("stopped_vehicle", "s", x=105.0)
    play.step(finding("crash", log_odds=1.0), stop, times=12)
    said = play.only()
    assert said.type == "stopped_vehicle"
    assert said.detected_ms == play.records[6].due_ms


def test_an_effect_that_waits_lends_its_weight_to_the_cause() -> None:
    play = Play()
    person = finding("pedestrian_on_carriageway", "p", x=105.0)
    play.step(finding("crash", log_odds=1.6), person, times=3)
    assert play.only().type == "crash"


def test_an_announced_effect_is_withdrawn_when_its_cause_shows() -> None:
    play = Play()
    stop = finding("stopped_vehicle", "s", x=105.0, at_s=1)
    (first,) = play.step(stop)
    said = play.step(stop, finding("crash"))
    cause = next(incident for incident in said if incident.type == "crash")
    effect = next(incident for incident in said if incident.type == "stopped_vehicle")
    assert (effect.incident_id, effect.state) == (first.incident_id, "withdrawn")
    assert effect.reason == f"explained_by:{cause.incident_id}"
    assert effect.ended_ms is None
    assert len(effect.evidence) == 1


def test_effects_stay_explained_after_their_cause_has_ended() -> None:
    play = Play()
    queue = finding("congestion", "q", x=110.0, path=((110.0, 0.0), (300.0, 0.0)), at_s=30)
    play.step(finding("crash"))
    play.step(finding("crash"), queue, times=5)
    play.step(finding("crash", gone=True), queue)
    play.step(queue, times=1500)
    assert [incident.type for incident in play.latest().values()] == ["crash"]


def test_a_queue_that_grows_beyond_what_its_cause_reaches_stays_explained() -> None:
    play = Play()
    near = finding("congestion", "q1", x=110.0, path=((110.0, 0.0), (300.0, 0.0)), at_s=30)
    touching = finding("congestion", "q2", x=320.0, path=((320.0, 0.0), (500.0, 0.0)), at_s=60)
    hinted = finding("congestion", "q3", x=900.0, at_s=90, causes=("q2",))
    play.step(finding("crash"))
    play.step(finding("crash"), near)
    play.step(finding("crash"), near, touching)
    play.step(finding("crash"), near, touching, hinted, times=20)
    assert [incident.type for incident in play.latest().values()] == ["crash"]


def test_a_named_cause_explains_at_any_distance() -> None:
    play = Play()
    play.step(finding("signal_fault", "J1", x=0.0))
    play.step(finding("signal_fault", "J1", x=0.0), finding("congestion", "q", x=900.0, at_s=10, causes=("J1",)))
    assert [incident.type for incident in play.latest().values()] == ["signal_fault"]


def test_a_report_joins_the_machine_incident_it_is_about_and_raises_it() -> None:
    play = Play()
    play.step(finding("fire", log_odds=1.0))
    hotline = (evidence("reported", "hotline", weight=0.0, at_s=20),)
    report = finding("person_report", "r1", x=180.0, at_s=20, log_odds=0.0, about="fire", evidence=hotline)
    play.step(finding("fire", log_odds=1.0), report)
    said = play.step(finding("fire", log_odds=1.0), times=12)
    assert said[-1].state == "active"
    assert {incident.type for incident in play.latest().values()} == {"fire"}
    assert f"source:{hash63('hotline'):016x}" in said[-1].sources


def test_reports_of_one_source_count_once_and_all_together_have_a_limit() -> None:
    def confidence(channels: tuple[str, ...]) -> float:
        play = Play()
        reports = [
            finding(
                "person_report", f"r{n}", log_odds=0.0, about="fire", evidence=(evidence("reported", channel, 0.0),)
            )
            for n, channel in enumerate(channels)
        ]
        play.step(finding("fire", log_odds=0.0), *reports)
        play.step(finding("fire", log_odds=0.0), times=15)
        (said,) = play.latest().values()
        return said.confidence

    assert confidence(("a",)) == confidence(("a", "a")) == 0.881
    assert confidence(("a", "b")) == confidence(("a", "b", "c")) == 0.982


def test_a_report_about_something_else_stands_alone_as_suspected() -> None:
    play = Play()
    play.step(finding("fire"))
    play.step(finding("fire"), finding("person_report", "r", log_odds=0.0, about="crowd"))
    alone = next(incident for incident in play.latest().values() if incident.type == "person_report")
    assert alone.state == "suspected"


def test_a_report_that_waited_joins_the_machine_incident_that_comes_later() -> None:
    play = Play()
    report = finding("person_report", "r", log_odds=0.0, about="crowd")
    (alone,) = play.step(report)
    assert alone.state == "suspected"
    play.step(times=60)
    said = play.step(finding("crowd", at_s=60))
    crowd = next(incident for incident in said if incident.type == "crowd")
    assert play.latest()[alone.incident_id].reason == f"explained_by:{crowd.incident_id}"
    assert [item.rule for item in crowd.evidence] == ["person_report", "crowd"]


def test_reports_are_released_when_the_suspicion_they_joined_fades() -> None:
    play = Play()
    report = finding("person_report", "r", log_odds=0.0, about="crowd", at_s=1)
    play.step(finding("crowd", log_odds=0.1))
    play.step(finding("crowd", log_odds=0.1), report)
    play.step(times=60)
    states = {incident.type: incident.state for incident in play.latest().values()}
    assert states == {"crowd": "withdrawn", "person_report": "suspected"}


def test_an_effect_of_an_effect_goes_to_the_first_cause() -> None:
    play = Play()
    crowd = finding("crowd", "c", at_s=10)
    person = finding("pedestrian_on_carriageway", "p", x=110.0, at_s=12)
    play.step(crowd)
    play.step(crowd, person)
    play.step(crowd, person, finding("fire", at_s=5))
    fire = next(incident for incident in play.latest().values() if incident.type == "fire")
    assert fire.state == "active"
    assert sorted(item.rule for item in fire.evidence) == ["crowd", "fire", "pedestrian_on_carriageway"]
