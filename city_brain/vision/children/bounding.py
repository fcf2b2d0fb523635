"""What a child may take: it bounds itself before it reads a byte of a stranger, and can say what it took."""

import re
import resource
import sys
from pathlib import Path
from typing import Final

_OPEN_FILES: Final = 64


def bound(memory_bytes: int, cpu_s: int | None = None) -> None:
    """Bounds address space, processor time, open files and what may be written (nothing), for good."""
    bounds = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    if cpu_s is not None:
        bounds[resource.RLIMIT_CPU] = cpu_s
    for what, most in bounds.items():
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def peak_bytes(process: int | None = None) -> int:
    """Most memory that this process, or another one, held at once.

    What `getrusage` tells on Linux is also that of the parent, from before this program began.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    if status.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)):
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
