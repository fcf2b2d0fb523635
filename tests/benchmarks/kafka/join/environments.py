"""Virtual environments of the systems that we compare with: made once under `.bench/`, from locks with hashes.

Theirs are apart from ours, since their pins would clash; they hold numpy and orjson in the versions that we use.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.house import ROOT

HOME = ROOT / ".bench"


def python_of(system: str) -> Path:
    """The Python in which a system, `quix` or `bytewax`, is installed; raises RuntimeError where that fails."""
    lock = Path(__file__).with_name(f"{system}.lock")
    folder = HOME / f"{system}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {system} into {folder.relative_to(ROOT)} (once)", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        # Wheels alone: none of them has to be compiled where they were locked, and none may be elsewhere in silence.
        options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes")
        _run(str(python), "-m", "pip", "install", *options, "--requirement", str(lock))
        (folder / "complete").touch()
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: wanted exit 0, got {done.returncode}: {done.stderr.strip()[-2000:]}")
