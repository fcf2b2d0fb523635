"""The workers of a city as processes, and the supervisor that starts again whatever ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streams.watchdog import STALLED
from tests.house import ROOT

LEASH = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Where whoever started them is killed, the workers go too."""
END_S = 20.0
PAUSE_S = 0.5
"""Before what ended by itself is started again; what was killed starts at once."""
ENDED_WELL: Sequence[int] = (0, -signal.SIGTERM)
"""Asked by SIGTERM: at once, where the program had not yet come to the point where it listens."""
_LAST_OF_TRACEBACK = re.compile(r"city-brain: |[A-Za-z][\w.]*(?:Error|Exception)\b")
_OF_BROKERS = re.compile(
    r"(?:aiokafka|kafka|faust|mode)\.[\w.]*(?:Error|Exception)|TimeoutError|(?:Kafka)?Connection\w*Error"
)

_NO_BROKER = "wanted a broker that answers"


@dataclass(frozen=True, slots=True)
class Exit:
    """A worker that ended by itself, and the reason that it gave."""

    name: str
    code: int
    why: str

    @property
    def of_brokers(self) -> bool:
        """Whether no broker answered it, or its watchdog found that it stood still."""
        return self.code == STALLED or bool(_OF_BROKERS.match(self.why)) or _NO_BROKER in self.why

    def __str__(self) -> str:
        return f"{self.name} ended with {self.code}: {self.why}"


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    log_at: int
    frozen: bool = False


@dataclass
class Crew:
    """`workers`: how many of each program stand in static slots. `bug`: what `tests.chaos.faulty` plants in them."""

    site: Path
    workers: Mapping[str, int]
    seed: int
    bug: str = ""
    exits: list[Exit] = field(default_factory=list)
    starts: int = 0
    _running: dict[str, _Worker] = field(default_factory=dict)
    _guests: list[str] = field(default_factory=list)
    _due_s: dict[str, float] = field(default_factory=dict)

    def start_all(self) -> None:
        """Starts every slot."""
        for program, count in self.workers.items():
            for slot in range(count):
                self.start(f"{program}-{slot}")

    def start(self, name: str, slot: str | None = None) -> None:
        """Starts a worker; each start has another order of hashes, known from the seed."""
        program, _, own = name.partition("-")
        slot = own if slot is None else slot
        faulty = ("tests.chaos.faulty", self.bug) if self.bug else ()
        arguments = [*faulty, f"streams.{program}", str(self.site), *(["--slot", slot] if slot else [])]
        hashes = np.random.Generator(np.random.PCG64([self.seed, 3, self.starts])).integers(1 << 32)
        log = self._log(name)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*LEASH, sys.executable, "-m", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONHASHSEED": str(hashes)},
            )
            self._running[name] = _Worker(process, output.tell())
        self.starts += 1

    def _log(self, name: str) -> Path:
        return self.site.parent / f"{name}.log"

    def tend(self) -> None:
        """Starts again what has ended, and notes why; a guest that ends stays away."""
        for name, worker in list(self._running.items()):
            code = worker.process.poll()
            if code is not None:
                self.exits.append(Exit(name, code, self._why(name, worker)))
                del self._running[name]
                if name not in self._guests:
                    self._due_s[name] = time.monotonic() + PAUSE_S
        for name, due_s in list(self._due_s.items()):
            if time.monotonic() >= due_s:
                del self._due_s[name]
                self.start(name)

    def _why(self, name: str, worker: _Worker) -> str:
        with self._log(name).open("rb") as log:
            log.seek(worker.log_at)
            lines = log.read().decode(errors="replace").splitlines()
        records = [_record(line) for line in lines]
        said = [record["message"] for record in records if record.get("level") == "critical"]
        if said and "nobody expected" not in said[-1]:
            return said[-1]
        raised = [record["error"].rstrip().rpartition("\n")[2] for record in records if "error" in record]
        return (raised or [line for line in lines if _LAST_OF_TRACEBACK.match(line)] or lines or [""])[-1]

    @property
    def complaints(self) -> list[Exit]:
        """Of programs that found something wrong."""
        return [found for found in self.exits if found.code not in ENDED_WELL and not found.of_brokers]

    @property
    def outages(self) -> list[Exit]:
        """Of programs that no broker answered."""
        return [found for found in self.exits if found.code not in ENDED_WELL and found.of_brokers]

    def pick(self, program: str, pick: float) -> str | None:
        """A worker of a program that is not frozen; None where there is none."""
        names = [
            name
            for name, worker in sorted(self._running.items())
            if name.partition("-")[0] == program and not worker.frozen
        ]
        return names[int(pick * len(names))] if names else None

    def kill(self, name: str) -> None:
        """SIGKILL; it is started again by `tend`, unless it was a guest."""
        worker = self._running.pop(name)
        worker.process.kill()
        worker.process.wait()
        if name not in self._guests:
            self.start(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self._running[name].frozen = True
        self._running[name].process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._running[name].frozen = False
        self._running[name].process.send_signal(signal.SIGCONT)

    def join(self, program: str) -> str:
        """A further worker comes, with a slot of its own or, every other time, without any; its name."""
        number = len(self._guests)
        name = f"{program}-guest{number}"
        self._guests.append(name)
        self.start(name, slot="" if number % 2 else f"guest{number}")
        return name

    def leave(self, program: str) -> str | None:
        """SIGTERM to the guest of a program that has been there longest; None where none is left."""
        for name in self._guests:
            if name in self._running and name.startswith(f"{program}-"):
                self._running[name].process.terminate()
                return name
        return None

    def restart(self, name: str) -> None:
        """SIGTERM; `tend` starts it again."""
        self._running[name].process.terminate()

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends all, by SIGTERM with patience, or at once."""
        for worker in self._running.values():
            worker.process.send_signal(signal.SIGCONT)
            worker.process.send_signal(how)
        until_s = time.monotonic() + END_S
        for name, worker in self._running.items():
            try:
                code = worker.process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
                code = -signal.SIGKILL
            if how == signal.SIGTERM and code not in ENDED_WELL:
                self.exits.append(Exit(name, code, self._why(name, worker)))
        self._running.clear()


def _record(line: str) -> dict[str, str]:
    """A line of a log that is JSON; nothing of any other line."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
