"""The benchmark of recordings measures what it says: every part of it runs, on few records."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.benchmarks.bag import Figures, measure
from tests.house import ROOT


def test_the_benchmark_measures_every_part(tmp_path: Path) -> None:
    """Speeds of both, sizes, seeks to the record that was meant, and memory of processes of their own."""
    found = measure(tmp_path, 2_000, 1, [1_000])
    speeds = (found.write, found.write_mcap, found.read, found.read_mcap, found.read_objects, found.read_mcap_sought)
    assert min(speeds) > 0.0
    assert 40 < found.bytes_per_record < 120 and 40 < found.bytes_per_record_mcap < 120
    assert found.seek_ms >= 0.0 and found.seek_worst_ms >= found.seek_ms
    assert list(found.memory_mib) == ["write 1000", "read 1000"]
    assert all(20 < mib < 128 for mib in found.memory_mib.values())


def test_a_missed_floor_is_exit_code_1(tmp_path: Path) -> None:
    """No machine packs ten records at the wanted speed, since opening and closing a file take longer."""
    words = [sys.executable, "-m", "tests.benchmarks.bag", "--records", "10", "--rounds", "1", "--json", "--memory"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=environment, check=False, capture_output=True)
    assert done.returncode == 1, done.stderr
    assert msgspec.json.decode(done.stdout, type=Figures).records == 10
    assert b"missed: record 200000/s, got " in done.stderr
