"""One broker for all processes of a test run: whoever comes first starts it, and ends it when the last one is done."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kafka.broker import cluster


@contextmanager
def shared_broker(folder: Path) -> Iterator[str]:
    """The address of the broker that all processes with this folder share.

    Locks of the system count the users, not a number in a file: of a process that dies none is left.
    """
    address = folder / "kafka.address"
    with (folder / "kafka.users").open("w") as users, (folder / "kafka.starting").open("w") as starting:
        while True:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not address.exists():
                break
            if _locked(users, fcntl.LOCK_SH | fcntl.LOCK_NB):
                fcntl.flock(starting, fcntl.LOCK_UN)
                yield address.read_text(encoding="ascii")
                return
            fcntl.flock(starting, fcntl.LOCK_UN)  # its owner is about to end it
            time.sleep(0.1)
        with cluster() as started:
            part = address.with_suffix(".part")
            part.write_text(started.bootstrap_servers, encoding="ascii")
            part.rename(address)
            fcntl.flock(starting, fcntl.LOCK_UN)
            try:
                yield started.bootstrap_servers
            finally:
                _locked(users, fcntl.LOCK_EX)
                address.unlink()


def _locked(file: object, how: int) -> bool:
    try:
        fcntl.flock(file, how)  # type: ignore[arg-type]
    except BlockingIOError:
        return False
    return True
