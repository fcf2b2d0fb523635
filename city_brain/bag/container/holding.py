"""Who writes a file holds it: others notice by a lock, which the system takes back from a writer that is gone."""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)
"""What file systems say that know no second name of a file."""


def hold(file: IO[Any]) -> None:
    """Holds a file that is open for writing until it is closed; where files know no locks, nobody notices."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether somebody writes a file; False where it cannot be asked."""
    try:
        with open_regular(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def open_regular(path: Path) -> BinaryIO:
    """A file to read, or OSError; a pipe or a device is none, and would keep whoever opens it waiting."""
    if path.exists() and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path.open("rb")


def give_name(part: Path, path: Path) -> None:
    """Renames a file, but never over another one: OSError where there is one of that name, or it cannot be done."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as wrong:
        if wrong.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from wrong
        part.rename(path)
    else:
        part.unlink()
