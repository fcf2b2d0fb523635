"""`city-brain bag step`: a recording gone through by hand, or by a script on standard input."""

import cmd
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city_brain.canonical import printable
from city_brain.cli.common import ZONE, TypesOption, ZoneOption, epoch_ms, instants, plural, types_folder
from city_brain.errors import CityBrainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from city_brain.playback.played import PlayedTick
    from city_brain.playback.stepping import Playback


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
    from city_brain.playback.opening import open_played
    from city_brain.playback.state import read_state
    from city_brain.playback.stepping import Playback

    folder = types_folder(types)
    played = open_played(file, None if folder is None else type_files(folder))
    console = _Console(Playback(played, None if from_state is None else read_state(from_state)), instants(zone))
    try:
        console.cmdloop()
    except KeyboardInterrupt:
        typer.echo("", err=True)


class _Console(cmd.Cmd):
    """Words on standard input; what came of them on standard output."""

    def __init__(self, playback: "Playback", instant: "Callable[[float], str]") -> None:
        super().__init__()
        self._playback, self._instant = playback, instant
        if not sys.stdin.isatty():
            self.use_rawinput = False
        self.prompt = "step> " if sys.stdin.isatty() else ""

    def onecmd(self, line: str) -> bool:
        """What cannot be done is told, and the place stays."""
        try:
            return super().onecmd(line)
        except CityBrainError as wrong:
            self._say(str(wrong))
            return False

    def emptyline(self) -> bool:
        """An empty line is the next tick."""
        self.do_next("")
        return False

    def default(self, line: str) -> None:
        """No word of ours."""
        if line == "EOF":
            return
        self._say(f"{line.split()[0]}: wanted next, back, incident, to, show, save or quit")

    def do_next(self, count: str) -> None:
        """next [N]: N ticks on; one where no N is said."""
        self._show(self._playback.seek(self._playback.number + _number(count)))

    def do_back(self, count: str) -> None:
        """back [N]: N ticks back."""
        self._show(self._playback.seek(self._playback.number - _number(count)))

    def do_incident(self, kind: str) -> None:
        """incident [TYPE]: on to the next tick that announces an incident, of that type where one is named."""
        from city_brain.playback.stepping import announces

        tick = self._playback.until(announces(frozenset(kind.split())))
        if tick is None:
            self._say("no more of them")
        self._show(self._playback.now)

    def do_to(self, place: str) -> None:
        """to N or TIME: to tick number N, or to the last tick due by a time such as 2026-03-01T08:00:00+08:00."""
        playback = self._playback
        self._show(playback.seek(int(place)) if place.isdigit() else playback.seek_ms(epoch_ms(place, "to")))

    def do_show(self, _: str) -> None:
        """show: the tick of this place once more, with the whole record."""
        now = self._playback.now
        self._show(now)
        if now is not None:
            self._say(now.line.decode())

    def do_save(self, path: str) -> None:
        """save FILE: write the state of this place, for --from-state."""
        from city_brain.playback.state import write_state

        if not path:
            self._say("save: wanted a file to write, got none")
            return
        write_state(Path(path), self._playback.state())
        self._say(f"{path}: the state behind tick {self._playback.number}")

    def do_quit(self, _: str) -> bool:
        """quit: leave; so does the end of the input."""
        return True

    do_EOF = do_quit  # noqa: N815 - the name that cmd looks for

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
    from city_brain.errors import SettingsError

    if not count:
        return 1
    if not count.isdigit():
        raise SettingsError(f"wanted a number of ticks, got {count!r}")
    return int(count)
