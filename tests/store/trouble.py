"""A disk that can be filled and emptied: a small file system where that is allowed, else a limit on files."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 3 << 20


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Makes `folder` a small disk; gives what fills it and what makes room again."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    with suppress(FileNotFoundError):
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            try:
                yield _filler(folder)
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - the system's own
            return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield (
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard)),
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _filler(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    path = folder / "filler"

    def fill() -> None:
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    return fill, path.unlink
