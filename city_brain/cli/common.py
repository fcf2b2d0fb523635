"""What several commands share: exit codes, options, a site from a map, progress on standard error, where rows ended."""

import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from city_brain.errors import SettingsError
from city_brain.observations.counters import Counters
from city_brain.site import Site, SiteSettings, time_zone
from city_brain.ticks.tick import TickSettings

FAILED: Final = 1
USAGE: Final = 2
DATA_LOST: Final = 3
OUTPUTS_DIFFER: Final = 4
INTERRUPTED: Final = 130
"""Exit codes of `city-brain`; 0 is ok."""

TICK_MAX_S: Final = 7 * 86_400.0
"""Of `--tick`: no data come more rarely than once a week."""

MapOption = Annotated[Path, typer.Option("--map", help="The city map (GeoJSON).")]
TypesOption = Annotated[
    Path | None,
    typer.Option("--types", help="A folder of incident type files that add to or replace the built-in ones."),
]
TickOption = Annotated[float, typer.Option("--tick", help="Length of a tick in seconds; hourly data want 3600.")]
PartitionsOption = Annotated[
    int, typer.Option("--partitions", min=1, help="Partitions of the city that fuse side by side.")
]
ZoneOption = Annotated[str, typer.Option("--zone", help="Time zone of printed times, as Asia/Shanghai.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def open_map(map_path: Path, types: Path | None = None, tick_s: float = 1.0, partitions: int = 1) -> Site:
    """A site from a map alone, named after the map's folder."""
    if not 0.0 < tick_s <= TICK_MAX_S:
        raise SettingsError(f"--tick: wanted more than 0 and at most {TICK_MAX_S:.0f} seconds, got {tick_s}")
    settings = SiteSettings(
        city=map_path.resolve().parent.name or "city",
        partitions=partitions,
        ticks=TickSettings(tick_ms=round(1000 * tick_s)),
    )
    return Site.of_map(map_path, types, settings)


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


def counters_text(counters: Counters, held: int) -> str:
    """Where every row ended, as a sum that adds up."""
    counters.check(held)
    parts = [f"used {counters.used} ({counters.late} of them late)", f"duplicate {counters.duplicate}"]
    for name, counts in (("quarantined", counters.quarantined), ("dead-lettered", counters.dead_lettered)):
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
        parts.append(f"{name} {sum(counts.values())}" + (f" ({reasons})" if reasons else ""))
    return f"read {counters.read} = " + " + ".join([*parts, f"held {held}"])


def instants(zone: str) -> Callable[[int], str]:
    """Epoch milliseconds as RFC 3339 in a zone, to the second."""
    known = time_zone(zone)

    def instant(moment_ms: int) -> str:
        try:
            return datetime.fromtimestamp(moment_ms / 1000, known).isoformat(timespec="seconds")
        except (ValueError, OverflowError):  # a year that dates do not have
            return f"{moment_ms} ms"

    return instant
