"""How full roads are: what is taken for queue where nobody looks."""

import numpy as np

from city_brain.fusion.queues.filling import Filling
from city_brain.fusion.queues.order import RoadOrder
from tests.fusion.stage import ground

EAST_FROM_M = 60.0


def test_a_queue_reaches_an_unseen_stop_line_but_no_end_of_the_map() -> None:
    """One car stands where the view of a road ends, another where that of a road out of the map does."""
    for road, at_m, least_m, most_m in (("in090", 55.0, 50.0, 60.0), ("out270", 80.0, 5.0, 10.0)):
        stage = ground(view_from_m=EAST_FROM_M if road == "in090" else -150.0)
        filling = Filling.empty(stage)
        filling.seen_m = np.zeros_like(filling.seen_m)
        here = np.array([stage.roads.road_id.index(road)])
        one = np.ones(1)
        order = RoadOrder.sort(here, at_m * one, (one, one, one, 0 * one), 0 * one, np.zeros(1, np.int64))
        filling.step(order, *order.leaders(), stage.roads.road_length_m)
        assert least_m < filling.queue_m[here[0]] < most_m, road
