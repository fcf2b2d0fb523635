"""Routing: blocks that cover the plane once, share the rows fairly, and see across their borders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.city_map import CityMap
from city_brain.city.routing import CUT_M, Routing
from city_brain.errors import SettingsError
from city_brain.numerics import hash63
from tests.city.city_maps import built, camera, intersection, sensor, signal, square


def town(seed: int, cameras: int = 300) -> CityMap:
    """Cameras and sensors over some square kilometres, denser in the middle."""
    rng = np.random.default_rng(seed)
    xy = rng.normal(0, 1500, (cameras, 2))
    features = [camera(f"c{k}", x, y, square(x + 30, y, 40)) for k, (x, y) in enumerate(xy.tolist())]
    features += [sensor(f"s{k}", x, y) for k, (x, y) in enumerate(rng.normal(0, 2000, (cameras, 2)).tolist())]
    return built(*features, intersection("X", square(0, 0, 10)), signal("sig", "X"))


@pytest.mark.parametrize("partitions", [1, 2, 3, 7, 16, 64])
def test_every_place_has_one_owner(partitions: int) -> None:
    """The blocks cover the plane without overlap, and the owner is the block that holds the point."""
    routing = Routing(town(1), partitions)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-9000, 9000, 3000), rng.uniform(-9000, 9000, 3000)
    x[::3], y[::5] = np.round(x[::3] / CUT_M) * CUT_M, np.round(y[::5] / CUT_M) * CUT_M
    west, south, east, north = (routing.blocks[:, k] for k in range(4))
    held = (x[:, None] >= west) & (x[:, None] < east) & (y[:, None] >= south) & (y[:, None] < north)
    assert np.all(np.sum(held, axis=1) == 1)
    assert np.array_equal(np.argmax(held, axis=1), routing.owner(x, y))


@pytest.mark.parametrize("partitions", [2, 3, 7, 16])
def test_blocks_share_the_cameras_fairly(partitions: int) -> None:
    """No block has more than 1.4 times its share."""
    city = town(3)
    routing = Routing(city, partitions)
    homes = routing.home(np.array([hash63(camera.id) for camera in city.cameras]))
    assert np.max(np.bincount(homes, minlength=partitions)) < 1.4 * len(city.cameras) / partitions


def test_a_source_is_at_home_where_it_stands() -> None:
    """The home of a source owns its position; sources that are not on the map have none."""
    city = town(4)
    routing = Routing(city, 8)
    keys = city.source_keys
    assert np.array_equal(routing.home(keys), routing.owner(city.source_xy[:, 0], city.source_xy[:, 1]))
    stranger = np.array([hash63("stranger")])
    assert routing.home(stranger).tolist() == [-1]
    assert not np.any(routing.partitions_of(stranger))


@pytest.mark.parametrize("halo_m", [0.0, 150.0, 400.0])
def test_a_source_reaches_every_block_that_its_rows_may_concern(halo_m: float) -> None:
    """Whatever a camera sees, the owner of any place within the halo of it gets its rows."""
    city = town(5)
    routing = Routing(city, 12, halo_m)
    rng = np.random.default_rng(6)
    for source in city.cameras[:60]:
        reached = routing.partitions_of(np.array([hash63(source.id)]))[0]
        low, high = np.min(source.view, axis=0), np.max(source.view, axis=0)
        seen = rng.uniform(low, high, (50, 2))
        turn = rng.uniform(0, 2 * np.pi, 50)
        x, y = seen[:, 0] + halo_m * 0.999 * np.cos(turn), seen[:, 1] + halo_m * 0.999 * np.sin(turn)
        assert np.all(reached[routing.owner(x, y)])
        assert reached[routing.home(np.array([hash63(source.id)]))[0]]
    everywhere = routing.partitions_of(city.source_keys)
    assert np.mean(np.sum(everywhere, axis=1)) < 6


def test_rows_without_a_source_on_the_map_go_by_their_place() -> None:
    """A report from a place reaches the owner and whoever is within the halo."""
    routing = Routing(town(7), 8, 100.0)
    rng = np.random.default_rng(8)
    x, y = rng.normal(0, 1500, 500), rng.normal(0, 1500, 500)
    near = routing.partitions_near(x, y)
    assert np.all(near[np.arange(500), routing.owner(x, y)])
    for dx, dy in ((99, 0), (-99, 0), (0, 99), (0, -99)):
        assert np.all(near[np.arange(500), routing.owner(x + dx, y + dy)])


def test_the_order_of_features_does_not_matter() -> None:
    """The same map written in another order routes the same."""
    features = [camera(f"c{k}", 37.0 * k, -11.0 * k, square(37.0 * k, 0, 9)) for k in range(40)]
    one, other = Routing(built(*features), 5), Routing(built(*features[::-1]), 5)
    assert np.array_equal(one.blocks, other.blocks)


@given(
    points=st.lists(st.tuples(st.integers(-3000, 3000), st.integers(-3000, 3000)), max_size=30),
    partitions=st.integers(1, 40),
)
def test_any_city_can_be_cut_into_any_number_of_blocks(points: list[tuple[int, int]], partitions: int) -> None:
    """No sources, all in one place, or fewer than partitions: places still have one owner, sources one home."""
    city = built(*(sensor(f"s{k}", x, y) for k, (x, y) in enumerate(points)))
    routing = Routing(city, partitions)
    homes = routing.home(city.source_keys)
    assert np.all((homes >= 0) & (homes < partitions))
    assert np.all(routing.partitions_of(city.source_keys)[np.arange(len(homes)), homes])
    sides = np.minimum(routing.blocks[:, 2:], 1e5) - np.maximum(routing.blocks[:, :2], -1e5)
    assert np.sum(np.prod(sides, axis=1)) == pytest.approx(4e10)


@pytest.mark.parametrize(("partitions", "halo_m"), [(0, 1.0), (-1, 1.0), (5000, 1.0), (2, -1.0), (2, float("nan"))])
def test_impossible_settings_are_refused(partitions: int, halo_m: float) -> None:
    """With the setting, what was wanted and what was given."""
    with pytest.raises(SettingsError, match=r"wanted .* got"):
        Routing(town(1, 2), partitions, halo_m)
