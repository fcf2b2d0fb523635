"""Counters: they add exactly, and every row read is in exactly one of them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city_brain.city.loading import load_city
from city_brain.errors import ObservationError
from city_brain.observations.admission import AdmissionTable, admit
from city_brain.observations.counters import Counters
from city_brain.observations.vocabulary import DeadLetter, Quarantine
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.sources.recording import read_blocks
from city_brain.ticks.tick import TickSettings
from city_brain.ticks.ticker import Ticker

reasons = st.dictionaries(st.sampled_from([*DeadLetter, *(q.name.lower() for q in Quarantine)]), st.integers(1, 99))
counters = st.builds(
    Counters,
    *([st.integers(0, 99)] * 4),
    quarantined=reasons.map(dict[str, int]),
    dead_lettered=reasons.map(dict[str, int]),
)


def plain(counted: Counters) -> dict[str, Any]:
    """The counters as values, whatever order the reasons came in."""
    return {name: getattr(counted, name) for name in counted.__struct_fields__}


@given(counters, counters)
def test_counters_add_in_any_order(one: Counters, two: Counters) -> None:
    """What two counted apart is what both counted, whoever adds first; no counter shares its reasons with another."""
    ab, ba = Counters(), Counters()
    for part in (one, two):
        ab.add(part)
    for part in (two, one):
        ba.add(part)
    assert plain(ab) == plain(ba)
    assert ab.lost == one.lost + two.lost
    assert plain(Counters()) == plain(from_bytes(Counters, to_bytes(Counters())))


def test_a_row_that_ended_nowhere_is_missed() -> None:
    """The check sees a row lost, a row counted twice, and more late rows than were used."""
    counted = Counters(read=3, used=1, duplicate=1)
    with pytest.raises(ObservationError, match="wanted 3 rows read to end somewhere, got 2"):
        counted.check()
    counted.check(pending=1)
    counted.quarantine("clock")
    counted.check()
    counted.dead_letter("not_json", 2)
    with pytest.raises(ObservationError, match="got 5"):
        counted.check()
    with pytest.raises(ObservationError, match="late"):
        Counters(read=1, used=1, late=2).check()


def test_no_rows_are_no_reason() -> None:
    """Counting nothing leaves no trace."""
    counted = Counters()
    counted.quarantine("clock", 0)
    assert plain(counted) == plain(Counters())


def test_every_line_of_a_recorded_city_ends_in_one_counter(shared: Path) -> None:
    """Read = used + duplicate + quarantined + dead-lettered, over a world with garbage and copies."""
    world = shared / "scenarios" / "tune" / "101"
    table = AdmissionTable.from_city(load_city(world / "city.geojson"))
    ticker = Ticker(TickSettings(), 1)
    counted, lines = Counters(), 0
    for block in read_blocks(world / "observations.jsonl.zst"):
        rows, refused = admit(block.observations, 0, block.line, table)
        counted.read += len(block.rejected) + len(refused.row)
        for rejected in block.rejected:
            counted.dead_letter(rejected.reason)
        for reason, count in refused.counts().items():
            counted.quarantine(reason, count)
        ticker.read(0, rows)
        lines = max(lines, int(block.line[-1]))
        ticker.mark(0, int(rows.arrival_ms.max()) - 5_000)
        for _ in ticker.closed():
            pass
    ticker.mark(0, int(rows.arrival_ms.max()) + 60_000)
    for _ in ticker.closed():
        pass
    counted.add(ticker.state.counters)
    counted.check(ticker.held)
    assert counted.read == lines
    assert 0 < counted.lost < 0.002 * lines
    assert 0 < counted.duplicate < 0.05 * lines
