"""Controller events: lamps and modes as they changed, whatever the grouping of the file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import to_lines
from city_brain.sources.signal_events import BATCH_ROWS, NEMA_PHASES, Junction, devices, read_signal_events

START = datetime(2024, 4, 15, 12, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
JUNCTION = Junction("sig-1")

Event = tuple[float, int, int]


def written(path: Path, events: list[Event], device: int = 7) -> Path:
    """A file of events (seconds, code, parameter) of one controller."""
    table = pa.table(
        {
            "TimeStamp": pa.array(
                [(START + timedelta(seconds=at)).replace(tzinfo=None) for at, _, _ in events], pa.timestamp("us")
            ),
            "DeviceId": pa.array([device] * len(events), pa.int64()),
            "EventId": pa.array([code for _, code, _ in events], pa.int64()),
            "Parameter": pa.array([parameter for _, _, parameter in events], pa.int64()),
        }
    )
    pq.write_table(table, path)
    return path


def shown(
    path: Path, junction: Junction = JUNCTION, repeat_ms: int | None = None, batch_rows: int = BATCH_ROWS
) -> list[tuple[float, str, object]]:
    """Seconds, mode and lamps of every state."""
    blocks = read_signal_events(path, {7: junction}, repeat_ms=repeat_ms, batch_rows=batch_rows)
    rows = [orjson.loads(row) for block in blocks for row in to_lines(block)]
    assert [row["seq"] for row in rows] == list(range(len(rows)))
    assert {row["source_id"] for row in rows} <= {junction.source_id}
    return [
        ((row["event_time_ms"] - START_MS) / 1000, row["payload"]["mode"], row["payload"].get("approaches", {}))
        for row in rows
    ]


CYCLE: list[Event] = [
    (0.0, 1, 2), (0.0, 12, 4), (3.0, 82, 11), (20.0, 7, 2), (20.0, 8, 2), (23.5, 9, 2), (23.5, 10, 2), (25.0, 1, 4),
    (25.0, 11, 2), (25.0, 12, 2), (25.0, 0, 4), (40.0, 8, 4), (43.0, 10, 4), (44.0, 1, 2), (44.0, 12, 4),
    (44.0, 81, 11),
]  # fmt: skip


def lamps(west: str, north: str) -> dict[str, dict[str, str]]:
    """Phases 2 and 4 as lamps."""
    return {"N": {"through": north, "right": north}, "W": {"through": west, "right": west}}


CYCLE_SHOWN = [
    (0.0, "auto", lamps("green", "red")),
    (20.0, "auto", lamps("yellow", "red")),
    (23.5, "auto", lamps("red", "red")),
    (25.0, "auto", lamps("red", "green")),
    (40.0, "auto", lamps("red", "yellow")),
    (43.0, "auto", lamps("red", "red")),
    (44.0, "auto", lamps("green", "red")),
]


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 5, 1000])
def test_a_cycle_is_one_row_per_change(tmp_path: Path, batch_rows: int) -> None:
    """Detectors change nothing, events of a moment are one change, and the grouping of reading does not matter."""
    assert shown(written(tmp_path / "events.parquet", CYCLE), batch_rows=batch_rows) == CYCLE_SHOWN


def test_a_phase_that_ends_and_begins_at_once_is_green(tmp_path: Path) -> None:
    """Within a moment ends come before begins, however the logger sorted them."""
    events = [(0.0, 1, 2), (10.0, 8, 2), (13.0, 10, 2), (14.0, 1, 2), (14.0, 11, 2), (14.0, 12, 2)]
    assert [state["W"]["through"] for _, _, state in shown(written(tmp_path / "e", events))] == [  # type: ignore[index]
        "green", "yellow", "red", "green",
    ]  # fmt: skip


def test_states_are_repeated_on_wish(tmp_path: Path) -> None:
    """While nothing changes, the state stands again after each interval, up to the next event."""
    times = [at for at, _, _ in shown(written(tmp_path / "e", CYCLE), repeat_ms=10_000)]
    assert times == [0.0, 10.0, 20.0, 23.5, 25.0, 35.0, 40.0, 43.0, 44.0]


@pytest.mark.parametrize(
    ("events", "modes"),
    [
        ([(1, 178, 1), (2, 178, 0)], ["manual", "auto"]),
        ([(1, 173, 3), (2, 173, 5), (3, 173, 2)], ["flashing", "fault", "auto"]),
        ([(1, 131, 255), (2, 131, 7)], ["flashing", "auto"]),
        ([(1, 131, 7), (2, 131, 254)], []),
        ([(1, 105, 1), (2, 105, 2), (3, 111, 1), (4, 111, 2)], ["preemption", "auto"]),
        ([(1, 182, 1), (2, 173, 6), (3, 184, 1), (4, 173, 2)], ["dark", "fault", "auto"]),
        ([(1, 200, 12), (2, 174, 8)], []),
    ],
)
def test_modes_follow_the_unit(tmp_path: Path, events: list[Event], modes: list[str]) -> None:
    """The gravest of what holds is the mode; codes that say nothing of it change nothing."""
    states = shown(written(tmp_path / "e", [(0.0, 1, 2), *events]))
    assert [mode for _, mode, _ in states] == ["auto", *modes]


def test_lamps_of_a_dark_or_flashing_junction(tmp_path: Path) -> None:
    """All lamps of the junction are off or flash, those too that were not heard of yet."""
    states = shown(written(tmp_path / "e", [(0.0, 1, 2), (1.0, 173, 4), (2.0, 182, 1)]))
    sides = {side for side, _ in NEMA_PHASES.values()}
    for (_, _, state), colour in zip(states[1:], ("flashing", "off"), strict=True):
        assert state == {side: dict.fromkeys(("left", "through", "right"), colour) for side in sides}


def test_overlaps_and_phases_may_serve_one_movement(tmp_path: Path) -> None:
    """The most permissive lamp counts: a right turn may go on its phase or on its overlap."""
    junction = Junction("sig-1", {2: ("S", ("right",))}, {1: ("S", ("right",))})
    events = [(0, 65, 1), (1, 1, 2), (2, 61, 1), (3, 8, 2), (4, 10, 2), (5, 63, 1), (6, 65, 1), (7, 66, 1), (8, 61, 2)]
    states = shown(written(tmp_path / "e", events), junction)
    assert [(at, state["S"]["right"]) for at, _, state in states] == [  # type: ignore[index]
        (0, "red"), (1, "green"), (5, "yellow"), (6, "red"),
    ]  # fmt: skip


def test_other_clocks_and_other_controllers(tmp_path: Path) -> None:
    """The file's clock is set to UTC by its offset; controllers that nobody asked for are passed over."""
    path = written(tmp_path / "e", CYCLE)
    (block, *_) = read_signal_events(path, {7: JUNCTION}, utc_offset_hours=-5)
    assert block.common.event_ms[0] == START_MS + 5 * 3_600_000
    assert list(read_signal_events(path, {8: JUNCTION})) == []


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_states_of_several_controllers_are_in_order_of_time(tmp_path: Path, batch_rows: int, by_time: bool) -> None:
    """Whatever the grouping of reading, and whether it goes by time or by controller."""
    tables = [pq.read_table(written(tmp_path / f"e{device}", CYCLE[device:], device)) for device in (7, 8)]
    table = pa.concat_tables(tables)
    path = tmp_path / "both"
    pq.write_table(table.sort_by("TimeStamp") if by_time else table, path)
    assert devices(path) == (7, 8)
    blocks = list(read_signal_events(path, {7: JUNCTION, 8: Junction("sig-2")}, repeat_ms=2_000, batch_rows=batch_rows))
    rows = [orjson.loads(row) for block in blocks for row in to_lines(block)]
    times = [row["event_time_ms"] for row in rows]
    assert times == sorted(times) and {row["source_id"] for row in rows} == {"sig-1", "sig-2"}


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    """Events out of order, a missing column, no Parquet, no file: each error names the file."""
    with pytest.raises(
        RecordingError, match=r"back row 2 column TimeStamp: wanted events of device 7 in order of time"
    ):
        shown(written(tmp_path / "back", [(5.0, 1, 2), (4.0, 8, 2)]))
    table = pq.read_table(written(tmp_path / "hole", [(5.0, 1, 2), (6.0, 8, 2)]))
    pq.write_table(table.set_column(2, "EventId", pa.array([1, None], pa.int64())), tmp_path / "hole")
    with pytest.raises(RecordingError, match=r"hole row 2 column EventId: wanted a value, got nothing"):
        shown(tmp_path / "hole")
    pq.write_table(pa.table({"TimeStamp": [1]}), tmp_path / "thin")
    (tmp_path / "text").write_text("no parquet")
    for name in ("thin", "text", "absent"):
        with pytest.raises(RecordingError, match=f"{name}: wanted Parquet with the columns TimeStamp"):
            shown(tmp_path / name)


def test_a_recorded_controller_shows_the_greens_of_its_log(shared: Path) -> None:
    """Two hours of a real controller: every green of the log, phase by phase, is a green of the rows, as long."""
    path = shared / "data/signal-hires/sample_raw_data.parquet"
    table = pq.read_table(path)
    code, phase = table["EventId"].to_numpy(), table["Parameter"].to_numpy()
    time_ms = table["TimeStamp"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    one_each = {number: (side, moves[:1]) for number, (side, moves) in NEMA_PHASES.items()}
    blocks = read_signal_events(path, {1136: Junction("sig", one_each)})
    rows = [orjson.loads(row) for block in blocks for row in to_lines(block)]
    assert {row["payload"]["mode"] for row in rows} == {"auto"}
    for number, (side, (move,)) in one_each.items():
        states = [(row["event_time_ms"], row["payload"]["approaches"].get(side, {}).get(move)) for row in rows]
        turns = [
            (at, lamp) for (at, lamp), (_, before) in zip(states, [(0, None), *states], strict=False) if lamp != before
        ]
        greens = [at for at, lamp in turns if lamp == "green"]
        assert greens == time_ms[(code == 1) & (phase == number)].tolist()
        yellows = [at for at, lamp in turns if lamp == "yellow"]
        assert yellows == time_ms[(code == 8) & (phase == number)].tolist()
