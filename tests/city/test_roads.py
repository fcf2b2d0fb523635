"""Matching of points to lanes, against a search that looks at every piece; and what roads derive from geometry."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from city_brain.city.city_map import CityMap
from city_brain.city.grid.segments import SegmentGrid, Segments
from city_brain.city.loading import load_city
from city_brain.city.roads import REACH_M, LaneMatch, Roads
from city_brain.types import Bools, Floats
from tests.city.city_maps import Feature, built, crossing, lane, sensor, turned, winding_roads


class Search:
    """Looks at every piece of every lane: slow, short, and right."""

    def __init__(self, city: CityMap) -> None:
        pieces = [
            (k, *a, *b) for k, lane in enumerate(city.lanes) for a, b in zip(lane.line, lane.line[1:], strict=False)
        ]
        table = np.array(pieces)
        self.lane, self.a, self.b = table[:, 0].astype(int), table[:, 1:3], table[:, 3:5]
        self.length = np.linalg.norm(self.b - self.a, axis=1)
        self.u = (self.b - self.a) / self.length[:, None]

    def distances(self, x: float, y: float) -> Floats:
        """Metres to every piece."""
        away = np.array([x, y]) - self.a
        along = np.clip(np.sum(away * self.u, axis=1), 0, self.length)
        found: Floats = np.linalg.norm(away - along[:, None] * self.u, axis=1)
        return found


def scattered(city: CityMap, n: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Points on, beside and far from lanes, with headings."""
    rng = np.random.default_rng(seed)
    west, south, east, north = city.box
    points = np.concatenate([lane.line for lane in city.lanes])
    near = points[rng.integers(0, len(points), n)] + rng.normal(0, 8, (n, 2))
    wide = np.stack([rng.uniform(west - 30, east + 30, n), rng.uniform(south - 30, north + 30, n)], axis=1)
    xy = np.where(rng.random(n)[:, None] < 0.7, near, wide)
    turn = rng.uniform(0, 2 * np.pi, n)
    return xy[:, 0].copy(), xy[:, 1].copy(), np.cos(turn), np.sin(turn)


def compare(city: CityMap, match: LaneMatch, x: Floats, y: Floats, fits: Callable[[int], Bools]) -> int:
    """Holds a match against the search; returns how many points had a lane. Ties may go to either lane."""
    search = Search(city)
    for k in range(len(x)):
        away = np.where(fits(k), search.distances(x[k], y[k]), np.inf)
        best = float(np.min(away))
        if match.lane[k] < 0:
            assert best > REACH_M - 1e-6
            assert match.distance_m[k] == np.inf
            assert np.isnan(match.offset_m[k])
            continue
        assert match.distance_m[k] == pytest.approx(best, abs=1e-6)
        assert np.min(away[search.lane == match.lane[k]]) == pytest.approx(best, abs=1e-6)
    return int(np.count_nonzero(match.lane >= 0))


def maps() -> list[tuple[str, list[Feature]]]:
    """Maps to match on: winding roads, and a junction."""
    return [
        ("winding", winding_roads(3)),
        ("winding again", winding_roads(4)),
        ("crossing", crossing([0, 90, 200, 290])),
    ]


@pytest.mark.parametrize(("name", "features"), maps(), ids=[name for name, _ in maps()])
def test_match_finds_the_nearest_lane(name: str, features: list[Feature]) -> None:
    """Over random points the raster and the search agree on the lane and the distance."""
    city = built(*features)
    x, y, _, _ = scattered(city, 1500, 5)
    everything = np.ones(len(Search(city).lane), dtype=np.bool_)
    assert compare(city, Roads(city).match(x, y), x, y, lambda k: everything) > 500


@pytest.mark.parametrize(("name", "features"), maps(), ids=[name for name, _ in maps()])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["same direction", "opposite"])
def test_match_by_direction_finds_the_nearest_lane_that_agrees(name: str, features: list[Feature], sign: float) -> None:
    """Points whose heading is within 15° of the edge of the cone are left out: there, pieces of one lane may differ."""
    city = built(*features)
    search = Search(city)
    x, y, hx, hy = scattered(city, 2500, 6)
    cosine = sign * (search.u[:, 0] * hx[:, None] + search.u[:, 1] * hy[:, None])
    near = np.array([search.distances(*point) for point in zip(x, y, strict=True)]) < 20.0
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    clear = np.flatnonzero(~np.any(near & (np.abs(angle - 60.0) < 15.0), axis=1))
    x, y, hx, hy, cosine = x[clear], y[clear], hx[clear], hy[clear], cosine[clear]
    roads = Roads(city)
    match = roads.match_same_direction(x, y, hx, hy) if sign > 0 else roads.match_opposite(x, y, hx, hy)
    assert compare(city, match, x, y, lambda k: cosine[k] > 0.5) > 200


def test_match_agrees_with_the_search_on_a_scenario(shared: Path) -> None:
    """The same on a map of a whole quarter with widening roads."""
    city = load_city(shared / "scenarios/tune/101/city.geojson")
    x, y, hx, hy = scattered(city, 1500, 7)
    roads, search = Roads(city), Search(city)
    everything = np.ones(len(search.lane), dtype=np.bool_)
    assert compare(city, roads.match(x, y), x, y, lambda k: everything) > 700
    same = roads.match_same_direction(x, y, hx, hy)
    compare(city, same, x, y, lambda k: search.u[:, 0] * hx[k] + search.u[:, 1] * hy[k] > 0.5)
    against = roads.match_opposite(x, y, hx, hy)
    compare(city, against, x, y, lambda k: search.u[:, 0] * hx[k] + search.u[:, 1] * hy[k] < -0.5)


@pytest.mark.parametrize("cell_m", [2.0, 4.0, 16.0])
def test_the_size_of_the_cells_changes_nothing(cell_m: float) -> None:
    """A large city has larger cells; the nearest piece is the same."""
    city = built(*winding_roads(8))
    points = np.concatenate([lane.line for lane in city.lanes])
    segments = Segments.from_lines(points, np.array([len(lane.line) for lane in city.lanes]))
    x, y, _, _ = scattered(city, 2000, 9)
    wanted, found = (SegmentGrid(segments, REACH_M, size).feet(x, y) for size in (8.0, cell_m))
    (a_point, a_row), (b_point, b_row) = wanted.nearest(), found.nearest()
    assert np.array_equal(a_point, b_point)
    assert np.array_equal(wanted.distance2[a_row], found.distance2[b_row])


def test_lanes_at_the_far_ends_of_a_wide_map_are_found_and_nothing_else_is() -> None:
    """The land between them is empty, and points may lie anywhere or nowhere."""
    far_m = 199_000.0
    corners = np.array([(-far_m, -far_m), (far_m, -far_m), (-far_m, far_m), (far_m, far_m)])
    lines = np.stack([corners, corners + np.array([30.0, 0.0])], axis=1).reshape(-1, 2)
    grid = SegmentGrid(Segments.from_lines(lines, np.full(4, 2)), REACH_M)
    x, y = (np.append(corners[:, side] + 5.0, [0.0, np.nan, np.inf, -np.inf, 1e300]) for side in (0, 1))
    feet = grid.feet(x, y)
    point, row = feet.nearest()
    assert point.tolist() == feet.piece[row].tolist() == [0, 1, 2, 3]
    assert np.allclose(feet.distance2[row], 25.0)
    beside = grid.feet(corners[:, 0] - 13.0, corners[:, 1])
    assert len(beside.nearest()[0]) == 0


def test_points_do_not_touch_one_another() -> None:
    """One by one or all at once, over the borders of blocks: the same bits."""
    city = built(*winding_roads(10))
    roads = Roads(city)
    x, y, hx, hy = scattered(city, 9000, 11)
    whole = roads.match_same_direction(x, y, hx, hy)
    for k in (0, 1, 4095, 4096, 8191, 8192, 8999):
        at = slice(k, k + 1)
        one = roads.match_same_direction(x[at], y[at], hx[at], hy[at])
        for name in LaneMatch.__slots__:
            assert np.array_equal(getattr(one, name)[0], getattr(whole, name)[k], equal_nan=True)


def test_a_match_can_leave_out_a_lane() -> None:
    """The second nearest lane is the nearest besides the nearest."""
    city = built(*crossing([0]))
    roads = Roads(city)
    x, y = np.array([-4.0, 7.0]), np.array([100.0, 100.0])
    first = roads.match(x, y)
    second = roads.match(x, y, besides=first.lane)
    assert [roads.lane_id[k] for k in first.lane] == ["in000_kerb", "out000_kerb"]
    assert [roads.lane_id[k] for k in second.lane] == ["in000_far", "out000_inner"]
    south = np.zeros(2), np.full(2, -1.0)
    assert [roads.lane_id[k] for k in roads.match_same_direction(x, y, *south, besides=first.lane).lane] == [
        "in000_far",
        "in000_far",
    ]


def test_offset_is_positive_to_the_right_of_travel() -> None:
    """East-bound, a point south of the lane lies to the right."""
    roads = Roads(built(lane("a", "r", [(0, 0), (100, 0)])))
    match = roads.match(np.array([40.0, 40.0]), np.array([-2.0, 3.0]))
    assert match.offset_m.tolist() == pytest.approx([2.0, -3.0], abs=1e-6)
    assert match.ux.tolist() == pytest.approx([1.0, 1.0])
    assert match.along_m.tolist() == pytest.approx([40.0, 40.0], abs=1e-6)
    assert match.to_stop_m.tolist() == pytest.approx([60.0, 60.0], abs=1e-6)


def test_the_stop_line_is_measured_along_the_whole_road() -> None:
    """From a lane far back, over the piece that continues it and over the pocket, to the road's end."""
    roads = Roads(built(*crossing([0])))
    match = roads.match(np.array([-1.6, -4.8, -1.6, 1.6]), np.array([100.0, 100.0, 30.0, 30.0]))
    assert [roads.lane_id[k] for k in match.lane] == ["in000_far", "in000_kerb", "in000_mid", "in000_pocket"]
    assert match.to_stop_m.tolist() == pytest.approx([88.0, 88.0, 18.0, 18.0], abs=0.01)
    assert match.along_m.tolist() == pytest.approx([50.0, 50.0, 120.0, 120.0], abs=0.01)
    assert roads.road_length_m[match.road[0]] == pytest.approx(138.0, abs=0.01)


def test_a_pocket_for_turning_is_told_from_the_lane_it_leaves() -> None:
    """It branches off; the straight piece goes on. The kerb is on the right, the middle of the street on the left."""
    roads = Roads(built(*crossing([0, 90, 180, 270])))
    at = {name: k for k, name in enumerate(roads.lane_id)}
    assert [name for name in roads.lane_id if roads.turn_lane[at[name]]] == [
        f"in{bearing}_pocket" for bearing in ("000", "090", "180", "270")
    ]
    assert roads.kerb_lane[at["in090_kerb"]]
    assert roads.kerb_lane[at["out090_kerb"]]
    assert not roads.kerb_lane[at["in090_far"]]
    assert not roads.inner_lane[at["in090_mid"]]
    assert roads.inner_lane[at["in090_pocket"]]
    assert roads.inner_lane[at["out090_inner"]]
    assert roads.drives_on_right


def test_what_continues_a_pocket_is_a_pocket() -> None:
    """A pocket cut into two pieces is for turning over its whole length; where it rejoins, it is not."""
    features = [
        lane("a", "r", [(0, 0), (100, 0)]),
        lane("b", "r", [(100, 0), (200, 0)]),
        lane("pocket", "r", [(100, 0), (110, 3.2), (150, 3.2)]),
        lane("pocket on", "r", [(150, 3.2), (200, 3.2)]),
    ]
    roads = Roads(built(*features))
    assert [name for name, turns in zip(roads.lane_id, roads.turn_lane, strict=True) if turns] == [
        "pocket",
        "pocket on",
    ]
    joined = Roads(built(*features, lane("join", "r", [(200, 3.2), (210, 0)]), lane("c", "r", [(200, 0), (210, 0)]),
                         lane("d", "r", [(210, 0), (300, 0)])))  # fmt: skip
    assert not joined.turn_lane[joined.lane_id.index("d")]


def test_a_lane_that_is_dropped_ends_at_the_stop_line_of_its_neighbour() -> None:
    """A lane that merges away 100 m before the junction still has 100 m to the stop line; a gap is bridged."""
    features = [
        lane("through", "r", [(0, 0), (300, 0)]),
        lane("dropped", "r", [(0, -3.2), (200, -3.2)]),
        lane("late", "r", [(208, -3.2), (300, -3.2)]),
    ]
    roads = Roads(built(features[0], features[1]))
    match = roads.match(np.array([150.0]), np.array([-3.4]))
    assert (roads.lane_id[match.lane[0]], round(float(match.to_stop_m[0]))) == ("dropped", 150)
    for rest in (features, features[1:]):
        gap = Roads(built(*rest)).match(np.array([150.0]), np.array([-3.4]))
        assert float(gap.to_stop_m[0]) == pytest.approx(150.0, abs=0.01)


def test_a_long_chain_of_pieces_is_one_road() -> None:
    """A curve cut into 200 lanes of 5 m: the first is a kilometre from the stop line."""
    points = [(500 * math.sin(k / 100), 500 * math.cos(k / 100)) for k in range(201)]
    roads = Roads(built(*(lane(f"{k:03}", "r", points[k : k + 2]) for k in range(200))))
    assert roads.road_length_m.tolist() == pytest.approx([1000.0], abs=0.1)
    assert roads.lane_to_stop_m[0] == pytest.approx(995.0, abs=0.1)


def test_a_ring_road_without_end_is_read() -> None:
    """A roundabout of one road has no stop line: each piece counts to its own end, and loading ends."""
    points = [(30 * math.sin(k * math.pi / 4), 30 * math.cos(k * math.pi / 4)) for k in range(9)]
    roads = Roads(built(*(lane(f"{k}", "r", points[k : k + 2]) for k in range(8))))
    assert np.all(np.isfinite(roads.lane_to_stop_m))
    assert np.all(roads.match(np.array([0.0]), np.array([29.0])).to_stop_m < 30.0)


def test_the_oncoming_road_is_found_by_geometry() -> None:
    """Every way in has its way out on the same arm, whatever they are called."""
    features = crossing([10, 80, 190, 275])
    roads = Roads(built(*features))
    for number, name in enumerate(roads.road_id):
        other = name.replace("in", "out") if name.startswith("in") else name.replace("out", "in")
        assert roads.road_id[roads.opposite_road[number]] == other


def test_left_hand_driving_is_seen() -> None:
    """The same street mirrored: people drive on the left, and the kerb is there."""
    mirrored = [
        lane("in", "in", [(4.8, 150), (4.8, 12)]),
        lane("inner", "in", [(1.6, 150), (1.6, 12)]),
        lane("out", "out", [(-1.6, 12), (-1.6, 150)]),
    ]
    roads = Roads(built(*mirrored))
    assert not roads.drives_on_right
    assert roads.kerb_lane[roads.lane_id.index("in")]
    assert not roads.kerb_lane[roads.lane_id.index("inner")]


def test_roads_follow_one_another_through_a_junction() -> None:
    """From the south one reaches every way out but the one back; roads cut without a junction go on straight."""
    roads = Roads(built(*crossing([0, 90, 180])))
    names = roads.road_id
    assert [names[k] for k in roads.downstream(names.index("in180"))] == ["out000", "out090"]
    assert [names[k] for k in roads.upstream(names.index("out180"))] == ["in000", "in090"]
    cut = Roads(built(lane("a", "first", [(0, 0), (100, 0)]), lane("b", "second", [(101, 0.5), (200, 5)])))
    assert cut.downstream(0).tolist() == [1]
    assert cut.upstream(1).tolist() == [0]
    assert cut.downstream(1).tolist() == []


def test_roads_end_at_their_intersections() -> None:
    """The way in ends at the junction, the way out begins there, their far ends are at none."""
    roads = Roads(built(*crossing([0, 120, 240])))
    for number, name in enumerate(roads.road_id):
        ends = roads.road_start_intersection[number], roads.road_end_intersection[number]
        assert ends == ((-1, 0) if name.startswith("in") else (0, -1))


def test_a_map_without_lanes_matches_nothing() -> None:
    """It says so, and every match is none."""
    roads = Roads(built(sensor("s", 0, 0)))
    assert roads.empty
    x = np.array([0.0, np.nan])
    for match in (roads.match(x, x), roads.match_same_direction(x, x, x, x), roads.match_opposite(x, x, x, x)):
        assert match.lane.tolist() == [-1, -1]
        assert match.road.tolist() == [-1, -1]


def test_hostile_positions_match_nothing() -> None:
    """NaN, infinities, other continents and unknown headings give no lane and no error."""
    roads = Roads(built(*crossing([0])))
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -1.6, 1e7, -1.6])
    y = np.array([100.0, 100.0, 100.0, 100.0, np.nan, -1e7, 100.0])
    assert roads.match(x, y).lane.tolist()[:6] == [-1] * 6
    assert roads.match(x[:0], y[:0]).lane.tolist() == []
    silent = roads.match_same_direction(x[6:], y[6:], np.array([0.0]), np.array([0.0]))
    assert silent.lane.tolist() == [-1]
    unknown = roads.match_same_direction(x[6:], y[6:], np.array([np.nan]), np.array([np.nan]))
    assert unknown.lane.tolist() == [-1]


def test_turning_the_map_turns_the_match() -> None:
    """No direction of the compass is special."""
    for bearing in range(0, 360, 15):
        [(x, y)] = turned([(-4.0, 70.0)], bearing)
        match = Roads(built(*crossing([bearing]))).match(np.array([x]), np.array([y]))
        assert match.to_stop_m[0] == pytest.approx(58.0, abs=0.02)
        assert match.offset_m[0] == pytest.approx(-0.8, abs=0.02)
