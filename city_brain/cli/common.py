"""What several commands share: exit codes, options, a site from a map, progress on standard error, where rows ended.

Importing it is cheap, as importing any command is: what computes is imported when a command is called.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from city_brain.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from city_brain.observations.counters import Counters
    from city_brain.observations.json_twin import Parsed
    from city_brain.site import Site

FAILED: Final = 1
USAGE: Final = 2
DATA_LOST: Final = 3
OUTPUTS_DIFFER: Final = 4
INTERRUPTED: Final = 130
"""Exit codes of `city-brain`; 0 is ok."""

TICK_MAX_S: Final = 7 * 86_400.0
"""Of `--tick`: no data come more rarely than once a week."""
ZONE: Final = "Asia/Shanghai"
"""The zone of printed times where no site says another one; it is the default of a site, too."""

MapOption = Annotated[Path, typer.Option("--map", help="The city map (GeoJSON).")]
MapOrNoneOption = Annotated[Path | None, typer.Option("--map", help="The city map (GeoJSON); or --site.")]
SiteOption = Annotated[Path | None, typer.Option("--site", help="A site folder, in place of --map.")]
ZoneOrNoneOption = Annotated[
    str | None, typer.Option("--zone", help="Time zone of printed times, as the IANA names it; else the site's.")
]
TypesOption = Annotated[
    Path | None,
    typer.Option("--types", help="A folder of incident type files that add to or replace the built-in ones."),
]
TickOption = Annotated[float, typer.Option("--tick", help="Length of a tick in seconds; hourly data want 3600.")]
PartitionsOption = Annotated[
    int, typer.Option("--partitions", min=1, help="Partitions of the city that fuse side by side.")
]
ZoneOption = Annotated[str, typer.Option("--zone", help="Time zone of printed times, as the IANA names it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
LanguageOption = Annotated[Literal["zh", "en"], typer.Option("--language", help="Of headlines and words.")]


def open_map(map_path: Path, types: Path | None = None, tick_s: float = 1.0, partitions: int = 1) -> "Site":
    """A site from a map alone, named after the map's folder."""
    from city_brain.site import Site, SiteSettings
    from city_brain.ticks.tick import TickSettings

    if not 0.0 < tick_s <= TICK_MAX_S:
        raise SettingsError(f"--tick: wanted more than 0 and at most {TICK_MAX_S:.0f} seconds, got {tick_s}")
    settings = SiteSettings(
        city=map_path.resolve().parent.name or "city",
        partitions=partitions,
        ticks=TickSettings(tick_ms=round(1000 * tick_s)),
    )
    return Site.of_map(map_path, types_folder(types), settings)


def read_site(map_path: Path | None, site: Path | None, types: Path | None = None) -> "Site":
    """The site of --site, or that of the map of --map alone; raises SettingsError unless one of them is given."""
    from city_brain.site import Site

    if map_path is not None and site is None:
        return open_map(map_path, types)
    if site is None or map_path is not None or types is not None:
        raise SettingsError(
            "--site: wanted either --site or --map (which alone goes with --types), got "
            + ("neither" if site is None and map_path is None else "both")
        )
    return Site.open(site)


def blocks_of(observations: str) -> "Iterator[Parsed]":
    """Blocks of JSON lines, or of the lines that a recording of topics holds, of which it says what no line can be.

    Raises RecordingError behind the last block where it could not be read on.
    """
    from itertools import islice

    from city_brain.observations.json_twin import from_lines
    from city_brain.playback.comparing.answers import is_recording
    from city_brain.playback.converting import Unrolled, unroll
    from city_brain.sources.recording import BLOCK_ROWS, read_blocks

    path = Path(observations)
    if observations == "-" or not path.is_file() or not is_recording(path):
        yield from read_blocks(observations)
        return
    unrolled, number = Unrolled(), 1
    lines = unroll(path, unrolled)
    while block := list(islice(lines, BLOCK_ROWS)):
        yield from_lines(block, number)
        number += len(block)
    if unrolled.unread:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(unrolled.unread.items()))
        typer.echo(f"{plural(sum(unrolled.unread.values()), 'piece')} left out: {reasons}", err=True)
    if unrolled.cut or unrolled.missing:
        lost = unrolled.cut or f"none of {plural(unrolled.missing, 'record')}"
        raise RecordingError(f"{path}: wanted a whole recording, got: {lost}")


def types_folder(types: Path | None) -> Path | None:
    """What --types names; raises SettingsError where that is no folder."""
    if types is not None and not types.is_dir():
        raise SettingsError(f"--types {types}: wanted a folder of incident type files, got none")
    return types


def read_file(path: Path, what: str) -> bytes:
    """All of a file; raises RecordingError with what it should have been."""
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise RecordingError(f"{path}: wanted {what}, got: {wrong.strerror}") from wrong


def plural(count: int, what: str) -> str:
    """A count with its noun: 1 incident, 2 incidents."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def keep_apart(reads: Iterable[str | Path], writes: Iterable[str | Path | None]) -> None:
    """Raises SettingsError where a command would write over what it reads, or over another file that it writes."""
    taken = [Path(path) for path in reads if str(path) != "-"]
    for path in (Path(path) for path in writes if path is not None and str(path) != "-"):
        if any(_same_file(path, other) for other in taken):
            raise SettingsError(f"{path}: wanted a file of its own to write, got one that is read or written already")
        taken.append(path)


def _same_file(one: Path, other: Path) -> bool:
    """Whether both name one file, through links too; devices and pipes are no files."""
    try:
        if one.exists() and other.exists():
            return one.is_file() and one.samefile(other)
        return one.resolve() == other.resolve()
    except OSError:
        return False


class Progress:
    """A line on standard error, rewritten at most four times a second; silent where that is not a terminal."""

    def __init__(self, what: str) -> None:
        self.what, self._shown_at, self._on = what, 0.0, sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Shows how far it has got."""
        if self._on and time.monotonic() - self._shown_at > 0.25:
            self._shown_at = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{self.what}: {text}")
            sys.stderr.flush()

    def done(self) -> None:
        """Clears the line."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def counters_text(counters: "Counters", held: int) -> str:
    """Where every row ended, as a sum that adds up."""
    counters.check(held)
    parts = [f"used {counters.used} ({counters.late} of them late)", f"duplicate {counters.duplicate}"]
    for name, counts in (("quarantined", counters.quarantined), ("dead-lettered", counters.dead_lettered)):
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
        parts.append(f"{name} {sum(counts.values())}" + (f" ({reasons})" if reasons else ""))
    return f"read {counters.read} = " + " + ".join([*parts, f"held {held}"])


def check_input(broken: RecordingError | None, used: int, observations: str, city_map: Path) -> None:
    """Exits with DATA_LOST, and says so, where an input could not be read to its end, or no row of it was used."""
    if broken is None and used:
        return
    wrong = broken or f"{observations}: wanted rows of sources on {city_map}, got none that is used"
    typer.echo(f"city-brain: {wrong}", err=True)
    raise typer.Exit(DATA_LOST)


def instants(zone: str) -> Callable[[float], str]:
    """Epoch milliseconds as RFC 3339 in a zone, to the second."""
    from city_brain.site import time_zone

    known = time_zone(zone)

    def instant(moment_ms: float) -> str:
        try:
            return datetime.fromtimestamp(moment_ms / 1000, known).isoformat(timespec="seconds")
        except (ValueError, OverflowError):  # a year that dates do not have
            return f"{moment_ms} ms"

    return instant


def epoch_ms(text: str, option: str) -> int:
    """Epoch milliseconds of a time that an option gives, RFC 3339 with its offset; raises SettingsError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SettingsError(f"{option}: wanted a time such as 2026-03-01T08:00:00+08:00, got {text!r}")
    return round(1000 * moment.timestamp())
