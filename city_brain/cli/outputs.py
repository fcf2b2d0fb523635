"""The files that a run through the street writes, complete or not there, and what it has counted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

import typer

from city_brain.digest import TreeHead
from city_brain.errors import RecordingError
from city_brain.incidents.tick_record import TickRecord
from city_brain.page.html import report as page_of
from city_brain.page.report import Report
from city_brain.replay.stream import track_lines
from city_brain.runner import ClosedTick, Runner

_UNFINISHED: Final = ".part"
_STANDARD_OUTPUT: Final = "-"


class Outputs:
    """Incidents, tracks and ticks, each where a path is given.

    A file grows under another name, `*.part`, and takes its own at the end, so half of one never looks complete; where
    the run fails, a part that holds something stays.
    """

    def __init__(self, incidents: str | None, tracks: str | None, ticks: str | None, names: dict[int, str]) -> None:
        self._paths = {"incidents": incidents, "tracks": tracks, "ticks": ticks}
        self._files: dict[str, IO[bytes]] = {}
        self._names = names
        self.head = TreeHead()
        self.states: dict[str, tuple[str, str, bool]] = {}
        self.revisions = 0
        self.due_ms: int | None = None

    def __enter__(self) -> "Outputs":
        for name, path in self._paths.items():
            if path is not None:
                self._files[name] = typer.get_binary_stream("stdout") if path == _STANDARD_OUTPUT else _create(path)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with ExitStack() as closing:  # all are closed, whichever of them fails
            for name in self._files:
                closing.callback(self._close, name, kind is None)

    def _close(self, name: str, complete: bool) -> None:
        file, path = self._files[name], self._paths[name]
        with self._naming(name):
            file.flush()
            if path is None or path == _STANDARD_OUTPUT:
                return
            file.close()
            if complete and _is_kept(path):
                _part(path).replace(path)
            elif _is_kept(path) and not _part(path).stat().st_size:
                _part(path).unlink()

    def unfinished(self) -> list[str]:
        """The files that lie there incomplete."""
        parts = [_part(path) for path in self._paths.values() if path is not None and path != _STANDARD_OUTPUT]
        return [str(part) for part in parts if part.exists()]

    def take(self, closed: ClosedTick) -> None:
        """Writes what a tick says, and which tracks ended in it."""
        self.take_record(closed.record)
        if "tracks" in self._files:
            self._write("tracks", track_lines((reading.ended for reading in closed.readings), self._names))

    def take_record(self, record: TickRecord) -> None:
        """Writes what a tick says."""
        line = record.to_line()
        self.head.add(line)
        self.due_ms = record.due_ms
        self.revisions += len(record.lines)
        for incident in record.incidents:
            self.states[incident.incident_id] = (incident.type, incident.state, incident.detected_ms is not None)
        self._write("incidents", record.lines)
        self._write("ticks", (line,))

    def remaining_tracks(self, runner: Runner) -> None:
        """Writes the tracks of the objects that were still there at the end."""
        self._write("tracks", track_lines((engine.books.objects.members for engine in runner.engines), self._names))

    def _write(self, name: str, lines: Any) -> None:
        file = self._files.get(name)
        if file is not None:
            with self._naming(name):
                file.writelines(line + b"\n" for line in lines)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Names the file that cannot be written on, as when the disk is full."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as wrong:
            path = "standard output" if self._paths[name] == _STANDARD_OUTPUT else self._paths[name]
            raise RecordingError(f"{path}: wanted to write all of it, got: {wrong.strerror}") from wrong


def write_report(report: Report, path: str) -> None:
    """Writes the page of a run, whole or not at all."""
    html = page_of(report.document()).encode()
    if path == _STANDARD_OUTPUT:
        typer.get_binary_stream("stdout").write(html)
        return
    try:
        kept = _is_kept(path)
        (_part(path) if kept else Path(path)).write_bytes(html)
        if kept:
            _part(path).replace(path)
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a file to write, got: {wrong.strerror}") from wrong


def _is_kept(path: str) -> bool:
    """Whether a file is to lie at a path: a device or pipe that is there already takes what comes as it comes."""
    return not Path(path).exists() or Path(path).is_file()


def _part(path: str) -> Path:
    return Path(path + _UNFINISHED)


def _create(path: str) -> IO[bytes]:
    try:
        return (_part(path) if _is_kept(path) else Path(path)).open("wb")
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a file to write, got: {wrong.strerror}") from wrong
