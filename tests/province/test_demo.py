"""`make demo-province`: what it checks holds."""

import subprocess
import sys

import pytest

from tests.cli.processes import ENVIRONMENT
from tests.house import ROOT


@pytest.mark.campaign
def test_the_demo_of_a_province_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.province"], cwd=ROOT, env=ENVIRONMENT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROVINCE holds" in done.stdout
    assert done.stdout.count("  ok ") == 7
