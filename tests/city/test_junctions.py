"""Approaches, exits and movements: named as signal controllers name them."""

import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import zstandard

from city_brain.city.junctions import MOVEMENTS, NO_MOVEMENT, SIDES, Junctions
from city_brain.city.loading import load_city
from city_brain.city.roads import Roads
from tests.city.city_maps import built, crossing, sensor, signal

ENOUGH_SIGNAL_LINES = 400


def junctions_of(bearings: list[float]) -> tuple[Roads, Junctions]:
    """A junction with arms at the given bearings."""
    city = built(*crossing(bearings))
    roads = Roads(city)
    return roads, Junctions(city, roads)


def movements(bearings: list[float], into: float) -> dict[str, str]:
    """The movement from the arm at one bearing to each arm, by the name of the way out."""
    roads, junctions = junctions_of(bearings)
    exits = junctions.exits(0)
    codes = junctions.movement(np.full(len(exits), roads.road_id.index(f"in{into:03.0f}"), dtype=np.int32), exits)
    return {roads.road_id[road]: MOVEMENTS[code] for road, code in zip(exits, codes, strict=True)}


@pytest.mark.parametrize("bearing", range(0, 360, 9))
def test_a_side_is_the_nearest_of_eight_directions(bearing: int) -> None:
    """Traffic from bearing 90 comes from the east, on the way in and on the way out."""
    roads, junctions = junctions_of([bearing])
    wanted = SIDES[round(bearing / 45) % 8]
    intersection, side = junctions.approach_of(np.array([roads.road_id.index(f"in{bearing:03}"), -1]))
    assert (intersection.tolist(), SIDES[side[0]], side[1]) == ([0, -1], wanted, -1)
    intersection, side = junctions.exit_of(np.array([roads.road_id.index(f"out{bearing:03}")]))
    assert (intersection.tolist(), SIDES[side[0]]) == ([0], wanted)


def test_arms_on_one_side_get_sides_of_their_own() -> None:
    """Two arms nearest to north: the one further off leans to the next side; ways out follow their ways in."""
    roads, junctions = junctions_of([355, 20, 180])
    sides = dict(zip(roads.road_id, junctions.approach_side.tolist(), strict=True))
    assert [sides[name] for name in ("in355", "in020", "in180")] == [0, 1, 4]
    exits = dict(zip(roads.road_id, junctions.exit_side.tolist(), strict=True))
    assert [exits[name] for name in ("out355", "out020", "out180")] == [0, 1, 4]


def test_arms_on_one_side_share_it_where_no_side_is_free() -> None:
    """Nine arms have eight sides."""
    roads, junctions = junctions_of([0, 10, 45, 90, 135, 180, 225, 270, 315])
    sides = dict(zip(roads.road_id, junctions.approach_side.tolist(), strict=True))
    assert sides["in000"] == sides["in010"] == 0


def test_movements_of_a_crossroads() -> None:
    """From the south: west is left, north is through, east is right, and back is a u-turn."""
    found = movements([0, 90, 180, 270], 180)
    assert found == {"out270": "left", "out000": "through", "out090": "right", "out180": "uturn"}


def test_at_a_fork_the_straightest_way_is_through() -> None:
    """Of two ways within 45° of straight on, one is through and the other a turn."""
    assert movements([350, 30, 180], 180) == {"out350": "through", "out030": "right", "out180": "uturn"}
    assert movements([60, 300, 180], 180) == {"out060": "right", "out300": "left", "out180": "uturn"}


def test_movements_exist_only_within_a_junction() -> None:
    """Unknown roads, and ways out taken as ways in, have none."""
    roads, junctions = junctions_of([0, 180])
    into, out = roads.road_id.index("in000"), roads.road_id.index("out180")
    pairs = np.array([[into, out], [out, into], [into, -1], [-1, out], [into, into]], dtype=np.int32)
    codes = junctions.movement(pairs[:, 0], pairs[:, 1])
    assert codes.tolist() == [1] + [NO_MOVEMENT] * 4


def test_a_signal_knows_its_intersection() -> None:
    """By number, in the order of the signals."""
    city = built(*crossing([0]), signal("b", "X"), signal("a", "X"))
    assert Junctions(city, Roads(city)).signal_intersection.tolist() == [0, 0]


def test_a_city_without_roads_has_no_approaches() -> None:
    """Lookups answer none."""
    city = built(sensor("s", 0, 0))
    junctions = Junctions(city, Roads(city))
    none = np.array([-1], dtype=np.int32)
    assert [column.tolist() for column in junctions.approach_of(none)] == [[-1], [-1]]
    assert junctions.movement(none, none).tolist() == [NO_MOVEMENT]


@pytest.mark.parametrize("scenario", ["tune/101", "tune/102", "tune/103", "tune/104"])
def test_sides_and_movements_are_those_that_controllers_send(shared: Path, scenario: str) -> None:
    """Grids and a spider's web: every approach and movement of the map is in the messages, and the other way round."""
    city = load_city(shared / f"scenarios/{scenario}/city.geojson")
    roads = Roads(city)
    junctions = Junctions(city, roads)
    found: dict[str, dict[str, set[str]]] = {}
    for number, place in enumerate(city.intersections):
        exits = junctions.exits(number)
        found[place.id] = {}
        for road in junctions.approaches(number):
            codes = junctions.movement(np.full(len(exits), road, dtype=np.int32), exits)
            ways = {MOVEMENTS[code] for code in codes} - {"uturn"}
            found[place.id][SIDES[junctions.approach_side[road]]] = ways
    assert found == _sent(shared / f"scenarios/{scenario}/observations.jsonl.zst")


def _sent(path: Path) -> dict[str, dict[str, set[str]]]:
    sent: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    lines = 0
    with path.open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), errors="replace")
        for line in text:
            if line.startswith('{"kind":"signal"') and line.endswith("}}}}\n"):
                payload = json.loads(line)["payload"]
                for side, lamps in payload["approaches"].items():
                    sent[payload["intersection_id"]][side] |= set(lamps)
                lines += 1
            if lines == ENOUGH_SIGNAL_LINES:
                break
    return {place: dict(sides) for place, sides in sent.items()}
