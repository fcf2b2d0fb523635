"""What the documents show is what there is: every command in them exists, with the options that it is shown with."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

from city_brain.cli.app import command_line, command_word
from tests.house import ROOT, files, report

FENCE = re.compile(r"^```(console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = {"cat", "cd", "diff", "head", "mkdir", "sed", "zstd"}
OF_THE_SYSTEM = FILES | {"echo", ".ci/run", "curl", "export", "git", "grpcurl", "jq", "openssl"}
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _documents() -> list[str]:
    return [name for name in files() if name.endswith(".md")]


def commands(text: str) -> Iterator[str]:
    """Each command of a document's shell blocks; in a console block only what stands behind `$`."""
    for language, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:]
            elif language != "console" and line.strip() and not line.lstrip().startswith("#"):
                yield line


def wrong(command: str) -> list[str]:
    """Why a shell line cannot be run as shown; empty where every part of it is known."""
    try:
        words = list(shlex.shlex(command, posix=True, punctuation_chars="|&;<>"))
    except ValueError as unclosed:
        return [f"{command}: {unclosed}"]
    return [why for part in _parts(words) if (why := _wrong_part(part))]


def _parts(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("|&;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _wrong_part(words: list[str]) -> str:
    words = [word for word in words if not re.match(r"^[A-Z_]+=", word)]
    if not words or words[0] in OF_THE_SYSTEM:
        return ""
    if words[0] == "make":
        unknown = [word for word in words[1:] if not word.startswith("-") and "=" not in word and word not in TARGETS]
        return f"make has no target {unknown}" if unknown else ""
    if words[0] == "city-brain":
        return "city-brain is on no path: .venv/bin/city-brain is what `make install` leaves"
    if words[0].split("/")[-1] == "city-brain":
        return _wrong_call(words[1:])
    if words[0].split("/")[-1].startswith(("python", "pytest")):
        absent = [
            word for word in words[1:] if word.endswith(".py") and "../" not in word and not (ROOT / word).exists()
        ]
        return f"no such file: {absent}" if absent else ""
    return f"{words[0]} is neither a make target, a city-brain command nor a tool of the system"


def _wrong_call(words: list[str]) -> str:
    said = ["city-brain"]
    rest = [word for word in words if not word.startswith(("<", ">"))]
    command = typer.main.get_command(command_line(command_word(rest)))
    while rest and (inner := getattr(command, "commands", {}).get(rest[0])) is not None:
        command, said, rest = inner, [*said, rest[0]], rest[1:]
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        return f"{' '.join(said)} has no command {rest[0]}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    return f"{' '.join(said)} has no option {unknown}" if unknown else ""


@pytest.mark.parametrize("name", _documents())
def test_every_command_shown_exists(name: str) -> None:
    """A command in a document is a make target or a city-brain command, with options that it has."""
    found = [why for command in commands((ROOT / name).read_text(encoding="utf-8")) for why in wrong(command)]
    assert not found, report([f"{name}: {why}" for why in found])


def test_both_languages_show_the_same_commands_and_figures() -> None:
    """What README.zh-CN.md shows stands in README.md as well."""
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    known = set(commands(english))
    assert [command for command in commands(chinese) if command not in known] == []
    figures = re.compile(r"^\|[^|]*\|((?: (?:[01]?\.\d\d|\d+|–) \|){3})$", re.MULTILINE)
    assert figures.findall(chinese) == figures.findall(english) != []


def test_a_document_that_lies_is_found() -> None:
    """The reader of documents sees targets that are not there, also behind other commands."""
    document = (
        "```console\n$ cd x && make nonsense\nprinted\n```\n\n```sh\n# why\nCI=true make check\nfrobnicate\n```\n"
    )
    assert list(commands(document)) == ["cd x && make nonsense", "CI=true make check", "frobnicate"]
    assert [bool(wrong(command)) for command in commands(document)] == [True, False, True]
    calls = ("city-brain fuse", ".venv/bin/city-brain fuse --map m", ".venv/bin/city-brain fuse --nap m")
    assert [bool(wrong(call)) for call in calls] == [True, False, True]
