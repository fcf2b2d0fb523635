"""Every sort of incident alone: that it happens, and that devices show what physics says they must."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from city_brain.observations.vocabulary import Kind, Mode, ObjectClass, Quantity
from city_brain.synth import Scene, SynthCity, SynthSettings
from city_brain.synth.events.distractors import DISTRACTORS
from city_brain.synth.ground.cameras import ROUND
from city_brain.types import Column


class World:
    """A small world in which only one sort of incident happens, run to its end."""

    def __init__(self, kind: str, seed: int = 3, minutes: float = 5.0, rate: float = 700, **other: Any) -> None:
        settings = SynthSettings(
            seed=seed,
            cameras=20,
            minutes=minutes,
            warm_up_s=60,
            incident_types=(kind,),
            incidents_per_hour_per_100_cameras=rate,
            distractors_per_hour_per_100_cameras=0,
            garbage_fraction=0,
            **other,
        )
        self.city = SynthCity(settings)
        self.messages: Column = np.concatenate([block.messages for block in self.city.blocks()])
        self.truth = self.city.truth()
        self.start_ms = settings.start_ms
        self.incidents = [i for i in self.truth["incidents"] if i["type"] == kind and not i["ignore"]]
        assert self.incidents, kind

    def of(self, kind: Kind) -> Column:
        return self.messages[self.messages["kind"] == kind]

    def at(self, incident: dict[str, Any], messages: Column) -> Column:
        """Metres between the incident and each message."""
        x, y = self.city.frame.to_metres(messages["lon"], messages["lat"])
        ix, iy = self.city.frame.to_metres(incident["lon"], incident["lat"])
        return np.hypot(x - ix, y - iy)

    def during(self, incident: dict[str, Any], messages: Column, since_s: float = 0, until_s: float = 0) -> Column:
        time = messages["event_ms"]
        return (time >= incident["start"] + since_s * 1000) & (time <= incident["end"] + until_s * 1000)

    def quantity(self, quantity: int) -> Column:
        readings = self.of(Kind.SENSOR)
        sensor = readings["source"] - self.city.roster.cameras - self.city.roster.signals
        return readings[(self.city.sensors.quantity[sensor] == quantity) & (self.city.sensors.unit[sensor] == 0)]


def test_a_breakdown_stands_on_its_lane_and_is_seen_standing() -> None:
    world = World("stopped_vehicle")
    seen = world.of(Kind.DETECTION)
    for incident in world.incidents:
        near = seen[(world.at(incident, seen) < 4) & world.during(incident, seen, 5, -5)]
        still = near[(near["speed"] < 0.7) & np.isin(near["code"], [ObjectClass.CAR, ObjectClass.TRUCK])]
        assert len(still) > 0.3 * (incident["end"] - incident["start"]) / 1000


def test_a_crash_is_heard_by_the_law_of_distance_and_stops_two_vehicles() -> None:
    world = World("crash", rate=300, minutes=6, reports_per_incident=0)
    noise, seen = world.quantity(Quantity.NOISE), world.of(Kind.DETECTION)
    heard = 0
    for incident in world.incidents:
        time = noise["event_ms"] - incident["start"]
        after = noise[(time > -3_000) & (time < 9_000)]
        loud = after[after["value"] > np.median(noise["value"]) + 9]
        heard += len(loud) >= 2
        if len(loud) >= 2:
            at_one_metre = loud["value"] + 20 * np.log10(np.maximum(world.at(incident, loud), 1))
            assert np.median(np.abs(at_one_metre - np.median(at_one_metre))) < 3
        near = seen[(world.at(incident, seen) < 8) & world.during(incident, seen, 5, -5)]
        assert ((near["speed"] < 0.7) & (near["code"] != ObjectClass.PERSON)).sum() > 20
    assert heard >= 1


def test_a_wrong_way_driver_moves_against_its_lane() -> None:
    world = World("wrong_way")
    seen = world.of(Kind.DETECTION)
    for incident in world.incidents:
        (x0, y0), (x1, y1) = (world.city.frame.to_metres(*incident["extent"][k]) for k in (0, -1))
        way = np.degrees(np.arctan2(x1 - x0, y1 - y0))
        x, y = world.city.frame.to_metres(seen["lon"], seen["lat"])
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / np.hypot(x1 - x0, y1 - y0)
        off = np.abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
        here = (along > 0) & (along < np.hypot(x1 - x0, y1 - y0)) & (off < 2.5) & world.during(incident, seen)
        turned = np.abs((seen["heading"] - way + 180) % 360 - 180)
        assert (here & (turned < 30) & (seen["speed"] > 3)).sum() >= 3


def test_a_pedestrian_walks_on_a_lane() -> None:
    world = World("pedestrian_on_carriageway")
    seen = world.of(Kind.DETECTION)
    people = seen[seen["code"] == ObjectClass.PERSON]
    x, y = world.city.frame.to_metres(people["lon"], people["lat"])
    for incident in world.incidents:
        path = np.array([world.city.frame.to_metres(*point) for point in incident["extent"]])
        away = np.min(np.hypot(x[:, None] - path[:, 0], y[:, None] - path[:, 1]), axis=1)
        assert ((away < 4) & world.during(incident, people)).sum() >= 3


def test_roadworks_make_a_jam_that_is_recorded_with_its_roads() -> None:
    world = World("congestion", minutes=9, rate=250, seed=4)
    seen = world.of(Kind.DETECTION)
    for incident in world.incidents:
        assert incident["end"] - incident["start"] >= 90_000
        assert len(incident["extent"]) >= 7
        near = seen[
            (world.at(incident, seen) < 60) & world.during(incident, seen) & (seen["code"] <= ObjectClass.MOTORCYCLE)
        ]
        assert np.median(near["speed"]) < 1.5


def test_red_light_runners_cluster_at_one_junction() -> None:
    world = World("red_light_running")
    for incident in world.incidents:
        assert incident["observable_from"] - incident["start"] <= 400_000
        assert sum(incident["sources"].values()) >= 6


def test_a_faulty_signal_says_so_or_is_silent() -> None:
    world = World("signal_fault", minutes=6)
    lamps = world.of(Kind.SIGNAL)
    noted = defaultdict(list)
    for incident in world.incidents:
        mine = (world.at(incident, lamps) < 1) & world.during(incident, lamps, 6, -6)
        modes, states = set(lamps["code"][mine].tolist()), set(lamps["lamps"][mine].tolist())
        noted[incident["note"]].append((modes, states))
    for modes, states in noted["dark_silent"]:
        assert not modes | states
    for kind, mode in (("dark", Mode.DARK), ("flashing", Mode.FLASHING)):
        assert all(mode in modes for modes, _ in noted[kind])
    for kind in ("all_red", "stuck"):
        assert all(len(states) == 1 for _, states in noted[kind])


def test_a_plume_reaches_sensors_down_the_wind_after_its_travel_time() -> None:
    world = World("pollution", rate=400)
    for incident in world.incidents:
        touched = [source for source in incident["sources"] if source.startswith("air-")]
        assert touched
        assert incident["observable_from"] > incident["start"]


def test_flood_water_rises_past_the_threshold_in_the_rain() -> None:
    world = World("waterlogging", minutes=8, rate=400)
    water, rain = world.quantity(Quantity.WATER_LEVEL), world.quantity(Quantity.RAIN)
    assert rain["value"].max() > 10
    for incident in world.incidents:
        mine = water[world.at(incident, water) < 1]
        if len(mine):
            assert mine["value"][world.during(incident, mine, 30)].min() > 120
            assert mine["value"][mine["event_ms"] < incident["start"] - 60_000].max() < 150
    flooded = {source for incident in world.incidents for source in incident["sources"]}
    for source in np.unique(water["source"]).tolist():
        if world.city.source_ids[source] not in flooded:
            assert water["value"][water["source"] == source].max() < 90


def test_a_fire_smokes_burns_and_warms() -> None:
    world = World("fire")
    seen = world.of(Kind.DETECTION)
    for incident in world.incidents:
        near = seen[(world.at(incident, seen) < 25) & world.during(incident, seen)]
        assert {int(ObjectClass.SMOKE), int(ObjectClass.FIRE)} <= set(near["code"].tolist())


def test_a_crowd_is_many_people_in_a_small_place() -> None:
    world = World("crowd")
    seen = world.of(Kind.DETECTION)
    people = seen[seen["code"] == ObjectClass.PERSON]
    for incident in world.incidents:
        near = people[(world.at(incident, people) < 14) & world.during(incident, people, 30, -20)]
        second, camera = (near["event_ms"] - world.start_ms) // 1000, near["source"]
        _, count = np.unique(second * 10_000 + camera, return_counts=True)
        assert count.max() >= 10


def test_a_lost_camera_is_silent_and_has_a_truth_of_its_own() -> None:
    settings = SynthSettings(
        seed=3,
        cameras=20,
        minutes=5,
        warm_up_s=60,
        incident_types=("coverage_lost",),
        incidents_per_hour_per_100_cameras=400,
    )
    city = SynthCity(settings)
    messages = np.concatenate([block.messages for block in city.blocks()])
    lost = city.truth()["coverage_lost"]
    assert lost
    for incident in lost:
        for name in incident["note"].split():
            mine = messages["source"] == city.source_ids.index(name)
            inside = (messages["event_ms"] > incident["start"] + 3_000) & (
                messages["event_ms"] < incident["end"] - 3_000
            )
            assert not (mine & inside & (messages["flaw"] == 0)).any()


@pytest.mark.parametrize("kinds", [tuple(DISTRACTORS)[k::3] for k in range(3)])
def test_every_hard_negative_happens(kinds: tuple[str, ...]) -> None:
    settings = SynthSettings(
        seed=6,
        cameras=30,
        minutes=5,
        warm_up_s=90,
        quiet=True,
        distractor_kinds=kinds,
        distractors_per_hour_per_100_cameras=1500,
    )
    truth = SynthCity(settings).truth()
    assert {distractor["kind"] for distractor in truth["distractors"]} == set(kinds)


def test_a_staged_crash_happens_at_a_stop_line_also_in_a_quiet_city() -> None:
    """Somebody stands first at a signal, and the noise of it was heard."""
    scenes = tuple(Scene(name="crash_at_signal", from_s=second) for second in (0, 30, 60))
    settings = SynthSettings(seed=3, cameras=24, minutes=3, warm_up_s=60, quiet=True, scenes=scenes)
    city = SynthCity(settings)
    truth = city.truth()
    assert {incident["type"] for incident in truth["incidents"]} == {"crash"}
    streets = city.streets
    for incident in truth["incidents"]:
        x, y = city.frame.to_metres(incident["lon"], incident["lat"])
        away = np.hypot(streets.junction_x - x, streets.junction_y - y) - streets.junction_radius
        assert -2 < away.min() < 35
        assert {source.split("-")[0] for source in incident["sources"]} >= {"cam", "noise"}


def test_a_staged_breakdown_is_plain_to_a_camera_that_looks_one_way() -> None:
    """It stands in the middle of some camera's view, neither below it nor far away, and for minutes."""
    found = 0
    for seed in (3, 4, 5):
        scenes = (Scene(name="stopped_before_camera", from_s=10),)
        city = SynthCity(SynthSettings(seed=seed, cameras=24, minutes=2, warm_up_s=60, quiet=True, scenes=scenes))
        for incident in city.truth()["incidents"]:
            assert incident["type"] == "stopped_vehicle"
            x, y = city.frame.to_metres(incident["lon"], incident["lat"])
            cameras = np.flatnonzero(city.cameras.kind != ROUND)
            away_m = np.hypot(city.cameras.x[cameras] - x, city.cameras.y[cameras] - y)
            seen = city.cameras.sees(cameras, np.full(len(cameras), x), np.full(len(cameras), y))
            assert 20.0 < away_m[seen].min() < 45.0
            found += 1
    assert found > 1
