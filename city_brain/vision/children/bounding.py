"""What a child may take: it bounds itself before it reads a byte of a stranger."""

import resource
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
