"""`python -m streams SITE`: all programs of a city on this machine, started again whenever one ends.

For a laptop and for trying things. On servers a supervisor of the system does this (systemd, Kubernetes), a program per
unit; they need nothing of each other but the topics.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from city_brain.kafka.admin import apply
from city_brain.site import read_settings
from streams.clock import check_live
from streams.command import LogOption, SiteArgument, told
from streams.logs import LogForm

WORKERS = ("ingest", "fuse", "desk")
PAUSE_S = 1.0
"""Before a program that has ended is started again: one that cannot start must not use up the machine."""
STOP_WAIT_S = 15.0


class Supervisor:
    """Programs by name, with their processes."""

    def __init__(self, site: Path, log: LogForm) -> None:
        self._site, self._log = site, log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def run(self, programs: list[tuple[str, str]]) -> None:
        """Keeps (program, slot) alive until SIGTERM or Ctrl-C, then stops them in order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for program, slot in programs:
            self._start(program, slot)
        while not self._stopping:
            time.sleep(PAUSE_S)
            for program, slot in programs:
                code = self._processes[f"{program}-{slot}"].poll()
                if code is not None and not self._stopping:
                    typer.echo(f"{program}-{slot} ended with {code}, and is started again", err=True)
                    self._start(program, slot)
        self._end()

    def _start(self, program: str, slot: str) -> None:
        command = [
            sys.executable,
            "-m",
            f"streams.{program}",
            str(self._site),
            "--slot",
            slot,
            "--log",
            self._log.value,
        ]
        # A group of its own, so that Ctrl-C comes to us alone and programs end one after the other.
        self._processes[f"{program}-{slot}"] = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        for process in self._processes.values():
            process.terminate()
        until_s = time.monotonic() + STOP_WAIT_S
        for name, process in self._processes.items():
            try:
                process.wait(max(until_s - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                typer.echo(f"{name} did not stop within {STOP_WAIT_S:g} s, and is killed", err=True)
                process.kill()


def run_all(
    site: SiteArgument,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of each program.")] = 1,
    clock: Annotated[
        bool | None,
        typer.Option("--clock/--no-clock", help="Whether to write marks; else where the site has no replayed = true."),
    ] = None,
    log: LogOption = LogForm.TEXT,
) -> None:
    """Makes the topics, then runs clock, ingest, fuse, desk, serve, detect and departments if any, until stopped."""
    settings = read_settings(site / "site.toml")
    if clock:
        check_live(site, settings)
    apply(settings.kafka, settings.partitions)
    if clock is None and settings.kafka.replayed:
        typer.echo("no clock is started: the site is of a recording, which brings its own marks", err=True)
    programs = [("clock", "0")] if clock or (clock is None and not settings.kafka.replayed) else []
    programs += [(program, str(slot)) for program in WORKERS for slot in range(workers)]
    programs += [("detect", str(slot)) for slot in range(workers)] if settings.video.cameras else []
    programs += [("departments", "0")] if settings.kafka.departments else []
    Supervisor(site, log).run([*programs, ("serve", "0")])


if __name__ == "__main__":
    told(lambda: typer.run(run_all))
