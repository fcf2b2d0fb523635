"""The system's limit of open files: raised for the connections that a server may hold, which are fewer without it."""

import resource
from contextlib import suppress

from city_brain.servers.repeats import Complaints

PORTS = 2
"""gRPC and HTTP, each with as many connections."""
OTHER_FILES = 256
"""Those of the store, the recording, the certificates and the libraries."""


def connections_allowed(wanted: int, complaints: Complaints) -> int:
    """How many connections a port may hold of those `wanted`: all, where the system lets us open so many files.

    Raises the soft limit as far as the hard one; complains where that is not enough.
    """
    needed = PORTS * wanted + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, needed):
        return wanted
    best = needed if _covers(hard, needed) else hard
    if best > soft:
        with suppress(OSError, ValueError):  # a system may keep a limit of its own below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    got = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if _covers(got, needed):
        return wanted
    allowed = max((got - OTHER_FILES) // PORTS, 1)
    complaints.wrong(
        "files",
        f"open files: wanted {needed} for watchers and calls of [limits], got {got}: a port holds {allowed} "
        f"connections instead of {wanted}; raise the hard limit (ulimit -Hn, LimitNOFILE), or lower watchers and calls",
    )
    return allowed


def _covers(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
