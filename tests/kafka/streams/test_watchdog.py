"""A worker that has input and takes none ends itself with 75, whatever it hangs in, within its limit."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from city_brain.kafka.topics import OBSERVATIONS
from tests.distributed import kit
from tests.house import ROOT
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, read_all, write_raw
from tests.kafka.streams.replayed import replayed_city

STALLED_AFTER_S = 3.0
LIMIT_S = 10.0
"""The limit, a fifth of it between two looks, and the time that brokers of a crowded machine take to answer."""


@pytest.mark.slow
@pytest.mark.parametrize("hang", [{"HANG_AT": "0"}, {"HANG_AT": "1", "HANG_LOOP": "yes"}], ids=["agent", "loop"])
def test_a_worker_that_hangs_ends_within_its_limit(
    kafka: str, prefix: str, tmp_path: Path, hang: dict[str, str]
) -> None:
    """At its very first record in the agent, or later with all of its loop; it says what waits."""
    workers = ("[workers]", f"stalled_after_s = {STALLED_AFTER_S}")
    with replayed_city(tmp_path, kafka, prefix, *workers, partitions=1) as fleet:
        settings = kafka_settings(fleet.site)
        fleet.start("ingest")
        for part, first in enumerate((0, 20)):
            write_raw(settings, [log[first : first + 20] for log in kit.raw_logs()], fleet.check)
            read_all(settings, OBSERVATIONS, lambda found, part=part: len(found) > part, fleet)
        done = subprocess.run(
            [sys.executable, "-m", "tests.kafka.streams.hanging", str(fleet.site)],
            cwd=ROOT, env=os.environ | hang, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 75, done.stderr
        lines = [json.loads(said) for said in done.stderr.splitlines()]
        resumed, last = next(said for said in lines if said["message"] == "resumes"), lines[-1]
        assert (last["level"], last["topic"]) == ("critical", settings.topic(OBSERVATIONS))
        assert (last["partition"], last["offset"]) == (0, int(hang["HANG_AT"]))
        begun, ended = (datetime.fromisoformat(said["time"]) for said in (resumed, last))
        assert STALLED_AFTER_S <= (ended - begun).total_seconds() < LIMIT_S


@pytest.mark.slow
@pytest.mark.parametrize(("slow_s", "code"), [(0.6 * STALLED_AFTER_S, 0), (PATIENCE_S, 75)], ids=["slow", "never"])
def test_a_record_after_a_long_silence_has_the_whole_limit(
    kafka: str, prefix: str, tmp_path: Path, slow_s: float, code: int
) -> None:
    """A log that was silent for longer than the limit is no reason to end the worker that its next record reaches."""
    with replayed_city(tmp_path, kafka, prefix, partitions=1) as fleet:
        program = [sys.executable, "-m", "tests.kafka.streams.silence", str(fleet.site)]
        times = [str(STALLED_AFTER_S), str(1.5 * STALLED_AFTER_S), str(slow_s)]
        done = subprocess.run(
            [*program, *times], cwd=ROOT, capture_output=True, text=True, timeout=2.0 * PATIENCE_S, check=False
        )
        assert done.returncode == code, done.stderr
