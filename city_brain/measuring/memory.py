"""Memory of a process: what it holds, and the most that it held."""

import re
import resource
import sys
from pathlib import Path


def held_bytes() -> int:
    """Memory that this process holds now; where no system tells, the most that it held."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * resource.getpagesize() if told.is_file() else peak_bytes()


def peak_bytes(process: int | None = None) -> int:
    """Most memory that this process, or another one, held at once.

    What `getrusage` tells on Linux is also that of the parent, from before this program began.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    if status.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)):
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
