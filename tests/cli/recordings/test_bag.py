"""`city-brain bag` as people call it: what it prints of a recording, good or damaged, and its exit codes."""

import json
import os
from pathlib import Path

import pytest

from city_brain.bag.records import Record
from city_brain.cli.common import DATA_LOST, FAILED, USAGE
from tests.bag.samples import START_NS, full_file, stream, write
from tests.cli.processes import city_brain


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A recording with everything in it, losses too, and its records."""
    path = tmp_path_factory.mktemp("bag") / "night.mcap"
    return path, full_file(path, 120)


@pytest.fixture
def cut(night: tuple[Path, list[Record]], tmp_path: Path) -> Path:
    """What is left of it after a kill in the middle of a write."""
    data = night[0].read_bytes()
    path = tmp_path / "night.mcap.part"
    path.write_bytes(data[: data.rindex(b"zstd", 0, len(data) // 2) + 60])
    return path


def test_info_says_what_is_in_a_recording(night: tuple[Path, list[Record]]) -> None:
    """Topics with their offsets, times, metadata, attachments; losses too, so exit code 3."""
    done = city_brain("bag", "info", night[0])
    assert done.code == DATA_LOST, done.err
    assert done.out.startswith(f"{night[0]}: 120 records in ")
    assert "  arrived from 2026-05-29T04:26:40+08:00 to 2026-05-29T04:26:40+08:00\n" in done.out
    assert "  reports/1  offsets 100 to 119\n" in done.out
    assert "  metadata provenance: commit=0b782b5\n" in done.out
    assert "  attached map/city.geojson: 900 bytes, application/geo+json\n" in done.out
    assert "  lost: reports/1 5 to 9, expired\n" in done.out
    told = json.loads(city_brain("bag", "info", night[0], "--json").out)
    assert (told["profile"], told["records"], told["cut"]) == ("citybrain", 120, "")
    assert told["gaps"] == [
        {"topic": "reports", "partition": 1, "first": 5, "last": 9, "reason": "expired", "detail": ""}
    ]


def test_nothing_lost_is_exit_code_0(tmp_path: Path) -> None:
    """Of info and of doctor."""
    path = write(tmp_path / "a.mcap", stream(30))
    assert city_brain("bag", "info", path).code == 0
    done = city_brain("bag", "doctor", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{path}: 30 records, ") and done.out.endswith(", sound\n")


def test_ls_prints_records(night: tuple[Path, list[Record]]) -> None:
    """One a line; of a topic, from a time, at most so many; as JSON with all that was in Kafka."""
    path, told = night
    lines = city_brain("bag", "ls", path).out.splitlines()
    assert len(lines) == 120
    assert lines[1] == "2026-05-29T04:26:40+08:00  signal.states/0 100  key camera-1, value 32 bytes, 3 headers"
    reports = city_brain("bag", "ls", path, "--topic", "reports", "--limit", 5).out.splitlines()
    assert len(reports) == 5 and all("  reports/" in line for line in reports)
    later = city_brain("bag", "ls", path, "--from", "2026-05-29T04:26:40.100+08:00").out.splitlines()
    assert later == lines[100:]
    found = [json.loads(line) for line in city_brain("bag", "ls", path, "--json", "--limit", 3).out.splitlines()]
    assert found[0]["key"] is None and found[0]["value_bytes"] is None and found[0]["headers"] == []
    assert found[1]["key"] == "Y2FtZXJhLTE=" and found[1]["log_ns"] == START_NS + 1_000_000
    assert found[1]["headers"] == [["kind", "c2Vlbg=="], ["trace", "MDAwMDAwMDE="], ["trace", None]]
    assert [record["offset"] for record in found] == [record.offset for record in told[:3]]


def test_a_cut_recording_is_mended(cut: Path, night: tuple[Path, list[Record]]) -> None:
    """info and doctor say so; recover writes a good one beside it, and says what was lost."""
    info = city_brain("bag", "info", cut)
    assert info.code == DATA_LOST and "wanted a file that was finished, got one that was cut" in info.err
    assert city_brain("bag", "doctor", cut).code == FAILED
    done = city_brain("bag", "recover", cut)
    assert done.code == DATA_LOST
    assert done.out.startswith(f"{cut.with_suffix('')}: ")
    assert "the recording was not finished" in done.out and "lost: " in done.err
    listed = city_brain("bag", "ls", cut.with_suffix("")).out
    assert city_brain("bag", "ls", night[0]).out.startswith(listed) and listed.count("\n") > 30
    doctor = city_brain("bag", "doctor", cut.with_suffix(""), "--json")
    assert doctor.code == DATA_LOST
    assert json.loads(doctor.out)["trouble"] == [] and json.loads(doctor.out)["gaps"][-1]["reason"] == "torn"
    again = city_brain("bag", "recover", cut)
    assert again.code == FAILED and "wanted a new file, got one that is there" in again.err


def test_a_damaged_recording_is_told(night: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """doctor fails, recover saves the rest under a name of its own, as JSON too."""
    data = bytearray(night[0].read_bytes())
    data[data.index(b"zstd") + 40] ^= 1
    path = tmp_path / "night.mcap"
    path.write_bytes(data)
    doctor = city_brain("bag", "doctor", path)
    assert doctor.code == FAILED and "damaged: " in doctor.err and "chunk: wanted" in doctor.err
    done = city_brain("bag", "recover", path, "--json")
    assert done.code == DATA_LOST
    told = json.loads(done.out)
    assert told["out"] == str(tmp_path / "night-mended.mcap")
    assert told["damages"] == 1 and told["finished"] and 100 < told["records"] < 120


@pytest.mark.parametrize("verb", ["info", "ls", "doctor", "recover"])
def test_a_pipe_is_no_recording(tmp_path: Path, verb: str) -> None:
    """It is refused at once, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    done = city_brain("bag", verb, tmp_path / "pipe")
    assert done.code == FAILED and "pipe: wanted a recording to read, got: no regular file" in done.err


@pytest.mark.parametrize("verb", ["info", "ls", "doctor", "recover"])
def test_what_is_no_recording_is_refused(tmp_path: Path, verb: str) -> None:
    """A wrong name is the caller's to mend, a wrong file is not."""
    missing = city_brain("bag", verb, tmp_path / "nothing.mcap")
    assert missing.code == USAGE
    assert "nothing.mcap: wanted a recording to read, got: No such file or directory" in missing.err
    path = tmp_path / "a.mcap"
    path.write_bytes(b"something else")
    done = city_brain("bag", verb, path)
    assert done.code == FAILED and "a.mcap: wanted " in done.err and "Traceback" not in done.err
