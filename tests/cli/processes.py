"""Runs `city-brain` as people do: a process of its own, with its streams and its exit code."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from tests.house import ROOT

COMMAND = (sys.executable, "-m", "city_brain")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
"""This checkout is the one that runs, from whatever folder."""

WAIT_S = 300.0
"""Nothing here takes so long; a process that does is taken for hung."""


@dataclass(frozen=True)
class Done:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str


def city_brain(*words: object, given: bytes = b"", folder: Path = ROOT) -> Done:
    """Runs a command to its end; `given` is its standard input."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=folder,
        env=ENVIRONMENT,
        input=given,
        capture_output=True,
        check=False,
        timeout=WAIT_S,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass
class Running:
    """A process that goes on, and the lines that it has said so far."""

    process: subprocess.Popen[str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    readers: list[Thread] = field(default_factory=list)

    def wait_for(self, pattern: str) -> str:
        """The first group of a pattern, once a line of either stream matches it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for line in [*self.out, *self.err]:
                if found := re.search(pattern, line):
                    return found[1] if found.groups() else found[0]
            if self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers):
                break
            time.sleep(0.02)
        raise AssertionError(f"wanted a line with {pattern}, got {[*self.out, *self.err]}")

    def ended(self) -> int:
        """The exit code, when it has ended by itself."""
        code = self.process.wait(WAIT_S)
        for reader in self.readers:
            reader.join(WAIT_S)
        return code

    def interrupted(self) -> int:
        """The exit code after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()


@contextmanager
def running(*words: object) -> Iterator[Running]:
    """Starts a command, and makes sure that it is gone in the end."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    started = Running(process)
    for stream, lines in ((process.stdout, started.out), (process.stderr, started.err)):
        assert stream is not None
        reader = Thread(target=lines.extend, args=(stream,), daemon=True)
        reader.start()
        started.readers.append(reader)
    try:
        yield started
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
