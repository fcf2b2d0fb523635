"""What a conversion writes: observations as JSON lines, a map, and in a sentence what was in the recording."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from city_brain.cli.common import ZONE, Progress, instants, plural
from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.city.city_map import CityMap
    from city_brain.city.datum import Datum
    from city_brain.observations.columns import Observations

STANDARD_OUTPUT: Final = "-"
PACKED: Final = ".zst"

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The recording.")]
OutOption = Annotated[
    str, typer.Option("--out", help="Where to write observations: *.zst is packed, - is standard output.")
]
MapOutOption = Annotated[
    Path | None, typer.Option("--map-out", help="Where to write a city map of the sources, for `fuse --map`.")
]
DatumOption = Annotated[str, typer.Option("--datum", help="What --lon and --lat refer to.")]
ClockOption = Annotated[
    float, typer.Option("--utc-offset", min=-14, max=14, help="Hours that the file's clock is ahead of UTC.")
]


def read_datum(label: str) -> "Datum":
    """The datum that an option names."""
    from city_brain.city.datum import Datum

    datum = Datum.from_label(label)
    if datum is None:
        raise SettingsError(f"--datum: wanted one of {', '.join(known.label for known in Datum)}, got {label!r}")
    return datum


def write_map(path: Path | None, city: "CityMap") -> None:
    """Writes a map where a path is given."""
    from city_brain.city.loading import city_to_geojson

    if path is not None:
        with _create(path) as file:
            file.write(city_to_geojson(city))


def write_observations(out: str, blocks: "Iterable[Observations]") -> None:
    """Writes the rows of all blocks as they come, and says at the end how many they were, of whom and when.

    Where the recording cannot be read to its end, no file is left that looks like all of it.
    """
    from city_brain.observations.json_twin import to_lines

    rows, sources, times_ms = 0, set[str](), set[int]()
    progress, instant = Progress("convert"), instants(ZONE)
    try:
        with written(out) as file:
            for block in blocks:
                file.write(b"\n".join([*to_lines(block), b""]))
                rows += block.n
                sources |= {block.strings[at] for at in set(block.common.source.tolist())}
                event_ms = block.common.event_ms
                times_ms = {min(times_ms | {int(event_ms.min())}), max(times_ms | {int(event_ms.max())})}
                progress.show(f"{rows} rows, {instant(max(times_ms))}")
    finally:
        progress.done()
    span = f" from {instant(min(times_ms))} to {instant(max(times_ms))}" if rows else ""
    typer.echo(f"{plural(rows, 'row')} of {plural(len(sources), 'source')}{span}", err=True)


@contextmanager
def written(out: str) -> Iterator[IO[bytes]]:
    """A file to write, or standard output; where it is not written to its end, none is left."""
    try:
        with ExitStack() as opened:
            yield _open(out, opened)
    except BaseException:
        _remove(out)
        raise


def _open(out: str, opened: ExitStack) -> IO[bytes]:
    if out == STANDARD_OUTPUT:
        return typer.get_binary_stream("stdout")
    import zstandard

    file = opened.enter_context(_create(Path(out)))
    return opened.enter_context(zstandard.ZstdCompressor().stream_writer(file)) if out.endswith(PACKED) else file


def _create(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted a file to write, got: {wrong.strerror}") from wrong


def _remove(out: str) -> None:
    if out != STANDARD_OUTPUT and Path(out).is_file():
        Path(out).unlink()
