"""A recording is stepped through: what is said is the same from wherever it goes on, whichever way it was reached."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

import city_brain
from city_brain.errors import StateError
from city_brain.playback.control.stepping import Playback, announces
from city_brain.playback.state import StreetState, read_state, write_state
from city_brain.playback.street import Street
from tests.distributed import kit
from tests.playback.recorded import record


@pytest.mark.parametrize("partitions", [1, 3])
def test_it_goes_on_from_any_state(tmp_path: Path, partitions: int) -> None:
    """As if it had never stopped: the same lines, the same head over all of them, and the same further states."""
    street, wanted = Street(record(tmp_path / "a.mcap", partitions, 1)), kit.oracle(partitions)
    states = [(n, street.state().to_bytes()) for n, _ in enumerate(street.ticks(), 1) if street.at_rest and n % 7 == 3]
    digest = street.head.digest()
    assert len(states) > 5
    for number, data in states:
        other = Street(tmp_path / "a.mcap")
        said = [tick.line for tick in other.ticks(StreetState.from_bytes(data, "state"))]
        assert said == wanted[number:]
        assert other.head.digest() == digest
    for (_, before), (number, after) in pairwise(states):
        playback = Playback(Street(tmp_path / "a.mcap"), StreetState.from_bytes(before, "state"))
        playback.seek(number)
        assert playback.state().to_bytes() == after


def test_it_goes_to_any_tick_both_ways(tmp_path: Path) -> None:
    """By number and by time; beyond either end it stays there. States that had to be dropped change nothing."""
    wanted = kit.oracle(1)
    playback = Playback(Street(record(tmp_path / "a.mcap", 1, 1)), states_bytes=1 << 20)
    playback._every = 3
    for number in (40, 7, 8, 30, 1, len(wanted), 20, 50):
        tick = playback.seek(number)
        assert tick is not None
        assert (tick.line, playback.number) == (wanted[number - 1], number)
        again = playback.seek_ms(tick.said.record.due_ms + 10)
        assert again is not None
        assert again.line == tick.line
    assert playback.seek(0) is None
    assert playback.seek(10_000).line == wanted[-1]  # type: ignore[union-attr]
    assert playback.step() is None
    assert playback.number == len(wanted)


def test_it_goes_to_what_somebody_waits_for(tmp_path: Path) -> None:
    """The next tick that announces an incident, of any type or of one; none is the end of the recording."""
    playback = Playback(Street(record(tmp_path / "a.mcap", 1, 1)))
    found = []
    while (tick := playback.until(announces())) is not None:
        found += [one.type for one in tick.said.record.incidents if one.detected_ms == tick.said.record.due_ms]
    assert found == ["signal_fault", "fire"]
    playback.seek(0)
    fire = playback.until(announces(frozenset({"fire"})))
    assert fire is not None
    assert any(one.type == "fire" for one in fire.said.record.incidents)
    assert playback.until(announces(frozenset({"fire"}))) is None


def test_a_branch_goes_on_with_other_types(tmp_path: Path) -> None:
    """From the state on, and not before: what could not be believed any more is not announced, the rest is."""
    path, wanted = record(tmp_path / "a.mcap", 3, 1), kit.oracle(3)
    before = Playback(Street(path))
    before.seek(10)
    state = before.state()
    number = before.number
    own = (Path(city_brain.__file__).parent / "incidents/types/signal_fault.yaml").read_text()
    stricter = {"signal_fault.yaml": re.sub(r"open_log_odds: .*", "open_log_odds: 20.0", own).encode()}
    branch = Street(path, stricter)
    ticks = [tick.said.record for tick in branch.ticks(state)]
    whole = [tick.said.record for tick in branch.ticks()]
    assert len(ticks) == len(wanted) - number
    assert {one.type for tick in ticks for one in tick.incidents if one.state == "active"} == {"fire"}
    assert [tick.versions for tick in ticks[1:]] == [tick.versions for tick in whole[number + 1 :]]


def test_states_lie_in_files(tmp_path: Path) -> None:
    """And come back the same; what is no state, or one of another recording, is refused with its name."""
    playback = Playback(Street(record(tmp_path / "a.mcap", 1, 1)))
    playback.seek(9)
    state = playback.state()
    write_state(tmp_path / "a.state", state)
    assert read_state(tmp_path / "a.state") == state
    (tmp_path / "b.state").write_bytes(b"no state")
    with pytest.raises(StateError, match=r"b\.state: wanted a state"):
        read_state(tmp_path / "b.state")
    other = Street(record(tmp_path / "other.mcap", 1, 1))
    with pytest.raises(StateError, match="wanted a state of 'other', got one of 'a'"):
        next(other.ticks(state))
    third = Street(record(tmp_path / "c" / "a.mcap", 3, 1))
    with pytest.raises(StateError, match=r"wanted a state of .*fusion/2.*, got one of"):
        next(third.ticks(state))
