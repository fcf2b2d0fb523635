"""How a child is started: this very city-brain, with next to nothing of our environment, and how it ended."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[3]
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""All that a child learns of the environment: passwords may stand there."""


def command(module: str) -> list[str]:
    """What runs a module of ours with the Python that runs us."""
    return [sys.executable, "-s", "-B", "-m", module]


def environment(home: str) -> dict[str, str]:
    """Of a child; without a home Python looks one up among the users."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = [str(_ROOT), *(entry for entry in sys.path if entry and Path(entry).is_absolute())]
    # Threads of linear algebra would each reserve memory of the child, and none of them is needed.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return kept | threads | {"PYTHONPATH": os.pathsep.join(path), "HOME": home}


def ended(code: int) -> str:
    """How a process ended, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
