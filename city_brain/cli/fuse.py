"""`city-brain fuse`: a recording of observations in, incidents out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from city_brain.cli.common import (
    DATA_LOST,
    JsonOption,
    MapOption,
    PartitionsOption,
    Progress,
    TickOption,
    TypesOption,
    counters_text,
    keep_apart,
    open_map,
)
from city_brain.digest import TreeHead
from city_brain.errors import RecordingError
from city_brain.replay.stream import StreamReader, track_lines
from city_brain.runner import ClosedTick, Runner
from city_brain.sources.recording import BLOCK_ROWS, read_blocks


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(fuse)


def fuse(
    observations: Annotated[str, typer.Argument(help="JSON lines, plain or Zstandard; - reads standard input.")],
    map_path: MapOption,
    incidents: Annotated[
        str, typer.Option("--incidents", help="Where to write incident revisions (- is standard output).")
    ],
    tracks: Annotated[str | None, typer.Option("--tracks", help="Where to write which track was which object.")] = None,
    ticks: Annotated[str | None, typer.Option("--ticks", help="Where to write the tick log, a line per tick.")] = None,
    types: TypesOption = None,
    partitions: PartitionsOption = 1,
    envelope: Annotated[
        int, typer.Option("--envelope", min=1, help="Lines read at a time; changes nothing in the result.")
    ] = BLOCK_ROWS,
    tick_s: TickOption = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Fuse a recording into incidents."""
    keep_apart((observations, map_path), (incidents, tracks, ticks))
    site = open_map(map_path, types, tick_s, partitions)
    runner = site.runner()
    with Outputs(incidents, tracks, ticks, site.source_names) as outputs:
        broken = _run(runner, observations, envelope, outputs)
        if tracks:
            outputs.remaining_tracks(runner)
    _report(runner, outputs, as_json)
    if broken:
        typer.echo(f"city-brain: {broken}", err=True)
        raise typer.Exit(DATA_LOST)


class Outputs:
    """The files that a run writes, and what it has counted."""

    def __init__(self, incidents: str, tracks: str | None, ticks: str | None, names: dict[int, str]) -> None:
        self._paths = {"incidents": incidents, "tracks": tracks, "ticks": ticks}
        self._files: dict[str, IO[bytes]] = {}
        self._names = names
        self.head = TreeHead()
        self.states: dict[str, tuple[str, str, bool]] = {}
        self.revisions = 0
        self.due_ms = 0

    def __enter__(self) -> "Outputs":
        for name, path in self._paths.items():
            if path is not None:
                self._files[name] = typer.get_binary_stream("stdout") if path == "-" else _create(path)
        return self

    def __exit__(self, *exception: object) -> None:
        with ExitStack() as closing:  # all are closed, whichever of them fails
            for name, file in self._files.items():
                closing.enter_context(self._naming(name))
                closing.callback(file.flush if self._paths[name] == "-" else file.close)

    def take(self, closed: ClosedTick) -> None:
        """Writes what a tick says."""
        line = closed.record.to_line()
        self.head.add(line)
        self.due_ms = closed.record.due_ms
        self.revisions += len(closed.record.lines)
        for incident in closed.record.incidents:
            self.states[incident.incident_id] = (incident.type, incident.state, incident.detected_ms is not None)
        self._write("incidents", closed.record.lines)
        self._write("ticks", (line,))
        if "tracks" in self._files:
            self._write("tracks", track_lines((reading.ended for reading in closed.readings), self._names))

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
            path = "standard output" if self._paths[name] == "-" else self._paths[name]
            raise RecordingError(f"{path}: wanted to write all of it, got: {wrong.strerror}") from wrong


def _create(path: str) -> IO[bytes]:
    try:
        return Path(path).open("wb")
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a file to write, got: {wrong.strerror}") from wrong


def _run(runner: Runner, observations: str, envelope: int, outputs: Outputs) -> RecordingError | None:
    """Runs to the end of the recording, or as far as it can be read; answers why not."""
    progress = Progress("fuse")
    reader = StreamReader(runner)
    for closed in reader.read(read_blocks(observations, envelope)):
        outputs.take(closed)
        progress.show(f"{outputs.head.size} ticks, {runner.counters.read} rows, {len(outputs.states)} incidents")
    progress.done()
    return reader.broken


def _report(runner: Runner, outputs: Outputs, as_json: bool) -> None:
    announced = Counter(kind for kind, _, said in outputs.states.values() if said)
    counters = runner.counters
    if as_json:
        result = {
            "digest": outputs.head.digest().hex(), "ticks": outputs.head.size, "revisions": outputs.revisions,
            "announced": dict(sorted(announced.items())), "counters": counters, "held": runner.held,
        }  # fmt: skip
        typer.echo(msgspec.json.encode(result, order="sorted"))
        return
    typer.echo(counters_text(counters, runner.held), err=True)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(announced.items())) or "none"
    typer.echo(f"announced {sum(announced.values())} incidents: {kinds}", err=True)
    typer.echo(f"{outputs.head.size} ticks, digest {outputs.head.digest().hex()}", err=True)
