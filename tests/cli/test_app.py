"""The command line as a whole: its commands, its version, and what it says to words that it does not know."""

import subprocess
from pathlib import Path

import pytest
import typer

from city_brain import __version__
from city_brain.cli.app import COMMANDS, command_line
from tests.cli.processes import COMMAND, city_brain


def test_the_table_of_commands_is_what_the_modules_have() -> None:
    commands = getattr(typer.main.get_command(command_line()), "commands", {})
    assert set(commands) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_without_the_others(name: str) -> None:
    assert name in getattr(typer.main.get_command(command_line(name)), "commands", {})


def test_help_names_every_command() -> None:
    done = city_brain("--help")
    assert done.code == 0, done.err
    for name in COMMANDS:
        assert f" {name} " in done.out


def test_the_version_is_printed() -> None:
    assert city_brain("--version").out == f"city-brain {__version__}\n"


@pytest.mark.parametrize("words", [("demolish",), ("fuse", "--bogus"), ("score",)])
def test_words_that_it_does_not_know_are_usage_errors(words: tuple[str, ...]) -> None:
    done = city_brain(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err


def test_a_reader_that_goes_away_is_no_crash() -> None:
    """As `city-brain --help | head -1` leaves it."""
    with subprocess.Popen([*COMMAND, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as gone:
        assert gone.stdout is not None and gone.stderr is not None
        gone.stdout.close()
        assert "Traceback" not in gone.stderr.read()
    assert gone.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_standard_output_is_an_error_that_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "standard output: wanted to read or write, got: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
