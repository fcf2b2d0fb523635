"""`city-brain bench`: what fusing a recording takes, by part; the rows and ticks that it counts are those of `fuse`."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.measuring.measured import PARTS, Measured
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running
from tests.house import ROOT

RECORDING = ROOT / "playback" / "recordings" / "wrong-way.mcap"


def _measured(*words: object) -> Measured:
    done = city_brain("bench", *words, "--json")
    assert done.code == 0, done.err
    return msgspec.json.decode(done.out, type=Measured)


@pytest.fixture(scope="module")
def measured(world: Fused) -> Measured:
    """The small world, measured."""
    return _measured(world.observations, "--map", world.city_map)


def test_it_reads_what_fuse_reads(world: Fused, measured: Measured) -> None:
    """The same rows end in the same counters, in as many ticks."""
    result: dict[str, Any] = world.result
    assert msgspec.to_builtins(measured.counters) == result["counters"]
    assert measured.ticks == measured.seconds == result["ticks"]
    assert measured.observations == result["counters"]["read"]


def test_figures_agree_with_each_other(measured: Measured) -> None:
    """Parts are stages together, and all of it; rates follow from them."""
    assert tuple(measured.parts) == PARTS
    assert sum(part.us for part in measured.parts.values()) == pytest.approx(measured.us, abs=0.01)
    assert sum(measured.stages_us.values()) == pytest.approx(measured.us, abs=0.05)
    assert measured.per_second == pytest.approx(1e6 / measured.us, rel=0.01)
    assert measured.headroom == pytest.approx(measured.per_second / measured.came_per_second, rel=0.01)
    assert measured.came_per_second == pytest.approx(measured.observations / measured.seconds, rel=0.01)
    assert all(part.us > 0.0 for part in measured.parts.values())
    for name, part in measured.parts.items():
        assert (part.tick_ms is None) == (name in ("decode", "admission")), name
    median, high, most = measured.tick_ms
    assert 0.0 < median <= high <= most
    assert 0 < measured.ground_mb <= measured.peak_mb


def test_a_recording_of_topics_is_measured_with_its_own_map() -> None:
    """No map is named; people are told rate, head-room, every part, memory and machine."""
    done = city_brain("bench", RECORDING)
    assert done.code == 0, done.err
    for words in ("observations in", "a second; 30 sources", "head-room", "MB at most", "numpy", "load", *PARTS):
        assert words in done.out


def test_minutes_measure_only_the_beginning(world: Fused) -> None:
    """Half a minute is thirty ticks."""
    assert _measured(world.observations, "--map", world.city_map, "--minutes", 0.5).ticks == 30


def test_partitions_of_a_site_share_the_core(world: Fused, tmp_path: Path) -> None:
    """A site of two partitions is read whole, too."""
    (tmp_path / "city.geojson").write_bytes(world.city_map.read_bytes())
    (tmp_path / "site.toml").write_text("partitions = 2\n")
    brief = _measured(world.observations, "--site", tmp_path, "--minutes", 0.5)
    assert brief.ticks == 30
    assert brief.counters.used > 0


def test_what_ends_too_early_is_measured_and_said(world: Fused, tmp_path: Path) -> None:
    """Figures of what there is, and exit code 3."""
    cut = tmp_path / "cut.jsonl.zst"
    cut.write_bytes(world.observations.read_bytes()[:-1000])
    done = city_brain("bench", cut, "--map", world.city_map)
    assert done.code == 3
    assert "head-room" in done.out
    assert "end too early" in done.err


def test_rows_of_another_city_are_nothing_to_measure(world: Fused, tmp_path: Path) -> None:
    """Exit code 3, and no figure."""
    far = tmp_path / "far.jsonl"
    far.write_text('{"kind": "detection"}\n')
    done = city_brain("bench", far, "--map", world.city_map)
    assert (done.code, done.out) == (3, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("absent.jsonl", "--map", "absent.geojson"), "absent.geojson"),
        ((RECORDING, "--map", "city.geojson"), "wanted no --map"),
        ((ROOT / "README.md",), "wanted either --site or --map"),
        (("-", "--map", "city.geojson", "--minutes", "0"), "--minutes"),
    ],
)
def test_wrong_words_are_wrong_usage(words: tuple[object, ...], told: str) -> None:
    """Exit code 2, and what was wanted."""
    done = city_brain("bench", *words)
    assert done.code == 2
    assert told in done.err


def test_ctrl_c_says_how_far_it_got(world: Fused, tmp_path: Path) -> None:
    """A pipe stays open, so the command waits for rows until it is interrupted: no half figures."""
    pipe = tmp_path / "observations.jsonl"
    os.mkfifo(pipe)
    with running("bench", pipe, "--map", world.city_map) as bench, pipe.open("wb") as out:
        out.write(b'{"kind": "detection"}\n')
        out.flush()
        # Python sees a signal that comes just before it begins to wait only when the wait ends.
        time.sleep(0.5)
        assert bench.interrupted() == 130
        assert "stopped after 0 ticks" in bench.err[0]
        assert not bench.out
