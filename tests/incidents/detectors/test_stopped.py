"""Stopped vehicles on a small stage: lanes that may be for turning, and parked cars whose name another takes."""

from collections.abc import Callable

import numpy as np
import pytest

from city_brain.numerics import hash63
from city_brain.observations.rows import Rows, pack_lamps
from city_brain.observations.vocabulary import MOVEMENTS, Colour, Kind, Mode
from city_brain.testing import make_rows
from tests.fusion.stage import START_MS, Actor, Path, Place, play, straight
from tests.incidents.detectors.test_moving import opens, strongest

EAST = 2
INNER_M, OUTER_M = 1.6, 4.8
"""Lanes of the eastern arm that lead to the crossing, by their distance north of its axis."""


def lamps_of_east(**colours: Colour) -> Callable[[int], Rows | None]:
    """A signal whose eastern lamps show these colours, and nothing else, all the time."""

    def said(second: int) -> Rows | None:
        if second % 5:
            return None
        shown = np.zeros((1, 24), dtype=np.uint8)
        for name, colour in colours.items():
            shown[0, 3 * EAST + MOVEMENTS.index(name)] = colour
        return make_rows(
            source=[hash63("sig-X")], kind=int(Kind.SIGNAL), seq=second, event_ms=START_MS + 1000 * second + 100,
            arrival_ms=START_MS + 1000 * second + 350, lamps=pack_lamps(shown), code=int(Mode.AUTO), value=np.nan,
        )  # fmt: skip

    return said


def arrives(lane_m: float) -> Path:
    """Comes from the east at 10 m/s and stops first at the line."""
    return lambda s: (max(120.0 - 10.0 * s, 20.0), lane_m) if s >= 0 else None


def passing(lane_m: float) -> list[Actor]:
    """Vehicles that drive past it in the other lane."""
    starts = range(20, 60, 10)
    return [Actor(straight((120.0, lane_m), (-10.0, 0.0), s, s + 14), track=100 + s) for s in starts]


@pytest.mark.parametrize(
    ("lane_m", "left", "announced"),
    [
        (INNER_M, Colour.RED, False),
        (INNER_M, Colour.GREEN, True),
        (INNER_M, Colour.ABSENT, True),
        (OUTER_M, Colour.RED, True),
    ],
)
def test_who_may_wait_for_a_lamp_of_its_own_is_no_breakdown(lane_m: float, left: Colour, announced: bool) -> None:
    """First at the line of the innermost lane, while straight on is green and the turn across has red: it may turn."""
    lamps = lamps_of_east(left=left, through=Colour.GREEN, right=Colour.GREEN)
    other_m = OUTER_M if lane_m == INNER_M else INNER_M
    actors = [Actor(arrives(lane_m)), *passing(other_m)]
    found = strongest("stopped_vehicle", 80, actors, lamps, pockets=False)
    assert (found >= opens("stopped_vehicle")) is announced


def test_a_parked_car_stays_parked_when_another_drives_off_under_its_name() -> None:
    """A tracker goes on with a car that passes it closely, and gives the parked one a new number a little later."""
    place, leaves_s = (80.0, OUTER_M), 200

    def under_the_old_name(second: int) -> Place:
        gone_m = 10.0 * max(second - leaves_s, 0)
        return (place[0] - gone_m, place[1]) if gone_m < 120.0 else None

    again = Actor(lambda s: place if s > leaves_s + 6 else None, track=2)
    actors = [Actor(under_the_old_name), again]
    assert strongest("stopped_vehicle", 330, actors) < opens("stopped_vehicle")


def test_a_parked_car_that_a_queue_hides_gives_it_none_of_its_time() -> None:
    """A car stops for a while in the lane beside it, and cameras lose the parked one behind it."""
    parked = Actor(lambda s: (80.0, OUTER_M + 1.4) if s < 152 or s > 190 else None)

    def queues(second: int) -> Place:
        if not 146 <= second <= 192:
            return None
        return max(120.0 - 10.0 * (second - 146), 80.0) - 10.0 * max(second - 185, 0), OUTER_M + 0.1

    assert strongest("stopped_vehicle", 200, [parked, Actor(queues, track=2)]) < opens("stopped_vehicle")


def test_the_tail_of_a_jam_waits_for_the_wave_of_moving_off() -> None:
    """Two rows of cars before the line move off one after the other; far behind them one stands until its turn."""

    def waits(x: float, north: float, goes_s: float) -> Path:
        return lambda s: (x, north) if s < goes_s else (x - 8.0 * (s - goes_s), north) if s < goes_s + 12 else None

    queue = [
        Actor(waits(x, north, 60.0 + (x - 12.0) / 5.0), track=10 + number)
        for number, (x, north) in enumerate(
            (20.0 + 6.0 * row, north) for row in range(9) for north in (INNER_M, OUTER_M)
        )
    ]
    last = Actor(lambda s: (max(140.0 - 10.0 * s, 105.0), OUTER_M) if s < 79 else (105.0 - 8.0 * (s - 79), OUTER_M))
    last_alone = strongest("stopped_vehicle", 79, [last])
    assert strongest("stopped_vehicle", 79, [*queue, last]) < opens("stopped_vehicle") <= last_alone


@pytest.mark.parametrize(("colour", "announced"), [(Colour.RED, False), (Colour.GREEN, True)])
def test_who_may_stand_behind_an_unseen_queue_at_red_is_no_breakdown(colour: Colour, announced: bool) -> None:
    """The cameras see the road from 35 m on, and a car that stops at 42 m."""
    lamps = lamps_of_east(left=colour, through=colour, right=colour)
    stops = Actor(lambda s: (max(120.0 - 10.0 * s, 42.0), OUTER_M))
    found = strongest("stopped_vehicle", 115, [stops, *passing(INNER_M)], lamps, view_from_m=35.0)
    assert (found >= opens("stopped_vehicle")) is announced


@pytest.mark.parametrize(("others", "announced"), [(4, False), (8, True)])
def test_who_stands_at_the_line_through_several_cycles_while_others_pass_is_a_breakdown(
    others: int, announced: bool
) -> None:
    """Whatever its own lamp is taken for: in the innermost lane one may turn, but not for four minutes."""
    lamps = lamps_of_east(left=Colour.RED, through=Colour.GREEN, right=Colour.GREEN)
    past = [
        Actor(straight((120.0, OUTER_M), (-10.0, 0.0), s, s + 14), track=s) for s in range(30, 30 + 15 * others, 15)
    ]
    found = strongest("stopped_vehicle", 270, [Actor(arrives(INNER_M)), *past], lamps, pockets=False)
    assert (found >= opens("stopped_vehicle")) is announced


def test_a_vehicle_that_appears_where_nothing_stood_is_announced() -> None:
    """The same place, where nobody parked before."""
    appears = Actor(lambda s: (80.0, OUTER_M) if s > 206 else None, track=2)
    actors = [Actor(straight((120.0, INNER_M), (-10.0, 0.0), 0, 10)), appears]
    assert strongest("stopped_vehicle", 330, actors) >= opens("stopped_vehicle")


@pytest.mark.parametrize(("error_m", "announced"), [(1.0, True), (2.0, False)])
def test_where_places_are_unsure_a_vehicle_beside_the_middle_of_a_lane_may_be_parked(
    error_m: float, announced: bool
) -> None:
    """Three quarters of a metre off the middle of its lane, as far as one camera can tell."""
    aside = Actor(lambda s: (80.0, OUTER_M + 0.75) if s > 206 else None, track=2, seen_by=("east",), error_m=error_m)
    actors = [Actor(straight((120.0, INNER_M), (-10.0, 0.0), 0, 10)), aside]
    assert (strongest("stopped_vehicle", 330, actors) >= opens("stopped_vehicle")) is announced


def test_one_look_bounds_what_a_wrong_way_driver_weighs() -> None:
    """The same error of place lasts for seconds, so the distance to its own lane counts up to a point."""
    weights = [
        item.weight
        for _, findings in play(16, [Actor(straight((20.0, 6.4), (8.0, 0.0)))], types=("wrong_way",))
        for finding in findings
        for item in finding.evidence
    ]
    assert max(weights) == 8.0
