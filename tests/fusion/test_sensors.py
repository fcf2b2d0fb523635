"""The sensor book: rings, baselines, stuck instruments, weather, and silence."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.fusion.sensors import SensorBook
from city_brain.fusion.sensors.baseline import neighbourhood_levels
from city_brain.numerics import hash63
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind, ObjectClass, Quantity
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.testing import make_rows
from tests.incidents.detectors.surroundings import START_MS, Read, Seen, ground, instruments, readings, sights, tick_of

After = tuple[int, SensorBook]


def book_after(seconds: int, seen: Callable[[int], list[Seen]] = lambda s: [], **read: Read) -> SensorBook:
    """The sensor book after so many seconds; `read` by quantity, in lower case."""
    *_, (_, book) = books(seconds, seen, **read)
    return book


def books(
    seconds: int, seen: Callable[[int], list[Seen]] = lambda s: [], **read: Read
) -> Iterator[tuple[int, SensorBook]]:
    """The sensor book after every second."""
    by_quantity = {Quantity[name.upper()]: function for name, function in read.items()}
    book = SensorBook.empty(ground())
    for second in range(seconds):
        book.step(
            tick_of(second, Rows.concat([readings(second, by_quantity), *sights(second, seen(second))])), ground()
        )
        yield second, book


def one(book: SensorBook, name: str) -> int:
    """The channel of an instrument."""
    return int(np.flatnonzero(book.table["source"] == hash63(name))[0])


def test_a_baseline_does_not_chase_an_event() -> None:
    book = book_after(600, pm2_5=lambda s, x, y: 60.0 + (300.0 if s > 300 and x == y == 0.0 else 0.0))
    channel = one(book, "dust-00")
    base, spread = book.table["base"][channel], book.table["spread"][channel]
    assert abs(base - 60.0) < 2.0 * spread
    assert book.table["value"][channel] - book.table["expected"][channel] > 280.0


def test_what_the_whole_city_does_is_expected() -> None:
    book = book_after(600, pm2_5=lambda s, x, y: 60.0 if s < 300 else 36.0)
    residual = book.table["value"] - book.table["expected"]
    dust = book.of(Quantity.PM2_5)
    assert np.abs(residual[dust]).max() < 4.5 * book.table["spread"][dust].max()
    assert abs(np.median(book.table["level"][dust]) - 0.6) < 0.03


@pytest.mark.parametrize(("quantity", "stuck"), [("pm2_5", True), ("rain", False)])
def test_a_value_that_usually_differs_and_stays_is_stuck_but_no_rain_is_not(quantity: str, stuck: bool) -> None:
    book = book_after(400)
    name = "dust-00" if quantity == "pm2_5" else "rain"
    channel = one(book, name)
    value = 71.5 if quantity == "pm2_5" else 0.0
    for k in range(8):
        event_ms = START_MS + 1000 * (400 + 10 * k)
        rows = make_rows(
            source=[hash63(name)],
            kind=int(Kind.SENSOR),
            code=int(Quantity[quantity.upper()]),
            value=value,
            event_ms=event_ms,
        )
        book.step(tick_of(400 + 10 * k, rows), ground())
    assert bool(book.table["flat"][channel]) is stuck
    assert book.table["flat_n"][channel] >= 8


def test_a_late_reading_is_put_where_it_belongs_and_changes_nothing_else() -> None:
    book = book_after(200)
    channel = one(book, "noise")
    before = {name: book.table[name][channel].copy() for name in ("value", "base", "last_ms", "n")}
    late_ms = int(book.table["ring_ms"][channel, -3]) + 1
    rows = make_rows(
        source=[hash63("noise")], kind=int(Kind.SENSOR), code=int(Quantity.NOISE), value=99.0, event_ms=late_ms
    )
    book.step(tick_of(200, rows), ground())
    ring_ms = book.table["ring_ms"][channel]
    assert (np.diff(ring_ms) > 0).all()
    assert book.table["ring"][channel, -3] == 99.0
    assert {name: book.table[name][channel] for name in before} == before


def test_an_instrument_off_the_map_gets_a_channel_and_its_period_is_learnt() -> None:
    book = SensorBook.empty(ground())
    mapped = book.table.n
    for k in range(10):
        rows = make_rows(
            source=[7], kind=int(Kind.SENSOR), code=int(Quantity.NO2), value=40.0 + k % 3, x=5.0, y=6.0,
            event_ms=START_MS + 30_000 * k,
        )  # fmt: skip
        book.step(tick_of(30 * k, rows), ground())
    assert book.table.n == mapped + 1
    channel = int(book.of(Quantity.NO2)[0])
    assert (book.table["x"][channel], book.table["period_ms"][channel]) == (5.0, 30_000.0)


def test_a_restored_book_goes_on_with_the_same_bytes() -> None:
    book = book_after(150)
    twin = from_bytes(SensorBook, to_bytes(book))
    for second in range(150, 180):
        rows = make_rows(
            source=[hash63(name) for name, *_ in instruments()],
            kind=int(Kind.SENSOR), event_ms=START_MS + 1000 * second,
            code=np.array([int(quantity) for _, quantity, *_ in instruments()]), value=50.0 + second % 7,
        )  # fmt: skip
        for each in (book, twin):
            each.step(tick_of(second, rows), ground())
    assert to_bytes(book) == to_bytes(twin)


@given(
    st.lists(st.floats(20.0, 200.0), min_size=5, max_size=40),
    st.floats(0.5, 2.0),
)
def test_a_neighbourhood_level_is_the_median_ratio(base: list[float], ratio: float) -> None:
    bases = np.array(base)
    quantity = np.full(len(base), int(Quantity.PM2_5))
    levels = neighbourhood_levels(bases * ratio, bases, np.full(len(base), 2.0), quantity, quantity)
    assert np.allclose(levels, ratio)


def test_a_plume_over_a_third_of_the_sensors_does_not_lift_the_level() -> None:
    bases, quantity = np.full(30, 60.0), np.full(30, int(Quantity.PM2_5))
    value = bases + np.where(np.arange(30) < 10, 200.0, np.linspace(-2.0, 2.0, 30))
    assert abs(neighbourhood_levels(value, bases, np.full(30, 2.0), quantity, quantity)[0] - 1.0) < 0.02


@pytest.mark.parametrize(("blows_from", "towards"), [(270.0, (1.0, 0.0)), (0.0, (0.0, -1.0)), (359.0, (0.0, -1.0))])
def test_the_wind_blows_from_where_the_vane_points(blows_from: float, towards: tuple[float, float]) -> None:
    book = book_after(200, wind_direction=lambda s, x, y: (blows_from + (2.0 if s % 40 < 20 else -2.0)) % 360.0)
    wind = book.weather.wind_at(0.0, 0.0)
    assert wind is not None
    assert math.hypot(wind[0] - towards[0], wind[1] - towards[1]) < 0.15
    assert abs(wind[2] - 2.0) < 0.3


def test_weather_that_nobody_has_told_for_minutes_is_unknown() -> None:
    silent_after: Read = lambda s, x, y: 5.0 if s < 100 else None  # noqa: E731
    book = book_after(400, wind_speed=silent_after, rain=silent_after)
    assert book.weather.wind_at(0.0, 0.0) is None
    assert book.weather.rain_at(0.0, 0.0) is None


def test_an_instrument_that_misses_four_beats_is_blind_until_it_speaks() -> None:
    states = []
    dumb: Read = lambda s, x, y: None if 400 <= s < 500 and x == y == 0.0 else 60.0  # noqa: E731
    for second, book in books(540, pm2_5=dumb):
        if second in (430, 470, 530):
            states.append(book.silent.is_blind(np.array([hash63("dust-00"), hash63("dust-01"), 99])).tolist())
    assert states == [[False, False, False], [True, False, False], [False, False, False]]


def test_a_source_without_a_rhythm_is_never_blind() -> None:
    random = np.random.default_rng(5)
    speaks = np.cumsum(random.exponential(12.0, 200)).astype(int).tolist()
    rare: Read = lambda s, x, y: 60.0 if s in speaks else None  # noqa: E731
    assert not any(book.silent.is_blind(np.array([hash63("noise")]))[0] for _, book in books(900, noise=rare))


@pytest.mark.parametrize(("others_see", "blind"), [(True, True), (False, False)])
def test_a_camera_is_blind_only_if_others_see_something_in_its_view(others_see: bool, blind: bool) -> None:
    def seen(second: int) -> list[Seen]:
        car = (ObjectClass.CAR, 375.0 + second % 5, 375.0, 0.9)
        names = ["one", "two"] if second < 300 else (["one"] if others_see else [])
        return [(name, 1, *car) for name in names]

    book = book_after(400, seen)
    assert bool(book.silent.is_blind(np.array([hash63("two")]))[0]) is blind
    assert book.silent.cameras(ground()).tolist().count(True) == int(blind)
