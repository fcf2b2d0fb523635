"""A recording of raw topics says in one process what the city says, however its partitions interleave."""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

import city_brain
from city_brain.bag.writing import RecordingWriter
from city_brain.distributed import RawRecord
from city_brain.errors import RecordingError, StateError
from city_brain.playback.street import Street
from tests.distributed import kit
from tests.playback.recorded import PREFIX, record


@pytest.mark.parametrize(("partitions", "seed"), [(1, 1), (1, 2), (3, 3)])
def test_it_says_what_the_city_says(tmp_path: Path, partitions: int, seed: int) -> None:
    """Whatever the interleaving of raw partitions."""
    street = Street(record(tmp_path / "a.mcap", partitions, seed))
    assert [tick.line for tick in street.ticks()] == kit.oracle(partitions)


def test_ticks_say_how_far_the_recording_was_read(tmp_path: Path) -> None:
    """Log times rise from tick to tick, or stay where one mark closes several."""
    log_ns = [tick.log_ns for tick in Street(record(tmp_path / "a.mcap", 1, 1)).ticks()]
    assert log_ns == sorted(log_ns)
    assert len(set(log_ns)) > len(log_ns) // 2


def test_a_record_that_is_missing_stops_it(tmp_path: Path) -> None:
    """Nothing is said of rows that follow a hole."""
    street = Street(record(tmp_path / "a.mcap", 1, 1, leave_out=(0, 100)))
    said = []
    with pytest.raises(StateError, match=r"video\.detections/0: .*wanted offset 100, got 101: the recording lacks"):
        said.extend(street.ticks())
    assert [tick.line for tick in said] == kit.oracle(1)[: len(said)]


def test_a_recording_without_a_city_is_refused(tmp_path: Path) -> None:
    """It says whose topics it holds, or cannot be run."""
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        writer.write(writer.channel("a", 0), 0, b"", timestamp_ms=0, log_ns=1)
    with pytest.raises(RecordingError, match="wanted the metadata city"):
        Street(tmp_path / "a.mcap")


def test_a_recording_that_begins_behind_the_first_configuration_is_refused(tmp_path: Path) -> None:
    """What the city began with decides."""
    with pytest.raises(RecordingError, match="wanted control from its first record on"):
        Street(record(tmp_path / "a.mcap", 1, 1, leave_out=(kit.CONTROL, 0)))


def test_what_is_no_configuration_hides_none(tmp_path: Path) -> None:
    """Garbage that stands in `control` before the first configuration is passed over, as the programs do."""
    garbage = RawRecord(kit.CONTROL, 0, kit.SETTINGS.start_ms, b"no configuration")
    *logs, control = kit.raw_logs()
    moved = [dataclasses.replace(one, offset=one.offset + 1) for one in control]
    street = Street(record(tmp_path / "a.mcap", 1, 1, logs=(*logs, (garbage, *moved))))
    said = [msgspec.json.decode(tick.line) for tick in street.ticks()]
    wanted = [msgspec.json.decode(line) for line in kit.oracle(1)]
    assert [tick["incidents"] for tick in said] == [tick["incidents"] for tick in wanted]


def test_a_mark_of_another_year_is_refused(tmp_path: Path) -> None:
    """It would close millions of ticks; what was said before it stands."""
    logs = [list(log) for log in kit.raw_logs()]
    for log in logs:
        for at in range(len(log) // 2, len(log)):
            log[at] = dataclasses.replace(log[at], stamp_ms=log[at].stamp_ms + 365 * 86_400_000)
    said = []
    with pytest.raises(RecordingError, match=r"town\.\S+/0 \d+: wanted a mark at most 31 days after"):
        said.extend(Street(record(tmp_path / "a.mcap", 1, 1, logs=logs)).ticks())
    assert [tick.line for tick in said] == kit.oracle(1)[: len(said)]
    assert said


def test_other_types_are_tried_on_the_same_rows(tmp_path: Path) -> None:
    """A signal that nobody can believe to be faulty is announced no more; fires are, at the same tick as before."""
    path = record(tmp_path / "a.mcap", 1, 1)
    own = (Path(city_brain.__file__).parent / "incidents/types/signal_fault.yaml").read_text()
    stricter = re.sub(r"open_log_odds: .*", "open_log_odds: 20.0", own)
    assert stricter != own
    before, after = Street(path), Street(path, {"signal_fault.yaml": stricter.encode()})
    assert _announced(before) - _announced(after) == Counter(signal_fault=1)
    assert _announced(after) - _announced(before) == Counter()
    assert before.place(kit.CONTROL) == (PREFIX + "control", 0)


def _announced(street: Street) -> Counter[str]:
    """How many incidents of each type were announced."""
    incidents = [incident for tick in street.ticks() for incident in tick.said.record.incidents]
    return Counter(kind for kind, _ in {(one.type, one.incident_id) for one in incidents if one.state == "active"})
