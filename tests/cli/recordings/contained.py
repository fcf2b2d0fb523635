"""Runs commands one after the other, each in a process of its own with little memory and little time.

`python -m tests.cli.recordings.contained` reads a list of `Job` as JSON from standard input, and writes one of `Told`.
Processes are forks of one that has imported everything, so that hundreds of them take seconds.
"""

import importlib
import os
import resource
import sys
import tempfile
import time
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import msgspec

MEMORY_BYTES = 320 << 20
"""What a process may map besides what it begins with: limits of a reader are 32 MiB of a chunk and 64 of a file."""
SECONDS = 60
_WARM = (
    "city_brain.bag.recovering", "city_brain.cli.converting.writing", "city_brain.cli.outputs",
    "city_brain.cli.recordings", "city_brain.playback.control.stepping", "city_brain.playback.control.verifying",
    "city_brain.playback.converting", "city_brain.playback.editing", "city_brain.playback.faults.baking",
    "city_brain.playback.opening",
)  # fmt: skip


class Job(msgspec.Struct, frozen=True):
    """Words of a command line, the folder in which they are said, and standard input."""

    words: list[str]
    folder: str
    given: str = ""


class Told(msgspec.Struct, frozen=True):
    """How a command ended. `code` is below 0 where a signal ended it."""

    code: int
    out: str
    err: str
    seconds: float


def main() -> None:
    """Runs the jobs of standard input."""
    from city_brain.cli.app import main as city_brain

    for name in _WARM:
        importlib.import_module(name)
    sys.argv = ["city-brain", "bag", "info", "nothing.mcap"]
    with redirect_stderr(StringIO()), suppress(SystemExit):
        city_brain()  # what a command line imports when it is read
    jobs = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Job])
    sys.stdout.buffer.write(msgspec.json.encode([_run(job, city_brain) for job in jobs]))


def _run(job: Job, city_brain: object) -> Told:
    began = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(job.given.encode())
        given.seek(0)
        child = os.fork()
        if child == 0:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            os._exit(_called(job, city_brain))
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Told(os.waitstatus_to_exitcode(status), *texts, time.monotonic() - began)


def _called(job: Job, city_brain: object) -> int:
    assert callable(city_brain)
    os.chdir(job.folder)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    mapped = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (mapped, mapped))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.argv = ["city-brain", *job.words]
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    code = 0
    try:
        city_brain()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException as wrong:  # noqa: BLE001 - as Python would end with it
        sys.stderr.write(f"Traceback: {wrong!r}\n")
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
