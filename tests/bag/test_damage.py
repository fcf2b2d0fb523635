"""Damaged and hostile files: every change is noticed, none does harm, and what is whole of them is saved."""

import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from city_brain.bag.container import mcap
from city_brain.bag.container.mcap import MAGIC, Attachment, ChunkHead, Op
from city_brain.bag.reading import Recording
from city_brain.bag.records import Channel, Record
from city_brain.bag.recovering import examine, recover
from city_brain.errors import CityBrainError, RecordingError, RecordingFullError
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


def chunk(records: bytes, **lies: object) -> bytes:
    """A chunk of records, with the fields that are said otherwise."""
    packed = zstandard.ZstdCompressor().compress(records)
    said: dict[str, object] = {
        "start_ns": 1, "end_ns": 1, "size": len(records), "crc": zlib.crc32(records), "packing": "zstd",
        "packed": packed,
    }  # fmt: skip
    return mcap.chunk_record(ChunkHead(**(said | lies)))  # type: ignore[arg-type]


def hostile(*records: bytes, profile: str = "citybrain") -> bytes:
    """A file that ends behind these records, as one that was cut."""
    return MAGIC + mcap.header(profile) + b"".join(records)


CHANNEL = mcap.channel_record(Channel(1, 0, "a", "", {"partition": "0"}))
BLOCKS = mcap.channel_record(Channel(2, 0, "a/_kafka", "citybrain.block.v1", {}))
MESSAGE = mcap.MESSAGE.pack(5, 22 + 1, 1, 0, 1, 1) + b"v"


def block(*numbers: int, columns: bytes = b"") -> bytes:
    """A chunk with one record and a block with such a head."""
    data = struct.pack("<BBHIIIIIIIII", *numbers) + columns
    return chunk(CHANNEL + BLOCKS + MESSAGE + mcap.MESSAGE.pack(5, 22 + len(data), 2, 0, 1, 1) + data)


def attached(name: str, **lies: object) -> bytes:
    """An attachment with such a name."""
    said: dict[str, object] = {"log_ns": 1, "created_ns": 0, "name": name, "media_type": "", "data": b"x"}
    return mcap.attachment_record(Attachment(**(said | lies)))  # type: ignore[arg-type]


ZEROS = bytes(32 << 20)
EMPTY = mcap.START.pack(5, 0)
ONE_COLUMN = struct.pack("<qiiiHb", 0, 0, -1, -1, 0, 0)
HOSTILE: dict[str, bytes] = {
    "a length beyond the file": hostile(mcap.START.pack(Op.CHUNK, 1 << 62)),
    "a length of all ones": hostile(mcap.START.pack(Op.METADATA, (1 << 64) - 1)),
    "a long header": MAGIC + mcap.START.pack(Op.HEADER, 1 << 20) + bytes(1 << 20),
    "a text longer than its record": hostile(mcap.record(Op.METADATA, b"\xff\xff\xff\xff")),
    "a map longer than its record": hostile(mcap.record(Op.METADATA, mcap.text("a"), b"\xff\xff\xff\x7f")),
    "a text that is none": hostile(mcap.record(Op.METADATA, mcap.block(b"\xff\xfe"), mcap.block(b""))),
    "opcode 0": hostile(mcap.record(0, b"x")),
    "a footer among the data": hostile(mcap.footer(b"", 0, 0)),
    "a second header": hostile(mcap.header("citybrain")),
    "a chunk that says to be huge": hostile(chunk(ZEROS, size=1 << 40)),
    "a bomb behind a small size": hostile(chunk(ZEROS, size=100)),
    "a bomb that does not state its size": hostile(
        chunk(ZEROS, size=100, packed=zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS))
    ),
    "a bomb of the size it says": hostile(chunk(ZEROS)),
    "a chunk of nothing but empty messages": hostile(chunk(EMPTY * (1 << 16))),
    "a chunk of more messages than allowed": hostile(chunk(EMPTY * ((1 << 19) + 9))),
    "a size of 0": hostile(chunk(b"", packed=zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS))),
    "data that are not packed so": hostile(chunk(MESSAGE, packed=b"not at all")),
    "data behind the packed ones": hostile(chunk(MESSAGE, packed=zstandard.compress(MESSAGE) + b"more")),
    "packed in another way": hostile(chunk(MESSAGE, packing="lz4")),
    "a wrong checksum": hostile(chunk(MESSAGE, crc=1)),
    "no checksum": hostile(chunk(CHANNEL + MESSAGE, crc=0)),
    "a message without a channel": hostile(chunk(MESSAGE)),
    "a message that is too short": hostile(chunk(CHANNEL + mcap.record(Op.MESSAGE, bytes(21)))),
    "a short message at the end": hostile(chunk(CHANNEL + MESSAGE + mcap.record(Op.MESSAGE, b""))),
    "a message longer than its chunk": hostile(chunk(CHANNEL + mcap.MESSAGE.pack(5, 1 << 50, 1, 0, 1, 1))),
    "a chunk within a chunk": hostile(chunk(chunk(MESSAGE))),
    "a channel that changes": hostile(
        chunk(CHANNEL + mcap.channel_record(Channel(1, 0, "b", "", {"partition": "0"})) + MESSAGE)
    ),
    "more channels than memory": hostile(
        *(
            chunk(mcap.channel_record(Channel(number, 0, "a", "", {"x": "y" * 900_000})))
            for number in range(1, 200)
        )
    ),
    "more metadata than memory": hostile(mcap.metadata_record("a", {"x": "y" * 900_000}) * 60),
    "a time beyond 63 bits": hostile(chunk(CHANNEL + mcap.MESSAGE.pack(5, 22, 1, 0, 1 << 63, 1))),
    "times other than the chunk says": hostile(chunk(CHANNEL + MESSAGE, end_ns=7)),
    "a time again": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN) * 2),
    "a record without a block": hostile(chunk(CHANNEL + MESSAGE)),
    "a block of another version": hostile(block(2, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN)),
    "a block of many rows": hostile(block(1, 0, 1, (1 << 32) - 1, 1, 0, 0, 0, 0, 0, 0, 0)),
    "a block of many headers": hostile(block(1, 0, 1, 1, 1, 1, (1 << 32) - 1, 0, 0, 0, 0, 0)),
    "a block of many null values": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, (1 << 32) - 1, 0)),
    "a block with long keys": hostile(block(1, 0, 1, 1, 1, 0, 0, (1 << 32) - 1, 0, 0, 0, 0, columns=ONE_COLUMN)),
    "a block with more at its end": hostile(block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=ONE_COLUMN + b"x")),
    "a block without stretches": hostile(block(1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=bytes(8))),
    "a block of another offset": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 1, 0, -1, -1, 0, 0))
    ),
    "a block of another partition": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 1, -1, -1, 0, 0))
    ),
    "a block with a key of length -2": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 0, -1, -2, 0, 0))
    ),
    "a block with a lie about a type": hostile(
        block(1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, columns=struct.pack("<qiiiHb", 0, 0, -1, -1, 0, 9))
    ),
    "a block with nothing in it": hostile(block(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    "a note that is no object": hostile(
        chunk(mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {})) + mcap.MESSAGE.pack(5, 23, 1, 0, 1, 1) + b"[")
    ),
    "a note of a thousand brackets": hostile(
        chunk(
            mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {}))
            + mcap.MESSAGE.pack(5, 22 + 100_000, 1, 0, 1, 1) + b'{"a":' + b"[" * 99_995
        )
    ),
    "a gap that is none": hostile(
        chunk(mcap.channel_record(Channel(1, 0, "_cb/gaps", "json", {})) + mcap.MESSAGE.pack(5, 24, 1, 0, 1, 1) + b"{}")
    ),
    "an attachment that climbs": hostile(attached("../../etc/cron.d/job")),
    "an attachment at the root": hostile(attached("/etc/passwd")),
    "an attachment of a drive": hostile(attached("C:\\autoexec.bat")),
    "an attachment without a name": hostile(attached("")),
    "an attachment with a line in its name": hostile(attached("a\nb")),
    "an attachment with a long name": hostile(attached("a/" * 2000 + "b")),
    "an attachment that is damaged": hostile(attached("a")[:-1] + b"\0"),
    "an attachment that says to be long": hostile(
        mcap.record(Op.ATTACHMENT, bytes(16), mcap.text("a"), mcap.text(""), (1 << 63).to_bytes(8, "little"), b"xxxx")
    ),
    "another version": hostile(mcap.metadata_record("cb.recording", {"version": "2"})),
}  # fmt: skip


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
