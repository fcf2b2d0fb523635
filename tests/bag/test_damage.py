"""Damaged and hostile files: every change is noticed, none does harm, and what is whole of them is saved."""

import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from city_brain.bag.container import mcap
from city_brain.bag.container.mcap import MAGIC, Op
from city_brain.bag.reading import Recording
from city_brain.bag.records import Record
from city_brain.bag.recovering import examine, recover
from city_brain.errors import CityBrainError, RecordingError, RecordingFullError
from tests.bag.hostile import HOSTILE, ONE_COLUMN, block, hostile
from tests.bag.samples import full_file
from tests.store.trouble import small_disk

COUNT = 150
MEMORY_BYTES = 96 << 20
"""More than this may no file cost, whatever it says of itself."""

Change = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Record]]:
    """The bytes of a good file with everything in it, and its records."""
    path = tmp_path_factory.mktemp("bag") / "night.mcap"
    told = full_file(path, COUNT)
    assert examine(path).trouble == []
    return path.read_bytes(), told


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, int]]]:
    """Where the records of each kind stand in that file: begin and end."""
    path = tmp_path_factory.mktemp("bag") / "night.mcap"
    full_file(path, COUNT)
    data = path.read_bytes()
    found: dict[str, list[tuple[int, int]]] = {"magic": [(0, 8), (len(data) - 8, len(data))]}
    at = 8
    while at < len(data) - 8:
        op, length = struct.unpack_from("<BQ", data, at)
        found.setdefault(Op(op).name.lower(), []).append((at, at + 9 + length))
        at += 9 + length
    return found


REGIONS = (
    "magic", "header", "metadata", "attachment", "chunk", "message_index", "data_end", "schema", "channel",
    "statistics", "chunk_index", "attachment_index", "metadata_index", "summary_offset", "footer",
)  # fmt: skip


def noticed(path: Path, told: list[Record] | None) -> list[str]:
    """What is told of a damaged file; nothing but our own errors comes, and no record is wrong."""
    trouble = examine(path).trouble
    got: list[Record] = []
    try:
        with Recording(path) as recording:
            trouble += [recording.cut] if recording.cut else []
            got += recording.records()
    except CityBrainError as wrong:
        trouble.append(str(wrong))
    assert told is None or got == told[: len(got)]
    for what in trouble:
        assert str(path) in what and "wanted" in what and "got" in what, what
    return trouble


@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit_is_noticed(
    tmp_path: Path, night: tuple[bytes, list[Record]], places: dict[str, list[tuple[int, int]]], region: str
) -> None:
    """In every kind of record, in its frame and in its content; all other chunks are saved."""
    data, told = night
    chance = random.Random(region)
    spots = [chance.randrange(*chance.choice(places[region])) for _ in range(6)]
    spots += [begin + byte for begin, _ in places[region][:1] for byte in range(9)]
    for spot in spots:
        damaged = bytearray(data)
        damaged[spot] ^= 1 << chance.randrange(8)
        path, mended = tmp_path / "a.mcap", tmp_path / "b.mcap"
        path.write_bytes(damaged)
        assert noticed(path, told), f"bit flipped at {spot}"
        mended.unlink(missing_ok=True)
        check_recovered(path, mended, told, lost_chunks=1 if region == "chunk" else 0)


def check_recovered(path: Path, mended: Path, told: list[Record], lost_chunks: int) -> None:
    """All but so many chunks are saved, in order, and the new file is as good as any."""
    found = recover(path, mended)
    assert examine(mended).trouble == []
    with Recording(mended) as recording:
        saved = list(recording.records())
        assert len(recording.gaps()) >= found.damages
    assert [record for record in told if record in set(saved)] == saved
    assert len(saved) >= len(told) - lost_chunks * 12, f"{len(saved)} saved, {found}"
    assert found.records == len(saved)
    if len(saved) < len(told):
        assert found.damages


def test_a_cut_is_noticed_and_costs_a_chunk(
    tmp_path: Path, night: tuple[bytes, list[Record]], places: dict[str, list[tuple[int, int]]]
) -> None:
    """In every kind of record and between any two: the file says that it was cut, and whole chunks are saved."""
    data, told = night
    chance = random.Random(7)
    cuts = {place for region in REGIONS for span in places[region][-2:] for place in (*span, chance.randint(*span))}
    for length in sorted(cuts - {len(data)} - set(range(60))):
        path, mended = tmp_path / "a.mcap", tmp_path / "b.mcap"
        path.write_bytes(data[:length])
        assert noticed(path, told), f"cut at {length}"
        mended.unlink(missing_ok=True)
        whole = sum(end <= length for _, end in places["chunk"])
        if whole:
            assert recover(path, mended).chunks == whole
            assert examine(mended).trouble == []
            with Recording(mended) as recording:
                saved = list(recording.records())
            assert saved == told[: len(saved)]


@pytest.mark.parametrize("seed", range(10))
def test_much_damage_at_once_does_no_harm(tmp_path: Path, night: tuple[bytes, list[Record]], seed: int) -> None:
    """Bytes overwritten, inserted, removed, doubled: noticed, and every record that is saved is one that was."""
    data, told = night
    chance = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(damaged)), chance.randint(1, 3000)
        piece = [chance.randbytes(length), bytes(length), damaged[at : at + length] * 2, b""][chance.randrange(4)]
        damaged[at : at + chance.choice([0, length])] = piece
    if damaged == data:
        damaged = damaged[:-1]
    path, mended = tmp_path / "a.mcap", tmp_path / "b.mcap"
    path.write_bytes(damaged)
    assert noticed(path, told)
    recover(path, mended)
    assert examine(mended).trouble == []
    with Recording(mended) as recording:
        assert set(recording.records()) <= set(told)


def test_chunks_are_found_where_the_way_to_them_is_lost(
    tmp_path: Path, night: tuple[bytes, list[Record]], places: dict[str, list[tuple[int, int]]]
) -> None:
    """A length in the middle of a file without its end: the chunks behind it are saved all the same."""
    data, told = night
    begin, _ = places["chunk"][10]
    damaged = bytearray(data[: places["data_end"][0][0]])
    damaged[begin + 1 : begin + 9] = (1 << 40).to_bytes(8, "little")
    path = tmp_path / "a.mcap"
    path.write_bytes(damaged)
    assert noticed(path, told)
    found = recover(path, tmp_path / "b.mcap")
    assert found.chunks == len(places["chunk"]) - 1
    assert found.damages == 1 and not found.finished
    assert examine(tmp_path / "b.mcap").gaps[-1].reason == "torn"


def test_metadata_that_were_changed_are_told(tmp_path: Path, night: tuple[bytes, list[Record]]) -> None:
    """They have no checksum of their own: all is saved, and the sum over the data tells of it."""
    data, told = night
    path = tmp_path / "a.mcap"
    path.write_bytes(data.replace(b"0b782b5", b"0b782b6"))
    found = recover(path, tmp_path / "b.mcap")
    assert (found.records, found.damages, found.lost_bytes) == (len(told), 1, 0)
    assert "wanted data with checksum" in found.told[0].why
    assert examine(tmp_path / "b.mcap").gaps[-1].reason == "torn"


def test_the_damaged_file_is_not_touched(tmp_path: Path, night: tuple[bytes, list[Record]]) -> None:
    """Nor is a file written over that is there."""
    path = tmp_path / "a.mcap"
    path.write_bytes(night[0][:5000])
    recover(path, tmp_path / "b.mcap")
    assert path.read_bytes() == night[0][:5000]
    with pytest.raises(RecordingError, match=r"b\.mcap: wanted a new file, got one that is there"):
        recover(path, tmp_path / "b.mcap")


@pytest.mark.parametrize("data", [b"", bytes(1000), b"x" * 1000, MAGIC + mcap.header("citybrain") + bytes(50)])
def test_nothing_is_saved_of_nothing(tmp_path: Path, data: bytes) -> None:
    """And no file is left that looks like something."""
    path = tmp_path / "a.mcap"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="wanted"):
        recover(path, tmp_path / "b.mcap")
    assert [found.name for found in tmp_path.iterdir()] == ["a.mcap"]


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_contained(tmp_path: Path, what: str) -> None:
    """It is refused with the place, what was wanted and what was found; in little memory; and recover is not fooled."""
    path = tmp_path / "hostile.mcap"
    path.write_bytes(HOSTILE[what])
    tracemalloc.start()
    try:
        assert [why for why in noticed(path, None) if not why.endswith("got the end of the file")], what
        recover(path, tmp_path / "mended.mcap")
    except CityBrainError:
        assert [found.name for found in tmp_path.iterdir()] == ["hostile.mcap"]
    else:
        assert examine(tmp_path / "mended.mcap").trouble == []
        with Recording(tmp_path / "mended.mcap") as recording:
            assert [entry.name for entry in recording.attachments] == ["cb.offsets"]
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY_BYTES, f"{peak} bytes"


def test_there_are_fifty_of_them() -> None:
    """Hostile files, besides flipped bits, cuts and much damage at once."""
    assert len(HOSTILE) >= 50


SUMMARY_LIES: dict[str, Change] = {
    "a summary that begins behind the file": lambda data: data.__setitem__(slice(-28, -20), b"\xff" * 8),
    "a summary that is the whole file": lambda data: data.__setitem__(slice(-28, -20), bytes([8, *bytes(7)])),
    "no summary": lambda data: data.__setitem__(slice(-28, -20), bytes(8)),
    "a checksum of 0": lambda data: data.__setitem__(slice(-12, -8), bytes(4)),
}


@pytest.mark.parametrize("lie", SUMMARY_LIES)
def test_a_summary_that_lies_is_not_believed(tmp_path: Path, night: tuple[bytes, list[Record]], lie: str) -> None:
    """It is told, and the records are read without it."""
    data, told = night
    damaged = bytearray(data)
    SUMMARY_LIES[lie](damaged)
    path = tmp_path / "a.mcap"
    path.write_bytes(damaged)
    assert noticed(path, told)
    with Recording(path) as recording:
        assert recording.cut and list(recording.records()) == told


def test_a_full_disk_is_no_damage_of_the_file(tmp_path: Path, night: tuple[bytes, list[Record]]) -> None:
    """Where the new file finds no room, recover says that, and leaves nothing of it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    path = tmp_path / "a.mcap"
    path.write_bytes(night[0][:-100])
    with small_disk(folder) as (fill, _):
        fill()
        with pytest.raises(RecordingFullError, match=r"b\.mcap\.mending: wanted room for the recording"):
            recover(path, folder / "b.mcap")
        assert not list(folder.glob("b.mcap*"))


def test_another_version_is_not_mended_into_ours(tmp_path: Path) -> None:
    """Its chunks may look the same, and mean something else."""
    path = tmp_path / "a.mcap"
    good = block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN)
    path.write_bytes(hostile(mcap.metadata_record("cb.recording", {"version": "2"}), good))
    with pytest.raises(RecordingError, match="wanted a recording of version 1, got 2"):
        recover(path, tmp_path / "b.mcap")
