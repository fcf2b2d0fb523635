"""Departments on Kafka: each change once and in order, whatever is killed, as the library of CloudEvents reads it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from city_brain.canonical import canonical_json
from city_brain.city.loading import city_to_geojson
from city_brain.errors import SettingsError, StateError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter, Names, Wanted
from city_brain.incidents.incident import Incident, incident_line
from city_brain.incidents.tick_record import TickRecord
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import INCIDENTS, topics
from city_brain.site import read_settings
from streams.departments import Last, Outlet
from tests.city.city_maps import area, built, sensor, square
from tests.feed_chaos.story import Story, heartbeat
from tests.feeds.builders import AREAS, TYPES
from tests.kafka.broker import free_ports
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, Fleet, ends_of, read_all
from tests.kafka.streams.replayed import http, replayed_city

Ticks = Sequence[tuple[int, list[Incident]]]
Told = tuple[int, bool, str, bytes]
"""Change number, whether it no longer matches, id of the event, canonical line."""
ISSUER = ("[issuer]", 'adcode = "370100"')
FIRE = ("[kafka.departments.fire]", 'types = ["crash", "fire"]', 'states = ["active"]')
ROADS = ("[kafka.departments.roads]", f'areas = ["{AREAS[2]}"]', 'minimum_level = "II"', "minimum_confidence = 0.3")
WANTED = {
    "departments.fire": Wanted(types=("crash", "fire"), states=("active",)),
    "departments.roads": Wanted(area_codes=(AREAS[2],), minimum_level="II", minimum_confidence=0.3),
}
TICKS = list(Story(seed=3, changes=6_000, a_tick=10).ticks())


@contextmanager
def a_city(folder: Path, kafka: str, prefix: str, *lines: str) -> Iterator[Fleet]:
    """A city with areas on brokers, and nothing that runs yet."""
    shapes = (area(code, square(0, 0, 5_000 - 1_000 * at), code) for at, code in enumerate(AREAS))
    city_map = city_to_geojson(built(sensor("s", 0, 0), *shapes))
    with replayed_city(folder, kafka, prefix, *lines, partitions=1, city_map=city_map) as fleet:
        yield fleet


def write(settings: KafkaSettings, ticks: Ticks, versions: str = "1") -> None:
    """Ticks into the log of incidents, as the desk writes them."""
    with closing(KafkaProducer(acks="all", enable_idempotence=True, **settings.connection())) as producer:
        for tick, said in ticks:
            record = TickRecord(
                tick=tick, due_ms=heartbeat(tick).log_time_ms, city="city", counters={},
                versions={"types": versions, "map": versions}, lines=tuple(incident_line(one) for one in said),
            )  # fmt: skip
            headers = [("heartbeat", msgspec.json.encode(heartbeat(tick)))]
            producer.send(settings.topic(INCIDENTS), record.to_line(), partition=0, headers=headers)
        producer.flush()


def due(ticks: Ticks, wanted: Wanted) -> list[Told]:
    """What a department must be told, worked out anew."""
    matches = IncidentFilter(wanted, Names(types=tuple(TYPES.by_name), area_codes=AREAS)).matches
    before: dict[str, Incident] = {}
    found: list[Told] = []
    for number, incident in enumerate((one for _, said in ticks for one in said), start=1):
        previous = before.get(incident.incident_id)
        if matches(incident) or (previous is not None and matches(previous)):
            event = f"{incident.incident_id}/{incident.revision}"
            found.append((number, not matches(incident), event, incident_line(incident)))
        before[incident.incident_id] = incident
    return found


def read(record: Any) -> Told:
    """What a record says, as the library of CloudEvents reads it."""
    event = from_binary(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value), JSONFormat())
    said = event.get_attributes()
    assert said["source"] == "/cities/370100"
    assert record.key.decode() == said["subject"] == said["partitionkey"] == said["id"].rpartition("/")[0]
    assert canonical_json(event.get_data()) == record.value
    assert said["type"] == f"citybrain.incident.{event.get_data()['state']}"
    return int(said["changenumber"]), said["nolongermatches"] == "true", said["id"], record.value


def told(settings: KafkaSettings, topic: str, count: int, fleet: Fleet) -> list[Told]:
    """The records of a department, once there are so many."""
    return [read(record) for record in read_all(settings, topic, lambda found: len(found) >= count, fleet)]


def stored(settings: KafkaSettings, topic: str) -> int:
    """How many records a topic has."""
    with closing(KafkaConsumer(**settings.connection())) as consumer:
        return ends_of(consumer, settings.topic(topic))[0]


def outlet_says(ticks: Ticks, wanted: Wanted, last: Last | None, *, accept_gap: bool = False) -> list[Told]:
    """What an outlet sends whose topic ends with `last`."""
    log = ChangeLog(feed_id="city", capacity=5_000)
    names = Names(types=tuple(TYPES.by_name), area_codes=AREAS)
    outlet = Outlet("departments.x", log, IncidentFilter(wanted, names), accept_gap=accept_gap)
    outlet.last = last
    found: list[Told] = []
    for tick, said in ticks:
        log.append(tick, said, heartbeat(tick))
        for number, told in outlet.due(tick):
            event = f"{told.incident.incident_id}/{told.incident.revision}"
            found.append((number, told.no_longer_matches, event, incident_line(told.incident)))
    return found


def test_wherever_a_topic_ends_it_goes_on_there() -> None:
    """Behind each of its records, amid a tick or between two: all of the rest, under the same numbers; and so where the
    log has meanwhile lost its beginning, or where the filter is another one now.
    """
    ticks, wanted = TICKS[:25], WANTED["departments.fire"]
    tick_of = {f"{one.incident_id}/{one.revision}": tick for tick, said in ticks for one in said}
    said = outlet_says(ticks, wanted, None)
    assert said == due(ticks, wanted)
    assert len(said) > 50
    everything = due(ticks, Wanted())
    for at, (number, _, event, _) in enumerate(said):
        last = Last(tick_of[event], number, event)
        assert outlet_says(ticks, wanted, last) == said[at + 1 :]
        assert outlet_says(ticks, Wanted(), last) == everything[number:]
        later = outlet_says(ticks[last.tick :], Wanted(), last)
        assert [(one[0], one[2]) for one in later] == [(one[0], one[2]) for one in everything[number:]]


def test_a_topic_of_another_log_is_refused() -> None:
    """Where the log does not hold what the topic ends with, or holds it elsewhere, or begins behind it."""
    ticks, wanted = TICKS[:25], WANTED["departments.fire"]
    for last in (Last(5, 40, "stranger/1"), Last(6, 10, f"{TICKS[2][1][0].incident_id}/1")):
        with pytest.raises(StateError, match=r"wanted the change .* in tick"):
            outlet_says(ticks, wanted, last)
    with pytest.raises(StateError, match="changes are lost"):
        outlet_says(ticks[10:], wanted, Last(5, 40, "stranger/1"))
    numbers = [one[0] for one in outlet_says(ticks[10:], Wanted(), Last(5, 40, "stranger/1"), accept_gap=True)]
    assert numbers == list(range(41, 41 + sum(len(said) for _, said in ticks[10:])))


@pytest.mark.slow
def test_each_change_comes_once_whatever_is_killed(kafka: str, prefix: str, tmp_path: Path) -> None:
    """SIGKILL amid the work, again and again, while ticks are written: each once, in order, to both departments."""
    with a_city(tmp_path, kafka, prefix, *FIRE, *ROADS, *ISSUER) as fleet:
        settings = kafka_settings(fleet.site)
        done = interrupted = 0
        fleet.start("departments")
        for share in (0.2, 0.4, 0.6, 0.8, 1.0):
            until = int(share * len(TICKS))
            write(settings, TICKS[done:until])
            seen = len(due(TICKS[:done], WANTED["departments.fire"])) + 5  # some of what was written just now
            told(settings, "departments.fire", seen, fleet)
            fleet.kill("departments-0")
            interrupted += stored(settings, "departments.fire") < len(due(TICKS[:until], WANTED["departments.fire"]))
            fleet.start("departments")
            done = until
        assert interrupted
        for topic, wanted in WANTED.items():
            expected = due(TICKS, wanted)
            assert told(settings, topic, len(expected), fleet) == expected
            assert {gone for _, gone, _, _ in expected} == {False, True}
        fleet.kill("departments-0")
        (port,) = free_ports(1)
        fleet.start("departments", "0", "--metrics", f"127.0.0.1:{port}")
        until_s = time.monotonic() + PATIENCE_S
        while http(port, "/readyz")[0] != 200 and time.monotonic() < until_s:
            fleet.check()
            time.sleep(0.2)
        assert fleet.stop("departments-0") == 0
        for topic, wanted in WANTED.items():
            assert stored(settings, topic) == len(due(TICKS, wanted))


@pytest.mark.slow
def test_what_does_not_fit_ends_the_program(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A tick that comes again is dropped; a gap, and a second writer, end the program with the place."""
    with a_city(tmp_path, kafka, prefix, *FIRE, *ISSUER) as fleet:
        settings = kafka_settings(fleet.site)
        wanted = WANTED["departments.fire"]
        write(settings, [*TICKS[:40], *TICKS[30:40]])
        fleet.start("departments")
        expected = due(TICKS[:40], wanted)
        assert told(settings, "departments.fire", len(expected), fleet) == expected
        with closing(KafkaProducer(**settings.connection())) as other:
            other.send(settings.topic("departments.fire"), b"{}", partition=0).get(30)
        write(settings, TICKS[40:60], versions="2")
        assert fleet.processes["departments-0"].wait(60) == 1
        assert "another program writes there too" in fleet.log("departments-0")
        fleet.processes.clear()


@pytest.mark.slow
def test_a_gap_is_told_and_passed_over_by_name_alone(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Where the log begins behind what the topic has: with --accept-gap numbers go on, and nothing comes twice."""
    with a_city(tmp_path, kafka, prefix, *FIRE, *ISSUER) as fleet:
        settings = kafka_settings(fleet.site)
        wanted = WANTED["departments.fire"]
        write(settings, TICKS[:40])
        fleet.start("departments")
        expected = due(TICKS[:40], wanted)
        told(settings, "departments.fire", len(expected), fleet)
        assert fleet.stop("departments-0") == 0
        write(settings, TICKS[40:80])
        with closing(KafkaAdminClient(**settings.connection())) as admin:
            admin.delete_records({TopicPartition(settings.topic(INCIDENTS), 0): 60})
        fleet.start("departments")
        assert fleet.processes.pop("departments-0").wait(60) == 1
        assert "changes are lost; --accept-gap goes on without them" in fleet.log("departments-0")
        fleet.start("departments", "0", "--accept-gap")
        rest = due(TICKS[60:80], wanted)
        found = told(settings, "departments.fire", len(expected) + len(rest), fleet)
        assert found[: len(expected)] == expected
        last = expected[-1][0]
        assert found[len(expected) :] == [(number + last, *others) for number, *others in rest]
        assert fleet.stop("departments-0") == 0


@pytest.mark.slow
def test_serve_answers_over_http_too(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Where `[http]` says, with what the log of incidents holds, and with the page."""
    (port,) = free_ports(1)
    lines = ("[http]", f'address = "127.0.0.1:{port}"', "[feed]", 'address = "127.0.0.1:0"')
    with a_city(tmp_path, kafka, prefix, *lines) as fleet:
        write(kafka_settings(fleet.site), TICKS[:40])
        fleet.start("serve")
        last = {one.incident_id: one for _, said in TICKS[:40] for one in said}
        until_s = time.monotonic() + PATIENCE_S
        while (answer := http(port, "/v1/incidents?page_size=500"))[0] != 200 and time.monotonic() < until_s:
            fleet.check()
            time.sleep(0.2)
        listed = msgspec.json.decode(answer[1])["incidents"]
        assert {one["incident_id"]: one["revision"] for one in listed} == {
            key: one.revision for key, one in last.items()
        }
        assert http(port, "/")[1].startswith("<!doctype html>")
        assert "crash" in msgspec.json.decode(http(port, "/v1/city")[1])["types"]
        assert fleet.stop("serve-0") == 0


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ((*FIRE,), "issuer.adcode: wanted the code of the city"),
        (("[kafka.departments.fire]", 'types = ["crahs"]', *ISSUER), "did you mean 'crash'"),
        (
            ("[kafka.departments.fire]", 'areas = ["1"]', *ISSUER),
            "kafka.departments.fire: area_codes: unknown area",
        ),
        (ISSUER, "kafka.departments: wanted at least one, got none"),
    ],
)
def test_what_cannot_be_meant_is_told_at_the_start(
    kafka: str, prefix: str, tmp_path: Path, lines: tuple[str, ...], wrong: str
) -> None:
    with a_city(tmp_path, kafka, prefix, *lines) as fleet:
        fleet.start("departments")
        assert fleet.processes.pop("departments-0").wait(60) == 1
        assert wrong in fleet.log("departments-0")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[kafka.departments.Fire]", "wanted a name of 1 to 64 of a-z, 0-9 and -"),
        ("[kafka.departments.fire]\nstates = ['gone']", "unknown state 'gone'"),
        ("[kafka.departments.fire]\nminimum_level = 'V'", "unknown level 'V'"),
        ("[kafka.departments.fire]\nminimum_confidence = 2", "minimum_confidence"),
        ("[kafka.departments.fire]\ntype = ['crash']", "got 'type'; did you mean 'types'"),
    ],
)
def test_settings_of_departments_are_read_strictly(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=wrong):
        read_settings(tmp_path / "site.toml")


def test_each_department_has_its_topic_in_the_table(tmp_path: Path) -> None:
    """One partition, kept as long as incidents are."""
    (tmp_path / "site.toml").write_text("\n".join((*FIRE, *ROADS)), encoding="utf-8")
    table = {topic.name: topic for topic in topics(read_settings(tmp_path / "site.toml").kafka, 3)}
    assert list(table)[-2:] == list(WANTED)
    for name in WANTED:
        assert (table[name].partitions, table[name].retention_ms) == (1, table[INCIDENTS].retention_ms)
