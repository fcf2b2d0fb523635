"""The clock marks live topics alone: a log that is a recording has its own marks, and keeps them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from city_brain.distributed import RAW_TOPICS
from tests.house import ROOT
from tests.kafka.streams.replayed import replayed_city


@pytest.mark.parametrize("words", [("streams.clock", "{site}"), ("streams", "{site}", "--clock")], ids=["alone", "all"])
def test_no_clock_runs_where_a_recording_is_played(words: tuple[str, ...], tmp_path: Path) -> None:
    """It is refused before any broker is asked."""
    (tmp_path / "site.toml").write_text("[kafka]\nreplayed = true\n")
    command = [sys.executable, "-m", *(word.format(site=tmp_path) for word in words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=60.0)
    assert done.returncode == 1
    assert "wanted live topics for the clock, got a recording, which brings its own marks" in done.stderr


def test_all_programs_start_without_it(kafka: str, prefix: str, tmp_path: Path) -> None:
    """On such a site; that is said, and nothing is written into the raw topics."""
    feed = ("[feed]", 'address = "127.0.0.1:0"')
    with replayed_city(tmp_path, kafka, prefix, *feed, partitions=1) as fleet:
        command = [sys.executable, "-m", "streams", str(fleet.site)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            deadline_s = time.monotonic() + 60.0
            while "streams.serve" not in (found := _programs(process.pid)):
                assert process.poll() is None and time.monotonic() < deadline_s
                time.sleep(0.1)
        finally:
            process.terminate()
            _, told = process.communicate(timeout=60.0)
        assert process.returncode == 0
        assert told.startswith("no clock is started: the site is of a recording")
        assert found == ["streams.ingest", "streams.fuse", "streams.desk", "streams.serve"]
        raw = [TopicPartition(f"{prefix}{name}", 0) for name in RAW_TOPICS if name != "control"]
        consumer = KafkaConsumer(bootstrap_servers=kafka.split(","))
        assert set(consumer.end_offsets(raw).values()) == {0}
        consumer.close()


def _programs(process: int) -> list[str]:
    """The programs that a process has started, in order; not one that is only about to become it."""
    pids = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0") for pid in pids]
    return [words[2] for words in commands if words[2:] and words[2].startswith("streams.")]
