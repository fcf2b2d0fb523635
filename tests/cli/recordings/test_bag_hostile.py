"""Damaged, cut and hostile recordings under every command that reads one: noticed, contained, reported, nothing else.

A table of more than a hundred files. A command that ends with 0 has said and written what it says and writes of the
good file; every other ends with words about the place, what was wanted and what was found.
"""

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from mcap.reader import make_reader

from city_brain.bag.container.mcap import Attachment, Op
from city_brain.bag.reading import Recording, read_series
from city_brain.bag.records import Record
from city_brain.bag.writing import RecordingWriter
from city_brain.cli.common import OUTPUTS_DIFFER
from city_brain.playback.editing import cut, merge
from city_brain.playback.recorded_city import SETTINGS
from city_brain.playback.state import ATTACHED
from city_brain.playback.street import Street
from tests.bag.hostile import HOSTILE
from tests.bag.samples import put
from tests.cli.processes import ENVIRONMENT
from tests.cli.recordings.contained import SECONDS, Job, Told
from tests.house import ROOT
from tests.playback.converting.lines import SETTINGS as TIMES
from tests.playback.converting.lines import lines, rolled

COMMANDS: dict[str, tuple[list[str], str]] = {
    "info": (["info", "day.mcap"], ""),
    "ls": (["ls", "day.mcap"], ""),
    "doctor": (["doctor", "day.mcap"], ""),
    "recover": (["recover", "day.mcap", "--out", "out/mended.mcap"], ""),
    "run": (["run", "day.mcap", "--ticks", "out/ticks.jsonl"], ""),
    "verify": (["verify", "day.mcap", "--here", "--restores", "1"], ""),
    "step": (["step", "day.mcap"], "next 3\nback\nquit\n"),
    "cut": (["cut", "day.mcap", "out/cut.mcap", "--to", "2026-09-24T08:00:07+08:00"], ""),
    "filter": (["filter", "day.mcap", "out/filtered.mcap", "--topic", "sensor.readings"], ""),
    "merge": (["merge", "out/merged.mcap", "day.mcap", "../good/day.mcap"], ""),
    "convert": (["convert", "day.mcap", "out/lines.jsonl"], ""),
    "diff": (["diff", "day.mcap", "../good/day.mcap", "--first-divergence"], ""),
    "fault": (["fault", "day.mcap", "out/spoilt.mcap", "--fault", "drop:share=0.5,topics=reports"], ""),
}
"""Every command on recordings that needs no broker: its words, and what it is told."""
DATA = ("header", "metadata", "attachment", "chunk", "message_index", "data_end")
SUMMARY = (
    "magic", "channel", "statistics", "chunk_index", "attachment_index", "metadata_index", "summary_offset", "footer",
)  # fmt: skip
"""Kinds of records: those that say what is in the file, and those that say where it is."""
CRAFTED = (
    "a length of all ones", "a text longer than its record", "a map longer than its record", "a second header",
    "a chunk that says to be huge", "a bomb behind a small size", "a bomb that does not state its size",
    "a bomb of the size it says", "a chunk of more messages than allowed", "packed in another way",
    "a chunk within a chunk", "a channel that changes", "more channels than memory", "more metadata than memory",
    "a time again", "a note of a thousand brackets", "an attachment that climbs", "an attachment that says to be long",
)  # fmt: skip
"""Of those that the reader is tested with: bombs, lengths, and what is there twice."""
UNSEALED = {("info", "a bit of header"), ("info", "a bit of metadata")}
"""What has no checksum of its own: who reads by the index alone believes it, and `doctor` does not."""
Spans = dict[str, list[tuple[int, int]]]


def spans(data: bytes) -> Spans:
    """Where the records of each kind stand in a file: begin and end."""
    found: Spans = {"magic": [(0, 8), (len(data) - 8, len(data))]}
    at = 8
    while at < len(data) - 8:
        op, length = struct.unpack_from("<BQ", data, at)
        found.setdefault(Op(op).name.lower(), []).append((at, at + 9 + length))
        at += 9 + length
    return found


def flipped(data: bytes, at: int) -> bytes:
    """With one bit changed."""
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def sealed(data: bytes) -> bytes:
    """With the checksums of attachments, data and summary as they should be: who did this meant it."""
    out, places = bytearray(data), spans(data)
    for begin, end in places["attachment"]:
        out[end - 4 : end] = struct.pack("<I", zlib.crc32(out[begin + 9 : end - 4]))
    begin, end = places["data_end"][0]
    out[begin + 9 : end] = struct.pack("<I", zlib.crc32(out[:begin]))
    begin, end = places["footer"][0]
    out[end - 4 : end] = struct.pack("<I", zlib.crc32(out[struct.unpack_from("<Q", data, begin + 9)[0] : end - 4]))
    return bytes(out)


def renamed(data: bytes, name: bytes) -> bytes:
    """With the attachment site.toml under another name, of as many bytes."""
    assert len(name) == len(SETTINGS) and data.count(SETTINGS.encode()) == 2
    return sealed(data.replace(SETTINGS.encode(), name))


def rewritten(
    folder: Path, good: Path, change: Callable[[Record], Record], attachments: dict[str, bytes] | None = None
) -> bytes:
    """Written anew by our own writer, with other records or files: nothing is wrong with the container."""
    path = folder / "rewritten" / "day.mcap"
    path.parent.mkdir(exist_ok=True)
    with Recording(good) as recording:
        metadata = {name: said for name, said in recording.metadata.items() if not name.startswith("cb.")}
        held = {SETTINGS: recording.attachment(SETTINGS).data} | (attachments or {})
    with RecordingWriter(path, metadata=metadata) as writer:
        for name, data in held.items():
            writer.attach(Attachment(log_ns=0, created_ns=0, name=name, media_type="", data=data))
        for record in read_series(good):
            put(writer, change(record))
    data = path.read_bytes()
    path.unlink()
    return data


def of_first_configuration(value: bytes) -> Callable[[Record], Record]:
    """Puts something else in the place of the city's first configuration."""
    return lambda record: (
        msgspec.structs.replace(record, value=value) if (record.topic, record.offset) == ("control", 0) else record
    )


def broken_files(good: bytes) -> Iterator[tuple[str, bytes]]:
    """What no reader may take for a whole recording."""
    places = spans(good)
    for region in (*DATA, *SUMMARY):
        begin, end = places[region][len(places[region]) // 2]
        yield f"a bit of {region}", flipped(good, (begin + end) // 2)
        yield f"cut in {region}", good[: (begin + end) // 2]
        if region in DATA:
            yield f"a bit of {region}, at its beginning", flipped(good, begin)
            yield f"an absurd length of {region}", good[: begin + 1] + struct.pack("<Q", 7 << 60) + good[begin + 9 :]
            yield f"{region} twice", good[:end] + good[begin:end] + good[end:]
    for name in (b"../s.toml", b"/ite.toml", b"C:\\e.toml", b"..\\e.toml", b"a/../toml", b"./te.toml"):
        yield f"an attachment named {name.decode()}", renamed(good, name)
    yield "nothing", b""
    yield "zeros", bytes(100_000)
    yield "the file twice", good * 2
    yield from ((f"hostile: {name}", HOSTILE[name]) for name in CRAFTED)


def wrong_cities(folder: Path, good: Path) -> Iterator[tuple[str, bytes]]:
    """Whole recordings of what cannot be a city; `run` must notice."""
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(900 << 20))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(900 << 20))
    yield "a configuration that is a bomb", rewritten(folder, good, of_first_configuration(bomb))
    yield "such a bomb of unknown size", rewritten(folder, good, of_first_configuration(unsized))
    yield "a configuration that is none", rewritten(folder, good, of_first_configuration(b"none"))
    yield "a state that is a bomb", rewritten(folder, good, lambda record: record, {ATTACHED: bomb})
    for name, text in {
        "partitions beyond number": "partitions = 1099511627776",
        "raw partitions beyond number": "[kafka.raw_partitions]\ndetections = 1073741824",
        "a name that leads away": 'city = "../../etc"\n[kafka]\ntopic_prefix = "../"',
        "settings that are no TOML": "partitions = [",
        "settings of a thousand brackets": "a = " + "[" * 100_000,
        "settings that are no text": "\udcff",
    }.items():
        data = text.encode("utf-8", "surrogateescape")
        yield name, rewritten(folder, good, lambda record: record, {SETTINGS: data})
    offset = 5
    yield "an offset twice, with other words", rewritten(
        folder, good,
        lambda record: (
            msgspec.structs.replace(record, offset=offset, value=b"{}")
            if (record.topic, record.offset) == ("sensor.readings", offset + 1) else record
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good recording of ten seconds, and what its city said, in `good`."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "good" / "out").mkdir(parents=True)
    rolled(folder / "all.mcap", lines())
    cut(folder / "all.mcap", folder / "rows.mcap", until_ns=(TIMES.start_ms + 10_000) * 1_000_000)
    with RecordingWriter(folder / "said.mcap") as writer:
        channel = writer.channel("incidents", 0)
        for offset, tick in enumerate(Street(folder / "rows.mcap").ticks()):
            writer.write(channel, offset, tick.line, timestamp_ms=0, log_ns=tick.log_ns)
    merge([folder / "rows.mcap", folder / "said.mcap"], folder / "good" / "day.mcap")
    for name in ("rows", "said"):
        (folder / f"{name}.mcap").unlink()
    return folder


@pytest.mark.slow
def test_every_command_on_every_file(folder: Path) -> None:
    """See the module. One line of the table is one file; one failure tells of all that went wrong."""
    good = folder / "good" / "day.mcap"
    table = {name: ("doctor", data) for name, data in broken_files(good.read_bytes())}
    table |= {name: ("run", data) for name, data in wrong_cities(folder, good)}
    (folder / "rewritten").rmdir()
    assert len(table) >= 50
    for number, (_, data) in enumerate(table.values()):
        (folder / f"{number:03d}" / "out").mkdir(parents=True)
        (folder / f"{number:03d}" / "day.mcap").write_bytes(data)
    before = _tree(folder)
    wanted = dict(zip(COMMANDS, _called([folder / "good"]), strict=True))
    assert {command: told.code for command, told in wanted.items() if told.code} == {}
    told = iter(_called([folder / f"{number:03d}" for number in range(len(table))]))
    found: list[str] = []
    for number, (name, (who, _)) in enumerate(table.items()):
        for command in COMMANDS:
            result = next(told)
            trouble = _trouble(result)
            if result.code == 0 and command == who:
                trouble = trouble or "did not notice"
            if result.code == 0 and who == "doctor" and (command, name) not in UNSEALED:
                out = folder / f"{number:03d}" / "out"
                if (result.out, _files(out, result)) != (wanted[command].out, _files(folder / "good" / "out", result)):
                    trouble = trouble or "said that all is well, and something else than of the good file"
            found += [f"{name}: bag {command}: {trouble}"] if trouble else []
    assert not found, f"{len(found)} in all:\n" + "\n".join(found)
    after = {path: data for path, data in _tree(folder).items() if path.parent.name != "out"}
    assert after == {path: data for path, data in before.items() if path.parent.name != "out"}, "written elsewhere"


def test_others_read_all_that_is_written(folder: Path) -> None:
    """The official reader opens what each command makes of a good one, and what `convert` makes of lines, and sees as
    many messages as it says.
    """
    _called([folder / "good"])
    made = sorted((folder / "good" / "out").glob("*.mcap"))
    assert [path.stem for path in made] == ["cut", "filtered", "mended", "merged", "spoilt"]
    for path in (folder / "all.mcap", folder / "good" / "day.mcap", *made):
        with path.open("rb") as file:
            reader = make_reader(file, validate_crcs=True)
            messages = sum(1 for _ in reader.iter_messages())
            summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert messages == summary.statistics.message_count > 0, path


def _called(folders: list[Path]) -> list[Told]:
    """How every command ended in every folder."""
    jobs = [Job(["bag", *words], str(folder), given) for folder in folders for words, given in COMMANDS.values()]
    for folder in folders:
        for path in (folder / "out").iterdir():
            path.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.recordings.contained"],
        cwd=ROOT, env=ENVIRONMENT, input=msgspec.json.encode(jobs), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=list[Told])


def _trouble(told: Told) -> str:
    """What is wrong with how a command ended, whatever the file."""
    if told.code not in (0, 1, 2, 3, 4) or "Traceback" in told.err or told.seconds > SECONDS:
        return f"ended with {told.code} after {told.seconds:.1f} s: {told.err[-300:]}"
    reason = re.search("wanted .*, got", told.err + told.out) or (told.code == OUTPUTS_DIFFER and told.out)
    return "" if told.code == 0 or reason else f"failed without a reason: {told.err}"


def _files(folder: Path, told: Told) -> dict[str, bytes]:
    """What a command wrote, by the names that are in its words."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name in told.out}


def _tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
