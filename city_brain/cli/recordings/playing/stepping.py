"""`city-brain bag step`: a recording gone through by hand, or by a script on standard input."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import ZONE, TypesOption, ZoneOption, epoch_ms, instants, plural, types_folder
from city_brain.cli.recordings.commands import end_if_cut
from city_brain.errors import CityBrainError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from city_brain.playback.control.stepping import Playback
    from city_brain.playback.played import PlayedTick


def step(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The first file of a recording of a city.")],
    types: TypesOption = None,
    from_state: Annotated[
        Path | None, typer.Option("--from-state", help="Begin behind a state; with --types: branch from it.")
    ] = None,
    zone: ZoneOption = ZONE,
) -> None:
    """Go through a recording tick by tick, both ways, to incidents and times; type help for what can be said."""
    from city_brain.incidents.incident_type import type_files
    from city_brain.playback.control.stepping import Playback
    from city_brain.playback.opening import open_played
    from city_brain.playback.state import read_state

    folder = types_folder(types)
    played = open_played(file, None if folder is None else type_files(folder))
    console = _Console(Playback(played, None if from_state is None else read_state(from_state)), instants(zone))
    try:
        console.run()
    except KeyboardInterrupt:
        typer.echo("", err=True)
    end_if_cut(file)


class _Console:
    """Words, one line each; what came of them goes to standard output."""

    def __init__(self, playback: "Playback", instant: "Callable[[float], str]") -> None:
        self._playback, self._instant = playback, instant
        self._words: dict[str, tuple[Callable[[str], None], str]] = {
            "next": (self._next, "[N]: N ticks on; one where no N is said, and at an empty line"),
            "back": (self._back, "[N]: N ticks back"),
            "incident": (self._incident, "[TYPE]: on to the next tick that announces one, of that type if any"),
            "to": (self._to, "N or TIME: to tick number N, or to the last that is due by 2026-03-01T08:00:00+08:00"),
            "show": (self._show_all, ": the tick of this place once more, with its record"),
            "save": (self._save, "FILE: write the state of this place, for --from-state"),
            "help": (self._help, ": this list; quit, or the end of the input, leaves"),
        }

    def run(self) -> None:
        """Takes lines until there are no more."""
        prompt = "step> " if sys.stdin.isatty() else ""
        with suppress(EOFError):
            while (line := input(prompt).strip()) != "quit":
                self._take(line or "next")

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word not in self._words:
            self._say(f"{word}: wanted {', '.join(self._words)} or quit")
            return
        try:
            self._words[word][0](rest.strip())
        except CityBrainError as wrong:  # the place stays
            self._say(str(wrong))

    def _help(self, _: str) -> None:
        for word, (_do, told) in self._words.items():
            self._say(f"{word} {told}".replace(" :", ":"))

    def _next(self, count: str) -> None:
        self._show(self._playback.seek(self._playback.number + _number(count)))

    def _back(self, count: str) -> None:
        self._show(self._playback.seek(self._playback.number - _number(count)))

    def _incident(self, kind: str) -> None:
        from city_brain.playback.control.stepping import announces

        if self._playback.until(announces(frozenset(kind.split()))) is None:
            self._say("no more of them")
        self._show(self._playback.now)

    def _to(self, place: str) -> None:
        playback = self._playback
        self._show(playback.seek(int(place)) if place.isdecimal() else playback.seek_ms(epoch_ms(place, "to")))

    def _show_all(self, _: str) -> None:
        now = self._playback.now
        self._show(now)
        if now is not None:
            self._say(now.line.decode())

    def _save(self, path: str) -> None:
        from city_brain.playback.state import write_state

        if not path:
            raise SettingsError("save: wanted a file to write, got none")
        write_state(Path(path), self._playback.state())
        self._say(f"{path}: the state behind tick {self._playback.number}")

    def _show(self, tick: "PlayedTick | None") -> None:
        if tick is None:
            self._say(f"tick {self._playback.number}: nothing has been said yet")
            return
        record = tick.said.record
        self._say(f"tick {self._playback.number}, due {self._instant(record.due_ms)}, "
                  f"{plural(len(record.incidents), 'revision')}")  # fmt: skip
        for one in record.incidents:
            self._say(f"  {one.number}  {one.type} at {one.lon:.5f},{one.lat:.5f}, {one.state}, "
                      f"confidence {one.confidence:.2f}")  # fmt: skip

    def _say(self, text: str) -> None:
        typer.echo(printable(text))


def _number(count: str) -> int:
    if not count:
        return 1
    if not count.isdecimal():
        raise SettingsError(f"wanted a number of ticks, got {count!r}")
    return int(count)
