"""The `city-brain` command: its subcommands, and what becomes of errors.

Data go to standard output, progress and errors to standard error. Exit codes: 0 ok, 1 failed, 2 usage, 3 done but data
was lost, 4 outputs differ, 130 interrupted; what SIGTERM ends with says the package.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import typer

from city_brain import __version__
from city_brain.canonical import printable
from city_brain.cli.common import FAILED, INTERRUPTED, USAGE
from city_brain.errors import CityBrainError, SettingsError

COMMANDS: Final = {
    "demo": ("demo", "Make a small city, fuse what its devices send, and show what came of it."),
    "init": ("starting.command", "Make a site to begin with: map, settings, an incident type, observations."),
    "check": ("checking", "Say what would be refused of files, and why, before anything runs."),
    "schema": ("checking.schema", "Print what a file holds as JSON Schema."),
    "run": ("running", "Run a city: fuse its observations and serve the incidents."),
    "watch": ("following.watching", "Print the incidents of a running city as they come, and signs of life."),
    "statement": ("following.stating", "Say what became of a subscription, and what its reader holds otherwise."),
    "province": ("provincial.command", "Run a province that joins the incidents of its cities; or look at its cities."),
    "instruct": ("provincial.instructing", "Tell a city of a province something, and wait for its answer."),
    "fuse": ("fuse", "Fuse a recording into incidents."),
    "bench": ("bench", "Measure what fusing a recording takes, part by part, and how much more a core could take."),
    "convert": ("converting", "Convert a recording of the field into observations."),
    "explain": ("answers.explain", "Explain an incident: what speaks for and against it, from whom, by which rule."),
    "why-not": ("answers.why_not", "Tell why nothing was told of a place at a time, and who could have seen it."),
    "sources": ("answers.sources", "List the sources of a recording: rows, clocks, biases, silences."),
    "export": ("answers.export", "Write incidents as CAP, CloudEvents or GeoJSON."),
    "cap": ("answers.cap", "Look into warnings of the Common Alerting Protocol."),
    "detect": ("vision.detect", "Turn a camera's video into detections on the ground."),
    "models": ("vision.models", "Look over networks for cameras: list, fetch, check, bench."),
    "verify": ("verify", "Check that orders, groupings, splits, restores and machines change nothing."),
    "calibrate": ("vision.calibrate", "Find where on the ground a camera's picture lies, from points known in both."),
    "synth": ("synthesise", "Write a synthetic city: its map, what its devices send, and what really happened."),
    "score": ("answers.score", "Score an answer against the truth."),
    "backtest": ("recordings.backtesting", "Judge other incident types by what they would have said of past days."),
    "bag": ("recordings", "Record topics, play and run recordings, look into them, mend them."),
    "store": ("storing", "Look over what a store of feeds holds: check, prove, compact."),
    "topics": ("kafka.topics", "Plan, make and check the topics of a site on Kafka."),
    "control": ("kafka.controlling", "Change map, incident types and settings of a running city."),
    "send": ("publishing.sending", "Send observations to a running city, or to a site's raw topics."),
    "redrive": ("kafka.redriving", "Send dead letters back, once what was wrong with them is mended."),
    "doctor": ("kafka.doctor", "Look over brokers, topics, lag, raw partitions, snapshots and dead letters."),
}
"""Commands: the module below this package with its function `register(app)`, and what the command does."""

_NAMED_WRONGLY: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Behind an error about a file: whoever typed its name must act, as for any other wrong word."""


def command_line(word: str = "") -> typer.Typer:
    """The command line: of the command `word` alone where there is one, else of all as far as a list of them needs.

    So the program starts without the imports of commands that are not called.
    """
    app = typer.Typer(
        name="city-brain",
        help="Fuses cameras, traffic signals, sensors and reports into deduplicated, explained incidents.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_version)
    if word in COMMANDS:
        importlib.import_module(f"city_brain.cli.{COMMANDS[word][0]}").register(app)
    else:
        for name, (_, does) in COMMANDS.items():
            app.command(name, help=does)(_only_listed)
    return app


def command_word(arguments: Sequence[str]) -> str:
    """The first word that is no option: only a command can be."""
    return next((argument for argument in arguments if not argument.startswith("-")), "")


def _only_listed() -> None:
    """Stands for a command in the list of all."""


def _version(show: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True)) -> None:
    if show:
        typer.echo(f"city-brain {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line and exits with its code; a reader that closes the pipe has seen enough."""
    try:
        try:
            command_line(command_word(sys.argv[1:]))()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _let_go()
    except SystemExit as done:
        # typer makes exit code 1 of a closed pipe, and 130 of Ctrl-C.
        _tell_what_is_left(done)
        if not isinstance(done.__context__, BrokenPipeError):
            raise
        _let_go()
    except CityBrainError as wrong:
        typer.echo("\n".join(map(printable, f"city-brain: {wrong}".split("\n"))), err=True)
        usage = isinstance(wrong, SettingsError) or isinstance(wrong.__cause__, _NAMED_WRONGLY)
        _write_no_more()
        sys.exit(USAGE if usage else FAILED)
    except OSError as wrong:
        where = wrong.filename or "standard output"
        typer.echo(printable(f"city-brain: {where}: wanted to read or write, got: {wrong.strerror}"), err=True)
        _write_no_more()
        sys.exit(FAILED)


def _tell_what_is_left(done: BaseException) -> None:
    """Says what a writer that Ctrl-C ended noted of its file."""
    found: BaseException | None = done
    while found is not None and not isinstance(found, KeyboardInterrupt):
        found = found.__cause__ or found.__context__
    for note in getattr(found, "__notes__", ()):
        typer.echo(printable(f"interrupted: {note}"), err=True)


def _write_no_more() -> None:
    """Drops what standard output cannot take, so that Python does not fail at its end once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _let_go() -> None:
    """Exits with 0, and lets what is still buffered go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)
