"""README's way from nothing to an incident of one's own is gone as it stands there: its commands, in its order."""

import re
import shlex
import time
from pathlib import Path

import pytest

from tests.cli.processes import city_brain, running
from tests.house import ROOT

MOST_S = 300.0
"""Three minutes of it are the street's own pace; a person is to need fifteen minutes in all."""


def shown() -> list[str]:
    """The commands of the section, each on one line."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## A site of your own\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    joined = "".join(blocks).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


def words(command: str, folder: Path, address: str = "") -> list[str]:
    """A call of ours as words, with what it makes in `folder` and the city at `address`."""
    said = shlex.split(command.replace("out/", f"{folder}/").replace("127.0.0.1:50550", address))
    assert said[0] == ".venv/bin/city-brain"
    return said[1:]


def test_the_way_of_the_text_leads_to_an_incident_of_ones_own_and_a_back_test(tmp_path: Path) -> None:
    init, check, run, send, by_hand, _, change, backtest = shown()
    began = time.monotonic()
    for command in (init, check):
        done = city_brain(*words(command, tmp_path))
        assert done.code == 0, done.err
    with running(*words(run, tmp_path), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0") as city:
        address = city.wait_for(r"serving the incident feed on ([^;]+);")
        done = city_brain(*words(send, tmp_path, address))
        assert (done.code, "0 lines rejected" in done.err) == (0, True), done.err
        city.wait_for(r"\| Gale at")
        line, call = by_hand.split(" | ")
        done = city_brain(*words(call, tmp_path, address), given=shlex.split(line)[1].encode())
        assert (done.code, "sent 1 rows" in done.err) == (0, True), done.err
        assert city.interrupted() == 130
    assert time.monotonic() - began < MOST_S
    assert stricter(change, backtest, tmp_path) == ["- lost: gale"]


def stricter(change: str, backtest: str, folder: Path) -> list[str]:
    """What the back-test says is lost by the rule as `change` alters it."""
    _, how, source, _, target = shlex.split(change.replace("out/", f"{folder}/"))
    _, old, new, _ = how.split("/")
    text = Path(source).read_text(encoding="utf-8")
    assert old in text
    Path(target).parent.mkdir()
    Path(target).write_text(text.replace(old, new), encoding="utf-8")
    done = city_brain(*words(backtest, folder))
    assert done.code == 4, done.err
    return [line.split(" 1")[0] for line in done.out.splitlines() if line.startswith("- lost:")]


@pytest.mark.parametrize("command", shown())
def test_every_line_of_the_text_is_a_command(command: str) -> None:
    assert command.split()[0] in {".venv/bin/city-brain", "echo", "mkdir", "sed"}
