"""The command line as a whole: its commands, its version, and what it says to words that it does not know."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from city_brain import __version__
from city_brain.cli.app import COMMANDS, command_line
from tests.cli.conftest import Fused
from tests.cli.processes import COMMAND, ENVIRONMENT, city_brain


def _commands(word: str) -> dict[str, Any]:
    return getattr(typer.main.get_command(command_line(word)), "commands", {})


def test_every_command_is_listed_with_what_it_does() -> None:
    assert {name: command.help for name, command in _commands("").items()} == {
        name: does for name, (_, does) in COMMANDS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_without_the_others(name: str) -> None:
    assert list(_commands(name)) == [name]


WITHOUT_NUMBERS = """
import sys
from city_brain.cli import main
try:
    main()
finally:
    print(*sorted({"numpy", "shapely", "grpc"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [("--version",), ("--help",), ("demolish",), *((name, "--bogus") for name in COMMANDS), ("score",)],
    ids=str,
)
def test_what_computes_nothing_imports_nothing_that_computes(words: tuple[str, ...]) -> None:
    """Whoever asks for help at night does not wait for numpy."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBERS, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if words[0].startswith("--") else 2), done.stderr
    assert done.stderr.splitlines()[-1] == "", done.stderr


def test_help_names_every_command() -> None:
    done = city_brain("--help")
    assert done.code == 0, done.err
    for name in COMMANDS:
        assert f" {name} " in done.out


@pytest.mark.parametrize(("words", "shown"), [(("run",), "[anonymous] of the"), (("bag", "fault"), "[[faults]]")])
def test_help_shows_tables_of_settings_in_their_brackets(words: tuple[str, ...], shown: str) -> None:
    """Which the printer of help takes for its own marks."""
    assert shown in " ".join(city_brain(*words, "--help").out.replace("│", " ").split())


def test_the_version_is_printed() -> None:
    assert city_brain("--version").out == f"city-brain {__version__}\n"


@pytest.mark.parametrize("words", [("demolish",), ("fuse", "--bogus"), ("score",)])
def test_words_that_it_does_not_know_are_usage_errors(words: tuple[str, ...]) -> None:
    done = city_brain(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err


@pytest.mark.parametrize(
    "words",
    [("--help",), ("explain", "{incidents}"), ("fuse", "{observations}", "--map", "{map}", "--incidents", "-")],
    ids=" ".join,
)
def test_a_reader_that_has_seen_enough_is_no_failure(world: Fused, words: tuple[str, ...]) -> None:
    """As `city-brain --help | head -1` leaves it."""
    filled = [
        word.format(incidents=world.incidents, observations=world.observations, map=world.city_map) for word in words
    ]
    with subprocess.Popen(
        [*COMMAND, *filled], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as gone:
        assert gone.stdout is not None and gone.stderr is not None
        gone.stdout.close()
        said = gone.stderr.read()
    assert (gone.returncode, said) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_standard_output_is_an_error_that_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "standard output: wanted to read or write, got: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
