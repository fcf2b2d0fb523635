"""The `city-brain` command: its subcommands, and what becomes of errors.

Data go to standard output, progress and errors to standard error. Exit codes: 0 ok, 1 failed, 2 usage, 3 done but data
was lost, 4 outputs differ, 130 interrupted.
"""

import importlib
import os
import sys
from typing import Final

import typer

from city_brain import __version__
from city_brain.canonical import printable
from city_brain.cli.common import FAILED, INTERRUPTED, USAGE
from city_brain.errors import CityBrainError, SettingsError

COMMANDS: Final = {
    "demo": "demo",
    "run": "running",
    "watch": "watching",
    "fuse": "fuse",
    "convert": "converting",
    "explain": "answers",
    "verify": "verify",
    "synth": "synthesise",
    "score": "answers",
    "topics": "kafka.topics",
    "send": "kafka.sending",
    "doctor": "kafka.doctor",
}
"""Commands, and the modules below `cli` that have them; each has a function `register(app)`."""


def command_line(word: str = "") -> typer.Typer:
    """The command line: only what `word` needs where it is a command, so that it starts without the others' imports."""
    app = typer.Typer(
        name="city-brain",
        help="Fuses cameras, traffic signals, sensors and reports into deduplicated, explained incidents.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_version)
    modules = [COMMANDS[word]] if word in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in modules:
        importlib.import_module(f"city_brain.cli.{module}").register(app)
    return app


def _version(show: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True)) -> None:
    if show:
        typer.echo(f"city-brain {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        command_line(sys.argv[1] if len(sys.argv) > 1 else "")()
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _write_no_more()
        sys.exit(FAILED)
    except CityBrainError as wrong:
        typer.echo("\n".join(map(printable, f"city-brain: {wrong}".split("\n"))), err=True)
        _write_no_more()
        sys.exit(USAGE if isinstance(wrong, SettingsError) else FAILED)
    except OSError as wrong:
        where = wrong.filename or "standard output"
        typer.echo(printable(f"city-brain: {where}: wanted to read or write, got: {wrong.strerror}"), err=True)
        _write_no_more()
        sys.exit(FAILED)


def _write_no_more() -> None:
    """Drops what standard output cannot take, so that Python does not fail at its end once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
