"""Order along roads: leaders, neighbours, overtaking; and how much of a road is taken for queue."""

import numpy as np

from city_brain.fusion.queues.filling import Filling
from city_brain.fusion.queues.order import RoadOrder, passed
from city_brain.fusion.scene import Ground
from tests.city.city_maps import built, camera, crossing, square


def eastbound(*vehicles: tuple[int, float, float, float]) -> RoadOrder:
    """Vehicles (road, metres to stop, metres right of centre, speed) on straight roads that end eastward at x = 0."""
    road, to_stop, right, speed = (np.array(column) for column in zip(*vehicles, strict=True))
    n = len(vehicles)
    places = (-to_stop, -right, np.ones(n), np.zeros(n))
    return RoadOrder.sort(road.astype(np.int64), to_stop.astype(float), places, speed.astype(float), np.arange(n))


def of_row(order: RoadOrder, values: np.ndarray, row: int) -> float:
    return float(values[np.flatnonzero(order.row == row)[0]])


def test_the_leader_is_the_nearest_ahead_in_the_same_lane_of_the_same_road() -> None:
    order = eastbound((0, 5, 0, 0), (0, 30, 0.4, 0), (0, 13, 3.2, 0), (0, 18, -0.3, 0), (1, 20, 0, 0))
    leader, gap = order.leaders()
    assert order.row[int(of_row(order, leader, 1))] == 3
    assert of_row(order, gap, 1) == 12
    assert order.row[int(of_row(order, leader, 3))] == 0
    assert np.isinf(of_row(order, gap, 0))
    assert np.isinf(of_row(order, gap, 2))
    assert np.isinf(of_row(order, gap, 4))


def test_two_sightings_of_one_vehicle_do_not_lead_each_other() -> None:
    order = eastbound((0, 20, 0, 0), (0, 22.5, 0.5, 0), (0, 30, 0, 0))
    _, gap = order.leaders()
    assert np.isinf(of_row(order, gap, 1))
    assert of_row(order, gap, 2) == 7.5


def test_only_slow_vehicles_of_other_lanes_stand_beside() -> None:
    order = eastbound((0, 20, 0, 0), (0, 28, 3.2, 0), (0, 60, 0, 0), (0, 66, 0.3, 0), (0, 55, 3.2, 9))
    beside = order.beside(order.speed < 2.4)
    assert [bool(of_row(order, beside, row)) for row in range(5)] == [True, True, False, False, True]


def test_a_stand_is_overtaken_once_by_each_vehicle_that_drives_past_it() -> None:
    stand_road, stand_m = np.array([0, 0, 1]), np.array([40.0, 90.0, 40.0])
    ways = [(0, 120.0, 100.0), (0, 100.0, 80.0), (0, 80.0, 60.0), (0, 60.0, 35.0), (1, 41.0, 40.0), (1, 40.0, 12.0)]
    count = np.zeros(3, dtype=np.int64)
    for road, from_m, to_m in ways:
        count += passed(np.array([road]), np.array([from_m]), np.array([to_m]), stand_road, stand_m)
    assert count.tolist() == [1, 1, 1]


def test_nobody_on_the_road() -> None:
    none = np.zeros(0)
    order = RoadOrder.sort(np.zeros(0, np.int64), none, (none, none, none, none), none, np.zeros(0, np.int64))
    leader, gap = order.leaders()
    assert len(leader) == len(gap) == len(order.beside(none < 1)) == 0
    nothing = np.zeros(0, np.int64)
    assert passed(nothing, none, none, nothing, none).tolist() == []


def test_a_queue_whose_head_nobody_sees_reaches_to_a_stop_line_and_not_to_the_end_of_the_map() -> None:
    """A camera sees the middle of the eastern arm, where two vehicles stand on the way in, and two on the way out."""
    ground = Ground.of(built(*crossing([0, 90, 180, 270]), camera("middle", 80, 0, square(80.0, 0.0, 15.0))))
    filling = Filling.empty(ground)
    out, into = sorted(np.flatnonzero(filling.cover > 0.0).tolist(), key=lambda road: bool(filling.has_line[road]))
    order = eastbound(*((road, to_stop, 0, 0) for road in (out, into) for to_stop in (58.0, 65.5)))
    filling.step(order, *order.leaders(), ground.roads.road_length_m)
    assert filling.queue_m[[out, into]].tolist() == [15.0, 58.0 + 3.75 + 7.5]
