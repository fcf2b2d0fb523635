"""The sensor book: one table row per channel, a channel being one quantity that one source measures.

Input: the sensor rows of a tick. State: last reading, ring of recent ones, base and spread, how long the value has been
the same. Output: the same table, the weather, and the silent sources. Cost: columns only; what a tick costs grows with
its rows, besides a few passes over the channels.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.city.city_map import CityMap
from city_brain.fusion.sensors.baseline import (
    MOVES_BY,
    PLAIN,
    WARM_UP,
    expected,
    follow,
    neighbourhood_at_rest,
    neighbourhood_levels,
    unmoved,
    warm_up,
)
from city_brain.fusion.sensors.silence import SilentSources
from city_brain.fusion.sensors.weather import Weather
from city_brain.numerics import find_sorted, first_of_run, hash63, pair_key, stable_order
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import CAMERA_HEALTH, QUANTITY_CODES, Kind, Quantity, Status
from city_brain.table import Table
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

RING = 16
NOT_READ = -1
CELL_M = 4_000.0
"""Side of the cells whose sensors are each other's neighbourhood, where a cell has enough of them."""

FLAT_AFTER = 4
"""So many equal readings of a sensor whose readings usually differ mean that it is stuck."""

USUALLY_DIFFERS = 0.8
LEVEL_EVERY_MS = 10_000
RATE_OVER = 9
FALLBACK_PERIOD_MS = 60_000.0

_RESTS_AT_ZERO = np.isin(
    np.arange(len(Quantity)),
    (
        *(Quantity.RAIN, Quantity.WATER_LEVEL, Quantity.WIND_SPEED, Quantity.ILLUMINANCE, Quantity.METHANE),
        *(Quantity.VOC, Quantity.SO2, Quantity.FLOW, Quantity.OCCUPANCY, Quantity.QUEUE_LENGTH),
        *CAMERA_HEALTH,
    ),
)

_SCHEMA: dict[str, object] = {
    "key": np.int64, "source": np.int64, "quantity": np.int64, "x": np.float64, "y": np.float64,
    "period_ms": np.float64, "cell": np.int64, "n": np.int64, "fresh": np.bool_, "row": np.int64,
    "last_ms": np.int64, "value": np.float64, "base": np.float64, "spread": np.float64, "level": np.float64,
    "expected": np.float64, "flat_n": np.int64, "changes": np.int64, "flat": np.bool_, "rate_per_min": np.float64,
    "ring_ms": (np.int64, (RING,)), "ring": (np.float64, (RING,)), "ring_position": (np.int64, (RING, 3)),
}  # fmt: skip


class SensorBook(msgspec.Struct):
    """All sensor channels: those of the map in order of id, then others in order of appearance.

    Columns of `table`, n rows:
    `source` key, `quantity` code, `x`, `y` m, `period_ms` between readings (0: unknown), `n` readings so far;
    `fresh` read in this tick, `row` of its newest reading in the tick, -1 when not fresh;
    `last_ms`, `value` the newest reading (-1, NaN before the first);
    `base` what it usually reads, `spread` 1 σ about it, `level` what its neighbourhood does now (a ratio for
    concentrations, a shift for temperature, humidity and pressure, else 0), `expected` base moved by level;
    `flat_n` equal readings in a row, `flat` stuck; `rate_per_min` change per minute over the last nine readings;
    `ring_ms`, `ring` (n, 16) recent readings in order of time, the newest last, `ring_ms` -1 where there is none yet;
    `ring_position` (n, 16, 3) where they stand in the raw logs.

    Noise, for instance: `at = book.of(Quantity.NOISE)`; then `table["ring_ms"][at]`, `table["ring"][at]`,
    `table["base"][at]` are times, levels and baseline by sensor. `weather` has wind and rain; `silent` the sources that
    should speak and do not.
    """

    table: Table
    sorted_key: np.ndarray
    sorted_at: np.ndarray
    weather: Weather
    silent: SilentSources
    by_quantity: list[np.ndarray]
    mapped: int = 0
    levels_due_ms: int = 0

    @classmethod
    def empty(cls, ground: "Ground") -> "SensorBook":
        """The sensors of the map, none read yet."""
        none = np.zeros(0, np.int64)
        book = cls(Table(_SCHEMA), none, none, Weather.empty(), SilentSources.empty(ground), [])
        book._bear(*_mapped(ground.city))
        book.mapped = book.table.n
        return book

    def of(self, quantity: Quantity) -> Ints:
        """Table indices of the channels that measure a quantity."""
        return self.by_quantity[quantity]

    def step(self, tick: Tick, ground: "Ground") -> None:
        """Takes the rows of a tick."""
        self.table["fresh"], self.table["row"] = False, -1
        rows = tick.rows
        actual = (rows.kind == int(Kind.SENSOR)) & (rows.status == int(Status.ACTUAL))
        at = (actual & np.isfinite(rows.value)).nonzero()[0]
        if len(at):
            channel = self._channels(rows, at)
            for turn in _turns(channel):
                self._take(channel[turn], rows, at[turn], tick.time_ms[at[turn]])
            self._set_levels(tick.end_ms)
        self.weather.step(self.table["fresh"], self.table["value"], self.table["last_ms"], tick.end_ms)
        self.silent.step(tick, ground)

    def _channels(self, rows: Rows, at: Ints) -> Ints:
        """Channel (n,) of rows `at`; channels not seen before are added in the rows' order."""
        source, quantity = rows.source[at], rows.code[at].astype(np.int64)
        key = pair_key(source, quantity + 1)
        found = find_sorted(self.sorted_key, key)
        unseen = np.flatnonzero(found < 0)
        if len(unseen):
            _, first = np.unique(key[unseen], return_index=True)
            new = unseen[np.sort(first)]
            self._bear(source[new], quantity[new], rows.x[at[new]], rows.y[at[new]], np.zeros(len(new)))
            found = find_sorted(self.sorted_key, key)
        channel: Ints = self.sorted_at[found]
        return channel

    def _bear(self, source: Ints, quantity: Ints, x: Floats, y: Floats, period_ms: Floats) -> None:
        first, count = self.table.n, len(source)
        self.table.append(
            count, key=pair_key(source, quantity + 1), source=source, quantity=quantity, x=x, y=y, period_ms=period_ms,
            cell=_cell(quantity, x, y), n=0, fresh=False, row=-1, last_ms=NOT_READ, value=np.nan, base=0.0, spread=0.0,
            level=neighbourhood_at_rest(quantity), expected=0.0, flat_n=0, changes=0, flat=False, rate_per_min=0.0,
            ring_ms=NOT_READ, ring=0.0, ring_position=-1,
        )  # fmt: skip
        self.sorted_at = np.argsort(self.table["key"], kind="stable")
        self.sorted_key = self.table["key"][self.sorted_at]
        self.by_quantity = [np.flatnonzero(self.table["quantity"] == code) for code in Quantity]
        self.weather.add(np.arange(first, first + count), quantity, x, y)

    def _take(self, channel: Ints, rows: Rows, row: Ints, time_ms: Ints) -> None:
        """Takes one reading each of different channels (n,)."""
        table = self.table
        value = rows.value[row]
        late = time_ms <= table["last_ms"][channel]
        position = np.empty((len(row), 3), dtype=np.int64)
        position[:, 0], position[:, 1], position[:, 2] = rows.raw_partition[row], rows.offset[row], rows.sub[row]
        self._into_ring(channel, {"ring_ms": time_ms, "ring": value, "ring_position": position}, late)
        if late.any():
            now = ~late
            channel, value, time_ms, row = channel[now], value[now], time_ms[now], row[now]
        differs = value != table["value"][channel]
        table["flat_n"][channel] = np.where(differs, 1, table["flat_n"][channel] + 1)
        table["changes"][channel] += differs & (table["n"][channel] > 0)
        table["n"][channel] += 1
        table["value"][channel], table["last_ms"][channel] = value, time_ms
        table["fresh"][channel], table["row"][channel] = True, row
        self._learn(channel)
        self._judge(channel)

    def _into_ring(self, channel: Ints, new: dict[str, np.ndarray], late: Bools) -> None:
        """Puts readings in, in order of time; the oldest falls out (which may be the late reading itself)."""
        turned = {name: np.concatenate([self.table[name][channel], new[name][:, None]], axis=1) for name in new}
        if late.any():
            order = np.argsort(turned["ring_ms"][late], axis=1, kind="stable")
            row = np.flatnonzero(late)[:, None]
            for column in turned.values():
                column[late] = column[row, order]
        for name, column in turned.items():
            self.table[name][channel] = column[:, 1:]

    def _learn(self, channel: Ints) -> None:
        table = self.table
        quantity, level, n = table["quantity"][channel], table["level"][channel], table["n"][channel]
        young = n <= WARM_UP
        if young.any():
            at = channel[young]
            still = unmoved(table["ring"][at], level[young], quantity[young])
            table["base"][at], table["spread"][at] = warm_up(still, table["ring_ms"][at] >= 0, quantity[young])
            self._learn_period(at)
        table["expected"][channel] = expected(table["base"][channel], level, quantity)
        old = channel[~young]
        if len(old):
            base, spread, residual = (
                table["base"][old],
                table["spread"][old],
                table["value"][old] - table["expected"][old],
            )
            base, spread = follow(base, spread, residual, level[~young], n[~young], quantity[~young])
            table["base"][old], table["spread"][old] = base, spread

    def _learn_period(self, young: Ints) -> None:
        """Median time between readings, of channels for which the map does not say it."""
        table = self.table
        at = young[(young >= self.mapped) & (table["n"][young] >= 4)]
        if len(at):
            gap = np.diff(table["ring_ms"][at], axis=1).astype(np.float64)
            table["period_ms"][at] = np.nanmedian(np.where(table["ring_ms"][at][:, :-1] < 0, np.nan, gap), axis=1)

    def _judge(self, channel: Ints) -> None:
        """Whether channels are stuck, and how fast they change."""
        table = self.table
        flat_n, n = table["flat_n"][channel], table["n"][channel]
        usually = table["changes"][channel] >= USUALLY_DIFFERS * (n - flat_n)
        at_rest = (table["value"][channel] == 0.0) & _RESTS_AT_ZERO[table["quantity"][channel]]
        table["flat"][channel] = (flat_n >= FLAT_AFTER) & (n > flat_n) & usually & ~at_rest
        times, ring = table["ring_ms"][channel, -RATE_OVER:], table["ring"][channel, -RATE_OVER:]
        third = RATE_OVER // 3
        minutes = (times[:, -third:].sum(axis=1) - times[:, :third].sum(axis=1)) / (third * 60_000.0)
        change = (ring[:, -third:].sum(axis=1) - ring[:, :third].sum(axis=1)) / third
        table["rate_per_min"][channel] = np.where(times[:, 0] >= 0, change / np.maximum(minutes, 1e-3), 0.0)

    def _set_levels(self, now_ms: int) -> None:
        """Takes stock, every few seconds, of what all sensors of a quantity do together."""
        if now_ms < self.levels_due_ms:
            return
        self.levels_due_ms = now_ms + LEVEL_EVERY_MS
        table = self.table
        period = np.where(table["period_ms"] > 0, table["period_ms"], FALLBACK_PERIOD_MS)
        alive = (now_ms - table["last_ms"] < 2.5 * period + 5_000) & (table["n"] >= 4) & ~table["flat"]
        at = np.flatnonzero(alive & (MOVES_BY[table["quantity"]] != PLAIN))
        if len(at):
            columns = (table[name][at] for name in ("value", "base", "spread", "quantity", "cell"))
            table["level"][at] = neighbourhood_levels(*columns)


def _mapped(city: CityMap) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Source, quantity, x, y and period in ms of the map's sensors."""
    sensors = [sensor for sensor in city.sensors if sensor.quantity in QUANTITY_CODES]
    source = np.array([hash63(sensor.id) for sensor in sensors], dtype=np.int64)
    quantity = np.array([QUANTITY_CODES[sensor.quantity] for sensor in sensors], dtype=np.int64)
    place = np.array([(sensor.x, sensor.y) for sensor in sensors], dtype=np.float64).reshape(-1, 2)
    period_ms = np.array([1000.0 * sensor.period_s for sensor in sensors], dtype=np.float64)
    return source, quantity, place[:, 0], place[:, 1], period_ms


def _cell(quantity: Ints, x: Floats, y: Floats) -> Ints:
    """A number (n,) for each (quantity, cell of the city)."""
    column, row = np.floor(x / CELL_M).astype(np.int64), np.floor(y / CELL_M).astype(np.int64)
    half, side = 1 << 15, 1 << 16
    return ((quantity * side) + column + half) * side + row + half


def _turns(channel: Ints) -> list[Ints]:
    """Row numbers in turns, each channel at most once in a turn, its rows in order."""
    order = stable_order(channel)
    first = first_of_run(channel[order])
    if first.all():
        return [order]
    start = np.flatnonzero(first)
    length = np.diff(np.append(start, len(order)))
    rank = np.arange(len(order)) - np.repeat(start, length)
    return [order[rank == turn] for turn in range(int(length.max()))]
