"""Two hours of a real signal controller: every state is used, lamps are those of the log, and nothing is a fault.

The controller is actuated: its greens end when traffic lets them, so no two cycles are alike and records are ordinary.
The log tells of no flash (173), no power failure (182), no flash pattern (131 at 255), no preemption and no hand (178).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from city_brain.city.loading import load_city
from city_brain.fusion.scene import Ground
from city_brain.fusion.signals import SignalBook
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.rows import LAMPS_PER_SIDE
from city_brain.observations.vocabulary import MOVEMENTS, SIDES, Colour
from city_brain.replay.stream import StreamReader
from city_brain.runner import Runner
from city_brain.sources.recording import read_blocks
from city_brain.types import Ints
from tests.shared.recordings import Fused, convert_and_fuse, recording

FILE = "data/signal-hires/sample_raw_data.parquet"
PLACE = ("--lon", -86.16, "--lat", 39.77)
PHASES = {2: ("W", "through"), 5: ("W", "left"), 6: ("E", "through"), 8: ("S", "through")}
"""One movement each, so that a lamp is one phase; the phases that the controller runs."""

LAMP_OF = {1: Colour.GREEN, 8: Colour.YELLOW, 9: Colour.RED, 10: Colour.RED, 11: Colour.RED, 12: Colour.RED}
FAULT_CODES = (105, 131, 173, 178, 182)
QUIET_MS = 1_500
"""Instants this near to a change of lamps are not asked: there the log itself is exact to 100 ms only."""


@pytest.fixture(scope="module")
def log(shared: Path) -> dict[str, Ints]:
    """Time in ms, code and parameter of all events."""
    table = pq.read_table(recording(shared, FILE))
    columns = {"time_ms": table["TimeStamp"].to_numpy().astype("datetime64[ms]").astype(np.int64)}
    return columns | {name: table[name].to_numpy() for name in ("EventId", "Parameter")}


@pytest.fixture(scope="module")
def fused(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    """The log through `convert signal-events` and `fuse`, with the phases above."""
    phases = [word for number, (side, move) in PHASES.items() for word in ("--phase", f"{number}={side}:{move}")]
    folder = tmp_path_factory.mktemp("signal")
    return convert_and_fuse(folder, "signal-events", recording(shared, FILE), *PLACE, *phases, "--repeat", 5)


def test_every_state_is_used(fused: Fused, log: dict[str, Ints]) -> None:
    """One row per change, and one every five seconds between them; each is read, used, and counted once."""
    counters = fused.result["counters"]
    lines = sum(block.observations.n for block in read_blocks(fused.folder / "observations.jsonl.zst"))
    changes = np.unique(log["time_ms"][np.isin(log["EventId"], (1, 8, 10))])
    assert counters["read"] == counters["used"] == lines > len(changes)
    assert counters["duplicate"] == fused.result["held"] == 0 and counters["late"] <= 1
    assert counters["quarantined"] == counters["dead_lettered"] == {}


def test_a_log_without_faults_gives_no_incident(fused: Fused, log: dict[str, Ints]) -> None:
    """Neither a fault nor a lost link: the controller speaks all the time and does what traffic asks."""
    assert not np.isin(log["EventId"], FAULT_CODES).any()
    assert fused.incidents == ()


@pytest.mark.parametrize("start_s", [0, 2400, 3600, 4800])
def test_no_part_of_the_log_gives_an_incident_either(
    shared: Path, log: dict[str, Ints], tmp_path: Path, start_s: int
) -> None:
    """With the usual phases, from wherever the listening begins: the longest green so far is then soon surpassed."""
    since_ms = log["time_ms"] - log["time_ms"][0] - 1000 * start_s
    part = pq.read_table(recording(shared, FILE)).filter((since_ms >= 0) & (since_ms < 1_200_000))
    pq.write_table(part, tmp_path / "part.parquet")
    assert convert_and_fuse(tmp_path, "signal-events", tmp_path / "part.parquet", *PLACE).incidents == ()


def test_lamps_at_any_instant_are_those_of_the_log(fused: Fused, log: dict[str, Ints]) -> None:
    """300 instants, each asked of the signal book while the street runs, for every phase."""
    instants = _instants(log, 300)
    asked = wrong = 0
    for book, start_ms, end_ms in _books(fused.folder):
        for instant in instants[(instants >= start_ms) & (instants < end_ms)].tolist():
            for phase, (side, move) in PHASES.items():
                slot = LAMPS_PER_SIDE * SIDES.index(side) + MOVEMENTS.index(move)
                shown = book.colour(np.array([0]), np.array([slot]), np.array([instant]))[0]
                wanted = _in_log(log, phase, instant)
                asked += wanted is not None
                wrong += wanted is not None and shown != wanted
    assert asked > 250 * len(PHASES) and wrong == 0


def _books(folder: Path) -> Iterator[tuple[SignalBook, int, int]]:
    """The signal book after each tick, and the tick's span."""
    runner = Runner(Ground.of(load_city(folder / "city.geojson")), load_incident_types(only=("signal_fault",)))
    for closed in StreamReader(runner).read(read_blocks(folder / "observations.jsonl.zst")):
        start_ms = runner.settings.start_ms(closed.record.tick)
        yield runner.engines[0].books.signals, start_ms, start_ms + runner.settings.tick_ms


def _instants(log: dict[str, Ints], count: int) -> Ints:
    """Instants spread over the log at random, none near a change of lamps."""
    changes = log["time_ms"][np.isin(log["EventId"], tuple(LAMP_OF))]
    drawn = np.random.default_rng(1136).integers(log["time_ms"][0] + 60_000, log["time_ms"][-1] - 60_000, 6 * count)
    near = np.searchsorted(changes, drawn - QUIET_MS) != np.searchsorted(changes, drawn + QUIET_MS)
    return np.sort(drawn[~near][:count])


def _in_log(log: dict[str, Ints], phase: int, instant: int) -> Colour | None:
    """What the last event of a phase before the instant lights; None before its first."""
    mine = (log["Parameter"] == phase) & np.isin(log["EventId"], tuple(LAMP_OF)) & (log["time_ms"] <= instant)
    codes = log["EventId"][mine]
    return LAMP_OF[int(codes[-1])] if len(codes) else None
