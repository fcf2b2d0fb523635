"""`city-brain bag cut`, `filter` and `merge` as people call them, and recordings of several segments looked into."""

import json
from pathlib import Path

import msgspec
import pytest

from city_brain.bag.writing import RecordingWriter, WriterSettings
from city_brain.cli.common import DATA_LOST, FAILED, USAGE
from tests.bag.samples import START_NS, put, seen
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain


@pytest.fixture(scope="module")
def day(world: Fused, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world of these tests as a recording."""
    path = tmp_path_factory.mktemp("edit") / "day.mcap"
    assert city_brain("bag", "convert", world.observations, path, "--map", world.city_map).code == DATA_LOST
    return path


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """A recording of three segments, ten records each."""
    settings = WriterSettings(segment_s=1, chunk_ms=1)
    with RecordingWriter(tmp_path / "night.mcap", settings) as writer:
        for number in range(30):
            put(writer, msgspec.structs.replace(seen(number), log_ns=START_NS + 100_000_000 * number))
    return [tmp_path / name for name in ("night.mcap", "night-00002.mcap", "night-00003.mcap")]


def test_cut_around_an_incident_and_merged(day: Path, tmp_path: Path) -> None:
    """The cut can be run; merged with the whole day, it says what the day says."""
    announced = json.loads(city_brain("bag", "run", day, "--json").out)
    number = announced["announced"][0]["number"]
    done = city_brain("bag", "cut", day, tmp_path / "one.mcap", "--around", number, "--margin", 5)
    assert done.code == 0 and done.out.endswith("\n  bag run runs it from its first row on\n"), done.err
    assert city_brain("bag", "run", tmp_path / "one.mcap").code == 0
    told = json.loads(
        city_brain("bag", "cut", day, tmp_path / "two.mcap", "--to", "2027-01-01T00:00:00Z", "--json").out
    )
    assert told["written"] == told["read"]
    both = city_brain("bag", "merge", tmp_path / "both.mcap", tmp_path / "one.mcap", tmp_path / "two.mcap")
    assert both.code == 0 and " came again" in both.out, both.err
    assert json.loads(city_brain("bag", "run", tmp_path / "both.mcap", "--json").out) == announced


def test_filtered(day: Path, tmp_path: Path) -> None:
    """With holes it says why it cannot be run; renumbered it can."""
    words = ("--topic", "sensor.readings")
    holes = city_brain("bag", "filter", day, tmp_path / "a.mcap", *words)
    assert holes.code == 0 and "\n  bag run cannot run it: video.detections/" in holes.out, holes.err
    whole = city_brain("bag", "filter", day, tmp_path / "b.mcap", *words, "--renumber", "--json")
    assert json.loads(whole.out)["why_not"] == ""
    assert city_brain("bag", "run", tmp_path / "b.mcap").code == 0


def test_what_cannot_be_done_is_refused(day: Path, tmp_path: Path) -> None:
    """A wrong word is the caller's to mend, and nothing is written."""
    neither = city_brain("bag", "cut", day, tmp_path / "a.mcap")
    assert neither.code == USAGE and "wanted either --around or --from and --to, got both or neither" in neither.err
    times = ("--from", "2026-09-24T08:01:00+08:00", "--to", "2026-09-24T08:00:00+08:00")
    back = city_brain("bag", "cut", day, tmp_path / "a.mcap", *times)
    assert back.code == USAGE and "wanted a time after --from" in back.err
    nothing = city_brain("bag", "filter", day, tmp_path / "a.mcap")
    assert nothing.code == USAGE and "wanted --topic, --key, --source or --bare, got none" in nothing.err
    alone = city_brain("bag", "merge", tmp_path / "a.mcap", day)
    assert alone.code == USAGE and "wanted two recordings or more, got 1" in alone.err
    nobody = city_brain("bag", "cut", day, tmp_path / "a.mcap", "--around", "0924-999")
    assert nobody.code == FAILED and "wanted an incident '0924-999' (its id or number), got none" in nobody.err
    assert not list(tmp_path.iterdir())


def test_all_segments_are_looked_into(series: list[Path]) -> None:
    """info adds up and names each; ls goes on from one to the next; doctor examines each. A later one stands alone."""
    info = city_brain("bag", "info", series[0])
    assert info.out.startswith(f"{series[0]}: 30 records in 30 chunks, 3 segments\n")
    assert all(f"\n  segment {path}: 10 records, " in info.out for path in series)
    assert "\n  reports/1  offsets 100 to 104\n" in info.out
    told = json.loads(city_brain("bag", "info", series[0], "--json").out)
    assert (told["records"], [part["path"] for part in told["segments"]]) == (30, list(map(str, series)))
    assert city_brain("bag", "ls", series[0]).out.count("\n") == 30
    assert city_brain("bag", "ls", series[0], "--from", "2026-05-29T04:26:41.500+08:00").out.count("\n") == 15
    assert city_brain("bag", "ls", series[1]).out.count("\n") == 10
    doctor = city_brain("bag", "doctor", series[0])
    assert [line.partition(": ")[0] for line in doctor.out.splitlines()] == list(map(str, series))
    assert doctor.code == 0 and doctor.out.count(", sound\n") == 3


def test_a_segment_that_is_missing_or_another_is_told(series: list[Path]) -> None:
    """By doctor with the others, and by who reads them in their order."""
    middle = series[1].read_bytes()
    series[1].unlink()
    doctor = city_brain("bag", "doctor", series[0])
    assert doctor.code == FAILED and f"{series[1]}: wanted segment 2 of 'night', got none" in doctor.err
    for verb in ("info", "ls"):
        done = city_brain("bag", verb, series[0])
        assert done.code == FAILED and f"{series[1]}: wanted segment 2 of 'night', got none" in done.err
    series[1].write_bytes(series[2].read_bytes())
    doctor = city_brain("bag", "doctor", series[0])
    assert doctor.code == FAILED and f"{series[1]}: wanted segment 2 of 'night', got 3 of 'night'" in doctor.err
    damaged = bytearray(middle)
    damaged[middle.index(b"zstd") + 40] ^= 1
    series[1].write_bytes(damaged)
    doctor = city_brain("bag", "doctor", series[0], "--json")
    assert doctor.code == FAILED
    assert [bool(part["trouble"]) for part in json.loads(doctor.out)["segments"]] == [False, True, False]
