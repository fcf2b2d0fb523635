"""Tracking: what several cameras see of one thing is one object, and of two things two."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.fusion.tracking.associate import assign
from city_brain.fusion.tracking.bias import RIDGE, USUAL_M, CameraBias
from city_brain.observations.vocabulary import ObjectClass
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.table import Table
from tests.fusion.stage import Actor, play, straight

ALONG_EAST_ARM = (149.0, 4.8)
"""A place in the kerb lane of the road in from the east, whose traffic heads west."""


def last_objects(seconds: int, actors: list[Actor]) -> Table:
    """The objects after so many seconds."""
    engine = [engine for engine, _ in play(seconds, actors)][-1]
    return engine.books.objects.table


def test_one_car_seen_by_two_cameras_is_one_object() -> None:
    objects = last_objects(10, [Actor(straight(ALONG_EAST_ARM, (-8.0, 0.0)))])
    assert objects.n == 1
    assert objects["n_cameras"][0] == 2
    assert objects["speed"][0] == pytest.approx(8.0, abs=0.2)


@pytest.mark.parametrize("seen_by", [("stray",), ("east", "stray")])
def test_a_camera_that_the_map_lacks_tracks_too(seen_by: tuple[str, ...]) -> None:
    """Its distance is not known, so its positions weigh little: a place is a number all the same."""
    driving = straight(ALONG_EAST_ARM, (-8.0, 0.0))
    stray, mapped = (last_objects(10, [Actor(driving, seen_by=cameras)]) for cameras in (seen_by, ("east",)))
    assert stray.n == 1
    assert (stray["x"][0], stray["y"][0]) == pytest.approx((mapped["x"][0], mapped["y"][0]), abs=0.5)


def test_two_cars_side_by_side_are_two_objects_though_each_camera_sees_both() -> None:
    near, far = straight(ALONG_EAST_ARM, (-8.0, 0.0)), straight((149.0, 1.6), (-8.0, 0.0))
    objects = last_objects(10, [Actor(near, track=1), Actor(far, track=2)])
    assert objects.n == 2
    assert sorted(np.round(objects["y"], 1).tolist()) == pytest.approx([1.6, 4.8], abs=0.3)


def test_a_car_and_a_person_at_one_place_are_never_one_object() -> None:
    standing = straight((100.0, 4.8), (0.0, 0.0))
    car, person = Actor(standing, seen_by=("east",)), Actor(standing, ObjectClass.PERSON, seen_by=("west",))
    objects = last_objects(10, [car, person])
    assert sorted(objects["cls"].tolist()) == sorted([ObjectClass.CAR, ObjectClass.PERSON])


def test_a_car_lost_by_one_camera_is_taken_over_by_the_next() -> None:
    first = Actor(straight(ALONG_EAST_ARM, (-8.0, 0.0), 0, 6), seen_by=("east",), track=1)
    path = straight(ALONG_EAST_ARM, (-8.0, 0.0))
    second = Actor(lambda s: path(s) if s >= 10 else None, seen_by=("west",), track=7)
    assert last_objects(14, [first, second]).n == 1


def test_a_car_that_comes_back_after_the_memory_is_a_new_object() -> None:
    first = Actor(straight(ALONG_EAST_ARM, (-1.0, 0.0), 0, 3), seen_by=("east",), track=1)
    second = Actor(straight(ALONG_EAST_ARM, (-1.0, 0.0), 20, 30), seen_by=("east",), track=2)
    objects = last_objects(26, [first, second])
    assert objects["birth_key"].tolist() != [] and objects["id"].min() > 1


def test_the_bias_of_a_camera_is_learnt_from_traffic_in_two_directions() -> None:
    actors = []
    for k in range(60):
        start = 3 * k
        west = straight((149.0, 4.8), (-10.0, 0.0), start, start + 13)
        south = straight((-4.8, 149.0), (0.0, -10.0), start, start + 13)
        for n, path in enumerate((west, south)):
            actors.append(Actor(path, track=10 * k + n, seen_by=("east",), bias_m={"east": (0.8, -0.6)}))
    engine = [engine for engine, _ in play(180, actors)][-1]
    bias = engine.books.tracks.bias
    assert bias.east_m[0] == pytest.approx(0.8, abs=0.1)
    assert bias.north_m[0] == pytest.approx(-0.6, abs=0.1)
    assert np.all(bias.east_m[1:] == 0.0)


@pytest.mark.parametrize(("sigma_m", "least", "most"), [(0.5, 1.0, 1.05), (1.1, 1.15, 2.0)])
def test_the_noise_of_a_camera_is_learnt_from_how_far_traffic_seems_off_its_lane(
    sigma_m: float, least: float, most: float
) -> None:
    """Where nothing is stated half a metre is assumed nearby. The other camera sees nothing: it is taken for like the
    rest of the city, at most.
    """
    errors_m = [NormalDist(0.0, sigma_m).inv_cdf((k + 0.5) / 60) for k in range(60)]
    actors = [
        Actor(straight((149.0, 1.6), (-10.0, 0.0), 3 * k, 3 * k + 13), track=k, seen_by=("east",),
              bias_m={"east": (0.0, errors_m[37 * k % 60])})
        for k in range(60)
    ]  # fmt: skip
    tracks = [engine for engine, _ in play(180, actors)][-1].books.tracks
    east, west = tracks.noise.factor
    assert least <= east <= most and 1.0 <= west <= east
    seen = tracks.table["fresh"].nonzero()[0]
    assert tracks.table["sigma_m"][seen].min() >= 0.5 * east


def test_one_noisy_camera_does_not_make_the_others_noisy() -> None:
    """Each camera is judged by its own looks, as soon as it has some."""
    actors = [
        Actor(straight((149.0, 1.6), (-10.0, 0.0), 3 * k, 3 * k + 13), track=k,
              bias_m={"east": (0.0, (-1.1, 0.4, 1.1, -0.4)[k % 4]), "west": (0.0, (0.2, -0.2)[k % 2])})
        for k in range(60)
    ]  # fmt: skip
    east, west = [engine for engine, _ in play(180, actors)][-1].books.tracks.noise.factor
    assert east > 1.2 and west == 1.0


def test_traffic_in_one_direction_leaves_the_bias_along_it_unknown() -> None:
    """East-west lanes tell what a camera is off to the north, and nothing else; of no camera anything is known."""
    bias = CameraBias.none(2)
    one, good = np.ones(240), np.ones(240, dtype=np.bool_)
    bias.learn(np.zeros(240, dtype=np.int64), one, 0.0 * one, 0.4 * one, good)
    camera, ux, uy = np.array([0, 0, 1, -1]), np.array([1.0, 0.0, 0.6, 0.6]), np.array([0.0, 1.0, 0.8, 0.8])
    left_m = bias.left_m(camera, ux, uy)
    assert left_m == pytest.approx([USUAL_M * (RIDGE / (240 + RIDGE)) ** 0.5, USUAL_M, USUAL_M, USUAL_M])


def test_a_bias_that_is_not_known_yet_is_no_noise() -> None:
    """A camera that is always off by as much looks noisy until that is learnt."""
    actors = [
        Actor(straight((149.0, 1.6), (-10.0, 0.0), 3 * k, 3 * k + 13), track=k, bias_m={"east": (0.0, 1.2)})
        for k in range(8)
    ]
    tracks = [engine for engine, _ in play(36, actors)][-1].books.tracks
    assert tracks.bias.nn[0].any() and not tracks.noise.within.any()


def test_what_is_no_vehicle_tells_nothing_of_the_noise() -> None:
    """Cyclists keep to the kerb, not to the middle of a lane."""
    actors = [
        Actor(straight((149.0, 6.2), (-10.0, 0.0), 3 * k, 3 * k + 13), ObjectClass.BICYCLE, ("east",), track=k)
        for k in range(60)
    ]
    noise = [engine for engine, _ in play(180, actors)][-1].books.tracks.noise
    assert not noise.within.any() and noise.factor[0] == 1.0


def test_a_track_that_leaves_its_object_becomes_an_object_of_its_own() -> None:
    together = straight(ALONG_EAST_ARM, (-6.0, 0.0))

    def parts(second: int) -> tuple[float, float] | None:
        x, y = together(second) or (0.0, 0.0)
        return x, y + 2.5 * max(0, second - 8)

    objects = last_objects(24, [Actor(together, seen_by=("east",)), Actor(parts, seen_by=("west",))])
    assert objects["fresh"].sum() == 2


def test_every_observation_is_counted_once() -> None:
    objects = last_objects(10, [Actor(straight(ALONG_EAST_ARM, (-8.0, 0.0)))])
    closed = 7
    assert objects["n_rows"].sum() == 2 * closed
    assert objects["conf_sum"].sum() == pytest.approx(2 * closed * 0.85)


def test_an_engine_restored_from_bytes_gives_the_same_bytes() -> None:
    actors = [Actor(straight((149.0, 4.8 - 3.2 * k), (-7.0 - k, 0.0)), track=k) for k in range(2)]
    engines = [engine.to_bytes() for engine, _ in play(12, actors)]
    again = [engine.to_bytes() for engine, _ in play(12, actors)]
    assert engines == again
    engine = next(iter(play(12, actors)))[0]
    books = type(engine.books)
    assert to_bytes(from_bytes(books, to_bytes(engine.books))) == to_bytes(engine.books)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8))
def test_an_assignment_is_one_to_one_and_does_not_depend_on_the_order_of_candidates(seed: int, a: int, b: int) -> None:
    chance = np.random.default_rng(seed)
    left, right = (column.ravel() for column in np.meshgrid(np.arange(a), np.arange(b)))
    cost = chance.uniform(0, 20, a * b)
    order = chance.permutation(a * b)
    taken = assign(left, right, cost)
    assert len(set(left[taken])) == len(set(right[taken])) == len(taken)
    shuffled = assign(left[order], right[order], cost[order])
    assert {(left[k], right[k]) for k in taken} == {(left[order[k]], right[order[k]]) for k in shuffled}


def test_two_candidates_that_fit_alike_are_left_undecided() -> None:
    left, right = np.array([0, 0, 1]), np.array([0, 1, 2])
    assert assign(left, right, np.array([3.0, 3.3, 5.0])).tolist() == [2]
    assert assign(left, right, np.array([3.0, 4.0, 5.0])).tolist() == [0, 2]
