"""A partition is read from where the program says from its first record on, however long its state takes to come."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from city_brain.kafka.topics import OBSERVATIONS
from tests.distributed import kit
from tests.house import ROOT
from tests.kafka.broker import free_ports
from tests.kafka.sites import kafka_settings
from tests.kafka.streams.fleet import PATIENCE_S, read_all, write_raw
from tests.kafka.streams.replayed import http, replayed_city


@pytest.mark.slow
def test_nothing_is_read_of_a_partition_before_it_is_ready(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A worker that stood by takes over from one that was killed; Faust has not held it up, since it had none."""
    with replayed_city(tmp_path, kafka, prefix, partitions=1) as fleet:
        settings, (port,) = kafka_settings(fleet.site), free_ports(1)
        fleet.start("ingest")
        fleet.start("fuse")
        write_raw(settings, [log[:20] for log in kit.raw_logs()], fleet.check)
        read_all(settings, OBSERVATIONS, bool, fleet)
        options = ["--slot", "1", "--metrics", f"127.0.0.1:{port}"]
        program = [sys.executable, "-m", "tests.kafka.streams.waking", str(fleet.site), *options]
        with (tmp_path / "waking.log").open("wb") as log:
            waking = subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log)
        try:
            until_s = time.monotonic() + PATIENCE_S
            while http(port, "/readyz")[0] != 200 and time.monotonic() < until_s:
                time.sleep(0.2)
            fleet.kill("fuse-0")
            write_raw(settings, [log[20:40] for log in kit.raw_logs()], fleet.check)
            assert waking.wait(PATIENCE_S) == 0, (tmp_path / "waking.log").read_text()
        finally:
            waking.kill()
            waking.wait()
