"""The ticker: the same ticks whoever reads the logs, in whatever order and grouping."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.errors import SettingsError
from city_brain.observations.rows import Rows
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.testing import make_rows
from city_brain.ticks.tick import TickSettings
from city_brain.ticks.ticker import Ticker, TickerState

START_MS = 1_700_000_000_000
SOURCES = 7


def stream(seed: int, seconds: int = 40, per_second: int = 12) -> Rows:
    """Rows of skewed sources with delays, copies and late ones, in order of arrival."""
    chance = np.random.default_rng(seed)
    count = seconds * per_second
    source = chance.integers(0, SOURCES, count)
    true_ms = START_MS + np.sort(chance.integers(0, seconds * 1000, count))
    skew = chance.integers(-2_000, 2_000, SOURCES)
    delay = 300 + chance.exponential(300, count).astype(np.int64) + 5_000 * (chance.random(count) < 0.02)
    rows = make_rows(
        source=source,
        seq=np.arange(count),
        event_ms=true_ms + skew[source],
        arrival_ms=true_ms + delay,
        track=np.arange(count),
    )
    copies = rows.take(chance.integers(0, count, count // 20))
    copies = msgspec.structs.replace(copies, arrival_ms=copies.arrival_ms + 400, offset=copies.offset + count)
    both = Rows.concat([rows, copies])
    return both.take(np.argsort(both.arrival_ms, kind="stable"))


def run(ticker: Ticker, parts: Sequence[tuple[int, Rows, int]]) -> list[str]:
    """Digests of the ticks that (raw partition, rows, mark) parts close."""
    seen = []
    for raw_partition, rows, mark_ms in parts:
        ticker.read(raw_partition, rows)
        ticker.mark(raw_partition, mark_ms)
        seen += [digest(tick.index, tick.rows, tick.time_ms) for tick in ticker.closed()]
    return seen


def digest(index: int, rows: Rows, time_ms: np.ndarray) -> str:
    """What a tick holds, without where in the logs it stood."""
    said = hashlib.sha256(str(index).encode())
    for name, column in rows.columns().items():
        if name not in ("raw_partition", "offset", "sub"):
            said.update(column.tobytes())
    said.update(time_ms.tobytes())
    return said.hexdigest()


def in_blocks(rows: Rows, size: int, raw_partition: int = 0) -> list[tuple[int, Rows, int]]:
    """Blocks of `size` rows, each followed by the latest sound mark, then the end of the log."""
    least_after = np.minimum.accumulate(rows.arrival_ms[::-1])[::-1]
    parts = []
    for at in range(0, rows.n, size):
        end = min(at + size, rows.n)
        mark = int(least_after[end]) if end < rows.n else int(rows.arrival_ms.max())
        parts.append((raw_partition, rows.take(np.arange(at, end)), mark))
    return parts


def end_of(rows: Rows, raw_partition: int = 0) -> tuple[int, Rows, int]:
    """The mark that closes the last tick."""
    return raw_partition, Rows.empty(), int(rows.arrival_ms.max()) + 20_000


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 200), other=st.integers(1, 200))
def test_the_size_of_the_blocks_read_changes_nothing(seed: int, size: int, other: int) -> None:
    rows = stream(seed, seconds=15)
    ticks = [run(Ticker(TickSettings(), 1), [*in_blocks(rows, k), end_of(rows)]) for k in (size, other)]
    assert ticks[0] == ticks[1]
    assert len(ticks[0]) >= 15


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), displacement=st.integers(1, 2_000))
def test_rows_that_change_places_within_the_budget_change_nothing(seed: int, displacement: int) -> None:
    rows = stream(seed, seconds=15)
    chance = np.random.default_rng(seed + 1)
    order = np.argsort(rows.arrival_ms + chance.integers(0, displacement, rows.n), kind="stable")
    straight = run(Ticker(TickSettings(), 1), [*in_blocks(rows, 16), end_of(rows)])
    shuffled = run(Ticker(TickSettings(), 1), [*in_blocks(rows.take(order), 16), end_of(rows)])
    assert straight == shuffled


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), partitions=st.integers(2, 4))
def test_raw_partitions_read_in_any_interleaving_give_the_ticks_of_one(seed: int, partitions: int) -> None:
    rows = stream(seed, seconds=15)
    chance = np.random.default_rng(seed)
    home = chance.integers(0, partitions, SOURCES)[rows.source]
    parts = [in_blocks(rows.take(home == p), 8, p) for p in range(partitions)]
    mixed, queue = [], [part for part in parts if part]
    while queue:
        part = queue[int(chance.integers(len(queue)))]
        mixed.append(part.pop(0))
        queue = [part for part in queue if part]
    mixed += [end_of(rows, p) for p in range(partitions)]
    alone = run(Ticker(TickSettings(), 1), [*in_blocks(rows, 16), end_of(rows)])
    assert run(Ticker(TickSettings(), partitions), mixed) == alone


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 20))
def test_a_ticker_restored_from_bytes_goes_on_as_if_nothing_had_happened(seed: int, cut: int) -> None:
    parts = in_blocks(stream(seed, seconds=15), 13)
    parts.append(end_of(parts[-1][1]))
    whole = run(Ticker(TickSettings(), 1), parts)
    first = Ticker(TickSettings(), 1)
    before = run(first, parts[:cut])
    data = to_bytes(first.state)
    second = Ticker(TickSettings(), 1)
    second.state = from_bytes(TickerState, data)
    assert to_bytes(second.state) == data
    assert before + run(second, parts[cut:]) == whole


def test_every_row_ends_in_exactly_one_counter() -> None:
    rows = stream(3)
    ticker = Ticker(TickSettings(), 1)
    run(ticker, [*in_blocks(rows, 50), end_of(rows)])
    counters = ticker.state.counters
    counters.check(ticker.state.pending.n)
    assert counters.read == rows.n
    assert counters.duplicate == rows.n // 21
    assert counters.late > 0


def test_skew_is_learnt_so_that_sources_agree_on_when_it_happened() -> None:
    rows = stream(5, seconds=60)
    ticker = Ticker(TickSettings(), 1)
    run(ticker, [*in_blocks(rows, 50), end_of(rows)])
    least = ticker.state.clocks.table["least_ms"]
    true_shift = np.array([(rows.arrival_ms - rows.event_ms)[rows.source == s].min() for s in range(SOURCES)])
    assert np.all(np.abs(least - true_shift) < 5)


def test_a_clock_set_back_is_learnt_anew() -> None:
    event_ms = START_MS + np.arange(60) * 1000
    event_ms[30:] -= 9_000
    rows = make_rows(source=1, seq=np.arange(60), event_ms=event_ms, arrival_ms=START_MS + np.arange(60) * 1000 + 400)
    ticker = Ticker(TickSettings(), 1)
    run(ticker, [*in_blocks(rows, 1), end_of(rows)])
    assert ticker.state.clocks.table["least_ms"][0] == pytest.approx(9_400, abs=2)
    assert ticker.state.counters.used == 60


def test_one_row_ahead_of_its_clock_is_quarantined_and_leaves_the_clock_alone() -> None:
    event_ms = START_MS + np.arange(60) * 1000
    event_ms[30] += 300_000
    rows = make_rows(source=1, seq=np.arange(60), event_ms=event_ms, arrival_ms=START_MS + np.arange(60) * 1000 + 400)
    ticker = Ticker(TickSettings(), 1)
    run(ticker, [*in_blocks(rows, 1), end_of(rows)])
    assert ticker.state.counters.quarantined == {"clock": 1}
    assert ticker.state.clocks.table["least_ms"][0] == pytest.approx(400, abs=2)


def test_a_clock_set_forward_is_believed_once_it_stays() -> None:
    event_ms = START_MS + np.arange(60) * 1000
    event_ms[30:] += 60_000
    rows = make_rows(source=1, seq=np.arange(60), event_ms=event_ms, arrival_ms=START_MS + np.arange(60) * 1000 + 400)
    ticker = Ticker(TickSettings(), 1)
    run(ticker, [*in_blocks(rows, 1), end_of(rows)])
    assert ticker.state.counters.quarantined == {"clock": 2}
    assert ticker.state.clocks.table["least_ms"][0] == pytest.approx(-59_600, abs=2)


def test_a_silent_raw_partition_holds_log_time() -> None:
    rows = stream(1, seconds=10)
    ticker = Ticker(TickSettings(), 2)
    assert run(ticker, in_blocks(rows, 10)) == []
    assert len(run(ticker, [(1, Rows.empty(), int(rows.arrival_ms.max()))])) > 0


def test_a_tick_length_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="tick_ms: wanted a positive number of milliseconds, got 0"):
        TickSettings(tick_ms=0)


@pytest.mark.parametrize("days", [1, 7, 60])
def test_a_source_that_was_silent_for_long_is_believed_at_once(days: int) -> None:
    """What its least delay has leaked meanwhile is no step of its clock; an hourly instrument is off for weeks."""
    hour_ms = 3_600_000
    event_ms = START_MS // hour_ms * hour_ms + np.append(np.arange(30), 24 * days + np.arange(30, 60)) * hour_ms
    rows = make_rows(source=1, seq=np.arange(60), event_ms=event_ms, arrival_ms=event_ms)
    ticker = Ticker(TickSettings(tick_ms=hour_ms), raw_partitions=1)
    assert len(run(ticker, [(0, rows, int(rows.arrival_ms.max()) + 2 * hour_ms)])) > 24 * days
    assert ticker.state.counters.used == 60
    assert ticker.state.counters.quarantined == {}
