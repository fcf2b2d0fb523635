"""`city-brain fuse`: files and streams in, incidents out, every row accounted for, the same bytes each time."""

import re
import time
from pathlib import Path

import msgspec
import pytest
import zstandard

from city_brain.digest import TreeHead
from city_brain.incidents.incident import read_incident
from city_brain.incidents.tick_record import TickRecord
from tests.cli.conftest import Fused
from tests.cli.processes import city_brain, running


def _plain(world: Fused) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(world.observations.read_bytes())


def test_fuse_writes_incidents_tracks_and_ticks(world: Fused) -> None:
    assert world.fuse.code == 0, world.fuse.err
    revisions = [read_incident(line) for line in world.incidents.read_bytes().splitlines()]
    announced = {incident.incident_id for incident in revisions if incident.detected_ms is not None}
    assert len(announced) == sum(world.result["announced"].values()) > 0
    assert len(revisions) == world.result["revisions"]
    track = msgspec.json.decode((world.folder / "tracks.jsonl").read_bytes().splitlines()[0])
    assert set(track) == {"source_id", "track_id", "object_id"}


def test_the_printed_digest_is_that_of_the_tick_log(world: Fused) -> None:
    head, said = TreeHead(), []
    for line in (world.folder / "ticks.jsonl").read_bytes().splitlines():
        head.add(line)
        said += TickRecord.from_line(line).lines
    assert head.digest().hex() == world.result["digest"]
    assert head.size == world.result["ticks"]
    assert b"".join(line + b"\n" for line in said) == world.incidents.read_bytes()


def test_every_row_ends_in_one_counter(world: Fused) -> None:
    counters = world.result["counters"]
    ended = counters["used"] + counters["duplicate"] + world.result["held"]
    ended += sum(counters["quarantined"].values()) + sum(counters["dead_lettered"].values())
    assert counters["read"] == ended == msgspec.json.decode(world.synth.out)["lines"]
    assert world.result["held"] == 0
    assert counters["dead_lettered"]


@pytest.mark.parametrize("packed", [True, False], ids=["zstandard", "plain"])
def test_standard_input_gives_what_the_file_gives(world: Fused, packed: bool) -> None:
    given = world.observations.read_bytes() if packed else _plain(world)
    done = city_brain("fuse", "-", "--map", world.city_map, "--incidents", "-", given=given)
    assert done.code == 0, done.err
    assert done.out.encode() == world.incidents.read_bytes()
    assert f"digest {world.result['digest']}" in done.err
    assert f"read {world.result['counters']['read']} = used" in done.err


def test_envelopes_of_another_size_change_nothing(world: Fused) -> None:
    words = ("--map", world.city_map, "--incidents", "-", "--envelope", 37)
    done = city_brain("fuse", world.observations, *words)
    assert done.code == 0, done.err
    assert done.out.encode() == world.incidents.read_bytes()


def test_partitions_find_the_same_incidents(world: Fused) -> None:
    """Where the border between partitions lies must not decide what is announced."""
    done = city_brain("fuse", world.observations, "--map", world.city_map, "--incidents", "-", "--partitions", 2)
    assert done.code == 0, done.err
    last = [{line["incident_id"]: line for line in lines} for lines in (
        world.revisions(), [msgspec.json.decode(line) for line in done.out.splitlines()]
    )]  # fmt: skip
    kinds = [sorted(line["type"] for line in lines.values() if line["detected_ms"]) for lines in last]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("{observations}", "--map", "absent.geojson", "--incidents", "-"), 2, "absent.geojson: wanted"),
        (("absent.jsonl", "--map", "{map}", "--incidents", "-"), 2, "absent.jsonl: wanted observations to read"),
        (("{observations}", "--map", "{map}", "--incidents", "absent/i.jsonl"), 2, "absent/i.jsonl: wanted a file"),
        (
            ("{observations}", "--map", "{map}", "--incidents", "-", "--types", "absent"),
            2,
            "--types absent: wanted a folder",
        ),
        (("{observations}", "--map", "{map}"), 2, "--incidents"),
        (("{observations}", "--map", "{map}", "--incidents", "-", "--tick", "0"), 2, "tick"),
        (("{observations}", "--map", "{map}", "--incidents", "-", "--partitions", "0"), 2, "--partitions"),
    ],
)
def test_what_is_wrong_is_named_with_its_exit_code(world: Fused, words: tuple[str, ...], code: int, said: str) -> None:
    filled = [word.format(observations=world.observations, map=world.city_map) for word in words]
    done = city_brain("fuse", *filled, folder=world.folder)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_garbage_alone_is_counted_and_said(world: Fused) -> None:
    """Nothing of it was used, so it is probably the wrong file or the wrong map: exit code 3."""
    done = city_brain("fuse", "-", "--map", world.city_map, "--incidents", "-", given=b"{\nnot json\n\xff\xfe\n[]\n")
    assert done.code == 3, done.err
    assert done.out == ""
    assert "read 4 = used 0" in done.err
    assert f"wanted rows of sources on {world.city_map}, got none that is used" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("fuse", "-", "--map", "{map}", "--incidents", "-"),
        ("run", "{folder}", "--listen", "127.0.0.1:0", "--exit-at-end", "--store", "memory"),
    ],
)
@pytest.mark.parametrize("given", [b"", b"not json\n"])
def test_nothing_that_is_used_is_data_lost(world: Fused, words: tuple[str, ...], given: bytes) -> None:
    """An empty recording, too: exit code 3, as README says."""
    done = city_brain(*(word.format(map=world.city_map, folder=world.folder) for word in words), given=given)
    assert (done.code, done.out) == (3, ""), done.err
    assert f"-: wanted rows of sources on {world.city_map}, got none that is used" in done.err


def test_a_recording_cut_short_is_fused_as_far_as_it_goes(world: Fused, tmp_path: Path) -> None:
    """Half of the file is there: its incidents are told, the break is named, exit code 3 says that data were lost."""
    packed = world.observations.read_bytes()
    (tmp_path / "half.jsonl.zst").write_bytes(packed[: len(packed) // 2])
    done = city_brain("fuse", tmp_path / "half.jsonl.zst", "--map", world.city_map, "--incidents", "-")
    assert done.code == 3, done.err
    assert "wanted observations to read, got: the Zstandard data end too early" in done.err
    told = done.out.encode().splitlines()
    assert told
    assert told[0] == world.incidents.read_bytes().splitlines()[0]


def test_ctrl_c_says_where_it_stopped_and_leaves_nothing_that_looks_complete(world: Fused, tmp_path: Path) -> None:
    """Standard input stays open, so the command waits for rows until it is interrupted."""
    ticks, part = tmp_path / "cut.jsonl", tmp_path / "cut.jsonl.part"
    lines = _plain(world).splitlines(keepends=True)
    words = ("--incidents", tmp_path / "none.jsonl", "--ticks", ticks, "--envelope", 64)
    with running("fuse", "-", "--map", world.city_map, *words) as fuse:
        assert fuse.process.stdin is not None
        fuse.process.stdin.write(b"".join(lines[:20_000]).decode())
        fuse.process.stdin.flush()
        while not part.exists() or not part.stat().st_size:
            assert fuse.process.poll() is None, fuse.err
        # Python sees a signal that comes just before it begins to wait only when the wait ends.
        time.sleep(0.5)
        assert fuse.interrupted() == 130
    assert not ticks.exists()
    said = "".join(fuse.err)
    assert re.search(r"stopped at 2026-09-24T08:0\d:\d\d\+08:00 of log time; incomplete: ", said), said
    assert str(part) in said
    assert re.search(r"read \d+ so far, used \d+; \d+ ticks", said), said


def test_what_fails_leaves_the_file_of_before(world: Fused, tmp_path: Path) -> None:
    before = tmp_path / "incidents.jsonl"
    before.write_text("of yesterday")
    assert city_brain("fuse", "absent.jsonl", "--map", world.city_map, "--incidents", before).code == 2
    assert [path.name for path in tmp_path.iterdir()] == [before.name]
    assert before.read_text() == "of yesterday"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("{copy}", "--map", "{map}", "--incidents", "{copy}"), "copy.jsonl.zst: wanted a file of its own"),
        (("{copy}", "--map", "{map}", "--incidents", "-", "--ticks", "{link}"), "link: wanted a file of its own"),
        (("{copy}", "--map", "{map}", "--incidents", "x", "--ticks", "./x"), "x: wanted a file of its own"),
        (("{copy}", "--map", "{map}", "--incidents", "-", "--tick", "nan"), "--tick: wanted"),
        (("{copy}", "--map", "{map}", "--incidents", "-", "--tick", "inf"), "--tick: wanted"),
        (("{copy}", "--map", "{map}", "--incidents", "-", "--tick", "1e300"), "--tick: wanted"),
    ],
)
def test_wrong_usage_harms_no_file(world: Fused, tmp_path: Path, words: tuple[str, ...], wanted: str) -> None:
    copy, link = tmp_path / "copy.jsonl.zst", tmp_path / "link"
    copy.write_bytes(world.observations.read_bytes())
    link.symlink_to(copy)
    filled = [word.format(copy=copy, link=link, map=world.city_map) for word in words]
    done = city_brain("fuse", *filled, folder=tmp_path)
    assert done.code == 2, done.err
    assert wanted in done.err
    assert "Traceback" not in done.err
    assert copy.read_bytes() == world.observations.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("full", [("--incidents", "/dev/full"), ("--incidents", "-", "--ticks", "/dev/full")])
def test_a_full_disk_is_named(world: Fused, full: tuple[str, ...]) -> None:
    done = city_brain("fuse", world.observations, "--map", world.city_map, *full)
    assert done.code == 1
    assert "/dev/full: wanted to write all of it, got: No space left on device" in done.err
    assert "Traceback" not in done.err


def test_json_is_on_standard_output_even_where_nothing_came(world: Fused, tmp_path: Path) -> None:
    words = ("--map", world.city_map, "--incidents", tmp_path / "i.jsonl", "--json")
    done = city_brain("fuse", "-", *words, given=b"")
    assert (done.code, "got none that is used" in done.err) == (3, True), done.err
    assert msgspec.json.decode(done.out)["ticks"] == 0
