"""SIGTERM does what Ctrl-C does, and ends with 0 what goes on until it is stopped; Ctrl-C is quiet from the start."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Interrupted, Snapshot
from tests.cli.conftest import Fused, world
from tests.cli.processes import ENVIRONMENT, running

__all__ = ["world"]
EARLY = """
import signal, sys
import city_brain.cli
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal({number})
sys.meta_path.insert(0, Interrupting())
sys.argv = ["city-brain", "{word}"]
city_brain.cli.main()
"""


@pytest.mark.parametrize(
    ("number", "word", "code"),
    [
        (signal.SIGINT, "run", 130),
        (signal.SIGINT, "fuse", 130),
        (signal.SIGTERM, "fuse", 143),
        (signal.SIGTERM, "run", 0),
    ],
)
def test_a_command_that_is_stopped_while_it_imports_is_quiet(number: int, word: str, code: int) -> None:
    program = EARLY.format(number=int(number), word=word)
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "interrupted\n")


@pytest.mark.parametrize("ignored", [False, True], ids=["in front", "behind a shell"])
def test_a_run_is_terminated_as_it_is_interrupted(world: Fused, ignored: bool) -> None:
    """Watchers are told, the counters are printed, and the code is 0; also where Ctrl-C is not listened to."""
    words = ("run", world.folder, "--from", world.observations, "--listen", "127.0.0.1:0", "--rate", "1")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignored else None
    try:
        with running(*words) as run:
            address = run.wait_for(r"serving the incident feed on (\S+);")
            if before is not None:
                signal.signal(signal.SIGINT, before)
            with running("watch", address) as watch:
                watch.wait_for(r"~ ")
                run.process.terminate()
                watch.wait_for("lost the feed: a server that stops")
                assert run.ended() == 0
                watch.process.terminate()
                assert watch.ended() == 0
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    assert any(" = used " in line for line in run.err), run.err
    assert not any("Traceback" in line for line in run.err), run.err


def test_a_fuse_that_is_terminated_says_how_far_it_got(world: Fused, tmp_path: Path) -> None:
    """It has not done its work, so its code is not 0."""
    words = ("fuse", "-", "--map", world.city_map, "--incidents", tmp_path / "incidents.jsonl")
    with running(*words) as fuse:
        until_s = time.monotonic() + 60.0
        while not list(tmp_path.iterdir()) and time.monotonic() < until_s:
            time.sleep(0.1)
        fuse.process.terminate()
        assert fuse.ended() == 143
    assert any(line.startswith("stopped before the first tick") for line in fuse.err), fuse.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_province_that_is_terminated_tells_its_watchers(tmp_path: Path, number: int, code: int) -> None:
    text = 'code = "370000"\ncities = {370100 = "Jinan"}\n[feed]\naddress = "127.0.0.1:0"\n'
    (tmp_path / "province.toml").write_text(text, encoding="utf-8")
    with running("province", tmp_path) as province:
        address = province.wait_for(r"serving province 370000 on (\S+);")

        async def test() -> None:
            events = FeedReader(Endpoint(address)).events()
            assert isinstance(await anext(events), Snapshot)
            province.process.send_signal(number)
            async with asyncio.timeout(30):
                async for event in events:
                    if isinstance(event, Interrupted):
                        assert event.why.startswith("SERVER_STOPPING")
                        return

        asyncio.run(test())
        assert province.ended() == code
    assert not any("Traceback" in line for line in province.err), province.err
