"""README.md shows how a regression is found: its commands print what stands below them."""

import re
import subprocess
import sys
from pathlib import Path

from tests.cli.processes import ENVIRONMENT
from tests.house import ROOT


def test_the_regression_of_the_readme_is_found(tmp_path: Path) -> None:
    """Every command as it stands there, in a checkout with nothing in `out`."""
    block = re.search(r"```console\n(?=[^`]*bag diff)(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    (tmp_path / "city_brain").symlink_to(ROOT / "city_brain")
    (tmp_path / "playback").symlink_to(ROOT / "playback")
    for command, wanted in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block[1], re.M):
        words = command.replace(".venv/bin/city-brain", f"{sys.executable} -m city_brain")
        done = subprocess.run(
            ["/bin/sh", "-c", words], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=False, text=True
        )
        assert (done.stdout, done.stderr) == (wanted, "")
    assert wanted.count("\n") == 5
