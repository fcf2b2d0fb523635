"""`city-brain verify`: one digest in every way of reading, and exit 4 with the place where answers part."""

import os
from pathlib import Path
from threading import Thread

import msgspec
import pytest
import zstandard

from tests.cli.conftest import Fused
from tests.cli.processes import city_brain

KINDS_OF_WAYS = ("envelopes of", "permutation", "raw partitions", "restores from bytes")


def test_every_way_of_reading_gives_one_digest(world: Fused) -> None:
    words = ("--map", world.city_map, "--minutes", 0.4, "--restores", 4)
    done = city_brain("verify", world.observations, *words)
    assert done.code == 0, done.err + done.out
    assert ", 1 digest, " in done.out
    assert "partitions: 100.0 % of the incidents the same" in done.out
    for kind in KINDS_OF_WAYS:
        assert kind in done.out


def test_answers_that_differ_exit_with_4(world: Fused, tmp_path: Path) -> None:
    """Whoever reads the recording after the first process finds half of it, so the others must not agree with it."""
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(world.observations.read_bytes()).splitlines(True)
    pipe, half = tmp_path / "observations.jsonl", tmp_path / "half.jsonl"
    os.mkfifo(pipe)
    half.write_bytes(b"".join(lines[:450]))

    def feed() -> None:
        with pipe.open("wb") as out:
            out.writelines(lines[:900])
            half.replace(pipe)

    feeder = Thread(target=feed, daemon=True)
    feeder.start()
    done = city_brain("verify", pipe, "--map", world.city_map, "--restores", 1, "--partitions", 1, "--json")
    feeder.join(10)
    assert done.code == 4, done.err
    ways = msgspec.json.decode(done.out)["ways"]
    differing = [way["way"] for way in ways if way["divergence"]]
    assert len(differing) == 2
    assert all(way.startswith("hash seed") for way in differing)
    assert len({way["digest"] for way in ways}) == 2


def test_a_recording_that_is_not_there_is_named(world: Fused) -> None:
    done = city_brain("verify", "absent.jsonl", "--map", world.city_map)
    assert done.code == 2
    assert "absent.jsonl" in done.err


@pytest.mark.parametrize("minutes", ["nan", "0", "-1"])
def test_no_minutes_at_all_are_wrong_usage(world: Fused, minutes: str) -> None:
    done = city_brain("verify", world.observations, "--map", world.city_map, "--minutes", minutes)
    assert done.code == 2, done.err
    assert "--minutes: wanted more than 0" in done.err
